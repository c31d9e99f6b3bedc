//! What the database itself holds, and how it is brought up.

use std::rc::Rc;

use brevet_core::ledger::book::{After, Book, Columns, Filter, LeaseKey, Page};
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
        let replaced = book.replace(&Columns::of(&bench.lease(1)), &wrong, false);
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
    book.replace(&Columns::of(&bench.lease(1)), &ended, false).unwrap();
    assert_eq!(bench.lease(1), ended);
}

#[test]
fn the_engines_messages_hold_no_value() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    let mut twin = bench.lease(1);
    twin.id = lease_id(2);
    let Err(SqlError::Engine(message)) = bench.office.book().insert(&twin) else { panic!() };
    assert!(message.contains("lease.token_id"), "{message}");
    assert!(!message.contains(twin.token_id.unwrap().as_str()), "{message}");
}

#[test]
fn what_comes_often_and_what_callers_ask_goes_through_an_index() {
    let sql = Rc::new(NativeSql::new());
    let book = Book::open(Rc::clone(&sql)).unwrap();
    let at = brevet_core::time::Timestamp::default();
    // How the statements that begin so, of those the book just ran, find their rows.
    let plans = |beginning: &str| {
        let statements = sql.take_statements();
        let found: Vec<_> = statements.iter().filter(|text| text.starts_with(beginning)).collect();
        assert!(!found.is_empty(), "{statements:?}");
        let plan = |statement: &str| {
            let bound = vec![SqlValue::Null; statement.matches('?').count()];
            format!("{:?}", sql.run(&format!("EXPLAIN QUERY PLAN {statement}"), &bound).unwrap())
        };
        let plans = found.iter().map(|text| plan(text)).collect::<Vec<_>>();
        sql.take_statements();
        plans
    };
    let through = |plans: Vec<String>, index: &str, sorts: bool| {
        for plan in plans {
            assert!(plan.contains(index) && !plan.contains("SCAN lease\""), "{plan}");
            assert!(sorts || !plan.contains("TEMP B-TREE"), "{plan}");
        }
    };
    sql.take_statements();
    book.settle_expired(at).unwrap();
    through(plans("SELECT"), "lease_live", false);
    book.find(LeaseKey::Token("e".repeat(32).parse().unwrap())).unwrap();
    through(plans("SELECT"), "lease_by_token", false);
    book.live_of(&[], &[], 5).unwrap();
    book.live_of(&["a".to_owned()], &["b".to_owned()], 5).unwrap();
    through(plans("SELECT"), "lease_live", true);
    let page = |include_expired| Page {
        owner: Some(OWNER.to_owned()),
        offset: 0,
        limit: 5,
        descending: true,
        include_expired,
    };
    book.page(&page(false)).unwrap();
    through(plans("SELECT"), "lease_live", true);
    book.page(&page(true)).unwrap();
    through(plans("SELECT"), "lease_by_owner", true);
    let after = Some(After { created: at, id: lease_id(1) });
    let list = |owner: Option<&str>, state| {
        let filter = Filter { owner: owner.map(str::to_owned), state, ..Filter::default() };
        book.list(&filter, after, 5).unwrap();
        plans("SELECT")
    };
    through(list(Some(OWNER), None), "SEARCH lease USING COVERING INDEX lease_by_owner (owner=", true);
    through(list(Some(OWNER), Some(State::Ended)), "lease_by_owner (owner=", true);
    through(list(Some(OWNER), Some(State::Active)), "lease_live", true);
    through(list(None, Some(State::Active)), "lease_live", true);
    // All of an operator's own list are gone through, but in the index, which holds no bodies.
    through(list(None, None), "SCAN lease USING COVERING INDEX lease_by_owner", true);
}

#[test]
fn a_lease_writes_one_entry_of_what_lives_in_its_life() {
    let bench = Bench::new();
    bench.sql.take_statements();
    bench.minted(1, OWNER);
    bench.ask(Some(OWNER), bench.revoke(lease_id(1)));
    let updates = bench.sql.take_statements();
    let sets = updates.iter().filter(|text| text.starts_with("UPDATE lease")).collect::<Vec<_>>();
    assert_eq!(sets.len(), 3, "{sets:?}");
    assert!(sets.iter().all(|text| !text.contains("expires_on") && !text.contains("owner")), "{sets:?}");
    assert_eq!(sets.iter().filter(|text| text.contains("live")).count(), 1, "{sets:?}");
}

#[test]
fn the_database_refuses_a_lease_that_ends_and_counts_as_live() {
    let bench = Bench::new();
    bench.minted(1, OWNER);
    for statement in
        ["UPDATE lease SET revision = 99, live = NULL", "UPDATE lease SET revision = 99, state = 'ended'"]
    {
        assert!(matches!(bench.sql.run(statement, &[]), Err(SqlError::Engine(_))), "{statement}");
    }
}

#[test]
fn leases_of_a_schema_with_more_indexes_are_kept_wherever_the_step_breaks_off() {
    let older = &STEPS[..8];
    let fill = |sql: &NativeSql| {
        migrate(sql, older).unwrap();
        for (id, state) in [("a", "active"), ("b", "ended"), ("c", "pending"), ("d", "something_later")] {
            sql.run(
                "INSERT INTO lease (id, token_id, owner, state, created, expires_on, revision, body)
                 VALUES (?1, iif(?2 = 'pending', NULL, 'token ' || ?1), 'x', ?2, 1, 2, 3, 'not JSON')",
                &[id.into(), state.into()],
            )
            .unwrap();
        }
    };
    let leases = |sql: &NativeSql| {
        sql.run(
            "SELECT id, token_id, owner, state, created, expires_on, revision, body FROM lease ORDER BY id",
            &[],
        )
        .unwrap()
    };
    let mut broke_off = 0;
    for beginning in ["CREATE", "DROP", "INSERT", "ALTER"] {
        for nth in 1.. {
            let sql = NativeSql::new();
            fill(&sql);
            let before = leases(&sql);
            sql.fail(beginning, nth);
            if migrate(&sql, STEPS).is_ok() {
                break;
            }
            migrate(&sql, STEPS).unwrap();
            assert_eq!(leases(&sql), before, "{beginning} {nth}");
            let live = sql.run("SELECT id FROM lease WHERE live IS NOT NULL ORDER BY id", &[]).unwrap();
            assert_eq!(live, [["a".into()], ["c".into()], ["d".into()]].map(Vec::from));
            assert!(sql.run("UPDATE lease SET revision = 3", &[]).is_err(), "the trigger is gone");
            broke_off += 1;
        }
    }
    assert!(broke_off > 15, "{broke_off}");
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
