//! `brevet`, the operator's program: it makes credentials, lints and pushes the rules, and deploys.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the bans protect the Worker; this is a native program")]
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

mod arguments;
mod audit;
mod config;
mod credential;
mod deploy;
mod exchange;
mod failure;
mod file;
mod holder;
mod origin;
mod rules_edit;
mod rules_file;
mod say;
mod simulate;
mod toml_rules;
mod worker;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::{Exit, Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let url = arguments.url.as_deref();
    let done: Result<Exit, Failure> = match &arguments.command {
        Command::Client { command } => holder::run(holder::Kind::Client, command),
        Command::Operator { command } => holder::run(holder::Kind::Operator, command),
        Command::Config { command } => config::run(url, command),
        Command::Audit { command } => audit::run(url, command),
        Command::Simulate(options) => simulate::run(url, options),
        Command::Ledger { command } => audit::ledger(url, command),
        Command::Deploy(options) => deploy::run(url, options),
    };
    let exit = done.unwrap_or_else(|failure| {
        say::note(&format!("brevet: {failure}"));
        failure.exit()
    });
    exit.into()
}
