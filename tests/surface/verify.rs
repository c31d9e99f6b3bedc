//! `POST /v1/tokens/verify`.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, request, rules};

fn ask(body: &Value) -> brevet::routes::Call {
    request("", "POST", "/v1/tokens/verify", Some(body))
}

#[test]
fn refuses_what_is_no_question() {
    let here = Installation::new();
    for body in [
        json!({}),
        json!({ "token": 7 }),
        json!({ "token": "x", "fresh": "yes" }),
        json!({ "token": "x", "account": 1 }),
        json!({ "token": "x", "colour": "red" }),
    ] {
        refused(here, ask(&body), 400, "invalid-request");
    }
    refused(here, ask(&json!({ "token": "x" })), 400, "not-a-cloudflare-token");
    let value = here.minted().body["value"].clone();
    refused(here, ask(&json!({ "token": value, "account": "foreign" })), 404, "unknown-account");
    refused(
        here,
        request("brvc_stranger", "POST", "/v1/tokens/verify", Some(&json!({ "token": value }))),
        401,
        "invalid-credential",
    );
}

#[test]
fn tells_a_stranger_that_a_token_is_good_and_only_its_owner_what_it_may_do() {
    let here = Installation::new();
    let made = here.minted();
    let value = made.body["value"].as_str().unwrap();
    let body = json!({ "token": value });
    for who in ["", APPS] {
        let answer = here.post(who, "/v1/tokens/verify", body.clone());
        assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)), "{}", answer.text);
        assert_eq!((answer.body.get("lease"), answer.body.get("may")), (None, None));
    }
    let answer = here.post(CI, "/v1/tokens/verify", body);
    assert_eq!(answer.body["lease"]["id"], made.body["lease"]["id"]);
    assert_eq!(answer.body["may"][0]["permission_groups"][0]["name"], "Zone Read");
    assert!(!answer.text.contains(value));
}

#[test]
fn a_token_that_cloudflare_does_not_know_is_invalid_with_a_hint() {
    let here = Installation::new();
    let unknown = format!("cfat_{}", "a".repeat(48));
    let answer = here.post("", "/v1/tokens/verify", json!({ "token": unknown }));
    assert_eq!(
        (answer.status, &answer.body["valid"], &answer.body["status"]),
        (200, &json!(false), &json!("invalid"))
    );
    assert!(answer.body["hint"].as_str().unwrap().len() > 10);
    assert!(!answer.text.contains(&unknown));
}

#[test]
fn where_verification_is_closed_a_stranger_learns_of_tokens_in_the_books_alone() {
    let mut closed = rules();
    closed["brevet"]["open_verify"] = json!(false);
    let here = Installation::with_rules(&closed);
    let made = here.minted();
    let ours = here.post("", "/v1/tokens/verify", json!({ "token": made.body["value"] }));
    assert_eq!(ours.body["valid"], true, "{}", ours.text);
    assert_eq!(ours.body.get("lease"), None);
    let (_, parent) = here.stage.seed_for(
        &fake_cloudflare::Owner::Account(fake_cloudflare::MAIN_ACCOUNT.to_owned()),
        "not in the books",
    );
    let theirs = here.post("", "/v1/tokens/verify", json!({ "token": parent.expose() }));
    assert_eq!((&theirs.body["valid"], &theirs.body["id"]), (&json!(false), &Value::Null), "{}", theirs.text);
}

#[test]
fn an_address_that_asks_too_often_is_told_to_wait() {
    let here = Installation::new();
    let value = here.minted().body["value"].clone();
    let body = json!({ "token": value });
    for _ in 0..brevet_core::broker::MOST_VISITS {
        assert_eq!(here.post("", "/v1/tokens/verify", body.clone()).status, 200);
    }
    let answer = here.post("", "/v1/tokens/verify", body.clone());
    assert_eq!(
        (answer.status, answer.body["type"].as_str()),
        (429, Some("urn:brevet:problem:too-many-requests"))
    );
    assert_eq!(answer.headers["retry-after"], "60");
    here.pass(61);
    assert_eq!(here.post("", "/v1/tokens/verify", body).status, 200);
}
