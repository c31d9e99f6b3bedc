//! The forms of answers: plain JSON, problem details (RFC 9457) and Cloudflare's envelope.

use brevet_core::broker::{Face, Fault};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

/// An answer on its way out.
pub type Reply = Response<String>;

/// Stable names of problems: `type` in problem details is this and the problem's name.
pub const PROBLEM_BASE: &str = "urn:brevet:problem:";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

fn plain(status: u16, kind: HeaderValue, body: String) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    // Every answer may hold a value or somebody's leases.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// Puts a member into a JSON object.
pub(super) fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A JSON answer.
pub(super) fn of_json(status: u16, body: &Value) -> Reply {
    plain(status, JSON, body.to_string())
}

/// A JSON answer whose body is a JSON text already.
pub(super) fn of_text(status: u16, body: String) -> Reply {
    plain(status, JSON, body)
}

/// With an entity tag.
pub(super) fn tagged(mut reply: Reply, version: u64) -> Reply {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        reply.headers_mut().insert(ETAG, value);
    }
    reply
}

/// With the address of what was made.
pub(super) fn located(mut reply: Reply, path: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(path) {
        reply.headers_mut().insert(LOCATION, value);
    }
    reply
}

fn with_signals(mut reply: Reply, face: &Face, fault: &Fault) -> Reply {
    let headers = reply.headers_mut();
    if let Some(seconds) = face.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    // Official clients retry 408, 409, 429 and 5xx by themselves unless they are told.
    let retry = if face.should_retry { "true" } else { "false" };
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(retry));
    if face.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Fault::Request(brevet_core::broker::RequestError::Method(methods)) = fault {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    reply
}

/// A fault as problem details.
pub(super) fn problem(fault: &Fault) -> Reply {
    let face = fault.face();
    let mut body = Map::new();
    body.insert("type".to_owned(), format!("{PROBLEM_BASE}{}", face.kind).into());
    body.insert("title".to_owned(), face.title.into());
    body.insert("status".to_owned(), face.status.into());
    body.insert("detail".to_owned(), face.detail.as_str().into());
    body.insert("hint".to_owned(), face.hint.as_str().into());
    if let Some(pointer) = &face.pointer {
        body.insert("pointer".to_owned(), pointer.as_str().into());
    }
    for (name, value) in &face.more {
        body.insert((*name).to_owned(), value.clone());
    }
    if let Some(seconds) = face.retry_after {
        body.insert("retry_after".to_owned(), seconds.into());
    }
    with_signals(plain(face.status, PROBLEM_JSON, Value::Object(body).to_string()), &face, fault)
}

/// A fault in Cloudflare's envelope.
pub(super) fn refused_envelope(fault: &Fault) -> Reply {
    let face = fault.face();
    let mut message = face.detail.clone();
    if !face.hint.is_empty() {
        message.push(' ');
        message.push_str(&face.hint);
    }
    let mut error = json!({ "code": face.code, "message": message });
    if let Some(pointer) = &face.pointer {
        put(&mut error, "source", json!({ "pointer": pointer }));
    }
    if face.code == 6003 {
        error = json!({
            "code": 6003,
            "message": "Invalid request headers",
            "error_chain": [{ "code": 6111, "message": format!("Invalid format for Authorization header. {message}") }],
        });
    }
    let body = json!({ "success": false, "errors": [error], "messages": [], "result": null });
    with_signals(of_json(face.status, &body), &face, fault)
}

/// A result in Cloudflare's envelope.
pub(super) fn envelope(result: Value, info: Option<Value>) -> Reply {
    let mut body = json!({ "success": true, "errors": [], "messages": [], "result": result });
    if let Some(info) = info {
        put(&mut body, "result_info", info);
    }
    of_json(200, &body)
}

/// A result in Cloudflare's envelope, with a message.
pub(super) fn envelope_saying(result: Value, code: i64, message: &str) -> Reply {
    let messages = json!([{ "code": code, "message": message, "type": null }]);
    of_json(200, &json!({ "success": true, "errors": [], "messages": messages, "result": result }))
}
