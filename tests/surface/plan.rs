//! `POST /v1/plan`.

use serde_json::json;

use crate::denial::refused;
use crate::installation::{APPS, CI, IDLE, Installation, request, zone_read};

#[test]
fn refuses_what_a_create_would_refuse() {
    let here = Installation::new();
    let plan = |who: &str| request(who, "POST", "/v1/plan", Some(&zone_read()));
    refused(here, plan("brvc_stranger"), 401, "invalid-credential");
    refused(here, plan(IDLE), 403, "unknown-grant");
    refused(here, plan(APPS), 403, "unknown-grant");
    let mut long = zone_read();
    long["ttl"] = json!("400days");
    refused(here, request(CI, "POST", "/v1/plan", Some(&long)), 403, "end-too-late");
    refused(here, request(CI, "GET", "/v1/plan", None), 405, "method-not-allowed");
}

#[test]
fn shows_the_request_that_the_create_then_sends_and_makes_nothing() {
    let here = Installation::new();
    let tokens = here.tokens();
    let plan = here.post(CI, "/v1/plan", zone_read());
    assert_eq!(plan.status, 200, "{}", plan.text);
    let steps = here.steps();
    assert_eq!((steps.upstream, steps.ledger, here.tokens()), (0, 0, tokens));
    assert_eq!(plan.body["may"][0]["permission_groups"][0]["name"], "Zone Read");
    let made = here.minted();
    let body = &plan.body["request"]["body"];
    assert_eq!(body["expires_on"], made.body["lease"]["expires_on"]);
    assert_eq!(body["policies"][0]["resources"], made.body["lease"]["policies"][0]["resources"]);
    assert_eq!(plan.body["request"]["path"], "/accounts/0123456789abcdef0123456789abcdef/tokens");
}
