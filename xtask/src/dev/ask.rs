//! Requests to the Worker and to the API, made by the pinned Node: it has TLS for `--real`, and this crate needs no client of its own.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::setup::Workshop;

/// Reads one request from standard input, so that no secret is on a command line, and prints the answer.
const SCRIPT: &str = "\
let text = ''; for await (const part of process.stdin) text += part;
const { url, method, headers, body } = JSON.parse(text);
const answer = await fetch(url, { method, headers, body, redirect: 'manual', signal: AbortSignal.timeout(30000) });
process.stdout.write(JSON.stringify({ status: answer.status, body: await answer.text() }));";
/// Far more than any answer of the walkthrough.
const MOST: u64 = 4 << 20;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The address.
    pub(super) url: String,
    /// The bearer, if any.
    pub(super) bearer: Option<&'a str>,
    /// The JSON body, if any.
    pub(super) body: Option<Value>,
    /// The version that a push rests on, if it is one.
    pub(super) if_match: Option<u64>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u64,
    /// The body as JSON, or as a string where it is not JSON.
    pub(super) body: Value,
}

impl Ask<'_> {
    /// Sends it.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) fn send(&self, workshop: &Workshop) -> Result<Answer, Failure> {
        let mut headers = serde_json::Map::new();
        headers.insert("accept".to_owned(), "application/json".into());
        if let Some(bearer) = self.bearer {
            headers.insert("authorization".to_owned(), format!("Bearer {bearer}").into());
        }
        if self.body.is_some() {
            headers.insert("content-type".to_owned(), "application/json".into());
        }
        if let Some(version) = self.if_match {
            headers.insert("if-match".to_owned(), format!("\"{version}\"").into());
        }
        let request = json!({
            "url": self.url,
            "method": self.method,
            "headers": headers,
            "body": self.body.as_ref().map(Value::to_string),
        });
        let failed = |seen: String| Failure::Step { step: format!("{} {}", self.method, self.url), seen };
        let mut node = workshop.command("node");
        node.args(["--input-type=module", "--eval", SCRIPT]);
        let mut child = node
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| Failure::Start { program: "node".to_owned(), source })?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(request.to_string().as_bytes()).map_err(|source| failed(source.to_string()))?;
        }
        let mut text = String::new();
        if let Some(pipe) = child.stdout.take() {
            pipe.take(MOST).read_to_string(&mut text).map_err(|source| failed(source.to_string()))?;
        }
        let ended = child.wait().map_err(|source| failed(source.to_string()))?;
        if !ended.success() {
            return Err(failed("no answer".to_owned()));
        }
        let answer: Value = serde_json::from_str(&text).map_err(|_| failed("no answer".to_owned()))?;
        let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        Ok(Answer {
            status: answer.get("status").and_then(Value::as_u64).unwrap_or_default(),
            body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
        })
    }
}

impl Answer {
    /// A part of the body; null where there is none.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }
}
