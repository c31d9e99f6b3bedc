//! Requests and answers on their way between the runtime and the routes.

use http::header::HOST;
use http::{Request, Response};
use wasm_bindgen::JsCast;
use worker::js_sys::{Array, Uint8Array};
use worker::web_sys;

use super::glue;
use crate::routes::{Body, MOST_BODY_BYTES};

/// Reads a request, its body up to [`MOST_BODY_BYTES`]. `None` where it broke off or is not one that
/// `http` can hold.
pub(crate) async fn read(request: &web_sys::Request) -> Option<Request<Body>> {
    let most = u32::try_from(MOST_BODY_BYTES).unwrap_or(u32::MAX);
    let parts = glue::read_request(request, most).await.ok()?.unchecked_into::<Array>();
    let body = parts.get(3);
    let body = if body.is_null() {
        Body::TooLong
    } else {
        Body::Whole(body.unchecked_into::<Uint8Array>().to_vec())
    };
    let mut request =
        Request::builder().method(parts.get(0).as_string()?.as_str()).uri(parts.get(1).as_string()?);
    let headers: Vec<String> =
        parts.get(2).unchecked_into::<Array>().iter().filter_map(|text| text.as_string()).collect();
    for pair in headers.chunks_exact(2) {
        if let [name, value] = pair {
            request = request.header(name, value);
        }
    }
    // The host is the URL's, whatever header says otherwise.
    request.headers_mut()?.remove(HOST);
    request.body(body).ok()
}

/// Gives an answer to the runtime.
pub(crate) fn answer(response: &Response<String>) -> web_sys::Response {
    let headers = Array::new();
    for (name, value) in response.headers() {
        if let Ok(value) = value.to_str() {
            headers.push(&name.as_str().into());
            headers.push(&value.into());
        }
    }
    glue::respond(response.status().as_u16(), &headers, response.body())
}
