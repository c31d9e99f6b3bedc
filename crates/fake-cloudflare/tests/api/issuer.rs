//! The stand-in as an issuer of identity tokens.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::desk::*;

fn parts(token: &str) -> (Value, Value) {
    let part = |number: usize| {
        let text = token.split('.').nth(number).expect("three parts");
        serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")).expect("JSON")
    };
    (part(0), part(1))
}

fn made(desk: &Desk, shape: &str, wish: Value) -> (Value, Value) {
    let got = desk.admin("POST", &format!("issuer/{shape}/tokens"), Some(wish));
    assert_eq!(got.status, 200, "{}", got.body);
    parts(got.body["token"].as_str().expect("a token"))
}

#[test]
fn refuses_switches_that_it_has_not() {
    let desk = Desk::new();
    for (method, what, body) in [
        ("POST", "github/tokens", json!({ "colour": "red" })),
        ("POST", "github/tokens", json!({ "algorithm": "none" })),
        ("POST", "github/faults", json!({ "at": "keys", "fault": { "kind": "odd" } })),
        ("POST", "github/faults", json!({ "at": "elsewhere" })),
        ("POST", "nobody/tokens", json!({})),
        ("GET", "github/colours", json!({})),
    ] {
        let got = desk.admin(method, &format!("issuer/{what}"), Some(body));
        assert_eq!(got.status, 400, "{what}: {}", got.body);
        assert!(got.body["error"].is_string());
    }
    assert_eq!(desk.admin("GET", "issuer/github", None).status, 404);
}

#[test]
fn a_job_of_github_says_what_the_real_one_says_and_what_is_changed() {
    let desk = Desk::new();
    let (head, claims) = made(&desk, "github", json!({}));
    assert_eq!(
        (&head["alg"], &head["kid"], &head["typ"]),
        (&json!("ES256"), &json!("ES256-1"), &json!("JWT"))
    );
    assert_eq!(claims["sub"], "repo:octo-org/app:ref:refs/heads/main");
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(START), Some(START + 300)));
    let (_, other) = made(&desk, "github", json!({}));
    assert_ne!(claims["jti"], other["jti"]);
    for (wish, sub) in [
        (json!({ "ids_in_sub": true }), "repo:octo-org@100000001/app@200000003:ref:refs/heads/main"),
        (json!({ "claims": { "environment": "a:b" } }), "repo:octo-org/app:environment:a%3Ab"),
        (json!({ "claims": { "event_name": "pull_request" } }), "repo:octo-org/app:pull_request"),
        (json!({ "claims": { "sub": "mine" } }), "mine"),
    ] {
        assert_eq!(made(&desk, "github", wish).1["sub"], sub);
    }
    let (head, claims) = made(
        &desk,
        "github",
        json!({ "claims": { "jti": null, "aud": ["a"] }, "header": { "kid": "x" }, "algorithm": "EdDSA", "seconds": 7 }),
    );
    assert_eq!(
        (claims.get("jti"), &claims["aud"], &head["kid"], &head["alg"]),
        (None, &json!(["a"]), &json!("x"), &json!("EdDSA"))
    );
    assert_eq!(claims["exp"].as_i64(), Some(START + 7));
}

#[test]
fn a_job_of_gitlab_has_its_own_claims() {
    let desk = Desk::new();
    let (_, claims) =
        made(&desk, "gitlab", json!({ "claims": { "ref": "feature", "ref_protected": "false" } }));
    assert_eq!(claims["sub"], "project_path:group/project:ref_type:branch:ref:feature");
    assert_eq!((&claims["ref_protected"], &claims["runner_id"]), (&json!("false"), &json!(1)));
}

