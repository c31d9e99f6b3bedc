//! Renew, update and roll, alone and against what happens meanwhile.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Change, Refusal};
use serde_json::json;

use crate::support::{Bench, Script, Stage, Verb, lease_id, renewal, update};

const OWNER: &str = "client:edge-purger";

#[track_caller]
fn refused(answer: &Answer, refusal: Refusal) {
    assert!(matches!(answer, Answer::Refused(found) if *found == refusal), "{answer:?}");
}

#[track_caller]
fn done(answer: &Answer) {
    assert!(matches!(answer, Answer::Lease { .. } | Answer::Valued { .. }), "{answer:?}");
}

fn changes(bench: &Bench) -> [(Verb, Change); 3] {
    let lease = bench.lease(1);
    [
        (Verb::Roll, Change::Roll),
        (Verb::Update, renewal(bench.at(7200))),
        (Verb::Update, update(&lease, |wanted| wanted.disabled = true)),
    ]
}

#[test]
fn refuses_a_change_of_a_lease_that_does_not_live() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    bench.cloud.take_calls();
    for (_, change) in changes(&bench) {
        bench.refuses(Some(OWNER), bench.change(&bench.lease(1), change), Refusal::NotActive);
    }
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    bench.cloud.take_calls();
    for (_, change) in changes(&bench) {
        bench.refuses(Some(OWNER), bench.change(&bench.lease(1), change), Refusal::Ended);
    }
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeWork);
    let _task = bench.start(Some(OWNER), bench.create(2, OWNER));
    assert!(barrier.is_reached());
    bench.cloud.take_calls();
    bench.refuses(Some(OWNER), bench.change(&bench.lease(2), Change::Roll), Refusal::NotActive);
}

#[test]
fn refuses_a_change_of_a_lease_whose_time_is_up_and_ends_it() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.clock.pass(3600);
    refused(&bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(7200)))), Refusal::Ended);
    assert_eq!(bench.cloud.take_verbs(), []);
    let lease = bench.lease(1);
    assert_eq!(
        (lease.state, lease.end, lease.ended_on),
        (State::Ended, Some(End::Expired), Some(bench.at(3600)))
    );
}

#[test]
fn refuses_a_change_decided_on_an_older_revision() {
    let bench = Bench::new();
    let before = bench.minted(1, OWNER);
    done(&bench.ask(Some(OWNER), bench.change(&before, renewal(bench.at(5000)))));
    bench.cloud.take_calls();
    for (_, change) in changes(&bench) {
        bench.refuses(Some(OWNER), bench.change(&before, change), Refusal::Moved);
    }
}

#[test]
fn refuses_a_second_change_while_one_is_under_way() {
    for first in 0..3 {
        for second in 0..3 {
            for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
                let bench = Bench::new();
                bench.minted(1, OWNER);
                let (verb, change) = changes(&bench)[first].clone();
                let barrier = bench.cloud.hold(verb, stage);
                let task = bench.start(Some(OWNER), bench.change(&bench.lease(1), change));
                assert!(barrier.is_reached());
                assert_eq!(bench.cloud.take_verbs(), [verb]);
                let (_, change) = changes(&bench)[second].clone();
                bench.refuses(Some(OWNER), bench.change(&bench.lease(1), change), Refusal::Busy);
                barrier.release();
                done(&task.end());
            }
        }
    }
}

#[test]
fn work_on_one_lease_does_not_hold_up_another() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    let other = bench.minted(2, OWNER);
    let barrier = bench.cloud.hold(Verb::Roll, Stage::BeforeWork);
    let task = bench.start(Some(OWNER), bench.change(&bench.lease(1), Change::Roll));
    done(&bench.ask(Some(OWNER), bench.change(&other, Change::Roll)));
    barrier.release();
    done(&task.end());
}

#[test]
fn a_lease_is_free_again_however_a_change_went() {
    let outcomes = [
        Some(Script::Work),
        Some(Script::Refuse(FailureKind::Unavailable)),
        Some(Script::Refuse(FailureKind::RateLimited)),
        Some(Script::LoseAnswer),
        Some(Script::LoseCall),
        // The runtime gives the request up.
        None,
    ];
    for outcome in outcomes {
        for at in 0..3 {
            let bench = Bench::new();
            bench.minted(1, OWNER);
            let (verb, change) = changes(&bench)[at].clone();
            match &outcome {
                Some(script) => {
                    bench.cloud.script(verb, script.clone());
                    bench.ask(Some(OWNER), bench.change(&bench.lease(1), change));
                }
                None => {
                    bench.cloud.hold(verb, Stage::BeforeWork);
                    drop(bench.start(Some(OWNER), bench.change(&bench.lease(1), change)));
                }
            }
            done(&bench.ask(Some(OWNER), bench.change(&bench.lease(1), Change::Roll)));
        }
    }
}

