//! Whatever two owners and an operator do at once, whatever fails, and whenever the object dies: what
//! must always hold, holds after every single step.

use std::collections::BTreeMap;
use std::rc::Rc;

use brevet_core::cloudflare::FailureKind;
use brevet_core::id::LeaseId;
use brevet_core::ledger::book::{Filter, LeaseKey};
use brevet_core::ledger::lease::{Lease, State};
use brevet_core::ledger::office::Clock;
use brevet_core::ledger::protocol::{Answer, Change, Operation, Refusal};
use brevet_core::time::Seconds;
use proptest::prelude::*;

use crate::support::{Bench, Script, Task, Verb, lease_id, parents, renewal, update};

const OWNERS: [&str; 2] = ["client:alice", "client:bob"];
const LEASES: u8 = 4;

fn owner_of(number: u8) -> &'static str {
    OWNERS[usize::from(number % 2)]
}

#[derive(Clone, Debug)]
enum Act {
    Create,
    Renew(u32),
    Update { disabled: bool, seconds: u32 },
    Roll,
    Revoke,
    RevokeByToken,
    Read,
    List,
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody (0 and 1 are the owners, 2 an operator) asks something of a lease.
    Ask {
        who: usize,
        number: u8,
        act: Act,
        stale: bool,
    },
    /// What becomes of the next call of a kind.
    Script(Verb, Script),
    /// A call that waits goes on.
    GoOn(usize),
    Pass(u32),
    /// The object dies; its calls may yet be carried out.
    Die,
    Drift,
    FailWrite(u32),
    /// The alarm goes off: when it should, or too early.
    Wake,
    /// The cron has the books compared with the list.
    Tend,
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        4 => Just(Act::Create),
        3 => (60_u32..8000).prop_map(Act::Renew),
        2 => (any::<bool>(), 60_u32..8000).prop_map(|(disabled, seconds)| Act::Update { disabled, seconds }),
        2 => Just(Act::Roll),
        3 => Just(Act::Revoke),
        1 => Just(Act::RevokeByToken),
        2 => Just(Act::Read),
        1 => Just(Act::List),
    ];
    let verb = prop_oneof![
        3 => Just(Verb::Create),
        3 => Just(Verb::Update),
        1 => Just(Verb::Roll),
        3 => Just(Verb::Delete),
        1 => Just(Verb::Read),
        1 => Just(Verb::Find),
        1 => Just(Verb::List),
    ];
    let script = prop_oneof![
        2 => Just(Script::Refuse(FailureKind::Unavailable)),
        1 => Just(Script::Refuse(FailureKind::RateLimited)),
        2 => Just(Script::LoseAnswer),
        1 => Just(Script::LoseCall),
        2 => Just(Script::Late),
    ];
    prop_oneof![
        10 => (0_usize..3, 1..=LEASES, act, prop::bool::weighted(0.1))
            .prop_map(|(who, number, act, stale)| Step::Ask { who, number, act, stale }),
        3 => (verb, script).prop_map(|(verb, script)| Step::Script(verb, script)),
        14 => (0_usize..16).prop_map(Step::GoOn),
        2 => prop_oneof![3 => 1_u32..300, 1 => 300_u32..4000].prop_map(Step::Pass),
        1 => Just(Step::Die),
        1 => Just(Step::Drift),
        1 => (1_u32..3).prop_map(Step::FailWrite),
        3 => Just(Step::Wake),
        1 => Just(Step::Tend),
    ]
}

struct World {
    bench: Bench,
    tasks: Vec<(Option<&'static str>, bool, Task<Answer>)>,
    /// The runtime runs one alarm at a time.
    alarm: Option<Task<()>>,
    rows: BTreeMap<LeaseId, Lease>,
    given: Vec<String>,
}

impl World {
    fn new() -> Self {
        let bench = Bench::new();
        bench.cloud.step_by_step(true);
        Self { bench, tasks: Vec::new(), alarm: None, rows: BTreeMap::new(), given: Vec::new() }
    }

