//! SQLite in memory, held to the limits of a Durable Object's.

use std::cell::{Cell, RefCell};

use brevet_core::ledger::sql::{Row, Sql, SqlError, SqlValue};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

/// A statement in a Durable Object takes no more bound values than this.
const MOST_BOUND: usize = 100;

/// JavaScript numbers hold whole numbers exactly up to this.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// A database in memory.
#[derive(Debug)]
pub(crate) struct NativeSql {
    connection: Connection,
    failing: RefCell<Option<(String, u32)>>,
    statements: RefCell<Vec<String>>,
    recording: Cell<bool>,
}

impl NativeSql {
    pub(crate) fn new() -> Self {
        Self {
            connection: Connection::open_in_memory().unwrap(),
            failing: RefCell::default(),
            statements: RefCell::default(),
            recording: Cell::default(),
        }
    }

    /// The `nth` statement from now (from 1) that begins so fails, and is not carried out.
    pub(crate) fn fail(&self, beginning: &str, nth: u32) {
        *self.failing.borrow_mut() = Some((beginning.to_owned(), nth));
    }

    /// The statements run since the last call of this.
    pub(crate) fn take_statements(&self) -> Vec<String> {
        self.recording.set(true);
        self.statements.take()
    }

    /// Everything in the database: `table.column=value` for every column of every row.
    pub(crate) fn dump(&self) -> Vec<String> {
        let names = |statement: &str| -> Vec<String> {
            let mut prepared = self.connection.prepare(statement).unwrap();
            prepared.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut found = Vec::new();
        for table in names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
            let mut prepared = self.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
            let mut rows = prepared.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for (at, column) in columns.iter().enumerate() {
                    let text = match row.get::<_, Value>(at).unwrap() {
                        Value::Null => "null".to_owned(),
                        Value::Integer(number) => number.to_string(),
                        Value::Real(number) => number.to_string(),
                        Value::Text(text) => text,
                        Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    };
                    found.push(format!("{table}.{column}={text}"));
                }
            }
        }
        found
    }
}

struct Bound<'a>(&'a SqlValue);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn engine(error: impl std::fmt::Display) -> SqlError {
    SqlError::Engine(error.to_string())
}

impl Sql for NativeSql {
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError> {
        if let Some((beginning, left)) = self.failing.borrow_mut().as_mut()
            && *left > 0
            && statement.starts_with(beginning.as_str())
        {
            *left -= 1;
            if *left == 0 {
                return Err(engine("disk I/O error"));
            }
        }
        if bound.len() > MOST_BOUND {
            return Err(engine("too many SQL variables"));
        }
        let inexact =
            |value: &SqlValue| matches!(value, SqlValue::Integer(n) if n.unsigned_abs() > LARGEST_EXACT);
        assert!(!bound.iter().any(inexact), "a number that JavaScript cannot hold: {bound:?}");
        if self.recording.get() {
            self.statements.borrow_mut().push(statement.to_owned());
        }
        let mut prepared = self.connection.prepare_cached(statement).map_err(engine)?;
        assert_eq!(prepared.parameter_count(), bound.len(), "{statement}");
        let columns = prepared.column_count();
        let mut rows = prepared.query(params_from_iter(bound.iter().map(Bound))).map_err(engine)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(engine)? {
            let value = |at| match row.get_ref(at).map_err(engine)? {
                ValueRef::Null => Ok(SqlValue::Null),
                ValueRef::Integer(number) => Ok(SqlValue::Integer(number)),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).map(SqlValue::Text).map_err(engine),
                ValueRef::Real(_) | ValueRef::Blob(_) => Err(engine("neither a text nor a whole number")),
            };
            found.push((0..columns).map(value).collect::<Result<Row, _>>()?);
        }
        Ok(found)
    }
}
