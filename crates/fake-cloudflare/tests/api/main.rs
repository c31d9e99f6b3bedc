//! The stand-in, in process: what the API does, what it refuses, and its switches. Every answer
//! is held against Cloudflare's response schemas on the way (feature `check-answers`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod access;
mod desk;
mod faults;
mod issuer;
mod leaks;
mod lifecycle;
mod limits;
mod lists;
mod policies;
mod random;
mod switches;
mod verify;
mod zones;
