//! Telling endpoints what the journal says.
//!
//! Whatever is due at Cloudflare goes first, and a wish to revoke breaks an attempt off. An attempt writes
//! nothing before its outcome is known: one that broke off is made again, under the same id.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use serde_json::Value;

use crate::announce::{EventId, SigningKey, body, signature, type_of};
use crate::cloudflare::Cloudflare;
use crate::json::{List, from_text, to_text};
use crate::ledger::delivery::{DeliveryState, Due};
use crate::ledger::journal::{Entry, Kept};
use crate::ledger::office::alarm::WORKS_FOR;
use crate::ledger::office::{Clock, Hand, Notice, Office};
use crate::ledger::protocol::{Answer, Refusal};
use crate::ledger::sql::{Sql, SqlError};
use crate::rules::{self, document::EndpointRule};
use crate::time::{Seconds, Timestamp};

/// The wait after a first failure, in seconds. Doubled with every failure.
const FIRST_PAUSE: u32 = 10;

/// The longest wait between two attempts, in seconds.
const LONGEST_PAUSE: u32 = 3600;

/// An event is tried for so long, in seconds, and an endpoint as long that takes nothing at all.
const TRIED_FOR: i64 = 86_400;

/// After so many failures in a row it is not the event but the endpoint, and the others wait.
const FAILS_AFTER: u32 = 3;

/// The name under which the endpoints are kept that have their places in the journal.
const ENDPOINTS: &str = "endpoints";

/// The most entries that are looked at in one turn for one that is to be sent.
const MOST_LOOKED_AT: u32 = 500;

/// The endpoints of this ledger, as the rules have them.
type Endpoints = Rc<Vec<EndpointRule>>;

