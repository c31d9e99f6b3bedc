//! Quotas, rate limits and the time a change takes to spread.

use fake_cloudflare::{EXAMPLE_ZONE, MAIN_ACCOUNT};
use serde_json::json;

use crate::desk::*;

#[test]
fn a_user_has_50_tokens_and_an_account_500() {
    let desk = Desk::with(|settings| settings.rate_limit = 0);
    for _ in 1..50 {
        desk.mint_user(harmless());
    }
    let message = desk.post("/user/tokens", &desk.user_parent(), harmless()).refused(400, 1005);
    assert!(message.contains("50"));
    for _ in 1..500 {
        desk.mint(harmless());
    }
    let message = desk.post(&main_path(""), &desk.main_parent(), harmless()).refused(400, 1005);
    assert!(message.contains("500"));
    let apps = tokens_path(fake_cloudflare::APPS_ACCOUNT);
    desk.post(&apps, &desk.apps_parent(), body(vec![])).result();
}

#[test]
fn expired_and_disabled_tokens_count_and_deleted_ones_do_not() {
    let desk = Desk::with(|settings| settings.quota_account = 3);
    let parent = desk.main_parent();
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T00:01:00Z");
    desk.mint(asked);
    let off = desk.mint(harmless());
    let path = main_path(&format!("/{}", off.id));
    desk.put(&path, &parent, json!({ "name": "off", "policies": [], "status": "disabled" })).result();
    desk.later(60);
    desk.post(&main_path(""), &parent, harmless()).refused(400, 1005);
    desk.delete(&path, &parent).result();
    desk.mint(harmless());
}

#[test]
fn the_quota_s_status_and_code_can_be_chosen() {
    let desk = Desk::with(|settings| {
        (settings.quota_account, settings.quota_status, settings.quota_code) = (1, 403, 9999);
    });
    desk.post(&main_path(""), &desk.main_parent(), harmless()).refused(403, 9999);
}

#[test]
fn a_refused_body_is_told_before_the_quota() {
    let desk = Desk::with(|settings| settings.quota_account = 1);
    desk.post(&main_path(""), &desk.main_parent(), json!({})).refused(400, 400);
}

#[test]
fn calls_are_counted_and_told() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let first = desk.get("/zones", &parent);
    assert_eq!(first.header("ratelimit"), "\"default\";r=1199;t=300");
    assert_eq!(first.header("ratelimit-policy"), "\"default\";q=1200;w=300");
    assert_eq!(first.header("retry-after"), "");
    desk.later(100);
    assert_eq!(desk.get("/zones", &parent).header("ratelimit"), "\"default\";r=1198;t=200");
    desk.later(200);
    assert_eq!(desk.get("/zones", &parent).header("ratelimit"), "\"default\";r=1199;t=300", "a new window");
}

#[test]
fn the_1201st_call_in_five_minutes_blocks_everything_for_five_minutes() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for _ in 0..1200 {
        desk.get("/zones", &parent).result();
    }
    desk.later(299);
    let over = desk.get("/zones", &parent);
    assert_eq!(over.refused(429, 971), "Please wait and consider throttling your request speed");
    assert_eq!((over.header("retry-after"), over.header("ratelimit")), ("300", "\"default\";r=0;t=300"));
    desk.later(299);
    for path in ["/zones", &main_path("/verify"), &main_path("")] {
        let still = desk.get(path, &parent);
        still.refused(429, 971);
        assert_eq!(still.header("retry-after"), "1");
    }
    desk.get("/zones", &desk.apps_parent()).result();
    desk.later(1);
    desk.get("/zones", &parent).result();
}

#[test]
fn the_user_s_tokens_share_one_meter_and_account_tokens_do_not() {
    let desk = Desk::with(|settings| settings.rate_limit = 2);
    let other = desk.mint_user(harmless());
    desk.get("/zones", &other.value).result();
    desk.get("/zones", &desk.user_parent()).refused(429, 971);
    let own = desk.mint(harmless());
    desk.get("/zones", &own.value).result();
    desk.get("/zones", &desk.main_parent()).result();
}