#[test]
fn a_lease_is_free_again_when_the_database_failed() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    for _ in 0..2 {
        bench.sql.fail("UPDATE lease", 1);
        refused(&bench.ask(Some(OWNER), bench.change(&bench.lease(1), Change::Roll)), Refusal::Database);
    }
    done(&bench.ask(Some(OWNER), bench.change(&bench.lease(1), Change::Roll)));
}

#[test]
fn a_revocation_overtakes_a_change_and_the_lease_stays_ended() {
    for at in 0..3 {
        for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
            let bench = Bench::new();
            let lease = bench.minted(1, OWNER);
            let (verb, change) = changes(&bench)[at].clone();
            let barrier = bench.cloud.hold(verb, stage);
            let task = bench.start(Some(OWNER), bench.change(&lease, change));
            done(&bench.ask(Some(OWNER), bench.revoke(lease.id)));
            let ended = bench.lease(1);
            assert_eq!((ended.state, ended.end), (State::Ended, Some(End::Revoked)));
            barrier.release();
            refused(&task.end(), Refusal::Ended);
            assert_eq!(bench.lease(1), ended);
            assert_eq!(bench.cloud.take_verbs(), [verb, Verb::Delete]);
            assert!(bench.cloud.tokens().is_empty());
            assert_eq!(bench.notices(), [], "we ended it ourselves");
        }
    }
}

#[test]
fn a_revocation_that_failed_still_stops_a_change_under_way() {
    for at in 0..3 {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        let (verb, change) = changes(&bench)[at].clone();
        let barrier = bench.cloud.hold(verb, Stage::BeforeAnswer);
        let task = bench.start(Some(OWNER), bench.change(&lease, change));
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
        bench.ask(Some(OWNER), bench.revoke(lease.id));
        barrier.release();
        refused(&task.end(), Refusal::NotActive);
        assert_eq!(bench.lease(1).state, State::Revoking);
        done(&bench.ask(Some(OWNER), bench.revoke(lease.id)));
    }
}

#[test]
fn a_change_of_a_token_that_is_gone_ends_its_lease() {
    for at in 0..3 {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        bench.cloud.remove(lease.token_id.unwrap());
        let (verb, change) = changes(&bench)[at].clone();
        refused(&bench.ask(Some(OWNER), bench.change(&lease, change)), Refusal::Ended);
        assert_eq!(bench.cloud.take_verbs(), [verb]);
        let lease = bench.lease(1);
        assert_eq!((lease.state, lease.end), (State::Ended, Some(End::FoundDead)));
        assert_eq!(bench.notices(), [Notice::FoundDead { lease: lease.id }]);
    }
}

#[test]
fn the_old_end_does_not_end_a_lease_that_is_being_renewed() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Update, Stage::BeforeWork);
    bench.clock.pass(3599);
    let task = bench.start(Some(OWNER), bench.change(&lease, renewal(bench.at(7200))));
    bench.clock.pass(2);
    bench.minted(2, OWNER);
    bench.ask(Some(OWNER), bench.read(lease_id(2)));
    barrier.release();
    done(&task.end());
    let lease = bench.lease(1);
    assert_eq!((lease.state, lease.expires_on), (State::Active, bench.at(7200)));
    assert_eq!(bench.cloud.tokens()[0].expires_on, Some(bench.at(7200)));
}

#[test]
fn the_books_never_end_a_lease_before_its_token_when_the_object_dies_renewing() {
    for carried_out in [false, true] {
        let mut bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        bench.cloud.hold(Verb::Update, Stage::BeforeWork);
        drop(bench.start(Some(OWNER), bench.change(&lease, renewal(bench.at(7200)))));
        bench.restart();
        if carried_out {
            bench.cloud.carry_out_adrift();
        }
        bench.clock.pass(3600);
        let answer = bench.ask(Some(OWNER), bench.revoke(lease.id));
        done(&answer);
        assert!(bench.cloud.tokens().is_empty());
    }
}

#[test]
fn a_renewal_that_surely_failed_leaves_the_old_end() {
    let bench = Bench::new();
    let before = bench.minted(1, OWNER);
    bench.cloud.script(Verb::Update, Script::Refuse(FailureKind::RateLimited));
    let answer = bench.ask(Some(OWNER), bench.change(&before, renewal(bench.at(7200))));
    assert!(
        matches!(&answer, Answer::Failed(failure) if failure.kind == FailureKind::RateLimited),
        "{answer:?}"
    );
    let after = bench.lease(1);
    assert_eq!((after.expires_on, &after.asked), (before.expires_on, &before.asked));
    assert_eq!(after.state, State::Active);
    bench.clock.pass(3600);
    refused(&bench.ask(Some(OWNER), bench.revoke(before.id)), Refusal::Ended);
}

