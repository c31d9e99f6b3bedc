//! The switches over HTTP.

use fake_cloudflare::{MAIN_ACCOUNT, USER};
use serde_json::json;

use crate::desk::*;

#[test]
fn settings_are_changed_one_by_one_and_unknown_ones_refused() {
    let desk = Desk::new();
    let got = desk.admin("PATCH", "settings", Some(json!({ "quota_user": 7 })));
    assert_eq!((&got.body["quota_user"], &got.body["quota_account"]), (&json!(7), &json!(500)));
    assert_eq!(desk.admin("GET", "settings", None).body, got.body);
    for change in
        [json!({ "quota_usr": 7 }), json!({ "quota_user": -1 }), json!({ "inactive_verify": "maybe" })]
    {
        let refused = desk.admin("PATCH", "settings", Some(change));
        assert_eq!(refused.status, 400);
        assert!(refused.body["error"].is_string());
    }
    assert_eq!(desk.admin("GET", "settings", None).body, got.body, "a refused change changes nothing");
}

#[test]
fn faults_are_set_listed_and_taken_away() {
    let desk = Desk::new();
    let fault = json!({
        "match": { "method": "GET", "path": "/client/v4/zones" },
        "skip": 1,
        "count": 2,
        "effect": { "kind": "status", "status": 503, "code": 1, "message": "m", "headers": {}, "when": "before" },
    });
    let id = desk.admin("POST", "faults", Some(fault.clone())).body["id"].clone();
    assert_eq!(desk.admin("GET", "faults", None).body, json!([{ "id": id, "fault": fault }]));
    desk.get("/zones", &desk.main_parent()).result();
    desk.get("/zones", &desk.main_parent()).refused(503, 1);
    assert_eq!(desk.admin("GET", "faults", None).body[0]["fault"]["count"], 1);
    assert_eq!(desk.admin("DELETE", &format!("faults/{id}"), None).status, 200);
    assert_eq!(desk.admin("DELETE", &format!("faults/{id}"), None).status, 404);
    desk.admin("POST", "faults", Some(json!({ "effect": { "kind": "reset" } })));
    assert_eq!(desk.admin("DELETE", "faults", None).status, 200);
    desk.get("/zones", &desk.main_parent()).result();
}

#[test]
fn every_effect_of_the_readme_is_taken_and_others_are_not() {
    let desk = Desk::new();
    let readme = include_str!("../../README.md");
    let mut kinds = std::collections::BTreeSet::new();
    for line in readme.lines().filter(|line| line.contains("\"effect\"")) {
        let body = line.split('\'').nth(1).expect("a body in single quotes");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let got = desk.admin("POST", "faults", Some(body.clone()));
        assert_eq!(got.status, 200, "{line}: {}", got.body);
        kinds.insert(body["effect"]["kind"].as_str().expect("a kind").to_owned());
    }
    let all = [
        "drop",
        "html",
        "huge",
        "latency",
        "rate_limited",
        "raw",
        "redirect",
        "reset",
        "slow_body",
        "status",
        "truncate",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all, "the README shows every kind");
    for effect in [
        json!({ "kind": "explode" }),
        json!({ "kind": "latency" }),
        json!({ "kind": "latency", "ms": 1, "x": 1 }),
    ] {
        assert_eq!(desk.admin("POST", "faults", Some(json!({ "effect": effect }))).status, 400);
    }
}

#[test]
fn the_readme_names_every_setting() {
    let readme = include_str!("../../README.md");
    let settings = Desk::new().admin("GET", "settings", None).body;
    for name in settings.as_object().expect("an object").keys() {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn barriers_are_set_and_released() {
    let desk = Desk::new();
    let barrier = json!({ "match": { "method": "POST" }, "when": "after", "count": 2 });
    let id = desk.admin("POST", "barriers", Some(barrier.clone())).body["id"].clone();
    let held =
        desk.send(request("POST", &main_path(""), &desk.main_parent(), Some(harmless()))).hold.expect("held");
    assert_eq!(
        desk.admin("GET", "barriers", None).body,
        json!([{ "id": id, "barrier": barrier, "held": 1 }])
    );
    assert_eq!(desk.admin("GET", &format!("barriers/{id}"), None).body, json!({ "held": 1 }));
    let released = desk.admin("POST", &format!("barriers/{id}/release"), Some(json!({ "count": 1 })));
    assert_eq!(released.body, json!({ "released": 1 }));
    assert!(!desk.fake.is_held(held));
    assert_eq!(desk.admin("POST", &format!("barriers/{id}/release"), None).body, json!({ "released": 0 }));
    assert_eq!(desk.admin("GET", &format!("barriers/{id}"), None).status, 404);
    assert_eq!(desk.admin("POST", "barriers/x/release", None).status, 400);
}

#[test]
fn calls_are_listed_with_what_they_carried() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    desk.get("/zones?page=1", &token.value).result();
    desk.get("/zones", &format!("cfat_{}", "x".repeat(48))).refused(403, 9109);
    let calls = desk.admin("GET", "calls?path=/client/v4/zones", None).body;
    assert_eq!(calls.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&calls[0]["token"], &calls[0]["query"], &calls[0]["status"]),
        (&json!(token.id), &json!("page=1"), &json!(200))
    );
    assert_eq!((&calls[1]["token"], &calls[1]["status"]), (&json!(null), &json!(403)));
    let creates = desk.admin("GET", "calls?method=post", None).body;
    assert_eq!(
        (&creates[0]["body"], &creates[0]["headers"]),
        (&harmless(), &json!(["authorization", "content-type"]))
    );
    let last = calls[1]["number"].as_u64().expect("a number");
    assert_eq!(desk.admin("GET", &format!("calls?after={last}"), None).body, json!([]));
    desk.admin("DELETE", "calls", None);
    assert_eq!(desk.admin("GET", "calls", None).body, json!([]));
}