/// Who is told, as far as this object knows, and how it is interrupted.
#[derive(Debug, Default)]
pub(super) struct Announcing {
    endpoints: RefCell<Option<Endpoints>>,
    hurried: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Announcing {
    /// Breaks attempts off, so that the alarm ends and goes off again for what is more urgent.
    pub(super) fn hurry(&self) {
        self.hurried.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether it is known that nobody is told.
    pub(super) fn has_none(&self) -> bool {
        self.endpoints.borrow().as_ref().is_some_and(|endpoints| endpoints.is_empty())
    }

    /// There are other rules.
    pub(super) fn forget(&self) {
        self.endpoints.take();
    }
}

/// An event that is to be sent.
struct Next {
    kept: Kept,
    entry: Entry,
    kind: &'static str,
    due: Due,
    /// Whether it failed before.
    again: bool,
}

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// Whether anybody is told of what is written into the journal.
    pub(super) fn announces(&self) -> Result<bool, SqlError> {
        Ok(!self.endpoints()?.is_empty())
    }

    /// The endpoints of this ledger. They are read once for each version of the rules, and noted then: one
    /// that is new hears of what comes after this moment.
    fn endpoints(&self) -> Result<Endpoints, SqlError> {
        if let Some(known) = &*self.announcing.endpoints.borrow() {
            return Ok(Rc::clone(known));
        }
        let mut endpoints = Some(Vec::new());
        let mut version = String::new();
        let mut noted = String::new();
        // Of these rules it is noted who is told: most objects that wake need not read them.
        if let Some(mark) = self.book.rules_mark()? {
            version = mark.version.to_string();
            noted = self.book.note(ENDPOINTS)?.unwrap_or_default();
            if noted.strip_suffix(" []") != Some(version.as_str())
                && let Some((_, json)) = self.book.rules()?
            {
                endpoints = self.read_endpoints(&json);
            }
        }
        // Rules that cannot be read are a later build's, which goes on where this one was.
        if let Some(endpoints) = endpoints.as_ref().filter(|_| !version.is_empty()) {
            let mut names = List::new();
            endpoints.iter().for_each(|rule| names.push(&rule.name));
            let names = to_text(&names);
            let present = format!("{version} {names}");
            if present != noted {
                self.book.keep_endpoints(&names, self.book.head()?.seq, self.clock.now())?;
                self.book.keep_note(ENDPOINTS, &present)?;
            }
        }
        let endpoints = Rc::new(endpoints.unwrap_or_default());
        self.announcing.endpoints.replace(Some(Rc::clone(&endpoints)));
        Ok(endpoints)
    }

    fn read_endpoints(&self, json: &str) -> Option<Vec<EndpointRule>> {
        let value: Value = serde_json::from_slice(json.as_bytes()).ok()?;
        let mut document = rules::read(&value).ok()?;
        let accounts = document.accounts;
        let ours = |name: &String| accounts.get(name).is_some_and(|rule| rule.owner == self.owner);
        document
            .endpoints
            .retain(|rule| rule.enabled && (rule.accounts.is_empty() || rule.accounts.iter().any(ours)));
        Some(document.endpoints)
    }
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Tells the endpoints what is to be told, one event to each in turn; those that take it come first, and
    /// one that failed has to wait for the next alarm. One at a time: an object has six connections, and
    /// requests need them more.
    pub(super) async fn deliver(&self, begun: Timestamp) -> Result<(), SqlError> {
        let endpoints = self.endpoints()?;
        self.announcing.hurried.set(false);
        let mut failed: Vec<String> = Vec::new();
        loop {
            let mut any = false;
            for (name, seq) in self.book.listening(self.clock.now())? {
                let Some(rule) = endpoints.iter().find(|rule| rule.name == name) else { continue };
                if failed.contains(&name) {
                    continue;
                }
                let now = self.clock.now();
                let over = now.since(begun) >= WORKS_FOR || self.announcing.hurried.get();
                if over || !self.book.due(now)?.is_empty() {
                    return Ok(());
                }
                let Some(next) = self.next_event(&name, seq, rule)? else { continue };
                let outcome = match self.message(&name, rule, &next) {
                    Ok((headers, body)) => self.unless_hurried(&rule.url, &headers, &body).await,
                    Err(secret) => Some(Err(secret)),
                };
                // What broke off is made again; nothing is known of it.
                let Some(outcome) = outcome else { return Ok(()) };
                let failure = outcome.map_or_else(Some, refusal);
                any = true;
                if failure.is_some() {
                    failed.push(name.clone());
                }
                self.note(&name, &next, failure)?;
            }
            if !any {
                return Ok(());
            }
        }
    }

    /// Sends something, and gives the status of the answer or why there is none; none where it broke off.
    async fn unless_hurried(&self, url: &str, headers: &str, body: &str) -> Option<Result<u16, String>> {
        let mut sending = pin!(self.clock.post(url, headers, body));
        poll_fn(|context| {
            if self.announcing.hurried.get() {
                return Poll::Ready(None);
            }
            self.announcing.waker.replace(Some(context.waker().clone()));
            sending.as_mut().poll(context).map(|outcome| Some(outcome.map_err(str::to_owned)))
        })
        .await
    }

    /// What is to be sent next: what failed before and is due, else the next entry that is wanted.
    fn next_event(&self, name: &str, told: u64, rule: &EndpointRule) -> Result<Option<Next>, SqlError> {
        let now = self.clock.now();
        if let Some(due) = self.book.due_delivery(name, now)? {
            let kept = self.book.entry_from(due.seq)?.filter(|kept| kept.seq == due.seq);
            if let Some((kept, entry, kind)) = kept.and_then(announced) {
                return Ok(Some(Next { kept, entry, kind, due, again: true }));
            }
            // There is nothing left to send.
            let gone = Some("the entry is no longer in the journal");
            self.book.note_delivery(name, &due, DeliveryState::Dead, now, gone)?;
            return Ok(None);
        }
        let mut seq = told;
        for _ in 0..MOST_LOOKED_AT {
            let Some(kept) = self.book.entry_from(seq.saturating_add(1))? else { break };
            let at = kept.seq;
            if let Some((kept, entry, kind)) = announced(kept)
                && wants(rule, name, &entry, kind)
            {
                let due = Due { seq: at, begun: now, tries: 0 };
                return Ok(Some(Next { kept, entry, kind, due, again: false }));
            }
            seq = at;
        }
        if seq != told {
            self.book.told(name, seq)?;
        }
        Ok(None)
    }

    /// The headers and the body of an event; or the secret without which nothing is sent.
    fn message(&self, name: &str, rule: &EndpointRule, next: &Next) -> Result<(String, String), String> {
        let mut keys = Vec::new();
        for secret in &rule.secrets {
            match self.clock.hook_secret(secret).and_then(|secret| SigningKey::read(&secret)) {
                Some(key) => keys.push(key),
                None => {
                    return Err(format!(
                        "the Worker secret {secret} is missing, or is not whsec_ and 24 to 64 bytes in base64"
                    ));
                }
            }
        }
        let id = EventId::of(self.owner, &next.kept, name).to_string();
        let at = self.clock.now();
        let body = body(next.kind, self.owner, &next.entry, &next.kept);
        let signature = signature(&keys, &id, at, &body);
        let headers = format!(
            "content-type\napplication/json\nuser-agent\nBrevet\nwebhook-id\n{id}\nwebhook-timestamp\n{}\nwebhook-signature\n{signature}\n",
            at.unix()
        );
        Ok((headers, body))
    }

    /// Writes down what came of an attempt, in one turn.
    fn note(&self, name: &str, next: &Next, failure: Option<String>) -> Result<(), SqlError> {
        let now = self.clock.now();
        let Next { due, again, .. } = next;
        let Some(failure) = failure else {
            if *again {
                self.book.note_delivery(name, due, DeliveryState::Delivered, now, None)?;
            } else {
                self.book.told(name, due.seq)?;
            }
            return self.book.took(name, now);
        };
        // Taken out of the rules meanwhile, where there is none.
        let Some((since, tries)) = self.book.failed(name, now, &failure)? else { return Ok(()) };
        let pauses = now.since(since) >= TRIED_FOR;
        let dies = !pauses && now.since(due.begun) >= TRIED_FOR;
        let (state, at) = if dies {
            (DeliveryState::Dead, now)
        } else {
            (DeliveryState::Waiting, now.plus(pause(due.tries)))
        };
        let full = self.book.note_delivery(name, due, state, at, Some(&failure))?;
        self.book.told(name, if *again { 0 } else { due.seq })?;
        if pauses {
            self.book.hold_back(name, None, now)?;
            self.notice(Notice::Paused { endpoint: name.to_owned() });
            return self.tell_of(name, "endpoint_paused", failure);
        }
        let fails = tries.checked_sub(FAILS_AFTER).map(|over| now.plus(pause(over)));
        if fails.is_some() || full.is_some() {
            self.book.hold_back(name, fails.max(full), now)?;
        }
        if dies {
            let id = EventId::of(self.owner, &next.kept, name);
            return self.tell_of(name, "delivery_dead", format!("{id}: {failure}"));
        }
        Ok(())
    }

    /// Writes into the journal what is about an endpoint.
    fn tell_of(&self, endpoint: &str, event: &str, detail: String) -> Result<(), SqlError> {
        self.append(&Entry {
            owner: Some(owner_of(endpoint)),
            detail: Some(detail),
            ..Entry::of(self.clock.now(), event, self.by)
        })
    }

    /// Lets go of what the journal keeps no longer, and says of whom it never reached.
    pub(super) fn forget_entries(&self) -> Result<(), SqlError> {
        let now = self.clock.now();
        let Some(first) = self.book.kept_from(now)? else { return Ok(()) };
        for (endpoint, events) in self.book.drop_events_before(first)? {
            self.tell_of(&endpoint, "events_dropped", format!("{events} entries before {first}"))?;
        }
        self.book.forget_entries(now)
    }

    /// Has an event sent again at once, however it went before.
    pub(super) fn replay(&self, endpoint: &str, seq: u64, mac: &str) -> Result<Answer, SqlError> {
        self.announces()?;
        let now = self.clock.now();
        let kept = self.book.entry_from(seq)?.filter(|kept| kept.seq == seq);
        let id = kept.as_ref().map(|kept| EventId::of(self.owner, kept, endpoint)).filter(|id| id.mac == mac);
        let (Some(id), Some(_)) = (id, kept.and_then(announced)) else {
            return Ok(Answer::Refused(Refusal::NotFound));
        };
        if !self.book.replay(endpoint, seq, now)? {
            return Ok(Answer::Refused(Refusal::NotFound));
        }
        self.tell_of(endpoint, "delivery_replayed", id.to_string())?;
        self.arm(now);
        Ok(Answer::Done)
    }

    /// Sends to an endpoint again that was paused or fails, beginning with what waited.
    pub(super) fn resume(&self, endpoint: &str) -> Result<Answer, SqlError> {
        self.announces()?;
        let now = self.clock.now();
        if !self.book.resume(endpoint, now)? {
            return Ok(Answer::Refused(Refusal::NotFound));
        }
        self.tell_of(endpoint, "endpoint_resumed", String::new())?;
        self.arm(now);
        Ok(Answer::Done)
    }
}

/// The owner of an entry about an endpoint. The endpoint itself is not told of it.
fn owner_of(endpoint: &str) -> String {
    format!("endpoint:{endpoint}")
}

/// An entry that is an event. One that cannot be read was written by a later build.
fn announced(kept: Kept) -> Option<(Kept, Entry, &'static str)> {
    let entry: Entry = from_text(&kept.body)?;
    let kind = type_of(&entry)?;
    Some((kept, entry, kind))
}

/// Whether an endpoint is to hear of this.
fn wants(rule: &EndpointRule, name: &str, entry: &Entry, kind: &str) -> bool {
    let listed = |names: &[String], name: &Option<String>| {
        names.is_empty() || name.as_ref().is_some_and(|name| names.contains(name))
    };
    (rule.events.is_empty() || rule.events.iter().any(|wanted| wanted == kind))
        && listed(&rule.grants, &entry.grant)
        && listed(&rule.templates, &entry.template)
        && entry.owner.as_deref() != Some(owner_of(name).as_str())
}

/// Why a status is none of success.
fn refusal(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => Some(format!("it answered {status}, and redirects are not followed")),
        _ => Some(format!("it answered {status}")),
    }
}

/// The wait after so many failures before this one.
fn pause(tries: u32) -> Seconds {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX));
    Seconds::of(doubled.min(LONGEST_PAUSE))
}
