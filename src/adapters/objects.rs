//! The other parts of the installation: Durable Objects and KV.

use brevet_core::broker::Unreachable;
use brevet_core::json::{FromJson, from_text};
use brevet_core::time::{Seconds, Timestamp};
use wasm_bindgen::JsValue;
use worker::js_sys::{Promise, Reflect};
use worker::wasm_bindgen_futures::future_to_promise;

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
        Self { binding: member(env, name), part }
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
        Self(member(env, "STATE"))
    }

    /// Reads a value.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<String>, Unreachable> {
        let value = glue::read_stored(&self.0, key).await.map_err(|_| kv_failed("it could not be read"))?;
        Ok(value.as_string())
    }

    /// The keys that begin so, in order.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, Unreachable> {
        let listed =
            glue::list_stored(&self.0, prefix).await.map_err(|_| kv_failed("it could not be listed"))?;
        let text = listed.as_string().unwrap_or_default();
        Ok(text.split('\n').filter(|key| !key.is_empty()).map(str::to_owned).collect())
    }

    /// Writes a value, to be kept for so long or, where nothing is said, for ever.
    pub(crate) async fn write(
        &self,
        key: &str,
        value: &str,
        kept: Option<Seconds>,
    ) -> Result<(), Unreachable> {
        glue::write_stored(&self.0, key, value, kept.map_or(0, Seconds::get))
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

/// Has an object's alarm go off at this moment, whatever it was set to. It is as durable as what the
/// object has just written.
pub(crate) fn wake_at(storage: &JsValue, at: Timestamp) {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "milliseconds fit in 53 bits")]
    glue::wake_at(storage, at.unix().saturating_mul(1000) as f64);
}

/// What an object knows of itself: the runtime's `ctx`.
#[derive(Debug)]
pub(crate) struct ObjectState {
    state: JsValue,
    storage: JsValue,
}

impl ObjectState {
    /// The object with this `ctx`.
    pub(crate) fn of(state: JsValue) -> Self {
        let storage = member(&state, "storage");
        Self { state, storage }
    }

    /// Its storage.
    pub(crate) fn storage(&self) -> &JsValue {
        &self.storage
    }

    /// The name it was found by.
    pub(crate) fn name(&self) -> Option<String> {
        member(&member(&self.state, "id"), "name").as_string()
    }

    /// Runs something to its end, whoever waits for it.
    pub(crate) fn outlive(&self, work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
        glue::outlive(&self.state, future_to_promise(work))
    }
}

fn member(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// The body of a request from another part of this installation.
pub(crate) async fn read_text(request: &JsValue) -> Result<String, JsValue> {
    Ok(glue::read_text(request).await?.as_string().unwrap_or_default())
}

/// An answer to another part of this installation.
pub(crate) fn answer_text(text: &str) -> JsValue {
    glue::respond(200, "", text)
}
