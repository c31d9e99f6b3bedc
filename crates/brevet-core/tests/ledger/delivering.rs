//! What the journal says is told to endpoints: all of it, once, signed, and nothing that is more urgent waits.

use brevet_core::announce::EventId;
use brevet_core::ledger::delivery::DeliveryState;
use brevet_core::ledger::freeze::{By, Selection};
use brevet_core::ledger::lease::State;
use brevet_core::ledger::office::Clock;
use brevet_core::ledger::protocol::{Change, Operation};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, Bench, CHAT, HANGS, SIEM, SLOW, Stage, Task, Verb, both, holds_no_secret, lease_id, ledger,
    received, renewal, rules, siem, unix,
};

const OWNER: &str = "client:edge-purger";

fn with(change: &Value) -> Value {
    let mut endpoints = siem();
    for (name, value) in change.as_object().unwrap() {
        endpoints["siem"][name] = value.clone();
    }
    endpoints
}

#[test]
fn a_new_endpoint_hears_of_the_push_that_named_it_and_of_nothing_before() {
    let mut bench = Bench::new();
    bench.minted(1, OWNER);
    bench.take_rules(2, &rules(&siem()));
    bench
        .clock
        .receivers()
        .secrets
        .borrow_mut()
        .insert("HOOK_SIEM".to_owned(), format!("whsec_{}", data_encoding::BASE64.encode(&[1; 32])));
    bench.live(1);
    let heard = bench.heard();
    assert_eq!(heard.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["rules.pushed"]);
    let [event] = heard.as_slice() else { panic!() };
    assert_eq!(event.body["data"]["entry"]["event"], "rules_taken");
}

#[test]
fn an_event_is_signed_by_each_key_and_says_what_the_journal_says_and_where() {
    let bench = Bench::telling(&with(&json!({ "secrets": ["HOOK_SIEM", "HOOK_SIEM_NEXT"] })));
    bench.minted(1, OWNER);
    bench.live(1);
    let posts = bench.clock.receivers().take();
    let [post] = posts.as_slice() else { panic!("{posts:?}") };
    let event = received(post, SIEM, &[1, 2]);
    let kept = bench.office.book().entry_from(event.seq).unwrap().unwrap();
    assert_eq!(event.kind, "lease.granted");
    assert_eq!(event.body["timestamp"], bench.at(5).to_string());
    let entry: Value = serde_json::from_str(&kept.body).unwrap();
    assert_eq!(
        event.body["data"],
        json!({
            "ledger": format!("account:{ACCOUNT}"),
            "entry": entry,
            "journal": { "seq": kept.seq, "mac": kept.mac },
        })
    );
    assert_eq!(bench.office.book().head().unwrap(), kept.head());
    assert_eq!(event.body["data"]["entry"]["lease"], lease_id(1).as_str());
    let id = EventId::read(&event.id).unwrap();
    assert_eq!((id.ledger, id.seq, id.endpoint.as_str()), (ledger(), kept.seq, "siem"));
    assert!(kept.mac.starts_with(&id.mac) && id.mac.len() == 16);
    assert_eq!(event.at, bench.clock.now().unix());
    assert!(!event.id.contains('.'));
}

#[test]
fn everything_that_becomes_of_leases_is_announced_in_its_order_and_no_value_is_in_it() {
    let bench = Bench::telling(&siem());
    let lease = bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(7200))));
    bench.ask(Some(OWNER), bench.change(&bench.lease(1), Change::Roll));
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    let lease = bench.minted(2, OWNER);
    let job = lease_id(40);
    let selection = Selection { by: By::Grant, value: "edge-purge".to_owned() };
    bench.ask(None, Operation::RevokeMany { job, selection, freeze: None });
    bench.live(10);
    assert_eq!(bench.lease(2).state, State::Ended);
    assert_eq!(lease.state, State::Active);
    let heard = bench.heard();
    let kinds: Vec<&str> = heard.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "lease.granted",
            "lease.renewed",
            "lease.rolled",
            "lease.revoking",
            "lease.revoked",
            "lease.granted",
            "lease.revoking",
            "leases.revoked",
            "lease.revoked",
        ]
    );
    assert!(heard.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let texts: Vec<String> = heard.iter().map(|event| event.text.clone()).collect();
    holds_no_secret(&texts);
    let values = bench.cloud.values();
    assert!(values.len() >= 3);
    assert!(texts.iter().all(|text| values.iter().all(|value| !text.contains(value))));
}

