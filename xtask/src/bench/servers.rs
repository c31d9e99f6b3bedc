//! The running programs: workerd on one core, what it talks to and who asks it on another.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::figures::Sample;
use super::sides::Prepared;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::setup::Workshop;

/// The core of the server that is measured.
const SERVER_CORE: &str = "0";
/// The core of everything else.
const OTHER_CORE: &str = "1";
/// A busy machine takes its time.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How often a start is looked for: often, for that is what is measured.
const LOOK: Duration = Duration::from_micros(200);

/// How many state folders there were.
static STATES: AtomicU32 = AtomicU32::new(0);

/// Puts a program on a core, after noting its process id in a file.
const ON_CORE: &str = r#"echo $$ > "$0"; exec taskset -c "$@""#;

/// Checks that this machine can pin programs and tell their processor time.
pub(super) fn check_machine() -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let missing = |what: &str, next: &str| Failure::Missing { what: what.to_owned(), next: next.to_owned() };
    if !crate::command::on_path("taskset") || !Path::new("/proc/self/schedstat").exists() {
        return Err(missing(
            "no taskset, or no /proc/self/schedstat",
            "run the benchmark on Linux with util-linux: it pins programs to cores and reads their processor time",
        ));
    }
    if cores < 2 {
        return Err(missing("one processor core", "the benchmark needs two: one for the server alone"));
    }
    // This process stays off the server's core.
    let id = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-c", "-p", OTHER_CORE, &id]).stdout(Stdio::null());
    taskset.status().map(drop).map_err(|source| Failure::Start { program: "taskset".to_owned(), source })
}

/// A free port. Another program may take it before ours does; then that one does not start.
pub(super) fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| Failure::Start { program: "a server".to_owned(), source })
}

/// The stand-in for the API, the issuer and KV.
#[derive(Debug)]
pub(super) struct StandIn {
    _guard: Child,
    /// The ports of its API and of its KV.
    pub(super) ports: (u16, u16),
}

/// Starts it.
pub(super) fn start_stand_in(driver: &Path, inputs: &Path) -> Result<StandIn, Failure> {
    let mut program = Command::new("taskset");
    program.args(["-c", OTHER_CORE]).arg(driver).arg("stand-in").arg("--jwks").arg(inputs.join("jwks.json"));
    program.args(["--issuer", "https://issuer.bench.example"]);
    let mut guard = guard::spawn(guard::guarded(&program, &[])?.stdout(Stdio::piped()))?;
    let mut line = String::new();
    if let Some(out) = guard.stdout.take() {
        let _read = BufReader::new(out).read_line(&mut line);
    }
    let ports: Vec<u16> = line.split_whitespace().skip(1).filter_map(|port| port.parse().ok()).collect();
    match ports.as_slice() {
        [api, kv] => Ok(StandIn { _guard: guard, ports: (*api, *kv) }),
        _ => Err(step("the stand-in", "it did not start")),
    }
}

/// A running workerd.
#[derive(Debug)]
pub(super) struct Server {
    _guard: Child,
    /// Its process.
    pub(super) process: u32,
    /// Where it listens.
    pub(super) port: u16,
    /// From its spawning to the first byte of its first answer.
    pub(super) started: Duration,
}

/// Starts workerd on an empty state and waits for its first answer.
pub(super) fn start(prepared: &Prepared, outside: (u16, u16)) -> Result<Server, Failure> {
    let port = free_port()?;
    let state = state_folder(prepared.side.name())?;
    let config = prepared.configure(port, outside, &state)?;
    let note = prepared.folder.join("process");
    let _old = fs::remove_file(&note);
    let mut program = Command::new("sh");
    program
        .arg("-c")
        .arg(ON_CORE)
        .arg(&note)
        .arg(SERVER_CORE)
        .arg(workerd())
        .args(["serve", "--experimental"])
        .arg(&config);
    let log = prepared.folder.join("log");
    let out = fs::File::create(&log).map_err(file("writing", &log))?;
    let errors = out.try_clone().map_err(file("writing", &log))?;
    let mut guarded = guard::guarded(&program, &[state])?;
    let begun = Instant::now();
    let guard = guard::spawn(guarded.stdout(out).stderr(errors))?;
    while !answers(port) {
        if begun.elapsed() > READY_LIMIT {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(step(prepared.side.name(), &format!("it did not start:\n{said}")));
        }
        std::thread::sleep(LOOK);
    }
    let started = begun.elapsed();
    let text = fs::read_to_string(&note).map_err(file("reading", &note))?;
    let process = text.trim().parse().map_err(|_| step(prepared.side.name(), "it noted no process id"))?;
    Ok(Server { _guard: guard, process, port, started })
}