#[test]
fn an_address_can_be_limited_too() {
    let desk = Desk::with(|settings| settings.ip_rate_limit = 2);
    let parent = desk.main_parent();
    desk.get("/zones", &parent).result();
    desk.get("/zones", "").refused(400, 9106);
    assert_eq!(desk.get("/zones", &parent).header("retry-after"), "1");
    desk.later(1);
    desk.get("/zones", &parent).result();
}

#[test]
fn a_new_token_can_be_unknown_for_a_while() {
    let desk = Desk::with(|settings| settings.propagation_create_s = 30);
    let token = desk.mint(harmless());
    desk.later(29);
    assert_eq!(desk.get("/zones", &token.value).refused(401, 10000), "Authentication error");
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
    desk.fake.change_settings(|settings| settings.propagation_status = 403);
    desk.get("/zones", &token.value).refused(403, 10000);
    desk.later(1);
    desk.get("/zones", &token.value).result();
    desk.get(&main_path("/verify"), &token.value).result();
}

#[test]
fn a_widened_token_can_take_a_while() {
    let desk = Desk::with(|settings| settings.propagation_create_s = 30);
    let token = desk.mint(body(vec![]));
    desk.later(30);
    let path = main_path(&format!("/{}", token.id));
    desk.put(&path, &desk.main_parent(), harmless()).result();
    assert_eq!(desk.get("/zones", &token.value).result(), &json!([]));
    desk.later(30);
    assert_eq!(desk.get("/zones", &token.value).result()[0]["id"], EXAMPLE_ZONE);
}

#[test]
fn a_deleted_token_can_live_on_for_a_while() {
    let desk = Desk::with(|settings| settings.propagation_delete_s = 30);
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    desk.delete(&path, &desk.main_parent()).result();
    desk.get(&path, &desk.main_parent()).refused(404, 1003);
    desk.later(29);
    desk.get("/zones", &token.value).result();
    desk.later(1);
    desk.get("/zones", &token.value).refused(403, 9109);
}

#[test]
fn a_rolled_away_value_can_live_on_for_a_while() {
    let desk = Desk::with(|settings| settings.propagation_roll_s = 30);
    let token = desk.mint(harmless());
    desk.put(&main_path(&format!("/{}/value", token.id)), &desk.main_parent(), json!({})).result();
    desk.later(29);
    desk.get("/zones", &token.value).result();
    desk.later(1);
    desk.get("/zones", &token.value).refused(403, 9109);
}

#[test]
fn a_deleted_token_s_rolled_away_value_dies_with_it() {
    let desk = Desk::with(|settings| settings.propagation_roll_s = 1000);
    let token = desk.mint(harmless());
    desk.put(&main_path(&format!("/{}/value", token.id)), &desk.main_parent(), json!({})).result();
    desk.delete(&main_path(&format!("/{}", token.id)), &desk.main_parent()).result();
    desk.get("/zones", &token.value).refused(403, 9109);
}

#[test]
fn a_rolled_away_value_is_disabled_with_its_token() {
    let desk = Desk::with(|settings| settings.propagation_roll_s = 1000);
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    desk.put(&format!("{path}/value"), &desk.main_parent(), json!({})).result();
    desk.get("/zones", &token.value).result();
    desk.put(&path, &desk.main_parent(), json!({ "name": "off", "policies": [], "status": "disabled" }))
        .result();
    desk.get("/zones", &token.value).refused(403, 9109);
}

#[test]
fn a_new_token_can_be_missing_in_lists_for_a_while() {
    let desk = Desk::with(|settings| settings.list_lag_s = 5);
    let token = desk.mint(harmless());
    let listed = || desk.get(&main_path(""), &desk.main_parent()).body.to_string().contains(&token.id);
    assert!(!listed());
    desk.get(&format!("/accounts/{MAIN_ACCOUNT}/tokens/{}", token.id), &desk.main_parent()).result();
    desk.later(5);
    assert!(listed());
}

#[test]
fn the_clock_can_jump() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T01:00:00Z");
    let token = desk.mint(asked);
    assert_eq!(desk.admin("POST", "clock", Some(json!({ "jump_s": 3600 }))).body["clock_offset_s"], 3600);
    desk.get("/zones", &token.value).refused(403, 9109);
    desk.admin("POST", "clock", Some(json!({ "jump_s": -3600 })));
    desk.get("/zones", &token.value).result();
}
