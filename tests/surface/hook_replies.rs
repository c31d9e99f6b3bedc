//! Hooks whose sender waits for the answer: an edge service that signs instead of holding a bearer.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::hook_sender::{hooked, now, standard};
use crate::installation::{Installation, READER, ROOT};

fn wanted(zone: &Value) -> Value {
    json!({ "type": "token.wanted", "data": { "template": "zone-read", "zone": zone, "ttl": 300 } })
}

fn create(here: &Installation, id: &str) -> brevet::routes::Call {
    standard("edge", id, now(here), &wanted(&json!("example.com")))
}

#[test]
fn a_signed_wish_gets_its_token_once_and_makes_no_second_one() {
    let here = hooked();
    let call = create(here, "msg_1");
    let made = here.send(call.clone());
    assert_eq!(made.status, 201, "{}", made.text);
    let lease = &made.body["lease"];
    assert_eq!((lease["owner"].as_str(), lease["grant"].as_str()), (Some("hook:edge"), Some("edge")));
    assert!(made.body["value"].as_str().unwrap().starts_with("cf"));
    let tokens = here.tokens();
    for _ in 0..50 {
        let again = refused(here, call.clone(), 409, "message-repeated");
        assert!(!again.text.contains(made.body["value"].as_str().unwrap()));
    }
    // Signed anew with the same id, too.
    here.pass(60);
    refused(here, create(here, "msg_1"), 409, "message-repeated");
    here.restart();
    refused(here, create(here, "msg_1"), 409, "message-repeated");
    assert_eq!(here.tokens(), tokens);
    assert_eq!(here.send(create(here, "msg_2")).status, 201);
    let receipts = here.get(READER, "/v1/hooks?hook=edge").body["receipts"].clone();
    assert_eq!(receipts.as_array().unwrap().len(), 2);
    assert_eq!((&receipts[0]["state"], &receipts[0]["what"]), (&json!("answered"), &json!("create")));
}

#[test]
fn the_grants_of_the_hook_decide_and_the_journal_has_the_refusal() {
    let here = hooked();
    for (zone, template, reason) in [
        (json!("example.org"), "zone-read", "parameter-refused"),
        (json!("example.com"), "cache-purge", "template-not-allowed"),
    ] {
        let mut body = wanted(&zone);
        body["data"]["template"] = json!(template);
        let call =
            standard("edge", &format!("msg_{zone}_{template}").replace(['.', '"'], "-"), now(here), &body);
        let denied = here.send(call);
        assert!((400..500).contains(&denied.status), "{}", denied.text);
        let kind = denied.body["type"].as_str().unwrap().to_owned();
        assert!(
            kind.contains("parameter") || kind.contains("template") || kind.contains("zone"),
            "{reason} {kind}"
        );
    }
    let mut body = wanted(&json!("example.com"));
    body["data"]["ttl"] = json!("2h");
    refused(here, standard("edge", "msg_ttl", now(here), &body), 403, "end-too-late");
    assert!(here.refusals().iter().all(|entry| entry.contains("hook:edge")), "{:?}", here.refusals());
    // A hook without a grant.
    let mut other = wanted(&json!("example.com"));
    other["lease"] = json!("0123456789ABCDEFGHJKMNPQRS");
    refused(here, standard("edge-end", "msg_x", now(here), &other), 404, "no-such-lease");
}

#[test]
fn parameters_are_typed_and_must_be_there() {
    let here = hooked();
    for (data, status, reason) in [
        (json!({ "template": "zone-read", "zone": "example.com" }), 422, "unfit-message"),
        (json!({ "template": "zone-read", "ttl": 60 }), 422, "unfit-message"),
        (json!({ "template": null, "zone": "example.com", "ttl": 60 }), 422, "unfit-message"),
        (json!({ "template": ["zone-read"], "zone": "example.com", "ttl": 60 }), 400, "invalid-request"),
        (json!({ "template": "zone-read", "zone": { "a": 1 }, "ttl": 60 }), 400, "invalid-request"),
        (json!({ "template": "zone-read", "zone": "example.com", "ttl": -1 }), 400, "invalid-request"),
        (json!({ "template": "zone-read", "zone": "example.com", "ttl": "soon" }), 400, "invalid-request"),
    ] {
        let body = json!({ "type": "token.wanted", "data": data });
        // Nothing was done, so the same id may come again.
        refused(here, standard("edge", "msg_1", now(here), &body), status, reason);
    }
    assert_eq!(here.send(create(here, "msg_1")).status, 201);
    for body in [json!({ "lease": 1 }), json!({ "lease": ".." }), json!({ "lease": ["x"] })] {
        refused(here, standard("edge-end", "msg_2", now(here), &body), 400, "invalid-request");
    }
}

#[test]
fn a_wish_of_another_kind_is_ignored() {
    let here = hooked();
    let mut body = wanted(&json!("example.com"));
    body["type"] = json!("token.unwanted");
    let ignored = here.send(standard("edge", "msg_1", now(here), &body));
    assert_eq!((ignored.status, &ignored.body["ignored"]), (200, &json!(true)));
    assert_eq!(here.send(create(here, "msg_1")).status, 201);
}

#[test]
fn each_hook_rolls_and_ends_its_own_leases_only() {
    let here = hooked();
    let made = here.send(create(here, "msg_1"));
    let lease = json!({ "lease": made.body["lease"]["id"] });
    let foreign = json!({ "lease": here.minted().body["lease"]["id"] });
    for hook in ["edge-roll", "edge-end"] {
        for (number, body) in [&lease, &foreign].into_iter().enumerate() {
            refused(here, standard(hook, &format!("msg_{number}"), now(here), body), 404, "no-such-lease");
        }
    }
    assert_eq!(here.get(ROOT, "/v1/leases?state=active").body["leases"].as_array().unwrap().len(), 2);
}

#[test]
fn a_hook_verifies_and_the_same_message_may_ask_again() {
    let here = hooked();
    let value = here.minted().body["value"].clone();
    let call = standard("look", "msg_1", now(here), &json!({ "token": value }));
    for _ in 0..2 {
        let told = here.send(call.clone());
        assert_eq!((told.status, &told.body["valid"]), (200, &json!(true)), "{}", told.text);
        assert!(told.body.get("lease").is_none(), "whose it is, is its owner's to know: {}", told.text);
    }
    refused(
        here,
        standard("look", "msg_2", now(here), &json!({ "token": "x" })),
        400,
        "not-a-cloudflare-token",
    );
    assert_eq!(here.get(READER, "/v1/hooks").body["receipts"], json!([]));
}