fn document(desk: &Desk, path: &str) -> (u64, u16, Vec<u8>, String) {
    let request = http::Request::get(path).header("host", "127.0.0.1:7").body(Vec::new()).expect("a request");
    let outcome = desk.fake.handle(request, START);
    let fake_cloudflare::Reply::Answer(answer) = outcome.reply else { panic!("no answer") };
    let location =
        answer.headers().get("location").map_or("", |value| value.to_str().expect("text")).to_owned();
    (outcome.delay_ms, answer.status().as_u16(), answer.body().clone(), location)
}

fn kids(desk: &Desk, issuer: &str) -> Vec<String> {
    let (_, status, body, _) = document(desk, &format!("/issuer/{issuer}/keys"));
    assert_eq!(status, 200);
    let keys: Value = serde_json::from_slice(&body).expect("JSON");
    let keys = keys["keys"].as_array().expect("a list");
    keys.iter().map(|key| key["kid"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn each_issuer_serves_discovery_and_its_own_keys_which_rotate() {
    let desk = Desk::new();
    let (_, status, body, _) = document(&desk, "/issuer/github-a/.well-known/openid-configuration");
    let discovery: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &discovery["issuer"]), (200, &json!("http://127.0.0.1:7/issuer/github-a")));
    assert_eq!(discovery["jwks_uri"], "http://127.0.0.1:7/issuer/github-a/keys");
    assert_eq!(kids(&desk, "github-a"), ["EdDSA-1", "ES256-1"]);
    assert_eq!(desk.admin("POST", "issuer/github-a/rotate", None).body["kid"], "ES256-2");
    assert_eq!(kids(&desk, "github-a"), ["EdDSA-1", "ES256-1", "EdDSA-2", "ES256-2"]);
    desk.admin("POST", "issuer/github-a/rotate", None);
    assert_eq!(kids(&desk, "github-a"), ["EdDSA-2", "ES256-2", "EdDSA-3", "ES256-3"]);
    assert_eq!(kids(&desk, "github"), ["EdDSA-1", "ES256-1"]);
    let asked = desk.admin("GET", "issuer/github-a/asked", None).body;
    assert_eq!(asked, json!(["discovery", "keys", "keys", "keys"]));
    for path in ["/issuer/nobody/keys", "/issuer/github", "/issuer/github/other", "/issuer/github-A/keys"] {
        assert_eq!(document(&desk, path).1, 404, "{path}");
    }
}

#[test]
fn each_document_goes_wrong_in_the_ways_that_were_asked_for() {
    let desk = Desk::new();
    let set = |fault: Value| {
        let got = desk.admin("POST", "issuer/github/faults", Some(json!({ "at": "keys", "fault": fault })));
        assert_eq!(got.status, 200, "{}", got.body);
        document(&desk, "/issuer/github/keys")
    };
    assert!(set(json!({ "kind": "html" })).2.starts_with(b"<!doctype html>"));
    // Whoever reads all of it finds good keys at its end.
    let huge = set(json!({ "kind": "huge" })).2;
    assert!(huge.len() > 10 * 1024 * 1024);
    assert!(huge.ends_with(b"}") && serde_json::from_slice::<Value>(&huge).unwrap()["keys"].is_array());
    let packed = set(json!({ "kind": "packed" })).2;
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < 128 * 1024);
    assert_eq!(set(json!({ "kind": "slow", "ms": 5_000 })).0, 5_000);
    assert_eq!(set(json!({ "kind": "status", "status": 500 })).1, 500);
    assert_eq!(set(json!({ "kind": "text", "text": "{}" })).2, b"{}");
    let (_, status, _, location) = set(json!({ "kind": "redirect", "to": "http://127.0.0.1:1/" }));
    assert_eq!((status, &*location), (302, "http://127.0.0.1:1/"));
    // Discovery is well meanwhile, and the keys are again when they are said to be.
    assert_eq!(document(&desk, "/issuer/github/.well-known/openid-configuration").1, 200);
    desk.admin("POST", "issuer/github/faults", Some(json!({ "at": "keys" })));
    assert_eq!(kids(&desk, "github"), ["EdDSA-1", "ES256-1"]);
}
