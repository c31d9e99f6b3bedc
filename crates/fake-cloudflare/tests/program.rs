//! The program on a real socket: delays, barriers, broken connections, its first lines, its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![cfg(feature = "server")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fake_cloudflare::{MAIN_ACCOUNT, USER};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fake-cloudflare");
/// Longest that a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Program {
    child: Option<Child>,
    address: String,
    lines: Vec<String>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut reader = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(reader.read_line(&mut line).expect("a line"), 0, "it ended: {lines:?}");
            lines.push(line.trim_end().to_owned());
            if line.starts_with("CLOUDFLARE_USER_TOKEN=") {
                break;
            }
        }
        let address =
            lines.first().and_then(|line| line.strip_prefix("ready http://")).expect("ready").to_owned();
        Self { child: Some(child), address, lines }
    }

    fn value(&self, name: &str) -> String {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.expect("a value").to_owned()
    }

    fn connect(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Wire(BufReader::new(stream))
    }

    /// Throws a switch.
    fn admin(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut wire = self.connect();
        wire.send(method, &format!("/__admin/{path}"), "", Some(body));
        let (status, _, body) = wire.receive().expect("an answer");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    fn creates(&self) -> usize {
        let (_, calls) = self.admin("GET", "calls?method=POST", &json!({}));
        calls.as_array().expect("a list").len()
    }

    /// Sends SIGTERM and waits for the end.
    fn end(mut self) -> Output {
        let child = self.child.take().expect("it runs");
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        child.wait_with_output().expect("its end")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

struct Wire(BufReader<TcpStream>);

impl Wire {
    fn send(&mut self, method: &str, path: &str, token: &str, body: Option<&Value>) {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.0.get_mut().write_all(format!("{head}{body}").as_bytes()).expect("sent");
    }

    /// Status, announced length and body; `Err` where the connection ends before that.
    fn receive(&mut self) -> std::io::Result<(u16, usize, Vec<u8>)> {
        let (status, length) = self.head()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, length, body))
    }

    fn head(&mut self) -> std::io::Result<(u16, usize)> {
        let (mut status, mut length) = (0, 0);
        for number in 0.. {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_lowercase();
            if number == 0 {
                status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        Ok((status, length))
    }
}

fn create_path() -> String {
    format!("/client/v4/accounts/{MAIN_ACCOUNT}/tokens")
}

fn powerless() -> Value {
    json!({ "name": "powerless", "policies": [] })
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a native test measures a real delay")]
    Instant::now()
}

#[test]
fn the_first_lines_name_everything_one_needs() {
    let program = Program::start(&["--port", "0", "--seed", "5"]);
    assert!(program.address.starts_with("127.0.0.1:"));
    for line in [format!("account {MAIN_ACCOUNT} main family=account"), format!("user {USER} family=user")] {
        assert!(program.lines.contains(&line), "{line}");
    }
    assert!(program.value("CLOUDFLARE_API_TOKEN").starts_with("cfat_"));
    let again = Program::start(&["--seed=5"]);
    assert_eq!(again.value("CLOUDFLARE_APPS_TOKEN"), program.value("CLOUDFLARE_APPS_TOKEN"));
    assert_eq!(program.end().status.code(), Some(0));
}

#[test]
fn a_connection_serves_many_calls() {
    let program = Program::start(&[]);
    let mut wire = program.connect();
    for _ in 0..3 {
        wire.send("GET", "/client/v4/zones", &program.value("CLOUDFLARE_API_TOKEN"), None);
        assert_eq!(wire.receive().expect("an answer").0, 200);
    }
}

#[test]
fn parents_can_be_given_and_added() {
    let (given, added) = ("-_".repeat(20), format!("cfut_{}", "n".repeat(48)));
    let (one, two) = (format!("CLOUDFLARE_API_TOKEN={given}"), format!("CLOUDFLARE_NEXT@user={added}"));
    let program = Program::start(&["--parent", &one, "--parent", &two]);
    for (path, token) in
        [(format!("{}/verify", create_path()), given), ("/client/v4/user/tokens/verify".to_owned(), added)]
    {
        let mut wire = program.connect();
        wire.send("GET", &path, &token, None);
        assert_eq!(wire.receive().expect("an answer").0, 200);
    }
}

#[test]
fn delays_are_real() {
    let program = Program::start(&[]);
    program.admin("POST", "faults", &json!({ "count": 1, "effect": { "kind": "latency", "ms": 300 } }));
    let (mut wire, begin) = (program.connect(), now());
    wire.send("GET", "/client/v4/zones", "", None);
    assert_eq!(wire.receive().expect("an answer").0, 400);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_body_can_come_long_after_its_head() {
    let program = Program::start(&[]);
    program.admin("POST", "faults", &json!({ "count": 1, "effect": { "kind": "slow_body", "ms": 400 } }));
    let mut wire = program.connect();
    wire.send("GET", "/client/v4/zones", "", None);
    let (status, length) = wire.head().expect("a head");
    let begin = now();
    let mut body = vec![0; length];
    wire.0.read_exact(&mut body).expect("a body");
    assert_eq!(status, 400);
    assert!(begin.elapsed() >= Duration::from_millis(200), "the head came first");
}

#[test]
fn a_dropped_answer_is_an_end_without_answer_and_a_reset_a_reset() {
    let program = Program::start(&[]);
    let parent = program.value("CLOUDFLARE_API_TOKEN");
    for (effect, kind) in [
        (json!({ "kind": "drop", "when": "after" }), ErrorKind::UnexpectedEof),
        (json!({ "kind": "reset" }), ErrorKind::ConnectionReset),
    ] {
        program.admin("POST", "faults", &json!({ "count": 1, "effect": effect }));
        let mut wire = program.connect();
        wire.send("POST", &create_path(), &parent, Some(&powerless()));
        assert_eq!(wire.receive().map_err(|error| error.kind()), Err(kind));
    }
    let (_, tokens) = program.admin("GET", "tokens", &json!({}));
    let made = tokens.as_array().expect("a list").iter().filter(|token| token["name"] == "powerless").count();
    assert_eq!(made, 1, "the dropped answer's work is done, the reset call's is not");
}

#[test]
fn a_cut_answer_announces_more_than_comes() {
    let program = Program::start(&[]);
    for bytes in [0, 12] {
        program.admin(
            "POST",
            "faults",
            &json!({ "count": 1, "effect": { "kind": "truncate", "bytes": bytes } }),
        );
        let mut wire = program.connect();
        wire.send("GET", "/client/v4/zones", &program.value("CLOUDFLARE_API_TOKEN"), None);
        let (status, length) = wire.head().expect("a head");
        let mut body = Vec::new();
        // However the connection ends, what came before it counts.
        let _ended = wire.0.read_to_end(&mut body);
        assert_eq!((status, body.len()), (200, bytes));
        assert!(length > bytes);
    }
}

#[test]
fn a_barrier_holds_a_create_after_its_work_until_released() {
    let program = Program::start(&[]);
    let barrier = json!({ "match": { "method": "POST", "suffix": "/tokens" }, "when": "after" });
    let (_, made) = program.admin("POST", "barriers", &barrier);
    let number = made["id"].as_u64().expect("a number");
    let mut waiting: Vec<Wire> = (0..2).map(|_| program.connect()).collect();
    for wire in &mut waiting {
        wire.send("POST", &create_path(), &program.value("CLOUDFLARE_API_TOKEN"), Some(&powerless()));
    }
    let (status, held) =
        program.admin("GET", &format!("barriers/{number}?held=2&timeout_ms=10000"), &json!({}));
    assert_eq!((status, held), (200, json!({ "held": 2 })));
    assert_eq!(program.creates(), 2, "both are done");
    for wire in &waiting {
        wire.0.get_ref().set_nonblocking(true).expect("a mode");
        let peeked = wire.0.get_ref().peek(&mut [0]).map_err(|error| error.kind());
        assert_eq!(peeked, Err(ErrorKind::WouldBlock), "no answer yet");
        wire.0.get_ref().set_nonblocking(false).expect("a mode");
    }
    program.admin("POST", &format!("barriers/{number}/release"), &json!({}));
    for wire in &mut waiting {
        assert_eq!(wire.receive().expect("an answer").0, 200);
    }
}

#[test]
fn a_caller_that_leaves_a_barrier_before_its_work_leaves_no_trace() {
    let program = Program::start(&[]);
    let barrier = json!({ "match": { "method": "POST", "suffix": "/tokens" }, "when": "before" });
    program.admin("POST", "barriers", &barrier);
    let mut wire = program.connect();
    wire.send("POST", &create_path(), &program.value("CLOUDFLARE_API_TOKEN"), Some(&powerless()));
    assert_eq!(program.admin("GET", "barriers/1?held=1&timeout_ms=10000", &json!({})).0, 200);
    drop(wire);
    let begin = now();
    while program.admin("GET", "barriers/1", &json!({})).1 != json!({ "held": 0 }) {
        assert!(begin.elapsed() < PATIENCE, "its place is given up");
    }
    program.admin("POST", "barriers/1/release", &json!({}));
    let (_, tokens) = program.admin("GET", "tokens", &json!({}));
    assert_eq!(tokens.as_array().map(Vec::len), Some(3));
}

#[test]
fn waiting_for_too_many_ends() {
    let program = Program::start(&[]);
    program.admin("POST", "barriers", &json!({ "when": "after" }));
    assert_eq!(program.admin("GET", "barriers/1?held=1&timeout_ms=50", &json!({})).0, 408);
    assert_eq!(program.admin("GET", "barriers/9?held=1&timeout_ms=50", &json!({})).0, 404);
}

#[test]
fn a_leak_is_told_redacted_and_fails_the_run() {
    let program = Program::start(&["--forbid", "correct horse"]);
    let secret = format!("brvo_{}", "Zz-_9".repeat(9).chars().take(43).collect::<String>());
    let mut wire = program.connect();
    wire.send("GET", &format!("/client/v4/zones?name={secret}"), "", None);
    assert_eq!(wire.receive().expect("an answer").0, 500);
    wire.send("POST", &create_path(), "", Some(&json!({ "x": "correct horse" })));
    assert_eq!(wire.receive().expect("an answer").0, 500);
    drop(wire);
    let (_, violations) = program.admin("GET", "violations", &json!({}));
    assert_eq!(violations.as_array().map(Vec::len), Some(2));
    let end = program.end();
    assert_eq!(end.status.code(), Some(3));
    let told = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(
        told.contains("VIOLATION: a Brevet operator secret") && told.contains("2 violation(s)"),
        "{told}"
    );
    assert!(!told.contains(&secret) && !told.contains("correct horse"), "{told}");
}

#[test]
fn a_caller_at_a_barrier_does_not_keep_the_program_alive() {
    let program = Program::start(&[]);
    program.admin("POST", "barriers", &json!({ "match": { "path": "/zones" }, "when": "after" }));
    let mut wire = program.connect();
    wire.send("GET", "/client/v4/zones", "", None);
    assert_eq!(program.admin("GET", "barriers/1?held=1", &json!({})).0, 200);
    let begin = now();
    assert_eq!(program.end().status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn refuses_what_it_does_not_understand() {
    let run = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().expect("it runs");
    for (arguments, told) in [
        (&["--prot", "1"][..], "unknown argument --prot"),
        (&["8790"], "unknown argument 8790"),
        (&["--port"], "--port needs a value"),
        (&["--port", "65536"], "--port must be 0 to 65535"),
        (&["--host", "localhost"], "--host must be an IP address"),
        (&["--seed", "x"], "--seed must be"),
        (&["--parent", "X"], "--parent must be NAME=VALUE"),
        (&["--parent", "X=short"], "--parent must be NAME=VALUE with"),
        (&["--parent", "X@nobody=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "NAME@main"),
    ] {
        let end = run(arguments);
        assert_eq!(end.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&end.stderr).contains(told), "{arguments:?}");
    }
    let help = run(&["--port", "1", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--parent NAME=VALUE"));
}

#[test]
fn a_busy_port_is_named() {
    let program = Program::start(&[]);
    let port = program.address.rsplit(':').next().expect("a port").to_owned();
    let end = Command::new(PROGRAM).args(["--port", &port]).output().expect("it runs");
    assert_eq!(end.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&end.stderr).contains(&format!("127.0.0.1:{port} is in use")));
}

#[test]
fn too_large_a_body_is_refused() {
    let program = Program::start(&[]);
    let mut wire = program.connect();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n", create_path());
    wire.0.get_mut().write_all(head.as_bytes()).expect("sent");
    let chunk = vec![b'x'; 1_000_000];
    for _ in 0..20 {
        // The answer comes before everything is sent; then the rest may not go out.
        if wire.0.get_mut().write_all(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(wire.head().map(|(status, _)| status).unwrap_or(413), 413);
    assert_eq!(program.creates(), 0);
}
