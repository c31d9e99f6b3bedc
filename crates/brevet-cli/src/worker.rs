//! The deployed Worker, as an operator's program sees it: `/healthz` and `/v1/config`.

use std::fmt;
use std::path::Path;

use brevet_core::secret::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::arguments::RemovalOptions;
use crate::exchange::{Exchange, Reply, Unreachable};
use crate::failure::Exit;
use crate::origin::Origin;
use crate::rules_file::{self, RulesFile};

/// What the type of every problem of Brevet's begins with.
const PROBLEM_BASE: &str = "urn:brevet:problem:";

/// The most entries of a list that are printed; the rest is counted.
const MOST_SHOWN: usize = 20;

/// What went wrong in talking to the Worker.
#[derive(Debug)]
pub(crate) enum WorkerError {
    /// There is no answer.
    Unreachable {
        /// From where.
        origin: Origin,
        /// Why.
        why: Unreachable,
    },
    /// The answer is a redirect, which is never followed.
    Redirected {
        /// From where.
        origin: Origin,
    },
    /// The answer is not Brevet's.
    NotBrevet {
        /// From where.
        origin: Origin,
        /// Its status.
        status: u16,
    },
    /// Brevet refuses.
    Refused(Problem),
    /// The request cannot be written.
    Request(http::Error),
}

/// Problem details (RFC 9457) as Brevet sends them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The problem's name.
    pub(crate) kind: String,
    /// All of it.
    members: Map<String, Value>,
}

impl Problem {
    fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn list(&self, name: &str) -> &[Value] {
        self.members.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    /// The findings of a push that was refused for its rules, as lines.
    pub(crate) fn findings(&self, path: &Path) -> Vec<String> {
        self.list("findings").iter().map(|finding| rules_file::line_of(path, finding)).collect()
    }

    /// What to do in terms of this program, where Brevet's own hint is about HTTP.
    fn next(&self) -> Option<&'static str> {
        Some(match self.kind.as_str() {
            "invalid-credential" | "missing-credential" | "malformed-credential" => {
                "Check BREVET_OPERATOR_SECRET, and that it belongs to the installation at this URL."
            }
            "rules-moved" => {
                "Somebody pushed other rules. See what differs with `brevet config diff`, put your change on top of them, and push again."
            }
            "leases-remain" => {
                "Push again with --revoke to end these leases now, or with --keep to let them run out."
            }
            "root-needed" => {
                "Push with the root operator's secret in BREVET_OPERATOR_SECRET, or leave these out."
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brevet refused ({}, {}): {}", self.status, self.kind, self.text("title"))?;
        if !self.text("detail").is_empty() {
            write!(f, ". {}", self.text("detail"))?;
        }
        for name in ["widened", "leases"] {
            let entries = self.texts(name);
            for entry in entries.iter().take(MOST_SHOWN) {
                write!(f, "\n  {entry}")?;
            }
            if entries.len() > MOST_SHOWN {
                write!(f, "\n  and {} more", entries.len().saturating_sub(MOST_SHOWN))?;
            }
        }
        let next = self.next().unwrap_or_else(|| self.text("hint"));
        if next.is_empty() { Ok(()) } else { write!(f, "\n  next: {next}") }
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { origin, why } => write!(
                f,
                "{origin} cannot be reached: {why}. Check --url or BREVET_URL, and that Brevet is deployed there."
            ),
            Self::Redirected { origin } => write!(
                f,
                "{origin} answers with a redirect, which is never followed because the operator's secret would go with it. Give the URL that Brevet itself is reached at."
            ),
            Self::NotBrevet { origin, status } => write!(
                f,
                "what answers at {origin} is not Brevet (status {status}). Check --url or BREVET_URL, and the route of the Worker."
            ),
            Self::Refused(problem) => problem.fmt(f),
            Self::Request(error) => write!(f, "the request cannot be written: {error}"),
        }
    }
}

impl std::error::Error for WorkerError {}

impl WorkerError {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Refused(problem) if problem.status < 500 => Exit::No,
            _ => Exit::Outside,
        }
    }

