//! Refusals in the journal.

use brevet_core::ledger::office::MOST_WRITTEN;
use brevet_core::ledger::protocol::{Answer, Operation, Refused, Request, Strangers};

use crate::support::Bench;

fn refused() -> Operation {
    Operation::Refused(Refused {
        kind: "not-granted".to_owned(),
        detail: "No grant allows it.".to_owned(),
        grant: None,
        rule: Some("/grant/edge-purge".to_owned()),
        rules_version: 3,
        evidence: None,
    })
}

fn tell(bench: &Bench, by: &str, operation: Operation) {
    let request = Request { by: Some(by.to_owned()), ..bench.request(None, operation) };
    assert!(matches!(pollster::block_on(bench.office.serve(request)), Answer::Done));
}

fn details(bench: &Bench) -> Vec<(String, Option<String>)> {
    let kept = bench.office.book().entries_after(0, usize::MAX).unwrap();
    kept.iter()
        .map(|kept| {
            let entry: brevet_core::ledger::journal::Entry =
                brevet_core::json::from_text(&kept.body).unwrap();
            (entry.event, entry.detail)
        })
        .collect()
}

#[test]
fn a_refusal_is_written_with_the_rule_that_decided() {
    let bench = Bench::new();
    tell(&bench, "client:alice", refused());
    let kept = bench.office.book().entries_after(0, usize::MAX).unwrap();
    let entry: brevet_core::ledger::journal::Entry = brevet_core::json::from_text(&kept[0].body).unwrap();
    assert_eq!((entry.event.as_str(), entry.by.as_str()), ("refused", "client:alice"));
    assert_eq!(entry.rule.as_deref(), Some("/grant/edge-purge"));
    assert_eq!(entry.rules_version, Some(3));
    assert_eq!(entry.detail.as_deref(), Some("not-granted: No grant allows it."));
}

#[test]
fn a_flood_of_refusals_is_counted() {
    let bench = Bench::new();
    for _ in 0..MOST_WRITTEN + 500 {
        tell(&bench, "client:alice", refused());
    }
    assert_eq!(bench.events().len(), usize::try_from(MOST_WRITTEN).unwrap());
    bench.clock.pass(60);
    tell(&bench, "client:alice", refused());
    let details = details(&bench);
    let after = &details[usize::try_from(MOST_WRITTEN).unwrap()..];
    assert_eq!(after[0].1.as_deref(), Some("500 more in a minute"));
    assert_eq!(after.len(), 2);
}

#[test]
fn strangers_are_one_row_a_minute_for_each_reason_and_none_is_left_out() {
    let bench = Bench::new();
    let strangers = |count| {
        Operation::Strangers(vec![
            Strangers { reason: "unknown secret".to_owned(), count },
            Strangers { reason: "expired".to_owned(), count: 1 },
        ])
    };
    for _ in 0..100 {
        tell(&bench, "x", strangers(10));
    }
    let unknown = |bench: &Bench| -> Vec<String> {
        details(bench)
            .into_iter()
            .filter(|(event, _)| event == "refused_unknown")
            .filter_map(|(_, detail)| detail)
            .collect()
    };
    assert_eq!(unknown(&bench), ["unknown secret: 10", "expired: 1"]);
    bench.clock.pass(60);
    bench.minted(1, "client:alice");
    bench.tend();
    let mut all = unknown(&bench);
    all.sort();
    assert_eq!(all, ["expired: 1", "expired: 99", "unknown secret: 10", "unknown secret: 990"]);
}

#[test]
fn so_many_callers_at_once_share_a_count() {
    let bench = Bench::new();
    for caller in 0..2_000 {
        tell(&bench, &format!("client:{caller}"), refused());
    }
    assert!(bench.events().len() < 200, "{}", bench.events().len());
}

#[test]
fn what_operators_alone_may_read_is_in_no_owners_journal() {
    let bench = Bench::new();
    let Operation::Refused(refused) = refused() else { unreachable!() };
    let told = Refused { evidence: Some("app misses ref".to_owned()), ..refused };
    tell(&bench, "oidc:github:7:abc", Operation::Refused(told));
    let kept = bench.office.book().entries_after(0, usize::MAX).unwrap();
    let entry: brevet_core::ledger::journal::Entry = brevet_core::json::from_text(&kept[0].body).unwrap();
    assert_eq!((entry.owner, entry.by.as_str()), (None, "oidc:github:7:abc"));
    assert_eq!(entry.detail.as_deref(), Some("not-granted: No grant allows it. [app misses ref]"));
}
