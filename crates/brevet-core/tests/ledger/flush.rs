//! The journal's way into KV.

use brevet_core::json::from_text;
use brevet_core::ledger::journal::{Head, Segment};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::sql::Sql;

use crate::support::{ACCOUNT, Bench, pepper};

const OWNER: &str = "client:edge-purger";

fn key(first: u64) -> String {
    format!("journal/account:{ACCOUNT}/{first:016}")
}

fn segments(bench: &Bench) -> Vec<(String, Segment)> {
    let kept = bench.clock.kv().kept.borrow();
    kept.iter().map(|(key, text)| (key.clone(), from_text(text).unwrap())).collect()
}

#[test]
fn entries_go_into_kv_after_a_quarter_of_an_hour_and_the_chain_goes_on_through_the_segments() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    bench.minted(2, OWNER);
    bench.clock.pass(899);
    bench.tend();
    assert_eq!(segments(&bench), []);
    bench.clock.pass(1);
    bench.tend();
    bench.minted(3, OWNER);
    bench.clock.pass(900);
    bench.tend();
    let segments = segments(&bench);
    assert_eq!(segments.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key(1), key(3)]);
    let mut head = Head::default();
    for (_, segment) in &segments {
        assert_eq!(segment.after, head.mac);
        for kept in &segment.entries {
            assert!(head.leads_to(&pepper(), kept));
            head = kept.head();
        }
    }
    assert_eq!(head, bench.office.book().head().unwrap());
    assert!(bench.all_notices().contains(&Notice::Flushed { first: 3, head }));
}

#[test]
fn a_segment_that_was_written_and_not_noted_is_not_written_again() {
    let mut bench = Bench::new();
    bench.minted(1, OWNER);
    bench.clock.pass(900);
    bench.tend();
    bench.sql.run("DELETE FROM meta WHERE name = 'journal_flushed'", &[]).unwrap();
    bench.restart();
    bench.minted(2, OWNER);
    bench.clock.pass(900);
    bench.tend();
    let keys: Vec<String> = segments(&bench).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [key(1), key(2)]);
    assert!(!bench.all_notices().contains(&Notice::SetBack));
}

#[test]
fn nothing_depends_on_kv() {
    let bench = Bench::new();
    bench.clock.kv().down.set(true);
    bench.minted(1, OWNER);
    bench.clock.pass(900);
    bench.tend();
    assert!(bench.all_notices().contains(&Notice::NotFlushed));
    bench.minted(2, OWNER);
    bench.clock.kv().down.set(false);
    bench.tend();
    let [(_, segment)] = &segments(&bench)[..] else { panic!() };
    assert_eq!(segment.entries.len(), 2);
}

#[test]
fn much_is_written_at_once_and_in_parts() {
    let bench = Bench::new();
    let owner = format!("client:{}", "x".repeat(60_000));
    for number in 1..=12 {
        bench.minted(number, &owner);
    }
    bench.live(5);
    let segments = segments(&bench);
    assert!(segments.len() > 1, "{}", segments.len());
    let entries: Vec<u64> =
        segments.iter().flat_map(|(_, segment)| segment.entries.iter().map(|kept| kept.seq)).collect();
    assert_eq!(entries, (1..=u64::try_from(entries.len()).unwrap()).collect::<Vec<_>>());
}
