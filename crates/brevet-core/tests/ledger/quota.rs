//! How many tokens a ledger makes, and how many calls one caller gets.

use brevet_core::cloudflare::{Failure, FailureKind};
use brevet_core::ledger::book::LeaseKey;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::office::{Clock, MOST_OPERATIONS, OF_A_USER};
use brevet_core::ledger::protocol::{Answer, Operation};

use crate::support::{Bench, Script, Stage, Verb, lease_id, renewal};

const OWNER: &str = "client:edge-purger";

/// The create of this number under a grant, or under none as an operator's.
fn create(bench: &Bench, number: u8, grant: Option<&str>) -> Operation {
    let mut operation = bench.create(number, OWNER);
    let Operation::Create { lease, .. } = &mut operation else { unreachable!() };
    lease.grant = grant.map(str::to_owned);
    operation
}

#[track_caller]
fn makes(bench: &Bench, numbers: std::ops::RangeInclusive<u8>, grant: Option<&str>) {
    for number in numbers {
        let answer = bench.ask(Some(OWNER), create(bench, number, grant));
        assert!(matches!(answer, Answer::Valued { .. }), "{number}: {answer:?}");
    }
    bench.cloud.take_calls();
}

/// Asks, and wants a refusal that names these numbers, no create, and nothing written.
#[track_caller]
fn is_full(bench: &Bench, number: u8, grant: Option<&str>, says: &[&str]) -> Failure {
    let before = bench.sql.dump();
    let answer = bench.ask(Some(OWNER), create(bench, number, grant));
    let Answer::Failed(failure) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.kind, FailureKind::Quota);
    assert!(says.iter().all(|text| failure.cause.contains(text)), "{failure}");
    assert_eq!((bench.cloud.take_calls(), bench.sql.dump()), (vec![], before));
    failure
}

#[test]
fn one_grant_leaves_a_fifth_to_the_others_and_all_of_them_a_tenth_to_operators() {
    let bench = Bench::of_a_user();
    makes(&bench, 1..=40, Some("busy"));
    let failure = is_full(&bench, 41, Some("busy"), &["busy", "40", "50"]);
    assert_eq!(failure.retry_after, Some(3_600));
    makes(&bench, 41..=45, Some("other"));
    is_full(&bench, 46, Some("other"), &["45 of the 50"]);
    is_full(&bench, 46, Some("third"), &["45 of the 50"]);
    makes(&bench, 46..=50, None);
    is_full(&bench, 51, None, &["50 of the 50"]);
    assert_eq!(bench.cloud.tokens().len(), usize::try_from(OF_A_USER).unwrap());
    bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
    makes(&bench, 51..=51, None);
}

#[test]
fn leases_are_counted_when_it_matters_and_not_with_each_mint_beside_many() {
    let bench = Bench::of_a_user();
    let counts = || bench.sql.take_statements().iter().filter(|text| text.contains("count(*)")).count();
    assert_eq!(counts(), 0);
    makes(&bench, 1..=20, Some("busy"));
    makes(&bench, 21..=40, Some("other"));
    assert_eq!(counts(), 1);
    // Now it is near, which is told.
    makes(&bench, 41..=45, Some("third"));
    assert_eq!(counts(), 1);
    is_full(&bench, 46, Some("third"), &["45 of the 50"]);
    assert_eq!(counts(), 1);
}

#[test]
fn an_account_has_ten_times_the_room_of_a_user() {
    let bench = Bench::new();
    makes(&bench, 1..=60, Some("busy"));
}

#[test]
fn a_refusal_tells_when_the_next_token_ends() {
    let bench = Bench::of_a_user();
    makes(&bench, 1..=40, Some("busy"));
    bench.clock.pass(3_540);
    assert_eq!(is_full(&bench, 41, Some("busy"), &[]).retry_after, Some(60));
}

