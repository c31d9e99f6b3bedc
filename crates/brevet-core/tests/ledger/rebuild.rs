//! A lost book made anew.

use brevet_core::ledger::journal::Head;
use brevet_core::ledger::lease::State;
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Change, Operation, Refusal};
use brevet_core::ledger::sql::Sql;

use crate::support::{Bench, Verb, lease_id, parents, pepper, renewal};

const ALICE: &str = "client:alice";
const BOB: &str = "client:bob";

fn rebuild(bench: &Bench) -> Vec<String> {
    let answer = bench.ask(None, operation());
    let Answer::Leases { leases, .. } = answer else { panic!("{answer:?}") };
    leases.into_iter().map(|lease| lease.owner).collect()
}

fn operation() -> Operation {
    Operation::Rebuild { install: "local".to_owned(), parents: parents() }
}

fn lose(bench: &mut Bench) {
    for table in ["lease", "due", "journal", "claim", "freeze", "job", "rules"] {
        bench.sql.run(&format!("DELETE FROM {table}"), &[]).unwrap();
    }
    bench.sql.run("DELETE FROM meta WHERE name <> 'schema'", &[]).unwrap();
    bench.restart();
}

#[test]
fn every_token_comes_back_to_its_owner_and_the_journal_goes_on() {
    let mut bench = Bench::new();
    bench.minted(1, ALICE);
    bench.minted(2, BOB);
    bench.clock.pass(901);
    bench.tend();
    lose(&mut bench);
    bench.minted(3, ALICE);
    assert_eq!(rebuild(&bench), [ALICE, BOB]);
    assert_eq!(rebuild(&bench), [""; 0], "nothing is found twice");
    for (number, owner) in [(1, ALICE), (2, BOB), (3, ALICE)] {
        let lease = bench.lease(number);
        assert_eq!((lease.state, lease.owner.as_str()), (State::Active, owner));
        assert_eq!(lease.grant.as_deref(), Some("edge-purge"));
        let rolled = bench.ask(Some(owner), bench.change(&lease, Change::Roll));
        assert!(matches!(rolled, Answer::Valued { .. }), "{rolled:?}");
    }
    let other = bench.lease(2);
    let change = bench.change(&other, Change::Roll);
    assert!(matches!(bench.ask(Some(ALICE), change), Answer::Refused(Refusal::NotFound)));
    // One chain: what KV has, then what was written since.
    bench.clock.pass(901);
    bench.tend();
    let mut head = Head::default();
    for text in bench.clock.kv().kept.borrow().values() {
        let segment: brevet_core::ledger::journal::Segment = brevet_core::json::from_text(text).unwrap();
        for kept in &segment.entries {
            assert!(head.leads_to(&pepper(), kept), "entry {}", kept.seq);
            head = kept.head();
        }
    }
    assert_eq!(head, bench.office.book().head().unwrap());
    assert!(
        !bench.notices().iter().any(|notice| matches!(notice, Notice::SetBack | Notice::LostBooks { .. }))
    );
    // And it ends what it took in.
    bench.live(4_000);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_token_that_no_journal_tells_of_is_nobodys() {
    let mut bench = Bench::new();
    bench.minted(1, ALICE);
    lose(&mut bench);
    assert_eq!(rebuild(&bench), ["brevet:found"]);
    let lease = bench.lease(1);
    bench.cloud.take_calls();
    for owner in [ALICE, BOB] {
        bench.refuses(Some(owner), bench.change(&lease, Change::Roll), Refusal::NotFound);
        bench.refuses(Some(owner), bench.revoke(lease.id), Refusal::NotFound);
    }
    assert!(matches!(bench.ask(None, bench.revoke(lease.id)), Answer::Lease { .. }));
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn a_book_that_was_set_back_becomes_what_is_at_cloudflare() {
    let mut bench = Bench::new();
    let before = bench.minted(1, ALICE);
    let old = bench.sql.run("SELECT body FROM lease", &[]).unwrap();
    bench.ask(Some(ALICE), bench.change(&before, renewal(bench.at(7_200))));
    bench.minted(2, BOB);
    bench.clock.pass(901);
    bench.tend();
    // The database of before the renewal.
    bench.sql.run("DROP TRIGGER lease_goes_forward", &[]).unwrap();
    let expires_on = before.expires_on.unix();
    bench
        .sql
        .run(
            "UPDATE lease SET body = ?, expires_on = ?, revision = 1 WHERE id = ?",
            &[old[0][0].clone(), expires_on.into(), lease_id(1).as_str().into()],
        )
        .unwrap();
    bench.sql.run("DELETE FROM lease WHERE id = ?", &[lease_id(2).as_str().into()]).unwrap();
    bench.sql.run("DELETE FROM journal WHERE seq > 1", &[]).unwrap();
    bench.sql.run("DELETE FROM meta WHERE name = 'journal_flushed'", &[]).unwrap();
    bench.restart();
    bench.clock.pass(901);
    bench.tend();
    assert!(bench.notices().contains(&Notice::SetBack));
    assert_eq!(rebuild(&bench).len(), 2);
    assert_eq!(bench.lease(1).expires_on, bench.at(7_200));
    assert_eq!(bench.lease(2).owner, BOB);
    bench.cloud.take_calls();
    bench.clock.pass(901);
    bench.tend();
    assert_eq!(bench.cloud.take_verbs(), [Verb::Check, Verb::List]);
    assert_eq!(bench.notices(), []);
}

#[test]
fn refuses_a_journal_in_kv_that_was_altered_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.minted(1, ALICE);
    bench.clock.pass(901);
    bench.tend();
    lose(&mut bench);
    for text in bench.clock.kv().kept.borrow_mut().values_mut() {
        *text = text.replace("client:alice", "client:mallo");
    }
    let before = bench.sql.dump();
    let answer = bench.ask(None, operation());
    assert!(
        matches!(&answer, Answer::Failed(failure) if failure.cause.contains("does not hold together")),
        "{answer:?}"
    );
    bench.clock.kv().down.set(true);
    assert!(matches!(bench.ask(None, operation()), Answer::Failed(_)));
    assert_eq!(bench.sql.dump(), before);
    bench.cloud.take_calls();
    bench.refuses(Some(ALICE), operation(), Refusal::NotFound);
}
