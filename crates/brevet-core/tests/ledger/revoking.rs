//! Revoking is never refused because of something less urgent, and never believed before it is done.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::book::LeaseKey;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};

use crate::support::{Bench, Script, Stage, Verb, lease_id, parents};

const OWNER: &str = "client:edge-purger";

#[track_caller]
fn ended(answer: &Answer, end: End) {
    assert!(
        matches!(answer, Answer::Lease { lease, view: None } if (lease.state, lease.end) == (State::Ended, Some(end))),
        "{answer:?}"
    );
}

#[test]
fn refuses_a_lease_that_has_ended() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    ended(&bench.ask(Some(OWNER), bench.revoke(lease.id)), End::Revoked);
    bench.cloud.take_calls();
    bench.refuses(Some(OWNER), bench.revoke(lease.id), Refusal::Ended);
    bench.refuses(None, bench.revoke(lease.id), Refusal::Ended);
}

#[test]
fn a_lease_has_not_ended_before_its_token_is_deleted() {
    for script in [
        Script::Refuse(FailureKind::Unavailable),
        Script::Refuse(FailureKind::RateLimited),
        Script::LoseAnswer,
        Script::LoseCall,
    ] {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        bench.cloud.script(Verb::Delete, script);
        let answer = bench.ask(Some(OWNER), bench.revoke(lease.id));
        assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
        let lease = bench.lease(1);
        assert_eq!((lease.state, lease.end, lease.ended_on), (State::Revoking, None, None));
        bench.clock.pass(7);
        ended(&bench.ask(Some(OWNER), bench.revoke(lease.id)), End::Revoked);
        assert_eq!(bench.lease(1).ended_on, Some(bench.at(7)));
        assert_eq!(bench.cloud.take_verbs(), [Verb::Delete, Verb::Delete]);
        assert!(bench.cloud.tokens().is_empty());
    }
}

#[test]
fn the_wish_is_written_before_the_call_and_survives_the_object() {
    let mut bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.hold(Verb::Delete, Stage::BeforeWork);
    drop(bench.start(Some(OWNER), bench.revoke(lease.id)));
    bench.restart();
    assert_eq!(bench.lease(1).state, State::Revoking);
    ended(&bench.ask(Some(OWNER), bench.revoke(lease.id)), End::Revoked);
}

#[test]
fn two_revocations_at_once_both_say_that_it_is_done() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Delete, Stage::BeforeWork);
    let first = bench.start(Some(OWNER), bench.revoke(lease.id));
    ended(&bench.ask(None, bench.revoke(lease.id)), End::Revoked);
    let row = bench.lease(1);
    barrier.release();
    ended(&first.end(), End::Revoked);
    assert_eq!(bench.lease(1), row, "ended once");
}

#[test]
fn revokes_by_the_tokens_id_too_and_a_token_that_is_gone_is_done() {
    let bench = Bench::new();
    let token = bench.minted(1, OWNER).token_id.unwrap();
    bench.cloud.remove(token);
    let key = LeaseKey::Token(token);
    ended(&bench.ask(Some(OWNER), Operation::Revoke { key, parents: parents() }), End::Revoked);
    let calls = bench.cloud.take_calls();
    assert_eq!(
        (calls[0].verb, calls[0].token, calls[0].parent.as_deref()),
        (Verb::Delete, Some(token), Some("CLOUDFLARE_API_TOKEN"))
    );
}

#[test]
fn an_expired_lease_has_ended_without_a_call() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.clock.pass(3600);
    let answer = bench.ask(Some(OWNER), bench.revoke(lease.id));
    assert!(matches!(answer, Answer::Refused(Refusal::Ended)), "{answer:?}");
    assert_eq!(bench.cloud.take_verbs(), []);
    let lease = bench.lease(1);
    assert_eq!((lease.end, lease.ended_on), (Some(End::Expired), Some(bench.at(3600))));
}

#[test]
fn a_lease_being_revoked_that_expires_stays_ended() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Delete, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.revoke(lease.id));
    bench.clock.pass(3600);
    assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease.id)), Answer::Refused(Refusal::Ended)));
    barrier.release();
    ended(&task.end(), End::Expired);
}

#[test]
fn a_create_that_was_carried_out_late_is_found_by_its_name() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Late);
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.cloud.take_calls();
    let answer = bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
    assert!(
        matches!(&answer, Answer::Failed(failure) if failure.kind == FailureKind::Uncertain && failure.retry_after.is_some()),
        "{answer:?}"
    );
    assert_eq!(bench.lease(1).state, State::Revoking);
    assert!(bench.cloud.carry_out_adrift());
    assert_eq!(bench.cloud.tokens().len(), 1);
    ended(&bench.ask(Some(OWNER), bench.revoke(lease_id(1))), End::Revoked);
    assert_eq!(bench.cloud.take_verbs(), [Verb::Find, Verb::Find, Verb::Delete]);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_create_that_left_no_token_is_given_up_only_when_it_cannot_come_any_more() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::LoseCall);
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.clock.pass(899);
    assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease_id(1))), Answer::Failed(_)));
    bench.clock.pass(1);
    ended(&bench.ask(Some(OWNER), bench.revoke(lease_id(1))), End::NeverCreated);
}

#[test]
fn a_search_that_fails_ends_nothing() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::LoseAnswer);
    bench.cloud.script(Verb::Find, Script::Refuse(FailureKind::Unavailable));
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.clock.pass(1000);
    for script in [
        (Verb::Find, Script::Refuse(FailureKind::Unavailable)),
        (Verb::Delete, Script::Refuse(FailureKind::Unavailable)),
    ] {
        bench.cloud.script(script.0, script.1);
        let answer = bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
        assert!(
            matches!(&answer, Answer::Failed(failure) if failure.kind == FailureKind::Unavailable),
            "{answer:?}"
        );
        assert_eq!(bench.lease(1).state, State::Revoking);
    }
    ended(&bench.ask(Some(OWNER), bench.revoke(lease_id(1))), End::Revoked);
}

#[test]
fn a_look_that_was_too_early_proves_nothing_however_late_its_answer_comes() {
    let mut bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Late);
    bench.cloud.script(Verb::Find, Script::Refuse(FailureKind::Unavailable));
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.restart();
    let barrier = bench.cloud.hold(Verb::Find, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.revoke(lease_id(1)));
    assert!(bench.cloud.carry_out_adrift());
    bench.clock.pass(900);
    barrier.release();
    assert!(matches!(task.end(), Answer::Failed(_)));
    assert_ne!(bench.lease(1).state, State::Ended);
    bench.live(120);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_revocation_reads_its_lease_once() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.sql.take_statements();
    ended(&bench.ask(Some(OWNER), bench.revoke(lease_id(1))), End::Revoked);
    let statements = bench.sql.take_statements();
    let reads = statements.iter().filter(|text| text.starts_with("SELECT body FROM lease WHERE id")).count();
    assert_eq!(reads, 1, "{statements:#?}");
    // What expires is looked for once after a start; then each state is written with its entry of the journal,
    // and what the alarm has to do is put forward and struck off.
    assert!(statements.len() <= 9, "{statements:#?}");
}

#[test]
fn one_that_ended_while_it_was_being_deleted_stays_as_it_ended() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Delete, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.revoke(lease_id(1)));
    bench.clock.pass(3600);
    bench.ask(Some(OWNER), bench.read(lease_id(1)));
    assert_eq!(bench.lease(1).end, Some(End::Expired));
    let before = bench.lease(1);
    barrier.release();
    ended(&task.end(), End::Expired);
    assert_eq!(bench.lease(1), before);
}
