//! Taking members out of a JSON answer: absent, `null` and of the wrong type are the same to whoever can do without.

use crate::error::Misread;
use crate::time::Time;
use serde_json::{Map, Value};
use std::str::FromStr;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// What several services of Cloudflare send for a time that was never set: their language's zero value.
const UNSET_TIME: &str = "0001-01-01T00:00:00Z";

/// The object that `value` is.
pub(crate) fn object(value: Value, member: &'static str) -> Result<Object, Misread> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Misread::Member(member)),
    }
}

/// Takes a member out; absent is `null`.
pub(crate) fn take(object: &mut Object, key: &str) -> Value {
    object.get_mut(key).map(Value::take).unwrap_or_default()
}

/// A list. Absent or `null` is an empty one; anything else is not a list.
pub(crate) fn list(value: Value, member: &'static str) -> Result<Vec<Value>, Misread> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => Ok(list),
        _ => Err(Misread::Member(member)),
    }
}

/// A text, if there is one.
pub(crate) fn text(object: &mut Object, key: &str) -> Option<String> {
    match take(object, key) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A text that may be missing, but is a text if it is there: for members that must not be taken for absent when they are
/// merely odd.
pub(crate) fn text_or_absent(object: &mut Object, key: &'static str) -> Result<Option<String>, Misread> {
    match take(object, key) {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(Misread::Member(key)),
    }
}

/// An id that must be there.
pub(crate) fn id<T: FromStr>(object: &Object, member: &'static str) -> Result<T, Misread> {
    optional_id(object, "id").ok_or(Misread::Member(member))
}

/// An id, if there is a good one.
pub(crate) fn optional_id<T: FromStr>(object: &Object, key: &str) -> Option<T> {
    object.get(key)?.as_str()?.parse().ok()
}

/// A bound of a token's life. One that cannot be read must not pass for "no bound", so it fails.
pub(crate) fn bound(object: &Object, key: &'static str) -> Result<Option<Time>, Misread> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() || text == UNSET_TIME => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| Misread::Member(key)),
        Some(_) => Err(Misread::Member(key)),
    }
}

/// A time that only informs: one that cannot be read is absent.
pub(crate) fn time(object: &Object, key: &str) -> Option<Time> {
    object.get(key)?.as_str()?.parse().ok()
}

/// A count. Some services write whole numbers as `20.0`.
pub(crate) fn count(object: &Object, key: &str) -> Option<u64> {
    let Some(Value::Number(number)) = object.get(key) else {
        return None;
    };
    number.as_u64().or_else(|| whole(number.as_f64()?))
}

/// A whole number that a service wrote with a fraction of zero. 32 bits are far more than anything here counts.
/// A text of the number, which needs no cast, would link nine kilobytes of tables into the Worker.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and within 32 bits"
)]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u64)
}

/// Reads each item of a list. Here and elsewhere in this crate plain loops stand where `collect` could: into maps and
/// results it costs several kilobytes of the Worker each time.
pub(crate) fn each<T>(
    list: Vec<Value>,
    read: impl Fn(Value) -> Result<T, Misread>,
) -> Result<Vec<T>, Misread> {
    let mut items = Vec::with_capacity(list.len());
    for value in list {
        items.push(read(value)?);
    }
    Ok(items)
}

/// A text, which must be one.
pub(crate) fn as_text(value: Value, member: &'static str) -> Result<String, Misread> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Misread::Member(member)),
    }
}

/// Adds a member to an object under construction.
pub(crate) fn put(object: &mut Object, key: &str, value: Value) {
    object.insert(key.to_owned(), value);
}

/// Writes a request's body: texts, truths, lists and objects, which is all that a request holds. The library's own
/// writer would bring its tables for fractions.
pub(crate) fn to_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::String(value) => write_text(value, text),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_text(name, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Null | Value::Number(_) => text.push_str("null"),
    }
}

fn write_text(value: &str, text: &mut String) {
    // A text can always be written.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
}

/// A text as JSON.
pub(crate) fn json(text: &str) -> Value {
    Value::String(text.to_owned())
}
