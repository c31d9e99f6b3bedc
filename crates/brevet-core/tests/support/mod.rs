//! What the tests of the core put in the place of the world: a database, a Cloudflare, a clock.
#![allow(dead_code, unused_imports, reason = "every test program uses its own part of this")]

mod announced;
mod bench;
mod clock;
mod cloudflare;
mod script;
mod sql;
mod task;

pub(crate) use announced::{
    CHAT, Event, Page, SIEM, both, holds_no_secret, ledger, received, rules, siem, unix,
};
pub(crate) use bench::{ACCOUNT, Bench, Desk, intent, lease_id, parents, pepper, renewal, update};
pub(crate) use clock::{HANGS, ManualClock, Post, SLOW, START};
pub(crate) use cloudflare::{Call, ScriptedCloudflare};
pub(crate) use script::{Barrier, Script, Stage, Verb, failure};
pub(crate) use sql::NativeSql;
pub(crate) use task::Task;
