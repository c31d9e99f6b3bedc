//! Requests that are sent again with their idempotency key.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::claim::{Claim, OneUse, REMEMBERED};
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};

use crate::support::{Bench, Script, Stage, Verb, lease_id, parents};

const OWNER: &str = "client:edge-purger";

fn claim(key: &str, body: &str) -> Option<Claim> {
    Some(Claim { key: key.to_owned(), body: body.to_owned() })
}

/// The request, each time as the Worker sends it: with another lease's id.
fn send(bench: &Bench, number: u8) -> Operation {
    bench.create_with(number, OWNER, claim("k", "b"))
}

#[track_caller]
fn value(answer: &Answer) -> String {
    let Answer::Valued { value, .. } = answer else { panic!("{answer:?}") };
    value.0.expose().to_owned()
}

#[test]
fn a_request_sent_again_makes_no_second_token_and_gets_a_fresh_value() {
    let bench = Bench::new();
    let mut values = vec![value(&bench.ask(Some(OWNER), send(&bench, 1)))];
    for number in 2..=4 {
        let answer = bench.ask(Some(OWNER), send(&bench, number));
        assert!(matches!(&answer, Answer::Valued { lease, .. } if lease.id == lease_id(1)), "{answer:?}");
        values.push(value(&answer));
    }
    assert_eq!(bench.cloud.tokens().len(), 1);
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 4);
    // And then no more: whoever has not got it by now asks for another token.
    let answer = bench.ask(Some(OWNER), send(&bench, 5));
    assert!(matches!(&answer, Answer::Lease { lease, .. } if lease.id == lease_id(1)), "{answer:?}");
    let verbs = bench.cloud.take_verbs();
    assert_eq!(verbs, [Verb::Create, Verb::Roll, Verb::Roll, Verb::Roll]);
}

#[test]
fn a_value_is_given_again_for_ten_minutes_and_the_key_is_known_for_a_day() {
    let bench = Bench::new();
    bench.ask(Some(OWNER), send(&bench, 1));
    bench.clock.pass(600);
    value(&bench.ask(Some(OWNER), send(&bench, 2)));
    bench.clock.pass(1);
    assert!(matches!(bench.ask(Some(OWNER), send(&bench, 3)), Answer::Lease { .. }));
    bench.live(86_400 - 602);
    let answer = bench.ask(Some(OWNER), send(&bench, 4));
    assert!(matches!(&answer, Answer::Lease { lease, .. } if lease.end == Some(End::Expired)), "{answer:?}");
    bench.live(1);
    value(&bench.ask(Some(OWNER), send(&bench, 5)));
}

#[test]
fn refuses_a_key_with_another_body_and_one_of_another_owner() {
    let bench = Bench::new();
    bench.ask(Some(OWNER), send(&bench, 1));
    bench.cloud.take_calls();
    let other_body = bench.create_with(2, OWNER, claim("k", "another"));
    bench.refuses(Some(OWNER), other_body, Refusal::KeyReused);
    let other_owner = bench.create_with(2, "client:other", claim("k", "b"));
    bench.refuses(Some("client:other"), other_owner, Refusal::KeyReused);
    value(&bench.ask(Some(OWNER), bench.create_with(2, OWNER, claim("k2", "another"))));
}

#[test]
fn of_many_at_once_one_creates_and_the_others_hear_that_it_is_under_way() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeAnswer);
    let first = bench.start(Some(OWNER), send(&bench, 1));
    bench.cloud.take_calls();
    for number in 2..=50 {
        bench.refuses(Some(OWNER), send(&bench, number), Refusal::InFlight);
    }
    barrier.release();
    value(&first.end());
    assert_eq!(bench.cloud.tokens().len(), 1);
}

#[test]
fn a_create_that_failed_for_sure_is_made_by_the_next() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Refuse(FailureKind::Unavailable));
    assert!(matches!(bench.ask(Some(OWNER), send(&bench, 1)), Answer::Failed(_)));
    let answer = bench.ask(Some(OWNER), send(&bench, 2));
    assert!(matches!(&answer, Answer::Valued { lease, .. } if lease.id == lease_id(2)), "{answer:?}");
}

#[test]
fn a_create_whose_answer_was_lost_leaves_one_token_after_the_next() {
    for lost_again in [false, true] {
        let bench = Bench::new();
        bench.cloud.script(Verb::Create, Script::LoseAnswer);
        if lost_again {
            bench.cloud.script(Verb::Find, Script::Refuse(FailureKind::Unavailable));
        }
        assert!(matches!(bench.ask(Some(OWNER), send(&bench, 1)), Answer::Failed(_)));
        value(&bench.ask(Some(OWNER), send(&bench, 2)));
        assert_eq!(bench.cloud.tokens().len(), 1);
        assert_eq!(bench.lease(1).end, Some(End::NeverCreated));
    }
}

#[test]
fn a_create_that_may_yet_come_is_waited_for() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Late);
    assert!(matches!(bench.ask(Some(OWNER), send(&bench, 1)), Answer::Failed(_)));
    assert!(matches!(bench.ask(Some(OWNER), send(&bench, 2)), Answer::Refused(Refusal::InFlight)));
    assert!(bench.cloud.carry_out_adrift());
    value(&bench.ask(Some(OWNER), send(&bench, 3)));
    assert_eq!(bench.cloud.tokens().len(), 1);
    assert_eq!(bench.row(lease_id(2)), None);
}

