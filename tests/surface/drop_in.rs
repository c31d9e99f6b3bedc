//! `/client/v4/…`: Cloudflare's own paths and envelope.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, READER, request};
use fake_cloudflare::{APPS_ACCOUNT, MAIN_ACCOUNT};

/// The group Zone Read.
const ZONE_READ: &str = "c8fed203ed3043cba015a93ad1616f1f";
const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";

fn path(rest: &str) -> String {
    format!("/client/v4/accounts/{MAIN_ACCOUNT}/tokens{rest}")
}

fn token() -> Value {
    json!({
        "name": "a name of the caller's",
        "policies": [{
            "effect": "allow",
            "resources": { format!("com.cloudflare.api.account.{MAIN_ACCOUNT}"): {
                format!("com.cloudflare.api.account.zone.{ZONE}"): "*" } },
            "permission_groups": [{ "id": ZONE_READ }],
        }],
        "expires_on": "2027-01-15T08:30:00Z",
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut token = token();
    *token.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    token
}

#[test]
fn refuses_strangers_and_paths_that_are_not_the_token_endpoints() {
    let here = Installation::new();
    for rest in ["", "/permission_groups", "/00000000000000000000000000000000"] {
        refused(here, request("brvc_stranger", "GET", &path(rest), None), 401, "1000");
        refused(here, request("", "GET", &path(rest), None), 401, "9106");
    }
    for path in [
        "/client/v4",
        "/client/v4/zones",
        "/client/v4/user",
        "/client/v4/accounts",
        "/client/v4/user/tokens/a/b",
    ] {
        let answer = refused(here, request(CI, "GET", path, None), 404, "7003");
        assert!(answer.text.contains("api.cloudflare.com"), "{}", answer.text);
    }
    let answer = refused(here, request(CI, "PATCH", &path(""), None), 405, "7001");
    assert_eq!(answer.headers["allow"], "GET, POST");
    let foreign = "/client/v4/accounts/ffffffffffffffffffffffffffffffff/tokens";
    refused(here, request(CI, "GET", foreign, None), 404, "7003");
    refused(here, request(CI, "GET", "/client/v4/accounts/main/tokens", None), 404, "7003");
}

#[test]
fn refuses_a_create_beyond_the_grant() {
    let here = Installation::new();
    let key = format!("/policies/0/resources/com.cloudflare.api.account.{MAIN_ACCOUNT}");
    for (body, status, code) in [
        (with("/policies/0/permission_groups/0/id", json!("4755a26eedb94da69e1066d98aa820be")), 403, "9109"),
        (with(&key, json!("*")), 422, "9109"),
        (with(&key, json!({ "com.cloudflare.api.account.zone.*": "*" })), 403, "9109"),
        (with("/expires_on", json!("2027-01-16T08:30:00Z")), 403, "9109"),
        (with("/expires_on", json!(null)), 422, "9109"),
        (with("/policies/0/effect", json!("deny")), 422, "9109"),
        (with("/policies", json!([])), 422, "9109"),
        (with("/name", json!("")), 400, "1001"),
        (with("/expires_on", json!("soon")), 400, "1001"),
    ] {
        let answer = refused(here, request(CI, "POST", &path(""), Some(&body)), status, code);
        assert!(answer.body["errors"][0]["message"].as_str().unwrap().len() > 20);
    }
    refused(here, request(APPS, "POST", &path(""), Some(&token())), 403, "9109");
    let mut more = token();
    more["colour"] = json!("red");
    refused(here, request(CI, "POST", &path(""), Some(&more)), 400, "1001");
}

#[test]
fn serves_the_life_of_a_token_like_cloudflare() {
    let here = Installation::new();
    let made = here.call(CI, "POST", &path(""), Some(&token()));
    assert_eq!((made.status, &made.body["success"]), (200, &json!(true)), "{}", made.text);
    let token_id = made.body["result"]["id"].as_str().unwrap();
    let value = made.body["result"]["value"].as_str().unwrap();
    assert_eq!(made.body["result"]["name"], "a name of the caller's");
    assert_eq!(made.body["result"]["expires_on"], "2027-01-15T08:30:00Z");
    let one = path(&format!("/{token_id}"));
    let read = here.get(CI, &one);
    assert_eq!((read.status, &read.body["result"]["status"]), (200, &json!("active")));
    assert!(!read.text.contains(value));
    let verified = here.get(value, &path("/verify"));
    assert_eq!(
        (verified.status, &verified.body["result"]["id"]),
        (200, &json!(token_id)),
        "{}",
        verified.text
    );
    let mut off = read.body["result"].clone();
    off["status"] = json!("disabled");
    let updated = here.call(CI, "PUT", &one, Some(&off));
    assert_eq!(
        (updated.status, &updated.body["result"]["status"]),
        (200, &json!("disabled")),
        "{}",
        updated.text
    );
    let rolled = here.call(CI, "PUT", &format!("{one}/value"), Some(&json!({})));
    assert!(rolled.body["result"].as_str().is_some_and(|new| new != value), "{}", rolled.text);
    let deleted = here.call(CI, "DELETE", &one, None);
    assert_eq!(deleted.body["result"], json!({ "id": token_id }));
    refused(here, request(CI, "GET", &one, None), 404, "1003");
}

#[test]
fn keeps_each_callers_tokens_from_every_other() {
    let here = Installation::new();
    let made = here.call(CI, "POST", &path(""), Some(&token()));
    let one = path(&format!("/{}", made.body["result"]["id"].as_str().unwrap()));
    for (method, rest, body) in [
        ("GET", "", None),
        ("PUT", "", Some(token())),
        ("DELETE", "", None),
        ("PUT", "/value", Some(json!({}))),
    ] {
        refused(here, request(APPS, method, &format!("{one}{rest}"), body.as_ref()), 404, "1003");
    }
    assert_eq!(here.get(APPS, &path("")).body["result"], json!([]));
    let apps = format!("/client/v4/accounts/{APPS_ACCOUNT}/tokens");
    assert_eq!(here.get(CI, &apps).body["result"], json!([]));
    refused(here, request(READER, "DELETE", &one, None), 403, "9109");
}

#[test]
fn lists_pages_with_their_counts() {
    let here = Installation::new();
    let empty = here.get(CI, &path("?page=1"));
    assert_eq!((&empty.body["result"], &empty.body["result_info"]["total_count"]), (&json!([]), &json!(0)));
    for _ in 0..7 {
        here.pass(1);
        assert_eq!(here.call(CI, "POST", &path(""), Some(&token())).status, 200);
    }
    let second = here.get(CI, &path("?page=2&per_page=5"));
    assert_eq!(second.body["result"].as_array().unwrap().len(), 2);
    assert_eq!(
        second.body["result_info"],
        json!({ "page": 2, "per_page": 5, "count": 2, "total_count": 7, "total_pages": 2 })
    );
    assert_eq!(here.get(CI, &path("?page=3&per_page=5")).body["result"], json!([]));
    for query in
        ["page=0", "page=x", "per_page=4", "per_page=51", "direction=up", "include_expired=maybe", "name=x"]
    {
        refused(here, request(CI, "GET", &path(&format!("?{query}")), None), 400, "1001");
    }
}

#[test]
fn a_verification_of_the_other_family_or_of_nothing_is_cloudflares_own_refusal() {
    let here = Installation::new();
    let made = here.call(CI, "POST", &path(""), Some(&token()));
    let value = made.body["result"]["value"].as_str().unwrap();
    for (who, path) in [
        (value, "/client/v4/user/tokens/verify".to_owned()),
        (&format!("cfat_{}", "b".repeat(48)), path("/verify")),
    ] {
        let answer = here.get(who, &path);
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["code"]),
            (401, &json!(1000)),
            "{}",
            answer.text
        );
    }
    let stand_in = here.get(CI, &path("/verify"));
    assert_eq!((stand_in.status, &stand_in.body["result"]["status"]), (200, &json!("active")));
}