#[test]
fn a_renewal_of_unknown_outcome_counts_as_made() {
    for script in [Script::LoseAnswer, Script::LoseCall] {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        bench.cloud.script(Verb::Update, script);
        let answer = bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(7200))));
        assert!(
            matches!(&answer, Answer::Failed(failure) if failure.kind == FailureKind::Uncertain),
            "{answer:?}"
        );
        assert_eq!(bench.lease(1).expires_on, bench.at(7200));
        bench.clock.pass(3600);
        done(&bench.ask(Some(OWNER), bench.revoke(lease.id)));
    }
}

#[test]
fn an_earlier_end_holds_only_once_cloudflare_has_it() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.script(Verb::Update, Script::LoseCall);
    bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(60))));
    assert_eq!(bench.lease(1).expires_on, bench.at(3600));
    done(&bench.ask(Some(OWNER), bench.change(&bench.lease(1), renewal(bench.at(60)))));
    assert_eq!(bench.lease(1).expires_on, bench.at(60));
    assert_eq!(bench.cloud.tokens()[0].expires_on, Some(bench.at(60)));
}

#[test]
fn nothing_is_sent_that_could_outlive_the_books() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.sql.fail("UPDATE lease", 1);
    refused(&bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(7200)))), Refusal::Database);
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.lease(1), lease);
}

#[test]
fn a_token_that_may_escape_the_books_is_marked_before_it_does() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let change = update(&lease, |wanted| wanted.escapes_books = true);
    bench.cloud.script(Verb::Update, Script::Refuse(FailureKind::PolicyRefused));
    bench.ask(None, bench.change(&lease, change.clone()));
    assert!(!bench.lease(1).escapes_books);
    bench.cloud.script(Verb::Update, Script::LoseAnswer);
    bench.ask(None, bench.change(&bench.lease(1), change));
    assert!(bench.lease(1).escapes_books);
    let change = update(&bench.lease(1), |wanted| wanted.escapes_books = false);
    done(&bench.ask(None, bench.change(&bench.lease(1), change)));
    assert!(bench.lease(1).escapes_books, "what was once able to make others stays marked");
}

#[test]
fn an_update_sends_the_whole_token_and_keeps_it() {
    let bench = Bench::new();
    let before = bench.minted(1, OWNER);
    bench.clock.pass(10);
    let change = update(&before, |wanted| {
        wanted.policies = json!([{ "effect": "allow", "resources": {}, "permission_groups": [] }]);
        wanted.condition = None;
        wanted.not_before = Some(bench.at(20));
        wanted.expires_on = bench.at(1800);
        wanted.disabled = true;
        wanted.asked.name = Some("mine".to_owned());
        wanted.rule = Some("/grant/other/allow/1".to_owned());
        wanted.owner = "client:other".to_owned();
        wanted.name = "other".to_owned();
    });
    let answer = bench.ask(Some(OWNER), bench.change(&before, change));
    let Answer::Lease { lease, view: None } = answer else { panic!("{answer:?}") };
    assert_eq!(*lease, bench.lease(1));
    let calls = bench.cloud.take_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].spec, Some(lease.spec()));
    assert_eq!((lease.name.as_str(), lease.owner.as_str()), (before.name.as_str(), OWNER));
    assert_eq!(
        (lease.token_id, lease.created, lease.issued_on),
        (before.token_id, before.created, before.issued_on)
    );
    assert_eq!(lease.modified_on, Some(bench.at(10)));
    assert_eq!(lease.shown_policies.as_ref(), Some(&lease.policies));
    assert!(lease.revision > before.revision);
    let token = &bench.cloud.tokens()[0];
    assert_eq!(
        (token.status.as_str(), token.expires_on, &token.condition),
        ("disabled", Some(bench.at(1800)), &None)
    );
    assert_eq!(bench.notices(), []);
}

#[test]
fn a_roll_kills_the_old_value_and_changes_nothing_else() {
    let bench = Bench::new();
    let before = bench.minted(1, OWNER);
    let token = before.token_id.unwrap();
    let old = bench.cloud.value_of(token).unwrap();
    bench.clock.pass(5);
    let answer = bench.ask(Some(OWNER), bench.change(&before, Change::Roll));
    let Answer::Valued { lease, value } = answer else { panic!("{answer:?}") };
    assert_ne!(value.0.expose(), old);
    assert_eq!(bench.cloud.value_of(token).as_deref(), Some(value.0.expose()));
    let mut expected = before.clone();
    expected.modified_on = Some(bench.at(5));
    expected.revision += 1;
    assert_eq!(*lease, expected);
    assert_eq!(bench.cloud.take_verbs(), [Verb::Roll]);
}

#[test]
fn says_so_when_cloudflare_keeps_another_end_than_it_was_told() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Read, Stage::BeforeWork);
    let task = bench.start(Some(OWNER), bench.read(lease.id));
    bench.cloud.tamper(lease.token_id.unwrap(), |view| view.expires_on = Some(bench.at(9999)));
    barrier.release();
    done(&task.end());
    assert_eq!(bench.notices(), [Notice::Drifted { lease: lease.id }]);
}
