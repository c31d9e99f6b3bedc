//! The Worker: events, the route table, the adapters and the two Durable Objects. What Brevet decides
//! is in `brevet-core`; here requests come in, answers go out, and Cloudflare is called.
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

pub mod config;
pub mod routes;
pub mod upstream;

#[cfg(target_arch = "wasm32")]
mod adapters;
#[cfg(target_arch = "wasm32")]
mod events;
#[cfg(target_arch = "wasm32")]
mod objects;