/// workerd itself: its npm package has the program behind a script of Node's.
fn workerd() -> PathBuf {
    let packages = place::root().join("node_modules/@cloudflare");
    let found = fs::read_dir(&packages).into_iter().flatten().flatten();
    found
        .map(|entry| entry.path().join("bin/workerd"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| place::root().join("node_modules/.bin/workerd"))
}

/// A folder for the objects' databases: in memory where there is a place for that, for no processor time is spent there on a disk that
/// production does not have.
fn state_folder(name: &str) -> Result<PathBuf, Failure> {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    // Each start another one: the guard of the server before may still be removing its own.
    let number = STATES.fetch_add(1, Ordering::Relaxed);
    let folder = base.join(format!("brevet-bench-{}-{number}-{name}", std::process::id()));
    place::remove_folder(&folder)?;
    place::make_folder(&folder)?;
    Ok(folder)
}

/// Whether the first byte of an answer comes.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let sent = stream
        .set_read_timeout(Some(READY_LIMIT))
        .and_then(|()| stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    sent.is_ok() && stream.read_exact(&mut [0]).is_ok()
}

impl Server {
    /// Processor time of all its threads since it began, in nanoseconds.
    pub(super) fn cpu(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.process);
        let threads = fs::read_dir(tasks).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                text.split_whitespace().next()?.parse::<u64>().ok()
            })
            .sum()
    }

    /// Memory that is its own alone, in kilobytes.
    pub(super) fn private_memory(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }
}

/// Requests to be sent.
#[derive(Clone, Debug)]
pub(super) struct Load<'a> {
    pub(super) lines: &'a Path,
    pub(super) from: u32,
    pub(super) requests: u32,
    pub(super) connections: u32,
    pub(super) status: u16,
    /// Where the ids of the leases go that were made.
    pub(super) capture: Option<&'a Path>,
}

/// Sends requests and measures what they cost the server. Every one must be answered with the status.
pub(super) fn load(
    workshop: &Workshop,
    driver: &Path,
    server: &Server,
    load: &Load<'_>,
) -> Result<Sample, Failure> {
    let mut program = workshop.command("taskset");
    program.args(["-c", OTHER_CORE]).arg(driver).arg("load").arg("--lines").arg(load.lines);
    for (name, value) in [
        ("--port", u32::from(server.port)),
        ("--from", load.from),
        ("--requests", load.requests),
        ("--connections", load.connections),
        ("--status", u32::from(load.status)),
    ] {
        program.arg(name).arg(value.to_string());
    }
    if let Some(path) = load.capture {
        program.arg("--capture").arg(path);
    }
    let what = || format!("{} on port {}", load.lines.display(), server.port);
    let before = server.cpu();
    let said = crate::command::answer(&mut program).ok_or_else(|| step(&what(), "the client failed"))?;
    let spent = server.cpu().saturating_sub(before);
    let told: Value = serde_json::from_str(&said).map_err(|error| step(&what(), &error.to_string()))?;
    if told.get("wrong").and_then(Value::as_u64) != Some(0) {
        return Err(step(
            &what(),
            &format!(
                "{} answers had another status than {}; the first: {}",
                told.get("wrong").unwrap_or(&Value::Null),
                load.status,
                told.get("example").unwrap_or(&Value::Null)
            ),
        ));
    }
    let micro = |name: &str| told.get(name).and_then(Value::as_f64).unwrap_or_default() / 1_000.0;
    let requests = f64::from(load.requests);
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "nanoseconds of minutes are far below 2^53"
    )]
    let cpu = spent as f64 / 1_000.0 / requests;
    Ok(Sample {
        cpu,
        p50: micro("p50"),
        p99: micro("p99"),
        most: micro("max"),
        rate: requests / (micro("nanoseconds") / 1e6),
    })
}

fn step(step: &str, seen: &str) -> Failure {
    Failure::Step { step: step.to_owned(), seen: seen.to_owned() }
}
