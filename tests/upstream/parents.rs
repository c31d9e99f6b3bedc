//! Which parent a call is made with.

use brevet::upstream::DEAD_PARENT_MS;
use brevet_core::cloudflare::{Cloudflare, FailureKind, Parents};
use fake_cloudflare::{Effect, When};
use pollster::block_on;
use serde_json::json;

use crate::stage::{NEXT, PARENT, Stage, USER_PARENT, account, assert_told, of_user, one, spec, two, user};

fn by(stage: &Stage, method: &str) -> Vec<Option<String>> {
    stage.arrived(method).into_iter().map(|(_, token)| token).collect()
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn the_successor_is_not_touched_while_the_parent_lives() {
    let stage = Stage::new();
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    assert_eq!(by(&stage, "POST"), [named(PARENT)]);
}

#[test]
fn a_dead_parent_is_followed_by_its_successor_and_remembered() {
    let stage = Stage::new();
    stage.kill(PARENT);
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    // The value of a deleted token is nobody's.
    assert_eq!(stage.arrived("POST"), [(Some(403), None), (Some(200), named(NEXT))]);
    stage.fake.clear_calls();
    block_on(stage.upstream().create(account(), &two(), &spec("b"))).unwrap();
    assert_eq!(by(&stage, "POST"), [named(NEXT)], "the dead one is not asked again");
    assert_eq!(stage.minted().len(), 2);
    // After a while it is.
    stage.pass_ms(i64::from(DEAD_PARENT_MS));
    stage.fake.clear_calls();
    let mut late = spec("c");
    late.expires_on = brevet_core::time::Timestamp::from_unix(stage.now() + 3_600).unwrap();
    block_on(stage.upstream().create(account(), &two(), &late)).unwrap();
    assert_eq!(by(&stage, "POST"), [None, named(NEXT)]);
}

#[test]
fn every_operation_goes_on_with_the_successor() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.kill(PARENT);
    let cloudflare = || {
        let fresh = brevet::upstream::Circuits::new();
        brevet::upstream::Upstream::new(
            brevet::upstream::api_base(Some(crate::stage::API), true).unwrap(),
            &stage,
            &stage,
            fresh,
        )
    };
    assert!(block_on(cloudflare().read(account(), &two(), id)).unwrap().is_some());
    block_on(cloudflare().update(account(), &two(), id, &spec("b"))).unwrap();
    assert_eq!(block_on(cloudflare().find_by_name(account(), &two(), "b")).unwrap(), [id]);
    block_on(cloudflare().permission_groups(account(), &two())).unwrap();
    block_on(cloudflare().roll(account(), &two(), id)).unwrap();
    block_on(cloudflare().delete(account(), &two(), id)).unwrap();
    assert_eq!(block_on(cloudflare().check_parents(account(), &two())).unwrap().0, NEXT);
}

#[test]
fn only_death_brings_the_successor_in() {
    let status = |status, code, message: &str| Effect::Status {
        status,
        code,
        message: message.to_owned(),
        headers: [].into(),
        when: When::Before,
    };
    for (effect, kind) in [
        (status(403, 9109, "Unauthorized to access requested resource"), FailureKind::MissingPermission),
        (status(403, 9109, "Valid user-level authentication not found"), FailureKind::WrongFamily),
        (status(403, 9109, "Cannot use the access token from location: 192.0.2.1"), FailureKind::IpCondition),
        (status(400, 1005, "You have reached the maximum"), FailureKind::Quota),
        (status(400, 400, "name must have a length"), FailureKind::Invalid),
        (status(400, 4_711, "who knows"), FailureKind::Invalid),
        (status(404, 7003, "Could not route"), FailureKind::WrongEndpoint),
        (Effect::RateLimited { retry_after: 100 }, FailureKind::RateLimited),
        (Effect::Drop { when: When::Before }, FailureKind::Uncertain),
    ] {
        let stage = Stage::new();
        stage.fault("POST", "", 1, effect.clone());
        let failure = block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap_err();
        assert_eq!(failure.kind, kind, "{effect:?}");
        assert_eq!(by(&stage, "POST"), [named(PARENT)], "{effect:?}");
        assert_eq!(stage.sent.borrow().len(), 1, "{effect:?}");
    }
}

