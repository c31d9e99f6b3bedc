//! What Cloudflare refuses, in one clear sentence each.

use brevet_core::cloudflare::{Cloudflare, Failure, FailureKind};
use fake_cloudflare::{CommonCheck, Effect, When};
use pollster::block_on;
use serde_json::json;

use crate::stage::{DNS_WRITE, PARENT, Stage, USER_PARENT, account, assert_told, of_user, one, spec, user};

fn create(stage: &Stage) -> Failure {
    let failure = block_on(stage.upstream().create(account(), &one(), &spec("a"))).unwrap_err();
    assert_told(&failure);
    stage.assert_clean();
    failure
}

#[test]
fn a_missing_permission_is_named_with_its_account() {
    let stage = Stage::new();
    let powerless = json!({"policies": crate::stage::policies()});
    stage.fake.alter(&stage.parent_id(PARENT), &powerless, stage.now()).unwrap();
    stage.fake.alter(&stage.parent_id(USER_PARENT), &powerless, stage.now()).unwrap();
    let failure = create(&stage);
    assert_eq!(
        (failure.kind, failure.status, failure.code),
        (FailureKind::MissingPermission, Some(403), Some(9109))
    );
    assert!(
        failure.cause.contains("Account API Tokens Write on account 0123456789abcdef0123456789abcdef"),
        "{failure}"
    );
    assert!(failure.cause.contains(PARENT), "{failure}");
    assert_eq!(stage.count("POST"), 1);
    // A read needs less, a user's token another group.
    let id = stage.seed_token("a");
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert!(failure.cause.contains("Account API Tokens Read (or Write)"), "{failure}");
    let failure = block_on(stage.upstream().create(user(), &of_user(), &spec("a"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::MissingPermission);
    assert!(
        failure.cause.contains(" API Tokens Write on its user") && !failure.cause.contains("Account API"),
        "{failure}"
    );
}

#[test]
fn an_ip_condition_on_the_parent_is_told_with_the_address() {
    let stage = Stage::new();
    let condition = json!({"condition": {"request_ip": {"in": ["203.0.113.0/24"]}}});
    stage.fake.alter(&stage.parent_id(PARENT), &condition, stage.now()).unwrap();
    let failure = create(&stage);
    assert_eq!(failure.kind, FailureKind::IpCondition);
    assert!(failure.cause.contains("127.0.0.1") && failure.cause.contains(PARENT), "{failure}");
}

#[test]
fn a_full_quota_is_told_with_its_numbers() {
    let stage = Stage::new();
    stage.fake.change_settings(|settings| {
        settings.quota_account = 0;
        settings.quota_user = 0;
    });
    let failure = create(&stage);
    assert_eq!(failure.kind, FailureKind::Quota);
    assert!(
        failure.cause.contains("50 for a user") && failure.cause.contains("500 for an account"),
        "{failure}"
    );
    assert!(failure.cause.starts_with("The account") && failure.cause.contains("here 500"), "{failure}");
    let failure = block_on(stage.upstream().create(user(), &of_user(), &spec("a"))).unwrap_err();
    assert!(failure.cause.starts_with("The user") && failure.cause.contains("here 50)"), "{failure}");
}

#[test]
fn a_group_that_may_not_be_granted_is_named() {
    let stage = Stage::new();
    stage.fake.change_settings(|settings| settings.common_check = CommonCheck::Always);
    let failure = create(&stage);
    assert_eq!((failure.kind, failure.code), (FailureKind::PolicyRefused, Some(1001)));
    assert!(failure.cause.contains("\"DNS Write\""), "{failure}");
    assert_eq!(stage.count("POST"), 1);
}

#[test]
fn an_unknown_group_is_a_refusal_with_cloudflares_own_words() {
    let stage = Stage::new();
    stage.fake.change_settings(|settings| settings.hidden_groups = vec![DNS_WRITE.to_owned()]);
    let failure = create(&stage);
    assert!(matches!(failure.kind, FailureKind::Invalid | FailureKind::PolicyRefused), "{failure:?}");
    let said = stage.fake.calls();
    assert_eq!(said.len(), 1);
}

#[test]
fn every_known_refusal_has_its_kind_its_cause_and_its_next_step() {
    for (status, code, message, kind, words) in [
        (
            401,
            1000,
            "Invalid API Token",
            FailureKind::DeadCredential,
            "wrong, revoked, rolled, expired or disabled",
        ),
        (
            403,
            9109,
            "Invalid access token",
            FailureKind::DeadCredential,
            "wrong, revoked, rolled, expired or disabled",
        ),
        (400, 6003, "Invalid request headers", FailureKind::DeadCredential, PARENT),
        (400, 9106, "Authentication failed", FailureKind::DeadCredential, PARENT),
        (401, 10_000, "Authentication error", FailureKind::DeadCredential, PARENT),
        (403, 10_000, "Authentication error", FailureKind::MissingPermission, "Account API Tokens Write"),
        (403, 9109, "Valid user-level authentication not found", FailureKind::WrongFamily, "other family"),
        (403, 9109, "New words", FailureKind::MissingPermission, "New words"),
        (
            400,
            1001,
            "Failed common permission check against resources. (Permission group: \"X Y\")",
            FailureKind::PolicyRefused,
            "\"X Y\"",
        ),
        (400, 400, "name must have a length", FailureKind::Invalid, "name must have a length"),
        (422, 4_711, "Something new", FailureKind::Invalid, "Something new"),
        (404, 7003, "Could not route to /x", FailureKind::WrongEndpoint, "no such endpoint"),
        (
            405,
            7001,
            "Method POST not available for that URI.",
            FailureKind::WrongEndpoint,
            "no such endpoint",
        ),
        (
            405,
            10_000,
            "POST method with API Tokens is not supported by this API",
            FailureKind::WrongEndpoint,
            "no such endpoint",
        ),
    ] {
        let stage = Stage::new();
        stage.fault(
            "POST",
            "",
            1,
            Effect::Status {
                status,
                code,
                message: message.to_owned(),
                headers: [].into(),
                when: When::Before,
            },
        );
        let failure = create(&stage);
        assert_eq!(
            (failure.kind, failure.status, failure.code),
            (kind, Some(status), Some(code)),
            "{message}"
        );
        assert!(failure.cause.contains(words), "{message}: {failure}");
        assert_eq!(stage.count("POST"), 1, "{message}");
        assert_eq!(stage.minted().len(), 0, "{message}");
    }
}

#[test]
fn a_path_that_does_not_exist_is_not_taken_for_a_token_that_is_gone() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let no_route = || Effect::Status {
        status: 404,
        code: 7003,
        message: "Could not route to /client/v3".to_owned(),
        headers: [].into(),
        when: When::Before,
    };
    for method in ["GET", "PUT"] {
        stage.fault(method, "", 1, no_route());
    }
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongEndpoint);
    assert_told(&failure);
    let failure = block_on(stage.upstream().roll(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongEndpoint);
}

#[test]
fn a_long_message_is_cut_and_never_breaks_the_sentence_bounds() {
    let stage = Stage::new();
    stage.fault(
        "POST",
        "",
        1,
        Effect::Status {
            status: 400,
            code: 400,
            message: format!("é\u{0}\r\n {}", "words and ".repeat(10_000)),
            headers: [].into(),
            when: When::Before,
        },
    );
    let failure = create(&stage);
    assert!(!failure.cause.chars().any(char::is_control), "{failure}");
}
