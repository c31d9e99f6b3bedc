//! What grants anything is decided under the rules in force.

use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::{Answer, Change, Operation, Refusal};
use brevet_core::rulebook::RulesMark;

use crate::support::{Bench, Verb, lease_id, renewal};

const OWNER: &str = "client:edge-purger";
const OLD: &str = r#"{"grant":{"old":{}}}"#;
const NEW: &str = r#"{"grant":{"new":{}}}"#;

fn take(bench: &Bench, mark: &RulesMark, json: &str) -> Answer {
    let mut request = bench.request(None, Operation::TakeRules { json: json.to_owned() });
    request.rules = mark.clone();
    pollster::block_on(bench.office.serve(request))
}

#[track_caller]
fn taken(bench: &Bench, version: u64, json: &str) -> RulesMark {
    let mark = RulesMark::of(version, json);
    let answer = take(bench, &mark, json);
    assert!(matches!(answer, Answer::Done), "{answer:?}");
    mark
}

#[test]
fn what_was_decided_under_older_rules_is_sent_back_with_the_newer() {
    let mut bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.rules = RulesMark::of(1, OLD);
    let newer = taken(&bench, 2, NEW);
    let before = bench.sql.dump();
    for operation in [
        bench.create(2, OWNER),
        bench.change(&lease, Change::Roll),
        bench.change(&lease, renewal(bench.at(7200))),
        // Even of what is not there or not the caller's.
        bench.create(2, "client:other"),
        Operation::Change {
            lease: lease_id(9),
            revision: 0,
            parents: crate::support::parents(),
            change: Box::new(Change::Roll),
        },
    ] {
        let answer = bench.ask(Some(OWNER), operation);
        assert!(
            matches!(&answer, Answer::RulesNewer { mark, json } if *mark == newer && json == NEW),
            "{answer:?}"
        );
    }
    assert_eq!(bench.cloud.take_verbs(), []);
    assert_eq!(bench.sql.dump(), before);
}

#[test]
fn rules_of_one_version_and_two_texts_grant_nothing() {
    let mut bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    taken(&bench, 2, NEW);
    bench.rules = RulesMark::of(2, OLD);
    bench.refuses(Some(OWNER), bench.create(2, OWNER), Refusal::RulesDiffer);
    bench.refuses(Some(OWNER), bench.change(&lease, Change::Roll), Refusal::RulesDiffer);
    assert_eq!(bench.notices(), vec![Notice::RulesDiffer { version: 2 }; 2]);
}

#[test]
fn ending_and_reading_need_no_rules() {
    for rules in [RulesMark::of(0, ""), RulesMark::of(2, OLD), RulesMark::of(9, OLD)] {
        let mut bench = Bench::new();
        let lease = bench.minted(1, OWNER);
        taken(&bench, 2, NEW);
        bench.rules = rules;
        assert!(matches!(bench.ask(Some(OWNER), bench.read(lease.id)), Answer::Lease { .. }));
        assert!(matches!(bench.ask(Some(OWNER), bench.revoke(lease.id)), Answer::Lease { .. }));
        assert_eq!(bench.cloud.take_verbs(), [Verb::Read, Verb::Delete]);
    }
}

#[test]
fn the_rules_in_force_and_later_ones_grant() {
    let mut bench = Bench::new();
    bench.rules = taken(&bench, 2, NEW);
    bench.minted(1, OWNER);
    // The push has reached the Worker before this ledger.
    bench.rules = RulesMark::of(3, OLD);
    bench.minted(2, OWNER);
}

#[test]
fn an_older_version_does_not_replace_a_newer_and_is_not_taken_for_delivered() {
    let bench = Bench::new();
    let newer = taken(&bench, 5, NEW);
    for version in [0, 1, 4] {
        let answer = take(&bench, &RulesMark::of(version, OLD), OLD);
        assert!(matches!(&answer, Answer::RulesNewer { mark, .. } if *mark == newer), "{answer:?}");
    }
    assert_eq!(bench.office.book().rules().unwrap(), Some((newer, NEW.to_owned())));
}

#[test]
fn refuses_rules_whose_text_is_not_the_one_promised() {
    let bench = Bench::new();
    let forged = RulesMark { version: 3, digest: RulesMark::of(3, OLD).digest };
    let answer = take(&bench, &forged, NEW);
    assert!(matches!(answer, Answer::Refused(Refusal::RulesDiffer)), "{answer:?}");
    assert_eq!(bench.office.book().rules().unwrap(), None);
    // Another text for a version that it has is none either.
    let mark = taken(&bench, 3, OLD);
    let answer = take(&bench, &RulesMark::of(3, NEW), NEW);
    assert!(matches!(answer, Answer::Refused(Refusal::RulesDiffer)), "{answer:?}");
    assert_eq!(bench.office.book().rules().unwrap(), Some((mark, OLD.to_owned())));
    assert_eq!(bench.notices(), vec![Notice::RulesDiffer { version: 3 }; 2]);
}

#[test]
fn rules_are_taken_once_more_and_survive_the_object() {
    let mut bench = Bench::new();
    assert_eq!(bench.office.book().rules_mark().unwrap(), None);
    taken(&bench, 1, OLD);
    taken(&bench, 1, OLD);
    let mark = taken(&bench, 7, NEW);
    bench.restart();
    assert_eq!(bench.office.book().rules_mark().unwrap(), Some(mark.clone()));
    assert_eq!(bench.office.book().rules().unwrap(), Some((mark, NEW.to_owned())));
}

#[test]
fn rules_that_cannot_be_written_leave_the_old_ones_whole() {
    let bench = Bench::new();
    let old = taken(&bench, 1, OLD);
    bench.sql.fail("INSERT INTO rules", 1);
    let answer = take(&bench, &RulesMark::of(2, NEW), NEW);
    assert!(matches!(answer, Answer::Refused(Refusal::Database)), "{answer:?}");
    assert_eq!(bench.office.book().rules().unwrap(), Some((old, OLD.to_owned())));
}

#[test]
fn rules_tightened_during_a_create_do_not_undo_it() {
    let mut bench = Bench::new();
    bench.rules = taken(&bench, 1, OLD);
    let barrier = bench.cloud.hold(Verb::Create, crate::support::Stage::BeforeWork);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    taken(&bench, 2, NEW);
    barrier.release();
    assert!(matches!(task.end(), Answer::Valued { .. }));
    assert!(matches!(bench.ask(Some(OWNER), bench.create(2, OWNER)), Answer::RulesNewer { .. }));
}
