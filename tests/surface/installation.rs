//! A whole installation in memory: the routes, the ledgers on SQLite, the register of rules, a KV and the
//! stand-in of Cloudflare's API, with one clock and a count of every step out of the Worker.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use brevet::config::EXAMPLE_RULES;
use brevet::routes::{self, Body, Call};
use brevet::upstream::Upstream;
use brevet_core::broker::{Memory, Ports, Settings, Unreachable};
use brevet_core::cloudflare::{Cloudflare, Failure, Parents, TokenOwner, Verified};
use brevet_core::json::{Object, from_text, to_text};
use brevet_core::ledger::book::Book;
use brevet_core::ledger::name::Pepper;
use brevet_core::ledger::office::{Clock, NotRead, Office};
use brevet_core::ledger::protocol::{Answer as LedgerAnswer, Request, Told};
use brevet_core::ledger::sql::{Sql, SqlValue};
use brevet_core::oidc::{Key, Signatures};
use brevet_core::rulebook::{self, Errands, Register, RulebookAnswer, RulebookRequest};
use brevet_core::secret::Secret;
use brevet_core::time::{Seconds, Timestamp};
use serde_json::{Value, json};

use crate::kv::Kv;
use crate::native::Native;
use crate::sql::NativeSql;
use crate::stage::Stage;

/// The root operator's secret.
pub(crate) const ROOT: &str = "brvo_root-secret-of-the-tests-and-of-nothing-els";

/// An operator who may only read.
pub(crate) const READER: &str = "brvo_reader-secret-of-the-tests-and-of-nothing-e";

/// A client with templates for the zone, and raw policies for it.
pub(crate) const CI: &str = "brvc_ci-secret-of-the-tests-and-of-nothing-else_";

/// Another client, with a template for another account.
pub(crate) const APPS: &str = "brvc_apps-secret-of-the-tests-and-of-nothing-els";

/// A client without any grant.
pub(crate) const IDLE: &str = "brvc_idle-secret-of-the-tests-and-of-nothing-els";

/// The host in every URL.
const HOST: &str = "http://127.0.0.1:8787";

#[derive(Clone, Copy)]
pub(crate) struct StageClock(&'static Stage, Option<&'static Installation>);

/// Everybody who is sent events.
#[derive(Debug)]
pub(crate) struct Receivers {
    /// What they answer.
    pub(crate) answer: Cell<u16>,
    /// What they were sent: a URL and a body.
    pub(crate) posts: RefCell<Vec<(String, Value)>>,
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.now()).unwrap()
    }

    // The surface is tested without what a ledger does by itself.
    fn wake_at(&self, _at: Timestamp) {}

    async fn segment(&self, _key: &str) -> Result<Option<String>, NotRead> {
        Err(NotRead)
    }

    async fn segment_keys(&self, _prefix: &str) -> Result<Vec<String>, NotRead> {
        Ok(Vec::new())
    }

    async fn keep_segment(&self, _key: &str, _text: &str) -> bool {
        false
    }

    async fn ask_ledger(&self, ledger: &str, request: &Request) -> Option<LedgerAnswer> {
        let here = self.1?;
        if here.deaf_ledgers.borrow().iter().any(|deaf| deaf == ledger) {
            return None;
        }
        here.at_ledger(TokenOwner::from_ledger_name(ledger)?, request).await
    }

    fn hook_secret(&self, name: &str) -> Option<Secret> {
        (name == "HOOK_SIEM").then(|| Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()))
    }

    async fn post(&self, url: &str, _headers: &str, body: &str) -> Result<u16, &'static str> {
        let receivers = &self.1.ok_or("it cannot be reached")?.receivers;
        receivers.posts.borrow_mut().push((url.to_owned(), serde_json::from_str(body).unwrap()));
        Ok(receivers.answer.get())
    }
}

type Cloud = Upstream<&'static Stage, &'static Stage>;
type Ledger = Rc<Office<Rc<NativeSql>, Cloud, StageClock>>;

/// Steps out of the Worker, since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) ledger: u32,
    pub(crate) register: u32,
    pub(crate) kv_reads: u32,
    pub(crate) kv_writes: u32,
    pub(crate) upstream: usize,
}

