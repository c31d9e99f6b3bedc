//! The stage: the stand-in behind a transport whose clock moves only by waiting and answering.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, ready};

use brevet::upstream::{Circuits, Secrets, Transport, TransportError, Upstream, api_base};
use brevet_core::cloudflare::{Failure, Parents, TokenOwner, TokenSpec};
use brevet_core::id::TokenId;
use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use cloudflare_tokens::{Answer, Headers, Request};
use fake_cloudflare::{
    Config, Effect, Fake, Fault, MAIN_ACCOUNT, Matcher, Owner, Parent, Reply, Source, USER,
};
use serde_json::{Value, json};

/// Where the stage says that the API is. Nothing listens there: the stand-in is called in memory.
pub(crate) const API: &str = "http://127.0.0.1:8788/client/v4";
/// The host of [`API`].
const AUTHORITY: &str = "127.0.0.1:8788";
/// When every test begins, in Unix milliseconds.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
/// The group DNS Write.
pub(crate) const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";

/// The parent of the account.
pub(crate) const PARENT: &str = "CLOUDFLARE_API_TOKEN";
/// Its successor.
pub(crate) const NEXT: &str = "CLOUDFLARE_NEXT_TOKEN";
/// The parent of the user.
pub(crate) const USER_PARENT: &str = "CLOUDFLARE_USER_TOKEN";

/// A request as it left the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Method and path with its query.
    pub(crate) line: String,
    /// The host it went to.
    pub(crate) authority: String,
    /// The `Authorization` header.
    pub(crate) authorization: String,
    /// How long it might take.
    pub(crate) deadline_ms: u32,
}

type Watch = Box<dyn Fn()>;

/// The stand-in, the clock, the secrets, and a record of everything.
pub(crate) struct Stage {
    pub(crate) fake: Fake,
    pub(crate) circuits: Circuits,
    pub(crate) clock_ms: Cell<i64>,
    /// Every wait, in order.
    pub(crate) waits: RefCell<Vec<u32>>,
    /// Everything that left, whether or not it arrived.
    pub(crate) sent: RefCell<Vec<Sent>>,
    /// The names of all secrets that were asked for.
    pub(crate) asked: RefCell<Vec<String>>,
    /// What chance gives next; then zeros.
    pub(crate) chance: RefCell<VecDeque<u32>>,
    /// So many requests never leave.
    pub(crate) unreachable: Cell<u32>,
    /// Called in the middle of every wait.
    pub(crate) during_wait: RefCell<Option<Watch>>,
    /// Called before the stand-in sees a request.
    pub(crate) before_call: RefCell<Option<Watch>>,
    secrets: RefCell<BTreeMap<String, String>>,
}

impl Stage {
    /// The account's parent, its successor and the user's parent, all alive.
    pub(crate) fn new() -> Self {
        let mut config = Config::seeded(1);
        config.parents.push(Parent {
            name: NEXT.to_owned(),
            owner: Owner::Account(MAIN_ACCOUNT.to_owned()),
            value: Source::new(1).value("cfat_", NEXT),
        });
        let secrets =
            config.parents.iter().map(|parent| (parent.name.clone(), parent.value.expose().to_owned()));
        Self {
            secrets: RefCell::new(secrets.collect()),
            fake: Fake::new(config),
            circuits: Circuits::new(),
            clock_ms: Cell::new(START_MS),
            waits: RefCell::default(),
            sent: RefCell::default(),
            asked: RefCell::default(),
            chance: RefCell::default(),
            unreachable: Cell::new(0),
            during_wait: RefCell::default(),
            before_call: RefCell::default(),
        }
    }

    /// The adapter, made anew as for each request.
    pub(crate) fn upstream(&self) -> Upstream<&Self, &Self> {
        Upstream::new(api_base(Some(API), true).unwrap(), self, self, self.circuits.clone())
    }

    /// Puts a fault on calls with this method whose path ends so, `count` times.
    pub(crate) fn fault(&self, method: &str, suffix: &str, count: u32, effect: Effect) {
        let on = Matcher {
            method: Some(method.to_owned()),
            path: None,
            suffix: (!suffix.is_empty()).then(|| suffix.to_owned()),
        };
        self.fake.add_fault(Fault::next(count, on, effect));
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock_ms.get() / 1_000
    }