    fn operation(&self, number: u8, act: &Act, stale: bool) -> Option<Operation> {
        let bench = &self.bench;
        let now = bench.clock.now();
        let id = lease_id(number);
        let change = |change: &dyn Fn(&Lease) -> Change| {
            // The Worker decides on the lease as it read it, or would have if it were there.
            let mut lease = bench.row(id).unwrap_or_else(|| crate::support::intent(number, "nobody", now));
            let change = change(&lease);
            lease.revision = lease.revision.saturating_sub(u32::from(stale));
            bench.change(&lease, change)
        };
        Some(match act {
            Act::Create => bench.create(number, owner_of(number)),
            Act::Renew(seconds) => change(&|_| renewal(now.plus(Seconds::of(*seconds)))),
            Act::Update { disabled, seconds } => change(&|lease| {
                update(lease, |wanted| {
                    wanted.disabled = *disabled;
                    wanted.expires_on = now.plus(Seconds::of(*seconds));
                })
            }),
            Act::Roll => change(&|_| Change::Roll),
            Act::Revoke => bench.revoke(id),
            Act::RevokeByToken => {
                Operation::Revoke { key: LeaseKey::Token(bench.row(id)?.token_id?), parents: parents() }
            }
            Act::Read => bench.read(id),
            Act::List => Operation::List { filter: Filter::default(), after: None, limit: 100 },
        })
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Ask { who, number, act, stale } => {
                let who = OWNERS.get(*who).copied();
                let Some(operation) = self.operation(*number, act, *stale) else { return };
                let stranger = !matches!(act, Act::List) && who.is_some_and(|who| who != owner_of(*number));
                self.bench.cloud.take_calls();
                let task = self.bench.start(who, operation);
                if stranger {
                    assert_eq!(self.bench.cloud.take_calls(), [], "a stranger reached Cloudflare");
                }
                self.tasks.push((who, stranger, task));
            }
            Step::Script(verb, script) => self.bench.cloud.script(*verb, script.clone()),
            Step::GoOn(at) => {
                if let Some(at) = at.checked_rem(self.bench.cloud.waiting()) {
                    self.bench.cloud.take_waiting(at).release();
                }
            }
            Step::Pass(seconds) => self.bench.clock.pass(*seconds),
            Step::Die => {
                self.tasks.clear();
                self.alarm = None;
                self.bench.cloud.forget_waiting();
                self.bench.restart();
            }
            Step::Drift => drop(self.bench.cloud.carry_out_adrift()),
            Step::Wake => {
                if self.alarm.is_none() {
                    let office = Rc::clone(&self.bench.office);
                    self.bench.clock.take_alarm();
                    self.alarm = Some(Task::start(async move { office.wake().await }));
                }
            }
            Step::Tend => {
                let install = "local".to_owned();
                drop(self.bench.ask(None, Operation::Tend { install }));
            }
            Step::FailWrite(nth) => self.bench.sql.fail("UPDATE lease", *nth),
        }
        self.run();
    }

    /// Everybody goes on to the next wait.
    fn run(&mut self) {
        for (_, _, task) in &mut self.tasks {
            task.go_on();
        }
        self.alarm.take_if(|alarm| alarm.go_on());
        for (who, stranger, mut task) in std::mem::take(&mut self.tasks) {
            match task.take_output() {
                Some(answer) => self.hear(who, stranger, answer),
                None => self.tasks.push((who, stranger, task)),
            }
        }
    }

    fn hear(&mut self, who: Option<&str>, stranger: bool, answer: Answer) {
        let refused = matches!(answer, Answer::Refused(Refusal::NotFound | Refusal::Database));
        assert!(refused || !stranger, "a stranger got {answer:?}");
        let leases = match answer {
            Answer::Valued { lease, value } => {
                assert_eq!(lease.state, State::Active);
                assert!(!self.given.iter().any(|given| given == value.0.expose()), "a value given twice");
                self.given.push(value.0.expose().to_owned());
                vec![*lease]
            }
            Answer::Lease { lease, .. } => vec![*lease],
            Answer::Leases { leases, .. } => leases,
            Answer::Failed(_) | Answer::Refused(_) => Vec::new(),
            other => panic!("{other:?}"),
        };
        for lease in leases {
            assert!(who.is_none_or(|who| who == lease.owner), "{who:?} saw the lease of {}", lease.owner);
        }
    }

