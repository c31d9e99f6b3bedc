//! Rate limits and the circuit.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use brevet::upstream::{
    CALLS, KEPT_FOR_DELETES, MAX_BLOCK_MS, MAX_TRIES, SILENT_BLOCK_SECONDS, TIMER_SLACK_MS, WINDOW_MS,
};
use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, MAIN_ACCOUNT, Owner};
use pollster::block_on;

use crate::stage::{START_MS, Stage, account, assert_told, of_user, one, spec, user};

fn limited(headers: &[(&str, &str)]) -> Effect {
    Effect::Status {
        status: 429,
        code: 971,
        message: "Please wait and consider throttling your request speed".to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        when: fake_cloudflare::When::Before,
    }
}

#[test]
fn a_short_limit_is_waited_out_to_the_second() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 5 });
    stage.chance.borrow_mut().push_back(123);
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.waits(), [5_123 + TIMER_SLACK_MS]);
}

#[test]
fn a_timer_that_fires_a_moment_early_does_not_find_its_own_circuit_open() {
    let stage = Rc::new(Stage::new());
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 5 });
    let inner = Rc::downgrade(&stage);
    *stage.during_wait.borrow_mut() = Some(Box::new(move || inner.upgrade().unwrap().pass_ms(-9)));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    *stage.during_wait.borrow_mut() = None;
}

#[test]
fn the_ratelimit_header_is_honoured_where_retry_after_is_missing() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, limited(&[("ratelimit", "\"default\";r=0;t=9")]));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    assert_eq!(stage.waits(), [9_000 + TIMER_SLACK_MS]);
}

#[test]
fn while_one_caller_waits_all_others_are_told_at_once() {
    let stage = Rc::new(Stage::new());
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 5 });
    let told = Rc::new(RefCell::new(Vec::new()));
    let (inner, heard) = (Rc::downgrade(&stage), Rc::clone(&told));
    *stage.during_wait.borrow_mut() = Some(Box::new(move || {
        let stage = inner.upgrade().unwrap();
        heard
            .borrow_mut()
            .push(block_on(stage.upstream().create(account(), &one(), &spec("b"))).unwrap_err());
    }));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    let told = told.borrow();
    let [failure] = &told[..] else { panic!("{told:?}") };
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(5)));
    assert_eq!(stage.count("POST"), 0);
    *stage.during_wait.borrow_mut() = None;
}

#[test]
fn a_call_that_was_under_way_when_another_met_the_limit_does_not_wait_too() {
    let stage = Rc::new(Stage::new());
    stage.fault("POST", "", 1, Effect::RateLimited { retry_after: 5 });
    let (inner, calls) = (Rc::downgrade(&stage), Cell::new(0));
    let first = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&first);
    *stage.before_call.borrow_mut() = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        // On the way of the first one a second leaves, and its limit is a long one.
        if calls.get() == 1 {
            let stage = inner.upgrade().unwrap();
            stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 120 });
            let met = block_on(stage.upstream().find_by_name(account(), &one(), "b")).unwrap_err();
            *kept.borrow_mut() = Some(met.retry_after);
        }
    }));
    let failure = block_on(stage.upstream().create(account(), &one(), &spec("a"))).unwrap_err();
    *stage.before_call.borrow_mut() = None;
    assert_eq!(*first.borrow(), Some(Some(120)));
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(120)));
    assert_eq!((stage.waits(), stage.elapsed_ms()), (vec![], 0));
    assert_eq!(stage.count("POST"), 1, "and it is not sent again");
}

#[test]
fn a_retry_after_beyond_the_deadline_is_told_at_once() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 120 });
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(
        (failure.kind, failure.status, failure.code),
        (FailureKind::RateLimited, Some(429), Some(971))
    );
    assert_eq!(failure.retry_after, Some(120));
    assert!(failure.cause.contains("120 s") && failure.hint.contains("120 s"), "{failure}");
    assert_told(&failure);
    assert_eq!((stage.waits(), stage.elapsed_ms()), (vec![], 0));
    assert_eq!(stage.count("GET"), 1);
}

#[test]
fn the_circuit_opens_for_every_operation_of_the_owner_and_closes_at_its_moment() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 120 });
    block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    stage.pass_ms(60_500);
    assert_eq!(stage.circuits.open_for_ms(account(), stage.clock_ms.get()), Some(59_500));
    let cloudflare = stage.upstream();
    let failures = [
        block_on(cloudflare.create(account(), &one(), &spec("b"))).unwrap_err(),
        block_on(cloudflare.update(account(), &one(), id, &spec("b"))).unwrap_err(),
        block_on(cloudflare.roll(account(), &one(), id)).unwrap_err(),
        block_on(cloudflare.delete(account(), &one(), id)).unwrap_err(),
        block_on(cloudflare.read(account(), &one(), id)).unwrap_err(),
        block_on(cloudflare.find_by_name(account(), &one(), "a")).unwrap_err(),
        block_on(cloudflare.check_parents(account(), &one())).unwrap_err(),
        block_on(cloudflare.permission_groups(account(), &one())).unwrap_err(),
    ];
    for failure in &failures {
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(60)), "{failure}");
        assert_told(failure);
    }
    assert_eq!(stage.fake.calls().len(), 1, "nothing was sent while the circuit was open");
    assert_eq!(stage.waits(), [0_u32; 0]);
    // It closes by itself.
    stage.clock_ms.set(START_MS + 120_000);
    assert!(block_on(cloudflare.read(account(), &one(), id)).unwrap().is_some());
}