    pub(crate) fn pass_ms(&self, ms: i64) {
        self.clock_ms.set(self.clock_ms.get() + ms);
    }

    /// Milliseconds since the beginning.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.clock_ms.get() - START_MS
    }

    pub(crate) fn waits(&self) -> Vec<u32> {
        self.waits.borrow().clone()
    }

    /// Everything that left: method and path without the base.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|sent| sent.line.clone()).collect()
    }

    /// The calls that the stand-in saw with this method: status answered, and whose token.
    pub(crate) fn arrived(&self, method: &str) -> Vec<(Option<u16>, Option<String>)> {
        let names = self.parent_names();
        let calls = self.fake.calls().into_iter().filter(|call| call.method == method);
        calls
            .map(|call| {
                let token = call.token.map(|id| names.get(&id).cloned().unwrap_or(id));
                (call.status, token)
            })
            .collect()
    }

    /// How many calls of this method the stand-in saw.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.fake.calls().iter().filter(|call| call.method == method).count()
    }

    /// The tokens there are, besides the parents.
    pub(crate) fn minted(&self) -> Vec<fake_cloudflare::Token> {
        self.fake.tokens().into_iter().filter(|token| !token.name.starts_with("parent ")).collect()
    }

    fn parent_names(&self) -> BTreeMap<String, String> {
        let named = self
            .fake
            .tokens()
            .into_iter()
            .filter_map(|token| Some((token.id.clone(), token.name.strip_prefix("parent ")?.to_owned())));
        named.collect()
    }

    /// The id of a parent's token.
    pub(crate) fn parent_id(&self, secret: &str) -> String {
        let found = self.parent_names().into_iter().find(|(_, name)| name == secret);
        found.expect("a parent of this name").0
    }

    /// Ends a parent's token at Cloudflare.
    pub(crate) fn kill(&self, secret: &str) {
        assert!(self.fake.remove_token(&self.parent_id(secret)));
    }

    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        self.secrets.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn take_secret(&self, name: &str) {
        self.secrets.borrow_mut().remove(name);
    }

    /// The values of all parents.
    pub(crate) fn secret_values(&self) -> Vec<String> {
        self.secrets.borrow().values().cloned().collect()
    }

    pub(crate) fn value_of(&self, name: &str) -> String {
        self.secrets.borrow()[name].clone()
    }

    /// Makes a token beside the adapter, and gives its id.
    pub(crate) fn seed_token(&self, name: &str) -> TokenId {
        self.seed_for(&Owner::Account(MAIN_ACCOUNT.to_owned()), name).0
    }

    pub(crate) fn seed_for(&self, owner: &Owner, name: &str) -> (TokenId, Secret) {
        let body = json!({
            "name": name,
            "policies": policies(),
            "expires_on": Timestamp::from_unix(self.now() + 3_600).unwrap().to_string(),
        });
        let (id, value) = self.fake.mint(owner, &body, self.now()).expect("a sound token");
        (id.parse().unwrap(), Secret::new(value.expose().to_owned()))
    }

    /// Nothing that must not leave has left.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.fake.violations(), []);
        for sent in self.sent.borrow().iter() {
            assert_eq!(sent.authority, AUTHORITY, "{sent:?}");
        }
    }
}

