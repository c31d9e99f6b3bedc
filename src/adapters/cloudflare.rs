//! The network, the clock, chance and the Worker's secrets, as the upstream adapter wants them.

use std::cell::RefCell;

use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use http::{Request, Response, StatusCode};
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Date, Reflect, Uint8Array};

use super::glue;
use crate::upstream::{Secrets, Transport, TransportError};

/// Unix milliseconds. In a deployed Worker this clock moves only with I/O.
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "milliseconds fit in 53 bits"
    )]
    let now = Date::now() as i64;
    now
}

/// The present moment.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(now_ms() / 1000).unwrap_or_default()
}

/// The runtime's `fetch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch;

impl Transport for Fetch {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        deadline_ms: u32,
        max_bytes: usize,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        let headers = Array::new();
        for (name, value) in request.headers() {
            headers.push(&name.as_str().into());
            headers.push(&value.to_str().map_err(|_| TransportError::NotSent)?.into());
        }
        let most = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        let answer = glue::exchange(
            request.method().as_str(),
            &request.uri().to_string(),
            &headers,
            Uint8Array::from(request.body().as_slice()),
            deadline_ms,
            most,
        )
        .await
        .map_err(|_| TransportError::Reset)?;
        response_of(&answer.unchecked_into())
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    async fn sleep_ms(&self, ms: u32) {
        // A timer that cannot be set means no wait, and the deadline still holds.
        drop(glue::sleep(ms).await);
    }

    fn random_u32(&self) -> u32 {
        getrandom::u32().unwrap_or_default()
    }
}

fn response_of(answer: &Array) -> Result<Response<Vec<u8>>, TransportError> {
    let status = answer.get(0).as_f64().unwrap_or_default();
    if status == 0.0 {
        return Err(match answer.get(1).as_string().as_deref() {
            Some("timeout") => TransportError::Timeout,
            Some("too-large") => TransportError::TooLarge,
            _ => TransportError::Reset,
        });
    }
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked below"
    )]
    let status = StatusCode::from_u16(status as u16).map_err(|_| TransportError::Reset)?;
    let mut response = Response::builder().status(status);
    let headers: Vec<String> =
        answer.get(1).unchecked_into::<Array>().iter().filter_map(|text| text.as_string()).collect();
    for pair in headers.chunks_exact(2) {
        if let [name, value] = pair {
            response = response.header(name, value);
        }
    }
    let body = answer.get(2).unchecked_into::<Uint8Array>().to_vec();
    response.body(body).map_err(|_| TransportError::Reset)
}

/// The Worker's secrets.
#[derive(Clone, Debug)]
pub(crate) struct EnvSecrets(JsValue);

impl EnvSecrets {
    /// Those of this environment.
    pub(crate) fn of(env: &JsValue) -> Self {
        Self(env.clone())
    }

    /// The secret or variable of this name; an empty one counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<Secret> {
        let text = Reflect::get(&self.0, &name.into()).ok()?.as_string()?;
        (!text.is_empty()).then(|| Secret::new(text))
    }
}

impl Secrets for EnvSecrets {
    fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name)
    }
}

thread_local! {
    /// Random bytes are drawn in larger pieces: each draw crosses into JavaScript.
    static POOL: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// Sixteen random bytes from the runtime's generator.
pub(super) fn random() -> Option<[u8; 16]> {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            let mut bytes = [0_u8; 256];
            getrandom::fill(&mut bytes).ok()?;
            pool.extend(bytes.as_chunks().0);
        }
        pool.pop()
    })
}
