//! The envelope every answer comes in.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// An answer with its body in memory.
pub type Answer = Response<Vec<u8>>;

/// A success with this result.
#[must_use]
pub(crate) fn success(result: Value) -> Value {
    json!({ "success": true, "errors": [], "messages": [], "result": result })
}

/// A success with a list and what it says about itself.
#[must_use]
pub(crate) fn listing(result: Vec<Value>, result_info: Value) -> Value {
    json!({ "success": true, "errors": [], "messages": [], "result": result, "result_info": result_info })
}

/// An answer of JSON.
#[must_use]
pub(crate) fn json_answer(status: u16, body: &Value) -> Answer {
    body_answer(status, "application/json", body.to_string().into_bytes())
}

/// An answer of any type. A status that is none becomes 500.
#[must_use]
pub(crate) fn body_answer(status: u16, content_type: &str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    answer
}

/// A failure in the envelope.
#[must_use]
pub(crate) fn failure(status: u16, errors: Value) -> Answer {
    json_answer(status, &json!({ "success": false, "errors": errors, "messages": [], "result": null }))
}

impl From<&Refusal> for Answer {
    fn from(refusal: &Refusal) -> Self {
        let mut answer = failure(refusal.status(), refusal.errors());
        if let Refusal::RateLimited { retry_after } = refusal {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        answer
    }
}
