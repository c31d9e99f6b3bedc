//! Freezes, and revoking many leases at once.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::freeze::{By, Freeze, Selection};
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::protocol::{Answer, Change, Operation, Refusal};
use brevet_core::time::Timestamp;

use crate::support::{Bench, Script, Stage, Verb, lease_id, renewal, update};

const OWNER: &str = "client:edge-purger";

fn selection(by: By, value: &str) -> Selection {
    Selection { by, value: value.to_owned() }
}

fn freeze(bench: &Bench, number: u8, selection: Selection, until: Option<Timestamp>) -> Freeze {
    Freeze {
        id: lease_id(number),
        selection,
        reason: "A laptop was stolen.".to_owned(),
        by: "operator:root".to_owned(),
        since: bench.at(0),
        until,
    }
}

fn set(bench: &Bench, number: u8, by: By, value: &str) {
    let freeze = freeze(bench, number, selection(by, value), None);
    assert!(matches!(bench.ask(None, Operation::Freeze(freeze)), Answer::Done));
}

/// Asks what must meet a freeze: nothing reaches Cloudflare, nothing is written.
#[track_caller]
fn frozen(bench: &Bench, operation: Operation) {
    let before = bench.sql.dump();
    let answer = bench.ask(Some(OWNER), operation);
    assert!(matches!(&answer, Answer::Frozen(freeze) if freeze.reason.contains("stolen")), "{answer:?}");
    assert_eq!(bench.cloud.take_calls(), []);
    assert_eq!(bench.sql.dump(), before);
}

fn revoke(selection: Selection, freeze: Option<Freeze>) -> Operation {
    Operation::RevokeMany { job: lease_id(200), selection, freeze }
}

fn states(answer: Answer) -> Vec<State> {
    let Answer::Job(leases) = answer else { panic!("{answer:?}") };
    leases.into_iter().map(|lease| lease.state).collect()
}

#[test]
fn what_is_frozen_is_neither_made_nor_changed() {
    for (by, value) in
        [(By::All, ""), (By::Owner, OWNER), (By::Grant, "edge-purge"), (By::Template, "cache-purge")]
    {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        set(&bench, 100, by, value);
        frozen(&bench, bench.create(2, OWNER));
        for change in [renewal(bench.at(5000)), Change::Roll, update(&lease, |lease| lease.disabled = true)] {
            frozen(&bench, bench.change(&lease, change));
        }
        assert!(matches!(bench.ask(Some(OWNER), bench.read(lease.id)), Answer::Lease { .. }));
        assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease.id)), Answer::Lease { .. }));
    }
}

#[test]
fn a_freeze_holds_nothing_else() {
    let bench = Bench::new();
    for (number, by) in (100..).zip([By::Owner, By::Grant, By::Template, By::Run]) {
        set(&bench, number, by, "another");
    }
    bench.minted(1, OWNER);
}

#[test]
fn a_freeze_outlives_the_object_and_ends_when_it_is_lifted_or_over() {
    let mut bench = Bench::new();
    set(&bench, 100, By::All, "");
    let until = freeze(&bench, 101, selection(By::Owner, OWNER), Some(bench.at(600)));
    bench.ask(None, Operation::Freeze(until));
    bench.restart();
    frozen(&bench, bench.create(1, OWNER));
    assert!(matches!(bench.ask(None, Operation::Lift(lease_id(100))), Answer::Done));
    assert!(matches!(bench.ask(None, Operation::Lift(lease_id(100))), Answer::Refused(Refusal::NotFound)));
    bench.clock.pass(599);
    frozen(&bench, bench.create(1, OWNER));
    bench.clock.pass(1);
    bench.minted(1, OWNER);
    let answer = bench.ask(None, Operation::Freezes);
    assert!(matches!(&answer, Answer::Freezes(freezes) if freezes.is_empty()), "{answer:?}");
}

