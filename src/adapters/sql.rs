//! A Durable Object's SQLite.

use brevet_core::json::{ToJson as _, Tree, read_tree};
use brevet_core::ledger::sql::{Row, Sql, SqlError, SqlValue};
use wasm_bindgen::JsValue;

use super::glue;

/// The database of the object that holds it.
#[derive(Debug)]
pub(crate) struct ObjectSql(JsValue);

impl ObjectSql {
    /// The database of an object with this storage (`ctx.storage`).
    pub(crate) fn of(storage: &JsValue) -> Self {
        Self(glue::member(storage, "sql"))
    }
}

impl Sql for ObjectSql {
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError> {
        let rows = glue::run_sql(&self.0, statement, &spelled(bound), gives_rows(statement))
            .map_err(|thrown| SqlError::Engine(message(&thrown)))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match read_tree(rows.as_bytes()) {
            Ok(Tree::List(rows)) => rows.into_iter().map(row).collect(),
            _ => Err(unreadable()),
        }
    }
}

/// Whether a statement can give rows: to ask one that cannot costs as much as a small statement.
fn gives_rows(statement: &str) -> bool {
    let only_writes = ["INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| statement.starts_with(verb));
    !only_writes || statement.contains("RETURNING")
}

/// The values in one text: a line of their kinds, with the length of every text as JavaScript counts it, then the texts. Most of
/// them are JSON, and as JSON in JSON every quotation mark would be escaped and read back.
fn spelled(bound: &[SqlValue]) -> String {
    let (mut kinds, mut texts) = (String::new(), String::new());
    for value in bound {
        match value {
            SqlValue::Null => kinds.push_str("n "),
            SqlValue::Integer(number) => {
                kinds.push('i');
                number.write(&mut kinds);
                kinds.push(' ');
            }
            SqlValue::Text(text) => {
                let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
                kinds.push('t');
                units.write(&mut kinds);
                kinds.push(' ');
                texts.push_str(text);
            }
        }
    }
    kinds.push('\n');
    kinds.push_str(&texts);
    kinds
}

/// The engine's messages name tables and columns, not values.
fn message(thrown: &JsValue) -> String {
    glue::text(thrown, "message").unwrap_or_default().chars().take(200).collect()
}

fn unreadable() -> SqlError {
    SqlError::Engine("a column holds neither a text nor a whole number".to_owned())
}

fn row(row: Tree<'_>) -> Result<Row, SqlError> {
    let Tree::List(columns) = row else { return Err(unreadable()) };
    let mut row = Row::with_capacity(columns.len());
    for column in columns {
        row.push(match column {
            Tree::Null => SqlValue::Null,
            Tree::Text(text) => SqlValue::Text(text.into_owned()),
            Tree::Number(number) => SqlValue::Integer(number.as_i64().ok_or_else(unreadable)?),
            _ => return Err(unreadable()),
        });
    }
    Ok(row)
}
