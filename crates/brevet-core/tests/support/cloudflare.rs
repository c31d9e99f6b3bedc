//! A Cloudflare in memory that fails as it is told, and waits where it is told.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use brevet_core::cloudflare::{
    Allowance, Cloudflare, Failure, FailureKind, Minted, Parents, TokenOwner, TokenSpec, TokenView, Verified,
};
use brevet_core::id::TokenId;
use brevet_core::ledger::office::Clock;
use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use serde_json::Value;

use super::clock::ManualClock;
use super::script::{Barrier, Script, Stage, Verb, failure};

/// A call that reached Cloudflare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) owner: TokenOwner,
    /// The secret's name of the parent it came with.
    pub(crate) parent: Option<String>,
    pub(crate) token: Option<TokenId>,
    pub(crate) spec: Option<TokenSpec>,
}

#[derive(Clone, Debug)]
enum Work {
    Create(TokenSpec),
    Update(TokenId, TokenSpec),
    Roll(TokenId),
    Delete(TokenId),
}

enum Done {
    Minted(TokenView, String),
    Changed(TokenView),
    Rolled(String),
    Deleted,
}

#[derive(Debug)]
struct Inner {
    clock: ManualClock,
    tokens: RefCell<BTreeMap<TokenId, (TokenView, String)>>,
    made: Cell<u32>,
    values: RefCell<Vec<String>>,
    calls: RefCell<Vec<Call>>,
    scripts: RefCell<Vec<(Verb, Script)>>,
    holds: RefCell<Vec<Barrier>>,
    stepping: Cell<bool>,
    waiting: RefCell<Vec<Barrier>>,
    adrift: RefCell<VecDeque<(Timestamp, Work)>>,
    shown_end: Cell<Option<Option<Timestamp>>>,
}

/// The Cloudflare; its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedCloudflare(Rc<Inner>);

/// So long a call may be on its way: what has not been carried out by then never is.
const LONGEST_WAY: i64 = 900;

/// Work on its way. Where the caller dies before it is done, it is adrift: it may yet be done.
struct Sent {
    world: ScriptedCloudflare,
    at: Timestamp,
    work: Option<Work>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.world.0.adrift.borrow_mut().push_back((self.at, work));
        }
    }
}

