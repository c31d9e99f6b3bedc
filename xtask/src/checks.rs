//! `xtask test`: everything that CI runs, step by step.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fake;
use crate::flags::Flags;
use crate::guard;
use crate::place;
use crate::previous;
use crate::python;
use crate::say;
use crate::setup::Workshop;
use crate::size;
use crate::worker;

/// What each step is called and does, in the order of the run: quick refusals first.
const STEPS: [(&str, &str); 12] = [
    ("fmt", "rustfmt would change nothing"),
    ("clippy", "no warnings in any target of the workspace"),
    ("test", "all native tests"),
    ("doc", "the documentation builds without warnings"),
    ("deny", "licences, bans and sources of the dependencies"),
    ("advisories", "known vulnerabilities of the dependencies"),
    ("build", "the Worker's release wasm"),
    ("size", "nothing uploaded is over the ceiling; the budget is told beside it"),
    ("worker", "black-box tests on real workerd"),
    ("action", "the GitHub Action as a runner runs it, on real workerd"),
    ("rollout", "this Worker with the objects of the build before, and the reverse, on real workerd"),
    (
        "clients",
        "the guides' lines for curl and Python, Cloudflare's client for Python, and the examples' receivers, on real workerd",
    ),
];
/// Fetching the list of advisories hangs where the network is closed.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(120);
/// The black-box suites together.
const WORKER_TESTS_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How a step ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(Failure),
    /// It could not be run, and why.
    NotRun(String),
}

/// The `test` task.
///
/// # Errors
/// When a step fails.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let chosen = choose(Flags::new("test", arguments))?;
    let workshop = Workshop::open()?;
    let mut results: Vec<(&str, Outcome, Duration)> = Vec::new();
    for (name, does) in STEPS {
        if !chosen.is_empty() && !chosen.iter().any(|step| step == name) {
            continue;
        }
        say::line(&format!("== {name}: {does}"));
        let from = Instant::now();
        let unbuilt =
            results.iter().any(|(step, outcome, _)| *step == "build" && !matches!(outcome, Outcome::Passed));
        let outcome = if unbuilt && matches!(name, "size" | "worker" | "action" | "rollout" | "clients") {
            Outcome::NotRun("the Worker was not built".to_owned())
        } else {
            run(&workshop, name)
        };
        let took = from.elapsed();
        say::line(&format!("== {name}: {} in {:.1} s", describe(&outcome), took.as_secs_f64()));
        results.push((name, outcome, took));
    }
    let (lines, verdict) = summarise(&results);
    for text in lines {
        say::line(&text);
    }
    verdict
}

fn choose(mut flags: Flags) -> Result<Vec<String>, Failure> {
    let mut chosen = Vec::new();
    while let Some(flag) = flags.next()? {
        match flag.as_str() {
            "--only" => {
                let step = flags.value("--only")?;
                if !STEPS.iter().any(|(name, _)| *name == step) {
                    let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
                    return Err(Failure::Usage(format!(
                        "test: no step `{step}`; there are {}",
                        names.join(", ")
                    )));
                }
                chosen.push(step);
            }
            other => return Err(flags.unknown(other)),
        }
    }
    Ok(chosen)
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed(failure) => format!("FAILED ({failure})"),
        Outcome::NotRun(why) => format!("NOT RUN ({why})"),
    }
}

/// The closing lines, and whether the run passed.
fn summarise(results: &[(&str, Outcome, Duration)]) -> (Vec<String>, Result<(), Failure>) {
    let mut lines = vec!["== summary".to_owned()];
    lines.extend(results.iter().map(|(name, outcome, took)| {
        format!("{name:<12} {:>7.1} s  {}", took.as_secs_f64(), describe(outcome))
    }));
    let count =
        |wanted: fn(&Outcome) -> bool| results.iter().filter(|(_, outcome, _)| wanted(outcome)).count();
    let not_run = count(|outcome| matches!(outcome, Outcome::NotRun(_)));
    let passed = count(|outcome| matches!(outcome, Outcome::Passed));
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
        .map(|(name, ..)| *name)
        .collect();
    let skipped = if not_run > 0 { format!(", {not_run} skipped") } else { String::new() };
    if not_run > 0 {
        lines.push(format!("NOT RUN: {not_run}"));
    }
    lines.push(format!("steps: {passed} passed, {} failed{skipped}", failed.len()));
    let verdict = match failed.as_slice() {
        [] => Ok(()),
        names => Err(Failure::Step { step: "test".to_owned(), seen: format!("{} failed", names.join(", ")) }),
    };
    (lines, verdict)
}