#[test]
fn the_circuit_of_one_owner_leaves_the_others_alone() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::RateLimited { retry_after: 120 });
    block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    block_on(stage.upstream().create(user(), &of_user(), &spec("b"))).unwrap();
}

#[test]
fn a_limit_without_a_time_is_backed_off_from_and_then_opens_the_circuit() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, limited(&[]));
    stage.chance.borrow_mut().extend([200, 400, 800, 1_600, 3_200]);
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(SILENT_BLOCK_SECONDS)));
    assert_eq!(stage.waits(), [200, 400, 800, 1_600, 3_200].map(|pause| pause + TIMER_SLACK_MS));
    assert_eq!(stage.count("GET"), usize::try_from(MAX_TRIES).unwrap());
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.retry_after, Some(SILENT_BLOCK_SECONDS));
    assert_eq!(stage.count("GET"), usize::try_from(MAX_TRIES).unwrap());
}

#[test]
fn a_mistaken_header_does_not_shut_the_api_off_for_days() {
    for header in ["86400", "99999999999999999999"] {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        stage.fault("GET", "", 1, limited(&[("retry-after", header)]));
        let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
        assert_eq!(failure.retry_after, Some(MAX_BLOCK_MS / 1_000));
        stage.pass_ms(i64::from(MAX_BLOCK_MS));
        assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    }
}

#[test]
fn a_retry_after_of_nothing_does_not_hammer() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, limited(&[("retry-after", "0")]));
    stage.chance.borrow_mut().extend([200, 400, 800, 1_600, 3_200]);
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.retry_after, Some(1));
    assert_eq!(stage.count("GET"), usize::try_from(MAX_TRIES).unwrap());
    assert_eq!(stage.waits(), [200, 400, 800, 1_600, 3_200].map(|pause| pause + TIMER_SLACK_MS));
}

#[test]
fn a_real_block_of_cloudflares_costs_one_call_and_ends_by_itself() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fake.change_settings(|settings| settings.rate_limit = 3);
    for _ in 0..3 {
        block_on(stage.upstream().read(account(), &one(), id)).unwrap();
    }
    for _ in 0..50 {
        let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::RateLimited);
    }
    assert_eq!(stage.count("GET"), 4);
    let left = stage.circuits.open_for_ms(account(), stage.clock_ms.get()).unwrap();
    stage.pass_ms(i64::from(left));
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
}

#[test]
fn a_strangers_limited_token_does_not_open_the_owners_circuit() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let (_, value) = stage.seed_for(&Owner::Account(MAIN_ACCOUNT.to_owned()), "stranger");
    stage.fault("GET", "/verify", 1, Effect::RateLimited { retry_after: 120 });
    for _ in 0..3 {
        let failure = block_on(stage.upstream().verify(account(), &value)).unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(120)));
        assert_told(&failure);
    }
    assert_eq!(stage.count("GET"), 1, "the same value is not sent again while it is limited");
    assert!(block_on(stage.upstream().read(account(), &one(), id)).unwrap().is_some());
    // And another value is not held back by it.
    let (other, value) = stage.seed_for(&Owner::Account(MAIN_ACCOUNT.to_owned()), "other");
    assert_eq!(block_on(stage.upstream().verify(account(), &value)).unwrap().map(|v| v.id), Some(other));
}

#[test]
fn no_more_is_sent_than_cloudflare_takes_and_the_last_of_it_is_kept_for_deletes() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let cloudflare = stage.upstream();
    for _ in 0..CALLS - KEPT_FOR_DELETES {
        block_on(cloudflare.read(account(), &one(), id)).unwrap();
    }
    assert_eq!(cloudflare.allowance(account()).left, 0);
    for failure in [
        block_on(cloudflare.read(account(), &one(), id)).unwrap_err(),
        block_on(cloudflare.create(account(), &one(), &spec("b"))).unwrap_err(),
        block_on(cloudflare.roll(account(), &one(), id)).unwrap_err(),
        block_on(cloudflare.update(account(), &one(), id, &spec("b"))).unwrap_err(),
    ] {
        assert_eq!(failure.kind, FailureKind::RateLimited, "{failure}");
        assert!(failure.retry_after.is_some_and(|wait| (1..=330).contains(&wait)), "{failure}");
        assert_told(&failure);
    }
    let sent = stage.fake.calls().len();
    assert_eq!(sent, usize::try_from(CALLS - KEPT_FOR_DELETES).unwrap());
    for _ in 0..KEPT_FOR_DELETES {
        block_on(cloudflare.delete(account(), &one(), id)).unwrap();
    }
    let failure = block_on(cloudflare.delete(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::RateLimited);
    assert_eq!(stage.fake.calls().len(), usize::try_from(CALLS).unwrap());
    // Another owner's parent has its own.
    block_on(cloudflare.create(user(), &of_user(), &spec("b"))).unwrap();
    stage.pass_ms(i64::from(WINDOW_MS) + 30_000);
    block_on(cloudflare.create(account(), &one(), &spec("b"))).unwrap();
}
