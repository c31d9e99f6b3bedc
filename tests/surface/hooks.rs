//! `POST /hooks/{name}` and `/v1/hooks`: what is refused, what is done, and how often.

use brevet::routes::Body;
use serde_json::{Value, json};

use crate::denial::refused;
use crate::hook_sender::{GITHUB, alert, github, hooked, hooked_rules, job, message, now, standard};
use crate::installation::{CI, Installation, READER, ROOT, request, zone_read};

const MAIN: &str = "0123456789abcdef0123456789abcdef";
const USER: &str = "fedcba9876543210fedcba9876543210";

fn receipts(here: &Installation) -> Vec<Value> {
    here.get(READER, "/v1/hooks").body["receipts"].as_array().unwrap().clone()
}

fn states(here: &Installation) -> Vec<String> {
    let mut leases = here.get(ROOT, "/v1/leases").body["leases"].as_array().unwrap().clone();
    leases.reverse();
    leases.iter().map(|lease| lease["state"].as_str().unwrap().to_owned()).collect()
}

/// Two rounds of alarms: the first carries the order to the ledgers, the second has them delete.
fn alarms(here: &Installation) {
    here.wake_ledgers();
    here.wake_ledgers();
}

#[test]
fn the_published_examples_pass_and_then_what_they_say_counts() {
    let here = hooked();
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let call = message("leak", &[("x-hub-signature-256", signature)], b"Hello, World!");
    refused(here, call, 400, "invalid-json");
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    // It is signed, and some years old.
    refused(here, message("end", &headers, br#"{"test": 2432232314}"#), 400, "stale-message");
    assert_eq!(receipts(here), Vec::<Value>::new());
}

#[test]
fn an_unknown_hook_and_a_wrong_signature_get_the_same_answer() {
    let here = hooked();
    let good = github("leak", "secret_scanning_alert", &alert(200_000_003));
    let mut answers = Vec::new();
    for hook in ["nobody", "edge", "unset", "LEAK", "..", "%6ceak", "leak%20"] {
        let mut call = good.clone();
        call.path = format!("/hooks/{hook}");
        answers.push(refused(here, call, 401, "invalid-signature").text);
    }
    let mut forged = good.clone();
    forged.signed = forged.signed.replace("sha256=", "sha256=0");
    answers.push(refused(here, forged, 401, "invalid-signature").text);
    let mut unsigned = good.clone();
    unsigned.signed = String::new();
    answers.push(refused(here, unsigned, 401, "invalid-signature").text);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(receipts(here), Vec::<Value>::new());
    assert_eq!(here.send(good).status, 202);
}

#[test]
fn one_changed_byte_anywhere_is_refused_and_nothing_is_done() {
    let here = hooked();
    job(here, "200000003", "deploy-main");
    let call = github("leak", "secret_scanning_alert", &alert(200_000_003));
    let Body::Whole(body) = &call.body else { panic!() };
    for at in 0..body.len() {
        let mut changed = call.clone();
        let mut bytes = body.clone();
        bytes[at] ^= 1;
        changed.body = Body::Whole(bytes);
        assert_eq!(here.send(changed).status, 401, "byte {at} of the body");
    }
    let at = now(here);
    let timed = standard("end", "msg_1", at, &json!({ "lease": "x" }));
    for place in 0..timed.signed.len() {
        let mut bytes = timed.signed.clone().into_bytes();
        if bytes[place] == b'\n' {
            continue;
        }
        bytes[place] = if bytes[place] == b'1' { b'2' } else { b'1' };
        let mut changed = timed.clone();
        changed.signed = String::from_utf8(bytes).unwrap();
        assert_eq!(here.send(changed).status, 401, "byte {place} of the headers");
    }
    alarms(here);
    assert_eq!((receipts(here), states(here)), (Vec::new(), vec!["active".to_owned()]));
}

#[test]
fn refuses_a_time_that_is_too_far_off_and_takes_it_at_its_edge() {
    let here = hooked();
    let body = json!({ "lease": "0123456789ABCDEFGHJKMNPQRS" });
    for off in [-301, 301, -86_400, 90_000_000_000_000] {
        let call = standard("end", "late", now(here).saturating_add(off), &body);
        refused(here, call, 400, "stale-message");
    }
    for (id, off) in [("early", -300), ("ahead", 300)] {
        assert_eq!(here.send(standard("end", id, now(here) + off, &body)).status, 202, "{off}");
    }
}

#[test]
fn refuses_what_it_cannot_read_with_the_place_that_is_wrong() {
    let here = hooked();
    let missing = refused(
        here,
        github("leak", "secret_scanning_alert", &{
            let mut body = alert(1);
            body["repository"] = json!({});
            body
        }),
        422,
        "unfit-message",
    );
    assert_eq!(missing.body["pointer"], "/repository/id", "{}", missing.text);
    let mut compressed = github("leak", "secret_scanning_alert", &alert(1));
    compressed.content_encoding = Some("gzip".to_owned());
    refused(here, compressed, 415, "encoded-body");
    for hook in ["leak", "nobody"] {
        let long = json!({ "text": "x".repeat(64 * 1024) });
        refused(here, github(hook, "push", &long), 413, "body-too-long");
    }
    refused(here, request("", "GET", "/hooks/leak", None), 405, "method-not-allowed");
    assert_eq!(receipts(here), Vec::<Value>::new());
}

#[test]
fn a_message_of_another_kind_is_ignored_and_its_sender_learns_why() {
    let here = hooked();
    job(here, "200000003", "deploy-main");
    here.steps();
    for (event, change, because) in [
        ("push", json!({}), "event"),
        ("secret_scanning_alert", json!({ "action": "resolved" }), "/action"),
        (
            "secret_scanning_alert",
            json!({ "alert": { "secret_type": "npm_access_token" } }),
            "/alert/secret_type",
        ),
    ] {
        let mut body = alert(200_000_003);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let ignored = here.send(github("leak", event, &body));
        let expected = json!({ "ignored": true, "event": event, "because": because });
        assert_eq!((ignored.status, &ignored.body), (200, &expected), "{}", ignored.text);
    }
    assert_eq!(here.steps().ledger, 0, "what is ignored costs nothing");
    alarms(here);
    assert_eq!(states(here), ["active"]);
}

#[test]
fn an_alert_ends_every_lease_of_its_repository_and_freezes_its_grant() {
    let here = hooked();
    job(here, "200000003", "deploy-main");
    job(here, "200000003", "deploy-me");
    job(here, "200000004", "deploy-main");
    here.minted();
    let heard = here.send(github("leak", "secret_scanning_alert", &alert(200_000_003)));
    assert_eq!((heard.status, &heard.body["state"]), (202, &json!("waiting")), "{}", heard.text);
    assert!(!heard.text.contains("lease"), "a sender learns nothing of leases: {}", heard.text);
    alarms(here);
    // By ledger, the oldest first: `main` has three of them, `me` one.
    let mut ended: Vec<_> = here.journalled("revoked");
    ended.sort_by_key(|(ledger, _)| ledger.clone());
    let ledgers: Vec<_> =
        ended.iter().map(|(ledger, entry)| (ledger.as_str(), entry["claims"].clone())).collect();
    let of = json!({ "repository_id": "200000003" });
    assert_eq!(ledgers, [(&*format!("account:{MAIN}"), of.clone()), (&*format!("user:{USER}"), of)]);
    assert_eq!(states(here).iter().filter(|state| *state == "active").count(), 2);
    let frozen = here.get(ROOT, "/v1/freezes").body["freezes"].clone();
    assert_eq!(
        (&frozen[0]["grant"], &frozen[0]["by"]),
        (&json!("deploy-main"), &json!("hook:leak")),
        "{frozen}"
    );
    assert_eq!(frozen.as_array().unwrap().len(), 1, "the same in every ledger");
    let id = heard.body["receipt"].as_str().unwrap();
    let receipt = here.get(READER, &format!("/v1/hooks/receipts/{id}"));
    for (member, value) in [
        ("state", json!("done")),
        ("leases", json!(2)),
        ("left", json!([])),
        ("event", json!("secret_scanning_alert")),
        ("hook", json!("leak")),
        ("job", json!(format!("/v1/jobs/{id}"))),
    ] {
        assert_eq!(receipt.body[member], value, "{}", receipt.text);
    }
    let finished = here.get(ROOT, &format!("/v1/jobs/{id}"));
    assert_eq!((finished.status, &finished.body["revoked"]), (200, &json!(2)), "{}", finished.text);
    for event in ["hook_received", "hook_done"] {
        let told = here.journalled(event);
        assert_eq!(told.len(), 1, "{event}");
        assert_eq!(told[0].1["by"], "hook:leak");
    }
}

#[test]
fn a_thousand_deliveries_of_one_event_act_once() {
    let here = hooked();
    let call = github("leak", "secret_scanning_alert", &alert(200_000_003));
    let first = here.send(call.clone());
    alarms(here);
    job(here, "200000003", "deploy-me");
    for number in 0..1_000 {
        let again = here.send(call.clone());
        assert_eq!((again.status, &again.body["receipt"]), (202, &first.body["receipt"]), "{}", again.text);
        assert_eq!(again.headers["idempotent-replayed"], "true");
        if number % 100 == 0 {
            here.restart();
            alarms(here);
            here.pass(86_400 / 5);
            here.get(ROOT, "/v1/leases");
        }
    }
    assert_eq!(here.journalled("hook_received").len(), 1);
    assert_eq!(here.journalled("revoked_many").len(), 3, "one for each account and the user");
    assert_eq!(here.journalled("frozen").len(), 3);
    assert_eq!(here.journalled("revoked").len(), 0, "the lease came after the alert");
    assert_eq!(receipts(here).len(), 1);
}

#[test]
fn the_signed_id_is_what_a_message_is_known_by_whatever_its_time_and_body() {
    let here = hooked();
    let lease = here.minted().body["lease"]["id"].clone();
    let first =
        here.send(standard("end", "msg_1", now(here), &json!({ "lease": "0123456789ABCDEFGHJKMNPQRS" })));
    here.pass(100);
    // Each attempt is signed anew, with its own time and the same id.
    let again = here.send(standard("end", "msg_1", now(here), &json!({ "lease": lease })));
    assert_eq!(again.body["receipt"], first.body["receipt"]);
    alarms(here);
    assert_eq!(states(here), ["active"]);
    assert_eq!(here.send(standard("end", "msg_2", now(here), &json!({ "lease": lease }))).status, 202);
    alarms(here);
    assert_eq!(states(here), ["ended"]);
}

#[test]
fn a_receipt_survives_what_comes_between_it_and_its_deed() {
    let here = hooked();
    job(here, "200000003", "deploy-main");
    job(here, "200000003", "deploy-me");
    let call = github("leak", "secret_scanning_alert", &alert(200_000_003));
    assert_eq!(here.send(call.clone()).status, 202);
    // The objects are gone, and one of them stays away for a while.
    here.restart();
    here.get(ROOT, "/v1/leases");
    here.deaf_ledgers.borrow_mut().push(format!("user:{USER}"));
    alarms(here);
    assert_eq!(receipts(here)[0]["left"], json!(["me"]));
    assert_eq!(receipts(here)[0]["state"], "waiting");
    here.pass(30);
    alarms(here);
    assert_eq!(here.journalled("revoked").len(), 1);
    here.deaf_ledgers.borrow_mut().clear();
    here.restart();
    here.get(ROOT, "/v1/leases");
    here.pass(31);
    alarms(here);
    assert_eq!(receipts(here)[0]["state"], "done");
    assert_eq!(here.journalled("revoked").len(), 2);
    assert_eq!(here.journalled("revoked_many").len(), 3);
    assert_eq!(here.journalled("frozen").len(), 3);
}

#[test]
fn a_hook_that_was_taken_out_is_deaf_at_once_and_a_changed_one_is_not_guessed_at() {
    let here = hooked();
    here.get(ROOT, "/v1/leases");
    let call = github("leak", "secret_scanning_alert", &alert(200_000_003));
    assert_eq!(here.send(github("leak", "push", &json!({}))).status, 200);
    let before = here.remembered();
    let mut rules = hooked_rules();
    rules["hook"]["leak"]["revoke"] = json!({ "grant": "ci-zone" });
    assert_eq!(here.push(ROOT, 1, &rules).status, 200);
    // An instance that has not heard of it yet.
    here.remember(before);
    let answer = here.send(call.clone());
    assert_eq!(
        (answer.status, &answer.body["type"]),
        (503, &json!("urn:brevet:problem:rules-differ")),
        "{}",
        answer.text
    );
    assert_eq!(receipts(here), Vec::<Value>::new());
    // Now it has.
    assert_eq!(here.send(call).status, 202);
    assert_eq!(receipts(here)[0]["what"], "freeze grant deploy-main, revoke grant ci-zone");
}

#[test]
fn an_unchanged_hook_goes_on_under_new_rules() {
    let here = hooked();
    here.get(ROOT, "/v1/leases");
    here.send(github("leak", "push", &json!({})));
    let before = here.remembered();
    let mut rules = hooked_rules();
    rules["grant"]["ci-zone"]["ttl"] = json!("11m");
    assert_eq!(here.push(ROOT, 1, &rules).status, 200);
    here.remember(before);
    assert_eq!(here.send(github("leak", "secret_scanning_alert", &alert(1))).status, 202);
}

#[test]
fn a_hook_lifts_what_hooks_froze_and_nothing_of_an_operators() {
    let here = hooked();
    here.post(ROOT, "/v1/freezes", json!({ "grant": "ci-zone", "reason": "By hand." }));
    let body = json!({ "type": "alert.firing", "grant": "deploy-me" });
    assert_eq!(here.send(standard("firing", "msg_1", now(here), &body)).status, 202);
    alarms(here);
    let grants = |here: &Installation| -> Vec<(Value, Value)> {
        let frozen = here.get(ROOT, "/v1/freezes").body["freezes"].as_array().unwrap().clone();
        let mut found: Vec<_> =
            frozen.iter().map(|freeze| (freeze["grant"].clone(), freeze["by"].clone())).collect();
        found.sort_by_key(|(grant, by)| format!("{grant}{by}"));
        found
    };
    let (ci, me) = (json!("ci-zone"), json!("deploy-me"));
    let (hook, root) = (json!("hook:firing"), json!("root"));
    assert_eq!(
        grants(here),
        [(ci.clone(), hook.clone()), (ci.clone(), root.clone()), (me.clone(), hook.clone())]
    );
    let frozen = refused(here, request(CI, "POST", "/v1/tokens", Some(&zone_read())), 403, "frozen");
    assert!(frozen.body["detail"].as_str().unwrap().contains("ci-zone"));
    assert_eq!(here.send(standard("resolved", "msg_2", now(here), &json!({}))).status, 202);
    alarms(here);
    assert_eq!(grants(here), [(ci, root), (me, hook)]);
    // A firing that is told once more after that freezes nothing again.
    here.send(standard("firing", "msg_1", now(here), &body));
    alarms(here);
    assert_eq!(grants(here).len(), 2);
}

#[test]
fn the_hooks_are_shown_to_operators_who_may_read_with_the_state_of_their_secrets() {
    let here = hooked();
    for path in ["/v1/hooks", "/v1/hooks/receipts/0123456789ABCDEFGHJKMNPQRS"] {
        refused(here, request(CI, "GET", path, None), 403, "power-missing");
        refused(here, request("", "GET", path, None), 401, "missing-credential");
    }
    let shown = here.get(READER, "/v1/hooks");
    let hook = |name: &str| {
        let hooks = shown.body["hooks"].as_array().unwrap();
        hooks.iter().find(|hook| hook["name"] == name).unwrap().clone()
    };
    assert_eq!(hook("leak")["ready"], true);
    let secrets =
        json!([{ "name": "HOOK_NEXT", "state": "missing" }, { "name": "HOOK_GITHUB", "state": "ready" }]);
    assert_eq!(hook("leak")["secrets"], secrets);
    assert_eq!(hook("leak")["url"], "https://brevet.example.com/hooks/leak");
    assert_eq!(hook("leak")["rule"]["revoke"], json!({ "repository_id": "/repository/id" }));
    assert_eq!(hook("unset")["ready"], false);
    assert_eq!(hook("unset")["secrets"][1]["state"], "unusable");
    assert!(!shown.text.contains(GITHUB));
    let none = refused(
        here,
        request(READER, "GET", "/v1/hooks/receipts/0123456789ABCDEFGHJKMNPQRS", None),
        404,
        "malformed-id",
    );
    assert!(none.body["hint"].as_str().unwrap().contains("receipt"));
    refused(here, request(READER, "GET", "/v1/hooks/receipts/x", None), 404, "malformed-id");
    for query in ["limit=0", "limit=101", "cursor=x", "hooks=leak", "limit=1&limit=2"] {
        refused(here, request(READER, "GET", &format!("/v1/hooks?{query}"), None), 400, "invalid-query");
    }
}

#[test]
fn receipts_are_given_page_by_page_and_by_hook() {
    let here = hooked();
    for number in 0..5 {
        here.send(github("leak", "secret_scanning_alert", &alert(number)));
        here.send(standard("resolved", &format!("msg_{number}"), now(here), &json!({})));
    }
    let mut cursor = String::new();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let page = here.get(READER, &format!("/v1/hooks?limit=4&cursor={cursor}"));
        seen.extend(
            page.body["receipts"].as_array().unwrap().iter().map(|receipt| receipt["id"].to_string()),
        );
        match page.body["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (10, 10));
    let of_one = here.get(READER, "/v1/hooks?hook=leak");
    assert_eq!(of_one.body["receipts"].as_array().unwrap().len(), 5);
    assert_eq!(here.get(READER, "/v1/hooks?hook=none").body["receipts"], json!([]));
}

#[test]
fn a_sender_gets_so_many_new_messages_and_what_came_before_costs_it_nothing() {
    let here = hooked();
    let known = standard("resolved", "msg_0", now(here), &json!({}));
    here.send(known.clone());
    for number in 1..400 {
        let answer = here.send(standard("resolved", &format!("msg_{number}"), now(here), &json!({})));
        assert_eq!(answer.status, 202, "{number}: {}", answer.text);
    }
    let over = here.send(standard("resolved", "msg_over", now(here), &json!({})));
    assert_eq!(over.status, 429, "{}", over.text);
    assert_eq!(here.send(known).status, 202);
    assert_eq!(
        here.send(github("leak", "secret_scanning_alert", &alert(1))).status,
        202,
        "others have their own"
    );
}
