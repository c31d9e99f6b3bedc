//! Verifying a presented value: the bearer is the token under test.

use brevet_core::cloudflare::{Cloudflare, FailureKind};
use brevet_core::secret::Secret;
use fake_cloudflare::{Effect, MAIN_ACCOUNT, Owner, USER, When};
use pollster::block_on;
use serde_json::json;

use crate::stage::{Stage, account, assert_told, user};

fn of_account() -> Owner {
    Owner::Account(MAIN_ACCOUNT.to_owned())
}

#[test]
fn a_live_token_is_known_by_its_id_and_end() {
    let stage = Stage::new();
    let (id, value) = stage.seed_for(&of_account(), "a");
    let verified = block_on(stage.upstream().verify(account(), &value)).unwrap().unwrap();
    assert_eq!((verified.id, verified.status.as_str()), (id, "active"));
    assert_eq!(verified.expires_on.map(|end| end.unix()), Some(stage.now() + 3_600));
    // With nothing but the token itself, and no secret was even asked for.
    let sent = stage.sent.borrow();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].line, format!("GET /accounts/{MAIN_ACCOUNT}/tokens/verify"));
    assert_eq!(sent[0].authorization, format!("Bearer {}", value.expose()));
    assert!(stage.asked.borrow().is_empty());
}

#[test]
fn a_success_message_with_code_10000_is_no_error() {
    let stage = Stage::new();
    assert!(stage.fake.settings().verify_message);
    let (id, value) = stage.seed_for(&Owner::User(USER.to_owned()), "a");
    let verified = block_on(stage.upstream().verify(user(), &value)).unwrap();
    assert_eq!(verified.map(|verified| verified.id), Some(id));
    assert_eq!(stage.lines(), ["GET /user/tokens/verify"]);
}

#[test]
fn a_dead_an_unknown_and_an_other_familys_token_are_not_known() {
    let stage = Stage::new();
    let (id, dead) = stage.seed_for(&of_account(), "a");
    stage.fake.remove_token(id.as_str());
    let (_, users) = stage.seed_for(&Owner::User(USER.to_owned()), "b");
    let (_, accounts) = stage.seed_for(&of_account(), "c");
    let unknown = Secret::new(format!("cfat_{}", "x".repeat(48)));
    assert_eq!(block_on(stage.upstream().verify(account(), &dead)).unwrap(), None);
    assert_eq!(block_on(stage.upstream().verify(account(), &unknown)).unwrap(), None);
    assert_eq!(block_on(stage.upstream().verify(account(), &users)).unwrap(), None);
    assert_eq!(block_on(stage.upstream().verify(user(), &accounts)).unwrap(), None);
    assert_eq!(stage.count("GET"), 4);
    assert_eq!(stage.waits(), [0_u32; 0]);
}

#[test]
fn a_rolled_value_is_dead() {
    let stage = Stage::new();
    let (id, old) = stage.seed_for(&of_account(), "a");
    let new = block_on(stage.upstream().roll(account(), &crate::stage::one(), id)).unwrap();
    assert_eq!(block_on(stage.upstream().verify(account(), &old)).unwrap(), None);
    assert!(block_on(stage.upstream().verify(account(), &new)).unwrap().is_some());
}

#[test]
fn a_status_other_than_active_is_passed_on_as_it_is() {
    let stage = Stage::new();
    let (id, value) = stage.seed_for(&of_account(), "a");
    stage.fake.alter(id.as_str(), &json!({"status": "disabled"}), stage.now()).unwrap();
    let verified = block_on(stage.upstream().verify(account(), &value)).unwrap().unwrap();
    assert_eq!(verified.status, "disabled");
}

#[test]
fn what_cannot_be_a_token_is_not_sent() {
    let stage = Stage::new();
    for value in [
        "",
        "short",
        "Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        &"a\r\nX-Evil: 1".repeat(4),
        &"a".repeat(10_000),
    ] {
        assert_eq!(
            block_on(stage.upstream().verify(account(), &Secret::new(value.to_owned()))).unwrap(),
            None
        );
    }
    assert_eq!(stage.sent.borrow().len(), 0);
}

#[test]
fn a_condition_that_keeps_brevet_out_is_neither_alive_nor_dead() {
    let stage = Stage::new();
    let (_, value) = stage.seed_for(&of_account(), "a");
    stage.fault(
        "GET",
        "",
        1,
        Effect::Status {
            status: 403,
            code: 9109,
            message: "Cannot use the access token from location: 192.0.2.1".to_owned(),
            headers: [].into(),
            when: When::Before,
        },
    );
    let failure = block_on(stage.upstream().verify(account(), &value)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::IpCondition);
    assert!(failure.cause.contains("the presented token"), "{failure}");
    assert_told(&failure);
}

#[test]
fn a_failing_cloudflare_says_nothing_of_a_token() {
    for (effect, kind) in [
        (Effect::Html { status: 503, when: When::Before }, FailureKind::Unavailable),
        (Effect::Reset, FailureKind::Unavailable),
        (Effect::Latency { ms: 60_000, when: When::Before }, FailureKind::Unavailable),
        (Effect::Html { status: 200, when: When::Before }, FailureKind::Protocol),
        (Effect::RateLimited { retry_after: 60 }, FailureKind::RateLimited),
    ] {
        let stage = Stage::new();
        let (_, value) = stage.seed_for(&of_account(), "a");
        stage.fault("GET", "", 100, effect.clone());
        let failure = block_on(stage.upstream().verify(account(), &value)).unwrap_err();
        assert_eq!(failure.kind, kind, "{effect:?}");
        assert_told(&failure);
    }
}
