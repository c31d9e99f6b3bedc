//! `/v1/config`, on a KV that lags and on one that does not.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, READER, ROOT, request, rules, zone_read};
use brevet::routes::Call;

/// The published operator, who may push rules and is not the root operator.
const ALICE: &str = brevet_core::rules::example::OPERATOR_SECRET;

fn push(who: &str, expected: Option<u64>, rules: &Value) -> Call {
    let mut call = request(who, "PUT", "/v1/config", Some(&json!({ "rules": rules })));
    call.if_match = expected.map(|version| format!("\"{version}\""));
    call
}

/// Each test runs on both kinds of KV.
fn each(test: impl Fn(&Installation)) {
    for lags in [false, true] {
        let here = Installation::new();
        here.kv.lags.set(lags);
        test(here);
    }
}

#[test]
fn refuses_whoever_may_not_configure_before_reading_the_rules() {
    let here = Installation::new();
    for (who, status, reason) in [
        ("", 401, "missing-credential"),
        ("brvo_stranger", 401, "invalid-credential"),
        (CI, 403, "power-missing"),
        (READER, 403, "power-missing"),
    ] {
        for (method, path) in [
            ("GET", "/v1/config"),
            ("GET", "/v1/config/history"),
            ("GET", "/v1/config/versions/1"),
            ("POST", "/v1/config/lint"),
        ] {
            refused(here, request(who, method, path, Some(&json!("no rules at all"))), status, reason);
        }
        refused(here, push(who, Some(1), &json!("no rules at all")), status, reason);
    }
}

#[test]
fn refuses_a_push_that_rests_on_another_version_or_on_none() {
    each(|here| {
        refused(here, push(ALICE, None, &rules()), 428, "if-match-needed");
        for expected in [0, 2, 99] {
            let answer = refused(here, push(ALICE, Some(expected), &rules()), 412, "rules-moved");
            assert_eq!(answer.body["present"], 1);
        }
        for tag in ["1", "W/\"1\"", "\"x\"", "*"] {
            let mut call = push(ALICE, None, &rules());
            call.if_match = Some(tag.to_owned());
            refused(here, call, 400, "invalid-query");
        }
    });
}

#[test]
fn refuses_rules_with_errors_and_says_where() {
    let here = Installation::new();
    for (pointer, value, code) in [
        ("/grant/ci-zone/max_ttl", json!("forever"), "time"),
        ("/grant/ci-zone/from", json!({ "client": "nobody" }), "dangling"),
        ("/account/main/id", json!("short"), "id"),
        ("/zone/example.com/colour", json!("red"), "unknown-field"),
    ] {
        let mut bad = rules();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[name] = value;
        let answer = refused(here, push(ALICE, Some(1), &bad), 422, "invalid-rules");
        let findings = answer.body["findings"].as_array().unwrap();
        assert!(
            findings.iter().any(|finding| finding["code"] == code
                && finding["pointer"].as_str().unwrap().starts_with(pointer)),
            "{pointer}: {}",
            answer.text
        );
        let lint = here.post(ALICE, "/v1/config/lint", json!({ "rules": bad }));
        assert_eq!((lint.status, &lint.body["ok"]), (200, &json!(false)));
    }
    assert_eq!(here.get(ALICE, "/v1/config").body["version"], 1);
}

#[test]
fn refuses_what_widens_to_all_but_the_root_operator() {
    each(|here| {
        let mut wider = rules();
        wider["operator"]["reader"]["may"] = json!(["read", "mint"]);
        let answer = refused(here, push(ALICE, Some(1), &wider), 403, "root-needed");
        assert!(answer.body["widened"][0].as_str().unwrap().contains("reader"));
        assert_eq!(here.push(ROOT, 1, &wider).status, 200);
    });
}

#[test]
fn refuses_to_take_away_what_live_leases_rest_on_until_told_what_becomes_of_them() {
    each(|here| {
        let id = here.minted().body["lease"]["id"].clone();
        let mut fewer = rules();
        fewer["grant"].as_object_mut().unwrap().remove("ci-zone");
        let answer = refused(here, push(ALICE, Some(1), &fewer), 409, "leases-remain");
        assert_eq!(answer.body["leases"], json!([id]));
        let mut call = push(ALICE, Some(1), &fewer);
        call.query = "revoke=true".to_owned();
        here.pass(2);
        let pushed = here.send(call);
        assert_eq!((pushed.status, &pushed.body["revoked"]), (200, &json!([id])), "{}", pushed.text);
        let lease = here.get(CI, &format!("/v1/leases/{}", id.as_str().unwrap()));
        assert_eq!(lease.body["end"], "revoked");
    });
}

