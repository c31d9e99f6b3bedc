//! The stand-in itself: requests in, outcomes out, and what tests ask of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Request;
use serde_json::{Value, json};

use crate::api::{self, Ask};
use crate::config::Config;
use crate::envelope::{Answer, body_answer, failure};
use crate::fault::{Barrier, Effect, Fault, Ticket, When};
use crate::leak;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::state::{Call, State, Violation};
use crate::token::{Owner, Status, Token};
use crate::value::TokenValue;
use crate::{BASE, admin};

/// Header by which a test says from which address it calls. Without it the peer's address counts.
pub const CLIENT_IP_HEADER: &str = "x-fake-client-ip";
/// Largest body that is kept in the list of calls, in bytes.
const BODY_KEPT: usize = 16_384;

/// The address of the connection's other end; a server puts it into the request's extensions.
/// Without it the caller is 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// What the caller gets.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
    /// An answer whose head announces this body in full, of which only `bytes` bytes come.
    Truncated {
        /// The whole answer.
        answer: Answer,
        /// How much of its body is sent.
        bytes: usize,
    },
    /// No answer; the connection is closed. The work may be done.
    DropConnection,
    /// No answer; the connection is reset.
    ResetConnection,
}

impl Reply {
    /// The answer, if it comes whole.
    #[must_use]
    pub fn answer(self) -> Option<Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Truncated { .. } | Self::DropConnection | Self::ResetConnection => None,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// Milliseconds until the answer's head.
    pub delay_ms: u64,
    /// Milliseconds more until its body.
    pub body_delay_ms: u64,
    /// The barrier that holds the answer back.
    pub hold: Option<Ticket>,
    /// What the caller gets in the end.
    pub reply: Reply,
}

/// What happens to a request before its work is done.
#[derive(Debug)]
pub struct Arrival {
    /// Milliseconds until the work.
    pub delay_ms: u64,
    /// The barrier that holds the work back.
    pub hold: Option<Ticket>,
    effects: Vec<Effect>,
}

/// Cloudflare's API, in memory. Clones share everything.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    on_change: Arc<Mutex<Vec<Listener>>>,
}

type Listener = Box<dyn Fn() + Send>;

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").finish_non_exhaustive()
    }
}

