//! `/v1/freezes`, `/v1/leases/revoke`, `/v1/jobs`.

use serde_json::json;

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, READER, ROOT, request, zone_read};

const ID: &str = "0123456789ABCDEFGHJKMNPQRS";

#[test]
fn the_switch_needs_an_operator_who_may_revoke() {
    let here = Installation::new();
    here.minted();
    let stop = json!({ "all": true, "reason": "A drill." });
    for (method, path, body) in [
        ("GET", "/v1/freezes".to_owned(), None),
        ("POST", "/v1/freezes".to_owned(), Some(&stop)),
        ("DELETE", format!("/v1/freezes/{ID}"), None),
        ("POST", "/v1/leases/revoke".to_owned(), Some(&stop)),
        ("GET", format!("/v1/jobs/{ID}"), None),
    ] {
        for who in [CI, READER] {
            refused(here, request(who, method, &path, body), 403, "power-missing");
        }
        refused(here, request("brvc_stranger", method, &path, body), 401, "invalid-credential");
    }
    assert_eq!(here.get(ROOT, "/v1/leases?state=active").body["leases"].as_array().unwrap().len(), 1);
}

#[test]
fn refuses_a_stop_that_does_not_say_exactly_what_and_why() {
    let here = Installation::new();
    let long = "x".repeat(301);
    for (body, pointer) in [
        (json!({ "reason": "why" }), ""),
        (json!({ "reason": "why", "all": false }), ""),
        (json!({ "reason": "why", "all": "yes" }), ""),
        (json!({ "reason": "why", "owner": "" }), ""),
        (json!({ "reason": "why", "grant": 1 }), ""),
        (json!({ "reason": "why", "grant": "a", "template": "b" }), ""),
        (json!({ "reason": "why", "client": "a", "owner": "client:a" }), ""),
        (json!({ "reason": "why", "run": "1" }), ""),
        (json!({ "all": true }), "/reason"),
        (json!({ "all": true, "reason": " " }), "/reason"),
        (json!({ "all": true, "reason": long }), "/reason"),
        (json!({ "all": true, "reason": "why", "for": 0 }), "/for"),
        (json!({ "all": true, "reason": "why", "for": "soon" }), "/for"),
    ] {
        let answer = refused(here, request(ROOT, "POST", "/v1/freezes", Some(&body)), 400, "invalid-request");
        assert_eq!(answer.body["pointer"], pointer, "{body}");
    }
    let body = json!({ "all": true, "reason": "why", "freeze": true });
    refused(here, request(ROOT, "POST", "/v1/freezes", Some(&body)), 400, "invalid-request");
    let body = json!({ "all": true, "freeze": "no" });
    refused(here, request(ROOT, "POST", "/v1/leases/revoke", Some(&body)), 400, "invalid-request");
    for path in ["/v1/freezes/..", "/v1/freezes/x"] {
        refused(here, request(ROOT, "DELETE", path, None), 404, "malformed-id");
    }
    assert_eq!(here.get(ROOT, "/v1/freezes").body, json!({ "freezes": [] }));
}

#[test]
fn a_freeze_is_met_on_both_surfaces_with_its_reason_until_it_is_lifted() {
    let here = Installation::new();
    let lease = here.minted().body["lease"]["id"].as_str().unwrap().to_owned();
    let made = here.post(ROOT, "/v1/freezes", json!({ "client": "ci", "reason": "A laptop was stolen." }));
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.body["owner"], &made.body["until"]), (&json!("client:ci"), &json!(null)));
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.headers["location"], format!("/v1/freezes/{id}"));
    assert_eq!(here.get(ROOT, "/v1/freezes").body["freezes"], json!([made.body]));

    let answer = refused(here, request(CI, "POST", "/v1/tokens", Some(&zone_read())), 403, "frozen");
    assert_eq!(answer.body["freeze"], id);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("client:ci") && detail.contains("A laptop was stolen."), "{detail}");
    for action in ["renew", "roll"] {
        refused(here, request(CI, "POST", &format!("/v1/leases/{lease}/{action}"), None), 403, "frozen");
    }
    let shown = here.get(CI, &format!("/v1/leases/{lease}")).body;
    let policies = json!({ "name": "x", "status": "disabled", "policies": shown["policies"] });
    let token = shown["token_id"].as_str().unwrap().to_owned();
    let path = format!("/client/v4/accounts/0123456789abcdef0123456789abcdef/tokens/{token}");
    refused(here, request(CI, "PUT", &path, Some(&policies)), 403, "9109");
    assert_eq!(here.get(CI, &format!("/v1/leases/{lease}")).status, 200);

    assert_eq!(here.call(ROOT, "DELETE", &format!("/v1/freezes/{id}"), None).body["lifted"], true);
    refused(here, request(ROOT, "DELETE", &format!("/v1/freezes/{id}"), None), 404, "malformed-id");
    here.minted();
}