    /// Whether a Worker that was deployed a moment ago may stop answering like this by itself: the
    /// route, the secrets and the objects need some seconds to be everywhere. `new_secret` says that the
    /// operator's secret was put just now.
    pub(crate) fn may_settle(&self, new_secret: bool) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotBrevet { .. } => true,
            Self::Refused(problem) => problem.status >= 500 || (problem.status == 401 && new_secret),
            Self::Request(_) | Self::Redirected { .. } => false,
        }
    }
}

/// The rules in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// Their version; 0 where none was ever pushed.
    pub(crate) version: u64,
    /// The rules; none where none was ever pushed.
    pub(crate) rules: Option<Value>,
    /// When they were pushed and by whom.
    pub(crate) pushed: Option<(String, String)>,
}

/// What a push led to.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    /// The new version.
    pub(crate) version: u64,
    /// The ledgers that do not have it yet.
    pub(crate) missing: Vec<String>,
    /// The leases that were ended.
    pub(crate) revoked: Vec<String>,
    /// Brevet's whole answer.
    pub(crate) answer: Value,
}

/// A deployed Worker and the operator who talks to it.
#[derive(Debug)]
pub(crate) struct Worker {
    origin: Origin,
    secret: Secret,
    exchange: Exchange,
}

impl Worker {
    /// The Worker at this origin.
    pub(crate) fn new(origin: Origin, secret: Secret) -> Self {
        let exchange = Exchange::new(origin.is_plain());
        Self { origin, secret, exchange }
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .header(ACCEPT, "application/json")
    }