    fn check(&mut self) {
        let leases = self.bench.office.book().list(&Filter::default(), None, 100).unwrap();
        let rows: BTreeMap<LeaseId, Lease> = leases.into_iter().map(|lease| (lease.id, lease)).collect();
        for (id, before) in &self.rows {
            let after = rows.get(id).expect("a lease left the books");
            assert!(
                after == before || after.revision > before.revision,
                "changed unseen: {before:#?} {after:#?}"
            );
            assert!(before.state != State::Ended || after.state == State::Ended, "{id} lives again");
            assert_eq!(
                (&after.owner, &after.name, after.created),
                (&before.owner, &before.name, before.created)
            );
            assert!(before.token_id.is_none() || after.token_id == before.token_id);
        }
        let (tokens, now) = (self.bench.cloud.tokens(), self.bench.clock.now());
        for lease in rows.values() {
            assert_eq!(lease.state == State::Ended, lease.end.is_some());
            assert_eq!(lease.state == State::Ended, lease.ended_on.is_some());
            let held =
                tokens.iter().any(|token| Some(token.id) == lease.token_id && token.name == lease.name);
            assert!(lease.state != State::Active || held, "active without a token: {lease:#?}");
        }
        for token in &tokens {
            let lease = rows.values().find(|lease| lease.name == token.name).expect("a token in no book");
            let end = token.expires_on.unwrap();
            if now < end {
                assert!(lease.state != State::Ended, "the token of an ended lease lives: {lease:#?}");
                assert!(end <= lease.expires_on, "the token outlives the books: {lease:#?}");
            }
        }
        self.rows = rows;
    }

    /// Peace: every request ends, nothing is held on to, and everything can be revoked.
    fn finish(mut self, by_itself: bool) {
        let bench = &self.bench;
        bench.sql.fail("", 0);
        bench.cloud.step_by_step(false);
        while bench.cloud.waiting() > 0 {
            bench.cloud.take_waiting(0).release();
        }
        self.run();
        assert!(self.tasks.is_empty(), "a request never ends");
        assert!(self.alarm.is_none(), "an alarm never ends");
        self.check();
        self.bench.cloud.sink_adrift();
        self.bench.cloud.forget_scripts();
        let bench = &self.bench;
        for lease in self.rows.values().filter(|lease| lease.state == State::Active) {
            let answer = bench.ask(None, bench.change(lease, Change::Roll));
            let ended = lease.expires_on <= bench.clock.now();
            let free = if ended {
                matches!(answer, Answer::Refused(Refusal::Ended))
            } else {
                matches!(answer, Answer::Valued { .. })
            };
            assert!(free, "{answer:?} {lease:#?}");
        }
        if by_itself {
            // Nobody asks for anything any more: what is to end, ends.
            bench.live(20_000);
            assert!(bench.cloud.tokens().is_empty(), "left behind: {:#?}", bench.cloud.tokens());
            assert_eq!(bench.office.book().next_due(), Ok(None));
        }
        let bench = &self.bench;
        bench.clock.pass(900);
        for id in self.rows.keys() {
            let answer = bench.ask(None, bench.revoke(*id));
            assert!(matches!(answer, Answer::Lease { .. } | Answer::Refused(Refusal::Ended)), "{answer:?}");
            assert_eq!(bench.row(*id).unwrap().state, State::Ended);
        }
        self.check();
        let rows = self.bench.sql.dump().join("\n");
        for value in self.bench.cloud.values() {
            assert!(!rows.contains(&value), "a value in the books");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn the_books_and_cloudflare_never_part(
        steps in proptest::collection::vec((step(), any::<bool>()), 1..120),
        by_itself in any::<bool>(),
    ) {
        let mut world = World::new();
        for (step, coin) in &steps {
            world.take(step);
            // A late update that overtakes a later one is beyond what books can know.
            world.bench.cloud.settle_adrift_updates(*coin);
            world.check();
        }
        world.finish(by_itself);
    }
}
