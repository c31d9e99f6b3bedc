//! `RULES`: the one object that holds the rules of record and brings them to the ledgers.

use std::rc::Rc;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{Object, from_text, to_text};
use brevet_core::ledger::protocol::{Answer, Request};
use brevet_core::ledger::sql::SqlError;
use brevet_core::rulebook::{self, Errands, PushRefusal, Register, RulebookAnswer};
use brevet_core::time::Timestamp;
use wasm_bindgen::prelude::*;

use crate::adapters::{
    Namespace, ObjectSql, ObjectState, Stored, answer_text, arm, log_line, now, now_ms, tasks,
};

/// How soon a ledger that did not take the rules is asked again.
const RETRY_MS: i64 = 10_000;

/// The register of rules, as the runtime makes and calls it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Rules(Rc<Desk>);

#[wasm_bindgen]
impl Rules {
    /// Called by the runtime with the object's `ctx` and `env`.
    #[wasm_bindgen(constructor)]
    pub fn new(state: JsValue, env: JsValue) -> Self {
        Self(Rc::new(Desk { state: ObjectState::of(state), env }))
    }

    /// Answers one request.
    pub fn serve(&self, call: u32, question: String) {
        let desk = Rc::clone(&self.0);
        tasks::start(call, async move {
            let answer = match from_text(&question) {
                Some(question) => rulebook::serve(desk.register(), &*desk, question).await,
                None => RulebookAnswer::Refused(PushRefusal::Database),
            };
            answer_text(call, &to_text(&answer));
        })
    }

    /// Brings the rules to the ledgers that lack them. Alarms are dropped after some failures; so this one
    /// never fails.
    pub fn alarm(&self, call: u32) {
        let desk = Rc::clone(&self.0);
        tasks::start(call, async move {
            rulebook::wake(desk.register(), &*desk).await;
            answer_text(call, "");
        })
    }
}

#[derive(Debug)]
struct Desk {
    state: ObjectState,
    env: JsValue,
}

impl Desk {
    fn register(&self) -> Result<Register<ObjectSql>, SqlError> {
        Register::open(ObjectSql::of(self.state.storage()))
    }
}

impl Errands for Desk {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn ask_ledger(&self, ledger: TokenOwner, request: &Request) -> Option<Answer> {
        let ledgers = Namespace::of(&self.env, "LEDGER", "ledger");
        ledgers.ask(&ledger.ledger_name(), &to_text(request)).await.ok()
    }

    async fn keep_copy(&self, key: &str, json: &str) -> bool {
        Stored::of(&self.env).write(key, json, None).await.is_ok()
    }

    async fn wake_later(&self) {
        #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "milliseconds fit in 53 bits")]
        let at = (now_ms() + RETRY_MS) as f64;
        arm(self.state.storage(), at).await;
    }

    fn log(&self, event: &Object) {
        log_line(&to_text(event));
    }
}
