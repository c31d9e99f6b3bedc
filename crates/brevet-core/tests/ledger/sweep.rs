//! The sweep: what it deletes, and the much that it does not.

use brevet_core::cloudflare::FailureKind;
use brevet_core::ledger::lease::{End, State};
use brevet_core::ledger::name::{Pepper, token_name};
use brevet_core::ledger::office::Notice;
use brevet_core::ledger::protocol::Answer;
use brevet_core::ledger::sql::Sql;
use brevet_core::secret::Secret;

use crate::support::{Bench, Script, Stage, Verb, lease_id};

const OWNER: &str = "client:edge-purger";

/// Fifteen minutes and a second: what is younger is left alone.
const OLD: u32 = 901;

/// A ledger that may sweep, with tokens that are not in its book any more.
fn with_strays(count: u8) -> Bench {
    let bench = Bench::new();
    bench.minted(250, OWNER);
    bench.tend();
    for number in 1..=count {
        bench.minted(number, OWNER);
    }
    forget_all_but_250(&bench);
    bench.cloud.take_calls();
    bench.notices();
    bench
}

fn forget_all_but_250(bench: &Bench) {
    let keep = lease_id(250);
    for table in ["DELETE FROM lease WHERE id <> ?", "DELETE FROM due WHERE key <> ?"] {
        bench.sql.run(table, &[keep.as_str().into()]).unwrap();
    }
}

fn deletes(bench: &Bench) -> usize {
    bench.cloud.take_verbs().into_iter().filter(|verb| *verb == Verb::Delete).count()
}

#[test]
fn a_token_in_no_book_is_deleted_when_it_is_a_quarter_of_an_hour_old() {
    let bench = with_strays(1);
    bench.clock.pass(OLD - 2);
    bench.tend();
    assert_eq!(deletes(&bench), 0);
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(deletes(&bench), 1);
    assert_eq!(bench.cloud.tokens().len(), 1);
    assert_eq!(bench.lease(250).state, State::Active);
    assert_eq!(bench.events().last().map(String::as_str), Some("swept"));
    assert_eq!(bench.notices(), []);
}

#[test]
fn a_second_token_of_a_lease_is_in_no_book() {
    let bench = with_strays(1);
    let name = bench.lease(250).name;
    let stray = bench.cloud.tokens().into_iter().find(|token| token.name != name).unwrap();
    bench.cloud.tamper(stray.id, |token| token.name.clone_from(&name));
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(deletes(&bench), 1);
    assert_eq!(bench.cloud.tokens().len(), 1);
    assert_eq!(Some(bench.cloud.tokens()[0].id), bench.lease(250).token_id);
}

#[test]
fn never_touches_what_another_installation_a_forger_or_a_person_named() {
    let other = Pepper::read(&Secret::new("another pepper of more than thirty-two".to_owned())).unwrap();
    let id = lease_id(1);
    let names = [
        token_name(&crate::support::pepper(), "other", id, Some("edge-purge"), OWNER),
        token_name(&other, "local", id, Some("edge-purge"), OWNER),
        format!("brevet:local:{id}.00000000:edge-purge:{OWNER}"),
        format!("brevet:local:{id}"),
        "brevet".to_owned(),
        "deploy token of a colleague".to_owned(),
    ];
    for name in names {
        let bench = with_strays(1);
        let stray =
            bench.cloud.tokens().into_iter().find(|token| token.name != bench.lease(250).name).unwrap();
        bench.cloud.tamper(stray.id, |token| token.name.clone_from(&name));
        for _ in 0..3 {
            bench.clock.pass(OLD);
            bench.tend();
        }
        assert_eq!(deletes(&bench), 0, "{name}");
        assert_eq!(bench.cloud.tokens().len(), 2, "{name}");
    }
}

#[test]
fn books_that_were_lost_delete_nothing_whatever_comes_after() {
    let mut bench = Bench::new();
    for number in 1..=30 {
        bench.minted(number, OWNER);
    }
    bench.tend();
    lose(&mut bench);
    bench.clock.kv().kept.borrow_mut().clear();
    bench.notices();
    bench.cloud.take_calls();
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(bench.notices(), [Notice::LostBooks { tokens: 30 }]);
    bench.minted(40, OWNER);
    for _ in 0..2 {
        bench.clock.pass(850);
        bench.tend();
        assert_eq!(bench.notices(), [Notice::LostBooks { tokens: 30 }]);
    }
    assert_eq!(deletes(&bench), 0);
    assert_eq!(bench.cloud.tokens().len(), 31);
}

#[test]
fn a_create_under_way_is_no_stray() {
    let bench = with_strays(0);
    let barrier = bench.cloud.hold(Verb::Create, Stage::BeforeAnswer);
    let task = bench.start(Some(OWNER), bench.create(1, OWNER));
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(deletes(&bench), 0);
    barrier.release();
    assert!(matches!(task.end(), Answer::Valued { .. }));
}

