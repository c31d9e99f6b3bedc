//! The other parts of the installation: Durable Objects and KV.

use brevet_core::broker::Unreachable;
use brevet_core::json::{FromJson, from_text};
use wasm_bindgen::JsValue;
use worker::js_sys::Reflect;

use super::glue;

/// How long an object may take for a request that calls Cloudflare: the whole operation's deadline
/// there (25 s), the clean-up after a lost answer (25 s), and some room.
const OBJECT_DEADLINE_MS: u32 = 55_000;

/// A namespace of Durable Objects.
#[derive(Debug)]
pub(crate) struct Namespace {
    binding: JsValue,
    part: &'static str,
}

impl Namespace {
    /// The namespace bound under this name.
    pub(crate) fn of(env: &JsValue, name: &str, part: &'static str) -> Self {
        Self { binding: Reflect::get(env, &name.into()).unwrap_or(JsValue::UNDEFINED), part }
    }

    /// Sends a message to one object and gives its answer.
    pub(crate) async fn ask<A: FromJson>(&self, name: &str, question: &str) -> Result<A, Unreachable> {
        let text = self.send(name, question).await;
        let text = text.ok_or_else(|| self.failed("it failed or was late"))?;
        from_text(&text).ok_or_else(|| self.failed("its answer cannot be read"))
    }

    async fn send(&self, name: &str, question: &str) -> Option<String> {
        let answer = glue::ask_object(&self.binding, name, question, OBJECT_DEADLINE_MS).await;
        answer.ok()?.as_string()
    }

    fn failed(&self, reason: &str) -> Unreachable {
        Unreachable { part: self.part, reason: reason.to_owned() }
    }
}

/// The KV namespace `STATE`.
#[derive(Debug)]
pub(crate) struct Stored(JsValue);

impl Stored {
    /// The namespace bound as `STATE`.
    pub(crate) fn of(env: &JsValue) -> Self {
        Self(Reflect::get(env, &"STATE".into()).unwrap_or(JsValue::UNDEFINED))
    }

    /// Reads a value.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<String>, Unreachable> {
        let value = glue::read_stored(&self.0, key).await.map_err(|_| kv_failed("it could not be read"))?;
        Ok(value.as_string())
    }

    /// Writes a value.
    pub(crate) async fn write(&self, key: &str, value: &str) -> Result<(), Unreachable> {
        glue::write_stored(&self.0, key, value)
            .await
            .map(drop)
            .map_err(|_| kv_failed("it could not be written"))
    }
}

fn kv_failed(reason: &str) -> Unreachable {
    Unreachable { part: "KV namespace", reason: reason.to_owned() }
}

/// Sets an object's alarm to this moment (Unix milliseconds), unless it goes off earlier anyway.
pub(crate) async fn arm(storage: &JsValue, at_ms: f64) {
    if glue::set_alarm(storage, at_ms).await.is_err() {
        super::log_line(r#"{"event":"alarm_not_set","alarm":true}"#);
    }
}