impl Fake {
    /// A stand-in at its beginning.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(config))), on_change: Arc::default() }
    }

    /// A panic in a caller's thread leaves the state as it was between two calls.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a request in one step. `now` is Unix seconds. Barriers hold only the answer here.
    #[must_use]
    pub fn handle(&self, request: Request<Vec<u8>>, now: i64) -> Outcome {
        let arrival = self.arrive(&request);
        let (delay, hold) = (arrival.delay_ms, arrival.hold);
        let mut outcome = self.finish(request, arrival, now);
        outcome.delay_ms = outcome.delay_ms.saturating_add(delay);
        outcome.hold = outcome.hold.or(hold);
        outcome
    }

    /// First step: which faults and barriers meet the request. Nothing is done yet.
    #[must_use]
    pub fn arrive<B>(&self, request: &Request<B>) -> Arrival {
        let Some(path) = request.uri().path().strip_prefix(BASE) else {
            return Arrival { delay_ms: 0, hold: None, effects: Vec::new() };
        };
        let method = request.method().as_str();
        let mut state = self.lock();
        let effects = state.faults.strike(method, path);
        let hold = state.barriers.hold(When::Before, method, path);
        drop(state);
        if hold.is_some() {
            self.changed();
        }
        let delay_ms = delay_of(&effects, When::Before);
        Arrival { delay_ms, hold, effects }
    }

    /// Second step: the work, and what the caller gets.
    #[must_use]
    pub fn finish(&self, request: Request<Vec<u8>>, arrival: Arrival, now: i64) -> Outcome {
        let whole = request.uri().path().to_owned();
        let Some(path) = whole.strip_prefix(BASE) else {
            return admin::answer(self, &request, now);
        };
        let mut state = self.lock();
        let now = now.saturating_add(state.settings.clock_offset_s);
        state.sweep(now);
        let mut call = describe(&state, &request, now);
        let leak = leak::find(&request, &state.settings.forbidden);
        let (reply, hold) = if let Some((what, place)) = leak {
            let violation = redact(&mut call, what.name(), place);
            state.violations.push(violation);
            (Reply::Answer(Answer::from(&Refusal::Leak(what.name().to_owned()))), None)
        } else {
            let reply = work(&mut state, &request, path, &arrival.effects, now);
            let hold = state.barriers.hold(When::After, request.method().as_str(), path);
            (reply, hold)
        };
        call.status = match &reply {
            Reply::Answer(answer) | Reply::Truncated { answer, .. } => Some(answer.status().as_u16()),
            Reply::DropConnection | Reply::ResetConnection => None,
        };
        state.record(call);
        drop(state);
        self.changed();
        let body_delay_ms = arrival.effects.iter().map(|effect| match effect {
            Effect::SlowBody { ms } => *ms,
            _ => 0,
        });
        Outcome {
            delay_ms: delay_of(&arrival.effects, When::After),
            body_delay_ms: body_delay_ms.fold(0, u64::saturating_add),
            hold,
            reply,
        }
    }

    /// The calls that arrived, oldest first, at most the last hundred thousand.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.lock().calls.clear();
    }

    /// All tokens as they are kept, without values, in the order they were made.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.lock().tokens.values().cloned().collect();
        tokens.sort_by_key(|token| token.sequence);
        tokens
    }

    /// All tokens as the API shows them, with `owner`.
    #[must_use]
    pub fn tokens_json(&self, now: i64) -> Vec<Value> {
        let tokens = self.tokens();
        let state = self.lock();
        let now = now.saturating_add(state.settings.clock_offset_s);
        let shown = tokens.iter().map(|token| {
            let mut members = token.json(&state.groups, now, false);
            let family = match token.owner {
                Owner::User(_) => "user",
                Owner::Account(_) => "account",
            };
            members.insert("owner".to_owned(), json!({ "family": family, "id": token.owner.id() }));
            Value::Object(members)
        });
        shown.collect()
    }

    /// What must not have arrived and did.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// The standing switches.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Changes standing switches.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.lock();
        let mut settings = state.settings.clone();
        change(&mut settings);
        state.apply_settings(settings);
    }

    /// Replaces all faults by these.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.lock();
        state.faults.clear();
        for fault in faults {
            state.faults.add(fault);
        }
    }

    /// Adds a fault and gives its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.lock().faults.add(fault)
    }

    /// Takes a fault away; whether it was there.
    pub fn remove_fault(&self, number: u64) -> bool {
        self.lock().faults.remove(number)
    }

    /// The faults in force, with their numbers and what is left of their counts.
    #[must_use]
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        self.lock().faults.list().to_vec()
    }

    /// Sets up a barrier and gives its number.
    pub fn add_barrier(&self, barrier: Barrier) -> u64 {
        self.lock().barriers.add(barrier)
    }

    /// The barriers that stand: number, barrier, how many calls wait there.
    #[must_use]
    pub fn barriers(&self) -> Vec<(u64, Barrier, usize)> {
        self.lock().barriers.list().map(|(number, barrier, held)| (number, barrier.clone(), held)).collect()
    }

    /// How many calls wait at a barrier; `None` where it does not stand.
    #[must_use]
    pub fn held(&self, barrier: u64) -> Option<usize> {
        self.lock().barriers.held(barrier)
    }

    /// Whether a call must still wait.
    #[must_use]
    pub fn is_held(&self, ticket: Ticket) -> bool {
        self.lock().barriers.holds(ticket)
    }

    /// Lets calls go: the first `count`, or all, and then the barrier is gone.
    pub fn release(&self, barrier: u64, count: Option<usize>) -> Option<usize> {
        let gone = self.lock().barriers.release(barrier, count);
        self.changed();
        gone
    }

    /// A waiting caller has gone away.
    pub fn leave(&self, ticket: Ticket) {
        self.lock().barriers.leave(ticket);
        self.changed();
    }

    /// Makes a token beside all checks but those of the body: by somebody else, or before the test.
    ///
    /// # Errors
    /// The body's refusal.
    pub fn mint(&self, owner: &Owner, body: &Value, now: i64) -> Result<(String, TokenValue), Refusal> {
        let mut state = self.lock();
        let now = now.saturating_add(state.settings.clock_offset_s);
        api::make(&mut state, owner, body, None, now).map(|(token, value)| (token.id, value))
    }

    /// Changes a token out of band: the members given replace those it has.
    ///
    /// # Errors
    /// The refusal of the result, or that there is no such token.
    pub fn alter(&self, id: &str, members: &Value, now: i64) -> Result<(), Refusal> {
        let mut state = self.lock();
        let now = now.saturating_add(state.settings.clock_offset_s);
        let token = state.tokens.get(id).ok_or(Refusal::NoToken)?;
        let owner = token.owner.clone();
        let mut body = Value::Object(token.json(&state.groups, now, false));
        if token.status != Status::Disabled {
            set(&mut body, "status", json!("active"));
        }
        for (name, value) in members.as_object().into_iter().flatten() {
            set(&mut body, name, value.clone());
        }
        api::change(&mut state, &owner, id, &body, None, now)
    }

    /// Marks a token as `revoked (exposed)`, as Cloudflare does after a leak; whether it is there.
    pub fn expose(&self, id: &str) -> bool {
        self.lock().tokens.get_mut(id).map(|token| token.status = Status::Exposed).is_some()
    }

    /// Deletes a token out of band, at once; whether it was there.
    pub fn remove_token(&self, id: &str) -> bool {
        self.lock().unseat(id, i64::MIN).is_some()
    }

    /// Back to the beginning. Violations stay: a run that had one has failed.
    pub fn reset(&self) {
        self.lock().reset();
        self.changed();
    }

    /// Calls `listener` after everything that may end a wait at a barrier or for one.
    pub fn on_change(&self, listener: impl Fn() + Send + 'static) {
        self.on_change.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    fn changed(&self) {
        for listener in self.on_change.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener();
        }
    }
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn delay_of(effects: &[Effect], at: When) -> u64 {
    let delays = effects.iter().map(|effect| match effect {
        Effect::Latency { ms, when } if *when == at => *ms,
        _ => 0,
    });
    delays.fold(0, u64::saturating_add)
}

