//! What callers learn of the limits.

use brevet::upstream::{CALLS, KEPT_FOR_DELETES};
use brevet_core::ledger::office::MOST_OPERATIONS;
use serde_json::json;

use crate::denial::refused;
use crate::installation::{CI, Installation, request, zone_read};

const MINT: &str = "/v1/tokens";

#[test]
fn what_passes_through_the_ledger_tells_what_is_left() {
    let here = Installation::new();
    for left in [999, 998] {
        let made = here.minted();
        assert_eq!(made.headers["ratelimit-policy"], "\"upstream\";q=1000;w=300");
        assert!(
            made.headers["ratelimit"].starts_with(&format!("\"upstream\";r={left};t=")),
            "{:?}",
            made.headers
        );
    }
    let listed = here.get(CI, "/v1/leases");
    assert!(listed.headers["ratelimit"].starts_with("\"upstream\";r=998;t="));
    for path in ["/v1/whoami", "/healthz"] {
        assert!(!here.get(CI, path).headers.contains_key("ratelimit"), "{path}");
    }
}

#[test]
fn refuses_a_caller_who_comes_too_often_and_says_when_to_come_again() {
    let here = Installation::new();
    let id = here.minted().body["lease"]["id"].as_str().unwrap().to_owned();
    for _ in 1..MOST_OPERATIONS {
        assert_eq!(here.post(CI, &format!("/v1/leases/{id}/roll"), json!({})).status, 200);
    }
    let denied = refused(here, request(CI, "POST", MINT, Some(&zone_read())), 429, "upstream-rate-limited");
    assert!((1..=300).contains(&denied.headers["retry-after"].parse::<u32>().unwrap()));
    assert_eq!(denied.headers["x-should-retry"], "true");
    let left = CALLS - KEPT_FOR_DELETES - MOST_OPERATIONS;
    assert!(denied.headers["ratelimit"].starts_with(&format!("\"upstream\";r={left};t=")));
    assert_eq!(here.call(CI, "DELETE", &format!("/v1/leases/{id}"), None).status, 200);
    here.pass(300);
    here.minted();
}

#[test]
fn refuses_where_the_grant_has_all_of_its_tokens() {
    let here = Installation::new();
    let mut made = 0;
    while made < 400 {
        let answer = here.post(CI, MINT, zone_read());
        match answer.status {
            201 => made += 1,
            429 if answer.body["type"] == "urn:brevet:problem:upstream-rate-limited" => here.pass(60),
            _ => panic!("{}", answer.text),
        }
    }
    here.pass(301);
    let denied = refused(here, request(CI, "POST", MINT, Some(&zone_read())), 429, "quota");
    let detail = denied.body["detail"].as_str().unwrap();
    assert!(detail.contains("ci-zone") && detail.contains("400") && detail.contains("500"), "{detail}");
    assert!(denied.headers.contains_key("retry-after"));
}
