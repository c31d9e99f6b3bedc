//! What a ledger does by itself.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Change, Operation};
use brevet_core::ledger::sql::Sql;

use crate::support::{Bench, Script, Stage, Verb, lease_id, parents, renewal};

const OWNER: &str = "client:edge-purger";

/// The calls that delete, among those since they were last taken.
fn deletes(bench: &Bench) -> usize {
    bench.cloud.take_verbs().iter().filter(|verb| **verb == Verb::Delete).count()
}

#[test]
fn a_token_is_deleted_at_its_end_and_not_a_second_before() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.live(3599);
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.lease(1).state, State::Active);
    bench.live(1);
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete]);
    assert!(bench.cloud.tokens().is_empty());
    let lease = bench.lease(1);
    assert_eq!(
        (lease.state, lease.end, lease.ended_on),
        (State::Ended, Some(End::Expired), Some(bench.at(3600)))
    );
    bench.live(100_000);
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.office.book().next_due(), Ok(None));
}

#[test]
fn a_renewed_token_is_deleted_at_its_new_end() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(7200))));
    bench.live(7199);
    assert_eq!(deletes(&bench), 0);
    bench.live(1);
    assert_eq!(deletes(&bench), 1);
}

#[test]
fn an_alarm_that_comes_early_or_twice_deletes_nothing_that_lives() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    for _ in 0..3 {
        pollster::block_on(bench.office.wake());
    }
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.clock.alarm(), Some(bench.at(3600)));
    bench.clock.pass(3600);
    for _ in 0..3 {
        pollster::block_on(bench.office.wake());
    }
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete]);
}

#[test]
fn a_token_whose_end_moved_after_its_errand_was_written_is_left_alone() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.office.book().expect(lease.id, brevet_core::ledger::due::Errand::Delete, bench.at(0)).unwrap();
    pollster::block_on(bench.office.wake());
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.clock.alarm(), Some(bench.at(3600)));
}

#[test]
fn a_revocation_that_cloudflare_failed_is_finished_by_the_alarm() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease.id)), Answer::Failed(_)));
    bench.live(59);
    assert_eq!((bench.lease(1).state, deletes(&bench)), (State::Revoking, 1));
    bench.live(1);
    assert_eq!(deletes(&bench), 1);
    let lease = bench.lease(1);
    assert_eq!(
        (lease.state, lease.end, lease.ended_on),
        (State::Ended, Some(End::Revoked), Some(bench.at(60)))
    );
}

#[test]
fn a_revocation_that_keeps_failing_is_stuck_and_told_of_and_never_given_up() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(1_000_000))));
    for _ in 0..40 {
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    }
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    assert_eq!(bench.notices(), []);
    bench.live(60 + 60 + 120 + 240 + 480 + 960 - 1);
    assert_eq!((bench.lease(1).state, bench.notices()), (State::Revoking, vec![]));
    bench.live(1);
    assert_eq!(bench.lease(1).state, State::Stuck);
    assert_eq!(bench.notices(), [Notice::Stuck { lease: lease.id, tries: 6 }]);
    // From here on an attempt an hour at least.
    bench.live(10 * 3600);
    assert!(bench.notices().len() >= 10);
    bench.cloud.forget_scripts();
    bench.live(3600);
    assert_eq!((bench.lease(1).state, bench.lease(1).end), (State::Ended, Some(End::Revoked)));
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_stuck_lease_can_be_revoked_by_hand_and_not_be_changed() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    for _ in 0..7 {
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    }
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    bench.live(2000);
    let stuck = bench.lease(1);
    assert_eq!(stuck.state, State::Stuck);
    assert!(matches!(bench.ask(Some(OWNER), bench.change(&stuck, Change::Roll)), Answer::Refused(_)));
    assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease.id)), Answer::Lease { .. }));
    assert_eq!(bench.office.book().next_due(), Ok(None));
}