#[test]
fn twenty_are_deleted_at_a_time_and_people_hear_of_more() {
    let bench = with_strays(45);
    for (left, notices) in [
        (25, vec![Notice::ManyStrays { tokens: 45 }]),
        (5, vec![Notice::ManyStrays { tokens: 25 }]),
        (0, vec![]),
    ] {
        bench.clock.pass(OLD);
        bench.tend();
        assert_eq!(bench.cloud.tokens().len(), left + 1);
        assert_eq!(bench.notices(), notices);
    }
}

#[test]
fn a_list_that_cannot_be_read_whole_deletes_nothing() {
    let bench = with_strays(1);
    bench.cloud.script(Verb::List, Script::Refuse(FailureKind::Unavailable));
    bench.clock.pass(OLD);
    bench.tend();
    assert!(matches!(bench.notices()[..], [Notice::NotSwept { .. }]));
    assert_eq!(deletes(&bench), 0);
}

#[test]
fn a_book_that_is_older_than_its_journal_deletes_and_changes_nothing_for_good() {
    let bench = with_strays(1);
    let token = bench.lease(250).token_id.unwrap();
    bench.cloud.tamper(token, |token| token.condition = None);
    bench.clock.pass(OLD);
    // What a later life of this ledger wrote, before its database was set back.
    let later = r#"{"after":"00","entries":[{"seq":99,"body":"{}","mac":"11"}]}"#;
    let key = format!("journal/account:{}/{:016}", crate::support::ACCOUNT, 1);
    bench.clock.kv().kept.borrow_mut().insert(key.clone(), later.to_owned());
    for _ in 0..2 {
        bench.tend();
        assert_eq!(bench.notices(), [Notice::SetBack]);
        assert!(bench.cloud.take_verbs().iter().all(|verb| matches!(verb, Verb::Check | Verb::List)));
        bench.clock.pass(OLD);
        // It is known from then on, whatever KV says.
        bench.clock.kv().kept.borrow_mut().clear();
    }
    assert_eq!(bench.cloud.tokens().len(), 2);
    assert!(bench.clock.kv().kept.borrow().is_empty(), "nor is anything written over");
}

#[test]
fn books_that_were_lost_are_known_by_their_journal_too() {
    let mut bench = Bench::new();
    bench.minted(1, OWNER);
    bench.clock.pass(OLD);
    bench.tend();
    lose(&mut bench);
    bench.cloud.take_calls();
    bench.tend();
    assert_eq!(bench.notices(), [Notice::SetBack]);
    assert_eq!(deletes(&bench), 0);
}

/// The object's database is lost.
fn lose(bench: &mut Bench) {
    for table in ["lease", "due", "journal", "claim", "freeze", "job", "rules"] {
        bench.sql.run(&format!("DELETE FROM {table}"), &[]).unwrap();
    }
    bench.sql.run("DELETE FROM meta WHERE name <> 'schema'", &[]).unwrap();
    bench.restart();
    bench.notices();
}

#[test]
fn while_kv_does_not_say_whether_the_book_is_sound_nothing_is_deleted() {
    let bench = with_strays(1);
    bench.clock.kv().down.set(true);
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(deletes(&bench), 0);
    bench.clock.kv().down.set(false);
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(deletes(&bench), 1);
}

#[test]
fn a_token_that_is_gone_ends_its_lease_when_cloudflare_says_so_of_the_token_itself() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    bench.cloud.remove(lease.token_id.unwrap());
    bench.clock.pass(OLD);
    bench.cloud.script(Verb::Read, Script::Refuse(FailureKind::Unavailable));
    bench.tend();
    assert_eq!(bench.lease(1).state, State::Active);
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!((bench.lease(1).state, bench.lease(1).end), (State::Ended, Some(End::FoundDead)));
}

#[test]
fn a_change_that_nobody_here_made_is_put_back() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let token = lease.token_id.unwrap();
    let before = bench.cloud.tokens();
    bench.cloud.tamper(token, |token| {
        token.expires_on = None;
        token.condition = None;
    });
    bench.clock.pass(OLD);
    bench.cloud.take_calls();
    bench.tend();
    assert_eq!(bench.cloud.take_verbs(), [Verb::Check, Verb::List, Verb::Read, Verb::Update]);
    let after = bench.cloud.tokens();
    assert_eq!((after[0].expires_on, &after[0].condition), (before[0].expires_on, &before[0].condition));
    assert_eq!(bench.events(), ["created", "drifted", "put_back"]);
    assert_eq!(bench.notices().iter().filter(|notice| matches!(notice, Notice::Drifted { .. })).count(), 1);
    bench.clock.pass(OLD);
    bench.tend();
    assert_eq!(bench.cloud.take_verbs(), [Verb::Check, Verb::List]);
}

#[test]
fn what_is_due_goes_before_the_sweep() {
    let bench = with_strays(1);
    bench.clock.pass(3_601);
    bench.tend();
    let verbs = bench.cloud.take_verbs();
    let first = |wanted| verbs.iter().position(|verb| *verb == wanted);
    assert!(first(Verb::Delete) < first(Verb::List), "{verbs:?}");
}