#[test]
fn a_freeze_holds_however_long_there_was_none() {
    let bench = Bench::new();
    for number in [1, 3] {
        bench.minted(number, OWNER);
        set(&bench, 100, By::All, "");
        frozen(&bench, bench.create(number + 1, OWNER));
        frozen(&bench, bench.create(number + 1, OWNER));
        assert!(matches!(bench.ask(None, Operation::Lift(lease_id(100))), Answer::Done));
        bench.minted(number + 1, OWNER);
    }
    // Where there is none, nobody looks for one.
    bench.sql.take_statements();
    bench.minted(5, OWNER);
    let statements = bench.sql.take_statements();
    assert!(!statements.iter().any(|statement| statement.contains("freeze")), "{statements:#?}");
}

#[test]
fn the_switch_is_no_owners() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    let all = selection(By::All, "");
    for operation in [
        Operation::Freeze(freeze(&bench, 100, all.clone(), None)),
        Operation::Lift(lease_id(100)),
        Operation::Freezes,
        revoke(all, None),
        Operation::Job(lease_id(200)),
    ] {
        bench.refuses(Some(OWNER), operation, Refusal::NotFound);
    }
}

#[test]
fn all_that_is_selected_is_revoked_by_the_alarm_and_nothing_else() {
    let bench = Bench::new();
    for number in 1..=30 {
        bench.minted(number, if number % 3 == 0 { "client:other" } else { OWNER });
    }
    let by_owner = selection(By::Owner, OWNER);
    let stop = freeze(&bench, 100, by_owner.clone(), None);
    let answer = bench.ask(None, revoke(by_owner, Some(stop)));
    assert_eq!(states(answer), [State::Revoking; 20]);
    assert_eq!(bench.cloud.take_calls(), []);
    frozen(&bench, bench.create(40, OWNER));
    // At once: the alarm is set to this very moment.
    bench.live(0);
    assert_eq!(bench.cloud.tokens().len(), 10);
    assert_eq!(states(bench.ask(None, Operation::Job(lease_id(200)))), [State::Ended; 20]);
    assert_eq!(bench.lease(1).end, Some(End::Revoked));
    assert_eq!(bench.lease(3).state, State::Active);
}

#[test]
fn a_create_under_way_does_not_escape() {
    for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
        let bench = Bench::new();
        let barrier = bench.cloud.hold(Verb::Create, stage);
        let task = bench.start(Some(OWNER), bench.create(1, OWNER));
        let all = selection(By::All, "");
        assert_eq!(states(bench.ask(None, revoke(all, None))), [State::Revoking]);
        bench.live(5);
        barrier.release();
        assert!(matches!(task.end(), Answer::Refused(Refusal::Ended)));
        assert!(bench.cloud.tokens().is_empty());
        assert_eq!(states(bench.ask(None, Operation::Job(lease_id(200)))), [State::Ended]);
    }
}

#[test]
fn a_job_goes_on_through_a_limit_an_outage_and_a_restart() {
    let mut bench = Bench::new();
    for number in 1..=250 {
        bench.minted(number, OWNER);
    }
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::RateLimited));
    for _ in 0..20 {
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    }
    bench.ask(None, revoke(selection(By::All, ""), None));
    bench.live(30);
    bench.restart();
    bench.live(4000);
    assert!(bench.cloud.tokens().is_empty());
    let states = states(bench.ask(None, Operation::Job(lease_id(200))));
    assert!(states.iter().all(|state| *state == State::Ended) && states.len() == 250);
}

#[test]
fn a_job_is_forgotten_after_a_week() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.ask(None, revoke(selection(By::All, ""), None));
    bench.live(7 * 86_400 + 1);
    bench.ask(
        None,
        Operation::RevokeMany { job: lease_id(201), selection: selection(By::All, ""), freeze: None },
    );
    assert_eq!(states(bench.ask(None, Operation::Job(lease_id(200)))), []);
}
