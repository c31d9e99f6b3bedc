//! Creates: tried again only when they surely did not happen.

use brevet::upstream::TIMER_SLACK_MS;
use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, When};
use pollster::block_on;
use serde_json::json;

use crate::stage::{PARENT, Stage, account, assert_told, of_user, one, spec, user};

const NAME: &str = "brevet:test:00000000000000000000000000.abcdefgh:g:c";

#[test]
fn a_token_is_made_once_with_everything_that_was_asked_for() {
    let stage = Stage::new();
    let mut asked = spec(NAME);
    asked.condition = Some(json!({"request_ip": {"in": ["192.0.2.0/24"], "not_in": ["192.0.2.7/32"]}}));
    asked.not_before = Some(brevet_core::time::Timestamp::from_unix(stage.now() + 60).unwrap());
    let minted = block_on(stage.upstream().create(account(), &one(), &asked)).unwrap();
    assert_eq!(stage.lines(), ["POST /accounts/0123456789abcdef0123456789abcdef/tokens"]);
    let [token] = &stage.minted()[..] else { panic!("one token") };
    assert_eq!(minted.view.id.as_str(), token.id);
    assert_eq!(minted.view.name, NAME);
    assert_eq!(minted.view.expires_on, Some(asked.expires_on));
    assert_eq!(minted.view.not_before, asked.not_before);
    assert_eq!(minted.view.condition, asked.condition);
    assert_eq!(minted.view.policies[0]["resources"], asked.policies[0]["resources"]);
    // The value works, and nothing but the API shows it.
    assert!(minted.value.expose().starts_with("cfat_"));
    assert!(!format!("{minted:?}").contains("cfat_"));
    stage.assert_clean();
}

#[test]
fn a_users_token_is_made_with_the_users_parent() {
    let stage = Stage::new();
    let minted = block_on(stage.upstream().create(user(), &of_user(), &spec(NAME))).unwrap();
    assert!(minted.value.expose().starts_with("cfut_"));
    assert_eq!(stage.lines(), ["POST /user/tokens"]);
}

#[test]
fn a_create_that_surely_never_left_is_sent_again() {
    let stage = Stage::new();
    stage.unreachable.set(2);
    block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap();
    assert_eq!(stage.sent.borrow().len(), 3);
    assert_eq!(stage.count("POST"), 1);
    assert_eq!(stage.minted().len(), 1);
}

#[test]
fn a_create_that_was_rate_limited_is_sent_again_when_it_may() {
    let stage = Stage::new();
    stage.fault("POST", "", 1, Effect::RateLimited { retry_after: 7 });
    block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap();
    assert_eq!(stage.arrived("POST").iter().map(|call| call.0).collect::<Vec<_>>(), [Some(429), Some(200)]);
    assert_eq!(stage.waits(), [7_000 + TIMER_SLACK_MS]);
    assert_eq!(stage.minted().len(), 1);
}

