//! Credentials, families and the four meanings of 9109.

use fake_cloudflare::{APPS_ACCOUNT, EXAMPLE_ZONE, FOREIGN_ACCOUNT, MAIN_ACCOUNT, USER};
use http::Request;
use serde_json::json;

use crate::desk::*;

fn with_header(path: &str, value: &str) -> Request<Vec<u8>> {
    Request::builder()
        .uri(format!("/client/v4{path}"))
        .header("authorization", value)
        .body(Vec::new())
        .expect("a request")
}

#[test]
fn refuses_a_call_without_credentials() {
    let desk = Desk::new();
    for path in ["/zones", "/user", "/accounts", "/user/tokens", "/user/tokens/verify", &main_path("")] {
        assert!(desk.get(path, "").refused(400, 9106).contains("Authorization"), "{path}");
    }
}

#[test]
fn the_account_verify_without_credentials_has_a_code_of_its_own() {
    assert_eq!(Desk::new().get(&main_path("/verify"), "").refused(401, 1001), "missing authentication token");
}

#[test]
fn refuses_a_malformed_bearer_with_a_chain() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer short".to_owned(),
        format!("Basic {parent}"),
        parent.clone(),
        format!("Bearer  {parent}"),
        format!("Bearer {parent} "),
        format!("Bearer {parent}!"),
        format!("Bearer {}", "a".repeat(41)),
        "Bearer a.b.c".to_owned(),
    ] {
        let got = desk.read(with_header("/zones", &value));
        assert_eq!(got.refused(400, 6003), "Invalid request headers", "{value}");
        assert_eq!(got.body["errors"][0]["error_chain"][0]["code"], 6111);
        desk.read(with_header("/user/tokens/verify", &value)).refused(400, 6003);
    }
}

#[test]
fn refuses_two_authorization_headers() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let mut request = with_header("/zones", &format!("Bearer {parent}"));
    request.headers_mut().append("authorization", format!("Bearer {parent}").parse().expect("a header"));
    desk.read(request).refused(400, 6003);
}

#[test]
fn the_scheme_may_be_of_any_case() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    desk.read(with_header("/zones", &format!("bearer {parent}"))).result();
}

#[test]
fn a_dead_token_is_told_three_ways() {
    let desk = Desk::new();
    let dead = format!("cfat_{}", "d".repeat(48));
    assert_eq!(desk.get("/user/tokens/verify", &dead).refused(401, 1000), "Invalid API Token");
    assert_eq!(desk.get(&main_path("/verify"), &dead).refused(401, 1000), "Invalid API Token");
    for path in ["/zones", "/user", "/accounts", "/user/tokens", &main_path("")] {
        assert_eq!(desk.get(path, &dead).refused(403, 9109), "Invalid access token", "{path}");
    }
    let path = format!("/zones/{EXAMPLE_ZONE}/dns_records");
    assert_eq!(desk.get(&path, &dead).refused(401, 10000), "Authentication error");
}

#[test]
fn an_account_token_is_refused_by_the_user_family() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let message = "Valid user-level authentication not found";
    assert_eq!(desk.get("/user/tokens", &parent).refused(403, 9109), message);
    assert_eq!(desk.post("/user/tokens", &parent, harmless()).refused(403, 9109), message);
    assert_eq!(desk.get("/user/tokens/permission_groups", &parent).refused(403, 9109), message);
    assert_eq!(desk.get("/user", &parent).refused(403, 9109), message);
    assert_eq!(desk.get("/memberships", &parent).refused(400, 9106), "Authentication failed");
}

#[test]
fn a_user_token_without_the_account_group_is_refused_by_the_account_family() {
    let desk = Desk::new();
    let message = "Unauthorized to access requested resource";
    assert_eq!(desk.get(&main_path(""), &desk.user_parent()).refused(403, 9109), message);
}

