//! What hooks order: received once, carried out once, and by exactly the claims that it names.

use brevet_core::json::to_text;
use brevet_core::ledger::freeze::{By, Freeze, Selection};
use brevet_core::ledger::lease::State;
use brevet_core::ledger::office::{Clock, Notice};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};
use brevet_core::ledger::receipt::{Order, Receipt, ReceiptFilter, Stage};
use brevet_core::time::Seconds;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Bench, intent, lease_id, parents};

const JOB: &str = "oidc:github:1:x";

fn order(number: u8, revoke: Option<Selection>) -> Order {
    Order { receipt: lease_id(number), freezes: Vec::new(), revoke, lift: Vec::new() }
}

fn by_claims(claims: &Value) -> Selection {
    Selection { by: By::Claims, value: to_text(claims) }
}

fn receipt(bench: &Bench, number: u8, key: &str, order: Order) -> Receipt {
    Receipt {
        id: lease_id(number),
        seq: 0,
        key: key.to_owned(),
        hook: "leak".to_owned(),
        event: "secret_scanning_alert".to_owned(),
        at: bench.at(0),
        until: bench.at(86_400),
        stage: Stage::Waiting,
        what: "revoke".to_owned(),
        rules_version: 1,
        order: Some(Box::new(order)),
        left: vec!["account:0123456789abcdef0123456789abcdef".to_owned()],
        leases: 0,
        done_on: None,
    }
}

/// A lease whose owner has these claims.
fn minted(bench: &Bench, number: u8, claims: Option<Value>) {
    let mut lease = intent(number, JOB, bench.at(0));
    lease.claims = claims;
    let create = Operation::Create { lease: Box::new(lease), parents: parents(), claim: None, one_use: None };
    assert!(matches!(bench.ask(Some(JOB), create), Answer::Valued { .. }));
}

fn revoked(bench: &Bench, selection: Selection) -> Vec<u8> {
    let answer = bench.ask(None, Operation::Order(Box::new(order(200, Some(selection)))));
    let Answer::Job(leases) = answer else { panic!("{answer:?}") };
    (0..100).filter(|number| leases.iter().any(|lease| lease.id == lease_id(*number))).collect()
}

#[test]
fn leases_are_chosen_by_all_of_the_claims_and_by_nothing_that_looks_like_them() {
    let leases = [
        Some(json!({ "repository_id": "200000003", "ref": "refs/heads/main" })),
        Some(json!({ "repository_id": "200000003" })),
        Some(json!({ "repository_id": "2000000031" })),
        Some(json!({ "repository_id": "20000000", "ref": "200000003" })),
        Some(json!({ "other_id": "200000003" })),
        Some(json!({ "a'b\"c$[0]": "x'y\"z" })),
        None,
    ];
    for (selection, expected) in [
        (json!({ "repository_id": "200000003" }), vec![0, 1]),
        (json!({ "repository_id": "200000003", "ref": "refs/heads/main" }), vec![0]),
        (json!({ "repository_id": "200000003", "ref": "refs/heads/other" }), vec![]),
        (json!({ "a'b\"c$[0]": "x'y\"z" }), vec![5]),
        (json!({ "repository_id": "%" }), vec![]),
        (json!({ "repository_id": "" }), vec![]),
        (json!({ "gone": "200000003" }), vec![]),
        (json!({}), vec![]),
    ] {
        let bench = Bench::new();
        for (number, claims) in (0..).zip(leases.clone()) {
            minted(&bench, number, claims);
        }
        assert_eq!(revoked(&bench, by_claims(&selection)), expected, "{selection}");
        bench.live(0);
        let ended: Vec<u8> = (0..7).filter(|number| bench.lease(*number).state == State::Ended).collect();
        assert_eq!(ended, expected, "{selection}");
    }
}

#[test]
fn one_lease_is_chosen_by_its_id_or_its_tokens() {
    let bench = Bench::new();
    minted(&bench, 1, None);
    minted(&bench, 2, None);
    let token = bench.lease(2).token_id.unwrap();
    for (value, expected) in [("", vec![]), (JOB, vec![]), (token.as_str(), vec![2])] {
        let bench_order = Selection { by: By::Lease, value: value.to_owned() };
        let order = order(u8::try_from(100 + value.len()).unwrap(), Some(bench_order));
        let Answer::Job(leases) = bench.ask(None, Operation::Order(Box::new(order))) else { panic!() };
        let found: Vec<u8> =
            (0..9).filter(|number| leases.iter().any(|lease| lease.id == lease_id(*number))).collect();
        assert_eq!(found, expected, "{value}");
    }
    assert_eq!(revoked(&bench, Selection { by: By::Lease, value: lease_id(1).to_string() }), [1]);
}

