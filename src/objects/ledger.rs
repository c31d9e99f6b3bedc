//! `LEDGER`: one object per account or user, named `<family>:<id>`.

use std::cell::OnceCell;
use std::rc::Rc;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{Object, Raw, from_text, to_text};
use brevet_core::ledger::book::Book;
use brevet_core::ledger::journal::KEPT;
use brevet_core::ledger::office::{Clock, NotRead, Notice, Office};
use brevet_core::ledger::protocol::{Answer, Refusal, Request, Told};
use brevet_core::secret::Secret;
use brevet_core::time::{Seconds, Timestamp};
use wasm_bindgen::prelude::*;

use crate::adapters::{
    EnvSecrets, Fetch, Namespace, ObjectSql, ObjectState, Stored, answer_text, log_line, now, post_event,
    tasks, wake_at,
};
use crate::config::{self, Cloud};
use crate::upstream::Circuits;

/// The object's storage has the alarm, and KV outlives the object.
struct Runtime {
    storage: JsValue,
    stored: Stored,
    ledgers: Namespace,
    segment_after: Seconds,
    secrets: EnvSecrets,
    development: bool,
}

impl Clock for Runtime {
    fn now(&self) -> Timestamp {
        now()
    }

    fn wake_at(&self, at: Timestamp) {
        wake_at(&self.storage, at);
    }

    fn segment_after(&self) -> Seconds {
        self.segment_after
    }

    async fn segment(&self, key: &str) -> Result<Option<String>, NotRead> {
        self.stored.read(key).await.map_err(|_| NotRead)
    }

    async fn segment_keys(&self, prefix: &str) -> Result<Vec<String>, NotRead> {
        self.stored.keys(prefix).await.map_err(|_| NotRead)
    }

    async fn ask_ledger(&self, ledger: &str, request: &Request) -> Option<Answer> {
        self.ledgers.ask(ledger, &to_text(request)).await.ok()
    }

    async fn keep_segment(&self, key: &str, text: &str) -> bool {
        self.stored.write(key, text, Some(KEPT)).await.is_ok()
    }

    fn hook_secret(&self, name: &str) -> Option<Secret> {
        // The rules name no other; this is where it counts.
        if name.starts_with("HOOK_") { self.secrets.get(name) } else { None }
    }

    async fn post(&self, url: &str, headers: &str, body: &str) -> Result<u16, &'static str> {
        if !self.development && !url.starts_with("https://") {
            return Err("plain http is for development only");
        }
        post_event(url, headers, body).await
    }
}

/// How soon an object that could not be opened for its alarm is woken again.
const NOT_OPENED: Seconds = Seconds::of(60);

type AtWork = Office<ObjectSql, Cloud, Runtime>;

/// The ledger of one account or user, as the runtime makes and calls it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Ledger(Rc<Desk>);

#[wasm_bindgen]
impl Ledger {
    /// Called by the runtime with the object's `ctx` and `env`.
    #[wasm_bindgen(constructor)]
    pub fn new(state: JsValue, env: JsValue) -> Self {
        Self(Rc::new(Desk { state: ObjectState::of(state), env, office: OnceCell::new() }))
    }

    /// Answers one request.
    pub fn serve(&self, call: u32, question: String) {
        let desk = Rc::clone(&self.0);
        tasks::start(call, async move { answer_text(call, &desk.serve(&question).await) });
    }

    /// Ends what is to be ended. Alarms are dropped after some failures; so this one never fails.
    pub fn alarm(&self, call: u32) {
        let desk = Rc::clone(&self.0);
        tasks::start(call, async move {
            match desk.office() {
                Ok(office) => {
                    office.wake().await;
                    desk.tell(&office);
                }
                Err(_) => wake_at(desk.state.storage(), now().plus(NOT_OPENED)),
            }
            answer_text(call, "");
        })
    }
}

