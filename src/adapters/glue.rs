//! The JavaScript side, as Rust sees it.

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, Promise};

#[wasm_bindgen(
    module = "/src/adapters/glue.js",
    wasm_bindgen = ::worker::wasm_bindgen,
    wasm_bindgen_futures = ::worker::wasm_bindgen_futures,
    js_sys = ::worker::js_sys
)]
extern "C" {
    #[wasm_bindgen(catch, js_name = readRequest)]
    pub(super) async fn read_request(request: &JsValue, most: u32) -> Result<JsValue, JsValue>;

    pub(super) fn respond(status: u16, headers: &str, body: &str) -> JsValue;

    #[wasm_bindgen(catch)]
    pub(super) async fn exchange(
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        deadline_ms: u32,
        most: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = askObject)]
    pub(super) async fn ask_object(
        namespace: &JsValue,
        name: &str,
        body: &str,
        deadline_ms: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = readText)]
    pub(super) async fn read_text(request: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = readStored)]
    pub(super) async fn read_stored(namespace: &JsValue, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = listStored)]
    pub(super) async fn list_stored(namespace: &JsValue, prefix: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = writeStored)]
    pub(super) async fn write_stored(
        namespace: &JsValue,
        key: &str,
        value: &str,
        seconds: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = runSql)]
    pub(super) fn run_sql(sql: &JsValue, statement: &str, bound: &Array) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch, js_name = setAlarm)]
    pub(super) async fn set_alarm(storage: &JsValue, at: f64) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = wakeAt)]
    pub(super) fn wake_at(storage: &JsValue, at: f64);

    #[wasm_bindgen(catch, js_name = verifySignature)]
    pub(super) async fn verify_signature(
        algorithm: &str,
        jwk: &str,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn sleep(ms: u32) -> Result<JsValue, JsValue>;

    /// Writes one line to the log.
    #[wasm_bindgen(js_name = log)]
    pub(crate) fn log_line(line: &str);

    /// Keeps an object's work going when the one who asked for it has gone.
    pub(super) fn outlive(state: &JsValue, promise: Promise) -> Promise;
}
