//! The register of rules: what is in force, and who must still hear of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

mod support;

use std::rc::Rc;

use brevet_core::ledger::sql::{Sql, SqlError};
use brevet_core::rulebook::{MOST_VERSIONS, PushRefusal, Register, RulesMark};
use brevet_core::time::Timestamp;

use support::NativeSql;

fn register() -> (Rc<NativeSql>, Register<Rc<NativeSql>>) {
    let sql = Rc::new(NativeSql::new());
    (Rc::clone(&sql), Register::open(sql).unwrap())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds).unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

type Pushed = Result<Result<RulesMark, PushRefusal>, SqlError>;

fn push(register: &Register<Rc<NativeSql>>, expected: u64, json: &str, ledgers: &[&str]) -> Pushed {
    register.push(expected, json, None, &names(ledgers), "operator:root", at(100))
}

#[test]
fn refuses_a_first_push_that_expects_rules() {
    let (sql, register) = register();
    let before = sql.dump();
    for expected in [1, 2, u64::MAX] {
        assert_eq!(
            push(&register, expected, "{}", &["account:a"]),
            Ok(Err(PushRefusal::Moved { present: 0 }))
        );
    }
    assert_eq!(register.head(), Ok(None));
    assert_eq!(register.version(None), Ok(None));
    assert_eq!(sql.dump(), before);
}

#[test]
fn refuses_a_push_on_any_version_but_the_one_in_force() {
    let (sql, register) = register();
    push(&register, 0, "one", &["account:a"]).unwrap().unwrap();
    push(&register, 1, "two", &["account:a"]).unwrap().unwrap();
    let before = sql.dump();
    for expected in [0, 1, 3, u64::MAX] {
        assert_eq!(
            push(&register, expected, "x", &["account:b"]),
            Ok(Err(PushRefusal::Moved { present: 2 }))
        );
    }
    assert_eq!(sql.dump(), before);
}

#[test]
fn of_two_pushes_on_one_version_one_wins() {
    let (_, register) = register();
    let first = push(&register, 0, "one", &[]).unwrap();
    let second = push(&register, 0, "two", &[]).unwrap();
    assert_eq!(first, Ok(RulesMark::of(1, "one")));
    assert_eq!(second, Err(PushRefusal::Moved { present: 1 }));
    assert_eq!(register.version(None).unwrap().unwrap().json.as_deref(), Some("one"));
}

#[test]
fn a_push_that_cannot_be_written_leaves_the_old_rules_in_force() {
    for statement in ["INSERT INTO version", "INSERT OR IGNORE INTO undelivered", "DELETE FROM version"] {
        let (sql, register) = register();
        let mark = push(&register, 0, "one", &[]).unwrap().unwrap();
        sql.fail(statement, 1);
        assert!(push(&register, 1, "two", &["account:a", "account:b"]).is_err());
        assert_eq!(register.head(), Ok(Some(mark.clone())));
        assert_eq!(register.version(None).unwrap().unwrap().json.as_deref(), Some("one"));
        // And the pusher, who still sees version 1, can try again.
        let mark = push(&register, 1, "two", &["account:a", "account:b"]).unwrap().unwrap();
        assert_eq!(mark, RulesMark::of(2, "two"));
        assert_eq!(register.undelivered(), Ok(names(&["account:a", "account:b"])));
    }
}

#[test]
fn no_push_is_in_force_without_those_noted_who_must_hear_of_it() {
    let (sql, register) = register();
    sql.fail("INSERT OR IGNORE INTO undelivered", 2);
    assert!(push(&register, 0, "one", &["account:a", "account:b"]).is_err());
    assert_eq!(register.head(), Ok(None));
}

#[test]
fn the_same_text_again_is_another_version_with_the_same_digest() {
    let (_, register) = register();
    let first = push(&register, 0, "{}", &[]).unwrap().unwrap();
    let second = push(&register, 1, "{}", &[]).unwrap().unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.digest, second.digest);
    assert_ne!(first, second);
    assert_eq!(first.digest.as_str(), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    assert_eq!(first.digest.kv_key(), format!("rules/{}", first.digest.as_str()));
}

