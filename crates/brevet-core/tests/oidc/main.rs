//! Identity tokens: what is taken, and the many ways in which one is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

mod issuer;
mod keys;
mod native;
mod tokens;
mod wycheproof;
