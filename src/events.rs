//! What the runtime calls.

use std::cell::RefCell;
use std::rc::Rc;

use brevet_core::json::Object;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys};

use crate::adapters::{Surroundings, answer, log_line, read};
use crate::routes;

thread_local! {
    static SURROUNDINGS: RefCell<Option<Rc<Surroundings>>> = const { RefCell::new(None) };
}

fn surroundings(env: &Env) -> Rc<Surroundings> {
    SURROUNDINGS.with_borrow_mut(|kept| Rc::clone(kept.get_or_insert_with(|| Rc::new(Surroundings::of(env)))))
}

#[event(start)]
fn start() {
    // After a panic the runtime gets a fresh instance; the request that met it gets 500.
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
    let ports = surroundings(&env);
    let response = match read(&request).await {
        Some(request) => routes::respond(&*ports, request).await,
        None => routes::unreadable(),
    };
    Ok(answer(&response))
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Err(reason) = routes::check_parents(&*surroundings(&env)).await {
        let mut event = Object::saying("event", "parents_not_checked");
        event.text("reason", &reason);
        log_line(&event.finish());
    }
}
