//! The bindings to the Workers runtime: nothing else of Brevet knows that there is one.

mod cloudflare;
mod glue;
mod objects;
mod requests;
mod sql;
mod surroundings;
pub(crate) mod tasks;

pub(crate) use cloudflare::{EnvSecrets, Fetch, now, now_ms, post_event};
pub(crate) use glue::log_line;
pub(crate) use objects::{Namespace, ObjectState, Stored, arm, wake_at};
pub(crate) use requests::{answer, read};
pub(crate) use sql::ObjectSql;
pub(crate) use surroundings::Surroundings;
pub(crate) use tasks::{Settled, answer_text};
