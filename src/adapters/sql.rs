//! A Durable Object's SQLite.

use brevet_core::ledger::sql::{Row, Sql, SqlError, SqlValue};
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Reflect};

use super::glue;

/// The largest whole number that a JavaScript number holds exactly.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// The database of the object that holds it.
#[derive(Debug)]
pub(crate) struct ObjectSql(JsValue);

impl ObjectSql {
    /// The database of an object with this storage (`ctx.storage`).
    pub(crate) fn of(storage: &JsValue) -> Self {
        Self(Reflect::get(storage, &"sql".into()).unwrap_or(JsValue::UNDEFINED))
    }
}

impl Sql for ObjectSql {
    fn run(&self, statement: &str, bound: &[SqlValue]) -> Result<Vec<Row>, SqlError> {
        let values = bound.iter().map(js_value).collect::<Array>();
        let rows = glue::run_sql(&self.0, statement, &values)
            .map_err(|thrown| SqlError::Engine(message(&thrown)))?;
        rows.iter().map(|row| row.unchecked_into::<Array>().iter().map(sql_value).collect()).collect()
    }
}

/// The engine's messages name tables and columns, not values.
fn message(thrown: &JsValue) -> String {
    let text = Reflect::get(thrown, &"message".into()).ok().and_then(|text| text.as_string());
    text.unwrap_or_default().chars().take(200).collect()
}

fn js_value(value: &SqlValue) -> JsValue {
    match value {
        SqlValue::Null => JsValue::NULL,
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "53 bits are SqlValue's contract"
        )]
        SqlValue::Integer(number) => JsValue::from_f64(*number as f64),
        SqlValue::Text(text) => JsValue::from_str(text),
    }
}

fn sql_value(value: JsValue) -> Result<SqlValue, SqlError> {
    if value.is_null() || value.is_undefined() {
        return Ok(SqlValue::Null);
    }
    if let Some(text) = value.as_string() {
        return Ok(SqlValue::Text(text));
    }
    match value.as_f64() {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "whole and within 53 bits"
        )]
        Some(number) if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT => {
            Ok(SqlValue::Integer(number as i64))
        }
        _ => Err(SqlError::Engine("a column holds neither a text nor a whole number".to_owned())),
    }
}