/// An answer as a caller gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<&'static str, String>,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// Everything of one installation. It lives as long as the test's process.
pub(crate) struct Installation {
    pub(crate) stage: &'static Stage,
    pub(crate) kv: Kv,
    pub(crate) receivers: Receivers,
    pub(crate) log: RefCell<Vec<Value>>,
    /// While this is true no ledger answers.
    pub(crate) ledgers_down: Cell<bool>,
    /// While this is true the register does not answer.
    pub(crate) register_down: Cell<bool>,
    pub(crate) woken: Cell<u32>,
    /// What issuers answer, by URL; and what was asked of them.
    pub(crate) documents: RefCell<BTreeMap<String, String>>,
    pub(crate) fetched: RefCell<Vec<String>>,
    /// The Worker secrets of hooks, by name.
    pub(crate) hook_secrets: RefCell<BTreeMap<String, String>>,
    /// Ledgers that do not answer other ledgers.
    pub(crate) deaf_ledgers: RefCell<Vec<String>>,
    here: Cell<Option<&'static Self>>,
    settings: Settings,
    memory: RefCell<&'static Memory>,
    ledgers: RefCell<BTreeMap<String, Ledger>>,
    books: RefCell<BTreeMap<String, Rc<NativeSql>>>,
    register: Rc<NativeSql>,
    steps: Cell<Steps>,
    drawn: Cell<u32>,
}

