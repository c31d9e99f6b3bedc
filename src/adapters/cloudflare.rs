//! The network, the clock, chance and the Worker's secrets, as the upstream adapter wants them.

use std::cell::{Cell, RefCell};

use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use cloudflare_tokens::{Answer, Headers, Request};
use wasm_bindgen::JsValue;

use super::glue;
use super::tasks::{self, Settled};
use crate::upstream::{Secrets, Transport, TransportError};

thread_local! {
    /// What the clock showed in this turn; 0 where nobody has looked.
    static CLOCK: Cell<i64> = const { Cell::new(0) };
}

/// Forgets what the clock showed: JavaScript calls, and time has passed.
pub(super) fn look_again() {
    CLOCK.set(0);
}

/// Unix milliseconds. In a deployed Worker this clock moves only with I/O, so within a turn it is asked once.
pub(crate) fn now_ms() -> i64 {
    let seen = CLOCK.get();
    if seen != 0 {
        return seen;
    }
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "milliseconds fit in 53 bits"
    )]
    let now = glue::now() as i64;
    CLOCK.set(now);
    now
}

/// The present moment.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(now_ms() / 1000).unwrap_or_default()
}

/// The runtime's `fetch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch;

impl Transport for Fetch {
    async fn send(
        &self,
        request: Request,
        deadline_ms: u32,
        max_bytes: usize,
    ) -> Result<Answer, TransportError> {
        let most = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        let body = request.body.as_deref().unwrap_or_default();
        let headers = lines(request.headers());
        answer_of(
            tasks::ended(|ticket| {
                glue::exchange(
                    ticket,
                    request.method.as_str(),
                    &request.url,
                    &headers,
                    body,
                    deadline_ms,
                    most,
                );
            })
            .await,
        )
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    async fn sleep_ms(&self, ms: u32) {
        // A timer that cannot be set means no wait, and the deadline still holds.
        tasks::ended(|ticket| glue::sleep(ticket, ms)).await;
    }

    fn random_u32(&self) -> u32 {
        getrandom::u32().unwrap_or_default()
    }
}

/// How long an issuer may take for a document.
const ISSUER_MS: u32 = 3_000;

/// Reads a document of an issuer.
///
/// # Errors
/// Why there is none, for the log.
pub(crate) async fn read_document(url: &str, most: usize) -> Result<String, &'static str> {
    let answer = ask("GET", url, "accept\napplication/json\n", "", ISSUER_MS, most).await?;
    if answer.status != 200 {
        return Err("it answered with another status than 200");
    }
    String::from_utf8(answer.body).map_err(|_| "it answered with what is no text")
}

/// How long a receiver may take for an event.
const RECEIVER_MS: u32 = 10_000;

/// The most that is read of a receiver's answer, of which only the status counts.
const MOST_RECEIVED: usize = 64 * 1024;

/// Sends an event to a receiver and gives the status of its answer.
///
/// # Errors
/// Why there is none.
pub(crate) async fn post_event(url: &str, headers: &str, body: &str) -> Result<u16, &'static str> {
    ask("POST", url, headers, body, RECEIVER_MS, MOST_RECEIVED).await.map(|answer| answer.status)
}

/// Asks somebody who is not Cloudflare.
async fn ask(
    method: &str,
    url: &str,
    headers: &str,
    body: &str,
    deadline_ms: u32,
    most: usize,
) -> Result<Answer, &'static str> {
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let answer =
        tasks::ended(|ticket| glue::exchange(ticket, method, url, headers, body, deadline_ms, most)).await;
    answer_of(answer).map_err(|error| match error {
        TransportError::Timeout => "it took too long",
        TransportError::TooLarge => "its answer is too long",
        _ => "it cannot be reached",
    })
}

fn answer_of(settled: Settled) -> Result<Answer, TransportError> {
    let Settled::Answer(status, text, body) = settled else { return Err(TransportError::Reset) };
    if status == 0 {
        return Err(match text.as_str() {
            "timeout" => TransportError::Timeout,
            "too-large" => TransportError::TooLarge,
            _ => TransportError::Reset,
        });
    }
    let mut headers = Headers::new();
    let mut parts = text.lines();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        headers.add(name, value);
    }
    Ok(Answer { status, headers, body })
}

/// Headers as the JavaScript side takes them: a name, its value, the next name, each in a line of its own.
pub(super) fn lines<'a>(headers: impl Iterator<Item = (&'static str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        for part in [name, value] {
            text.push_str(part);
            text.push('\n');
        }
    }
    text
}

/// The Worker's secrets.
#[derive(Clone, Debug)]
pub(crate) struct EnvSecrets(JsValue);

impl EnvSecrets {
    /// Those of this environment.
    pub(crate) fn of(env: &JsValue) -> Self {
        Self(env.clone())
    }

    /// The secret or variable of this name; an empty one counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<Secret> {
        let text = glue::text(&self.0, name)?;
        (!text.is_empty()).then(|| Secret::new(text))
    }
}

impl Secrets for EnvSecrets {
    fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name)
    }
}

thread_local! {
    /// Random bytes are drawn in larger pieces: each draw crosses into JavaScript.
    static POOL: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// Sixteen random bytes from the runtime's generator.
pub(super) fn random() -> Option<[u8; 16]> {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            let mut bytes = [0_u8; 256];
            getrandom::fill(&mut bytes).ok()?;
            pool.extend(bytes.as_chunks().0);
        }
        pool.pop()
    })
}
