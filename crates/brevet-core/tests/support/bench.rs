//! A ledger at work in the hands of a test.

use std::rc::Rc;

use brevet_core::cloudflare::{Parents, TokenOwner};
use brevet_core::id::LeaseId;
use brevet_core::ledger::book::{Book, LeaseKey};
use brevet_core::ledger::claim::Claim;
use brevet_core::ledger::lease::{AsAsked, Lease, State};
use brevet_core::ledger::name::{Pepper, token_name};
use brevet_core::ledger::office::{Clock, Notice, Office};
use brevet_core::ledger::protocol::{Answer, Change, Operation, PROTOCOL, Refusal, Request};
use brevet_core::rulebook::RulesMark;
use brevet_core::secret::Secret;
use brevet_core::time::{Seconds, Timestamp};
use serde_json::json;

use super::clock::{ManualClock, START};
use super::cloudflare::ScriptedCloudflare;
use super::sql::NativeSql;
use super::task::Task;

/// The account whose ledger it is.
pub(crate) const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// A ledger over the databases and clocks of tests.
pub(crate) type Desk = Office<Rc<NativeSql>, ScriptedCloudflare, ManualClock>;

/// A ledger, and everything around it.
pub(crate) struct Bench {
    pub(crate) sql: Rc<NativeSql>,
    pub(crate) cloud: ScriptedCloudflare,
    pub(crate) clock: ManualClock,
    pub(crate) office: Rc<Desk>,
    ledger: TokenOwner,
    pub(crate) rules: RulesMark,
}

fn open(owner: TokenOwner, sql: &Rc<NativeSql>, cloud: &ScriptedCloudflare, clock: &ManualClock) -> Rc<Desk> {
    Rc::new(Office::new(
        owner,
        Book::open(Rc::clone(sql)).unwrap(),
        cloud.clone(),
        clock.clone(),
        Some(pepper()),
    ))
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of(TokenOwner::Account(ACCOUNT.parse().unwrap()))
    }

    /// The ledger of a user's tokens, of which there may be few.
    pub(crate) fn of_a_user() -> Self {
        Self::of(TokenOwner::User("fedcba9876543210fedcba9876543210".parse().unwrap()))
    }

    fn of(ledger: TokenOwner) -> Self {
        let (sql, clock) = (Rc::new(NativeSql::new()), ManualClock::new());
        let cloud = ScriptedCloudflare::new(clock.clone());
        let office = open(ledger, &sql, &cloud, &clock);
        Self { sql, cloud, clock, office, ledger, rules: RulesMark::of(1, "{}") }
    }

    /// The object dies and comes back: its memory is lost, its database stays.
    pub(crate) fn restart(&mut self) {
        self.office = open(self.ledger, &self.sql, &self.cloud, &self.clock);
    }

    pub(crate) fn request(&self, owner: Option<&str>, operation: Operation) -> Request {
        Request {
            protocol: PROTOCOL,
            rules: self.rules.clone(),
            owner: owner.map(str::to_owned),
            by: owner.map(str::to_owned),
            operation,
        }
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&self, owner: Option<&str>, operation: Operation) -> Answer {
        pollster::block_on(self.office.serve(self.request(owner, operation)))
    }

    /// Asks and goes on as far as the first wait.
    pub(crate) fn start(&self, owner: Option<&str>, operation: Operation) -> Task<Answer> {
        let (office, request) = (Rc::clone(&self.office), self.request(owner, operation));
        Task::start(async move { office.serve(request).await })
    }

    /// Lets so much time pass, and the alarm go off whenever it is due.
    pub(crate) fn live(&self, seconds: u32) {
        let end = self.clock.now().plus(Seconds::of(seconds));
        while let Some(at) = self.clock.alarm().filter(|at| *at <= end) {
            self.clock.go_to(at);
            assert!(self.clock.take_alarm());
            pollster::block_on(self.office.wake());
        }
        self.clock.go_to(end);
    }

    /// A lease that lives, made by `owner`; the calls of its making are forgotten.
    #[track_caller]
    pub(crate) fn minted(&self, number: u8, owner: &str) -> Lease {
        let answer = self.ask(Some(owner), self.create(number, owner));
        let Answer::Valued { lease, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(lease.state, State::Active);
        self.cloud.take_calls();
        *lease
    }

    /// The operation that makes the lease of this number.
    pub(crate) fn create(&self, number: u8, owner: &str) -> Operation {
        self.create_with(number, owner, None)
    }

    /// The same, with an idempotency key.
    pub(crate) fn create_with(&self, number: u8, owner: &str, claim: Option<Claim>) -> Operation {
        let lease = Box::new(intent(number, owner, self.clock.now()));
        Operation::Create { lease, parents: parents(), claim, one_use: None }
    }

    pub(crate) fn row(&self, id: LeaseId) -> Option<Lease> {
        self.office.book().find(LeaseKey::Lease(id)).unwrap().map(|lease| *lease)
    }

    /// The lease of this number, which must be in the book.
    #[track_caller]
    pub(crate) fn lease(&self, number: u8) -> Lease {
        self.row(lease_id(number)).unwrap()
    }

    pub(crate) fn change(&self, lease: &Lease, change: Change) -> Operation {
        Operation::Change {
            lease: lease.id,
            revision: lease.revision,
            parents: parents(),
            change: Box::new(change),
        }
    }

    pub(crate) fn revoke(&self, id: LeaseId) -> Operation {
        Operation::Revoke { key: LeaseKey::Lease(id), parents: parents() }
    }

    /// The cron has everything looked over, and the alarm does it.
    pub(crate) fn tend(&self) {
        let answer = self.ask(None, Operation::CheckParents(parents()));
        assert!(matches!(answer, Answer::Health(_)), "{answer:?}");
        let answer = self.ask(None, Operation::Tend { install: "local".to_owned() });
        assert!(matches!(answer, Answer::Done | Answer::RulesOlder), "{answer:?}");
        self.live(0);
    }

    /// What the journal says, oldest first.
    pub(crate) fn events(&self) -> Vec<String> {
        let kept = self.office.book().entries_after(0, usize::MAX).unwrap();
        kept.iter()
            .map(|kept| {
                brevet_core::json::from_text::<brevet_core::ledger::journal::Entry>(&kept.body).unwrap().event
            })
            .collect()
    }

    pub(crate) fn read(&self, id: LeaseId) -> Operation {
        Operation::Read { key: LeaseKey::Lease(id), ask_cloudflare: Some(parents()) }
    }

    /// All that is logged.
    pub(crate) fn all_notices(&self) -> Vec<Notice> {
        self.office.take_notices()
    }

    /// What the operator must hear of.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.office
            .take_notices()
            .into_iter()
            .filter(|notice| !matches!(notice, Notice::Entry(_) | Notice::Flushed { .. }))
            .collect()
    }

    /// The moment so many seconds after the beginning.
    pub(crate) fn at(&self, seconds: i64) -> Timestamp {
        Timestamp::from_unix(START + seconds).unwrap()
    }

    /// Asks, and wants this refusal, no call to Cloudflare and not a row changed.
    #[track_caller]
    pub(crate) fn refuses(&self, owner: Option<&str>, operation: Operation, refusal: Refusal) {
        self.cloud.take_calls();
        let before = self.sql.dump();
        let shown = format!("{operation:?}");
        let answer = self.ask(owner, operation);
        assert!(matches!(&answer, Answer::Refused(found) if *found == refusal), "{shown}: {answer:?}");
        assert_eq!(self.cloud.take_calls(), [], "{shown}");
        assert_eq!(self.sql.dump(), before, "{shown}");
    }
}

