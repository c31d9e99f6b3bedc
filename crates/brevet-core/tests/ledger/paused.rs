//! Endpoints that take nothing, dead letters, and what an operator does about them.

use brevet_core::announce::EventId;
use brevet_core::ledger::delivery::{DeliveryFilter, DeliveryState};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};
use serde_json::json;

use crate::support::{Bench, CHAT, Page, SIEM, both, lease_id, received, siem};

const OWNER: &str = "client:edge-purger";
const DAY: u32 = 86_400;

fn replay(bench: &Bench, id: &str) -> Answer {
    let EventId { endpoint, seq, mac, .. } = EventId::read(id).unwrap();
    bench.ask(None, Operation::Replay { endpoint, seq, mac })
}

#[test]
fn an_endpoint_that_takes_nothing_for_a_day_is_paused_and_shown_and_others_hear_of_it() {
    let bench = Bench::telling(&both());
    bench.clock.receivers().answer(SIEM, Ok(500));
    bench.minted(1, OWNER);
    bench.live(DAY - 60);
    assert_eq!(bench.listener("siem")["state"], "failing");
    bench.live(3660);
    let listener = bench.listener("siem");
    assert_eq!((&listener["state"], &listener["failure"]), (&json!("paused"), &json!("it answered 500")));
    assert!(listener["paused_on"].is_string() && listener["failing_since"].is_string(), "{listener}");
    assert!(bench.notices().contains(&Notice::Paused { endpoint: "siem".to_owned() }));
    let posts = bench.clock.receivers().take();
    let to = |url: &str| posts.iter().filter(|post| post.url == url).count();
    // Doubling waits of 10 s, up to an hour.
    assert!((20..60).contains(&to(SIEM)), "{}", to(SIEM));
    let chat: Vec<_> =
        posts.iter().filter(|post| post.url == CHAT).map(|post| received(post, CHAT, &[3])).collect();
    let paused: Vec<_> = chat.iter().filter(|event| event.kind == "endpoint.paused").collect();
    assert_eq!(paused.len(), 1);
    assert_eq!(paused[0].body["data"]["entry"]["owner"], "endpoint:siem");
    assert_eq!(paused[0].body["data"]["entry"]["detail"], "it answered 500");
    // Nothing more is sent, and nothing wakes the ledger for it.
    bench.minted(2, OWNER);
    bench.live(5);
    bench.clock.receivers().take();
    bench.live(3600 * 3);
    assert!(bench.clock.receivers().take().iter().all(|post| post.url == CHAT));
    assert!(bench.listener("siem")["behind"].as_u64() > Some(0));
}

#[test]
fn a_resumed_endpoint_gets_all_that_waited_and_the_news_of_its_pause_do_not_go_to_itself() {
    let bench = Bench::telling(&siem());
    bench.clock.receivers().answer(SIEM, Ok(500));
    let first = bench.minted(1, OWNER);
    bench.live(2 * DAY);
    assert_eq!(bench.listener("siem")["state"], "paused");
    bench.minted(2, OWNER);
    let ids = bench.heard();
    bench.clock.receivers().answer(SIEM, Ok(200));
    assert!(matches!(bench.ask(None, Operation::Resume("siem".to_owned())), Answer::Done));
    bench.live(5);
    let heard = bench.heard();
    let mut kinds: Vec<&str> = heard.iter().map(|event| event.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["lease.ended", "lease.granted", "lease.granted"]);
    let again = heard.iter().find(|event| event.body["data"]["entry"]["lease"] == first.id.as_str()).unwrap();
    assert!(ids.iter().any(|event| event.id == again.id));
    let listener = bench.listener("siem");
    assert_eq!((&listener["state"], &listener["behind"]), (&json!("active"), &json!(0)));
    assert_eq!(bench.events().iter().filter(|event| *event == "endpoint_resumed").count(), 1);
}

#[test]
fn an_event_that_is_refused_for_a_day_is_a_dead_letter_and_can_be_replayed() {
    let bench = Bench::telling(&siem());
    bench
        .clock
        .receivers()
        .refuses
        .replace(Some(format!("\"event\":\"created\",\"by\":\"{OWNER}\",\"lease\":\"{}\"", lease_id(1))));
    let granted = bench.minted(1, OWNER);
    bench.live(1);
    let id = bench.heard()[0].id.clone();
    // Everything else comes through, hour by hour.
    for hour in 0..23 {
        bench.minted(100 + hour, OWNER);
        bench.live(3600);
    }
    assert!(bench.deliveries(DeliveryState::Dead).is_empty());
    bench.live(2 * 3600);
    let heard = bench.heard();
    let tries = heard.iter().filter(|event| event.id == id).count();
    assert!((20..60).contains(&tries), "{tries}");
    assert!(heard.len() - tries > 40);
    let dead = bench.deliveries(DeliveryState::Dead);
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((&dead[0]["event"], &dead[0]["failure"]), (&json!("created"), &json!("it answered 422")));
    assert_eq!((&dead[0]["id"], dead[0]["settled_on"].is_string()), (&json!(id), true));
    assert_eq!(bench.listener("siem")["paused_on"], json!(null));
    let entries = bench.office.book().entries_after(0, usize::MAX).unwrap();
    let told = entries.iter().find(|kept| kept.body.contains("delivery_dead")).unwrap();
    assert!(told.body.contains(&id) && told.body.contains("endpoint:siem"), "{}", told.body);
    // Nobody is told of that: it would be the next event.
    assert!(heard.iter().all(|event| event.kind.starts_with("lease.")));
    bench.clock.receivers().refuses.take();
    bench.live(7200);
    assert_eq!(bench.heard(), []);

    assert!(matches!(replay(&bench, &id), Answer::Done));
    let waiting = bench.deliveries(DeliveryState::Waiting);
    assert_eq!((waiting.len(), &waiting[0]["id"]), (1, &json!(id)));
    bench.live(2);
    let heard = bench.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].id.as_str(), heard[0].kind.as_str()), (id.as_str(), "lease.granted"));
    assert_eq!(heard[0].body["data"]["entry"]["lease"], granted.id.as_str());
    assert!(bench.deliveries(DeliveryState::Dead).is_empty());
    assert_eq!(bench.deliveries(DeliveryState::Delivered)[0]["seq"], heard[0].seq);
}

