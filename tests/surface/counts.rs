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

#[test]
fn every_operation_on_a_lease_asks_one_ledger_once_or_twice_and_no_store() {
    let here = Installation::new();
    let lease = || {
        let id = here.minted().body["lease"]["id"].as_str().unwrap().to_owned();
        here.steps();
        format!("/v1/leases/{id}")
    };
    let ledger = |ledger, upstream| Steps { ledger, upstream, ..Steps::default() };
    // Ledgers are asked in the order of the accounts' names until one has the lease.
    let accounts_before = 1;
    let path = lease();
    here.get(CI, &path);
    assert_eq!(here.steps(), ledger(accounts_before + 1, 0), "a reading");
    let path = lease();
    here.post(CI, &format!("{path}/renew"), json!({ "ttl": "20m" }));
    assert_eq!(here.steps(), ledger(accounts_before + 2, 1), "a renewal reads, decides and writes");
    here.post(CI, &format!("{path}/roll"), json!({}));
    assert_eq!(here.steps(), ledger(accounts_before + 2, 1), "a roll does the same");
    here.call(CI, "DELETE", &path, None);
    assert_eq!(here.steps(), ledger(accounts_before + 1, 1), "a revocation needs no reading");
}

#[test]
fn what_is_refused_costs_no_call_of_cloudflare() {
    let here = Installation::new();
    here.get("brvc_wrong-secret-of-the-tests-and-of-nothing-els", "/v1/whoami");
    here.steps();
    let mut wish = crate::installation::zone_read();
    wish["ttl"] = json!("2h");
    here.post(CI, "/v1/tokens", wish.clone());
    assert_eq!(here.steps(), Steps { ledger: 1, ..Steps::default() }, "it is journalled");
    wish["template"] = json!("zone-rade");
    here.post(CI, "/v1/plan", wish);
    assert_eq!(here.steps(), Steps::default(), "a plan is not");
    here.get("brvc_wrong-secret-of-the-tests-and-of-nothing-els", "/v1/whoami");
    assert_eq!(here.steps(), Steps::default(), "strangers are counted, not written");
}
