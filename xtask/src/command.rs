//! Small questions to other programs, and signals to groups of them.

use std::io::Read as _;
use std::process::{Command, Stdio};

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

/// The path of the first program of this name on the PATH.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_absolute() && path.is_file())
}

/// True when a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    find(program).is_some()
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
    fn an_error_status_is_no_answer() {
        assert_eq!(answer(&mut Command::new("/nonexistent/program")), None);
        assert_eq!(answer(Command::new("sh").args(["-c", "echo a; exit 1"])), None);
        assert_eq!(answer(Command::new("sh").args(["-c", "echo a"])).as_deref(), Some("a\n"));
    }
}