#[test]
fn creates_under_way_have_their_place() {
    let bench = Bench::of_a_user();
    makes(&bench, 1..=39, Some("busy"));
    for (number, stage) in (40..).zip([Stage::BeforeWork, Stage::BeforeAnswer]) {
        let barrier = bench.cloud.hold(Verb::Create, stage);
        let task = bench.start(Some(OWNER), create(&bench, number, Some("busy")));
        bench.cloud.take_calls();
        is_full(&bench, 50, Some("busy"), &["40"]);
        barrier.release();
        assert!(matches!(task.end(), Answer::Valued { .. }));
        bench.ask(Some(OWNER), bench.revoke(lease_id(number)));
        bench.cloud.take_calls();
    }
}

#[test]
fn tokens_whose_time_is_up_are_deleted_before_anybody_is_refused() {
    let bench = Bench::of_a_user();
    makes(&bench, 1..=40, Some("busy"));
    makes(&bench, 41..=45, Some("other"));
    // The alarm did not go off: they are still at Cloudflare.
    bench.clock.pass(3_601);
    let answer = bench.ask(Some(OWNER), create(&bench, 50, Some("busy")));
    assert!(matches!(answer, Answer::Valued { .. }), "{answer:?}");
    assert_eq!(
        bench.cloud.take_verbs(),
        [Verb::Delete, Verb::Delete, Verb::Delete, Verb::Delete, Verb::Create]
    );
    assert_eq!(bench.cloud.tokens().len(), 42);
    assert_eq!(bench.lease(1).end, Some(End::Expired));
    bench.live(60);
    assert_eq!(bench.cloud.tokens().len(), 1);
}

#[test]
fn refuses_where_nothing_could_be_deleted() {
    let bench = Bench::of_a_user();
    makes(&bench, 1..=40, Some("busy"));
    makes(&bench, 41..=45, Some("other"));
    bench.clock.pass(3_601);
    for _ in 0..4 {
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    }
    let answer = bench.ask(Some(OWNER), create(&bench, 50, Some("busy")));
    assert!(matches!(&answer, Answer::Failed(failure) if failure.kind == FailureKind::Quota), "{answer:?}");
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete; 4]);
    assert!(bench.row(lease_id(50)).is_none());
}

#[test]
fn one_caller_does_not_use_up_the_calls_of_all() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let limited = |owner: &str, operation| {
        let before = bench.sql.dump();
        let answer = bench.ask(Some(owner), operation);
        let Answer::Failed(failure) = answer else { return false };
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(300)));
        assert_eq!((bench.cloud.take_calls(), bench.sql.dump()), (vec![], before));
        true
    };
    // The window begins anew at its next multiple.
    let rest = bench.clock.now().unix().rem_euclid(300);
    bench.clock.pass(u32::try_from(300 - rest).unwrap());
    for _ in 0..MOST_OPERATIONS {
        assert!(!limited(OWNER, bench.read(lease.id)));
    }
    bench.cloud.take_calls();
    assert!(limited(OWNER, bench.read(lease.id)));
    assert!(limited(OWNER, bench.create(2, OWNER)));
    assert!(limited(OWNER, bench.change(&lease, renewal(bench.at(5_000)))));
    assert!(!limited("client:other", bench.create(3, "client:other")));
    // What costs no call, and what ends a token, is never limited.
    let listed = Operation::Read { key: LeaseKey::Lease(lease.id), ask_cloudflare: None };
    assert!(!limited(OWNER, listed));
    assert!(!limited(OWNER, bench.revoke(lease.id)));
    assert_eq!(bench.lease(1).state, State::Ended);
    bench.clock.pass(300);
    assert!(!limited(OWNER, bench.create(2, OWNER)));
}

#[test]
fn the_runs_of_one_workload_are_one_caller() {
    let bench = Bench::new();
    for run in 0..MOST_OPERATIONS {
        let owner = format!("oidc:github:deploy:{run}");
        bench.ask(Some(&owner), bench.read(lease_id(1)));
    }
    let answer = bench.ask(Some("oidc:github:deploy:new"), bench.read(lease_id(1)));
    assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    let answer = bench.ask(Some("oidc:github:publish:new"), bench.read(lease_id(1)));
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}