impl ScriptedCloudflare {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self(Rc::new(Inner {
            clock,
            tokens: RefCell::default(),
            made: Cell::default(),
            values: RefCell::default(),
            calls: RefCell::default(),
            scripts: RefCell::default(),
            holds: RefCell::default(),
            stepping: Cell::default(),
            waiting: RefCell::default(),
            adrift: RefCell::default(),
            shown_end: Cell::default(),
        }))
    }

    /// Says what becomes of the next call of a kind that nothing is said of yet.
    pub(crate) fn script(&self, verb: Verb, script: Script) {
        self.0.scripts.borrow_mut().push((verb, script));
    }

    /// What is scripted and did not come about is forgotten.
    pub(crate) fn forget_scripts(&self) {
        self.0.scripts.borrow_mut().clear();
    }

    /// Holds the next call of a kind at a stage.
    pub(crate) fn hold(&self, verb: Verb, stage: Stage) -> Barrier {
        let barrier = Barrier::new(verb, stage);
        self.0.holds.borrow_mut().push(barrier.clone());
        barrier
    }

    /// From now on every call waits at every stage, in [`ScriptedCloudflare::take_waiting`]'s hands.
    pub(crate) fn step_by_step(&self, stepping: bool) {
        self.0.stepping.set(stepping);
    }

    /// How many barriers of [`ScriptedCloudflare::step_by_step`] are closed.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// Takes the `at`th closed barrier.
    pub(crate) fn take_waiting(&self, at: usize) -> Barrier {
        self.0.waiting.borrow_mut().remove(at)
    }

    pub(crate) fn forget_waiting(&self) {
        self.0.waiting.borrow_mut().clear();
    }

    /// The calls that arrived since the last time it was asked.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        self.0.calls.take()
    }

    /// Their kinds.
    pub(crate) fn take_verbs(&self) -> Vec<Verb> {
        self.take_calls().into_iter().map(|call| call.verb).collect()
    }

    /// The tokens there are.
    pub(crate) fn tokens(&self) -> Vec<TokenView> {
        self.0.tokens.borrow().values().map(|(view, _)| view.clone()).collect()
    }

    /// The present value of a token.
    pub(crate) fn value_of(&self, token: TokenId) -> Option<String> {
        self.0.tokens.borrow().get(&token).map(|(_, value)| value.clone())
    }

    /// Every value there ever was.
    pub(crate) fn values(&self) -> Vec<String> {
        self.0.values.borrow().clone()
    }

    /// From now on created tokens end at this moment, or never, whatever was asked for.
    pub(crate) fn answer_creates_with_end(&self, end: Option<Timestamp>) {
        self.0.shown_end.set(Some(end));
    }

    /// Somebody else deletes a token.
    pub(crate) fn remove(&self, token: TokenId) {
        self.0.tokens.borrow_mut().remove(&token);
    }

    /// Somebody else changes a token.
    pub(crate) fn tamper(&self, token: TokenId, change: impl FnOnce(&mut TokenView)) {
        change(&mut self.0.tokens.borrow_mut().get_mut(&token).unwrap().0);
    }

    /// Carries out the first call that is adrift and not on its way for too long; tells whether there
    /// was one.
    pub(crate) fn carry_out_adrift(&self) -> bool {
        let now = self.0.clock.now();
        let mut adrift = self.0.adrift.take();
        adrift.retain(|(at, _)| now.since(*at) < LONGEST_WAY);
        let first = adrift.pop_front();
        self.0.adrift.replace(adrift);
        first.is_some_and(|(_, work)| {
            drop(self.carry_out(work));
            true
        })
    }

    /// Carries out the updates that are adrift, or loses them.
    pub(crate) fn settle_adrift_updates(&self, carry_out: bool) {
        let (updates, others): (VecDeque<_>, VecDeque<_>) =
            self.0.adrift.take().into_iter().partition(|(_, work)| matches!(work, Work::Update(..)));
        self.0.adrift.replace(others);
        for (_, work) in updates.into_iter().filter(|_| carry_out) {
            drop(self.carry_out(work));
        }
    }

    /// What is adrift is lost for good.
    pub(crate) fn sink_adrift(&self) {
        self.0.adrift.borrow_mut().clear();
    }

    fn arrive(
        &self,
        verb: Verb,
        owner: TokenOwner,
        parents: Option<&Parents>,
        token: Option<TokenId>,
        spec: Option<&TokenSpec>,
    ) -> Script {
        self.0.calls.borrow_mut().push(Call {
            verb,
            owner,
            parent: parents.map(|parents| parents.parent.clone()),
            token,
            spec: spec.cloned(),
        });
        let mut scripts = self.0.scripts.borrow_mut();
        match scripts.iter().position(|(of, _)| *of == verb) {
            Some(at) => scripts.remove(at).1,
            None => Script::Work,
        }
    }

    async fn wait(&self, verb: Verb, stage: Stage) {
        let held = {
            let mut holds = self.0.holds.borrow_mut();
            holds.iter().position(|held| held.verb == verb && held.stage == stage).map(|at| holds.remove(at))
        };
        let barrier = match held {
            Some(barrier) => barrier,
            None if self.0.stepping.get() => {
                let barrier = Barrier::new(verb, stage);
                self.0.waiting.borrow_mut().push(barrier.clone());
                barrier
            }
            None => return,
        };
        barrier.pass().await;
    }

    async fn write(&self, verb: Verb, script: Script, work: Work) -> Result<Done, Failure> {
        let at = self.0.clock.now();
        let mut sent = Sent { world: self.clone(), at, work: Some(work) };
        self.wait(verb, Stage::BeforeWork).await;
        let work = sent.work.take().unwrap();
        let outcome = match script {
            Script::Work => self.carry_out(work),
            Script::Refuse(kind) => Err(failure(kind)),
            Script::LoseAnswer => {
                drop(self.carry_out(work));
                Err(failure(FailureKind::Uncertain))
            }
            Script::LoseCall => Err(failure(FailureKind::Uncertain)),
            Script::Late => {
                self.0.adrift.borrow_mut().push_back((at, work));
                Err(failure(FailureKind::Uncertain))
            }
        };
        self.wait(verb, Stage::BeforeAnswer).await;
        outcome
    }

    async fn look<T>(&self, verb: Verb, script: Script, look: impl FnOnce() -> T) -> Result<T, Failure> {
        self.wait(verb, Stage::BeforeWork).await;
        let outcome = match script {
            Script::Work => Ok(look()),
            Script::Refuse(kind) => Err(failure(kind)),
            Script::LoseAnswer | Script::LoseCall | Script::Late => Err(failure(FailureKind::Unavailable)),
        };
        self.wait(verb, Stage::BeforeAnswer).await;
        outcome
    }

    fn carry_out(&self, work: Work) -> Result<Done, Failure> {
        let now = self.0.clock.now();
        let mut tokens = self.0.tokens.borrow_mut();
        match work {
            Work::Create(spec) => {
                let id: TokenId =
                    format!("{:032x}", 0xc0ffee_u64 << 32 | u64::from(self.next())).parse().unwrap();
                let view = TokenView {
                    id,
                    name: String::new(),
                    status: String::new(),
                    issued_on: Some(now),
                    modified_on: None,
                    last_used_on: None,
                    not_before: None,
                    expires_on: None,
                    condition: None,
                    policies: Value::Null,
                };
                let mut view = put(view, &spec, now);
                if let Some(end) = self.0.shown_end.get() {
                    view.expires_on = end;
                }
                let value = self.new_value();
                tokens.insert(id, (view.clone(), value.clone()));
                Ok(Done::Minted(view, value))
            }
            Work::Update(token, spec) => {
                let (view, _) = tokens.get_mut(&token).ok_or_else(|| failure(FailureKind::NotFound))?;
                *view = put(view.clone(), &spec, now);
                Ok(Done::Changed(view.clone()))
            }
            Work::Roll(token) => {
                let (_, value) = tokens.get_mut(&token).ok_or_else(|| failure(FailureKind::NotFound))?;
                *value = self.new_value();
                Ok(Done::Rolled(value.clone()))
            }
            Work::Delete(token) => {
                tokens.remove(&token);
                Ok(Done::Deleted)
            }
        }
    }

    fn next(&self) -> u32 {
        self.0.made.set(self.0.made.get() + 1);
        self.0.made.get()
    }

    fn new_value(&self) -> String {
        let value = format!("cfat_{:0>40}x", format!("Minted_value-{}", self.next()));
        self.0.values.borrow_mut().push(value.clone());
        value
    }
}

