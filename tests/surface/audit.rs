//! `/v1/audit`.

use serde_json::json;

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, READER, ROOT, request};

#[test]
fn an_operator_reads_all_and_an_owner_what_became_of_its_own() {
    let here = Installation::new();
    let lease = here.minted().body["lease"].clone();
    let id = lease["id"].as_str().unwrap();
    here.call(ROOT, "DELETE", &format!("/v1/leases/{id}"), None);
    let path = format!("/v1/audit?account=main&lease={id}");
    for who in [ROOT, READER, CI] {
        let told = here.get(who, &path);
        assert_eq!(told.status, 200, "{}", told.text);
        let events: Vec<_> =
            told.body["entries"].as_array().unwrap().iter().map(|kept| &kept["entry"]["event"]).collect();
        assert_eq!(events, ["revoked", "revoking", "created"]);
        assert_eq!(told.body["entries"][0]["entry"]["by"], "operator:root");
        assert_eq!(told.body["entries"][2]["entry"]["by"], "client:ci");
    }
    assert_eq!(here.get(APPS, &path).body["entries"], json!([]));
    assert_eq!(here.get(APPS, "/v1/audit?account=main&owner=client%3Aci").body["entries"], json!([]));
    assert_eq!(
        here.get(ROOT, "/v1/audit?account=main&owner=client%3Aci&event=revoked").body["entries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn gives_page_by_page() {
    let here = Installation::new();
    for _ in 0..3 {
        here.minted();
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = here.get(ROOT, &format!("/v1/audit?account=main&limit=2&cursor={cursor}"));
        seen.extend(
            page.body["entries"].as_array().unwrap().iter().map(|kept| kept["seq"].as_u64().unwrap()),
        );
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let last = seen[0];
    assert_eq!(seen, (1..=last).rev().collect::<Vec<_>>());
    assert!(last >= 3);
}

#[test]
fn refuses_what_it_does_not_understand() {
    let here = Installation::new();
    for (query, status, reason) in [
        ("", 400, "account-needed"),
        ("?account=nobody", 404, "unknown-account"),
        ("?account=main&limit=0", 400, "invalid-query"),
        ("?account=main&limit=101", 400, "invalid-query"),
        ("?account=main&cursor=x", 400, "invalid-query"),
        ("?account=main&lease=x", 400, "invalid-query"),
        ("?account=main&grant=x", 400, "invalid-query"),
        ("?account=main&account=apps", 400, "invalid-query"),
    ] {
        refused(here, request(ROOT, "GET", &format!("/v1/audit{query}"), None), status, reason);
    }
    refused(here, request("", "GET", "/v1/audit?account=main", None), 401, "missing-credential");
}

#[test]
fn what_the_rules_refuse_is_told_with_the_rule_and_strangers_are_counted() {
    let here = Installation::new();
    let body = json!({ "template": "workers-deploy", "params": { "account": "apps" } });
    let denied = here.post(CI, "/v1/tokens", body);
    assert_eq!(denied.status, 403, "{}", denied.text);
    let told = |event: &str| -> Vec<serde_json::Value> {
        let accounts = ["apps", "main", "me"];
        let entries = accounts.map(|account| {
            let path = format!("/v1/audit?account={account}&event={event}");
            here.get(ROOT, &path).body["entries"].as_array().unwrap().clone()
        });
        entries.concat().into_iter().map(|kept| kept["entry"].clone()).collect()
    };
    let entries = told("refused");
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry["by"], "client:ci");
    let detail = entry["detail"].as_str().unwrap();
    assert!(detail.contains(&denied.body["detail"].as_str().unwrap()[1..]), "{detail}");
    assert!(!entry["rule"].is_null() || denied.body["pointer"].is_null());
    for _ in 0..50 {
        here.post("brvc_of-nobody-at-all-and-of-43-characters-in-all-x", "/v1/tokens", json!({}));
    }
    assert_eq!(told("refused_unknown").len(), 1);
    here.pass(61);
    here.post("brvc_of-nobody-at-all-and-of-43-characters-in-all-x", "/v1/tokens", json!({}));
    let counted: u32 = told("refused_unknown")
        .iter()
        .map(|entry| entry["detail"].as_str().unwrap().rsplit(' ').next().unwrap().parse::<u32>().unwrap())
        .sum();
    assert_eq!(counted, 51);
}

#[test]
fn refuses_to_rebuild_for_whoever_may_not_change_the_rules() {
    let here = Installation::new();
    for who in [CI, READER] {
        refused(here, request(who, "POST", "/v1/ledgers/main/rebuild", None), 403, "power-missing");
    }
    refused(here, request(ROOT, "POST", "/v1/ledgers/nowhere/rebuild", None), 404, "unknown-account");
    let rebuilt = here.post(ROOT, "/v1/ledgers/main/rebuild", json!({}));
    assert_eq!((rebuilt.status, &rebuilt.body["found"]), (200, &json!([])), "{}", rebuilt.text);
}
