//! Reading with a look at Cloudflare: what is dead ends, what drifted is told, and what happened
//! during the look counts.

use brevet_core::cloudflare::{FailureKind, TokenView};
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::office::{Clock, Notice};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};
use serde_json::json;

use crate::support::{Bench, Script, Stage, Verb, parents, renewal};

const OWNER: &str = "client:edge-purger";

#[track_caller]
fn seen(answer: Answer) -> (State, Option<End>, Option<TokenView>) {
    let Answer::Lease { lease, view } = answer else { panic!("{answer:?}") };
    (lease.state, lease.end, view.map(|view| *view))
}

#[test]
fn a_token_that_is_gone_or_leaked_ends_its_lease() {
    for leaked in [false, true] {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        let token = lease.token_id.unwrap();
        if leaked {
            bench.cloud.tamper(token, |view| view.status = "revoked (exposed)".to_owned());
        } else {
            bench.cloud.remove(token);
        }
        let answer = bench.ask(Some(OWNER), bench.read(lease.id));
        assert_eq!(seen(answer), (State::Ended, Some(End::FoundDead), None));
        assert_eq!(bench.notices(), [Notice::FoundDead { lease: lease.id }]);
        assert_eq!(bench.cloud.take_verbs(), [Verb::Read]);
        bench.refuses(Some(OWNER), bench.revoke(lease.id), Refusal::Ended);
    }
}

#[test]
fn a_look_that_fails_changes_nothing() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.script(Verb::Read, Script::Refuse(FailureKind::Unavailable));
    assert!(matches!(bench.ask(Some(OWNER), bench.read(lease.id)), Answer::Failed(_)));
    assert_eq!(bench.lease(1), lease);
}

#[test]
fn the_books_alone_answer_where_cloudflare_need_not_be_asked() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let key = brevet_core::ledger::book::LeaseKey::Lease(lease.id);
    assert!(seen(bench.ask(Some(OWNER), Operation::Read { key, ask_cloudflare: None })).2.is_none());
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    bench.cloud.take_calls();
    assert_eq!(seen(bench.ask(Some(OWNER), bench.read(lease.id))), (State::Ended, Some(End::Revoked), None));
    assert_eq!(bench.cloud.take_verbs(), []);
}

#[test]
fn a_lease_revoked_during_the_look_is_shown_as_it_is_now() {
    for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        let barrier = bench.cloud.hold(Verb::Read, stage);
        let task = bench.start(Some(OWNER), bench.read(lease.id));
        bench.ask(Some(OWNER), bench.revoke(lease.id));
        barrier.release();
        assert_eq!(seen(task.end()), (State::Ended, Some(End::Revoked), None));
        assert_eq!(bench.notices(), []);
    }
}

#[test]
fn a_token_gone_by_our_own_hand_is_not_found_dead() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let barrier = bench.cloud.hold(Verb::Delete, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.revoke(lease.id));
    assert_eq!(seen(bench.ask(Some(OWNER), bench.read(lease.id))), (State::Ended, Some(End::Revoked), None));
    barrier.release();
    assert_eq!(seen(task.end()), (State::Ended, Some(End::Revoked), None));
    assert_eq!(bench.notices(), []);
}

#[test]
fn a_change_of_our_own_during_the_look_is_no_drift() {
    // The look sees the token before the change, and the other way round.
    for (read, update) in [(Stage::BeforeAnswer, None), (Stage::BeforeWork, Some(Stage::BeforeAnswer))] {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        let reading = bench.cloud.hold(Verb::Read, read);
        let looking = bench.start(Some(OWNER), bench.read(lease.id));
        let updating = update.map(|stage| bench.cloud.hold(Verb::Update, stage));
        let changing = bench.start(Some(OWNER), bench.change(&lease, renewal(bench.at(60))));
        reading.release();
        assert_eq!(seen(looking.end()).0, State::Active);
        if let Some(barrier) = updating {
            barrier.release();
        }
        changing.end();
        assert_eq!(bench.notices(), []);
    }
}

#[test]
fn every_change_by_somebody_else_is_told_of() {
    let changes: [fn(&mut TokenView); 9] = [
        |view| view.name.push('x'),
        |view| view.expires_on = None,
        |view| view.expires_on = view.expires_on.map(|end| end.plus(brevet_core::time::Seconds::of(1))),
        |view| view.not_before = view.issued_on,
        |view| view.status = "disabled".to_owned(),
        |view| view.condition = None,
        |view| view.condition = Some(json!({})),
        |view| view.policies[0]["permission_groups"][0]["id"] = json!("9".repeat(32)),
        |view| view.policies[1]["resources"] = json!({ "com.cloudflare.api.account.c": "*" }),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        bench.cloud.tamper(lease.token_id.unwrap(), change);
        let (state, _, view) = seen(bench.ask(Some(OWNER), bench.read(lease.id)));
        assert_eq!((state, view.is_some()), (State::Active, true));
        assert_eq!(bench.notices(), [Notice::Drifted { lease: lease.id }], "change {at}");
    }
}

#[test]
fn another_policy_beside_ours_is_told_of() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.tamper(lease.token_id.unwrap(), |view| {
        let first = view.policies[0].clone();
        view.policies.as_array_mut().unwrap().push(first);
    });
    bench.ask(Some(OWNER), bench.read(lease.id));
    assert_eq!(bench.notices(), [Notice::Drifted { lease: lease.id }]);
}

#[test]
fn cloudflares_own_order_and_labels_are_no_drift() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.tamper(lease.token_id.unwrap(), |view| {
        view.policies.as_array_mut().unwrap().reverse();
        view.policies[1]["permission_groups"].as_array_mut().unwrap().reverse();
        view.policies[1]["permission_groups"][0]["name"] = json!("Cache Purge");
        view.policies[0]["id"] = json!("8".repeat(32));
        view.last_used_on = view.issued_on;
    });
    let (_, _, view) = seen(bench.ask(Some(OWNER), bench.read(lease.id)));
    assert!(view.is_some());
    assert_eq!(bench.notices(), []);
}

#[test]
fn the_last_check_of_the_parents_is_kept_over_the_objects_death() {
    let mut bench = Bench::new();
    assert!(matches!(bench.ask(None, Operation::Health), Answer::Health(None)));
    bench.cloud.script(Verb::Check, Script::Refuse(FailureKind::DeadCredential));
    bench.ask(None, Operation::CheckParents(parents()));
    let Answer::Health(Some(health)) = bench.ask(None, Operation::Health) else { panic!() };
    assert_eq!((health.secret, health.failure.unwrap().kind), (None, FailureKind::DeadCredential));
    bench.clock.pass(30);
    bench.ask(None, Operation::CheckParents(parents()));
    bench.restart();
    let Answer::Health(Some(health)) = bench.ask(None, Operation::Health) else { panic!() };
    assert_eq!(
        (health.checked_at, health.secret.as_deref()),
        (bench.clock.now(), Some("CLOUDFLARE_API_TOKEN"))
    );
    assert_eq!(health.failure, None);
}
