//! What the database itself holds, and how it is brought up.

use std::rc::Rc;

use brevet_core::ledger::book::{Book, Columns};
use brevet_core::ledger::due::Errand;
use brevet_core::ledger::lease::{End, Lease, State};
use brevet_core::ledger::schema::STEPS;
use brevet_core::ledger::sql::{Sql, SqlError, SqlValue, migrate};

use crate::support::{Bench, NativeSql, intent, lease_id};

const OWNER: &str = "client:edge-purger";

#[test]
fn refuses_a_database_of_a_later_build() {
    let sql = Rc::new(NativeSql::new());
    Book::open(Rc::clone(&sql)).unwrap();
    let later = i64::try_from(STEPS.len()).unwrap() + 1;
    let text = SqlValue::Text(later.to_string());
    sql.run("UPDATE meta SET value = ? WHERE name = 'schema'", &[text]).unwrap();
    assert_eq!(Book::open(Rc::clone(&sql)).map(drop), Err(SqlError::LaterSchema(later)));
    for nonsense in ["", "one", "9223372036854775808"] {
        sql.run("UPDATE meta SET value = ? WHERE name = 'schema'", &[nonsense.into()]).unwrap();
        assert_eq!(Book::open(Rc::clone(&sql)).map(drop), Err(SqlError::Row("meta")));
    }
}

#[test]
fn opening_again_changes_nothing() {
    let mut bench = Bench::new();
    bench.minted(1, OWNER);
    let before = bench.sql.dump();
    bench.restart();
    assert_eq!(bench.sql.dump(), before);
}

#[test]
fn a_migration_that_broke_off_anywhere_is_taken_up_again() {
    for beginning in ["CREATE", "INSERT INTO meta"] {
        for nth in 1.. {
            let sql = Rc::new(NativeSql::new());
            sql.fail(beginning, nth);
            if Book::open(Rc::clone(&sql)).is_ok() {
                assert!(nth > 1);
                break;
            }
            Book::open(Rc::clone(&sql)).unwrap();
            let book = Book::open(Rc::clone(&sql)).unwrap();
            book.insert(&intent(1, OWNER, brevet_core::time::Timestamp::default())).unwrap();
        }
    }
}

#[test]
fn later_steps_run_once_and_only_they() {
    let sql = NativeSql::new();
    let first: &[&str] = &["CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"];
    let second: &[&str] = &["INSERT INTO a VALUES (2)"];
    migrate(&sql, &[first]).unwrap();
    migrate(&sql, &[first, second]).unwrap();
    migrate(&sql, &[first, second]).unwrap();
    assert_eq!(sql.run("SELECT count(*) FROM a", &[]).unwrap(), [[SqlValue::Integer(2)]]);
    assert_eq!(migrate(&sql, &[first]), Err(SqlError::LaterSchema(2)));
}

#[test]
fn the_database_refuses_every_step_back() {
    let bench = Bench::new();
    let lease = bench.minted(1, OWNER);
    let other = bench.minted(2, OWNER);
    let book = bench.office.book();
    let refused = |edit: &dyn Fn(&mut Lease)| {
        let mut wrong = bench.lease(1);
        wrong.revision += 1;
        edit(&mut wrong);
        let before = bench.sql.dump();
        let replaced = book.replace(&Columns::of(&bench.lease(1)), &wrong);
        assert!(matches!(replaced, Err(SqlError::Engine(_))), "{wrong:?}");
        assert_eq!(bench.sql.dump(), before);
    };
    refused(&|lease| lease.revision -= 1);
    refused(&|lease| lease.revision = 0);
    refused(&|lease| lease.owner = "client:other".to_owned());
    refused(&|lease| lease.token_id = None);
    refused(&|lease| lease.token_id = other.token_id);
    refused(&|lease| lease.token_id = Some("e".repeat(32).parse().unwrap()));
    bench.ask(Some(OWNER), bench.revoke(lease.id));
    for state in [State::Pending, State::Active, State::Revoking, State::Stuck] {
        refused(&|lease| lease.state = state);
    }
    let mut ended = bench.lease(1);
    ended.revision += 1;
    ended.end = Some(End::FoundDead);
    book.replace(&Columns::of(&bench.lease(1)), &ended).unwrap();
    assert_eq!(bench.lease(1), ended);
}

#[test]
fn the_engines_messages_hold_no_value() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    let Err(SqlError::Engine(message)) = bench.office.book().insert(&intent(1, OWNER, bench.at(0))) else {
        panic!()
    };
    assert!(message.contains("lease.id"), "{message}");
    assert!(!message.contains(lease_id(1).as_str()), "{message}");
}

#[test]
fn expiry_is_found_through_its_index() {
    let sql = NativeSql::new();
    migrate(&sql, STEPS).unwrap();
    let plan = |statement: &str| {
        let rows = sql.run(&format!("EXPLAIN QUERY PLAN {statement}"), &[]).unwrap();
        format!("{rows:?}")
    };
    let expiry = plan("SELECT body FROM lease WHERE state <> 'ended' AND expires_on <= 5");
    assert!(expiry.contains("lease_live"), "{expiry}");
    let list = plan(
        "SELECT body FROM lease WHERE 1 AND (created, id) < (5, 'x') ORDER BY created DESC, id DESC LIMIT 5",
    );
    assert!(list.contains("lease_by_creation") && !list.contains("TEMP B-TREE"), "{list}");
    let page = plan(
        "SELECT body FROM lease WHERE token_id IS NOT NULL AND state <> 'ended' AND owner = 'x' ORDER BY issued_on ASC, id ASC LIMIT 5",
    );
    assert!(page.contains("lease_by_owner") && !page.contains("TEMP B-TREE"), "{page}");
}

#[test]
fn leases_of_the_first_schema_get_their_errands() {
    let sql = Rc::new(NativeSql::new());
    migrate(&sql, &STEPS[..1]).unwrap();
    let bench = Bench::new();
    let first = |number, state, end: Option<End>| {
        let mut lease = intent(number, OWNER, bench.at(0));
        lease.state = state;
        lease.token_id = (state != State::Pending).then(|| format!("{number:032x}").parse().unwrap());
        lease.end = end;
        let body = brevet_core::json::to_text(&lease);
        sql.run(
            "INSERT INTO lease (id, token_id, owner, state, created, expires_on, revision, body) VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            &[
                lease.id.as_str().into(),
                SqlValue::text(lease.token_id.as_ref().map(brevet_core::id::TokenId::as_str)),
                OWNER.into(),
                state.as_str().into(),
                lease.created.unix().into(),
                lease.expires_on.unix().into(),
                SqlValue::Text(body),
            ],
        )
        .unwrap();
    };
    first(1, State::Pending, None);
    first(2, State::Active, None);
    first(3, State::Revoking, None);
    first(4, State::Ended, Some(End::Revoked));
    let book = Book::open(Rc::clone(&sql)).unwrap();
    let due = |at| {
        book.due(bench.at(at)).unwrap().into_iter().map(|due| (due.errand, due.lease)).collect::<Vec<_>>()
    };
    let (delete, reconcile) = (Errand::Delete, Errand::Reconcile);
    assert_eq!(due(0), [(delete, lease_id(3)), (reconcile, lease_id(1))]);
    assert_eq!(due(3600), [(delete, lease_id(3)), (delete, lease_id(2)), (reconcile, lease_id(1))]);
}
