//! `/healthz`, `/readyz` and `/dev/panic`.

use serde_json::json;

use crate::denial::refused;
use crate::installation::{Installation, READER, ROOT, request};

#[test]
fn health_needs_nothing() {
    let here = Installation::bare(false);
    here.register_down.set(true);
    let answer = here.get("", "/healthz");
    assert_eq!((answer.status, answer.body), (200, json!({ "status": "ok" })));
    assert_eq!(here.steps().register, 0);
    assert_eq!(here.call("", "HEAD", "/healthz", None).status, 200);
    refused(here, request("", "POST", "/healthz", None), 405, "method-not-allowed");
}

#[test]
fn readiness_needs_rules_and_names_accounts_to_operators_alone() {
    let empty = Installation::bare(false).get("", "/readyz");
    assert_eq!((empty.status, empty.body["type"].as_str()), (503, Some("urn:brevet:problem:no-rules")));
    let here = Installation::new();
    let stranger = here.get("", "/readyz");
    assert_eq!((stranger.status, &stranger.body["status"]), (200, &json!("ready")));
    assert_eq!(stranger.body["parents"][0]["state"], "unchecked");
    assert!(!stranger.text.contains("main") && !stranger.text.contains("CLOUDFLARE"));
    pollster::block_on(brevet::routes::check_parents(here)).unwrap();
    let operator = here.get(READER, "/readyz");
    let secrets: Vec<_> =
        operator.body["parents"].as_array().unwrap().iter().map(|entry| &entry["secret"]).collect();
    assert!(secrets.contains(&&json!("CLOUDFLARE_API_TOKEN")), "{}", operator.text);
}

#[test]
fn a_parent_that_died_is_not_ready_and_alarms() {
    let here = Installation::new();
    let dead = here
        .stage
        .fake
        .tokens()
        .into_iter()
        .find(|token| token.name.contains("CLOUDFLARE_API_TOKEN"))
        .unwrap();
    assert!(here.stage.fake.remove_token(&dead.id));
    here.logged();
    pollster::block_on(brevet::routes::check_parents(here)).unwrap();
    let logged = here.logged();
    assert!(
        logged.iter().any(|event| event["event"] == "parent_failing" && event["alarm"] == true),
        "{logged:?}"
    );
    let answer = here.get(ROOT, "/readyz");
    assert_eq!((answer.status, &answer.body["status"]), (503, &json!("not_ready")));
}

#[test]
fn there_is_no_panic_outside_development_or_from_another_host() {
    refused(Installation::bare(false), request("", "POST", "/dev/panic", None), 404, "no-such-path");
    let here = Installation::new();
    refused(here, request("", "GET", "/dev/panic", None), 405, "method-not-allowed");
    let mut elsewhere = request("", "POST", "/dev/panic", None);
    elsewhere.host = "brevet.example.com".to_owned();
    refused(here, elsewhere, 404, "no-such-path");
}
