//! Running other programs, with a time limit and in groups that end together.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How often a waiting task looks again.
const LOOK: Duration = Duration::from_millis(50);

/// The program and its first arguments, for messages. Arguments never hold a secret: those go by file.
pub(crate) fn name(command: &Command) -> String {
    const SHOWN_ARGUMENTS: usize = 4;
    let mut text = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args().take(SHOWN_ARGUMENTS) {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    command.spawn().map_err(|source| Failure::Start { program: name(command), source })
}

/// Runs a program to its end, with its output where ours goes.
///
/// # Errors
/// When it cannot be started or ends with an error.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    command.stdin(Stdio::null());
    let status =
        start(command)?.wait().map_err(|source| Failure::Start { program: name(command), source })?;
    good(command, status)
}

fn good(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Ended { program: name(command), status: status.to_string() })
    }
}

/// Runs a program to its end or to the limit, then ends its whole group.
///
/// # Errors
/// When it cannot be started, ends with an error or takes longer than `limit`.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<(), Failure> {
    command.stdin(Stdio::null());
    own_group(command);
    let mut child = start(command)?;
    let from = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return good(command, status),
            Ok(None) if from.elapsed() < limit => std::thread::sleep(LOOK),
            Ok(None) => {
                signal_group("KILL", child.id());
                // Only to leave no zombie; the group has been told to end.
                let _ended = child.wait();
                return Err(Failure::TooLong { program: name(command), limit_s: limit.as_secs() });
            }
            Err(source) => return Err(Failure::Start { program: name(command), source }),
        }
    }
}

/// Runs a program and takes what it prints. `None` when it cannot be run or ends with an error.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    /// More than any of the small questions asked here is answered with.
    const MOST: u64 = 16 << 20;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut text = String::new();
    let read = child.stdout.take()?.take(MOST).read_to_string(&mut text);
    let status = child.wait().ok()?;
    (read.is_ok() && status.success()).then_some(text)
}

/// True when a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Gives the program a process group of its own, so that it can be ended with everything it starts.
pub(crate) fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

/// Sends a signal to a whole process group; a group that is gone is no error.
pub(crate) fn signal_group(signal: &str, group: u32) {
    // `kill` of the shell: the standard library cannot signal a group and this crate forbids unsafe code.
    let _sent = Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"-$1\" 2>/dev/null", signal, &group.to_string()])
        .stdin(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_a_program_that_takes_too_long_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("late");
        let script = format!("(sleep 1; touch '{}') & sleep 30", mark.display());
        let from = Instant::now();
        let ended = run_within(Command::new("sh").args(["-c", &script]), Duration::from_millis(200));
        assert!(matches!(ended, Err(Failure::TooLong { .. })));
        assert!(from.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!mark.exists(), "the grandchild went on");
    }

    #[test]
    fn an_error_status_is_a_failure() {
        assert!(matches!(run(Command::new("sh").args(["-c", "exit 3"])), Err(Failure::Ended { .. })));
        assert!(matches!(run(&mut Command::new("/nonexistent/program")), Err(Failure::Start { .. })));
        assert_eq!(answer(Command::new("sh").args(["-c", "echo a; exit 1"])), None);
        assert_eq!(answer(Command::new("sh").args(["-c", "echo a"])).as_deref(), Some("a\n"));
    }
}