    fn authorized(&self, request: http::request::Builder) -> http::request::Builder {
        let text = Zeroizing::new(format!("Bearer {}", self.secret.expose()));
        match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            // Not printable: without it the answer says that a credential is needed.
            Err(_) => request,
        }
    }

    fn send(
        &self,
        request: Result<Request<Vec<u8>>, http::Error>,
    ) -> Result<(Reply, Map<String, Value>), WorkerError> {
        let request = request.map_err(WorkerError::Request)?;
        let origin = || self.origin.clone();
        let reply =
            self.exchange.send(request).map_err(|why| WorkerError::Unreachable { origin: origin(), why })?;
        if reply.status.is_redirection() {
            return Err(WorkerError::Redirected { origin: origin() });
        }
        let status = reply.status.as_u16();
        let Ok(Value::Object(members)) = serde_json::from_slice(&reply.body) else {
            return Err(WorkerError::NotBrevet { origin: origin(), status });
        };
        if reply.status.is_success() {
            return Ok((reply, members));
        }
        let kind =
            members.get("type").and_then(Value::as_str).and_then(|kind| kind.strip_prefix(PROBLEM_BASE));
        match kind.map(str::to_owned) {
            Some(kind) => Err(WorkerError::Refused(Problem { status, kind, members })),
            None => Err(WorkerError::NotBrevet { origin: origin(), status }),
        }
    }

    fn not_brevet(&self, reply: &Reply) -> WorkerError {
        WorkerError::NotBrevet { origin: self.origin.clone(), status: reply.status.as_u16() }
    }

    /// Asks whether Brevet is there. No credential is sent.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn health(&self) -> Result<(), WorkerError> {
        let (reply, members) = self.send(self.request(Method::GET, "/healthz").body(Vec::new()))?;
        match members.get("status").and_then(Value::as_str) {
            Some("ok") => Ok(()),
            _ => Err(self.not_brevet(&reply)),
        }
    }

    /// The rules in force.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn in_force(&self) -> Result<InForce, WorkerError> {
        let request = self.authorized(self.request(Method::GET, "/v1/config"));
        let (reply, mut members) = self.send(request.body(Vec::new()))?;
        let version = reply.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).and_then(version_of);
        let version = version.ok_or_else(|| self.not_brevet(&reply))?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let pushed = text("pushed_at").zip(text("pushed_by"));
        // Version 0 may come with the example of development mode, which nobody pushed.
        let rules = members.remove("rules").filter(|rules| version > 0 && rules.is_object());
        Ok(InForce { version, rules, pushed })
    }

    /// Puts rules in force on top of a version.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn push(
        &self,
        file: &RulesFile,
        on: u64,
        removal: RemovalOptions,
    ) -> Result<Pushed, WorkerError> {
        let query = match (removal.revoke, removal.keep) {
            (true, _) => "?revoke=true",
            (_, true) => "?keep=true",
            _ => "",
        };
        let body = json!({ "rules": file.value, "source_map": file.places.to_json() });
        let request = self
            .authorized(self.request(Method::PUT, &format!("/v1/config{query}")))
            .header(IF_MATCH, format!("\"{on}\""))
            .header(CONTENT_TYPE, "application/json");
        let (reply, members) = self.send(request.body(body.to_string().into_bytes()))?;
        let texts = |name: &str| -> Vec<String> {
            let list = members.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let version =
            members.get("version").and_then(Value::as_u64).ok_or_else(|| self.not_brevet(&reply))?;
        Ok(Pushed {
            version,
            missing: texts("missing"),
            revoked: texts("revoked"),
            answer: Value::Object(members),
        })
    }

    /// Has an account's book made anew; gives the leases that were taken in.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn rebuild(&self, account: &str) -> Result<Vec<Value>, WorkerError> {
        let path = format!("/v1/ledgers/{}/rebuild", utf8_percent_encode(account, NON_ALPHANUMERIC));
        let request = self.authorized(self.request(Method::POST, &path));
        let (reply, mut members) = self.send(request.body(Vec::new()))?;
        match members.remove("found") {
            Some(Value::Array(found)) => Ok(found),
            _ => Err(self.not_brevet(&reply)),
        }
    }

    /// What the rules in force would make of a workload.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn simulate(&self, question: &Value) -> Result<Map<String, Value>, WorkerError> {
        let request = self.authorized(self.request(Method::POST, "/v1/simulate"));
        let request = request.header(CONTENT_TYPE, "application/json");
        self.send(request.body(question.to_string().into_bytes())).map(|(_, members)| members)
    }

    /// A page of an account's journal, newest first, as the text of Brevet's answer.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn journal(
        &self,
        account: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<JournalPage, WorkerError> {
        let mut path = "/v1/audit?limit=100".to_owned();
        for (name, value) in [("account", account), ("cursor", cursor)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
            }
        }
        let request = self.authorized(self.request(Method::GET, &path));
        let (reply, _) = self.send(request.body(Vec::new()))?;
        // The entries' own texts are what their macs authenticate.
        serde_json::from_slice(&reply.body).map_err(|_| self.not_brevet(&reply))
    }

    /// The versions kept, newest first, as Brevet tells them.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub(crate) fn history(&self) -> Result<Value, WorkerError> {
        let request = self.authorized(self.request(Method::GET, "/v1/config/history"));
        let (reply, members) = self.send(request.body(Vec::new()))?;
        match members.get("versions") {
            Some(Value::Array(_)) => Ok(Value::Object(members)),
            _ => Err(self.not_brevet(&reply)),
        }
    }
}

/// A page of a journal.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct JournalPage {
    /// The account.
    pub(crate) account: Value,
    /// The entries, newest first.
    pub(crate) entries: Vec<JournalEntry>,
    /// Where the next page begins.
    pub(crate) next_cursor: Option<String>,
}

/// An entry as it was written.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct JournalEntry {
    /// Its number.
    pub(crate) seq: u64,
    /// Its text.
    pub(crate) entry: Box<serde_json::value::RawValue>,
    /// What authenticates it and all before it.
    pub(crate) mac: String,
}

/// The version of an entity tag, `"3"` or, behind a proxy that compresses, `W/"3"`.
fn version_of(tag: &str) -> Option<u64> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_tags_that_are_no_version() {
        for tag in ["", "3", "\"\"", "\"x\"", "\"-1\"", "\"3", "w/\"3\""] {
            assert_eq!(version_of(tag), None, "{tag}");
        }
        assert_eq!(version_of("\"3\""), Some(3));
        assert_eq!(version_of("W/\"12\""), Some(12));
    }
}
