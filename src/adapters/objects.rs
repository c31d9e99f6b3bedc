//! The other parts of the installation: Durable Objects and KV.

use brevet_core::broker::Unreachable;
use brevet_core::json::{FromJson, from_text};
use brevet_core::time::{Seconds, Timestamp};
use wasm_bindgen::JsValue;

use super::{glue, tasks};

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
        Self { binding: glue::member(env, name), part }
    }

    /// Sends a message to one object and gives its answer.
    pub(crate) async fn ask<A: FromJson>(&self, name: &str, question: &str) -> Result<A, Unreachable> {
        let text = self.send(name, question).await;
        let text = text.ok_or_else(|| self.failed("it failed or was late"))?;
        from_text(&text).ok_or_else(|| self.failed("its answer cannot be read"))
    }

    async fn send(&self, name: &str, question: &str) -> Option<String> {
        tasks::text(|ticket| glue::ask_object(ticket, &self.binding, name, question, OBJECT_DEADLINE_MS))
            .await
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
        Self(glue::member(env, "STATE"))
    }

    /// Reads a value.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<String>, Unreachable> {
        let value = tasks::text(|ticket| glue::read_stored(ticket, &self.0, key)).await;
        let value = value.ok_or_else(|| kv_failed("it could not be read"))?;
        // A mark tells an empty value from none.
        Ok(value.strip_prefix('+').map(str::to_owned))
    }

    /// The keys that begin so, in order.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, Unreachable> {
        let text = tasks::text(|ticket| glue::list_stored(ticket, &self.0, prefix)).await;
        let text = text.ok_or_else(|| kv_failed("it could not be listed"))?;
        Ok(text.split('\n').filter(|key| !key.is_empty()).map(str::to_owned).collect())
    }

    /// Writes a value, to be kept for so long or, where nothing is said, for ever.
    pub(crate) async fn write(
        &self,
        key: &str,
        value: &str,
        kept: Option<Seconds>,
    ) -> Result<(), Unreachable> {
        let seconds = kept.map_or(0, Seconds::get);
        let written = tasks::done(|ticket| glue::write_stored(ticket, &self.0, key, value, seconds)).await;
        written.then_some(()).ok_or_else(|| kv_failed("it could not be written"))
    }
}

fn kv_failed(reason: &str) -> Unreachable {
    Unreachable { part: "KV namespace", reason: reason.to_owned() }
}

/// Sets an object's alarm to this moment (Unix milliseconds), unless it goes off earlier anyway.
pub(crate) async fn arm(storage: &JsValue, at_ms: f64) {
    if !tasks::done(|ticket| glue::set_alarm(ticket, storage, at_ms)).await {
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
        let storage = glue::member(&state, "storage");
        Self { state, storage }
    }

    /// Its storage.
    pub(crate) fn storage(&self) -> &JsValue {
        &self.storage
    }

    /// The name it was found by.
    pub(crate) fn name(&self) -> Option<String> {
        glue::text(&glue::member(&self.state, "id"), "name")
    }
}