#[test]
fn filters_let_through_what_they_name_and_nothing_else() {
    let cases = [
        (json!({ "events": ["lease.revoked", "freeze.set"] }), vec!["lease.revoked"]),
        (json!({ "grants": ["other"] }), vec![]),
        (json!({ "grants": ["edge-purge"], "events": ["lease.granted"] }), vec!["lease.granted"]),
        (json!({ "templates": ["cache-purge"] }), vec!["lease.granted", "lease.revoking", "lease.revoked"]),
        (json!({ "templates": ["zone-read"] }), vec![]),
        (json!({ "accounts": ["apps"] }), vec![]),
        (json!({ "accounts": ["main", "apps"], "events": ["lease.granted"] }), vec!["lease.granted"]),
        (json!({ "enabled": false }), vec![]),
    ];
    for (change, expected) in cases {
        let bench = Bench::telling(&with(&change));
        let lease = bench.minted(1, OWNER);
        bench.ask(Some(OWNER), bench.revoke(lease.id));
        bench.live(5);
        assert_eq!(bench.kinds(), expected, "{change}");
        assert_eq!(bench.office.book().next_delivery().unwrap().filter(|at| *at <= bench.clock.now()), None);
    }
}

#[test]
fn an_event_that_failed_is_tried_again_under_the_same_id_with_the_same_body() {
    let bench = Bench::telling(&siem());
    bench.clock.receivers().answer(SIEM, Ok(500));
    bench.minted(1, OWNER);
    bench.live(1);
    bench.live(10);
    bench.live(20);
    bench.clock.receivers().answer(SIEM, Ok(200));
    bench.live(40);
    let heard = bench.heard();
    assert_eq!(heard.len(), 4);
    assert!(heard.iter().all(|event| event.id == heard[0].id && event.text == heard[0].text));
    let times: Vec<i64> = heard.iter().map(|event| event.at - heard[0].at).collect();
    assert_eq!(times, [0, 10, 30, 70]);
    let done = bench.deliveries(DeliveryState::Delivered);
    assert_eq!((done.len(), &done[0]["tries"], &done[0]["id"]), (1, &json!(4), &json!(heard[0].id)));
    let listener = bench.listener("siem");
    assert_eq!((&listener["state"], &listener["failures"]), (&json!("active"), &json!(0)));
    assert_eq!((&listener["failure"], &listener["behind"]), (&Value::Null, &json!(0)));
}

#[test]
fn only_2xx_counts_and_a_redirect_is_a_failure_that_is_not_followed() {
    for (answer, failure) in [
        (Ok(301), "it answered 301, and redirects are not followed"),
        (Ok(307), "it answered 307, and redirects are not followed"),
        (Ok(400), "it answered 400"),
        (Ok(410), "it answered 410"),
        (Ok(503), "it answered 503"),
        (Ok(101), "it answered 101"),
        (Err("it cannot be reached"), "it cannot be reached"),
    ] {
        let bench = Bench::telling(&siem());
        bench.clock.receivers().answer(SIEM, answer);
        bench.minted(1, OWNER);
        bench.live(1);
        assert_eq!(bench.clock.receivers().take().len(), 1);
        let waiting = bench.deliveries(DeliveryState::Waiting);
        assert_eq!(waiting[0]["failure"], failure, "{answer:?}");
        assert_eq!((&waiting[0]["tries"], unix(&bench, &waiting[0]["next_on"])), (&json!(1), 16));
    }
}

#[test]
fn without_its_key_nothing_is_sent_and_nothing_is_lost() {
    for secret in [None, Some("whsec_short"), Some("a text of thirty-two characters.")] {
        let bench = Bench::telling(&with(&json!({ "secrets": ["HOOK_SIEM_NEXT", "HOOK_SIEM"] })));
        let mut secrets = bench.clock.receivers().secrets.take();
        let good = secrets.remove("HOOK_SIEM").unwrap();
        secrets.extend(secret.map(|secret| ("HOOK_SIEM".to_owned(), secret.to_owned())));
        bench.clock.receivers().secrets.replace(secrets);
        bench.minted(1, OWNER);
        bench.live(1);
        assert!(bench.clock.receivers().take().is_empty());
        let failure = bench.listener("siem")["failure"].as_str().unwrap().to_owned();
        assert!(failure.contains("HOOK_SIEM is missing, or is not whsec_"), "{failure}");
        assert!(secret.is_none_or(|secret| !failure.contains(secret)), "{failure}");
        bench.clock.receivers().secrets.borrow_mut().insert("HOOK_SIEM".to_owned(), good);
        bench.live(10);
        let posts = bench.clock.receivers().take();
        assert_eq!(received(&posts[0], SIEM, &[2, 1]).kind, "lease.granted");
    }
}

