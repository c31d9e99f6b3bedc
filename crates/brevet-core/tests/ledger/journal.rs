//! The journal.

use brevet_core::cloudflare::FailureKind;
use brevet_core::json::from_text;
use brevet_core::ledger::freeze::{By, Freeze, Selection};
use brevet_core::ledger::journal::{Entry, EntryFilter, Head, Kept};
use brevet_core::ledger::protocol::{Answer, Change, Operation};
use brevet_core::ledger::sql::Sql;

use crate::support::{Bench, Script, Verb, lease_id, parents, pepper, renewal, update};

const OWNER: &str = "client:edge-purger";

#[track_caller]
fn read(bench: &Bench, owner: Option<&str>, filter: EntryFilter) -> Vec<Kept> {
    match bench.ask(owner, Operation::Journal { filter, limit: 100 }) {
        Answer::Journal(mut entries) => {
            entries.reverse();
            entries
        }
        other => panic!("{other:?}"),
    }
}

fn told(entries: &[Kept]) -> Vec<(String, String)> {
    entries
        .iter()
        .map(|kept| {
            let entry: Entry = from_text(&kept.body).unwrap();
            (entry.event, entry.by)
        })
        .collect()
}

fn events(bench: &Bench) -> Vec<String> {
    told(&read(bench, None, EntryFilter::default())).into_iter().map(|(event, _)| event).collect()
}

#[test]
fn tells_what_became_of_a_lease_and_who_did_it() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.change(&lease, renewal(bench.at(5000))));
    bench.ask(Some(OWNER), bench.change(&bench.lease(1), Change::Roll));
    let change = update(&bench.lease(1), |lease| lease.disabled = true);
    bench.ask(Some(OWNER), bench.change(&bench.lease(1), change));
    bench.ask(None, bench.revoke(lease.id));
    bench.minted(2, OWNER);
    bench.live(3600);
    let entries = read(&bench, None, EntryFilter::default());
    let pair = |event: &str, by: &str| (event.to_owned(), by.to_owned());
    assert_eq!(
        told(&entries),
        [
            pair("created", OWNER),
            pair("renewed", OWNER),
            pair("rolled", OWNER),
            pair("updated", OWNER),
            pair("revoking", "brevet"),
            pair("revoked", "brevet"),
            pair("created", OWNER),
            pair("expired", "brevet"),
        ]
    );
    let first: Entry = from_text(&entries[0].body).unwrap();
    assert_eq!((first.lease, first.token_id, first.at), (Some(lease.id), lease.token_id, bench.at(0)));
    assert_eq!((first.owner.as_deref(), first.grant), (Some(OWNER), lease.grant));
    assert_eq!((first.template, first.rule, first.rules_version), (lease.template, lease.rule, Some(1)));
}

#[test]
fn tells_of_what_failed_and_of_the_switch() {
    let bench = Bench::new();
    bench.cloud.script(Verb::Create, Script::Refuse(FailureKind::Unavailable));
    bench.ask(Some(OWNER), bench.create(1, OWNER));
    bench.minted(2, OWNER);
    let freeze = Freeze {
        id: lease_id(100),
        selection: Selection { by: By::All, value: String::new() },
        reason: "A drill.".to_owned(),
        by: "operator:root".to_owned(),
        since: bench.at(0),
        until: None,
    };
    let selection = freeze.selection.clone();
    bench.ask(None, Operation::RevokeMany { job: lease_id(200), selection, freeze: Some(freeze) });
    bench.live(1);
    bench.ask(None, Operation::Lift(lease_id(100)));
    let expected = ["never_created", "created", "frozen", "revoking", "revoked_many", "revoked", "lifted"];
    assert_eq!(events(&bench), expected);
}

#[test]
fn what_is_only_read_or_refused_leaves_no_entry() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let before = bench.sql.dump();
    bench.ask(Some(OWNER), bench.read(lease.id));
    bench.ask(Some("client:other"), bench.revoke(lease.id));
    read(&bench, Some("client:other"), EntryFilter::default());
    assert_eq!(bench.sql.dump(), before);
}

#[test]
fn an_owner_reads_of_its_own_leases_alone() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.minted(2, "client:other");
    let of = |owner, filter| read(&bench, owner, filter).len();
    assert_eq!(of(None, EntryFilter::default()), 2);
    assert_eq!(of(Some(OWNER), EntryFilter::default()), 1);
    let others = || EntryFilter { owner: Some("client:other".to_owned()), ..EntryFilter::default() };
    assert_eq!((of(Some(OWNER), others()), of(None, others())), (0, 1));
    let lease = EntryFilter { lease: Some(lease_id(2)), ..EntryFilter::default() };
    assert_eq!((of(Some(OWNER), lease.clone()), of(None, lease)), (0, 1));
    let event = EntryFilter { event: Some("expired".to_owned()), ..EntryFilter::default() };
    assert_eq!(of(None, event), 0);
    assert_eq!(of(None, EntryFilter { before: Some(2), ..EntryFilter::default() }), 1);
}

#[test]
fn every_entry_is_chained_to_the_one_before_through_restarts() {
    let mut bench = Bench::new();
    for number in 1..=3 {
        bench.minted(number, OWNER);
        bench.restart();
    }
    bench.live(3600);
    let entries = read(&bench, None, EntryFilter::default());
    assert_eq!(entries.len(), 6);
    let mut head = Head::default();
    for kept in &entries {
        head = head.after(&pepper(), &kept.body);
        assert_eq!((head.seq, &head.mac), (kept.seq, &kept.mac));
    }
    // One that is altered, taken out or exchanged breaks it.
    let after = |head: Head, kept: &Kept| head.after(&pepper(), &kept.body);
    assert_ne!(after(Head::default(), &entries[1]).mac, entries[0].mac);
    let altered = Kept { body: entries[0].body.replace("edge-purger", "edge-purgers"), ..entries[0].clone() };
    assert_ne!(after(Head::default(), &altered).mac, entries[0].mac);
}

#[test]
fn the_database_itself_changes_no_entry() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    assert!(bench.sql.run("UPDATE journal SET body = '{}'", &[]).is_err());
}

#[test]
fn an_entry_that_cannot_be_written_leaves_no_token_alive() {
    let bench = Bench::new();
    bench.sql.fail("INSERT INTO journal", 1);
    assert!(matches!(bench.ask(Some(OWNER), bench.create(1, OWNER)), Answer::Refused(_)));
    assert!(bench.cloud.tokens().is_empty());
    bench.minted(2, OWNER);
    let entries = read(&bench, None, EntryFilter::default());
    assert_eq!((entries.len(), entries[0].seq), (1, 1));
}

#[test]
fn entries_are_kept_for_ninety_days_and_the_chain_goes_on() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.live(90 * 86_400);
    bench.minted(2, OWNER);
    bench.ask(None, Operation::CheckParents(parents()));
    assert_eq!(events(&bench), ["created", "expired", "created"]);
    bench.live(3601);
    bench.ask(None, Operation::CheckParents(parents()));
    assert_eq!(events(&bench), ["created", "expired"]);
    let entries = read(&bench, None, EntryFilter::default());
    let first = Head { seq: entries[0].seq, mac: entries[0].mac.clone() };
    assert_eq!(first.after(&pepper(), &entries[1].body).mac, entries[1].mac);
}

#[test]
fn no_entry_holds_a_value() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.change(&lease, Change::Roll));
    for kept in read(&bench, None, EntryFilter::default()) {
        assert!(bench.cloud.values().iter().all(|value| !kept.body.contains(value.as_str())));
    }
}
