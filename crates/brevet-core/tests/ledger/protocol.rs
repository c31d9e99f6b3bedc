//! The messages between Worker and object.

use brevet_core::json::{from_text, to_text};
use brevet_core::ledger::book::{After, Filter, LeaseKey, Page};
use brevet_core::ledger::delivery::DeliveryState;
use brevet_core::ledger::lease::State;
use brevet_core::ledger::protocol::{
    Answer, Change, ONE_USE_PROTOCOL, Operation, ParentHealth, Refusal, Request, ShownOnce,
};
use brevet_core::rulebook::RulesMark;

use crate::support::{Bench, failure, intent, lease_id, parents, renewal, update};

const OWNER: &str = "client:edge-purger";

#[test]
fn refuses_another_protocol_before_anything_else() {
    let bench = Bench::new();
    for protocol in [0, ONE_USE_PROTOCOL + 1, u16::MAX] {
        let mut request = bench.request(Some(OWNER), bench.create(1, OWNER));
        request.protocol = protocol;
        let answer = pollster::block_on(bench.office.serve(request));
        assert!(matches!(answer, Answer::Refused(Refusal::Protocol)), "{answer:?}");
    }
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.row(lease_id(1)), None);
}

#[test]
fn every_question_survives_the_way() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let key = LeaseKey::Token(lease.token_id.unwrap());
    let filter = Filter {
        owner: Some(OWNER.to_owned()),
        state: Some(State::Stuck),
        expiring_before: Some(bench.at(1)),
        ..Filter::default()
    };
    let deliveries = Operation::Deliveries {
        endpoint: Some("siem".to_owned()),
        state: Some(DeliveryState::Dead),
        event: Some("created".to_owned()),
        before: Some(9),
        after: Some("a".to_owned()),
        limit: 3,
    };
    let page = Page { owner: None, offset: 3, limit: 4, descending: true, include_expired: true };
    for operation in [
        bench.create(2, OWNER),
        bench.change(&lease, Change::Roll),
        bench.change(&lease, renewal(bench.at(1))),
        bench.change(&lease, update(&lease, |wanted| wanted.condition = None)),
        bench.revoke(lease.id),
        Operation::Read { key, ask_cloudflare: None },
        bench.read(lease.id),
        Operation::List { filter, after: Some(After { created: bench.at(0), id: lease.id }), limit: 5 },
        Operation::Page(page),
        Operation::Live { grants: vec!["g".to_owned()], owners: Vec::new(), limit: 1 },
        Operation::TakeRules { json: "{}".to_owned() },
        Operation::CheckParents(parents()),
        deliveries,
        Operation::Replay { endpoint: "siem".to_owned(), seq: 7, mac: "ab".to_owned() },
        Operation::Resume("siem".to_owned()),
        Operation::Health,
    ] {
        let request = bench.request(None, operation);
        let text = to_text(&request);
        let back: Request = from_text(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"), "{text}");
    }
}

#[test]
fn every_answer_survives_the_way_and_a_value_shows_only_in_its_message() {
    let bench = Bench::new();
    let lease = Box::new(intent(1, OWNER, bench.at(0)));
    let health = ParentHealth { checked_at: bench.at(0), secret: None, expires_on: None, failure: None };
    let value = brevet_core::secret::Secret::new("cfat_value".to_owned());
    for answer in [
        Answer::Valued { lease: lease.clone(), value: ShownOnce(value) },
        Answer::Lease { lease: lease.clone(), view: None },
        Answer::Leases { leases: vec![*lease], total: Some(1) },
        Answer::Done,
        Answer::RulesOlder,
        Answer::Deliveries("{\"endpoints\":[]}".to_owned()),
        Answer::Health(None),
        Answer::Health(Some(health)),
        Answer::RulesNewer { mark: RulesMark::of(1, ""), json: String::new() },
        Answer::Refused(Refusal::RulesDiffer),
        Answer::Failed(failure(brevet_core::cloudflare::FailureKind::Quota)),
    ] {
        let text = to_text(&answer);
        let back: Answer = from_text(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{answer:?}"), "{text}");
        assert!(!format!("{answer:?}").contains("cfat_value"));
        if let Answer::Valued { value, .. } = back {
            assert_eq!(value.0.expose(), "cfat_value");
        }
    }
}

#[test]
fn an_id_that_is_none_does_not_get_into_a_message() {
    for text in
        ["", "..", "x/value", "7ZZZZZZZZZZZZZZZZZZZZZZZZU", "023E105f4ecef8ad9ca31a8372d0c353", "' OR 1=1 --"]
    {
        assert_eq!(LeaseKey::read(text), None, "{text}");
        let message = |id: &str| {
            let key = serde_json::json!({ "is": "lease", "lease": id });
            serde_json::json!({ "is": "read", "key": key, "ask_cloudflare": null }).to_string()
        };
        assert!(from_text::<Operation>(&message(text)).is_none(), "{text}");
        assert!(from_text::<Operation>(&message(lease_id(3).as_str())).is_some());
    }
    assert_eq!(LeaseKey::read(lease_id(3).as_str()), Some(LeaseKey::Lease(lease_id(3))));
}