#[test]
fn tokens_are_made_changed_exposed_and_deleted_out_of_band() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["owner"] = json!(MAIN_ACCOUNT);
    let made = desk.admin("POST", "tokens", Some(asked.clone())).body;
    let (id, value) = (made["id"].as_str().expect("an id"), made["value"].as_str().expect("a value"));
    desk.get("/zones", value).result();
    let path = format!("tokens/{id}");
    assert_eq!(
        desk.admin("PATCH", &path, Some(json!({ "status": "disabled", "name": "drifted" }))).status,
        200
    );
    let shown = desk.get(&main_path(&format!("/{id}")), &desk.main_parent());
    assert_eq!((&shown.result()["status"], &shown.result()["name"]), (&json!("disabled"), &json!("drifted")));
    assert_eq!(shown.result()["policies"].as_array().map(Vec::len), Some(1), "what is not named stays");
    assert_eq!(desk.admin("PATCH", &path, Some(json!({ "name": "" }))).status, 400);
    desk.admin("PATCH", &path, Some(json!({ "status": "active" })));
    desk.get("/zones", value).result();
    assert_eq!(desk.admin("POST", &format!("{path}/expose"), None).status, 200);
    desk.get("/zones", value).refused(403, 9109);
    assert_eq!(desk.admin("DELETE", &path, None).status, 200);
    desk.get(&main_path(&format!("/{id}")), &desk.main_parent()).refused(404, 1003);
    for (method, rest) in [("DELETE", ""), ("POST", "/expose")] {
        assert_eq!(desk.admin(method, &format!("{path}{rest}"), None).status, 404);
    }
    asked["owner"] = json!("user");
    assert!(desk.admin("POST", "tokens", Some(asked.clone())).body["value"].is_string());
    asked["owner"] = json!(USER);
    assert_eq!(desk.admin("POST", "tokens", Some(asked)).status, 400);
}

#[test]
fn a_token_made_out_of_band_may_be_expired_already() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["owner"] = json!(MAIN_ACCOUNT);
    asked["expires_on"] = json!("2026-06-30T00:00:00Z");
    let made = desk.admin("POST", "tokens", Some(asked)).body;
    let value = made["value"].as_str().expect("a value");
    assert_eq!(desk.get(&main_path("/verify"), value).result()["status"], "expired");
}

#[test]
fn all_tokens_are_listed_with_their_owners_and_without_values() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let list = desk.admin("GET", "tokens", None).body;
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    assert_eq!(list[3]["owner"], json!({ "family": "account", "id": MAIN_ACCOUNT }));
    assert_eq!(list[2]["owner"], json!({ "family": "user", "id": USER }));
    assert!(!list.to_string().contains(&token.value));
}

#[test]
fn a_reset_leads_back_to_the_beginning() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    desk.admin("PATCH", "settings", Some(json!({ "quota_user": 1 })));
    desk.admin("POST", "faults", Some(json!({ "effect": { "kind": "reset" } })));
    assert_eq!(desk.admin("POST", "reset", None).status, 200);
    assert_eq!(desk.admin("GET", "settings", None).body["quota_user"], 50);
    assert_eq!(
        (desk.admin("GET", "faults", None).body, desk.admin("GET", "calls", None).body),
        (json!([]), json!([]))
    );
    desk.get("/zones", &token.value).refused(403, 9109);
    desk.get("/zones", &desk.main_parent()).result();
}

#[test]
fn what_is_no_switch_is_said_to_be_none() {
    let desk = Desk::new();
    for (method, path) in [("GET", "nothing"), ("POST", "settings"), ("GET", ""), ("GET", "faults/1/2")] {
        let got = desk.admin(method, path, None);
        assert_eq!(got.status, 404);
        assert!(got.body["error"].as_str().is_some_and(|error| error.contains("README")));
    }
    let root = http::Request::builder().uri("/").body(Vec::new()).expect("a request");
    assert_eq!(desk.read(root).status, 404);
}

#[test]
fn the_world_is_shown() {
    let world = Desk::new().admin("GET", "world", None).body;
    assert_eq!((&world["user"], world["accounts"].as_array().map(Vec::len)), (&json!(USER), Some(3)));
}
