//! The project's tasks: `cargo xtask TASK`.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")
)]
#![allow(clippy::disallowed_methods, reason = "the bans protect the Worker; this is a native program")]

mod bench;
mod checks;
mod command;
mod debian;
mod dev;
mod failure;
mod fake;
mod flags;
mod guard;
mod javascript;
mod pins;
mod place;
mod previous;
mod python;
mod say;
mod setup;
mod size;
mod soak;
mod tools;
mod wasm_rust;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
cargo xtask TASK

  setup   install what is missing (every other task does this by itself)
  dev     build, start the stand-in Cloudflare API and the Worker on workerd, walk through the main job, stay up
            --port N           where the Worker listens (8787; 0 = any free port)
            --upstream URL     no stand-in: use this API, for example http://127.0.0.1:9000/client/v4
            --var KEY=VALUE    a variable or secret of the Worker, repeatable; BREVET_OPERATOR_SECRET is the root operator's
            --state DIR        keep the Worker's state there (otherwise each run starts anew)
            --no-walkthrough   only start
            --real             use the real Cloudflare API: CLOUDFLARE_API_TOKEN (account-owned, with Account API Tokens Write) and
                               CLOUDFLARE_ACCOUNT_ID come from the environment or .dev.vars; the token is never printed
  fake    the stand-in alone: --port N [--host 127.0.0.1]
  build   the Worker's release wasm and JavaScript, in build/
  size    what a deployment uploads, against ceiling and budget
            --parts            what of it costs what
  test    everything that CI runs; --only STEP (repeatable) for some of it
  soak    random work, faults and restarts on workerd, then books and Cloudflare are compared: --minutes N (10) [--seed S]
  bench   what Brevet costs beside what one would write instead, on workerd: bench/results.md
            --quick            few rounds, printed alone; under three minutes once everything is built
            --cost             the operations of each request, and what a million of them costs
            --curves           only how figures grow with grants, templates, connections, leases and the journal
            --rounds N         how often everything is measured (9; 3 of a quick run)
            --only TEXT        only the rows with this in their name
            --built            measure build/ as it is

The cache is BREVET_CACHE, else XDG_CACHE_HOME/brevet, else ~/.cache/brevet. BREVET_WASM_RUST=debian takes Debian's compiler for the
Worker even where rustup has the wasm32 target.";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).collect::<Vec<OsString>>().into_iter();
    let task = arguments.next().unwrap_or_default();
    if task == "guard" {
        return guard::main(arguments).map_or_else(
            |failure| {
                say::progress(&failure.to_string());
                ExitCode::FAILURE
            },
            ExitCode::from,
        );
    }
    let wants_help = |argument: &OsString| argument == "--help" || argument == "-h";
    if wants_help(&task)
        || task == "help"
        || task.is_empty()
        || (task != "fake" && arguments.as_slice().iter().any(wants_help))
    {
        say::line(HELP);
        return if task.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match run(&task.to_string_lossy(), arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::progress(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(task: &str, arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let none = |name| match arguments.as_slice().first() {
        None => Ok(()),
        Some(first) => Err(Failure::Usage(format!("{name}: unknown argument `{}`", first.to_string_lossy()))),
    };
    match task {
        "setup" => {
            none("setup")?;
            setup::Workshop::open().map(drop)
        }
        "build" => none("build").and_then(|()| worker::task()),
        "size" => size::task(arguments),
        "dev" => dev::task(arguments),
        "fake" => fake::task(arguments),
        "test" => checks::task(arguments),
        "soak" => soak::task(arguments),
        "bench" => bench::task(arguments),
        other => Err(Failure::Usage(format!("there is no task `{other}`"))),
    }
}