#[test]
fn an_event_that_a_receiver_refuses_does_not_hold_up_the_others() {
    let bench = Bench::telling(&siem());
    bench.clock.receivers().answer(SIEM, Ok(400));
    bench.minted(1, OWNER);
    bench.live(1);
    bench.clock.receivers().answer(SIEM, Ok(204));
    bench.minted(2, OWNER);
    bench.live(1);
    let seqs: Vec<u64> = bench.heard().iter().map(|event| event.seq).collect();
    assert_eq!(seqs.len(), 2);
    bench.live(20);
    assert_eq!(bench.heard().iter().map(|event| event.seq).collect::<Vec<_>>(), [seqs[0]]);
}

#[test]
fn an_endpoint_that_is_down_does_not_hold_up_another() {
    let bench = Bench::telling(&both());
    bench.clock.receivers().answer(SIEM, Err(SLOW));
    for number in 1..=8 {
        bench.minted(number, OWNER);
    }
    bench.live(3600);
    let posts = bench.clock.receivers().take();
    let chat = posts.iter().filter(|post| post.url == CHAT).count();
    let siem = posts.iter().filter(|post| post.url == SIEM).count();
    assert_eq!(chat, 16, "eight grants and eight ends");
    assert!((5..20).contains(&siem), "{siem} attempts in an hour");
    let listener = bench.listener("siem");
    let number = |name: &str| listener[name].as_u64().unwrap();
    assert!(number("failures") > 5 && number("behind") > 0, "{listener}");
    // Of an outage little is written: the events wait in the journal.
    assert!(bench.deliveries(DeliveryState::Waiting).len() <= usize::try_from(number("failures")).unwrap());
}

#[test]
fn after_an_outage_everything_comes_through_once_or_more_under_its_own_id() {
    let bench = Bench::telling(&siem());
    bench.clock.receivers().answer(SIEM, Err("it cannot be reached"));
    for number in 1..=30 {
        bench.minted(number, OWNER);
        bench.live(60);
    }
    bench.heard();
    bench.clock.receivers().answer(SIEM, Ok(200));
    bench.live(7200);
    let mut seqs: Vec<u64> = bench.heard().iter().map(|event| event.seq).collect();
    seqs.sort_unstable();
    let unique = seqs.len();
    seqs.dedup();
    assert_eq!(seqs.len(), unique, "each came through once");
    let entries = bench.office.book().entries_after(0, usize::MAX).unwrap();
    let expected: Vec<u64> = entries.iter().map(|kept| kept.seq).filter(|seq| *seq > 1).collect();
    assert_eq!(seqs, expected);
    assert!(bench.deliveries(DeliveryState::Waiting).is_empty());
}

#[test]
fn a_crash_at_any_statement_loses_nothing_and_doubles_nothing_by_id() {
    for nth in 1..=40 {
        for beginning in ["INSERT INTO delivery", "UPDATE endpoint", "INSERT INTO journal", "SELECT"] {
            let mut bench = Bench::telling(&siem());
            let mut heard = Vec::new();
            bench.minted(1, OWNER);
            bench.clock.receivers().answer(SIEM, Ok(if nth % 2 == 0 { 500 } else { 200 }));
            bench.sql.fail(beginning, nth);
            bench.live(1);
            bench.sql.fail(beginning, 0);
            bench.restart();
            bench.minted(2, OWNER);
            bench.live(15);
            bench.clock.receivers().answer(SIEM, Ok(200));
            bench.live(300);
            heard.extend(bench.heard());
            let granted = |number: u8| {
                let of = |event: &&crate::support::Event| {
                    event.kind == "lease.granted"
                        && event.body["data"]["entry"]["lease"] == lease_id(number).as_str()
                };
                let ids: std::collections::BTreeSet<String> =
                    heard.iter().filter(of).map(|event| event.id.clone()).collect();
                ids.len()
            };
            assert_eq!((granted(1), granted(2)), (1, 1), "{beginning} {nth}");
            assert_eq!(bench.listener("siem")["behind"], 0, "{beginning} {nth}");
            assert!(bench.deliveries(DeliveryState::Waiting).is_empty(), "{beginning} {nth}");
        }
    }
}

