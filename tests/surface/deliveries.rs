//! `/v1/deliveries`.

use serde_json::{Value, json};

use crate::installation::{CI, Installation, READER, ROOT, rules};

const SIEM: &str = "https://siem.example/brevet";

/// An installation whose events go to one endpoint.
fn telling() -> &'static Installation {
    let mut rules = rules();
    rules["endpoint"] =
        json!({ "siem": { "url": SIEM, "secrets": ["HOOK_SIEM"], "events": ["lease.granted"] } });
    let here = Installation::with_rules(&rules);
    here.wake_ledgers();
    here.receivers.posts.take();
    here
}

fn listed(here: &Installation, query: &str) -> Value {
    let told = here.get(READER, &format!("/v1/deliveries?account=main{query}"));
    assert_eq!(told.status, 200, "{}", told.text);
    told.body
}

/// The id of the event of a token just made, which its receiver refused.
fn refused_event(here: &Installation) -> String {
    here.receivers.answer.set(500);
    here.minted();
    here.wake_ledgers();
    assert_eq!(here.receivers.posts.take().len(), 1);
    listed(here, "")["deliveries"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_operator_sees_who_is_told_and_what_did_not_come_through() {
    let here = telling();
    let made = here.minted();
    here.wake_ledgers();
    let posts = here.receivers.posts.take();
    assert_eq!(posts.len(), 1);
    assert_eq!((posts[0].0.as_str(), &posts[0].1["type"]), (SIEM, &json!("lease.granted")));
    assert_eq!(posts[0].1["data"]["entry"]["lease"], made.body["lease"]["id"]);
    let told = listed(here, "");
    assert_eq!((&told["deliveries"], &told["next_cursor"]), (&json!([]), &Value::Null));
    let endpoint = &told["endpoints"][0];
    assert_eq!(
        (&endpoint["name"], &endpoint["state"], &endpoint["behind"]),
        (&json!("siem"), &json!("active"), &json!(0))
    );
    let id = refused_event(here);
    assert!(id.starts_with("evt_account_0123456789abcdef0123456789abcdef_") && id.ends_with("_siem"), "{id}");
    let told = listed(here, "&state=waiting&endpoint=siem&event=created&limit=1");
    let delivery = &told["deliveries"][0];
    assert_eq!(
        (
            &delivery["endpoint"],
            &delivery["event"],
            &delivery["state"],
            &delivery["tries"],
            &delivery["failure"]
        ),
        (&json!("siem"), &json!("created"), &json!("waiting"), &json!(1), &json!("it answered 500"))
    );
    assert_eq!(told["endpoints"][0]["state"], "failing");
    let cursor = told["next_cursor"].as_str().unwrap();
    assert_eq!(listed(here, &format!("&cursor={cursor}"))["deliveries"], json!([]));
    assert_eq!(listed(here, "&state=dead")["deliveries"], json!([]));
    // Another account's journal is another.
    assert_eq!(here.get(READER, "/v1/deliveries?account=apps").body["deliveries"], json!([]));
}

#[test]
fn an_operator_has_an_event_sent_again_and_an_endpoint_resumed() {
    let here = telling();
    let id = refused_event(here);
    here.receivers.answer.set(200);
    let told = here.post(ROOT, &format!("/v1/deliveries/{id}/replay"), json!({}));
    assert_eq!(
        (told.status, &told.body["id"], &told.body["state"]),
        (202, &json!(id), &json!("waiting")),
        "{}",
        told.text
    );
    here.wake_ledgers();
    assert_eq!(here.receivers.posts.take().len(), 1);
    let told = listed(here, "&state=delivered");
    assert_eq!((&told["deliveries"][0]["id"], &told["deliveries"][0]["tries"]), (&json!(id), &json!(2)));
    let told = here.post(ROOT, "/v1/deliveries/resume", json!({ "endpoint": "siem" }));
    assert_eq!(
        (told.status, &told.body),
        (200, &json!({ "endpoint": "siem", "resumed": ["apps", "main", "me"] })),
        "{}",
        told.text
    );
    let events = here.get(ROOT, "/v1/audit?account=main&owner=endpoint%3Asiem").body;
    let events: Vec<&Value> =
        events["entries"].as_array().unwrap().iter().map(|kept| &kept["entry"]["event"]).collect();
    assert_eq!(events, ["endpoint_resumed", "delivery_replayed"]);
}

#[test]
fn nobody_but_an_operator_with_the_power_sees_or_moves_anything() {
    let here = telling();
    let id = refused_event(here);
    let replay = format!("/v1/deliveries/{id}/replay");
    let resume = json!({ "endpoint": "siem" });
    for (who, method, path, body, status) in [
        (CI, "GET", "/v1/deliveries?account=main", None, 403),
        (CI, "POST", replay.as_str(), None, 403),
        (CI, "POST", "/v1/deliveries/resume", Some(&resume), 403),
        (READER, "POST", replay.as_str(), None, 403),
        (READER, "POST", "/v1/deliveries/resume", Some(&resume), 403),
        ("", "GET", "/v1/deliveries?account=main", None, 401),
        ("", "POST", replay.as_str(), None, 401),
    ] {
        let told = here.call(who, method, path, body);
        assert_eq!(told.status, status, "{who} {path}: {}", told.text);
    }
    here.wake_ledgers();
    assert!(here.receivers.posts.take().is_empty());
    assert_eq!(listed(here, "")["deliveries"][0]["tries"], 1);
}

#[test]
fn refuses_what_it_does_not_understand() {
    let here = telling();
    let id = refused_event(here);
    for query in [
        "state=lost",
        "cursor=x",
        "cursor=1",
        "limit=0",
        "limit=101",
        "limit=x",
        "lease=x",
        "state=dead&state=dead",
    ] {
        let told = here.get(ROOT, &format!("/v1/deliveries?account=main&{query}"));
        assert_eq!(told.status, 400, "{query}: {}", told.text);
    }
    assert_eq!(here.get(ROOT, "/v1/deliveries").body["type"], "urn:brevet:problem:account-needed");
    assert_eq!(here.get(ROOT, "/v1/deliveries?account=x").body["type"], "urn:brevet:problem:unknown-account");
    for bad in [
        "x".to_owned(),
        id.replace("0123456789abcdef0123456789abcdef", &"9".repeat(32)),
        id.replace("_siem", "_chat"),
        id.replace("evt_", "msg_"),
    ] {
        let told = here.post(ROOT, &format!("/v1/deliveries/{bad}/replay"), json!({}));
        assert_eq!(
            (told.status, told.body["type"].as_str()),
            (404, Some("urn:brevet:problem:malformed-id")),
            "{bad}: {}",
            told.text
        );
    }
    for body in [
        json!({}),
        json!({ "endpoint": 1 }),
        json!({ "endpoint": "siem", "account": "main" }),
        json!({ "endpoint": "chat" }),
    ] {
        let told = here.post(ROOT, "/v1/deliveries/resume", body.clone());
        assert!(matches!(told.status, 400 | 404), "{body}: {}", told.text);
    }
    assert_eq!(here.call(ROOT, "DELETE", "/v1/deliveries", None).status, 405);
    assert_eq!(here.get(ROOT, &format!("/v1/deliveries/{id}/replay")).status, 405);
    let told = here.post(ROOT, &format!("/v1/deliveries/{id}/replay"), json!({ "x": 1 }));
    assert_eq!(told.status, 400, "{}", told.text);
}

#[test]
fn a_ledger_that_was_lost_has_its_endpoints_again_with_the_next_tick_of_the_cron() {
    let here = telling();
    here.lose_ledger("account:0123456789abcdef0123456789abcdef");
    here.minted();
    here.wake_ledgers();
    assert!(here.receivers.posts.take().is_empty());
    assert_eq!(listed(here, "")["endpoints"], json!([]));
    pollster::block_on(brevet::routes::check_parents(here)).unwrap();
    here.minted();
    here.wake_ledgers();
    assert_eq!(listed(here, "")["endpoints"][0]["name"], "siem");
    assert_eq!(here.receivers.posts.take().len(), 1);
}