#[test]
fn an_object_that_died_on_the_way_makes_no_second_token() {
    for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
        let mut bench = Bench::new();
        let barrier = bench.cloud.hold(Verb::Create, stage);
        let task = bench.start(Some(OWNER), send(&bench, 1));
        assert!(barrier.is_reached());
        drop(task);
        bench.restart();
        bench.cloud.sink_adrift();
        bench.clock.pass(900);
        value(&bench.ask(Some(OWNER), send(&bench, 2)));
        assert_eq!(bench.cloud.tokens().len(), 1);
    }
}

#[test]
fn a_revoked_lease_is_not_made_again_by_its_key() {
    let bench = Bench::new();
    bench.ask(Some(OWNER), send(&bench, 1));
    bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
    bench.cloud.take_calls();
    let answer = bench.ask(Some(OWNER), send(&bench, 2));
    assert!(matches!(&answer, Answer::Lease { lease, .. } if lease.state == State::Ended), "{answer:?}");
    assert_eq!(bench.cloud.take_verbs(), []);
}

/// The create of this number with a credential that is good for one.
fn with_credential(bench: &Bench, number: u8, key: &str, claim: Option<Claim>) -> Operation {
    let mut operation = bench.create_with(number, OWNER, claim);
    let Operation::Create { one_use, .. } = &mut operation else { unreachable!() };
    *one_use = Some(OneUse { key: key.to_owned(), until: bench.at(300) });
    operation
}

#[test]
fn a_credential_for_one_use_makes_one_token() {
    let bench = Bench::new();
    let tasks: Vec<_> = (1..=50)
        .map(|number| {
            let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeWork);
            (barrier, bench.start(Some(OWNER), with_credential(&bench, number, "jti", None)))
        })
        .collect();
    let answers: Vec<Answer> = tasks
        .into_iter()
        .map(|(barrier, task)| {
            barrier.release();
            task.end()
        })
        .collect();
    let made = answers.iter().filter(|answer| matches!(answer, Answer::Valued { .. })).count();
    let used = answers.iter().filter(|answer| matches!(answer, Answer::Refused(Refusal::Used))).count();
    assert_eq!((made, used), (1, 49));
    assert_eq!(bench.cloud.take_verbs(), [Verb::Create]);
    assert!(bench.row(lease_id(2)).is_none());
}

#[test]
fn a_request_that_is_delivered_twice_is_told_so_whatever_it_came_with() {
    let bench = Bench::new();
    let claim = |key: &str| Some(Claim { key: key.to_owned(), body: "body".to_owned() });
    let all = [
        bench.create_with(1, OWNER, claim("one")),
        with_credential(&bench, 2, "two", None),
        with_credential(&bench, 3, "three", claim("three")),
    ];
    for operation in all {
        assert!(matches!(bench.ask(Some(OWNER), operation.clone()), Answer::Valued { .. }));
        bench.refuses(Some(OWNER), operation, Refusal::Moved);
    }
    assert_eq!(bench.cloud.tokens().len(), 3);
}

#[test]
fn a_credential_that_failed_is_used_up_but_for_the_same_request() {
    let mut bench = Bench::new();
    let claim = |key: &str| Some(Claim { key: key.to_owned(), body: "body".to_owned() });
    bench.cloud.script(Verb::Create, Script::Refuse(FailureKind::Unavailable));
    assert!(matches!(
        bench.ask(Some(OWNER), with_credential(&bench, 1, "jti", claim("mine"))),
        Answer::Failed(_)
    ));
    bench.restart();
    for other in [None, claim("another")] {
        bench.refuses(Some(OWNER), with_credential(&bench, 2, "jti", other), Refusal::Used);
    }
    let again = bench.ask(Some(OWNER), with_credential(&bench, 3, "jti", claim("mine")));
    assert!(matches!(again, Answer::Valued { .. }), "{again:?}");
    assert!(matches!(
        bench.ask(Some(OWNER), with_credential(&bench, 4, "other jti", None)),
        Answer::Valued { .. }
    ));
}

#[test]
fn a_used_credential_is_remembered_until_it_is_no_longer_good() {
    let bench = Bench::new();
    bench.ask(Some(OWNER), with_credential(&bench, 1, "jti", None));
    bench.clock.pass(300);
    bench.refuses(Some(OWNER), with_credential(&bench, 2, "jti", None), Refusal::Used);
    // The cron lets go of it, and not before its time.
    let kept = || bench.sql.dump().iter().filter(|row| row.contains("jti")).count();
    bench.ask(None, Operation::CheckParents(parents()));
    bench.refuses(Some(OWNER), with_credential(&bench, 2, "jti", None), Refusal::Used);
    bench.clock.pass(1);
    bench.ask(Some(OWNER), with_credential(&bench, 3, "another", None));
    assert_eq!(kept(), 1);
    bench.ask(None, Operation::CheckParents(parents()));
    assert_eq!(kept(), 0);
}

#[test]
fn a_claim_is_let_go_by_the_cron_when_it_is_forgotten() {
    let bench = Bench::new();
    let claim = Claim { key: "key".to_owned(), body: "body".to_owned() };
    bench.office.book().claim(&claim, lease_id(1), bench.at(0)).unwrap();
    let kept = || bench.sql.dump().iter().filter(|row| row.starts_with("claim.")).count() != 0;
    bench.clock.pass(REMEMBERED.get() - 1);
    bench.ask(None, Operation::CheckParents(parents()));
    assert!(kept());
    bench.clock.pass(1);
    bench.ask(None, Operation::CheckParents(parents()));
    assert!(!kept());
}