pub(crate) fn lease_id(number: u8) -> LeaseId {
    LeaseId::from_random([number; 16])
}

pub(crate) fn parents() -> Parents {
    Parents { parent: "CLOUDFLARE_API_TOKEN".to_owned(), parent_next: None }
}

pub(crate) fn pepper() -> Pepper {
    Pepper::read(&Secret::new("a pepper of more than thirty-two characters".to_owned())).unwrap()
}

/// A lease as the Worker sends it, for an hour.
pub(crate) fn intent(number: u8, owner: &str, now: Timestamp) -> Lease {
    let id = lease_id(number);
    Lease {
        id,
        token_id: None,
        name: token_name(&pepper(), "local", id, Some("edge-purge"), owner),
        owner: owner.to_owned(),
        caller: owner.to_owned(),
        grant: Some("edge-purge".to_owned()),
        template: Some("cache-purge".to_owned()),
        rule: Some("/grant/edge-purge/allow/0".to_owned()),
        rules_version: 1,
        state: State::Pending,
        end: None,
        disabled: false,
        created: now,
        issued_on: None,
        modified_on: None,
        not_before: None,
        expires_on: now.plus(Seconds::of(3600)),
        ended_on: None,
        policies: policies(),
        shown_policies: None,
        condition: Some(json!({ "request_ip": { "in": ["203.0.113.0/24"] } })),
        asked: AsAsked::default(),
        escapes_books: false,
        takeover: None,
        run: None,
        claims: None,
        revision: 0,
    }
}

fn policies() -> serde_json::Value {
    let group = |digit: &str| json!({ "id": digit.repeat(32) });
    json!([
        { "effect": "allow", "resources": { "com.cloudflare.api.account.zone.a": "*" }, "permission_groups": [group("1"), group("2")] },
        { "effect": "allow", "resources": { "com.cloudflare.api.account.b": "*" }, "permission_groups": [group("3")] },
    ])
}

/// A renewal to a moment.
pub(crate) fn renewal(expires_on: Timestamp) -> Change {
    Change::Renew { expires_on, asked: Some(expires_on.to_string()) }
}

/// An update that leaves a lease as it is, to be changed.
pub(crate) fn update(lease: &Lease, edit: impl FnOnce(&mut Lease)) -> Change {
    let mut wanted = lease.clone();
    edit(&mut wanted);
    Change::Update {
        policies: wanted.policies,
        condition: wanted.condition,
        not_before: wanted.not_before,
        expires_on: wanted.expires_on,
        disabled: wanted.disabled,
        asked: wanted.asked,
        escapes_books: wanted.escapes_books,
        takeover: wanted.takeover,
        rule: wanted.rule,
    }
}
