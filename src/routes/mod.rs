//! The route table. A route takes a request apart, asks the core, and words the answer.

mod answer;
mod config;
mod dropin;
mod leases;
mod monitor;
mod shape;
mod table;
mod tokens;

use std::net::IpAddr;

use brevet_core::bearer::Bearer;
use brevet_core::broker::{Fault, Ports, RequestError, Session, Visitor};
use brevet_core::json::read_object;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::{Method, Request};
use serde_json::{Map, Value};

pub use answer::{PROBLEM_BASE, Reply};
pub use monitor::check_parents;
pub use table::respond;

/// The longest body of any route: rules of 256 kB as JSON, with a place for each of their parts.
pub const MOST_BODY_BYTES: usize = 2 * 1024 * 1024;

/// The longest body of every route but the rules': a token with 64 policies and 400 groups has about
/// 30 kB.
pub const MOST_CALL_BYTES: usize = 64 * 1024;

/// A request's body, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It is longer than [`MOST_BODY_BYTES`].
    TooLong,
}

/// A request on its way through a route.
pub(crate) struct Inbound {
    pub(crate) method: Method,
    pub(crate) query: String,
    pub(crate) authorization: Option<Vec<u8>>,
    pub(crate) if_match: Option<String>,
    pub(crate) visitor: Visitor,
    encoded: bool,
    body: Body,
}

impl Inbound {
    fn of(request: Request<Body>) -> Self {
        let (parts, body) = request.into_parts();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let host = parts.uri.host().unwrap_or_default();
        Self {
            query: parts.uri.query().unwrap_or_default().to_owned(),
            authorization: parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes().to_vec()),
            if_match: text("if-match").map(str::to_owned),
            visitor: Visitor {
                address: text("cf-connecting-ip").and_then(|address| address.parse::<IpAddr>().ok()),
                loopback: matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
            },
            encoded: text(CONTENT_ENCODING.as_str()).is_some_and(|encoding| encoding != "identity"),
            method: parts.method,
            body,
        }
    }

    /// The body, at most so many bytes.
    pub(crate) fn bytes(&self, most: usize) -> Result<&[u8], Fault> {
        if self.encoded {
            return Err(Fault::Request(RequestError::Encoded));
        }
        match &self.body {
            Body::Whole(bytes) if bytes.len() <= most => Ok(bytes),
            _ => Err(Fault::Request(RequestError::BodyTooLong(most))),
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

    /// The credential.
    pub(crate) fn bearer<P: Ports>(&self, ports: &P) -> Result<Bearer, Fault> {
        Bearer::read(self.authorization.as_deref(), ports.settings().development).map_err(Fault::Bearer)
    }

    /// The caller under the rules in force.
    pub(crate) async fn session<P: Ports>(&self, ports: &P) -> Result<Session, Fault> {
        Session::open(ports, self.bearer(ports)?, &self.visitor).await
    }

    /// A query parameter, decoded; the first where it is given several times.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| decode(value))
        })
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
    answer::problem(&Fault::Request(RequestError::Member("the request", "complete")))
}