impl Installation {
    /// In development mode, where secrets may be any text, with the tests' rules in force.
    pub(crate) fn new() -> &'static Self {
        Self::with_rules(&rules())
    }

    /// With these rules in force.
    pub(crate) fn with_rules(rules: &Value) -> &'static Self {
        let installation = Self::bare(true);
        let pushed = installation.push(ROOT, 0, rules);
        assert_eq!(pushed.status, 200, "{}", pushed.text);
        installation.steps();
        installation
    }

    /// Without rules.
    pub(crate) fn bare(development: bool) -> &'static Self {
        let pepper = Pepper::read(&Secret::new(
            "the pepper of these tests and of nothing else in the world".to_owned(),
        ));
        let here: &'static Self = Box::leak(Box::new(Self {
            stage: Box::leak(Box::new(Stage::new())),
            kv: Kv::default(),
            receivers: Receivers { answer: Cell::new(204), posts: RefCell::default() },
            log: RefCell::default(),
            ledgers_down: Cell::default(),
            register_down: Cell::default(),
            woken: Cell::default(),
            documents: RefCell::default(),
            fetched: RefCell::default(),
            hook_secrets: RefCell::default(),
            deaf_ledgers: RefCell::default(),
            here: Cell::default(),
            settings: Settings {
                development,
                root: Some(Secret::new(ROOT.to_owned())),
                pepper: Some(pepper.unwrap()),
                pepper_problem: None,
            },
            memory: RefCell::new(Box::leak(Box::default())),
            ledgers: RefCell::default(),
            books: RefCell::default(),
            register: Rc::new(NativeSql::new()),
            steps: Cell::default(),
            drawn: Cell::default(),
        }));
        here.here.set(Some(here));
        here
    }

    /// A fresh instance of the Worker: it remembers nothing; stores and objects are what they were.
    pub(crate) fn restart(&self) {
        self.memory.replace(Box::leak(Box::default()));
        self.ledgers.borrow_mut().clear();
    }

    /// What this instance remembers.
    pub(crate) fn remembered(&self) -> &'static Memory {
        self.memory.replace(Box::leak(Box::default()))
    }

    /// Goes on as the instance that remembers this.
    pub(crate) fn remember(&self, memory: &'static Memory) {
        self.memory.replace(memory);
    }

    /// The register's alarm goes off.
    pub(crate) fn wake(&self) {
        pollster::block_on(rulebook::wake(Register::open(Rc::clone(&self.register)), self));
    }

    /// The ledgers' alarms go off.
    pub(crate) fn wake_ledgers(&self) {
        let ledgers: Vec<Ledger> = self.ledgers.borrow().values().cloned().collect();
        ledgers.iter().for_each(|ledger| pollster::block_on(ledger.wake()));
    }

    /// One request.
    pub(crate) fn send(&self, call: Call) -> Answer {
        let reply = pollster::block_on(routes::respond(self, call));
        let body = serde_json::from_str(&reply.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", reply.status, reply.body));
        Answer { status: reply.status, headers: reply.headers.into_iter().collect(), body, text: reply.body }
    }

    /// A request with a credential and perhaps a JSON body.
    pub(crate) fn call(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(request(who, method, path, body))
    }

    pub(crate) fn get(&self, who: &str, path: &str) -> Answer {
        self.call(who, "GET", path, None)
    }

    pub(crate) fn post(&self, who: &str, path: &str, body: Value) -> Answer {
        self.call(who, "POST", path, Some(&body))
    }

    /// Pushes rules.
    pub(crate) fn push(&self, who: &str, expected: u64, rules: &Value) -> Answer {
        let mut call = request(who, "PUT", "/v1/config", Some(&json!({ "rules": rules })));
        call.if_match = Some(format!("\"{expected}\""));
        self.send(call)
    }

    /// Makes a token of the client `ci` for the zone, and gives the answer.
    pub(crate) fn minted(&self) -> Answer {
        let made = self.post(CI, "/v1/tokens", zone_read());
        assert_eq!(made.status, 201, "{}", made.text);
        made
    }

    /// The steps taken since the last call of this.
    pub(crate) fn steps(&self) -> Steps {
        let steps = Steps { upstream: self.stage.sent.take().len(), ..self.steps.take() };
        Steps { kv_reads: self.kv.take_reads(), kv_writes: self.kv.take_writes(), ..steps }
    }

    /// This ledger was lost, with its database.
    pub(crate) fn lose_ledger(&self, name: &str) {
        self.ledgers.borrow_mut().remove(name);
        self.books.borrow_mut().remove(name);
    }

    /// The refusals in the journals.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let statement = "SELECT body FROM journal WHERE event = 'refused' ORDER BY seq";
        let books = self.books.borrow();
        let rows = books.values().flat_map(|sql| sql.run(statement, &[]).unwrap());
        rows.map(|row| format!("{row:?}")).collect()
    }

    /// The entries of the journals of this kind, with their ledger.
    pub(crate) fn journalled(&self, event: &str) -> Vec<(String, Value)> {
        let books = self.books.borrow();
        let mut found = Vec::new();
        for (ledger, sql) in books.iter() {
            let rows = sql.run("SELECT body FROM journal WHERE event = ? ORDER BY seq", &[event.into()]);
            for row in rows.unwrap() {
                let [SqlValue::Text(body)] = row.as_slice() else { panic!("{row:?}") };
                found.push((ledger.clone(), serde_json::from_str(body).unwrap()));
            }
        }
        found
    }

    /// How many tokens there are at Cloudflare, the parents among them.
    pub(crate) fn tokens(&self) -> usize {
        self.stage.fake.tokens().len()
    }

    /// What was logged since the last call of this.
    pub(crate) fn logged(&self) -> Vec<Value> {
        self.log.take()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.stage.pass_ms(seconds * 1_000);
    }

    fn count(&self, change: impl FnOnce(&mut Steps)) {
        let mut steps = self.steps.get();
        change(&mut steps);
        self.steps.set(steps);
    }

    async fn at_ledger(&self, owner: TokenOwner, request: &Request) -> Option<LedgerAnswer> {
        if self.ledgers_down.get() {
            return None;
        }
        let name = owner.ledger_name();
        let ledger = self.ledgers.borrow().get(&name).cloned();
        let ledger = ledger.unwrap_or_else(|| {
            let mut books = self.books.borrow_mut();
            let sql = books.entry(name.clone()).or_insert_with(|| Rc::new(NativeSql::new()));
            let book = Book::open(Rc::clone(sql)).unwrap();
            let office = Rc::new(Office::new(
                owner,
                book,
                self.stage.upstream(),
                StageClock(self.stage, self.here.get()),
                self.settings.pepper.clone(),
            ));
            self.ledgers.borrow_mut().insert(name, Rc::clone(&office));
            office
        });
        // Both ways as text, as between Worker and object.
        let request = from_text(&to_text(request)).unwrap();
        from_text(&to_text(&ledger.serve(request).await))
    }
}

impl Ports for Installation {
    fn now(&self) -> Timestamp {
        StageClock(self.stage, None).now()
    }

    fn random(&self) -> [u8; 16] {
        self.drawn.set(self.drawn.get().wrapping_add(1));
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&self.drawn.get().to_be_bytes());
        bytes
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn memory(&self) -> &Memory {
        *self.memory.borrow()
    }

    fn example_rules(&self) -> &str {
        EXAMPLE_RULES
    }

    async fn ledger(&self, owner: TokenOwner, request: &Request) -> Result<Told, Unreachable> {
        self.count(|steps| steps.ledger += 1);
        let answer = self.at_ledger(owner, request).await;
        let allowance = Some(self.stage.circuits.allowance(owner, self.stage.clock_ms.get()));
        let told = answer.map(|answer| from_text(&to_text(&Told { answer, allowance })).unwrap());
        told.ok_or(Unreachable { part: "ledger", reason: "it is down".to_owned() })
    }

