//! What the tasks print: results on standard output, progress on standard error.
#![expect(clippy::print_stderr, reason = "the one place of the task runner that prints")]

use std::io::Write as _;

/// Prints a line of the result. A closed pipe ends nothing.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        eprintln!("{text}");
    }
}

/// Prints a line of progress.
pub(crate) fn progress(text: &str) {
    eprintln!("xtask: {text}");
}

/// Prints a line of the Worker's log.
pub(crate) fn worker(text: &str) {
    eprintln!("worker | {text}");
}
