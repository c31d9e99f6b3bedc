//! The programs of a session: the stand-in and wrangler, each under a guard.

use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::vars::Vars;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::say;
use crate::setup::Workshop;
use crate::worker::BUILD_VARIABLE;

/// The stand-in only opens a port.
const STAND_IN_LIMIT: Duration = Duration::from_secs(30);
/// Wrangler bundles and starts workerd; a busy machine takes its time.
const WORKER_LIMIT: Duration = Duration::from_secs(120);
/// How often a waiting session looks again.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of wrangler's that tell a user of a local session nothing.
const NOISE: [&str; 4] = ["`Request.cf`", "getaddrinfo", "GetAddrInfoReqWrap", "Starting local server"];
/// The parents that the stand-in makes, named like the Worker's secrets.
pub(super) const PARENTS: [&str; 3] =
    ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_APPS_TOKEN", "CLOUDFLARE_USER_TOKEN"];

/// A program that ends with this value, or with this process.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    guard: Child,
}

impl Running {
    /// # Errors
    /// When it has ended.
    pub(super) fn still_there(&mut self) -> Result<(), Failure> {
        match self.guard.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Failure::Step {
                step: self.name.to_owned(),
                seen: "it has ended; its last lines are above".to_owned(),
            }),
        }
    }
}

/// The running stand-in.
#[derive(Debug)]
pub(super) struct StandIn {
    /// The program.
    pub(super) running: Running,
    /// The base of its API.
    pub(super) api: String,
    /// Its parent tokens.
    pub(super) parents: Vars,
}

/// Starts the stand-in on a free port and reads its greeting.
pub(super) fn start_stand_in(workshop: &Workshop, program: &Path) -> Result<StandIn, Failure> {
    let mut command = guard::guarded(workshop.command(program).args(["--port", "0"]), &[])?;
    let mut guard = guard::spawn(command.stdout(Stdio::piped()))?;
    let lines = lines_of(guard.stdout.take());
    let mut stand_in = StandIn {
        running: Running { name: "the stand-in", guard },
        api: String::new(),
        parents: Vars::default(),
    };
    let from = Instant::now();
    while stand_in.api.is_empty() || PARENTS.iter().any(|name| stand_in.parents.get(name).is_none()) {
        let Ok(line) = lines.recv_timeout(STAND_IN_LIMIT.saturating_sub(from.elapsed())) else {
            stand_in.running.still_there()?;
            return Err(Failure::TooLong {
                program: "fake-cloudflare".to_owned(),
                limit_s: STAND_IN_LIMIT.as_secs(),
            });
        };
        greeting(&line, &mut stand_in.api, &mut stand_in.parents);
    }
    Ok(stand_in)
}

/// One line of the stand-in's greeting.
fn greeting(line: &str, api: &mut String, parents: &mut Vars) {
    if let Some(address) = line.strip_prefix("ready ") {
        *api = format!("{}/client/v4", address.trim().trim_end_matches('/'));
    } else if let Some((name, value)) = line.split_once('=')
        && PARENTS.contains(&name)
    {
        parents.set(name, value.trim());
    }
}

/// Starts wrangler and waits until the Worker answers.
pub(super) fn start_worker(
    workshop: &Workshop,
    port: u16,
    vars: &Path,
    state: &Path,
    remove: &[PathBuf],
) -> Result<Running, Failure> {
    let (port, inspector) = (port.to_string(), free_port()?.to_string());
    let mut wrangler = workshop.command("wrangler");
    wrangler.args([
        "dev",
        "--ip",
        "127.0.0.1",
        "--port",
        &port,
        "--inspector-port",
        &inspector,
        "--local-protocol",
        "http",
    ]);
    wrangler
        .arg("--show-interactive-dev-session=false")
        .arg("--env-file")
        .arg(vars)
        .arg("--persist-to")
        .arg(state);
    wrangler.env(BUILD_VARIABLE, "skip").env("CI", "true").env("NO_COLOR", "1");
    let mut command = guard::guarded(&wrangler, remove)?;
    let mut guard = guard::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    forward(lines_of(guard.stdout.take()));
    forward(lines_of(guard.stderr.take()));
    Ok(Running { name: "wrangler", guard })
}

