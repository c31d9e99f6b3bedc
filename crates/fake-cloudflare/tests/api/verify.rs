//! verify.

use fake_cloudflare::{APPS_ACCOUNT, InactiveVerify, MAIN_ACCOUNT};
use serde_json::{Value, json};

use crate::desk::*;

#[test]
fn says_active_with_the_code_10000_among_the_messages() {
    let desk = Desk::new();
    let got = desk.get(&main_path("/verify"), &desk.main_parent());
    let result = got.result();
    assert_eq!(result["status"], "active");
    assert_eq!(result.as_object().map(serde_json::Map::len), Some(2), "no times where none are set");
    assert_eq!(
        got.body["messages"][0],
        json!({ "code": 10000, "message": "This API Token is valid and active", "type": null })
    );
}

#[test]
fn tells_the_times_that_are_set() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["not_before"] = json!("2026-06-01T00:00:00Z");
    asked["expires_on"] = json!("2026-08-01T00:00:00Z");
    let token = desk.mint(asked);
    let got = desk.get(&main_path("/verify"), &token.value);
    assert_eq!(got.result()["not_before"], "2026-06-01T00:00:00Z");
    assert_eq!(got.result()["expires_on"], "2026-08-01T00:00:00Z");
}

#[test]
fn needs_no_permission_at_all() {
    let desk = Desk::new();
    let powerless = desk.mint(body(vec![]));
    desk.get(&main_path("/verify"), &powerless.value).result();
}

#[test]
fn the_other_family_is_401_with_1000_and_nothing_else() {
    let desk = Desk::new();
    assert_eq!(desk.get("/user/tokens/verify", &desk.main_parent()).refused(401, 1000), "Invalid API Token");
    assert_eq!(desk.get(&main_path("/verify"), &desk.user_parent()).refused(401, 1000), "Invalid API Token");
    let other = format!("/accounts/{APPS_ACCOUNT}/tokens/verify");
    assert_eq!(desk.get(&other, &desk.main_parent()).refused(401, 1000), "Invalid API Token");
}

#[test]
fn a_user_token_that_may_use_the_account_family_still_verifies_as_a_user_token() {
    let desk = Desk::new();
    let bridge = desk.mint_user(body(vec![allow(main_account(), &[ACCOUNT_TOKENS_WRITE])]));
    desk.get(&main_path("/verify"), &bridge.value).refused(401, 1000);
    desk.get("/user/tokens/verify", &bridge.value).result();
}

fn disabled(desk: &Desk) -> Minted {
    let token = desk.mint(harmless());
    let mut asked = harmless();
    asked["status"] = json!("disabled");
    desk.put(&main_path(&format!("/{}", token.id)), &desk.main_parent(), asked).result();
    token
}

#[test]
fn a_disabled_token_is_200_with_its_status_and_no_message() {
    let desk = Desk::new();
    let token = disabled(&desk);
    let got = desk.get(&main_path("/verify"), &token.value);
    assert_eq!(got.result()["status"], "disabled");
    assert_eq!(got.body["messages"], json!([]));
    assert_eq!(desk.get("/zones", &token.value).refused(403, 9109), "Invalid access token");
}

#[test]
fn an_expired_token_is_200_with_its_status() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T00:01:00Z");
    let token = desk.mint(asked);
    desk.later(59);
    assert_eq!(desk.get(&main_path("/verify"), &token.value).result()["status"], "active");
    desk.later(1);
    assert_eq!(
        desk.get(&main_path("/verify"), &token.value).result()["status"],
        "expired",
        "expires_on is exclusive"
    );
    desk.get("/zones", &token.value).refused(403, 9109);
}

#[test]
fn disabled_and_expired_can_be_told_as_unknown() {
    let desk = Desk::with(|settings| settings.inactive_verify = InactiveVerify::Unauthorized);
    let token = disabled(&desk);
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
}

#[test]
fn a_token_before_its_time_is_unusable() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["not_before"] = json!("2026-07-01T00:01:00Z");
    let token = desk.mint(asked);
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
    desk.get("/zones", &token.value).refused(403, 9109);
    desk.later(60);
    desk.get(&main_path("/verify"), &token.value).result();
    desk.get("/zones", &token.value).result();
}

#[test]
fn a_token_before_its_time_can_be_told_as_active() {
    let desk = Desk::with(|settings| settings.not_yet_valid_verify = InactiveVerify::Status);
    let mut asked = harmless();
    asked["not_before"] = json!("2026-07-01T00:01:00Z");
    let token = desk.mint(asked);
    let got = desk.get(&main_path("/verify"), &token.value);
    assert_eq!(
        (&got.result()["status"], &got.result()["not_before"]),
        (&json!("active"), &json!("2026-07-01T00:01:00Z"))
    );
}

#[test]
fn a_token_found_in_public_is_dead_and_shows_a_status_of_no_schema() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    assert!(desk.fake.expose(&token.id));
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
    desk.get("/zones", &token.value).refused(403, 9109);
    let shown = desk.get(&main_path(&format!("/{}", token.id)), &desk.main_parent());
    assert_eq!(shown.result()["status"], "revoked (exposed)");
}

#[test]
fn use_is_noted() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    assert_eq!(desk.get(&path, &desk.main_parent()).result().get("last_used_on"), None::<&Value>);
    desk.later(30);
    desk.get("/zones", &token.value).result();
    assert_eq!(desk.get(&path, &desk.main_parent()).result()["last_used_on"], "2026-07-01T00:00:30Z");
}

#[test]
fn an_unknown_account_is_told_like_another_family() {
    let desk = Desk::new();
    let path = format!("/accounts/{}/tokens/verify", MAIN_ACCOUNT.replace('0', "1"));
    desk.get(&path, &desk.main_parent()).refused(401, 1000);
}
