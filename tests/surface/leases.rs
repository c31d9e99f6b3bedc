//! `/v1/leases`.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{APPS, CI, Installation, READER, ROOT, request};

fn lease(here: &Installation) -> String {
    here.minted().body["lease"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn shows_a_lease_to_nobody_but_its_owner_and_operators() {
    let here = Installation::new();
    let id = lease(here);
    let unknown = "0123456789ABCDEFGHJKMNPQRS";
    let others = refused(here, request(APPS, "GET", &format!("/v1/leases/{id}"), None), 404, "no-such-lease");
    let nobodys =
        refused(here, request(APPS, "GET", &format!("/v1/leases/{unknown}"), None), 404, "no-such-lease");
    assert_eq!(others.text, nobodys.text, "another's lease is told from none");
    for who in [CI, READER, ROOT] {
        assert_eq!(here.get(who, &format!("/v1/leases/{id}")).body["id"], id.as_str());
    }
}

#[test]
fn refuses_to_touch_another_ones_lease() {
    let here = Installation::new();
    let id = lease(here);
    for (method, path) in [
        ("DELETE", format!("/v1/leases/{id}")),
        ("POST", format!("/v1/leases/{id}/renew")),
        ("POST", format!("/v1/leases/{id}/roll")),
    ] {
        refused(here, request(APPS, method, &path, None), 404, "no-such-lease");
        refused(here, request("brvc_stranger", method, &path, None), 401, "invalid-credential");
    }
    refused(here, request(READER, "DELETE", &format!("/v1/leases/{id}"), None), 403, "power-missing");
    assert_eq!(here.get(CI, &format!("/v1/leases/{id}")).body["state"], "active");
}

#[test]
fn refuses_ids_that_are_none_before_anything_is_asked() {
    let here = Installation::new();
    for id in ["..", "%2e%2e", "x", "0123456789abcdefghjkmnpqrs", "'", "%00", "0123456789ABCDEFGHJKMNPQR"] {
        for (method, path) in [
            ("GET", format!("/v1/leases/{id}")),
            ("DELETE", format!("/v1/leases/{id}")),
            ("POST", format!("/v1/leases/{id}/renew")),
            ("POST", format!("/v1/leases/{id}/roll")),
        ] {
            refused(here, request(CI, method, &path, None), 404, "malformed-id");
        }
    }
    assert_eq!(here.steps().ledger, 0);
}

#[test]
fn refuses_to_renew_beyond_the_grant_or_by_a_body_that_says_both() {
    let here = Installation::new();
    let path = format!("/v1/leases/{}/renew", lease(here));
    let renew = |body: Value| request(CI, "POST", &path, Some(&body));
    let late = refused(here, renew(json!({ "ttl": "2h" })), 403, "end-too-late");
    assert_eq!(late.body["max_ttl"], 3_600);
    refused(here, renew(json!({ "expires_on": "2020-01-01T00:00:00Z" })), 422, "end-past");
    for body in [
        json!({ "ttl": "1m", "expires_on": "2027-01-15T08:10:00Z" }),
        json!({ "ttl": 0 }),
        json!({ "until": "1m" }),
        json!({ "expires_on": 1 }),
    ] {
        refused(here, renew(body), 400, "invalid-request");
    }
}

#[test]
fn renews_rolls_and_ends_a_lease() {
    let here = Installation::new();
    let made = here.minted();
    let id = made.body["lease"]["id"].as_str().unwrap();
    here.pass(300);
    let renewed = here.post(CI, &format!("/v1/leases/{id}/renew"), json!({ "ttl": "30m" }));
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    assert!(renewed.body["expires_on"].as_str() > made.body["lease"]["expires_on"].as_str());
    let rolled = here.call(CI, "POST", &format!("/v1/leases/{id}/roll"), None);
    assert_eq!(rolled.status, 200, "{}", rolled.text);
    assert_ne!(rolled.body["value"], made.body["value"]);
    let ended = here.call(CI, "DELETE", &format!("/v1/leases/{id}"), None);
    assert_eq!((ended.status, ended.body["end"].as_str()), (200, Some("revoked")));
    for (path, body) in [("renew", json!({ "ttl": "1m" })), ("roll", json!({}))] {
        refused(
            here,
            request(CI, "POST", &format!("/v1/leases/{id}/{path}"), Some(&body)),
            404,
            "lease-ended",
        );
    }
    here.stage.assert_clean();
}

#[test]
fn lists_pages_newest_first_and_each_lease_once() {
    let here = Installation::new();
    assert_eq!(here.get(CI, "/v1/leases").body, json!({ "leases": [], "next_cursor": null }));
    let mut made: Vec<String> = (0..5)
        .map(|_| {
            here.pass(1);
            lease(here)
        })
        .collect();
    made.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = here.get(CI, &format!("/v1/leases?limit=2{cursor}"));
        assert_eq!(page.status, 200, "{}", page.text);
        seen.extend(
            page.body["leases"]
                .as_array()
                .unwrap()
                .iter()
                .map(|lease| lease["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, made);
    assert_eq!(here.get(APPS, "/v1/leases").body["leases"], json!([]));
    assert_eq!(here.get(READER, "/v1/leases?owner=client:ci").body["leases"].as_array().unwrap().len(), 5);
    assert_eq!(here.get(APPS, "/v1/leases?owner=client:ci").body["leases"], json!([]));
}

#[test]
fn refuses_filters_that_are_misspelt() {
    let here = Installation::new();
    for query in [
        "state=alive",
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "expiring_before=now",
        "colour=red",
        "limit=1&limit=2",
    ] {
        refused(here, request(CI, "GET", &format!("/v1/leases?{query}"), None), 400, "invalid-query");
    }
    refused(here, request(CI, "GET", "/v1/leases?account=foreign", None), 404, "unknown-account");
}