#[test]
fn cloudflare_down_for_the_whole_window_leaves_nothing_behind() {
    let bench = Bench::new();
    for number in 1..=9 {
        bench.minted(number, OWNER);
    }
    for _ in 0..1000 {
        bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::Unavailable));
    }
    bench.live(86_400);
    assert_eq!(bench.cloud.tokens().len(), 9);
    assert!(deletes(&bench) < 9 * 40);
    bench.cloud.forget_scripts();
    bench.live(3600);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_limit_stops_everything_that_is_due_for_as_long_as_cloudflare_says() {
    let bench = Bench::new();
    for number in 1..=40 {
        bench.minted(number, OWNER);
    }
    bench.cloud.script(Verb::Delete, Script::Refuse(FailureKind::RateLimited));
    bench.live(3600 + 59);
    // Those that went out together, and not one more.
    assert_eq!(deletes(&bench), 4);
    bench.live(60);
    assert_eq!(deletes(&bench), 37);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn more_than_one_alarm_takes_are_all_deleted() {
    let bench = Bench::new();
    for number in 1..=250 {
        bench.minted(number, OWNER);
    }
    bench.live(3603);
    assert!(bench.cloud.tokens().is_empty());
    assert_eq!(deletes(&bench), 250);
}

#[test]
fn a_create_whose_answer_was_lost_is_cleaned_up_by_the_alarm() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::LoseAnswer);
    bench.cloud.script(Verb::Find, Script::Refuse(FailureKind::Unavailable));
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    assert_eq!((bench.lease(1).state, bench.cloud.tokens().len()), (State::Pending, 1));
    bench.live(60);
    assert!(bench.cloud.tokens().is_empty());
    assert_eq!((bench.lease(1).state, bench.lease(1).end), (State::Ended, Some(End::NeverCreated)));
}

#[test]
fn a_create_that_is_carried_out_late_is_found_within_its_time() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Late);
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.live(600);
    assert_eq!(bench.lease(1).state, State::Pending);
    assert!(bench.cloud.carry_out_adrift());
    bench.live(60);
    assert!(bench.cloud.tokens().is_empty());
    assert_eq!(bench.lease(1).state, State::Ended);
}

#[test]
fn a_create_that_left_nothing_is_given_up_by_the_alarm() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::LoseCall);
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.live(899);
    assert_eq!(bench.lease(1).state, State::Pending);
    bench.live(61);
    assert_eq!((bench.lease(1).state, bench.lease(1).end), (State::Ended, Some(End::NeverCreated)));
    assert_eq!(bench.office.book().next_due(), Ok(None));
}

#[test]
fn an_object_that_died_between_intent_and_answer_cleans_up_when_it_is_back() {
    for stage in [Stage::BeforeWork, Stage::BeforeAnswer] {
        let mut bench = Bench::new();
        let barrier = bench.cloud.hold(Verb::Create, stage);
        let task = bench.start(Some(OWNER), bench.create(1, OWNER));
        assert!(barrier.is_reached());
        drop(task);
        // The alarm was lost with the object.
        bench.clock.take_alarm();
        bench.restart();
        bench.cloud.sink_adrift();
        bench.live(1000);
        assert!(bench.cloud.tokens().is_empty());
        assert_eq!((bench.lease(1).state, bench.lease(1).end), (State::Ended, Some(End::NeverCreated)));
    }
}

#[test]
fn the_alarm_leaves_a_create_under_way_alone() {
    let bench = Bench::new();
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    bench.cloud.take_calls();
    bench.live(300);
    assert_eq!(bench.cloud.take_verbs(), []);
    barrier.release();
    assert!(matches!(task.end(), Answer::Valued { .. }));
    assert_eq!(bench.clock.alarm().map(|at| at <= bench.at(3600)), Some(true));
    bench.live(3600);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_lost_alarm_is_set_again_by_the_next_tick_of_the_cron() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.clock.pass(3500);
    bench.clock.lose_alarm();
    bench.ask(None, Operation::CheckParents(parents()));
    assert_eq!(bench.clock.alarm(), Some(bench.at(3600)));
}

#[test]
fn an_alarm_that_meets_a_failing_database_comes_again() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.clock.pass(3600);
    bench.clock.take_alarm();
    bench.sql.fail("UPDATE lease", 1);
    pollster::block_on(bench.office.wake());
    assert!(matches!(bench.notices()[..], [Notice::Database(_)]));
    assert_eq!(bench.cloud.take_verbs(), []);
    bench.live(60);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn an_errand_that_cannot_be_done_does_not_keep_the_others_waiting() {
    let bench = Bench::new();
    for number in 1..=8 {
        bench.minted(number, OWNER);
    }
    bench
        .sql
        .run("UPDATE lease SET revision = 9, body = '{}' WHERE id = ?", &[lease_id(3).as_str().into()])
        .unwrap();
    bench.live(3600);
    assert_eq!(bench.cloud.tokens().len(), 1);
    assert!(matches!(bench.notices()[..], [Notice::Database(_)]));
}