#[test]
fn an_attempt_that_the_object_did_not_survive_is_made_again_under_the_same_id() {
    let mut bench = Bench::telling(&siem());
    bench.minted(1, OWNER);
    bench.clock.receivers().answer(SIEM, Err(HANGS));
    bench.clock.pass(1);
    assert!(bench.clock.take_alarm());
    let before = bench.sql.dump();
    let office = std::rc::Rc::clone(&bench.office);
    let waking = Task::start(async move { office.wake().await });
    assert!(waking.is_waiting());
    assert_eq!(bench.sql.dump(), before, "nothing is written before the outcome");
    drop(waking);
    bench.restart();
    bench.clock.receivers().answer(SIEM, Ok(200));
    bench.live(5);
    let ids: Vec<String> = bench.heard().into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_wish_to_revoke_breaks_an_attempt_off_and_is_carried_out_at_once() {
    let bench = Bench::telling(&siem());
    bench.minted(1, OWNER);
    bench.clock.receivers().answer(SIEM, Err(HANGS));
    bench.clock.pass(1);
    assert!(bench.clock.take_alarm());
    let office = std::rc::Rc::clone(&bench.office);
    let mut waking = Task::start(async move { office.wake().await });
    assert!(waking.is_waiting());
    let selection = Selection { by: By::All, value: String::new() };
    bench.ask(None, Operation::RevokeMany { job: lease_id(40), selection, freeze: None });
    assert_eq!(bench.cloud.take_verbs(), []);
    assert!(waking.go_on(), "the alarm ends");
    assert!(bench.clock.take_alarm(), "and goes off again at once");
    let office = std::rc::Rc::clone(&bench.office);
    let mut waking = Task::start(async move { office.wake().await });
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete]);
    assert_eq!(bench.lease(1).state, State::Ended);
    // The receiver still hangs; nobody waits for it but the alarm.
    assert!(!waking.go_on());
}

#[test]
fn deletions_go_before_deliveries() {
    let bench = Bench::telling(&siem());
    bench.minted(1, OWNER);
    bench.live(2);
    bench.heard();
    let barrier = bench.cloud.hold(Verb::Delete, Stage::BeforeWork);
    bench.clock.pass(3600);
    assert!(bench.clock.take_alarm());
    let office = std::rc::Rc::clone(&bench.office);
    let mut waking = Task::start(async move { office.wake().await });
    assert!(waking.is_waiting());
    // The end is in the journal, and nobody hears of it before the token is gone.
    assert_eq!(bench.events().last().map(String::as_str), Some("expired"));
    assert_eq!(bench.heard(), []);
    barrier.release();
    assert!(waking.go_on());
    assert_eq!(bench.kinds(), ["lease.ended"]);
}

#[test]
fn a_slow_receiver_does_not_keep_the_alarm_longer_than_its_time() {
    let bench = Bench::telling(&siem());
    for number in 1..=9 {
        bench.minted(number, OWNER);
    }
    bench.clock.receivers().answer(SIEM, Err(SLOW));
    let begun = bench.clock.now();
    bench.clock.pass(1);
    assert!(bench.clock.take_alarm());
    pollster::block_on(bench.office.wake());
    assert_eq!(bench.clock.now().since(begun), 11, "one attempt, and others have their turn");
    assert!(bench.clock.alarm().is_some());
}

#[test]
fn rules_that_name_no_endpoint_send_nothing_and_cost_nothing() {
    let mut bench = Bench::new();
    bench.take_rules(2, &rules(&json!({})));
    bench.live(5);
    bench.minted(1, OWNER);
    bench.sql.take_statements();
    bench.minted(2, OWNER);
    let statements = bench.sql.take_statements();
    assert!(
        statements.iter().all(|text| !text.contains("endpoint") && !text.contains("delivery")),
        "{statements:?}"
    );
    assert!(bench.clock.receivers().take().is_empty());
}

#[test]
fn rules_of_a_later_build_leave_endpoints_where_they_are() {
    let mut bench = Bench::telling(&siem());
    let place = bench.listener("siem");
    let mut later = rules(&siem());
    later["version"] = json!(2);
    bench.take_rules(3, &later);
    bench.minted(1, OWNER);
    bench.live(60);
    assert_eq!(bench.heard(), []);
    assert_eq!(bench.listener("siem")["seq"], place["seq"]);
    bench.take_rules(4, &rules(&siem()));
    bench.live(60);
    assert_eq!(bench.kinds(), ["rules.pushed", "lease.granted", "rules.pushed"]);
}

#[test]
fn an_endpoint_that_is_taken_out_hears_nothing_more_and_begins_anew_when_it_comes_back() {
    let mut bench = Bench::telling(&siem());
    bench.clock.receivers().answer(SIEM, Ok(500));
    bench.minted(1, OWNER);
    bench.live(1);
    bench.heard();
    bench.take_rules(3, &rules(&json!({})));
    bench.minted(2, OWNER);
    bench.live(600);
    assert_eq!(bench.heard(), []);
    let page = bench.asked(brevet_core::ledger::delivery::DeliveryFilter::default(), 100);
    assert!(page.endpoints.is_empty() && page.deliveries.is_empty() && page.next.is_null(), "{page:?}");
    bench.clock.receivers().answer(SIEM, Ok(200));
    bench.take_rules(4, &rules(&siem()));
    bench.live(5);
    assert_eq!(bench.kinds(), ["rules.pushed"]);
}
