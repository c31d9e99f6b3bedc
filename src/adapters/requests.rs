//! Requests and answers on their way between the runtime and the routes.

use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Uint8Array};

use super::cloudflare::lines;
use super::glue;
use crate::routes::{Body, Call, MOST_BODY_BYTES, Reply};

/// Reads a request, its body up to [`MOST_BODY_BYTES`]. `None` where it broke off.
pub(crate) async fn read(request: &JsValue) -> Option<Call> {
    let most = u32::try_from(MOST_BODY_BYTES).unwrap_or(u32::MAX);
    let parts = glue::read_request(request, most).await.ok()?.unchecked_into::<Array>();
    let mut call = Call::new(&parts.get(0).as_string()?, &parts.get(1).as_string()?);
    call.authorization = parts.get(2).as_string();
    call.if_match = parts.get(3).as_string();
    call.content_encoding = parts.get(4).as_string();
    call.address = parts.get(5).as_string();
    call.idempotency_key = parts.get(6).as_string();
    call.signed = parts.get(7).as_string().unwrap_or_default();
    let body = parts.get(8);
    call.body = if body.is_null() {
        Body::TooLong
    } else {
        Body::Whole(body.unchecked_into::<Uint8Array>().to_vec())
    };
    Some(call)
}

/// Gives an answer to the runtime.
pub(crate) fn answer(reply: &Reply) -> JsValue {
    let headers = lines(reply.headers.iter().map(|(name, value)| (*name, value.as_str())));
    glue::respond(reply.status, &headers, &reply.body)
}