#[test]
fn a_user_token_with_the_account_group_may_use_the_account_family() {
    let desk = Desk::new();
    let bridge = desk.mint_user(body(vec![allow(main_account(), &[ACCOUNT_TOKENS_WRITE])]));
    let made = desk.post(&main_path(""), &bridge.value, harmless());
    assert!(made.result()["value"].as_str().is_some_and(|value| value.starts_with("cfat_")));
    desk.get(&tokens_path(APPS_ACCOUNT), &bridge.value).refused(403, 9109);
}

#[test]
fn an_account_token_is_refused_by_another_account() {
    let desk = Desk::new();
    for account in [APPS_ACCOUNT, FOREIGN_ACCOUNT, "11111111111111111111111111111111"] {
        desk.get(&tokens_path(account), &desk.main_parent()).refused(403, 9109);
        desk.post(&tokens_path(account), &desk.main_parent(), harmless()).refused(403, 9109);
    }
}

#[test]
fn refuses_a_token_without_the_group() {
    let desk = Desk::new();
    let weak = desk.mint(harmless());
    let message = "Unauthorized to access requested resource";
    for (method, path) in [
        ("GET", main_path("")),
        ("POST", main_path("")),
        ("GET", main_path(&format!("/{}", weak.id))),
        ("PUT", main_path(&format!("/{}", weak.id))),
        ("DELETE", main_path(&format!("/{}", weak.id))),
        ("PUT", main_path(&format!("/{}/value", weak.id))),
        ("GET", main_path("/permission_groups")),
    ] {
        assert_eq!(
            desk.call(method, &path, &weak.value, Some(harmless())).refused(403, 9109),
            message,
            "{method} {path}"
        );
    }
}

#[test]
fn a_token_that_may_only_read_tokens_cannot_write_them() {
    let desk = Desk::new();
    let reader = desk.mint_user(body(vec![allow(own_user(), &[API_TOKENS_READ])]));
    desk.get("/user/tokens", &reader.value).result();
    desk.get(&format!("/user/tokens/{}", reader.id), &reader.value).result();
    desk.get("/user/tokens/permission_groups", &reader.value).result();
    desk.post("/user/tokens", &reader.value, harmless()).refused(403, 9109);
    desk.put(&format!("/user/tokens/{}", reader.id), &reader.value, harmless()).refused(403, 9109);
    desk.put(&format!("/user/tokens/{}/value", reader.id), &reader.value, json!({})).refused(403, 9109);
    desk.delete(&format!("/user/tokens/{}", reader.id), &reader.value).refused(403, 9109);
}

#[test]
fn a_token_with_the_group_may_read_change_and_delete_itself() {
    let desk = Desk::new();
    let policies = vec![allow(own_user(), &[API_TOKENS_WRITE])];
    let own = desk.mint_user(body(policies.clone()));
    let path = format!("/user/tokens/{}", own.id);
    desk.get(&path, &own.value).result();
    desk.put(&path, &own.value, json!({ "name": "still me", "policies": policies })).result();
    assert_eq!(desk.delete(&path, &own.value).result()["id"], own.id);
    desk.get(&path, &own.value).refused(403, 9109);
}

#[test]
fn the_condition_on_the_address_is_the_fourth_meaning_of_9109() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["condition"] =
        json!({ "request_ip": { "in": ["203.0.113.0/24", "2001:db8::/32"], "not_in": ["203.0.113.7/32"] } });
    let token = desk.mint(asked);
    let from = |ip: &str| {
        let mut request = request("GET", "/zones", &token.value, None);
        request.headers_mut().insert("x-fake-client-ip", ip.parse().expect("a header"));
        desk.read(request)
    };
    from("203.0.113.1").result();
    from("2001:db8::1").result();
    let message = "Cannot use the access token from location: 203.0.113.7";
    assert_eq!(from("203.0.113.7").refused(403, 9109), message);
    from("198.51.100.1").refused(403, 9109);
    from("2001:db9::1").refused(403, 9109);
    desk.get(&main_path("/verify"), &token.value).refused(403, 9109);
}

#[test]
fn an_empty_list_of_addresses_locks_everybody_out() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["condition"] = json!({ "request_ip": { "in": [] } });
    let token = desk.mint(asked);
    let message = "Cannot use the access token from location: 127.0.0.1";
    assert_eq!(desk.get("/zones", &token.value).refused(403, 9109), message);
    assert_eq!(token.shown["condition"], json!({ "request_ip": { "in": [] } }));
}

