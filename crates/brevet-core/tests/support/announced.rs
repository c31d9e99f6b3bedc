//! A ledger whose journal is told to somebody.

use brevet_core::cloudflare::TokenOwner;
use brevet_core::ledger::delivery::{DeliveryFilter, DeliveryState};
use brevet_core::ledger::protocol::{Answer, Operation};
use brevet_core::rulebook::RulesMark;
use brevet_core::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use super::bench::{ACCOUNT, Bench};
use super::clock::Post;

/// Where the endpoint `siem` listens.
pub(crate) const SIEM: &str = "https://siem.example/brevet";

/// Where the endpoint `chat` does.
pub(crate) const CHAT: &str = "https://chat.example/";

/// The keys in the Worker secrets of these names.
const KEYS: [(&str, u8); 3] = [("HOOK_SIEM", 1), ("HOOK_SIEM_NEXT", 2), ("HOOK_CHAT", 3)];

fn key(byte: u8) -> Vec<u8> {
    vec![byte; 32]
}

/// Rules with these endpoints, for the account of the tests and another one.
pub(crate) fn rules(endpoints: &Value) -> Value {
    json!({
        "version": 1,
        "brevet": { "url": "https://brevet.zone.example", "install": "local" },
        "account": {
            "main": { "id": ACCOUNT, "family": "account", "parent": "CLOUDFLARE_API_TOKEN" },
            "apps": { "id": "a0000000000000000000000000000002", "family": "account", "parent": "CLOUDFLARE_B" },
        },
        "zone": { "zone.example": { "id": "c0000000000000000000000000000001", "account": "main" } },
        "client": { "ci": { "secret_sha256": ["bb".repeat(32)] } },
        "grant": {
            "edge-purge": { "from": { "client": "ci" }, "allow": [{ "template": "cache-purge", "account": "main", "zone": "*" }] },
            "other": { "from": { "client": "ci" }, "allow": [{ "template": "zone-read", "account": "main", "zone": "*" }] },
        },
        "endpoint": endpoints,
    })
}

/// The endpoint `siem`, which hears everything.
pub(crate) fn siem() -> Value {
    json!({ "siem": { "url": SIEM, "secrets": ["HOOK_SIEM"] } })
}

/// Both endpoints.
pub(crate) fn both() -> Value {
    json!({
        "siem": { "url": SIEM, "secrets": ["HOOK_SIEM"] },
        "chat": { "url": CHAT, "secrets": ["HOOK_CHAT"] },
    })
}

/// What a receiver makes of something that was sent to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) seq: u64,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// What an operator is told.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) endpoints: Vec<Value>,
    pub(crate) deliveries: Vec<Value>,
    pub(crate) next: Value,
}

impl Bench {
    /// A ledger under rules with these endpoints, whose keys are there. What was sent so far is taken away.
    #[track_caller]
    pub(crate) fn telling(endpoints: &Value) -> Self {
        let mut bench = Self::new();
        for (name, byte) in KEYS {
            let text = format!("whsec_{}", data_encoding::BASE64.encode(&key(byte)));
            bench.clock.receivers().secrets.borrow_mut().insert(name.to_owned(), text);
        }
        bench.take_rules(2, &rules(endpoints));
        bench.live(5);
        bench.clock.receivers().take();
        bench
    }

    /// Rules are pushed.
    #[track_caller]
    pub(crate) fn take_rules(&mut self, version: u64, rules: &Value) {
        let json = rules.to_string();
        self.rules = RulesMark::of(version, &json);
        let answer = self.ask(None, Operation::TakeRules { json });
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    /// What `siem` was sent since this was last asked, as a receiver reads it.
    #[track_caller]
    pub(crate) fn heard(&self) -> Vec<Event> {
        self.clock.receivers().take().iter().map(|post| received(post, SIEM, &[1])).collect()
    }

    /// The types of that.
    #[track_caller]
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.heard().into_iter().map(|event| event.kind).collect()
    }

    /// What an operator is told of endpoints and deliveries.
    #[track_caller]
    pub(crate) fn asked(&self, filter: DeliveryFilter, limit: u32) -> Page {
        let DeliveryFilter { endpoint, state, event, before, after } = filter;
        match self.ask(None, Operation::Deliveries { endpoint, state, event, before, after, limit }) {
            Answer::Deliveries(page) => {
                let mut page: Value = serde_json::from_str(&page).unwrap();
                let mut list = |name: &str| match page[name].take() {
                    Value::Array(list) => list,
                    other => panic!("{other}"),
                };
                Page {
                    endpoints: list("endpoints"),
                    deliveries: list("deliveries"),
                    next: page["next_cursor"].take(),
                }
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// The endpoint of this name.
    #[track_caller]
    pub(crate) fn listener(&self, name: &str) -> Value {
        let filter = DeliveryFilter { endpoint: Some(name.to_owned()), ..DeliveryFilter::default() };
        self.asked(filter, 100).endpoints.pop().unwrap()
    }

    /// The deliveries in a state, newest first.
    pub(crate) fn deliveries(&self, state: DeliveryState) -> Vec<Value> {
        self.asked(DeliveryFilter { state: Some(state), ..DeliveryFilter::default() }, 100).deliveries
    }
}

/// What a receiver with these keys makes of something: one signature for each, in their order, all good.
#[track_caller]
pub(crate) fn received(post: &Post, url: &str, keys: &[u8]) -> Event {
    assert_eq!(post.url, url);
    let header = |name: &str| post.headers.get(name).unwrap_or_else(|| panic!("{name}")).clone();
    assert_eq!((header("content-type").as_str(), post.headers.len()), ("application/json", 5));
    let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = |byte: u8| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key(byte)).unwrap();
        mac.update(format!("{id}.{at}.{}", post.body).as_bytes());
        format!("v1,{}", data_encoding::BASE64.encode(&mac.finalize().into_bytes()))
    };
    let expected: Vec<String> = keys.iter().copied().map(signed).collect();
    assert_eq!(header("webhook-signature"), expected.join(" "));
    let body: Value = serde_json::from_str(&post.body).unwrap();
    Event {
        id,
        at: at.parse().unwrap(),
        kind: body["type"].as_str().unwrap().to_owned(),
        seq: body["data"]["journal"]["seq"].as_u64().unwrap(),
        text: post.body.clone(),
        body,
    }
}

/// The ledger of these tests.
pub(crate) fn ledger() -> TokenOwner {
    TokenOwner::Account(ACCOUNT.parse().unwrap())
}

/// That nobody can read a secret in what was sent.
#[track_caller]
pub(crate) fn holds_no_secret(texts: &[String]) {
    for text in texts {
        for secret in ["cfat_", "cfut_", "whsec_", "pepper of more", "CLOUDFLARE_API_TOKEN="] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// So many seconds after the beginning.
pub(crate) fn unix(bench: &Bench, at: &Value) -> i64 {
    Timestamp::parse(at.as_str().unwrap()).unwrap().since(bench.at(0))
}
