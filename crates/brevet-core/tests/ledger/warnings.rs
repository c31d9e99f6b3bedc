//! What operators should know before it hurts is told as well.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::delivery::DeliveryState;
use brevet_core::ledger::protocol::{Answer, Operation};
use brevet_core::ledger::sql::Sql;
use serde_json::json;

use crate::support::{Bench, CHAT, SIEM, Script, Verb, both, parents, received, rules, siem};

const OWNER: &str = "client:edge-purger";

#[test]
fn a_parent_that_dies_is_told_of_once_and_so_is_its_recovery() {
    let bench = Bench::telling(&siem());
    let check = || drop(bench.ask(None, Operation::CheckParents(parents())));
    check();
    bench.live(2);
    assert_eq!(bench.heard(), []);
    for _ in 0..2 {
        bench.cloud.script(Verb::Check, Script::Refuse(FailureKind::DeadCredential));
        check();
    }
    // While Cloudflare is away nobody knows.
    bench.cloud.script(Verb::Check, Script::Refuse(FailureKind::Unavailable));
    check();
    bench.live(2);
    let heard = bench.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].kind, "parent.unhealthy");
    check();
    check();
    bench.live(2);
    assert_eq!(bench.kinds(), ["parent.healthy"]);
}

#[test]
fn a_quota_that_comes_near_is_told_of_once_before_anybody_is_refused() {
    let mut bench = Bench::of_a_user();
    bench
        .clock
        .receivers()
        .secrets
        .borrow_mut()
        .insert("HOOK_SIEM".to_owned(), format!("whsec_{}", data_encoding::BASE64.encode(&[1; 32])));
    let mut of_user = rules(&siem());
    of_user["account"]["me"] =
        json!({ "id": "fedcba9876543210fedcba9876543210", "family": "user", "parent": "CLOUDFLARE_C" });
    bench.take_rules(2, &of_user);
    bench.live(2);
    bench.heard();
    for number in 1..=40 {
        bench.minted(number, "operator:root");
    }
    let by_operator = |number: u8| {
        let Operation::Create { mut lease, parents, claim, one_use } = bench.create(number, "operator:root")
        else {
            panic!()
        };
        lease.grant = None;
        bench.ask(None, Operation::Create { lease, parents, claim, one_use })
    };
    bench.live(60);
    let near = |kinds: &[String]| kinds.iter().filter(|kind| *kind == "quota.near").count();
    let kinds = bench.kinds();
    assert_eq!((near(&kinds), kinds.len()), (0, 40));
    assert!(matches!(by_operator(41), Answer::Valued { .. }));
    bench.live(2);
    assert_eq!(near(&bench.kinds()), 1);
    assert!(matches!(by_operator(42), Answer::Valued { .. }));
    bench.live(2);
    assert_eq!(near(&bench.kinds()), 0);
}

#[test]
fn what_the_journal_lets_go_undelivered_is_said() {
    let bench = Bench::telling(&both());
    bench.clock.receivers().answer(SIEM, Err("it cannot be reached"));
    bench.minted(1, OWNER);
    bench.live(100 * 86_400);
    bench.minted(2, OWNER);
    bench.live(5);
    assert_eq!(bench.listener("siem")["state"], "paused");
    bench.clock.receivers().take();
    bench.tend();
    bench.live(5);
    let heard: Vec<_> =
        bench.clock.receivers().take().iter().map(|post| received(post, CHAT, &[3])).collect();
    let dropped: Vec<_> = heard.iter().filter(|event| event.kind == "events.dropped").collect();
    assert_eq!(dropped.len(), 1, "{heard:?}");
    assert_eq!(dropped[0].body["data"]["entry"]["owner"], "endpoint:siem");
    assert!(bench.deliveries(DeliveryState::Waiting).is_empty());
    assert!(
        bench
            .sql
            .run("SELECT 1 FROM journal WHERE at < ?", &[bench.at(10 * 86_400).unix().into()])
            .unwrap()
            .is_empty()
    );
}
