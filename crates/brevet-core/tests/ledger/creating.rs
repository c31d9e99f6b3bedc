//! A token is in the books before it is at Cloudflare, and its value is given out at most once.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::lease::{End, Lease, State};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};

use crate::support::{Bench, Script, Stage, Verb, intent, lease_id, parents};

const OWNER: &str = "client:edge-purger";

#[track_caller]
fn fails(answer: &Answer, kind: FailureKind) {
    assert!(matches!(answer, Answer::Failed(failure) if failure.kind == kind), "{answer:?}");
}

#[track_caller]
fn refused(answer: &Answer, refusal: Refusal) {
    assert!(matches!(answer, Answer::Refused(found) if *found == refusal), "{answer:?}");
}

#[track_caller]
fn stands(lease: &Lease, state: State, end: Option<End>) {
    assert_eq!((lease.state, lease.end), (state, end));
}

#[test]
fn refuses_to_make_one_lease_twice_at_once() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeAnswer);
    let first = bench.start(Some(OWNER), bench.create(1, OWNER));
    refused(&bench.ask(Some(OWNER), bench.create(1, OWNER)), Refusal::Busy);
    barrier.release();
    assert!(matches!(first.end(), Answer::Valued { .. }));
    assert_eq!(bench.cloud.take_verbs(), [Verb::Create]);
    assert_eq!(bench.cloud.tokens().len(), 1);
}

#[test]
fn refuses_to_make_a_lease_that_is_in_the_books() {
    let mut bench = Bench::new();
    bench.minted(1, OWNER);
    bench.refuses(Some(OWNER), bench.create(1, OWNER), Refusal::Moved);
    bench.restart();
    bench.refuses(Some(OWNER), bench.create(1, OWNER), Refusal::Moved);
    bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
    bench.cloud.take_calls();
    bench.refuses(Some(OWNER), bench.create(1, OWNER), Refusal::Moved);
    assert_eq!(bench.notices(), [], "a request delivered twice is no alarm");
}

#[test]
fn sends_nothing_that_cannot_be_written_down_first() {
    let bench = Bench::new();
    bench.sql.fail("INSERT INTO lease", 1);
    refused(&bench.ask(Some(OWNER), bench.create(1, OWNER)), Refusal::Database);
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.row(lease_id(1)), None);
    // The lease is not held on to.
    bench.minted(1, OWNER);
}

#[test]
fn writes_the_intent_before_the_call() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeWork);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    assert!(barrier.is_reached());
    let lease = bench.lease(1);
    stands(&lease, State::Pending, None);
    assert_eq!((lease.token_id, lease.created), (None, bench.at(0)));
    let calls = bench.cloud.take_calls();
    assert_eq!(calls[0].spec.as_ref().unwrap(), &lease.spec());
    bench.clock.pass(2);
    barrier.release();
    assert!(matches!(task.end(), Answer::Valued { .. }));
    let lease = bench.lease(1);
    stands(&lease, State::Active, None);
    assert_eq!(lease.token_id, Some(bench.cloud.tokens()[0].id));
    assert_eq!((lease.created, lease.issued_on), (bench.at(0), Some(bench.at(2))));
    assert_eq!(bench.cloud.take_calls(), []);
}

#[test]
fn the_message_does_not_say_where_a_lease_stands() {
    let bench = Bench::new();
    let other = bench.minted(2, OWNER);
    let mut lease = intent(1, OWNER, bench.at(-1_000_000));
    lease.expires_on = bench.at(600);
    lease.state = State::Active;
    lease.token_id = other.token_id;
    lease.end = Some(End::Revoked);
    lease.ended_on = Some(bench.at(1));
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeWork);
    let task = bench.start(
        Some(OWNER),
        Operation::Create { lease: Box::new(lease), parents: parents(), claim: None, one_use: None },
    );
    let lease = bench.lease(1);
    stands(&lease, State::Pending, None);
    assert_eq!((lease.token_id, lease.ended_on, lease.created), (None, None, bench.at(0)));
    barrier.release();
    assert!(matches!(task.end(), Answer::Valued { .. }));
}

#[test]
fn a_create_that_cloudflare_refuses_ends_as_never_created() {
    for kind in [
        FailureKind::DeadCredential,
        FailureKind::PolicyRefused,
        FailureKind::Quota,
        FailureKind::RateLimited,
        FailureKind::Unavailable,
        FailureKind::NoParent,
    ] {
        let bench = Bench::new();
        bench.cloud.script(Verb::Create, Script::Refuse(kind));
        fails(&bench.ask(Some(OWNER), bench.create(1, OWNER)), kind);
        stands(&bench.lease(1), State::Ended, Some(End::NeverCreated));
        assert_eq!(bench.cloud.take_verbs(), [Verb::Create], "it surely was not made: nothing to look for");
        bench.refuses(Some(OWNER), bench.revoke(lease_id(1)), Refusal::Ended);
    }
}

