//! Stands where the deployed Worker would answer: `/healthz` and `/v1/config`, as an operator sees them.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use serde_json::{Value, json};

use crate::serving::Server;

/// What the stand-in knows and has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The rules of every version, from 1.
    pub(crate) versions: Vec<Value>,
    /// `METHOD target` of every request.
    pub(crate) requests: Vec<String>,
    /// The secret that was presented last.
    pub(crate) bearer: Option<String>,
}

/// The stand-in for the deployed Worker.
pub(crate) struct Brevet {
    server: Server,
    seen: Arc<Mutex<Seen>>,
}

impl Brevet {
    pub(crate) fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let own = Arc::clone(&seen);
        let server = Server::start(move |request| Some(answer(&mut own.lock().unwrap(), &request)));
        Self { server, seen }
    }

    pub(crate) fn origin(&self) -> String {
        self.server.origin()
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&mut Seen) -> T) -> T {
        at(&mut self.seen.lock().unwrap())
    }
}

fn problem(status: u16, kind: &str, title: &str) -> Response<Vec<u8>> {
    let body = json!({"type": format!("urn:brevet:problem:{kind}"), "title": title, "status": status});
    let response = Response::builder().status(status).header("content-type", "application/problem+json");
    response.body(body.to_string().into_bytes()).expect("an answer")
}

fn answer(seen: &mut Seen, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    seen.requests.push(format!("{} {}", request.method(), request.uri()));
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let version = seen.versions.len();
    let ok = |version: usize, body: &Value| {
        let response = Response::builder().header("etag", format!("\"{version}\""));
        response.body(body.to_string().into_bytes()).expect("an answer")
    };
    if request.uri().path() == "/healthz" {
        assert_eq!(header("authorization"), None, "a probe carries no credential");
        return ok(version, &json!({"status": "ok"}));
    }
    seen.bearer = header("authorization").and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
    if seen.bearer.is_none() {
        return problem(401, "missing-credential", "A credential is needed");
    }
    if request.uri().path() != "/v1/config" {
        return problem(404, "not-found", "There is nothing at this path");
    }
    match request.method().as_str() {
        "GET" => {
            let rules = seen.versions.last().cloned().unwrap_or_default();
            ok(version, &json!({"version": version, "digest": null, "rules": rules}))
        }
        "PUT" => {
            if header("if-match") != Some(format!("\"{version}\"")) {
                return problem(412, "rules-moved", "Other rules are in force");
            }
            let body: Value = serde_json::from_slice(request.body()).expect("JSON");
            assert!(body["source_map"].is_object(), "findings of the Worker name lines");
            seen.versions.push(body["rules"].clone());
            ok(version + 1, &json!({"version": version + 1, "missing": [], "revoked": []}))
        }
        _ => problem(405, "method-not-allowed", "Not here"),
    }
}
