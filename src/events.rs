//! What JavaScript calls: `adapters/entry.js` for the runtime's events, `adapters/glue.js` to say how something ended.

#![expect(unreachable_pub, reason = "wasm-bindgen exports public functions only")]

use std::cell::RefCell;
use std::rc::Rc;

use brevet_core::json::Object;
use wasm_bindgen::prelude::*;

use crate::adapters::{Settled, Surroundings, answer, answer_text, log_line, read, tasks};
use crate::routes;

thread_local! {
    static SURROUNDINGS: RefCell<Option<Rc<Surroundings>>> = const { RefCell::new(None) };
}

/// Before all else, once for each instance: the bindings and secrets of a deployment do not change while it lives.
#[wasm_bindgen]
pub fn begin(env: JsValue) {
    // After a panic JavaScript makes a fresh instance; the requests that were under way in the old one get 500.
    console_error_panic_hook::set_once();
    SURROUNDINGS.set(Some(Rc::new(Surroundings::of(&env))));
}

fn surroundings() -> Option<Rc<Surroundings>> {
    SURROUNDINGS.with_borrow(Clone::clone)
}

/// A request. `head` has a line for the method, one for the URL and one for each header that is read; `reading` says how the reading of
/// the body ended (0 it is whole, 1 it is too long, 2 it broke off).
#[wasm_bindgen]
pub fn serve(call: u32, head: &str, body: Vec<u8>, reading: u8) {
    let request = read(head, body, reading);
    tasks::start(call, async move {
        let reply = match (surroundings(), request) {
            (Some(ports), Some(request)) => routes::respond(&*ports, request).await,
            _ => routes::unreadable(),
        };
        answer(call, &reply);
    });
}

/// The same, for a long head: as bytes it crosses faster, and a short one slower.
#[wasm_bindgen(js_name = serveLong)]
pub fn serve_long(call: u32, head: &[u8], body: Vec<u8>, reading: u8) {
    serve(call, str::from_utf8(head).unwrap_or_default(), body, reading);
}

/// The time has come to look after everything.
#[wasm_bindgen]
pub fn scheduled(call: u32) {
    tasks::start(call, async move {
        if let Some(ports) = surroundings()
            && let Err(reason) = routes::check_parents(&*ports).await
        {
            let mut event = Object::saying("event", "parents_not_checked");
            event.text("reason", &reason);
            log_line(&event.finish());
        }
        answer_text(call, "");
    });
}

/// Nobody waits for this call any more.
#[wasm_bindgen]
pub fn forget(call: u32) {
    tasks::forget(call);
}

/// What was begun under this ticket ended with a text, or failed.
#[wasm_bindgen(js_name = settledText)]
pub fn settled_text(ticket: u32, text: Option<String>) {
    tasks::settle(ticket, Settled::Text(text));
}

/// What was begun under this ticket is done, or not.
#[wasm_bindgen(js_name = settledDone)]
pub fn settled_done(ticket: u32, done: bool) {
    tasks::settle(ticket, Settled::Done(done));
}

/// The server that was asked under this ticket answered, or failed (status 0).
#[wasm_bindgen(js_name = settledAnswer)]
pub fn settled_answer(ticket: u32, status: u16, head: String, body: Vec<u8>) {
    tasks::settle(ticket, Settled::Answer(status, head, body));
}