    async fn rulebook(&self, request: &RulebookRequest) -> Result<RulebookAnswer, Unreachable> {
        self.count(|steps| steps.register += 1);
        if self.register_down.get() {
            return Err(Unreachable { part: "register of rules", reason: "it is down".to_owned() });
        }
        let request = from_text(&to_text(request)).unwrap();
        let answer = rulebook::serve(Register::open(Rc::clone(&self.register)), self, request).await;
        Ok(from_text(&to_text(&answer)).unwrap())
    }

    async fn stored(&self, key: &str) -> Result<Option<String>, Unreachable> {
        Ok(self.kv.read(key, self.stage.clock_ms.get()))
    }

    async fn keep(&self, key: &str, value: &str, _kept: Seconds) -> bool {
        self.kv.write(key, value, self.stage.clock_ms.get())
    }

    async fn fetch(&self, url: &str) -> Result<String, Unreachable> {
        self.fetched.borrow_mut().push(url.to_owned());
        let documents = self.documents.borrow();
        documents.get(url).cloned().ok_or(Unreachable { part: "issuer", reason: "it is down".to_owned() })
    }

    async fn verify_signature(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        Native.verify(key, signed, signature).await
    }

    async fn verify(&self, owner: TokenOwner, value: &Secret) -> Result<Option<Verified>, Failure> {
        self.stage.upstream().verify(owner, value).await
    }

    async fn permission_groups(&self, owner: TokenOwner, parents: &Parents) -> Result<Value, Failure> {
        self.stage.upstream().permission_groups(owner, parents).await
    }

    fn hook_secret(&self, name: &str) -> Option<Secret> {
        self.hook_secrets.borrow().get(name).map(|text| Secret::new(text.clone()))
    }

    fn log(&self, event: &Object) {
        self.log.borrow_mut().push(serde_json::from_str(&to_text(event)).unwrap());
    }
}

impl Errands for Installation {
    fn now(&self) -> Timestamp {
        StageClock(self.stage, None).now()
    }

    async fn ask_ledger(&self, ledger: TokenOwner, request: &Request) -> Option<LedgerAnswer> {
        self.at_ledger(ledger, request).await
    }

    async fn keep_copy(&self, key: &str, json: &str) -> bool {
        self.kv.write(key, json, self.stage.clock_ms.get())
    }

    async fn wake_later(&self) {
        self.woken.set(self.woken.get() + 1);
    }

    fn log(&self, event: &Object) {
        Ports::log(self, event);
    }
}

/// A request to be sent; without a credential where `who` is empty.
pub(crate) fn request(who: &str, method: &str, path: &str, body: Option<&Value>) -> Call {
    let mut call = Call::new(method, &format!("{HOST}{path}"));
    if !who.is_empty() {
        call.authorization = Some(format!("Bearer {who}"));
    }
    call.address = Some("203.0.113.9".to_owned());
    if let Some(body) = body {
        call.body = Body::Whole(body.to_string().into_bytes());
    }
    call
}

/// What `ci` asks for in most tests.
pub(crate) fn zone_read() -> Value {
    json!({ "template": "zone-read", "grant": "ci-zone", "params": { "zone": ["example.com"] }, "ttl": "10m" })
}

/// The rules of the tests: the published example, and callers of the tests' own.
pub(crate) fn rules() -> Value {
    let digest = |secret: &str| {
        let digest = Secret::new(secret.to_owned()).digest();
        digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut rules: Value = serde_json::from_str(EXAMPLE_RULES).unwrap();
    rules["operator"]["reader"] = json!({ "secret_sha256": [digest(READER)], "may": ["read"] });
    for (name, secret) in [("ci", CI), ("apps", APPS), ("idle", IDLE)] {
        rules["client"][name] = json!({ "secret_sha256": [digest(secret)] });
    }
    let grant = |client: &str, allow: Value| {
        json!({
            "from": { "client": client }, "allow": allow, "ttl": "10m", "max_ttl": "1h",
            "operations": ["create", "update", "renew", "roll", "revoke"],
        })
    };
    let line =
        json!({ "template": "zone-read", "account": ["main", "me"], "zone": ["example.com"], "raw": true });
    rules["grant"]["ci-zone"] = grant("ci", json!([line]));
    rules["grant"]["apps-deploy"] =
        grant("apps", json!([{ "template": "workers-deploy", "account": "apps" }]));
    rules
}
