//! `xtask guard`: the keeper of one program.
//!
//! The task that wants the program holds the guard's standard input open. When that task ends, however it ends (`kill -9` included), the
//! system closes the pipe, and the guard ends the program's whole process group: wrangler starts workerd, and a workerd that outlives its
//! session keeps a port and a database locked.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{own_group, signal_group};
use crate::failure::Failure;

/// How long the program may take to end by itself after a polite signal.
const GRACE: Duration = Duration::from_secs(2);
/// How often the guard looks whether it has.
const LOOK: Duration = Duration::from_millis(25);

/// A command that runs `program` under a guard. Spawn it with [`spawn`].
pub(crate) fn guarded(program: &Command, remove: &[PathBuf]) -> Result<Command, Failure> {
    // A step of `xtask test` may build this very program anew: its path then leads to another file or to
    // none. What runs stays reachable here.
    let running = PathBuf::from("/proc/self/exe");
    let this = if running.exists() { Ok(running) } else { std::env::current_exe() }
        .map_err(|source| Failure::Start { program: "xtask guard".to_owned(), source })?;
    let mut command = Command::new(this);
    command.arg("guard");
    for path in remove {
        command.arg("--remove").arg(path);
    }
    command.arg("--").arg(program.get_program()).args(program.get_args());
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    // Its own group, so that Ctrl-C in the terminal does not end the guard before its charge.
    own_group(&mut command);
    command.stdin(Stdio::piped());
    Ok(command)
}

/// Starts a command made by [`guarded`]. The program lives as long as the returned child's standard input is held.
pub(crate) fn spawn(command: &mut Command) -> Result<Child, Failure> {
    command.spawn().map_err(|source| Failure::Start { program: crate::command::name(command), source })
}

/// Runs a program to its end under a guard, with its output where ours goes.
///
/// # Errors
/// When it cannot be started or ends with an error.
pub(crate) fn run(program: &Command) -> Result<(), Failure> {
    to_the_end(program, None, false)
}

/// Runs a program to its end under a guard, or to the limit.
///
/// # Errors
/// When it cannot be started, ends with an error or takes longer than `limit`.
pub(crate) fn run_within(program: &Command, limit: Duration) -> Result<(), Failure> {
    to_the_end(program, Some(limit), false)
}

/// Like [`run_within`], with the program's standard output thrown away.
///
/// # Errors
/// As there.
pub(crate) fn run_quietly(program: &Command, limit: Duration) -> Result<(), Failure> {
    to_the_end(program, Some(limit), true)
}

fn to_the_end(program: &Command, limit: Option<Duration>, quiet: bool) -> Result<(), Failure> {
    let name = || crate::command::name(program);
    let mut command = guarded(program, &[])?;
    if quiet {
        command.stdout(Stdio::null());
    }
    let mut guard = spawn(&mut command)?;
    let from = Instant::now();
    let status = loop {
        match guard.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if limit.is_none_or(|limit| from.elapsed() < limit) => std::thread::sleep(LOOK),
            Ok(None) => {
                // The guard ends the program when its standard input closes.
                drop(guard.stdin.take());
                let _ended = guard.wait();
                let limit_s = limit.unwrap_or_default().as_secs();
                return Err(Failure::TooLong { program: name(), limit_s });
            }
            Err(source) => return Err(Failure::Start { program: name(), source }),
        }
    };
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Ended { program: name(), status: status.to_string() })
    }
}

/// The guard itself: `guard [--remove PATH]… -- PROGRAM ARGUMENT…`. Returns the program's exit code.
pub(crate) fn main(mut arguments: std::vec::IntoIter<OsString>) -> Result<u8, Failure> {
    let mut remove = Vec::new();
    loop {
        match arguments.next() {
            Some(flag) if flag == "--remove" => remove.extend(arguments.next().map(PathBuf::from)),
            Some(flag) if flag == "--" => break,
            _ => return Err(Failure::Usage("guard is for the task runner's own use".to_owned())),
        }
    }
    let program = arguments.next().ok_or_else(|| Failure::Usage("guard: no program".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    own_group(&mut command);
    let mut child = command
        .spawn()
        .map_err(|source| Failure::Start { program: crate::command::name(&command), source })?;
    let group = child.id();

    let (sender, owner_gone) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut unused = [0_u8; 64];
        let mut pipe = std::io::stdin().lock();
        while matches!(pipe.read(&mut unused), Ok(1..)) {}
        // The main thread may have ended already.
        let _told = sender.send(());
    });

    let status = loop {
        match child.try_wait() {
            Ok(None) => {}
            ended => break ended.ok().flatten(),
        }
        if owner_gone.recv_timeout(LOOK).is_ok() {
            signal_group("TERM", group);
            let from = Instant::now();
            while from.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(LOOK);
            }
            break None;
        }
    };
    // What the program started and left behind ends as well.
    signal_group("KILL", group);
    // Only to leave no zombie: the group has been told to end.
    let _ended = child.wait();
    for path in remove {
        // Nobody is left to be told; the next run uses another name.
        let _removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
    Ok(status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