#[test]
fn a_token_whose_answer_was_lost_is_found_and_deleted() {
    let bench = Bench::new();
    bench.minted(2, OWNER);
    bench.cloud.script(Verb::Create, Script::LoseAnswer);
    fails(&bench.ask(Some(OWNER), bench.create(1, OWNER)), FailureKind::Uncertain);
    assert_eq!(bench.cloud.take_verbs(), [Verb::Create, Verb::Find, Verb::Delete]);
    let lease = bench.lease(1);
    stands(&lease, State::Ended, Some(End::NeverCreated));
    assert!(lease.token_id.is_some(), "the books say which token it was");
    assert_eq!(bench.cloud.tokens().len(), 1, "only the other lease's token is left");
    assert_eq!(bench.notices(), []);
}

#[test]
fn every_token_of_a_lost_creates_name_is_deleted_before_the_lease_ends() {
    let bench = Bench::new();
    let other = bench.minted(2, OWNER).token_id.unwrap();
    let name = intent(1, OWNER, bench.at(0)).name;
    bench.cloud.tamper(other, |view| view.name = name);
    bench.cloud.script(Verb::Create, Script::LoseAnswer);
    bench.cloud.script(Verb::Delete, Script::Work);
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    fails(&bench.ask(Some(OWNER), bench.create(1, OWNER)), FailureKind::Uncertain);
    stands(&bench.lease(1), State::Revoking, None);
    assert_eq!(bench.cloud.tokens().len(), 1);
    assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease_id(1))), Answer::Lease { .. }));
    assert!(bench.cloud.tokens().is_empty());
    stands(&bench.lease(1), State::Ended, Some(End::Revoked));
}

#[test]
fn an_unresolved_create_stays_in_the_books_and_is_told_of() {
    let unavailable = || Script::Refuse(FailureKind::Unavailable);
    for (create, then, state) in [
        (Script::LoseCall, None, State::Pending),
        (Script::Late, None, State::Pending),
        (Script::LoseAnswer, Some(Verb::Find), State::Pending),
        (Script::LoseAnswer, Some(Verb::Delete), State::Revoking),
    ] {
        let bench = Bench::new();
        bench.cloud.script(Verb::Create, create);
        if let Some(verb) = then {
            bench.cloud.script(verb, unavailable());
        }
        fails(&bench.ask(Some(OWNER), bench.create(1, OWNER)), FailureKind::Uncertain);
        stands(&bench.lease(1), state, None);
        assert_eq!(bench.notices(), [Notice::Unresolved { lease: lease_id(1) }]);
        bench.cloud.take_calls();
        bench.refuses(
            Some(OWNER),
            bench.change(&bench.lease(1), crate::support::renewal(bench.at(9))),
            Refusal::NotActive,
        );
    }
}

#[test]
fn a_token_that_cannot_be_written_down_is_deleted_again() {
    let bench = Bench::new();
    bench.sql.fail("UPDATE lease", 1);
    refused(&bench.ask(Some(OWNER), bench.create(1, OWNER)), Refusal::Database);
    assert_eq!(bench.cloud.take_verbs(), [Verb::Create, Verb::Delete]);
    assert!(bench.cloud.tokens().is_empty());
    stands(&bench.lease(1), State::Pending, None);
    assert!(matches!(bench.notices()[..], [Notice::Database(_)]));
}

#[test]
fn a_token_whose_time_ran_out_meanwhile_is_not_given_out() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    bench.clock.pass(3600);
    bench.minted(2, OWNER);
    bench.ask(Some(OWNER), bench.read(lease_id(2)));
    bench.cloud.take_calls();
    stands(&bench.lease(1), State::Ended, Some(End::NeverCreated));
    barrier.release();
    refused(&task.end(), Refusal::Ended);
    stands(&bench.lease(1), State::Ended, Some(End::Expired));
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete]);
}

#[test]
fn a_revocation_during_a_create_wins() {
    for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
        let bench = Bench::new();
        let barrier = bench.cloud.hold(Verb::Create, stage);
        let task = bench.start(Some(OWNER), bench.create(1, OWNER));
        refused(&bench.ask(None, bench.revoke(lease_id(1))), Refusal::Busy);
        stands(&bench.lease(1), State::Revoking, None);
        barrier.release();
        refused(&task.end(), Refusal::Ended);
        stands(&bench.lease(1), State::Ended, Some(End::Revoked));
        assert_eq!(bench.cloud.take_verbs(), [Verb::Create, Verb::Delete]);
        assert!(bench.cloud.tokens().is_empty());
    }
}

