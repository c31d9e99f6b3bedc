//! The route table. A route takes a request apart, asks the core, and words the answer.

mod answer;
mod audit;
mod config;
mod deliveries;
mod dropin;
mod hooks;
mod leases;
mod monitor;
mod oauth;
mod shape;
mod switch;
mod table;
mod task;
mod tokens;
mod verify;

use std::net::IpAddr;

use brevet_core::bearer::Bearer;
use brevet_core::broker::{Fault, Once, Ports, RequestError, Session, Visitor};
use brevet_core::json::read_object;
use serde_json::{Map, Value};

pub use answer::{PROBLEM_BASE, Reply};
pub use monitor::check_parents;
pub use table::respond;

/// The longest body of any route: rules of 256 kB as JSON, with a place for each of their parts.
pub const MOST_BODY_BYTES: usize = 2 * 1024 * 1024;

/// The longest body of every route but the rules': a token with 64 policies and 400 groups has about
/// 30 kB.
pub const MOST_CALL_BYTES: usize = 64 * 1024;

/// The longest idempotency key: what other APIs take, and four UUIDs have room in it.
const LONGEST_KEY: usize = 255;

/// A request's body, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It is longer than [`MOST_BODY_BYTES`].
    TooLong,
}

/// A request, as far as Brevet reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method, in upper case.
    pub method: String,
    /// The scheme, host and port of the URL.
    pub origin: String,
    /// The host of the URL, without its port.
    pub host: String,
    /// The path of the URL, as it was sent.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The header `If-Match`.
    pub if_match: Option<String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The header `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The headers that a webhook is signed by, as lines: a name in lower case, its value, the next name.
    pub signed: String,
    /// The header `CF-Connecting-IP`, which Cloudflare sets.
    pub address: Option<String>,
    /// The body.
    pub body: Body,
}

impl Call {
    /// A call of this method and URL, without headers and body. The URL is taken apart and not
    /// normalised: a path with `..` in it is the path with `..` in it.
    pub fn new(method: &str, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let scheme = if url.starts_with("https:") { "https" } else { "http" };
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        Self {
            method: method.to_owned(),
            origin: format!("{scheme}://{authority}"),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authorization: None,
            if_match: None,
            idempotency_key: None,
            content_encoding: None,
            signed: String::new(),
            address: None,
            body: Body::Whole(Vec::new()),
        }
    }
}

/// A request on its way through a route.
pub(crate) struct Inbound {
    pub(crate) method: String,
    pub(crate) origin: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) if_match: Option<String>,
    idempotency_key: Option<String>,
    pub(crate) visitor: Visitor,
    encoded: bool,
    signed: String,
    body: Body,
}

impl Inbound {
    fn of(call: Call) -> Self {
        Self {
            visitor: Visitor {
                address: call.address.and_then(|address| address.parse::<IpAddr>().ok()),
                loopback: matches!(call.host.as_str(), "localhost" | "127.0.0.1" | "[::1]"),
            },
            encoded: call.content_encoding.is_some_and(|encoding| encoding != "identity"),
            method: call.method,
            origin: call.origin,
            query: call.query,
            authorization: call.authorization,
            if_match: call.if_match,
            idempotency_key: call.idempotency_key,
            signed: call.signed,
            body: call.body,
        }
    }

    /// The body, at most so many bytes.
    pub(crate) fn bytes(&self, most: usize) -> Result<&[u8], Fault> {
        if self.encoded {
            return Err(Fault::from(RequestError::Encoded));
        }
        match &self.body {
            Body::Whole(bytes) if bytes.len() <= most => Ok(bytes),
            _ => Err(Fault::from(RequestError::BodyTooLong(most))),
        }
    }

    /// The body as a JSON object, whatever it is declared as: no browser sends a credential by itself here,
    /// and `curl -d` declares a form.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Fault> {
        let bytes = self.bytes(MOST_CALL_BYTES)?;
        read_object(bytes).map_err(Fault::Json)
    }

    /// The body as a JSON object, or an empty one where there is no body.
    pub(crate) fn object_or_none(&self) -> Result<Map<String, Value>, Fault> {
        if self.bytes(MOST_CALL_BYTES)?.is_empty() { Ok(Map::new()) } else { self.object() }
    }

    /// What tells this request from another of the same caller by this route, where it has an idempotency
    /// key.
    pub(crate) fn once(&self, route: &'static str) -> Result<Option<Box<Once>>, Fault> {
        let body = self.bytes(MOST_CALL_BYTES)?;
        self.once_of(route, body)
    }

    /// The same, where not all of the body counts.
    pub(crate) fn once_of(&self, route: &'static str, body: &[u8]) -> Result<Option<Box<Once>>, Fault> {
        let Some(key) = &self.idempotency_key else { return Ok(None) };
        if !(1..=LONGEST_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::from(RequestError::Header(
                "Idempotency-Key",
                "1 to 255 visible ASCII characters, best a UUID",
            )));
        }
        Ok(Some(Box::new(Once { route, key: key.clone(), body: body.to_vec() })))
    }

    /// The credential.
    pub(crate) fn bearer<P: Ports>(&self, ports: &P) -> Result<Bearer, Fault> {
        Bearer::read(self.authorization.as_deref().map(str::as_bytes), ports.settings().development)
            .map_err(Fault::Bearer)
    }

    /// The caller under the rules in force.
    pub(crate) async fn session<P: Ports>(&self, ports: &P) -> Result<Session, Fault> {
        Session::open(ports, self.bearer(ports)?, &self.visitor).await
    }

    /// Refuses a query with other parameters than these: a filter that is misspelt and passed over shows
    /// too much. One that is there twice is refused, too: two readers could take different ones.
    pub(crate) fn refuse_other_parameters(&self, names: &[&str], known: &'static str) -> Result<(), Fault> {
        let mut seen: Vec<&str> = Vec::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            if !names.contains(&name) {
                return Err(Fault::from(RequestError::UnknownParameter(decode(name), known)));
            }
            if seen.contains(&name) {
                return Err(Fault::from(RequestError::ParameterTwice(name.to_owned())));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// A query parameter, decoded; the first where it is given several times.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| decode(value))
        })
    }
}

/// What is left of a body when all that is known has been taken out of it must be nothing.
fn nothing_else(body: &Map<String, Value>, known: &'static str) -> Result<(), Fault> {
    match body.keys().next() {
        None => Ok(()),
        Some(name) => Err(Fault::from(RequestError::UnknownMember(name.clone(), known))),
    }
}

/// Undoes the encoding of a query parameter. What is no encoding stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (ahead.next().and_then(hex), ahead.next().and_then(hex));
        match (byte, pair) {
            (b'+', _) => decoded.push(b' '),
            (b'%', (Some(high), Some(low))) => {
                decoded.push(high << 4 | low);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The answer to a request that broke off.
pub fn unreadable() -> Reply {
    answer::problem(&Fault::from(RequestError::Member("the request", "complete")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart_without_normalising_it() {
        for (url, host, path, query) in [
            ("http://127.0.0.1:8787/v1/tokens", "127.0.0.1", "/v1/tokens", ""),
            ("https://[::1]:80/a/../b?x=1&y=%2F?z", "[::1]", "/a/../b", "x=1&y=%2F?z"),
            ("https://[::1]/", "[::1]", "/", ""),
            ("https://brevet.example.com?x", "brevet.example.com", "", "x"),
            ("https://localhost#/v1/tokens", "localhost", "", ""),
            ("https://localhost.example.com:443//v1", "localhost.example.com", "//v1", ""),
        ] {
            let call = Call::new("GET", url);
            assert_eq!((&*call.host, &*call.path, &*call.query), (host, path, query), "{url}");
        }
    }

    #[test]
    fn takes_a_loopback_host_for_one_only_where_it_is_one() {
        for (host, loopback) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("user@localhost", false),
        ] {
            let inbound = Inbound::of(Call::new("GET", &format!("http://{host}:8787/")));
            assert_eq!(inbound.visitor.loopback, loopback, "{host}");
        }
    }
}