#[test]
fn a_refusal_whose_words_are_new_is_checked_before_the_parent_is_given_up() {
    let refusal = Effect::Status {
        status: 403,
        code: 9109,
        message: "Some words that nobody has seen yet".to_owned(),
        headers: [].into(),
        when: When::Before,
    };
    // It lives: the refusal stands, and the successor stays out.
    let stage = Stage::new();
    stage.fault("POST", "", 1, refusal.clone());
    let failure = block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::MissingPermission);
    assert!(failure.cause.contains("Some words that nobody has seen yet"), "{failure}");
    assert_told(&failure);
    assert_eq!(by(&stage, "POST"), [named(PARENT)]);
    assert_eq!(by(&stage, "GET"), [named(PARENT)]);
    // It is dead: the successor takes over.
    let stage = Stage::new();
    stage.kill(PARENT);
    stage.fault("POST", "", 1, refusal);
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    assert_eq!(by(&stage, "POST"), [None, named(NEXT)]);
}

#[test]
fn both_dead_is_said_of_both() {
    let stage = Stage::new();
    stage.kill(PARENT);
    stage.kill(NEXT);
    for _ in 0..2 {
        let failure = block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::DeadCredential);
        assert!(failure.cause.contains(PARENT) && failure.cause.contains(NEXT), "{failure}");
        assert_told(&failure);
    }
    assert_eq!(stage.minted().len(), 0);
    let failure = block_on(stage.upstream().check_parents(account(), &two())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::DeadCredential);
    assert!(failure.cause.contains(PARENT) && failure.cause.contains(NEXT), "{failure}");
}

#[test]
fn a_dead_parent_without_a_successor_names_the_secret_to_replace() {
    let stage = Stage::new();
    stage.kill(PARENT);
    let failure = block_on(stage.upstream().create(account(), &one(), &spec("a"))).unwrap_err();
    assert_eq!(
        (failure.kind, failure.status, failure.code),
        (FailureKind::DeadCredential, Some(403), Some(9109))
    );
    assert!(failure.cause.contains(PARENT) && failure.hint.contains(PARENT), "{failure}");
    assert_told(&failure);
}

