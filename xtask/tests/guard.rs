//! A program under a guard ends with whoever asked for it.
#![allow(clippy::disallowed_methods, reason = "the bans protect the Worker; this is a native program")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn guard(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("guard")
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let from = Instant::now();
    while !done() {
        assert!(from.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_alive(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success()
}

/// The process ids of a shell and of what it started, once both are written.
fn pids(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Starts a shell that starts a program, both deaf to polite signals where `deaf`.
fn family(file: &Path, deaf: bool) -> Child {
    let trap = if deaf { "trap '' TERM HUP;" } else { "" };
    let script =
        format!("{trap} sleep 300 & echo $! >> '{0}'; echo $$ >> '{0}'; wait; sleep 300", file.display());
    let child = guard(&["--", "sh", "-c", &script]);
    wait_until("the start", || pids(file).len() == 2);
    child
}

#[test]
fn a_closed_pipe_ends_the_program_and_what_it_started() {
    for deaf in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut child = family(&file, deaf);
        assert!(pids(&file).iter().all(|pid| is_alive(pid)));
        // What the system does when the owner is killed.
        drop(child.stdin.take());
        child.wait().unwrap();
        wait_until("the end", || pids(&file).iter().all(|pid| !is_alive(pid)));
    }
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("sleep 300 & echo $! > '{}'; exit 7", file.display());
    let mut child = guard(&["--", "sh", "-c", &script]);
    // `wait` would close it, which ends the program.
    let held = child.stdin.take();
    let status = child.wait().unwrap();
    drop(held);
    assert_eq!(status.code(), Some(7));
    wait_until("the end", || pids(&file).iter().all(|pid| !is_alive(pid)));
}

#[test]
fn what_was_asked_to_be_removed_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join("vars"), "x").unwrap();
    let mut child = guard(&["--remove", secrets.to_str().unwrap(), "--", "sleep", "300"]);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!secrets.exists());
}

#[test]
fn a_guard_without_a_program_or_with_one_that_is_not_there_fails() {
    for arguments in [&[][..], &["--"], &["sleep", "1"], &["--", "/nonexistent/program"]] {
        let output = guard(arguments).wait_with_output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
    }
}
