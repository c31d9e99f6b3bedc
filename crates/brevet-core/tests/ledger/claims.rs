//! Requests that are sent again with their idempotency key.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::claim::Claim;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};

use crate::support::{Bench, Script, Stage, Verb, lease_id};

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