/// PUT and POST alike set everything.
fn put(view: TokenView, spec: &TokenSpec, now: Timestamp) -> TokenView {
    TokenView {
        name: spec.name.clone(),
        status: if spec.disabled { "disabled" } else { "active" }.to_owned(),
        modified_on: Some(now),
        not_before: spec.not_before,
        expires_on: Some(spec.expires_on),
        condition: spec.condition.clone(),
        policies: spec.policies.clone(),
        ..view
    }
}

impl Cloudflare for ScriptedCloudflare {
    async fn create(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        spec: &TokenSpec,
    ) -> Result<Minted, Failure> {
        let script = self.arrive(Verb::Create, owner, Some(parents), None, Some(spec));
        match self.write(Verb::Create, script, Work::Create(spec.clone())).await? {
            Done::Minted(view, value) => Ok(Minted { view, value: Secret::new(value) }),
            _ => unreachable!(),
        }
    }

    async fn update(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
        spec: &TokenSpec,
    ) -> Result<TokenView, Failure> {
        let script = self.arrive(Verb::Update, owner, Some(parents), Some(token), Some(spec));
        match self.write(Verb::Update, script, Work::Update(token, spec.clone())).await? {
            Done::Changed(view) => Ok(view),
            _ => unreachable!(),
        }
    }

