//! `brevet-bench load …` and `brevet-bench stand-in …`: the two sides around a Worker that is measured.
//!
//! Both are plain threads on blocking sockets, one for each connection. What they cost is not measured: they run on
//! another core than the server.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")
)]
#![allow(clippy::disallowed_methods, reason = "the bans protect the Worker; this is a native program")]

mod http;
mod lines;
mod load;
mod options;
mod spread;
mod stand_in;

use std::process::ExitCode;

use options::Options;

const HELP: &str = "\
brevet-bench load --port N --lines FILE --requests N [--from N] [--connections N] [--status N] [--capture FILE]
    Sends N requests, taken from the lines of FILE from line `from` on and from its beginning again, over so many connections, each
    waiting for its answer before it sends the next. Every status must begin with the one given. Prints one line of JSON.
brevet-bench stand-in [--jwks FILE] [--issuer URL]
    Prints `ready API-PORT KV-PORT` and serves until it is ended.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let ended = Options::read(arguments).and_then(|options| match task.as_str() {
        "load" => load::run(&options),
        "stand-in" => stand_in::run(&options),
        _ => Err(HELP.to_owned()),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place of this program that complains")]
fn complain(why: &str) {
    eprintln!("brevet-bench: {why}");
}

/// Prints a result.
#[expect(clippy::print_stdout, reason = "the one place of this program that prints")]
fn say(line: &str) {
    use std::io::Write as _;
    println!("{line}");
    // Whoever waits for the line reads it from a pipe.
    drop(std::io::stdout().flush());
}
