//! The one thing the books need of a database: run a statement, get its rows.

use std::fmt;

/// A value in a row or bound to a statement. Integers stay within 53 bits: the Worker's runtime
/// passes them as JavaScript numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl SqlValue {
    /// A text, or null.
    pub fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }

    /// A whole number, or null.
    pub fn integer(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Integer)
    }
}

impl From<&str> for SqlValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for SqlValue {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

/// The database refused a statement, or a row was not what the schema promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlError {
    /// The engine's own message. It names tables and columns, never values.
    Engine(String),
    /// A row of this table lacks a column or holds another type than the schema says.
    Row(&'static str),
    /// The database was written by a later version of Brevet, with this schema version.
    LaterSchema(i64),
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(message) => write!(f, "the database refused a statement: {message}"),
            Self::Row(table) => write!(f, "a row of {table} is not what the schema says"),
            Self::LaterSchema(version) => {
                write!(
                    f,
                    "the database has schema {version}, which this build does not know: deploy the later build again"
                )
            }
        }
    }
}

impl std::error::Error for SqlError {}

/// A row, column by column.
pub type Row = Vec<SqlValue>;

/// SQLite, as a Durable Object or a native library offers it. Statements that follow one another
/// without an `await` between them are written together or not at all.
pub trait Sql {
    /// Runs one statement with its values bound to `?`, and gives all its rows.
    ///
    /// # Errors
    /// [`SqlError::Engine`].
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError>;
}

impl<S: Sql + ?Sized> Sql for &S {
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError> {
        (**self).run(statement, bound)
    }
}

impl<S: Sql + ?Sized> Sql for std::rc::Rc<S> {
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError> {
        (**self).run(statement, bound)
    }
}

/// Brings a database from whatever schema it has to the last of `steps`, one step at a time. The
/// version stands in the table `meta`. Steps are never changed after a release, only added.
///
/// # Errors
/// [`SqlError::LaterSchema`] where the database is ahead of this build, else the engine's error.
pub fn migrate(sql: &impl Sql, steps: &[&[&str]]) -> Result<(), SqlError> {
    sql.run(
        "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        &[],
    )?;
    let rows = sql.run("SELECT value FROM meta WHERE name = 'schema'", &[])?;
    let present = match rows.first().and_then(|row| row.first()) {
        None => 0,
        Some(SqlValue::Text(text)) => text.parse::<i64>().map_err(|_| SqlError::Row("meta"))?,
        Some(_) => return Err(SqlError::Row("meta")),
    };
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if present > known {
        return Err(SqlError::LaterSchema(present));
    }
    for (version, step) in (1_i64..).zip(steps).skip(usize::try_from(present).unwrap_or(usize::MAX)) {
        for statement in *step {
            sql.run(statement, &[])?;
        }
        sql.run(
            "INSERT INTO meta (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[SqlValue::Text(version.to_string())],
        )?;
    }
    Ok(())
}