#[test]
fn an_empty_list_of_excluded_addresses_and_an_empty_condition_lock_nobody_out() {
    let desk = Desk::new();
    for condition in [json!({ "request_ip": { "not_in": [] } }), json!({ "request_ip": {} }), json!({})] {
        let mut asked = harmless();
        asked["condition"] = condition;
        let token = desk.mint(asked);
        desk.get("/zones", &token.value).result();
    }
}

#[test]
fn an_unknown_token_id_is_404() {
    let desk = Desk::new();
    let path = main_path("/11111111111111111111111111111111");
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(
            desk.call(method, &path, &desk.main_parent(), Some(harmless())).refused(404, 1003),
            "Token not found"
        );
    }
    desk.put(&format!("{path}/value"), &desk.main_parent(), json!({})).refused(404, 1003);
}

#[test]
fn a_token_is_not_found_in_another_family() {
    let desk = Desk::new();
    let own = desk.mint_user(harmless());
    desk.get(&main_path(&format!("/{}", own.id)), &desk.main_parent()).refused(404, 1003);
    let own = desk.mint(harmless());
    desk.get(&format!("/user/tokens/{}", own.id), &desk.user_parent()).refused(404, 1003);
    desk.delete(&format!("/accounts/{APPS_ACCOUNT}/tokens/{}", own.id), &desk.apps_parent())
        .refused(404, 1003);
}

#[test]
fn malformed_ids_and_unknown_paths_are_7003() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for path in [
        main_path("/xyz"),
        main_path(&format!("/{}", USER.to_uppercase())),
        format!("/accounts/{MAIN_ACCOUNT}0/tokens"),
        "/accounts/../tokens".to_owned(),
        "/zones/example.com".to_owned(),
        "/nothing".to_owned(),
        "/user/tokens//value".to_owned(),
    ] {
        let message = desk.get(&path, &parent).refused(404, 7003);
        assert_eq!(
            message,
            format!("Could not route to /client/v4{path}, perhaps your object identifier is invalid?")
        );
    }
}

#[test]
fn an_empty_token_id_lists_but_cannot_be_changed() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    assert!(desk.get(&main_path("/"), &parent).result().is_array());
    for method in ["PUT", "DELETE"] {
        desk.call(method, &main_path("/"), &parent, Some(harmless())).refused(405, 7001);
    }
}

#[test]
fn methods_that_a_path_does_not_have_are_7001() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for (method, path) in [
        ("PATCH", main_path("")),
        ("DELETE", main_path("")),
        ("POST", main_path("/verify")),
        ("POST", main_path("/permission_groups")),
        ("POST", main_path(&format!("/{USER}"))),
        ("GET", main_path(&format!("/{USER}/value"))),
        ("DELETE", format!("/accounts/{MAIN_ACCOUNT}")),
    ] {
        desk.call(method, &path, &parent, Some(json!({}))).refused(405, 7001);
    }
}

#[test]
fn some_methods_are_not_for_api_tokens() {
    let desk = Desk::new();
    let message = desk.call("PATCH", "/user", &desk.user_parent(), Some(json!({}))).refused(405, 10000);
    assert_eq!(message, "PATCH method with API Tokens is not supported by this API");
    desk.post("/zones", &desk.user_parent(), json!({})).refused(405, 10000);
}

#[test]
fn both_bare_and_prefixed_values_are_live() {
    let mut config = fake_cloudflare::Config::seeded(1);
    let legacy = "-_09azAZ".repeat(5);
    config.parents[0].value = fake_cloudflare::TokenValue::parse(&legacy).expect("a legacy value");
    let fake = fake_cloudflare::Fake::new(config);
    let outcome = fake.handle(request("GET", &main_path("/verify"), &legacy, None), START);
    assert_eq!(outcome.reply.answer().map(|answer| answer.status().as_u16()), Some(200));
}
