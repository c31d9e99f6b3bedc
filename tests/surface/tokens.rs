//! `POST /v1/tokens`.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, IDLE, Installation, READER, ROOT, request, rules, zone_read};
use brevet::routes::Body;

fn with(pointer: &str, value: Value) -> Value {
    let mut ask = zone_read();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    ask.pointer_mut(parent).unwrap()[name] = value;
    ask
}

fn create(who: &str, body: &Value) -> brevet::routes::Call {
    request(who, "POST", "/v1/tokens", Some(body))
}

#[test]
fn refuses_whoever_is_not_known_without_saying_why() {
    let here = Installation::new();
    let mut bodies = Vec::new();
    for who in [
        "brvc_nobody-has-this-secret-of-forty-three-chars_",
        "brvo_nobody-has-this-secret-of-forty-three-chars_",
        "brvc_short",
        "nonsense",
    ] {
        bodies.push(refused(here, create(who, &zone_read()), 401, "invalid-credential").text);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "an answer tells credentials apart: {bodies:?}");
    refused(here, create("", &zone_read()), 401, "missing-credential");
    let mut basic = create("", &zone_read());
    basic.authorization = Some("Basic dXNlcjpwYXNz".to_owned());
    refused(here, basic, 400, "malformed-credential");
}

#[test]
fn refuses_who_has_no_grant_or_not_this_one() {
    let here = Installation::new();
    let none = with("/grant", Value::Null);
    refused(here, create(IDLE, &none), 403, "no-grant");
    refused(here, create(IDLE, &zone_read()), 403, "unknown-grant");
    refused(here, create(APPS, &zone_read()), 403, "unknown-grant");
    refused(here, create(APPS, &none), 403, "template-not-allowed");
    refused(here, create(READER, &none), 403, "power-missing");
    refused(here, create(ROOT, &zone_read()), 422, "grant-for-operator");
}

#[test]
fn refuses_what_the_rules_do_not_know_or_do_not_allow() {
    let here = Installation::new();
    for (pointer, value, status, reason, place) in [
        ("/template", json!("no-such-template"), 422, "unknown-template", Some("/template")),
        ("/template", json!("billing-read"), 403, "template-not-allowed", Some("/template")),
        ("/params/zone", json!(["example.org"]), 422, "unknown-zone", Some("/params/zone")),
        ("/params/zone", json!(["*"]), 403, "parameter-refused", Some("/params/zone")),
        ("/params/zone", json!(["example.com", "*"]), 422, "all-zones-and-more", Some("/params/zone")),
        ("/params/account", json!("foreign"), 422, "unknown-account", Some("/params/account")),
        ("/params/account", json!("apps"), 403, "parameter-refused", Some("/params/account")),
        ("/params/colour", json!("red"), 422, "unknown-parameter", Some("/params/colour")),
        ("/ttl", json!("2h"), 403, "end-too-late", Some("/expires_on")),
        ("/condition", json!({ "in": ["not a network"] }), 422, "invalid-condition", None),
    ] {
        let answer = refused(here, create(CI, &with(pointer, value)), status, reason);
        if let Some(place) = place {
            assert_eq!(answer.body["pointer"], place, "{}", answer.text);
        }
    }
}

#[test]
fn refuses_a_body_that_does_not_say_what_it_should() {
    let here = Installation::new();
    for (pointer, value) in [
        ("/ttl", json!(0)),
        ("/ttl", json!(-1)),
        ("/ttl", json!(9_223_372_036_854_775_808_u64)),
        ("/ttl", json!(1.5)),
        ("/expires_on", json!("tomorrow")),
        ("/template", json!(7)),
        ("/params", json!([])),
        ("/name", json!("with\u{7}bell")),
        ("/unknown", json!(true)),
    ] {
        refused(here, create(CI, &with(pointer, value)), 400, "invalid-request");
    }
    for text in ["", "{", "[]", "null", "{\"ttl\":1,\"ttl\":2}", "\u{feff}{}"] {
        let mut call = create(CI, &json!({}));
        call.body = Body::Whole(text.as_bytes().to_vec());
        refused(here, call, 400, "invalid-json");
    }
    let mut long = create(CI, &zone_read());
    long.body = Body::TooLong;
    refused(here, long, 413, "body-too-long");
    let mut packed = create(CI, &zone_read());
    packed.content_encoding = Some("gzip".to_owned());
    refused(here, packed, 415, "encoded-body");
    let both = with("/expires_on", json!("2027-02-01T00:00:00Z"));
    refused(here, create(CI, &both), 400, "invalid-request");
}

