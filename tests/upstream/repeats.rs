//! Rolls, updates and deletes: they may be repeated, for only the last one counts.

use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, When};
use pollster::block_on;
use serde_json::json;

use crate::stage::{Stage, account, assert_told, one, spec, two};

fn server_error(when: When) -> Effect {
    Effect::Status {
        status: 500,
        code: 10_001,
        message: "Internal error".to_owned(),
        headers: [].into(),
        when,
    }
}

#[test]
fn a_roll_whose_answer_was_lost_is_repeated_and_the_last_value_lives() {
    for effect in [
        Effect::Drop { when: When::After },
        Effect::Latency { ms: 60_000, when: When::After },
        Effect::Html { status: 502, when: When::After },
        server_error(When::After),
        Effect::Truncate { bytes: 30 },
    ] {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        stage.fault("PUT", "/value", 1, effect.clone());
        let value = block_on(stage.upstream().roll(account(), &one(), id)).unwrap();
        assert_eq!(stage.count("PUT"), 2, "{effect:?}");
        let verified = block_on(stage.upstream().verify(account(), &value)).unwrap();
        assert_eq!(verified.map(|verified| verified.id), Some(id), "{effect:?}");
        stage.assert_clean();
    }
}

#[test]
fn a_roll_that_never_answers_is_uncertain() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("PUT", "/value", 100, Effect::Drop { when: When::After });
    let failure = block_on(stage.upstream().roll(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    assert_told(&failure);
}

#[test]
fn a_roll_stays_uncertain_when_its_repeat_is_limited() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("PUT", "/value", 1, Effect::Drop { when: When::After });
    stage.fault("PUT", "/value", 1, Effect::RateLimited { retry_after: 120 });
    let failure = block_on(stage.upstream().roll(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Uncertain, Some(120)));
    assert_told(&failure);
}

#[test]
fn a_roll_stays_uncertain_when_the_parent_dies_between_its_tries() {
    let dead = || Effect::Status {
        status: 403,
        code: 9109,
        message: "Invalid access token".to_owned(),
        headers: [].into(),
        when: When::Before,
    };
    for last in [dead(), Effect::RateLimited { retry_after: 120 }] {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        for effect in [Effect::Drop { when: When::After }, dead(), last] {
            stage.fault("PUT", "/value", 1, effect);
        }
        let failure = block_on(stage.upstream().roll(account(), &two(), id)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
        assert!(failure.cause.contains("whether the change was made is unknown"), "{failure}");
        assert_told(&failure);
        assert_eq!(stage.count("PUT"), 3);
    }
    // And where the successor succeeds, that is the end of it.
    let stage = Stage::new();
    let id = stage.seed_token("a");
    for effect in [Effect::Drop { when: When::After }, dead()] {
        stage.fault("PUT", "/value", 1, effect);
    }
    let value = block_on(stage.upstream().roll(account(), &two(), id)).unwrap();
    assert_eq!(block_on(stage.upstream().verify(account(), &value)).unwrap().map(|v| v.id), Some(id));
}

#[test]
fn a_roll_that_surely_never_left_is_certain() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.unreachable.set(u32::MAX);
    let failure = block_on(stage.upstream().roll(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
}

#[test]
fn a_roll_of_a_token_that_is_gone_says_so() {
    let stage = Stage::new();
    let gone = "ffffffffffffffffffffffffffffffff".parse().unwrap();
    let failure = block_on(stage.upstream().roll(account(), &one(), gone)).unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::NotFound, Some(404)));
    assert_told(&failure);
    assert_eq!(stage.count("PUT"), 1);
}

#[test]
fn a_token_that_is_gone_is_gone_whatever_an_earlier_try_did() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("PUT", "", 1, Effect::Drop { when: When::After });
    let gone = Effect::Status {
        status: 404,
        code: 1003,
        message: "Token not found".to_owned(),
        headers: [].into(),
        when: When::Before,
    };
    stage.fault("PUT", "", 1, gone);
    let failure = block_on(stage.upstream().update(account(), &one(), id, &spec("b"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert_eq!(stage.count("PUT"), 2);
}

#[test]
fn an_update_replaces_everything_and_may_be_repeated() {
    let stage = Stage::new();
    let id = stage.seed_token("before");
    stage.fault("PUT", "", 1, server_error(When::After));
    let mut wanted = spec("after");
    wanted.disabled = true;
    wanted.condition = Some(json!({"request_ip": {"not_in": ["192.0.2.7/32"]}}));
    let view = block_on(stage.upstream().update(account(), &one(), id, &wanted)).unwrap();
    assert_eq!((view.name.as_str(), view.status.as_str()), ("after", "disabled"));
    assert_eq!((view.condition, view.expires_on), (wanted.condition, Some(wanted.expires_on)));
    assert_eq!(stage.count("PUT"), 2);
    let body = stage.fake.calls().pop().unwrap().body.unwrap();
    assert_eq!(body["expires_on"], wanted.expires_on.to_string());
    assert_eq!(body["status"], "disabled");
}

#[test]
fn a_delete_takes_404_as_done() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    block_on(stage.upstream().delete(account(), &one(), id)).unwrap();
    block_on(stage.upstream().delete(account(), &one(), id)).unwrap();
    assert_eq!(stage.arrived("DELETE").iter().map(|call| call.0).collect::<Vec<_>>(), [Some(200), Some(404)]);
    assert_eq!(stage.minted().len(), 0);
}

#[test]
fn a_delete_whose_answer_was_lost_is_repeated_and_done() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("DELETE", "", 1, Effect::Drop { when: When::After });
    block_on(stage.upstream().delete(account(), &one(), id)).unwrap();
    assert_eq!(stage.arrived("DELETE").iter().map(|call| call.0).collect::<Vec<_>>(), [None, Some(404)]);
}

#[test]
fn a_delete_that_never_gets_through_is_not_done() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("DELETE", "", 100, server_error(When::Before));
    let failure = block_on(stage.upstream().delete(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    assert_told(&failure);
    assert_eq!(stage.minted().len(), 1);
}
