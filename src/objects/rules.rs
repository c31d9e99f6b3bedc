//! `RULES`: the one object that holds the rules of record and brings them to the ledgers.

use std::rc::Rc;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{Object, from_text, to_text};
use brevet_core::ledger::protocol::{Answer, Operation, PROTOCOL, Request};
use brevet_core::ledger::sql::SqlError;
use brevet_core::rulebook::{Kept, PushRefusal, Register, RulebookAnswer, RulebookRequest};
use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;

use crate::adapters::{
    Namespace, ObjectSql, ObjectState, Stored, answer_text, arm, log_line, now, now_ms, read_text,
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
    pub fn fetch(&self, request: JsValue) -> Promise {
        let desk = Rc::clone(&self.0);
        self.0.state.outlive(async move { Ok(answer_text(&desk.answer(&read_text(&request).await?).await)) })
    }

    /// Brings the rules to the ledgers that lack them.
    pub fn alarm(&self) -> Promise {
        let desk = Rc::clone(&self.0);
        self.0.state.outlive(async move {
            desk.deliver_later().await;
            Ok(JsValue::UNDEFINED)
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

    async fn serve(&self, request: RulebookRequest) -> Result<RulebookAnswer, SqlError> {
        let register = self.register()?;
        match request {
            RulebookRequest::Head => register.head().map(RulebookAnswer::Head),
            RulebookRequest::Get { version } => register.version(version).map(RulebookAnswer::Version),
            RulebookRequest::History => register.history().map(RulebookAnswer::History),
            RulebookRequest::Push { expected, json, source_map, ledgers, by } => {
                match register.push(expected, &json, source_map.as_deref(), &ledgers, &by, now())? {
                    Err(refusal) => Ok(RulebookAnswer::Refused(refusal)),
                    Ok(mark) => Ok(RulebookAnswer::Pushed { mark, missing: self.deliver(&register).await? }),
                }
            }
        }
    }

    /// Brings the version in force to the ledgers that lack it, and its copy to KV; gives those that
    /// still lack it. The alarm goes on with them.
    async fn deliver(&self, register: &Register<ObjectSql>) -> Result<Vec<String>, SqlError> {
        let Some(Kept { mark, json: Some(json), .. }) = register.version(None)? else {
            return Ok(Vec::new());
        };
        let waiting = register.undelivered()?;
        if waiting.is_empty() {
            return Ok(waiting);
        }
        // Before anything is sent: an object that dies here is woken again.
        self.arm_retry().await;
        let ledgers = Namespace::of(&self.env, "LEDGER", "ledger");
        for name in waiting {
            let Some(owner) = TokenOwner::from_ledger_name(&name) else {
                register.delivered(&name, &mark)?;
                continue;
            };
            let request = Request {
                protocol: PROTOCOL,
                rules: mark.clone(),
                owner: None,
                operation: Operation::TakeRules { json: json.clone() },
            };
            match ledgers.ask::<Answer>(&owner.ledger_name(), &to_text(&request)).await {
                Ok(Answer::Done) => register.delivered(&name, &mark)?,
                Ok(_) | Err(_) => {
                    let mut event = Object::saying("event", "rules_not_taken");
                    event.text("ledger", &name);
                    log_line(&event.finish());
                }
            }
        }
        // A copy that cannot be written costs a little speed and nothing else.
        if let Err(unreachable) = Stored::of(&self.env).write(&mark.digest.kv_key(), &json).await {
            log_line(&unreachable.event("rules_copy_not_written").finish());
        }
        register.undelivered()
    }

    async fn arm_retry(&self) {
        #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "milliseconds fit in 53 bits")]
        let at = (now_ms() + RETRY_MS) as f64;
        arm(self.state.storage(), at).await;
    }

    async fn answer(&self, question: &str) -> String {
        let Some(question) = from_text(question) else {
            return to_text(&RulebookAnswer::Refused(PushRefusal::Database));
        };
        let answer = self.serve(question).await.unwrap_or_else(|error| {
            let mut event = Object::saying("event", "register_database");
            event.put("alarm", &true).text("error", &error.to_string());
            log_line(&event.finish());
            RulebookAnswer::Refused(PushRefusal::Database)
        });
        to_text(&answer)
    }

    async fn deliver_later(&self) {
        let left = match self.register() {
            Ok(register) => self.deliver(&register).await,
            Err(error) => Err(error),
        };
        // Alarms are dropped after some failures; so this one never fails, and sets the next itself.
        if !matches!(&left, Ok(left) if left.is_empty()) {
            self.arm_retry().await;
        }
    }
}