#[test]
fn refuses_while_a_grant_is_off_or_only_watched() {
    for (member, value, status, reason) in
        [("enabled", json!(false), 403, "grant-disabled"), ("mode", json!("audit"), 403, "audit-only")]
    {
        let mut rules = rules();
        rules["grant"]["ci-zone"][member] = value;
        let here = Installation::with_rules(&rules);
        refused(here, create(CI, &zone_read()), status, reason);
    }
    let mut rules = rules();
    rules["grant"]["ci-zone"]["operations"] = json!(["renew"]);
    let here = Installation::with_rules(&rules);
    refused(here, create(CI, &zone_read()), 403, "operation-not-listed");
}

#[test]
fn refuses_without_rules_or_without_the_books() {
    let here = Installation::bare(false);
    let answer = here.post(CI, "/v1/tokens", zone_read());
    assert_eq!((answer.status, answer.body["type"].as_str()), (503, Some("urn:brevet:problem:no-rules")));
    assert_eq!((here.steps().upstream, here.steps().ledger), (0, 0));
    let here = Installation::new();
    here.ledgers_down.set(true);
    let answer = here.post(CI, "/v1/tokens", zone_read());
    assert_eq!(
        (answer.status, answer.body["type"].as_str()),
        (503, Some("urn:brevet:problem:temporarily-unavailable"))
    );
    assert_eq!(answer.headers["retry-after"], "2");
    assert_eq!(here.steps().upstream, 0);
    assert_eq!(here.logged()[0]["event"], "unreachable");
}

#[test]
fn makes_a_token_and_shows_its_value_once() {
    let here = Installation::new();
    let made = here.minted();
    let value = made.body["value"].as_str().unwrap().to_owned();
    let id = made.body["lease"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers["location"], format!("/v1/leases/{id}"));
    assert_eq!(made.headers["cache-control"], "no-store");
    assert_eq!(made.body["lease"]["state"], "active");
    assert_eq!(made.body["lease"]["grant"], "ci-zone");
    assert_eq!(made.body["lease"]["policies"][0]["effect"], "allow");
    for path in ["/v1/leases".to_owned(), format!("/v1/leases/{id}"), "/v1/whoami".to_owned()] {
        let shown = here.get(CI, &path);
        assert_eq!(shown.status, 200);
        assert!(!shown.text.contains(&value), "{path}");
    }
    assert!(here.logged().iter().all(|event| !event.to_string().contains(&value)));
    here.stage.assert_clean();
}

#[test]
fn what_cloudflare_refuses_is_told_with_its_cause() {
    let here = Installation::new();
    let effect = serde_json::from_value(json!({ "kind": "status", "status": 403, "code": 9109 })).unwrap();
    here.stage.fault("POST", "/tokens", 1, effect);
    let answer = here.post(CI, "/v1/tokens", zone_read());
    assert!((400..600).contains(&answer.status), "{}", answer.text);
    assert!(
        answer.body["detail"].as_str().unwrap().len() > 10 && answer.body["hint"].as_str().unwrap().len() > 5
    );
    assert_eq!(answer.body["upstream_status"], 403);
    assert_eq!(here.logged()[0]["event"], "upstream");
    let leases = here.get(CI, "/v1/leases?state=active");
    assert_eq!(leases.body["leases"], json!([]));
}
