//! The adapter to Cloudflare, against the stand-in in memory, with a clock that a wait moves on.
//!
//! Every test looks at both sides: what the caller is told, and which calls arrived.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

mod answers;
mod creates;
mod limits;
mod lists;
mod parents;
mod reads;
mod refusals;
mod repeats;
mod secrecy;
mod stage;
mod verify;
