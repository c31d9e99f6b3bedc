//! The domain of Brevet: rules, policy, leases and the ledger.
//!
//! Nothing here does I/O. Time, randomness, storage and upstream calls are arguments or ports, so
//! that everything runs natively in milliseconds and the same code serves in the Worker. This crate
//! never sees the Worker runtime or the Cloudflare client.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that meets the unexpected should stop there"
    )
)]

pub mod access;
pub mod announce;
mod base64url;
pub mod bearer;
pub mod broker;
pub mod catalogue;
pub mod cloudflare;
pub mod condition;
pub mod form;
pub mod guardrail;
mod hex;
pub mod hook;
pub mod id;
pub mod json;
pub mod ledger;
pub mod oidc;
pub mod policy;
pub mod rulebook;
pub mod rules;
pub mod secret;
pub mod sorted;
pub mod template;
pub mod time;