#[test]
fn a_revocation_during_a_create_is_not_forgotten_when_the_delete_fails() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeWork);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    refused(&bench.ask(None, bench.revoke(lease_id(1))), Refusal::Busy);
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    barrier.release();
    refused(&task.end(), Refusal::NotActive);
    stands(&bench.lease(1), State::Revoking, None);
    assert!(matches!(bench.ask(None, bench.revoke(lease_id(1))), Answer::Lease { .. }));
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_token_with_a_later_end_than_asked_or_none_is_deleted_unseen() {
    for end in [None, Some(3601)] {
        let bench = Bench::new();
        bench.cloud.answer_creates_with_end(end.map(|seconds| bench.at(seconds)));
        fails(&bench.ask(Some(OWNER), bench.create(1, OWNER)), FailureKind::Protocol);
        assert_eq!(bench.cloud.take_verbs(), [Verb::Create, Verb::Delete]);
        assert!(bench.cloud.tokens().is_empty());
        stands(&bench.lease(1), State::Ended, Some(End::Revoked));
        assert_eq!(bench.notices(), [Notice::Drifted { lease: lease_id(1) }]);
    }
}

#[test]
fn an_object_that_dies_during_a_create_leaves_a_lease_that_can_be_revoked() {
    for done in [false, true] {
        let mut bench = Bench::new();
        bench.cloud.hold(Verb::Create, Stage::BeforeWork);
        drop(bench.start(Some(OWNER), bench.create(1, OWNER)));
        bench.restart();
        if done {
            assert!(bench.cloud.carry_out_adrift());
        }
        stands(&bench.lease(1), State::Pending, None);
        let answer = bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
        if done {
            assert!(matches!(answer, Answer::Lease { .. }), "{answer:?}");
            stands(&bench.lease(1), State::Ended, Some(End::Revoked));
        } else {
            fails(&answer, FailureKind::Uncertain);
            stands(&bench.lease(1), State::Revoking, None);
        }
        assert!(bench.cloud.tokens().is_empty());
    }
}

#[test]
fn no_value_is_ever_written() {
    let bench = Bench::new();
    let mut given = Vec::new();
    for number in 1..=3 {
        let answer = bench.ask(Some(OWNER), bench.create(number, OWNER));
        assert!(!format!("{answer:?}").contains("cfat_"), "{answer:?}");
        let Answer::Valued { value, lease } = answer else { panic!("{answer:?}") };
        given.push(value.0.expose().to_owned());
        let rolled =
            bench.ask(Some(OWNER), bench.change(&lease, brevet_core::ledger::protocol::Change::Roll));
        let Answer::Valued { value, .. } = rolled else { panic!("{rolled:?}") };
        given.push(value.0.expose().to_owned());
    }
    bench.cloud.script(Verb::Create, Script::LoseAnswer);
    bench.ask(Some(OWNER), bench.create(4, OWNER));
    bench.ask(None, Operation::CheckParents(parents()));
    let values = bench.cloud.values();
    assert_eq!(values.len(), 7);
    assert!(given.iter().all(|value| values.contains(value)));

    let rows = bench.sql.dump().join("\n");
    // A search that finds what is there, before one that must find nothing.
    assert!(rows.contains(&bench.cloud.tokens()[0].id.to_string()));
    for value in &values {
        let bytes = value.as_bytes();
        for text in [
            value.clone(),
            value[5..25].to_owned(),
            data_encoding::BASE64_NOPAD.encode(bytes),
            data_encoding::BASE64URL_NOPAD.encode(bytes),
            data_encoding::HEXLOWER.encode(bytes),
            data_encoding::HEXUPPER.encode(bytes),
            data_encoding::HEXLOWER
                .encode(brevet_core::secret::Secret::new(value.clone()).digest().as_bytes()),
        ] {
            assert!(!rows.contains(&text), "{text}");
        }
    }
}

#[test]
fn a_mint_costs_few_statements() {
    let bench = Bench::new();
    bench.minted(2, OWNER);
    bench.sql.take_statements();
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    let statements = bench.sql.take_statements();
    let writes = statements.iter().filter(|text| !text.starts_with("SELECT")).count();
    // The intent and the outcome, each with what the alarm is to do, and an entry of the journal.
    assert_eq!(writes, 5, "{statements:#?}");
    // One reads: which rules there are, which a ledger that has some remembers. That there is no freeze is
    // remembered too. The outcome is written on what the create knows, and read again only where another was faster.
    assert_eq!(statements.len(), 6, "{statements:#?}");
}