impl Transport for &Stage {
    fn send(
        &self,
        request: Request,
        deadline_ms: u32,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Answer, TransportError>> {
        ready(exchange(self, request, deadline_ms, max_bytes))
    }

    fn now_ms(&self) -> i64 {
        self.clock_ms.get()
    }

    fn sleep_ms(&self, ms: u32) -> impl Future<Output = ()> {
        self.waits.borrow_mut().push(ms);
        if let Some(watch) = &*self.during_wait.borrow() {
            watch();
        }
        self.pass_ms(i64::from(ms));
        ready(())
    }

    fn random_u32(&self) -> u32 {
        self.chance.borrow_mut().pop_front().unwrap_or_default()
    }
}

/// The server goes on with its work when the caller has gone away: the worst case.
fn exchange(
    stage: &Stage,
    request: Request,
    deadline_ms: u32,
    max_bytes: usize,
) -> Result<Answer, TransportError> {
    let request = arriving(&request);
    let uri = request.uri().clone();
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let path = path.strip_prefix(fake_cloudflare::BASE).unwrap_or(&path);
    let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
    stage.sent.borrow_mut().push(Sent {
        line: format!("{} {path}", request.method()),
        authority: authority.clone(),
        authorization,
        deadline_ms,
    });
    if stage.unreachable.get() > 0 {
        stage.unreachable.set(stage.unreachable.get() - 1);
        return Err(TransportError::NotSent);
    }
    if authority != AUTHORITY {
        // Somebody else's server: it would take the token gladly.
        let body = b"{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{}}".to_vec();
        return Ok(Answer { status: 200, headers: Headers::new(), body });
    }
    if let Some(watch) = &*stage.before_call.borrow() {
        watch();
    }
    let outcome = stage.fake.handle(request, stage.now());
    let takes = outcome.delay_ms.saturating_add(outcome.body_delay_ms);
    if outcome.hold.is_some() || takes > u64::from(deadline_ms) {
        stage.pass_ms(i64::from(deadline_ms));
        return Err(TransportError::Timeout);
    }
    stage.pass_ms(i64::try_from(takes).unwrap());
    match outcome.reply {
        Reply::Answer(answer) if answer.body().len() > max_bytes => Err(TransportError::TooLarge),
        Reply::Answer(answer) => Ok(leaving(answer)),
        Reply::Truncated { .. } | Reply::DropConnection | Reply::ResetConnection => {
            Err(TransportError::Reset)
        }
    }
}

/// The request as a server takes it.
fn arriving(request: &Request) -> http::Request<Vec<u8>> {
    let mut arriving = http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in request.headers() {
        arriving = arriving.header(name, value);
    }
    arriving.body(request.body.clone().unwrap_or_default().into_bytes()).unwrap()
}

/// The answer as a client takes it.
fn leaving(answer: http::Response<Vec<u8>>) -> Answer {
    let mut headers = Headers::new();
    for (name, value) in answer.headers() {
        headers.add(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    Answer { status: answer.status().as_u16(), headers, body: answer.into_body() }
}

impl Secrets for &Stage {
    fn secret(&self, name: &str) -> Option<Secret> {
        self.asked.borrow_mut().push(name.to_owned());
        self.secrets.borrow().get(name).cloned().map(Secret::new)
    }
}

/// The account whose tokens most tests are about.
pub(crate) fn account() -> TokenOwner {
    TokenOwner::Account(MAIN_ACCOUNT.parse().unwrap())
}

pub(crate) fn user() -> TokenOwner {
    TokenOwner::User(USER.parse().unwrap())
}

/// The parent alone.
pub(crate) fn one() -> Parents {
    Parents { parent: PARENT.to_owned(), parent_next: None }
}

/// The parent and its successor.
pub(crate) fn two() -> Parents {
    Parents { parent_next: Some(NEXT.to_owned()), ..one() }
}

/// The parent of the user.
pub(crate) fn of_user() -> Parents {
    Parents { parent: USER_PARENT.to_owned(), parent_next: None }
}

pub(crate) fn policies() -> Value {
    json!([{
        "effect": "allow",
        "resources": {
            (format!("com.cloudflare.api.account.{MAIN_ACCOUNT}")): {"com.cloudflare.api.account.zone.*": "*"}
        },
        "permission_groups": [{"id": DNS_WRITE}],
    }])
}

/// A token as Brevet would ask for it.
pub(crate) fn spec(name: &str) -> TokenSpec {
    TokenSpec {
        name: name.to_owned(),
        policies: policies(),
        condition: None,
        not_before: None,
        expires_on: Timestamp::from_unix(START_MS / 1_000 + 3_600).unwrap(),
        disabled: false,
    }
}

/// A failure says what happened and what to do, within its bounds.
pub(crate) fn assert_told(failure: &Failure) {
    assert!(failure.cause.ends_with('.') && failure.cause.chars().count() <= 400, "{failure:?}");
    assert!(failure.hint.ends_with('.') && failure.hint.len() > 10, "{failure:?}");
}