#[test]
fn an_order_that_is_told_twice_is_carried_out_once() {
    let mut bench = Bench::new();
    let freeze = Freeze {
        id: lease_id(150),
        selection: Selection { by: By::Grant, value: "edge-purge".to_owned() },
        reason: "A signed webhook ordered it.".to_owned(),
        by: "hook:leak".to_owned(),
        since: bench.at(0),
        until: None,
    };
    let all = Selection { by: By::All, value: String::new() };
    let told = Order { freezes: vec![freeze], ..order(200, Some(all)) };
    let tell = |bench: &Bench| bench.ask(None, Operation::Order(Box::new(told.clone())));
    minted(&bench, 1, None);
    assert!(matches!(tell(&bench), Answer::Job(leases) if leases.len() == 1));
    bench.live(0);
    // Somebody has looked, lifted the freeze, and work goes on.
    assert!(matches!(bench.ask(None, Operation::Lift(lease_id(150))), Answer::Done));
    minted(&bench, 2, None);
    bench.restart();
    for _ in 0..3 {
        assert!(matches!(tell(&bench), Answer::Job(leases) if leases.len() == 1), "of the first time");
    }
    bench.live(86_400 / 24);
    assert_eq!(bench.lease(1).end.map(|end| end.as_str()), Some("revoked"));
    assert_eq!(bench.lease(2).end.map(|end| end.as_str()), Some("expired"));
    let events = bench.events();
    for event in ["frozen", "revoked_many"] {
        assert_eq!(events.iter().filter(|found| *found == event).count(), 1, "{event}");
    }
}

#[test]
fn a_receipt_is_a_hooks_own_and_only_the_installation_orders() {
    let bench = Bench::new();
    let receipt = Box::new(receipt(&bench, 9, "k", order(9, None)));
    for owner in [None, Some("hook:other"), Some("client:ci"), Some("hook:leak2"), Some("leak")] {
        bench.refuses(owner, Operation::Receive(receipt.clone()), Refusal::NotFound);
    }
    for operation in
        [Operation::Order(Box::new(order(9, None))), Operation::Receipts(ReceiptFilter::default())]
    {
        bench.refuses(Some("hook:leak"), operation, Refusal::NotFound);
    }
}

#[test]
fn a_message_is_known_until_its_end_and_then_no_longer() {
    let mut bench = Bench::new();
    let all = || Some(Selection { by: By::All, value: String::new() });
    let hear = |bench: &Bench, number: u8| {
        let mut receipt = receipt(bench, number, "k", order(number, all()));
        receipt.at = bench.office.clock().now();
        receipt.until = receipt.at.plus(Seconds::of(100));
        let answer = bench.ask(Some("hook:leak"), Operation::Receive(Box::new(receipt)));
        let Answer::Receipt { receipt, fresh } = answer else { panic!("{answer:?}") };
        (receipt.id, fresh)
    };
    assert_eq!(hear(&bench, 1), (lease_id(1), true));
    assert_eq!(hear(&bench, 2), (lease_id(1), false));
    bench.restart();
    bench.live(99);
    assert_eq!(hear(&bench, 3), (lease_id(1), false));
    bench.live(1);
    assert_eq!(hear(&bench, 4), (lease_id(4), true));
    let kept = bench.ask(None, Operation::Receipts(ReceiptFilter { limit: 10, ..ReceiptFilter::default() }));
    let Answer::Receipts(kept) = kept else { panic!("{kept:?}") };
    assert_eq!(kept.iter().map(|receipt| receipt.id).collect::<Vec<_>>(), [lease_id(4)]);
}

#[test]
fn what_another_ledger_does_not_answer_is_asked_again_and_somebody_hears_of_it() {
    let bench = Bench::new();
    let mut receipt = receipt(&bench, 9, "k", order(9, Some(by_claims(&json!({ "repository_id": "1" })))));
    receipt.left.push("user:fedcba9876543210fedcba9876543210".to_owned());
    bench.ask(Some("hook:leak"), Operation::Receive(Box::new(receipt)));
    bench.live(3_600);
    let tries =
        bench.notices().into_iter().filter(|notice| matches!(notice, Notice::OrderWaits { .. })).count();
    assert_eq!(tries, 6, "after 0, 1, 3, 7, 15 and 31 minutes");
    let kept = bench.ask(None, Operation::Receipts(ReceiptFilter { limit: 1, ..ReceiptFilter::default() }));
    let Answer::Receipts(kept) = kept else { panic!("{kept:?}") };
    assert_eq!((kept[0].stage, kept[0].left.len(), kept[0].done_on), (Stage::Waiting, 1, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_claim_says_it_chooses_its_own_lease_and_no_other(name in "\\PC{1,20}", value in "\\PC{1,20}", other in "\\PC{1,20}") {
        prop_assume!(value != other);
        let bench = Bench::new();
        minted(&bench, 1, Some(json!({ name.clone(): value.clone() })));
        minted(&bench, 2, Some(json!({ name.clone(): other })));
        minted(&bench, 3, Some(json!({ format!("{name}x"): value.clone() })));
        prop_assert_eq!(revoked(&bench, by_claims(&json!({ name: value }))), [1]);
    }
}
