//! What a request costs in steps out of the Worker.

use serde_json::json;

use crate::installation::{CI, Installation, Steps};

#[test]
fn a_mint_is_one_ledger_call_and_touches_no_kv() {
    let here = Installation::new();
    here.minted();
    here.steps();
    here.minted();
    assert_eq!(here.steps(), Steps { ledger: 1, upstream: 1, ..Steps::default() });
}

#[test]
fn a_remembered_verification_touches_nothing() {
    let here = Installation::new();
    let body = json!({ "token": here.minted().body["value"], "account": "main" });
    here.post("", "/v1/tokens/verify", body.clone());
    here.steps();
    here.post("", "/v1/tokens/verify", body.clone());
    assert_eq!(here.steps(), Steps::default());
    here.pass(11);
    here.post("", "/v1/tokens/verify", body.clone());
    assert_eq!(here.steps().upstream, 1);
    let mut fresh = body;
    fresh["fresh"] = json!(true);
    here.post("", "/v1/tokens/verify", fresh);
    assert_eq!(here.steps().upstream, 1);
}

#[test]
fn the_register_is_asked_every_half_minute_and_the_text_is_read_once() {
    let here = Installation::new();
    here.restart();
    here.get(CI, "/v1/whoami");
    assert_eq!(here.steps(), Steps { register: 1, kv_reads: 1, ..Steps::default() });
    for _ in 0..29 {
        here.pass(1);
        here.get(CI, "/v1/whoami");
    }
    assert_eq!(here.steps(), Steps::default());
    here.pass(1);
    here.get(CI, "/v1/whoami");
    assert_eq!(here.steps(), Steps { register: 1, ..Steps::default() });
}
