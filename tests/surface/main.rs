//! The HTTP surface, natively: a file per route, denials first.
//!
//! Each denial is looked at from every side: the status and the reason, the whole body that the caller
//! gets, that Cloudflare heard nothing and no token came about, and what was logged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

mod denial;
mod hook_sender;
mod installation;
#[path = "../../crates/brevet-core/tests/oidc/issuer.rs"]
#[allow(dead_code, reason = "the tokens' own tests use the rest")]
mod issuer;
mod kv;
#[path = "../../crates/brevet-core/tests/oidc/native.rs"]
mod native;
#[path = "../../crates/brevet-core/tests/support/sql.rs"]
#[allow(dead_code, reason = "the ledger's own tests use the rest")]
mod sql;
#[path = "../upstream/stage.rs"]
#[allow(dead_code, reason = "the adapter's own tests use the rest")]
mod stage;

mod anything;
mod attacks;
mod audit;
mod config;
mod counts;
mod dangerous;
mod deliveries;
mod drop_in;
mod exchange;
mod federation;
mod hook_replies;
mod hooks;
mod idempotency;
mod leases;
mod limits;
mod listings;
mod monitor;
mod plan;
mod simulate;
mod surrender;
mod switch;
mod tokens;
mod verify;
