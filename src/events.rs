//! What the runtime calls.

#![expect(unreachable_pub, reason = "wasm-bindgen exports public functions only")]

use std::cell::RefCell;
use std::rc::Rc;

use brevet_core::json::Object;
use wasm_bindgen::prelude::*;
use worker::event;
use worker::js_sys::Promise;
use worker::wasm_bindgen_futures::future_to_promise;

use crate::adapters::{Surroundings, answer, log_line, read};
use crate::routes;

thread_local! {
    static SURROUNDINGS: RefCell<Option<Rc<Surroundings>>> = const { RefCell::new(None) };
}

fn surroundings(env: &JsValue) -> Rc<Surroundings> {
    SURROUNDINGS.with_borrow_mut(|kept| Rc::clone(kept.get_or_insert_with(|| Rc::new(Surroundings::of(env)))))
}

#[event(start)]
fn start() {
    // After a panic the runtime gets a fresh instance; the request that met it gets 500.
    console_error_panic_hook::set_once();
}

/// The runtime's `fetch` event: a promise of the answer. It is never rejected.
#[wasm_bindgen]
pub fn fetch(request: JsValue, env: JsValue, _context: JsValue) -> Promise {
    future_to_promise(async move {
        let ports = surroundings(&env);
        let reply = match read(&request).await {
            Some(call) => routes::respond(&*ports, call).await,
            None => routes::unreadable(),
        };
        Ok(answer(&reply))
    })
}

/// The runtime's `scheduled` event.
#[wasm_bindgen]
pub fn scheduled(_event: JsValue, env: JsValue, _context: JsValue) -> Promise {
    future_to_promise(async move {
        if let Err(reason) = routes::check_parents(&*surroundings(&env)).await {
            let mut event = Object::saying("event", "parents_not_checked");
            event.text("reason", &reason);
            log_line(&event.finish());
        }
        Ok(JsValue::UNDEFINED)
    })
}