#[test]
fn a_successor_that_is_not_there_yet_changes_nothing_until_it_is_needed() {
    let stage = Stage::new();
    stage.take_secret(NEXT);
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    stage.kill(PARENT);
    let failure = block_on(stage.upstream().create(account(), &two(), &spec("b"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::DeadCredential);
    assert!(failure.cause.contains(NEXT), "{failure}");
    assert_told(&failure);
}

#[test]
fn a_parent_that_lives_again_is_used_again() {
    let stage = Stage::new();
    let id = stage.parent_id(PARENT);
    stage.fake.alter(&id, &json!({"status": "disabled"}), stage.now()).unwrap();
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    stage.fake.alter(&id, &json!({"status": "active"}), stage.now()).unwrap();
    // The check, as the cron makes it, sees that and the next call goes to the first again.
    assert_eq!(block_on(stage.upstream().check_parents(account(), &two())).unwrap().0, PARENT);
    stage.fake.clear_calls();
    block_on(stage.upstream().create(account(), &two(), &spec("b"))).unwrap();
    assert_eq!(by(&stage, "POST"), [named(PARENT)]);
}

#[test]
fn when_the_successor_dies_too_the_first_is_tried_once_more() {
    let stage = Stage::new();
    let id = stage.parent_id(PARENT);
    stage.fake.alter(&id, &json!({"status": "disabled"}), stage.now()).unwrap();
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    stage.fake.alter(&id, &json!({"status": "active"}), stage.now()).unwrap();
    stage.kill(NEXT);
    block_on(stage.upstream().create(account(), &two(), &spec("b"))).unwrap();
    assert_eq!(by(&stage, "POST").last(), Some(&named(PARENT)));
}

#[test]
fn when_both_were_dead_the_order_of_the_rules_holds_again() {
    let stage = Stage::new();
    let ids = [stage.parent_id(PARENT), stage.parent_id(NEXT)];
    for id in &ids {
        stage.fake.alter(id, &json!({"status": "disabled"}), stage.now()).unwrap();
    }
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap_err();
    for id in &ids {
        stage.fake.alter(id, &json!({"status": "active"}), stage.now()).unwrap();
    }
    stage.fake.clear_calls();
    block_on(stage.upstream().create(account(), &two(), &spec("b"))).unwrap();
    assert_eq!(by(&stage, "POST"), [named(PARENT)]);
}

#[test]
fn the_check_names_the_living_parent_and_its_id() {
    let stage = Stage::new();
    let (name, verified) = block_on(stage.upstream().check_parents(account(), &two())).unwrap();
    assert_eq!((name.as_str(), verified.id.as_str()), (PARENT, stage.parent_id(PARENT).as_str()));
    assert_eq!(verified.status, "active");
    let (name, _) = block_on(stage.upstream().check_parents(user(), &of_user())).unwrap();
    assert_eq!(name, USER_PARENT);
}

#[test]
fn the_check_says_how_a_parent_is_dead() {
    let stage = Stage::new();
    let id = stage.parent_id(PARENT);
    stage.fake.alter(&id, &json!({"status": "disabled"}), stage.now()).unwrap();
    let failure = block_on(stage.upstream().check_parents(account(), &one())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::DeadCredential);
    assert!(failure.cause.contains("disabled"), "{failure}");
    assert_told(&failure);
}

#[test]
fn the_check_tells_a_failing_cloudflare_from_a_dead_parent() {
    let stage = Stage::new();
    stage.fault("GET", "", 100, Effect::Html { status: 502, when: When::Before });
    let failure = block_on(stage.upstream().check_parents(account(), &two())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    // And buries nobody.
    stage.fake.set_faults([]);
    stage.fake.clear_calls();
    block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap();
    assert_eq!(by(&stage, "POST"), [named(PARENT)]);
}

#[test]
fn a_users_parent_may_serve_an_account() {
    let stage = Stage::new();
    stage.put_secret(PARENT, &stage.value_of(USER_PARENT));
    let (name, verified) = block_on(stage.upstream().check_parents(account(), &one())).unwrap();
    assert_eq!((name.as_str(), verified.id.as_str()), (PARENT, stage.parent_id(USER_PARENT).as_str()));
}

#[test]
fn an_accounts_parent_cannot_serve_a_user() {
    let stage = Stage::new();
    stage.put_secret(USER_PARENT, &stage.value_of(PARENT));
    for failure in [
        block_on(stage.upstream().check_parents(user(), &of_user())).unwrap_err(),
        block_on(stage.upstream().create(user(), &of_user(), &spec("a"))).unwrap_err(),
    ] {
        assert_eq!(failure.kind, FailureKind::WrongFamily, "{failure}");
        assert!(failure.cause.contains(USER_PARENT), "{failure}");
        assert_told(&failure);
    }
    assert_eq!(stage.minted().len(), 0);
}

#[test]
fn a_missing_or_malformed_secret_is_named_and_nothing_is_sent() {
    let legacy = "a".repeat(40);
    for (value, word) in [
        (None, "no secret"),
        (Some(""), "0"),
        (Some("short"), "characters"),
        (Some("Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "place 6"),
        (Some("cfk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "global API key"),
        (Some("cfoat_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "OAuth"),
    ] {
        let stage = Stage::new();
        match value {
            Some(value) => stage.put_secret(PARENT, value),
            None => stage.take_secret(PARENT),
        }
        let failure = block_on(stage.upstream().create(account(), &two(), &spec("a"))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NoParent, "{value:?}");
        assert!(failure.cause.contains(PARENT) && failure.cause.contains(word), "{failure}");
        assert!(
            value.is_none_or(|value| value.is_empty() || !failure.to_string().contains(value)),
            "{failure}"
        );
        assert_told(&failure);
        assert_eq!(stage.sent.borrow().len(), 0, "{value:?}");
    }
    // A legacy value has no prefix and is sent; a line break behind it is not.
    let stage = Stage::new();
    stage.put_secret(PARENT, &format!("{legacy}\n"));
    block_on(stage.upstream().create(account(), &one(), &spec("a"))).unwrap_err();
    assert_eq!(stage.sent.borrow()[0].authorization, format!("Bearer {legacy}"));
}

#[test]
fn no_other_secret_is_ever_asked_for() {
    for name in [
        "BREVET_PEPPER",
        "BREVET_OPERATOR_SECRET",
        "cloudflare_api_token",
        "CLOUDFLARE_",
        "",
        "CLOUDFLARE_A\nB",
    ] {
        let stage = Stage::new();
        stage.put_secret(name, &"a".repeat(40));
        let parents = Parents { parent: name.to_owned(), parent_next: None };
        let failure = block_on(stage.upstream().create(account(), &parents, &spec("a"))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NoParent, "{name:?}");
        assert_told(&failure);
        // Nor as a successor of a dead parent.
        stage.kill(PARENT);
        let parents = Parents { parent: PARENT.to_owned(), parent_next: Some(name.to_owned()) };
        block_on(stage.upstream().create(account(), &parents, &spec("a"))).unwrap_err();
        assert_eq!(*stage.asked.borrow(), [PARENT], "{name:?}");
    }
}
