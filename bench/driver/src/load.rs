//! The client: so many connections, each of which sends, waits for the whole answer, and sends again.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::http::{Connection, Message};
use crate::lines::Lines;
use crate::options::Options;
use crate::spread::percentile;

/// A server that takes longer for one answer has stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// More connections than any row has.
const MOST_CONNECTIONS: usize = 256;

/// What precedes, in `Location`, the id that a later request needs.
const LEASE: &str = "/v1/leases/";

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    /// Nanoseconds from sending to the last byte.
    took: Vec<u64>,
    wrong: usize,
    /// The first answer with another status than the one that was expected.
    example: Option<String>,
    leases: Vec<String>,
}

impl Seen {
    fn take(&mut self, answer: &Message, wanted: &str, capture: bool) {
        // `2` stands for all that begin with it.
        if !answer.word(1).starts_with(wanted) {
            self.wrong += 1;
            self.example.get_or_insert_with(|| {
                let body = String::from_utf8_lossy(&answer.body);
                format!("{} {}", answer.word(1), body.chars().take(300).collect::<String>())
            });
        }
        if capture && let Some(id) = answer.header("location").and_then(|place| place.strip_prefix(LEASE)) {
            self.leases.push(id.to_owned());
        }
    }
}

/// The task.
///
/// # Errors
/// Where the server cannot be reached or does not answer. Answers with another status are counted instead.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let port: u16 = options.needed("port")?;
    let requests: usize = options.needed("requests")?;
    let from: usize = options.number("from")?.unwrap_or(0);
    let connections: usize = options.number("connections")?.unwrap_or(1);
    if !(1..=MOST_CONNECTIONS).contains(&connections) {
        return Err(format!("--connections takes 1 to {MOST_CONNECTIONS}"));
    }
    let wanted = options.text("status").unwrap_or("200").to_owned();
    let lines = Lines::read(&options.path("lines").ok_or("--lines is needed")?)?;
    let capture = options.path("capture");
    let next = AtomicUsize::new(0);

    let begun = Instant::now();
    let seen: Vec<Result<Seen, String>> = std::thread::scope(|scope| {
        let work = || connection(port, &lines, &next, from, requests, &wanted, capture.is_some());
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|ended| ended.unwrap_or_else(|_| Err("a connection's thread ended".to_owned()))).collect()
    });
    let took = begun.elapsed();

    let (mut times, mut wrong, mut example, mut leases) = (Vec::new(), 0, None, Vec::new());
    for seen in seen {
        let mut seen = seen?;
        times.append(&mut seen.took);
        wrong += seen.wrong;
        example = example.or(seen.example);
        leases.append(&mut seen.leases);
    }
    times.sort_unstable();
    if let Some(path) = capture {
        std::fs::write(&path, leases.join("\n") + "\n").map_err(|error| error.to_string())?;
    }
    let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|share| percentile(&times, share));
    crate::say(&format!(
        r#"{{"requests":{},"wrong":{wrong},"nanoseconds":{},"p50":{p50},"p90":{p90},"p99":{p99},"max":{most},"example":{}}}"#,
        times.len(),
        took.as_nanos(),
        quoted(example.as_deref().unwrap_or_default()),
    ));
    Ok(())
}

fn connection(
    port: u16,
    lines: &Lines,
    next: &AtomicUsize,
    from: usize,
    requests: usize,
    wanted: &str,
    capture: bool,
) -> Result<Seen, String> {
    let said = |error: std::io::Error| format!("127.0.0.1:{port}: {error}");
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(said)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
    let mut connection = Connection::new(stream).map_err(said)?;
    let mut seen = Seen::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(seen);
        }
        let sent = Instant::now();
        connection.stream.write_all(lines.get(from.wrapping_add(number))).map_err(said)?;
        let answer = connection.message().map_err(said)?.ok_or("the server closed the connection")?;
        seen.took.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        seen.take(&answer, wanted, capture);
    }
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexpected_status_is_counted_and_shown_and_leases_are_kept() {
        let head = b"HTTP/1.1 201 Created\r\nLocation: /v1/leases/01ABC";
        let message = |body: &[u8]| Message { head: head.to_vec(), body: body.to_vec() };
        let mut seen = Seen::default();
        seen.take(&message(b"{}"), "201", true);
        assert_eq!((seen.wrong, seen.leases.as_slice()), (0, &["01ABC".to_owned()][..]));
        seen.take(&message(b"no"), "200", true);
        assert_eq!((seen.wrong, seen.example.as_deref()), (1, Some("201 no")));
        assert_eq!(quoted("a\"\n"), "\"a\\\" \"");
    }
}
