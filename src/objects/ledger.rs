//! `LEDGER`: one object per account or user, named `<family>:<id>`.

use std::cell::OnceCell;
use std::rc::Rc;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::ledger::book::Book;
use brevet_core::ledger::office::{Clock, Notice, Office};
use brevet_core::ledger::protocol::{Answer, Refusal, Request};
use brevet_core::time::Timestamp;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise};
use worker::{DurableObject, Env, State, durable_object};

use crate::adapters::{EnvSecrets, Fetch, ObjectSql, log_line, now, outlive};
use crate::config::{self, Cloud};
use crate::upstream::Circuits;

struct RuntimeClock;

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

type AtWork = Office<ObjectSql, Cloud, RuntimeClock>;

/// The ledger of one account or user.
#[durable_object(fetch)]
pub struct Ledger {
    state: State,
    env: Env,
    office: OnceCell<Rc<AtWork>>,
}

impl Ledger {
    /// The office, opened on the first request. Not opening is not remembered: the next request tries
    /// again.
    fn office(&self) -> Option<Rc<AtWork>> {
        if let Some(office) = self.office.get() {
            return Some(Rc::clone(office));
        }
        let owner = TokenOwner::from_ledger_name(&self.state.id().name()?)?;
        let storage = self.state.storage();
        let book = match Book::open(ObjectSql::of(storage.as_raw())) {
            Ok(book) => book,
            Err(error) => {
                log_line(&notice_line(&Notice::Database(error)).to_string());
                return None;
            }
        };
        let secrets = EnvSecrets::of(&self.env);
        let development = config::is_development(|name| secrets.get(name));
        let cloudflare = match config::cloud(&secrets, development, Fetch, Circuits::default()) {
            Ok(cloudflare) => cloudflare,
            Err(failure) => {
                log_line(
                    &json!({ "event": "api_base_refused", "alarm": true, "cause": failure.cause })
                        .to_string(),
                );
                return None;
            }
        };
        let office = Rc::new(Office::new(owner, book, cloudflare, RuntimeClock));
        drop(self.office.set(Rc::clone(&office)));
        Some(office)
    }
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, office: OnceCell::new() }
    }

    async fn fetch(&self, mut request: worker::Request) -> worker::Result<worker::Response> {
        let text = request.text().await?;
        let Ok(question) = serde_json::from_str::<Request>(&text) else {
            return worker::Response::from_json(&Answer::Refused(Refusal::Protocol));
        };
        let Some(office) = self.office() else {
            return worker::Response::from_json(&Answer::Refused(Refusal::Database));
        };
        // The work goes on when the caller has hung up: a token made must be in the books.
        let work = future_to_promise(async move {
            let answer = office.serve(question).await;
            for notice in office.take_notices() {
                log_line(&notice_line(&notice).to_string());
            }
            serde_json::to_string(&answer).map(JsValue::from).map_err(|_| JsValue::NULL)
        });
        let answer = JsFuture::from(outlive(self.state.as_raw(), work)).await?;
        worker::Response::ok(answer.as_string().unwrap_or_default())
    }
}

fn notice_line(notice: &Notice) -> Value {
    match notice {
        Notice::Database(error) => {
            json!({ "event": "ledger_database", "alarm": true, "error": error.to_string() })
        }
        Notice::RulesDiffer { version } => {
            json!({ "event": "rules_differ", "alarm": true, "version": version })
        }
        Notice::Unresolved { lease } => {
            json!({ "event": "create_unresolved", "alarm": true, "lease": lease })
        }
        Notice::FoundDead { lease } => json!({ "event": "lease_found_dead", "lease": lease }),
        Notice::Drifted { lease } => json!({ "event": "lease_drifted", "alarm": true, "lease": lease }),
    }
}
