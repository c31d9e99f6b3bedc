#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "a test may fail loudly"
    )
)]

mod admin;
mod api;
mod config;
#[cfg(feature = "check-answers")]
mod conformance;
mod envelope;
mod fake;
mod fault;
mod groups;
mod instant;
mod issuer;
mod leak;
mod policy;
mod refusal;
mod route;
#[cfg(feature = "server")]
mod server;
mod settings;
mod state;
mod token;
mod value;
mod world;

pub use config::{Config, Parent};
pub use envelope::Answer;
pub use fake::{Arrival, CLIENT_IP_HEADER, Fake, Outcome, Peer, Reply};
pub use fault::{Barrier, Effect, Fault, Matcher, Ticket, When};
pub use groups::{Group, Scope};
pub use policy::{Effect as PolicyEffect, Policy, Resource, Which};
pub use refusal::Refusal;
#[cfg(feature = "server")]
pub use server::{ServeError, Served, serve, unix_now};
pub use settings::{CommonCheck, InactiveVerify, NameFilter, Settings};
pub use state::{CALLS_KEPT, Call, Violation};
pub use token::{Condition, Owner, Status, Token};
pub use value::{Source, TokenValue};
pub use world::{
    APPS_ACCOUNT, Account, EPOCH, EXAMPLE_ZONE, FOREIGN_ACCOUNT, FOREIGN_ZONE, MAIN_ACCOUNT, USER, World,
    Zone,
};

/// Where the API begins in every path.
pub const BASE: &str = "/client/v4";