    async fn roll(&self, owner: TokenOwner, parents: &Parents, token: TokenId) -> Result<Secret, Failure> {
        let script = self.arrive(Verb::Roll, owner, Some(parents), Some(token), None);
        match self.write(Verb::Roll, script, Work::Roll(token)).await? {
            Done::Rolled(value) => Ok(Secret::new(value)),
            _ => unreachable!(),
        }
    }

    async fn delete(&self, owner: TokenOwner, parents: &Parents, token: TokenId) -> Result<(), Failure> {
        let script = self.arrive(Verb::Delete, owner, Some(parents), Some(token), None);
        self.write(Verb::Delete, script, Work::Delete(token)).await.map(drop)
    }

    async fn read(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
    ) -> Result<Option<TokenView>, Failure> {
        let script = self.arrive(Verb::Read, owner, Some(parents), Some(token), None);
        self.look(Verb::Read, script, || self.0.tokens.borrow().get(&token).map(|(view, _)| view.clone()))
            .await
    }

    async fn find_by_name(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> Result<Vec<TokenId>, Failure> {
        let script = self.arrive(Verb::Find, owner, Some(parents), None, None);
        self.look(Verb::Find, script, || {
            self.0
                .tokens
                .borrow()
                .iter()
                .filter(|(_, (view, _))| view.name == name)
                .map(|(id, _)| *id)
                .collect()
        })
        .await
    }

    async fn list(&self, owner: TokenOwner, parents: &Parents) -> Result<Vec<TokenView>, Failure> {
        let script = self.arrive(Verb::List, owner, Some(parents), None, None);
        let now = self.0.clock.now();
        self.look(Verb::List, script, || {
            // As Cloudflare does: without those whose time is up.
            self.tokens().into_iter().filter(|view| view.expires_on.is_none_or(|end| end > now)).collect()
        })
        .await
    }

    async fn check_parents(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> Result<(String, Verified), Failure> {
        let script = self.arrive(Verb::Check, owner, Some(parents), None, None);
        let id = "f".repeat(32).parse().unwrap();
        let verified = Verified { id, status: "active".to_owned(), not_before: None, expires_on: None };
        self.look(Verb::Check, script, || (parents.parent.clone(), verified)).await
    }

    async fn permission_groups(&self, owner: TokenOwner, parents: &Parents) -> Result<Value, Failure> {
        let script = self.arrive(Verb::Groups, owner, Some(parents), None, None);
        self.look(Verb::Groups, script, || Value::Array(Vec::new())).await
    }

    fn allowance(&self, _owner: TokenOwner) -> Allowance {
        Allowance { left: 1_000, resets: 0, blocked: None }
    }

    async fn verify(&self, owner: TokenOwner, value: &Secret) -> Result<Option<Verified>, Failure> {
        let script = self.arrive(Verb::Verify, owner, None, None, None);
        self.look(Verb::Verify, script, || {
            let tokens = self.0.tokens.borrow();
            tokens.values().find(|(_, known)| known == value.expose()).map(|(view, _)| Verified {
                id: view.id,
                status: if view.expires_on.is_some_and(|end| end <= self.0.clock.now()) {
                    "expired"
                } else {
                    &view.status
                }
                .to_owned(),
                not_before: view.not_before,
                expires_on: view.expires_on,
            })
        })
        .await
    }
}