#[test]
fn gives_back_what_was_pushed_and_by_whom() {
    let (_, register) = register();
    let text = "{\"a\":\"';DROP TABLE version;--\"}";
    register.push(0, text, Some("map"), &[], "operator:'alice'", at(7)).unwrap().unwrap();
    push(&register, 1, "two", &[]).unwrap().unwrap();
    let kept = register.version(Some(1)).unwrap().unwrap();
    assert_eq!((kept.json.as_deref(), kept.source_map.as_deref()), (Some(text), Some("map")));
    assert_eq!((kept.pushed_by.as_str(), kept.pushed_at), ("operator:'alice'", at(7)));
    assert_eq!(kept.mark, RulesMark::of(1, text));
    assert_eq!(register.version(None).unwrap().unwrap().mark.version, 2);
    for missing in [0, 3, u64::MAX] {
        assert_eq!(register.version(Some(missing)), Ok(None), "{missing}");
    }
}

#[test]
fn keeps_the_last_versions_and_no_more() {
    let (_, register) = register();
    let last = MOST_VERSIONS + 5;
    for version in 0..last {
        push(&register, version, &format!("rules {version}"), &[]).unwrap().unwrap();
    }
    let history = register.history().unwrap();
    let versions: Vec<u64> = history.iter().map(|kept| kept.mark.version).collect();
    let expected: Vec<u64> = (last - MOST_VERSIONS + 1..=last).rev().collect();
    assert_eq!(versions, expected);
    assert!(history.iter().all(|kept| kept.json.is_none() && kept.source_map.is_none()));
    assert_eq!(register.version(Some(5)), Ok(None));
    assert_eq!(register.version(Some(6)).unwrap().unwrap().json.as_deref(), Some("rules 5"));
    assert_eq!(register.head().unwrap().unwrap().version, last);
}

#[test]
fn a_ledger_that_took_an_older_version_still_lacks_the_one_in_force() {
    let (_, register) = register();
    let first = push(&register, 0, "one", &["account:a", "user:b"]).unwrap().unwrap();
    let second = push(&register, 1, "two", &["account:a"]).unwrap().unwrap();
    register.delivered("account:a", &first).unwrap();
    register.delivered("account:a", &RulesMark::of(3, "three")).unwrap();
    register.delivered("account:a", &RulesMark::of(2, "other")).unwrap();
    register.delivered("account:", &second).unwrap();
    assert_eq!(register.undelivered(), Ok(names(&["account:a", "user:b"])), "those of the old rules too");
    register.delivered("account:a", &second).unwrap();
    assert_eq!(register.undelivered(), Ok(names(&["user:b"])));
    register.delivered("user:b", &second).unwrap();
    register.delivered("user:b", &second).unwrap();
    assert_eq!(register.undelivered(), Ok(Vec::new()));
}

#[test]
fn nothing_is_forgotten_when_the_object_dies() {
    let (sql, register) = register();
    let mark = push(&register, 0, "one", &["account:b", "account:a"]).unwrap().unwrap();
    drop(register);
    let register = Register::open(Rc::clone(&sql)).unwrap();
    assert_eq!(register.head(), Ok(Some(mark)));
    assert_eq!(register.undelivered(), Ok(names(&["account:a", "account:b"])));
    assert_eq!(push(&register, 0, "x", &[]), Ok(Err(PushRefusal::Moved { present: 1 })));
}

#[test]
fn refuses_a_database_of_a_later_build() {
    let (sql, _) = register();
    sql.run("UPDATE meta SET value = '9' WHERE name = 'schema'", &[]).unwrap();
    assert_eq!(Register::open(sql).map(drop), Err(SqlError::LaterSchema(9)));
}
