//! `Idempotency-Key`, on both surfaces.

use brevet::routes::Call;
use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, request, zone_read};

fn keyed(who: &str, path: &str, body: &Value, key: &str) -> Call {
    let mut call = request(who, "POST", path, Some(body));
    call.idempotency_key = Some(key.to_owned());
    call
}

#[test]
fn the_same_request_gives_the_same_lease_and_another_value() {
    let here = Installation::new();
    let before = here.tokens();
    let send = || here.send(keyed(CI, "/v1/tokens", &zone_read(), "7f1c"));
    let first = send();
    assert_eq!(first.status, 201, "{}", first.text);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let again = send();
    assert_eq!((again.status, again.headers["idempotent-replayed"].as_str()), (201, "true"));
    assert_eq!(again.body["lease"]["id"], first.body["lease"]["id"]);
    assert_ne!(again.body["value"], first.body["value"]);
    assert_eq!(here.tokens(), before + 1);
    here.pass(601);
    let late = send();
    assert_eq!(late.status, 200, "{}", late.text);
    assert_eq!(late.body["value_available"], false);
    assert_eq!(late.body["lease"]["id"], first.body["lease"]["id"]);
    assert!(late.body.get("value").is_none());
}

#[test]
fn a_key_is_its_callers_and_its_routes() {
    let here = Installation::new();
    let before = here.tokens();
    let first = here.send(keyed(CI, "/v1/tokens", &zone_read(), "7f1c"));
    let apps = json!({ "template": "workers-deploy", "params": { "account": "apps" } });
    let theirs = here.send(keyed(APPS, "/v1/tokens", &apps, "7f1c"));
    assert_eq!(theirs.status, 201, "{}", theirs.text);
    assert_ne!(theirs.body["lease"]["id"], first.body["lease"]["id"]);
    let shown = here.get(CI, &format!("/v1/leases/{}", first.body["lease"]["id"].as_str().unwrap())).body;
    let raw = json!({ "name": "x", "policies": shown["policies"], "expires_on": shown["expires_on"] });
    let path = "/client/v4/accounts/0123456789abcdef0123456789abcdef/tokens";
    let dropped = here.send(keyed(CI, path, &raw, "7f1c"));
    assert_eq!(dropped.status, 200, "{}", dropped.text);
    assert_eq!(here.tokens(), before + 3);
    let again = here.send(keyed(CI, path, &raw, "7f1c"));
    assert_eq!(again.body["result"]["id"], dropped.body["result"]["id"]);
    assert_ne!(again.body["result"]["value"], dropped.body["result"]["value"]);
    assert_eq!(again.headers["idempotent-replayed"], "true");
}

#[test]
fn refuses_a_key_with_another_body() {
    let here = Installation::new();
    here.send(keyed(CI, "/v1/tokens", &zone_read(), "7f1c"));
    let mut other = zone_read();
    other["ttl"] = json!("11m");
    let answer = refused(here, keyed(CI, "/v1/tokens", &other, "7f1c"), 422, "idempotency-key-reused");
    assert!(!answer.text.contains("7f1c"));
}

#[test]
fn refuses_a_key_that_is_none() {
    let here = Installation::new();
    for key in ["", " ", "a b", "\u{fc}", "a\n", &"x".repeat(256)] {
        let answer = refused(here, keyed(CI, "/v1/tokens", &zone_read(), key), 400, "invalid-header");
        assert!(answer.body["hint"].as_str().unwrap().contains("255"), "{}", answer.text);
    }
    let longest = "x".repeat(255);
    assert_eq!(here.send(keyed(CI, "/v1/tokens", &zone_read(), &longest)).status, 201);
}