fn describe(state: &State, request: &Request<Vec<u8>>, now: i64) -> Call {
    let value = api::bearer(request.headers()).ok();
    let body = (request.body().len() <= BODY_KEPT).then(|| serde_json::from_slice(request.body()).ok());
    Call {
        number: 0,
        time: now,
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        status: None,
        token: value.and_then(|value| state.id_of_value(&value, now)),
        headers: request.headers().keys().map(ToString::to_string).collect(),
        body: body.flatten(),
    }
}

/// Takes the secret out of what is written down, and says what was found.
fn redact(call: &mut Call, what: &str, place: String) -> Violation {
    call.body = None;
    call.headers.clear();
    if place == "url" {
        "[redacted]".clone_into(&mut call.path);
        call.query = None;
    }
    Violation { what: what.to_owned(), place, method: call.method.clone(), path: call.path.clone() }
}

fn address(state: &State, request: &Request<Vec<u8>>) -> IpAddr {
    let told = request.headers().get(CLIENT_IP_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    state.settings.client_ip.or(told).or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn work(state: &mut State, request: &Request<Vec<u8>>, path: &str, effects: &[Effect], now: i64) -> Reply {
    let fault = effects.iter().find(|effect| !effect.only_delays());
    if let Some(early) = fault.filter(|effect| effect.when() == When::Before) {
        return broken(early, None);
    }
    let mut ask = Ask {
        method: request.method(),
        path,
        query: form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers: request.headers(),
        body: request.body(),
        now,
        ip: address(state, request),
        reading: None,
    };
    let mut answer = api::answer(state, &mut ask);
    #[cfg(feature = "check-answers")]
    check(state, request, path, &answer);
    let ray = state.source.id(&format!("ray {}", state.calls_made));
    api::put(&mut answer, "cf-ray", &format!("{}-FAKE", ray.chars().take(16).collect::<String>()));
    match fault {
        Some(late) => broken(late, Some(answer)),
        None => Reply::Answer(answer),
    }
}

/// An answer that breaks the published schema fails the run. With `null` members asked for, it may.
#[cfg(feature = "check-answers")]
fn check(state: &mut State, request: &Request<Vec<u8>>, path: &str, answer: &Answer) {
    if state.settings.nulls {
        return;
    }
    if let Some(what) = crate::conformance::broken(request.method(), path, answer) {
        state.violations.push(Violation {
            what: format!("an answer of the stand-in breaks the schema {what}"),
            place: "answer".to_owned(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
        });
    }
}

/// What a fault makes of a call; `done` is the answer of the work, where it was done.
fn broken(effect: &Effect, done: Option<Answer>) -> Reply {
    let with = |mut answer: Answer, headers: &std::collections::BTreeMap<String, String>| {
        for (name, value) in headers {
            api::put(&mut answer, name, value);
        }
        Reply::Answer(answer)
    };
    match effect {
        Effect::Status { status, code, message, headers, .. } => {
            with(failure(*status, json!([{ "code": code, "message": message }])), headers)
        }
        Effect::RateLimited { retry_after } => {
            Reply::Answer(Answer::from(&Refusal::RateLimited { retry_after: *retry_after }))
        }
        Effect::Html { status, .. } => {
            let page = format!(
                "<!DOCTYPE html>\n<html><head><title>{status}</title></head>\
                 <body><h1>Error {status}</h1><p>cloudflare</p></body></html>\n"
            );
            Reply::Answer(body_answer(*status, "text/html; charset=UTF-8", page.into_bytes()))
        }
        Effect::Raw { status, content_type, body, headers, .. } => {
            with(body_answer(*status, content_type, body.clone().into_bytes()), headers)
        }
        Effect::Redirect { status, location } => {
            let mut answer = body_answer(*status, "text/html", Vec::new());
            api::put(&mut answer, "location", location);
            Reply::Answer(answer)
        }
        Effect::Drop { .. } => Reply::DropConnection,
        Effect::Reset => Reply::ResetConnection,
        Effect::Truncate { bytes } => {
            done.map_or(Reply::DropConnection, |answer| Reply::Truncated { answer, bytes: *bytes })
        }
        Effect::Huge { bytes } => {
            done.map_or(Reply::DropConnection, |answer| Reply::Answer(blow_up(answer, *bytes)))
        }
        // Delays are no answer; they were told apart before.
        Effect::Latency { .. } | Effect::SlowBody { .. } => done.map_or(Reply::DropConnection, Reply::Answer),
    }
}

/// Adds a message of so many bytes to the envelope.
fn blow_up(answer: Answer, bytes: usize) -> Answer {
    let (mut head, body) = answer.into_parts();
    let mut envelope: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = json!({ "code": 10000, "message": "x".repeat(bytes) });
    set(&mut envelope, "messages", json!([message]));
    head.headers.remove(http::header::CONTENT_LENGTH);
    Answer::from_parts(head, envelope.to_string().into_bytes())
}