#[test]
fn what_was_delivered_can_be_sent_once_more_and_keeps_its_id() {
    let bench = Bench::telling(&siem());
    bench.minted(1, OWNER);
    bench.live(1);
    let first = bench.heard().remove(0);
    assert!(matches!(replay(&bench, &first.id), Answer::Done));
    bench.live(1);
    let again = bench.heard().remove(0);
    assert_eq!((again.id, again.text), (first.id, first.text));
    assert_eq!(bench.events().last().map(String::as_str), Some("delivery_replayed"));
}

#[test]
fn nothing_is_replayed_that_is_no_event_of_this_journal() {
    let bench = Bench::telling(&siem());
    bench.minted(1, OWNER);
    bench.live(1);
    let EventId { endpoint, seq, mac, .. } = EventId::read(&bench.heard()[0].id).unwrap();
    let other = mac.replace(|digit: char| digit != '0', "0");
    for (endpoint, seq, mac) in [
        (endpoint.clone(), seq, other),
        (endpoint.clone(), seq, String::new()),
        (endpoint.clone(), seq + 1, mac.clone()),
        (endpoint.clone(), seq - 1, mac.clone()),
        ("chat".to_owned(), seq, mac.clone()),
    ] {
        bench.refuses(None, Operation::Replay { endpoint, seq, mac }, Refusal::NotFound);
    }
    bench.refuses(None, Operation::Resume("chat".to_owned()), Refusal::NotFound);
    bench.live(600);
    assert_eq!(bench.heard(), []);
}

#[test]
fn deliveries_are_listed_newest_first_in_pages_and_by_their_filters() {
    let bench = Bench::telling(&both());
    for url in [SIEM, CHAT] {
        bench.clock.receivers().answer(url, Ok(500));
    }
    for number in 1..=2 {
        bench.minted(number, OWNER);
    }
    bench.live(1);
    bench.live(1);
    let Page { endpoints, deliveries: all, .. } = bench.asked(DeliveryFilter::default(), 100);
    assert_eq!(
        endpoints.iter().map(|known| known["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["chat", "siem"]
    );
    let places: Vec<(u64, &str)> =
        all.iter().map(|one| (one["seq"].as_u64().unwrap(), one["endpoint"].as_str().unwrap())).collect();
    assert_eq!(places.len(), 4, "{places:?}");
    assert!(
        places
            .windows(2)
            .all(|pair| pair[0].0 > pair[1].0 || (pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1))
    );
    let mut paged = Vec::new();
    let mut filter = DeliveryFilter::default();
    loop {
        let page = bench.asked(filter.clone(), 1);
        let Some(next) = page.next.as_str() else { break };
        let (seq, endpoint) = next.split_once('.').unwrap();
        filter.before = Some(seq.parse().unwrap());
        filter.after = Some(endpoint.to_owned());
        paged.extend(page.deliveries);
    }
    assert_eq!(paged, all);
    let of = |filter: DeliveryFilter| bench.asked(filter, 100).deliveries.len();
    assert_eq!(of(DeliveryFilter { endpoint: Some("chat".to_owned()), ..DeliveryFilter::default() }), 2);
    assert_eq!(of(DeliveryFilter { event: Some("created".to_owned()), ..DeliveryFilter::default() }), 4);
    assert_eq!(of(DeliveryFilter { event: Some("revoked".to_owned()), ..DeliveryFilter::default() }), 0);
    assert_eq!(of(DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() }), 0);
}

#[test]
fn a_ledger_without_the_rules_in_force_asks_for_them() {
    let mut bench = Bench::new();
    let tend = || Operation::Tend { install: "local".to_owned() };
    assert!(matches!(bench.ask(None, tend()), Answer::RulesOlder));
    bench.take_rules(2, &crate::support::rules(&json!({})));
    assert!(matches!(bench.ask(None, tend()), Answer::Done));
    bench.minted(1, OWNER);
    assert_eq!(bench.lease(1).id, lease_id(1));
}
