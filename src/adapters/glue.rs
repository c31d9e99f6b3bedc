//! The JavaScript side, as Rust sees it. What takes a `ticket` ends later, with a call of one of the exports of
//! [`crate::events`] that names the ticket.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./glue.js")]
extern "C" {
    /// Answers a call of the Worker. Of the text so many characters are the headers and the rest the body.
    pub(super) fn finish(call: u32, status: u16, text: &str, head: u32);

    /// Answers a call of an object, or of the clock.
    pub(super) fn tell(call: u32, text: &str);

    pub(super) fn exchange(
        ticket: u32,
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        deadline_ms: u32,
        most: u32,
    );

    #[wasm_bindgen(js_name = askObject)]
    pub(super) fn ask_object(ticket: u32, namespace: &JsValue, name: &str, body: &str, deadline_ms: u32);

    #[wasm_bindgen(js_name = readStored)]
    pub(super) fn read_stored(ticket: u32, namespace: &JsValue, key: &str);

    #[wasm_bindgen(js_name = listStored)]
    pub(super) fn list_stored(ticket: u32, namespace: &JsValue, prefix: &str);

    #[wasm_bindgen(js_name = writeStored)]
    pub(super) fn write_stored(ticket: u32, namespace: &JsValue, key: &str, value: &str, seconds: u32);

    #[wasm_bindgen(catch, js_name = runSql)]
    pub(super) fn run_sql(
        sql: &JsValue,
        statement: &str,
        bound: &str,
        gives_rows: bool,
    ) -> Result<String, JsValue>;

    #[wasm_bindgen(js_name = setAlarm)]
    pub(super) fn set_alarm(ticket: u32, storage: &JsValue, at: f64);

    #[wasm_bindgen(js_name = wakeAt)]
    pub(super) fn wake_at(storage: &JsValue, at: f64);

    /// A key for signatures, by its algorithm and as a JWK.
    #[wasm_bindgen(js_name = keyOf)]
    pub(super) fn key_of(algorithm: &str, jwk: &str) -> JsValue;

    #[wasm_bindgen(js_name = checkSignature)]
    pub(super) fn check_signature(ticket: u32, key: &JsValue, signed: &[u8], signature: &[u8]);

    pub(super) fn sleep(ticket: u32, ms: u32);

    /// A member of an object, undefined where it has none.
    pub(super) fn member(of: &JsValue, name: &str) -> JsValue;

    /// A member that is a text.
    pub(super) fn text(of: &JsValue, name: &str) -> Option<String>;

    /// Unix milliseconds.
    pub(super) fn now() -> f64;

    /// Writes one line to the log.
    #[wasm_bindgen(js_name = log)]
    pub(crate) fn log_line(line: &str);
}
