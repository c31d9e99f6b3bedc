//! A Durable Object's SQLite.

use brevet_core::json::{List, read_value, to_text};
use brevet_core::ledger::sql::{Row, Sql, SqlError, SqlValue};
use serde_json::Value;
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
        let mut values = List::new();
        for value in bound {
            match value {
                SqlValue::Null => values.push(&Value::Null),
                SqlValue::Integer(number) => values.push(number),
                SqlValue::Text(text) => values.push(text.as_str()),
            }
        }
        let bound = if bound.is_empty() { String::new() } else { to_text(&values) };
        let rows =
            glue::run_sql(&self.0, statement, &bound).map_err(|thrown| SqlError::Engine(message(&thrown)))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match read_value(rows.as_bytes()) {
            Ok(Value::Array(rows)) => rows.into_iter().map(row).collect(),
            _ => Err(unreadable()),
        }
    }
}

/// The engine's messages name tables and columns, not values.
fn message(thrown: &JsValue) -> String {
    glue::text(thrown, "message").unwrap_or_default().chars().take(200).collect()
}

fn unreadable() -> SqlError {
    SqlError::Engine("a column holds neither a text nor a whole number".to_owned())
}

fn row(row: Value) -> Result<Row, SqlError> {
    let Value::Array(columns) = row else { return Err(unreadable()) };
    let mut row = Row::with_capacity(columns.len());
    for column in columns {
        row.push(match column {
            Value::Null => SqlValue::Null,
            Value::String(text) => SqlValue::Text(text),
            Value::Number(number) => SqlValue::Integer(number.as_i64().ok_or_else(unreadable)?),
            _ => return Err(unreadable()),
        });
    }
    Ok(row)
}
