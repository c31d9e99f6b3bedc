//! Reads: deadlines, repeats, backoff.

use brevet::upstream::{CALL_DEADLINE_MS, MAX_TRIES, OPERATION_DEADLINE_MS, TransportError};
use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, When};
use pollster::block_on;

use crate::stage::{Stage, account, assert_told, one};

fn server_error() -> Effect {
    Effect::Status {
        status: 502,
        code: 10_001,
        message: "Internal error".to_owned(),
        headers: [].into(),
        when: When::Before,
    }
}

#[test]
fn a_read_that_meets_two_server_errors_gets_its_answer() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 2, server_error());
    stage.chance.borrow_mut().extend([150, 399]);
    let view = block_on(stage.upstream().read(account(), &one(), id)).unwrap().unwrap();
    assert_eq!((view.id, view.name.as_str(), view.status.as_str()), (id, "a", "active"));
    assert_eq!(stage.count("GET"), 3);
    assert_eq!(stage.waits(), [150, 399]);
}

#[test]
fn a_read_gives_up_after_its_last_try() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, server_error());
    stage.chance.borrow_mut().extend([u32::MAX; 10]);
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(
        (failure.kind, failure.status, failure.code),
        (FailureKind::Unavailable, Some(502), Some(10_001))
    );
    assert_eq!(failure.retry_after, None);
    assert_told(&failure);
    assert_eq!(stage.count("GET"), usize::try_from(MAX_TRIES).unwrap());
}

#[test]
fn pauses_have_full_jitter_under_a_doubling_ceiling() {
    let mut seen = Vec::new();
    for round in 0_u32..200 {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        stage.fault("GET", "", 100, Effect::Reset);
        let draws = (0_u32..10).map(|n| (round * 10 + n).wrapping_mul(2_654_435_761));
        stage.chance.borrow_mut().extend(draws);
        block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
        seen.push(stage.waits());
    }
    for (index, ceiling) in [200, 400, 800, 1_600, 3_200].into_iter().enumerate() {
        let at = || seen.iter().map(|waits| waits[index]);
        assert!(at().max() <= Some(ceiling), "{index}");
        assert!(at().max() > Some(ceiling * 9 / 10), "the upper end is reached: {index}");
        assert!(at().min() < Some(ceiling / 10), "the lower end is reached: {index}");
    }
}

#[test]
fn an_answer_that_takes_longer_than_a_call_may_is_cut_off_and_asked_for_again() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::Latency { ms: 60_000, when: When::Before });
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.elapsed_ms(), i64::from(CALL_DEADLINE_MS));
    assert_eq!(stage.count("GET"), 2);
}

#[test]
fn a_slow_body_counts_against_the_deadline_too() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::SlowBody { ms: 60_000 });
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.elapsed_ms(), i64::from(CALL_DEADLINE_MS));
}

#[test]
fn an_operation_ends_at_its_deadline_whatever_cloudflare_does() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, Effect::Latency { ms: 60_000, when: When::Before });
    stage.chance.borrow_mut().extend([200, 400]);
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Unavailable, None));
    assert!(failure.cause.contains("10 s"), "{failure}");
    assert_told(&failure);
    let deadlines: Vec<u32> = stage.sent.borrow().iter().map(|sent| sent.deadline_ms).collect();
    assert_eq!(
        deadlines,
        [CALL_DEADLINE_MS, CALL_DEADLINE_MS, OPERATION_DEADLINE_MS - 2 * CALL_DEADLINE_MS - 600]
    );
    assert_eq!(stage.elapsed_ms(), i64::from(OPERATION_DEADLINE_MS));
}

#[test]
fn a_broken_connection_and_one_that_never_came_about_are_tried_again() {
    for effect in [Effect::Reset, Effect::Drop { when: When::After }, Effect::Truncate { bytes: 20 }] {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        stage.fault("GET", "", 1, effect.clone());
        stage.unreachable.set(1);
        assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some(), "{effect:?}");
        assert_eq!(stage.sent.borrow().len(), 3, "{effect:?}");
        assert_eq!(stage.count("GET"), 2, "{effect:?}");
    }
}

#[test]
fn an_api_that_cannot_be_reached_is_named_as_such() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.unreachable.set(u32::MAX);
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.cause.contains(&TransportError::NotSent.to_string()), "{failure}");
    assert_told(&failure);
    assert_eq!(stage.count("GET"), 0);
}

#[test]
fn a_garbled_success_is_asked_for_again() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let garbage = |body: &str| Effect::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: [].into(),
        when: When::After,
    };
    stage.fault("GET", "", 1, garbage("{\"success\":true,\"result\""));
    stage.fault("GET", "", 1, garbage("{}"));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.count("GET"), 3);
}

#[test]
fn a_503_with_retry_after_is_waited_for() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let busy = |seconds: &str| Effect::Status {
        status: 503,
        code: 10_001,
        message: "Busy".to_owned(),
        headers: [("retry-after".to_owned(), seconds.to_owned())].into(),
        when: When::Before,
    };
    stage.fault("GET", "", 1, busy("3"));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.waits(), [3_000]);
    // Longer than the operation may take: told at once, and no circuit opens.
    stage.fault("GET", "", 1, busy("100"));
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Unavailable, Some(100)));
    assert_eq!(stage.waits(), [3_000]);
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
}

#[test]
fn a_refusal_is_not_asked_for_again() {
    let stage = Stage::new();
    let gone = "ffffffffffffffffffffffffffffffff".parse().unwrap();
    assert_eq!(block_on(stage.upstream().read(account(), &one(), gone)).unwrap(), None);
    assert_eq!(stage.count("GET"), 1);
    assert_eq!(stage.waits(), [0_u32; 0]);
}
