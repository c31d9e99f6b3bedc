//! The forms of answers: plain JSON, problem details (RFC 9457) and Cloudflare's envelope.

use brevet_core::broker::{Face, Fault, RequestError};
use brevet_core::cloudflare::Allowance;
use brevet_core::json::{List, Object, Raw, ToJson};

use crate::upstream::{CALLS, KEPT_FOR_DELETES, WINDOW_MS};

/// An answer on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON.
    pub body: String,
}

/// Stable names of problems: `type` in problem details is this and the problem's name.
pub const PROBLEM_BASE: &str = "urn:brevet:problem:";

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

fn plain(status: u16, kind: &str, body: String) -> Reply {
    let headers = [
        ("content-type", kind),
        // Every answer may hold a value or somebody's leases.
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    Reply { status, headers: headers.map(|(name, value)| (name, value.to_owned())).to_vec(), body }
}

/// A JSON answer.
pub(super) fn of_json(status: u16, body: Object) -> Reply {
    plain(status, JSON, body.finish())
}

/// A JSON answer whose body is a JSON text already.
pub(super) fn of_text(status: u16, body: String) -> Reply {
    plain(status, JSON, body)
}

impl Reply {
    /// With one more header. The value must be printable ASCII.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the version of the rules as its entity tag.
    pub(super) fn tagged(self, version: u64) -> Self {
        self.with("etag", format!("\"{version}\""))
    }

    /// With what the parent token has left, in the fields of the IETF's `RateLimit` draft.
    pub(super) fn with_allowance(self, allowance: Option<Allowance>) -> Self {
        let Some(Allowance { left, resets, .. }) = allowance else { return self };
        self.with(
            "ratelimit-policy",
            format!("\"upstream\";q={};w={}", CALLS - KEPT_FOR_DELETES, WINDOW_MS / 1_000),
        )
        .with("ratelimit", format!("\"upstream\";r={left};t={resets}"))
    }

    fn with_signals(mut self, face: &Face, fault: &Fault) -> Self {
        if let Some(seconds) = face.retry_after {
            self = self.with("retry-after", seconds.to_string());
        }
        // Official clients retry 408, 409, 429 and 5xx by themselves unless they are told.
        self = self.with("x-should-retry", face.should_retry.to_string());
        if face.status == 401 {
            self = self.with("www-authenticate", "Bearer".to_owned());
        }
        if let Fault::Request(error) = fault
            && let RequestError::Method(methods) = &**error
        {
            self = self.with("allow", (*methods).to_owned());
        }
        self
    }
}

/// With a capital and a full stop: errors of the core are parts of sentences, and on the drop-in surface the
/// next sentence follows in the same text.
fn sentence(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.is_empty() && !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}

/// A fault as problem details.
pub(super) fn problem(fault: &Fault) -> Reply {
    let face = fault.face();
    let mut body = Object::saying("type", &format!("{PROBLEM_BASE}{}", face.kind));
    body.text("title", face.title)
        .put("status", &face.status)
        .text("detail", &sentence(face.detail.clone()))
        .text("hint", &face.hint);
    if let Some(pointer) = &face.pointer {
        body.text("pointer", pointer);
    }
    fault.tell_facts(&mut body);
    if let Some(seconds) = face.retry_after {
        body.put("retry_after", &seconds);
    }
    plain(face.status, PROBLEM_JSON, body.finish()).with_signals(&face, fault)
}

/// A fault in Cloudflare's envelope.
pub(super) fn refused_envelope(fault: &Fault) -> Reply {
    let face = fault.face();
    let mut message = sentence(face.detail.clone());
    if !face.hint.is_empty() {
        message.push(' ');
        message.push_str(&face.hint);
    }
    let mut error = Object::new();
    error.put("code", &face.code);
    if face.code == 6003 {
        let mut link = Object::new();
        link.put("code", &6111_i64)
            .text("message", &format!("Invalid format for Authorization header. {message}"));
        let mut chain = List::new();
        chain.push(&link);
        error.text("message", "Invalid request headers").put("error_chain", &chain);
    } else {
        error.text("message", &message);
    }
    if let Some(pointer) = &face.pointer {
        error.put("source", &Object::saying("pointer", pointer));
    }
    let mut errors = List::new();
    errors.push(&error);
    let mut body = Object::new();
    body.put("success", &false)
        .put("errors", &errors)
        .put("messages", &List::new())
        .put("result", &Raw("null"));
    of_json(face.status, body).with_signals(&face, fault)
}

/// A fault as OAuth has it (RFC 6749 section 5.2).
pub(super) fn refused_oauth(fault: &Fault) -> Reply {
    let mut face = fault.face();
    let error;
    (face.status, error) = oauth_error(fault, &face);
    if face.status == 503 {
        face.retry_after = face.retry_after.or(Some(LATER));
    }
    let mut description = sentence(face.detail.clone());
    description.push(' ');
    description.push_str(&face.hint);
    // Of what there is the RFC takes printable ASCII without quotes and backslashes.
    let plainly = |character| match character {
        '"' | '\\' => '\'',
        ' '..='~' => character,
        _ => '?',
    };
    let mut body = Object::saying("error", error);
    body.text("error_description", &description.chars().map(plainly).collect::<String>())
        .text("type", &format!("{PROBLEM_BASE}{}", face.kind));
    fault.tell_facts(&mut body);
    of_json(face.status, body).with_signals(&face, fault)
}

/// When to come again where nothing else is known, in seconds.
const LATER: u32 = 30;

fn oauth_error(fault: &Fault, face: &Face) -> (u16, &'static str) {
    match fault {
        Fault::Request(error) => match **error {
            RequestError::Field("invalid_client", ..) => return (401, "invalid_client"),
            RequestError::Field(error, ..) => return (400, error),
            RequestError::BoundToAddresses => return (400, "unsupported_token_type"),
            _ => {}
        },
        Fault::Denied(denial) => {
            let place = denial.pointer().unwrap_or_default();
            return (
                400,
                match place.split('/').nth(1) {
                    Some("template") => "invalid_scope",
                    Some("params") => "invalid_target",
                    _ => "invalid_request",
                },
            );
        }
        _ => {}
    }
    match face.status {
        429 => (429, "temporarily_unavailable"),
        500.. => (503, "temporarily_unavailable"),
        _ if face.should_retry => (503, "temporarily_unavailable"),
        // How the request came, not what it says.
        405 | 413 | 415 => (face.status, "invalid_request"),
        _ => (400, "invalid_request"),
    }
}

fn good(messages: &List, result: &dyn ToJson) -> Object {
    let mut body = Object::new();
    body.put("success", &true).put("errors", &List::new()).put("messages", messages).put("result", result);
    body
}

/// A result in Cloudflare's envelope.
pub(super) fn envelope(result: &dyn ToJson) -> Reply {
    of_json(200, good(&List::new(), result))
}

/// A page of results in Cloudflare's envelope.
pub(super) fn envelope_page(result: &dyn ToJson, info: &Object) -> Reply {
    let mut body = good(&List::new(), result);
    body.put("result_info", info);
    of_json(200, body)
}

/// A result in Cloudflare's envelope, with a message.
pub(super) fn envelope_saying(result: &Object, code: i64, message: &str) -> Reply {
    let mut said = Object::new();
    said.put("code", &code).text("message", message).put("type", &Raw("null"));
    let mut messages = List::new();
    messages.push(&said);
    of_json(200, good(&messages, result))
}