#[test]
fn a_freeze_with_a_span_ends_by_itself() {
    let here = Installation::new();
    let made = here.post(ROOT, "/v1/freezes", json!({ "all": true, "reason": "Maintenance.", "for": "10m" }));
    assert_eq!(made.body["all"], true);
    refused(here, request(CI, "POST", "/v1/tokens", Some(&zone_read())), 403, "frozen");
    here.pass(600);
    here.minted();
}

#[test]
fn revoking_all_freezes_first_and_tells_of_every_lease() {
    let here = Installation::new();
    let before = here.tokens();
    for _ in 0..3 {
        here.minted();
    }
    let answer = here.post(ROOT, "/v1/leases/revoke", json!({ "grant": "ci-zone" }));
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!((&answer.body["queued"], &answer.body["freeze"]["grant"]), (&json!(3), &json!("ci-zone")));
    refused(here, request(CI, "POST", "/v1/tokens", Some(&zone_read())), 403, "frozen");
    here.wake_ledgers();
    assert_eq!(here.tokens(), before);
    let job = here.get(ROOT, &answer.headers["location"]);
    assert_eq!((&job.body["revoked"], &job.body["queued"]), (&json!(3), &json!(0)), "{}", job.text);
    assert_eq!(job.body["leases"][0]["status"], "revoked");
}

#[test]
fn revoking_without_a_freeze_lets_new_ones_be_made() {
    let here = Installation::new();
    here.minted();
    let answer = here.post(ROOT, "/v1/leases/revoke", json!({ "all": true, "freeze": false }));
    assert_eq!((&answer.body["queued"], &answer.body["freeze"]), (&json!(1), &json!(null)));
    here.minted();
    refused(here, request(ROOT, "GET", &format!("/v1/jobs/{ID}"), None), 404, "malformed-id");
}

#[test]
fn a_ledger_that_does_not_answer_is_named_and_the_wish_may_be_repeated() {
    let here = Installation::new();
    here.ledgers_down.set(true);
    let answer = here.post(ROOT, "/v1/freezes", json!({ "all": true, "reason": "A drill." }));
    assert_eq!((answer.status, &answer.body["type"]), (503, &json!("urn:brevet:problem:partly-done")));
    assert_eq!(answer.body["missed"], json!(["apps", "main", "me"]));
    assert_eq!(answer.headers["x-should-retry"], "true");
    assert_eq!(here.logged()[0]["event"], "not_stopped");
    here.ledgers_down.set(false);
    let answer = here.post(ROOT, "/v1/freezes", json!({ "all": true, "reason": "A drill." }));
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[test]
fn an_account_that_is_added_later_is_under_the_freezes_that_hold() {
    let here = Installation::new();
    let all = crate::installation::rules();
    let mut fewer = all.clone();
    fewer["account"].as_object_mut().unwrap().remove("apps");
    for grant in ["apps-deploy", "app-deploy"] {
        fewer["grant"].as_object_mut().unwrap().remove(grant);
    }
    let version = || here.get(ROOT, "/v1/config").headers["etag"].trim_matches('"').parse::<u64>().unwrap();
    let stale = here.post(ROOT, "/v1/freezes", json!({ "all": true, "reason": "Of before." }));
    let pushed = here.push(ROOT, version(), &fewer);
    assert_eq!(pushed.status, 200, "{}", pushed.text);
    let lifted =
        here.call(ROOT, "DELETE", &format!("/v1/freezes/{}", stale.body["id"].as_str().unwrap()), None);
    assert_eq!(lifted.status, 200, "{}", lifted.text);
    let frozen = here.post(ROOT, "/v1/freezes", json!({ "client": "apps", "reason": "Stolen." }));
    assert_eq!(frozen.status, 201, "{}", frozen.text);
    let pushed = here.push(ROOT, version(), &all);
    assert_eq!(pushed.status, 200, "{}", pushed.text);
    let body = json!({ "template": "workers-deploy", "params": { "account": "apps" } });
    let denied = refused(here, request(APPS, "POST", "/v1/tokens", Some(&body)), 403, "frozen");
    assert!(denied.body["detail"].as_str().unwrap().contains("Stolen."), "{}", denied.text);
    here.call(ROOT, "DELETE", &format!("/v1/freezes/{}", frozen.body["id"].as_str().unwrap()), None);
    let made = here.post(APPS, "/v1/tokens", body);
    assert_eq!(made.status, 201, "the freeze of before is not there: {}", made.text);
}