struct Desk {
    state: ObjectState,
    env: JsValue,
    office: OnceCell<Rc<AtWork>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// The office, opened on the first request, or what to answer without one. Not opening is not
    /// remembered: the next request tries again.
    fn office(&self) -> Result<Rc<AtWork>, Answer> {
        if let Some(office) = self.office.get() {
            return Ok(Rc::clone(office));
        }
        let name = self.state.name();
        let owner = name.and_then(|name| TokenOwner::from_ledger_name(&name));
        let owner = owner.ok_or(Answer::Refused(Refusal::Protocol))?;
        let book = match Book::open(ObjectSql::of(self.state.storage())) {
            Ok(book) => book,
            Err(error) => {
                log_line(&notice_line(None, &Notice::Database(error)));
                return Err(Answer::Refused(Refusal::Database));
            }
        };
        let secrets = EnvSecrets::of(&self.env);
        let development = config::is_development(|name| secrets.get(name));
        let pepper = config::settings(|name| secrets.get(name)).pepper;
        let cloudflare = match config::cloud(&secrets, development, Fetch, Circuits::default()) {
            Ok(cloudflare) => cloudflare,
            Err(failure) => {
                log_line(&alarm("api_base_refused", "cause", &failure.cause));
                return Err(Answer::Failed(failure));
            }
        };
        let runtime = Runtime {
            storage: self.state.storage().clone(),
            stored: Stored::of(&self.env),
            ledgers: Namespace::of(&self.env, "LEDGER", "ledger"),
            segment_after: config::segment_after(|name| secrets.get(name)),
            secrets,
            development,
        };
        let office = Rc::new(Office::new(owner, book, cloudflare, runtime, pepper));
        drop(self.office.set(Rc::clone(&office)));
        Ok(office)
    }

    async fn serve(&self, question: &str) -> String {
        let Some(question) = from_text::<Request>(question) else {
            return to_text(&Answer::Refused(Refusal::Protocol));
        };
        let office = match self.office() {
            Ok(office) => office,
            Err(answer) => return to_text(&answer),
        };
        let answer = office.serve(question).await;
        self.tell(&office);
        to_text(&Told { answer, allowance: Some(office.allowance()) })
    }

    fn tell(&self, office: &AtWork) {
        for notice in office.take_notices() {
            log_line(&notice_line(self.state.name().as_deref(), &notice));
        }
    }
}

fn alarm(event: &str, name: &str, value: &str) -> String {
    let mut line = Object::saying("event", event);
    line.put("alarm", &true).text(name, value);
    line.finish()
}

/// The line of a notice; those of the journal name the ledger.
fn notice_line(ledger: Option<&str>, notice: &Notice) -> String {
    let ledger = ledger.unwrap_or_default();
    match notice {
        Notice::Database(error) => alarm("ledger_database", "error", &error.to_string()),
        Notice::RulesDiffer { version } => alarm("rules_differ", "version", &version.to_string()),
        Notice::Unresolved { lease } => alarm("create_unresolved", "lease", lease.as_str()),
        Notice::Stuck { lease, tries } => {
            let mut line = Object::saying("event", "lease_stuck");
            line.put("alarm", &true).put("lease", lease).put("tries", tries);
            line.finish()
        }
        Notice::OrderWaits { receipt, tries } => {
            let mut line = Object::saying("event", "hook_waits");
            line.put("alarm", &true).put("receipt", receipt).put("tries", tries);
            line.finish()
        }
        Notice::FoundDead { lease } => {
            let mut line = Object::saying("event", "lease_found_dead");
            line.put("lease", lease);
            line.finish()
        }
        Notice::Drifted { lease } => alarm("lease_drifted", "lease", lease.as_str()),
        Notice::Entry(kept) => {
            let mut line = Object::saying("event", "journal");
            line.text("ledger", ledger)
                .put("seq", &kept.seq)
                .put("entry", &Raw(&kept.body))
                .text("mac", &kept.mac);
            line.finish()
        }
        Notice::Flushed { first, head } => {
            let mut line = Object::saying("event", "journal_segment");
            line.text("ledger", ledger).put("first", first).put("seq", &head.seq).text("mac", &head.mac);
            line.finish()
        }
        Notice::NotFlushed => alarm("journal_not_flushed", "ledger", ledger),
        Notice::NotSwept { cause } => alarm("not_swept", "cause", cause),
        Notice::ManyStrays { tokens } => alarm("many_stray_tokens", "tokens", &tokens.to_string()),
        Notice::LostBooks { tokens } => alarm("books_lost", "tokens", &tokens.to_string()),
        Notice::Paused { endpoint } => alarm("endpoint_paused", "endpoint", endpoint),
        Notice::SetBack => alarm("books_set_back", "ledger", ledger),
    }
}