#[test]
fn a_client_that_was_removed_is_refused_in_the_next_request_of_every_instance() {
    each(|here| {
        here.minted();
        let mut fewer = rules();
        fewer["client"].as_object_mut().unwrap().remove("ci");
        fewer["grant"].as_object_mut().unwrap().remove("ci-zone");
        let mut call = push(ALICE, Some(1), &fewer);
        call.query = "keep=true".to_owned();
        here.pass(2);
        assert_eq!(here.send(call).status, 200);
        refused(here, request(CI, "POST", "/v1/tokens", Some(&zone_read())), 401, "invalid-credential");
    });
}

#[test]
fn an_instance_with_older_rules_mints_nothing_under_them() {
    each(|here| {
        here.minted();
        let old = here.remembered();
        let mut tighter = rules();
        tighter["grant"]["ci-zone"]["enabled"] = json!(false);
        here.pass(2);
        assert_eq!(here.push(ALICE, 1, &tighter).status, 200);
        // Another instance, which has not heard of the push.
        here.remember(old);
        let tokens = here.tokens();
        let answer = here.post(CI, "/v1/tokens", zone_read());
        assert_eq!(
            (answer.status, answer.body["type"].as_str()),
            (403, Some("urn:brevet:problem:grant-disabled"))
        );
        assert_eq!(here.tokens(), tokens);
    });
}

#[test]
fn a_copy_that_somebody_altered_is_not_used_and_alarms() {
    each(|here| {
        let mut open = rules();
        open["grant"]["ci-zone"]["max_ttl"] = json!("300days");
        here.kv.alter(&open.to_string());
        here.restart();
        here.logged();
        let mut long = zone_read();
        long["ttl"] = json!("2h");
        let answer = here.post(CI, "/v1/tokens", long);
        assert_eq!(answer.status, 403, "{}", answer.text);
        let logged = here.logged();
        assert!(
            logged.iter().any(|event| event["event"] == "rules_copy_altered" && event["alarm"] == true),
            "{logged:?}"
        );
    });
}

#[test]
fn a_kv_that_shows_nothing_new_holds_nothing_up() {
    let here = Installation::new();
    here.kv.lags.set(true);
    for version in 1..6_u64 {
        let mut next = rules();
        next["grant"]["ci-zone"]["ttl"] = json!(format!("{}m", version + 1));
        // Five pushes within one second of the KV's clock.
        let pushed = here.push(ALICE, version, &next);
        assert_eq!((pushed.status, &pushed.body["version"]), (200, &json!(version + 1)), "{}", pushed.text);
        here.restart();
        assert_eq!(here.get(CI, "/v1/whoami").body["grants"][0]["ttl"], (version + 1) * 60);
    }
    assert_eq!(here.kv.keys().len(), 6);
}

#[test]
fn a_ledger_that_is_down_is_told_later_and_the_push_says_so() {
    let here = Installation::new();
    here.ledgers_down.set(true);
    let mut next = rules();
    next["grant"]["ci-zone"]["ttl"] = json!("3m");
    let mut call = push(ALICE, Some(1), &next);
    call.query = "keep=true".to_owned();
    let pushed = here.send(call);
    assert_eq!(pushed.status, 202, "{}", pushed.text);
    assert_eq!(pushed.body["missing"].as_array().unwrap().len(), 3);
    let woken = here.woken.get();
    here.wake();
    assert!(here.woken.get() > woken, "nobody goes on with what is left");
    here.ledgers_down.set(false);
    here.wake();
    let woken = here.woken.get();
    here.wake();
    assert_eq!(here.woken.get(), woken, "there is nothing left to do");
}

#[test]
fn tells_the_versions_and_each_of_them() {
    let here = Installation::new();
    let mut next = rules();
    next["grant"]["ci-zone"]["ttl"] = json!("3m");
    assert_eq!(here.push(ALICE, 1, &next).headers["etag"], "\"2\"");
    let history = here.get(ALICE, "/v1/config/history");
    let versions: Vec<u64> = history.body["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, [2, 1]);
    assert_eq!(history.body["versions"][0]["pushed_by"], "operator:alice");
    assert_eq!(here.get(ALICE, "/v1/config").body["rules"], next);
    assert_eq!(here.get(ALICE, "/v1/config/versions/1").body["rules"], rules());
    for version in ["3", "0", "x", "-1", "18446744073709551616"] {
        refused(
            here,
            request(ALICE, "GET", &format!("/v1/config/versions/{version}"), None),
            404,
            "malformed-id",
        );
    }
}

#[test]
fn an_instance_goes_on_for_five_minutes_without_the_register_and_then_stops() {
    let here = Installation::new();
    here.minted();
    here.register_down.set(true);
    here.pass(31);
    assert_eq!(here.get(CI, "/v1/whoami").status, 200);
    here.pass(300);
    let answer = here.get(CI, "/v1/whoami");
    assert_eq!(
        (answer.status, answer.body["type"].as_str()),
        (503, Some("urn:brevet:problem:temporarily-unavailable"))
    );
    here.restart();
    assert_eq!(here.get(APPS, "/v1/whoami").status, 503);
}