/// Waits until somebody listens on the port.
pub(super) fn wait_for_port(running: &mut Running, port: u16) -> Result<(), Failure> {
    let from = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect_timeout(&address, LOOK).is_err() {
        running.still_there()?;
        if from.elapsed() > WORKER_LIMIT {
            return Err(Failure::TooLong {
                program: "wrangler dev".to_owned(),
                limit_s: WORKER_LIMIT.as_secs(),
            });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Stays until one of the programs ends.
pub(super) fn stay(programs: &mut [Running]) -> Failure {
    loop {
        for program in programs.iter_mut() {
            if let Err(failure) = program.still_there() {
                return failure;
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// A port that is free now.
pub(super) fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| Failure::Start { program: "a listener on a free port".to_owned(), source })
}

/// The port asked for, or a free one for 0.
///
/// # Errors
/// When somebody listens there.
pub(super) fn choose_port(wanted: u16) -> Result<u16, Failure> {
    if wanted == 0 {
        return free_port();
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)) {
        Ok(_) => Ok(wanted),
        Err(source) => Err(Failure::Usage(format!(
            "dev: port {wanted} cannot be used ({source}); choose another with --port"
        ))),
    }
}

/// Makes the state's folder and holds it alone: two Workers on one database would lose each other's writes.
///
/// # Errors
/// When another session holds it, or it cannot be made.
pub(super) fn hold_state(state: &Path) -> Result<File, Failure> {
    place::make_folder(state)?;
    let path = state.join("held");
    let held = File::create(&path).map_err(file("making", &path))?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => Err(Failure::Usage(format!(
            "dev: another session works with --state {}; end it or name another folder",
            state.display()
        ))),
        Err(TryLockError::Error(source)) => Err(Failure::File { doing: "locking", path, source }),
    }
}

fn lines_of<R: std::io::Read + Send + 'static>(pipe: Option<R>) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // The pipe is read to its end even when nobody listens: a full pipe would stop the program.
                let _heard = sender.send(line);
            }
        });
    }
    lines
}

fn forward(lines: Receiver<String>) {
    std::thread::spawn(move || {
        for line in lines {
            let text = without_colours(&line);
            if !(text.trim().is_empty() || NOISE.iter().any(|noise| text.contains(noise))) {
                say::worker(&text);
            }
        }
    });
}

/// Wrangler colours its warnings whatever it is told.
fn without_colours(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_greeting_and_takes_nothing_else_for_a_secret() {
        let (mut api, mut parents) = (String::new(), Vars::default());
        for line in [
            "ready http://127.0.0.1:9",
            "zone 1 example.com account=2",
            "CLOUDFLARE_API_TOKEN=cfat_x",
            "OTHER=y",
        ] {
            greeting(line, &mut api, &mut parents);
        }
        assert_eq!(api, "http://127.0.0.1:9/client/v4");
        assert_eq!(format!("{parents:?}"), "[\"CLOUDFLARE_API_TOKEN\"]");
    }

    #[test]
    fn a_port_in_use_is_refused_and_zero_is_any() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(matches!(choose_port(port), Err(Failure::Usage(_))));
        assert_ne!(choose_port(0).unwrap(), 0);
    }

    #[test]
    fn a_state_that_another_session_holds_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let held = hold_state(&state).unwrap();
        let refused = hold_state(&state).unwrap_err().to_string();
        assert!(refused.contains("another session works with --state"), "{refused}");
        drop(held);
        hold_state(&state).unwrap();
    }

    #[test]
    fn takes_colours_out() {
        assert_eq!(without_colours("\u{1b}[33m▲ \u{1b}[1mWARNING\u{1b}[0m x"), "▲ WARNING x");
    }
}
