//! `LEDGER`: one object per account or user, named `<family>:<id>`.

use std::cell::OnceCell;
use std::rc::Rc;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{Object, from_text, to_text};
use brevet_core::ledger::book::Book;
use brevet_core::ledger::office::{Clock, Notice, Office};
use brevet_core::ledger::protocol::{Answer, Refusal, Request};
use brevet_core::time::Timestamp;
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
    /// The office, opened on the first request, or what to answer without one. Not opening is not
    /// remembered: the next request tries again.
    fn office(&self) -> Result<Rc<AtWork>, Answer> {
        if let Some(office) = self.office.get() {
            return Ok(Rc::clone(office));
        }
        let name = self.state.id().name();
        let owner = name.and_then(|name| TokenOwner::from_ledger_name(&name));
        let owner = owner.ok_or(Answer::Refused(Refusal::Protocol))?;
        let storage = self.state.storage();
        let book = match Book::open(ObjectSql::of(storage.as_raw())) {
            Ok(book) => book,
            Err(error) => {
                log_line(&notice_line(&Notice::Database(error)));
                return Err(Answer::Refused(Refusal::Database));
            }
        };
        let secrets = EnvSecrets::of(&self.env);
        let development = config::is_development(|name| secrets.get(name));
        let cloudflare = match config::cloud(&secrets, development, Fetch, Circuits::default()) {
            Ok(cloudflare) => cloudflare,
            Err(failure) => {
                log_line(&alarm("api_base_refused", "cause", &failure.cause));
                return Err(Answer::Failed(failure));
            }
        };
        let office = Rc::new(Office::new(owner, book, cloudflare, RuntimeClock));
        drop(self.office.set(Rc::clone(&office)));
        Ok(office)
    }
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, office: OnceCell::new() }
    }

    async fn fetch(&self, mut request: worker::Request) -> worker::Result<worker::Response> {
        let text = request.text().await?;
        let say = |answer: &Answer| worker::Response::ok(to_text(answer));
        let Some(question) = from_text::<Request>(&text) else {
            return say(&Answer::Refused(Refusal::Protocol));
        };
        let office = match self.office() {
            Ok(office) => office,
            Err(answer) => return say(&answer),
        };
        // The work goes on when the caller has hung up: a token made must be in the books.
        let work = future_to_promise(async move {
            let answer = office.serve(question).await;
            for notice in office.take_notices() {
                log_line(&notice_line(&notice));
            }
            Ok(JsValue::from(to_text(&answer)))
        });
        let answer = JsFuture::from(outlive(self.state.as_raw(), work)).await?;
        worker::Response::ok(answer.as_string().unwrap_or_default())
    }
}

fn alarm(event: &str, name: &str, value: &str) -> String {
    let mut line = Object::saying("event", event);
    line.put("alarm", &true).text(name, value);
    line.finish()
}

fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::Database(error) => alarm("ledger_database", "error", &error.to_string()),
        Notice::RulesDiffer { version } => alarm("rules_differ", "version", &version.to_string()),
        Notice::Unresolved { lease } => alarm("create_unresolved", "lease", lease.as_str()),
        Notice::FoundDead { lease } => {
            let mut line = Object::saying("event", "lease_found_dead");
            line.put("lease", lease);
            line.finish()
        }
        Notice::Drifted { lease } => alarm("lease_drifted", "lease", lease.as_str()),
    }
}
