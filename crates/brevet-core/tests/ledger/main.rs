//! The ledger at work, over SQLite and a Cloudflare that fails and waits on demand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

#[path = "../support/mod.rs"]
mod support;

mod alarm;
mod book;
mod changing;
mod claims;
mod creating;
mod delivering;
mod flush;
mod interleavings;
mod journal;
mod orders;
mod ownership;
mod paused;
mod protocol;
mod quota;
mod reading;
mod rebuild;
mod refusals;
mod revoking;
mod rules;
mod schema;
mod sweep;
mod switch;
mod warnings;