fn run(workshop: &Workshop, step: &str) -> Outcome {
    let ended = match step {
        "fmt" => cargo(&["fmt", "--all", "--check"], &[]),
        "clippy" => {
            cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])
        }
        "test" => cargo(&["test", "--workspace"], &[]),
        "doc" => cargo(
            &["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
        "deny" => match workshop.cargo_deny() {
            Ok(program) => deny(&program, &["bans", "licenses", "sources"]),
            Err(failure) => return Outcome::NotRun(format!("no cargo-deny: {failure}")),
        },
        "advisories" => return advisories(workshop),
        "build" => worker::build(workshop),
        "size" => size::check(workshop).map(drop),
        "worker" => worker_tests(workshop, "tests/worker/worker.test.js", &[]),
        "action" => worker_tests(workshop, "tests/worker/action.test.js", &[]),
        "rollout" => match previous::build() {
            Ok(Some(build)) => {
                worker_tests(workshop, "tests/worker/rollout.test.js", &[("BREVET_PREVIOUS_BUILD", build)])
            }
            Ok(None) => {
                return Outcome::NotRun("the build before is not in this checkout's history".to_owned());
            }
            Err(failure) => return Outcome::NotRun(format!("the build before cannot be built: {failure}")),
        },
        _ => return client_tests(workshop),
    };
    ended.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place::root()).args(arguments).envs(variables.iter().copied());
    guard::run(&cargo)
}

fn deny(program: &PathBuf, checks: &[&str]) -> Result<(), Failure> {
    let mut deny = Command::new(program);
    deny.current_dir(place::root())
        .args(["--workspace", "--all-features", "check", "--hide-inclusion-graph"])
        .args(checks);
    guard::run(&deny)
}

/// Vulnerabilities are looked up in a list that has to be fetched; where it cannot be, that is no pass.
fn advisories(workshop: &Workshop) -> Outcome {
    let program = match workshop.cargo_deny() {
        Ok(program) => program,
        Err(failure) => return Outcome::NotRun(format!("no cargo-deny: {failure}")),
    };
    let mut fetch = Command::new(&program);
    fetch.current_dir(place::root()).args(["--workspace", "fetch", "db"]);
    if guard::run_quietly(&fetch, ADVISORIES_LIMIT).is_err() {
        return Outcome::NotRun("the list of advisories cannot be fetched from here".to_owned());
    }
    let mut check = Command::new(&program);
    check.current_dir(place::root()).args([
        "--workspace",
        "--all-features",
        "check",
        "--disable-fetch",
        "advisories",
    ]);
    guard::run_within(&check, ADVISORIES_LIMIT).map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

/// A file of tests/worker: the release wasm on workerd against the stand-in.
fn worker_tests(workshop: &Workshop, tests: &str, variables: &[(&str, PathBuf)]) -> Result<(), Failure> {
    let stand_in = fake::build()?;
    let program = fake::build_native("brevet-cli", "brevet")?;
    let mut node = workshop.command("node");
    node.arg("--test").arg(tests);
    node.env(worker::BUILD_VARIABLE, "skip").env("BREVET_FAKE", stand_in);
    node.env("BREVET_PROGRAM", program).env("CI", "true");
    node.envs(variables.iter().map(|(name, value)| (name, value)));
    guard::run_within(&node, WORKER_TESTS_LIMIT)
}

/// The programs of other people are the machine's; where there are none, that is no pass.
fn client_tests(workshop: &Workshop) -> Outcome {
    if let Some(missing) = ["curl", "openssl"].into_iter().find(|name| !crate::command::on_path(name)) {
        return Outcome::NotRun(format!("{missing} is not on the PATH"));
    }
    match python::packages() {
        Ok(packages) => {
            worker_tests(workshop, "tests/worker/clients.test.js", &[("BREVET_PYTHON_PACKAGES", packages)])
                .map_or_else(Outcome::Failed, |()| Outcome::Passed)
        }
        Err(failure) => Outcome::NotRun(format!("no Python packages: {failure}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        Flags::new("test", arguments.iter().map(OsString::from).collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn only_takes_known_steps() {
        assert!(choose(flags(&[])).unwrap().is_empty());
        assert_eq!(choose(flags(&["--only", "fmt", "--only=size"])).unwrap(), ["fmt", "size"]);
        assert!(choose(flags(&["--only", "everything"])).unwrap_err().to_string().contains("clippy"));
        assert!(matches!(choose(flags(&["--fast"])), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_failed_step_fails_the_run_and_one_that_did_not_run_is_no_pass() {
        let second = Duration::from_secs(1);
        let failed = || Outcome::Failed(Failure::Usage("x".to_owned()));
        let (lines, verdict) = summarise(&[("fmt", Outcome::Passed, second), ("doc", failed(), second)]);
        assert!(verdict.is_err());
        assert_eq!(lines.last().unwrap(), "steps: 1 passed, 1 failed");
        let not_run = Outcome::NotRun("y".to_owned());
        let (lines, verdict) = summarise(&[("fmt", Outcome::Passed, second), ("deny", not_run, second)]);
        assert!(verdict.is_ok());
        assert_eq!(lines.last().unwrap(), "steps: 1 passed, 0 failed, 1 skipped");
        assert_eq!(describe(&Outcome::NotRun("y".to_owned())), "NOT RUN (y)");
    }
}