#[test]
fn a_create_is_never_sent_again_when_it_may_have_happened() {
    let odd = |status: u16, body: &str, when| Effect::Raw {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: [].into(),
        when,
    };
    let status = |status, when| Effect::Status {
        status,
        code: 10_001,
        message: "Internal error".to_owned(),
        headers: [].into(),
        when,
    };
    for (effect, made) in [
        (status(500, When::Before), 0),
        (status(500, When::After), 1),
        (status(502, When::After), 1),
        (status(408, When::After), 1),
        (Effect::Html { status: 502, when: When::Before }, 0),
        (Effect::Html { status: 524, when: When::After }, 1),
        (Effect::Html { status: 403, when: When::Before }, 0),
        (Effect::Reset, 0),
        (Effect::Drop { when: When::Before }, 0),
        (Effect::Drop { when: When::After }, 1),
        (Effect::Truncate { bytes: 50 }, 1),
        (Effect::Huge { bytes: 5 << 20 }, 1),
        (Effect::Latency { ms: 60_000, when: When::Before }, 1),
        (Effect::Latency { ms: 60_000, when: When::After }, 1),
        (Effect::SlowBody { ms: 60_000 }, 1),
        (odd(200, "garbage", When::After), 1),
        (odd(200, "", When::After), 1),
        (odd(200, "{\"success\":true,\"result\":null}", When::After), 1),
        (odd(200, "[]", When::After), 1),
        (odd(201, "{\"ok\":true}", When::After), 1),
        (Effect::Redirect { status: 303, location: "/elsewhere".to_owned() }, 0),
    ] {
        let stage = Stage::new();
        stage.fault("POST", "", 1, effect.clone());
        let failure = block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Uncertain, "{effect:?}: {failure}");
        assert!(failure.cause.contains("whether the change was made is unknown"), "{effect:?}: {failure}");
        assert_told(&failure);
        assert_eq!(stage.count("POST"), 1, "{effect:?}");
        assert_eq!(stage.sent.borrow().len(), 1, "{effect:?}");
        assert_eq!(stage.minted().len(), made, "{effect:?}");
        assert_eq!(stage.waits(), [0_u32; 0], "{effect:?}");
        stage.assert_clean();
    }
}

#[test]
fn a_token_whose_answer_was_lost_is_found_by_its_name() {
    let stage = Stage::new();
    stage.seed_token("brevet:test:another");
    stage.fault("POST", "", 1, Effect::Drop { when: When::After });
    let failure = block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    let found = block_on(stage.upstream().find_by_name(account(), &one(), NAME)).unwrap();
    let [orphan] = &found[..] else { panic!("{found:?}") };
    block_on(stage.upstream().delete(account(), &one(), *orphan)).unwrap();
    assert_eq!(
        stage.minted().iter().map(|token| token.name.as_str()).collect::<Vec<_>>(),
        ["brevet:test:another"]
    );
}

#[test]
fn a_token_that_was_not_made_is_not_found() {
    let stage = Stage::new();
    stage.fault("POST", "", 1, Effect::Reset);
    let failure = block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), NAME)).unwrap(), []);
}

#[test]
fn a_made_token_without_a_value_is_uncertain_so_that_it_is_cleaned_up() {
    let stage = Stage::new();
    let body = json!({
        "success": true, "errors": [], "messages": [],
        "result": {"id": "0123456789abcdef0123456789abcdef", "name": NAME, "status": "active"},
    });
    stage.fault(
        "POST",
        "",
        1,
        Effect::Raw {
            status: 200,
            content_type: "application/json".to_owned(),
            body: body.to_string(),
            headers: [].into(),
            when: When::After,
        },
    );
    let failure = block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    assert_eq!(stage.count("POST"), 1);
}

#[test]
fn a_refused_create_is_certain() {
    let stage = Stage::new();
    stage.fake.change_settings(|settings| settings.quota_account = 0);
    let failure = block_on(stage.upstream().create(account(), &one(), &spec(NAME))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Quota);
    assert_eq!(stage.arrived("POST"), [(Some(400), Some(PARENT.to_owned()))]);
}

#[test]
fn what_is_not_in_cloudflares_form_is_not_sent() {
    let stage = Stage::new();
    let good = spec(NAME);
    let mut cases = vec![spec(""), spec(&"n".repeat(121))];
    for policies in [
        json!([]),
        json!({}),
        json!([{}]),
        json!([{"effect": "allow", "resources": {}, "permission_groups": []}]),
    ] {
        cases.push(brevet_core::cloudflare::TokenSpec { policies, ..good.clone() });
    }
    cases.push(brevet_core::cloudflare::TokenSpec { condition: Some(json!({})), ..good.clone() });
    cases.push(brevet_core::cloudflare::TokenSpec { not_before: Some(good.expires_on), ..good });
    for case in cases {
        let failure = block_on(stage.upstream().create(account(), &one(), &case)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{case:?}");
        assert_told(&failure);
    }
    assert_eq!(stage.sent.borrow().len(), 0);
}
