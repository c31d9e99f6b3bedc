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

/// A list. Absent or `null` is an empty one; anything else is not a list.
pub(crate) fn list(value: Option<Value>, member: &'static str) -> Result<Vec<Value>, Misread> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(Misread::Member(member)),
    }
}

/// A text, if there is one.
pub(crate) fn text(object: &mut Object, key: &str) -> Option<String> {
    match object.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A text that may be missing, but is a text if it is there: for members that must not be taken for absent when they are
/// merely odd.
pub(crate) fn text_or_absent(object: &mut Object, key: &'static str) -> Result<Option<String>, Misread> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Misread::Member(key)),
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

/// A count. Some services write whole numbers with a fraction of zero.
pub(crate) fn count(object: &Object, key: &str) -> Option<u64> {
    let value = object.get(key)?;
    value.as_u64().or_else(|| {
        // Only small whole numbers: the text form is exact and needs no cast.
        let float = value.as_f64()?;
        let whole = float.fract() == 0.0 && (0.0..9e15).contains(&float);
        if whole { float.to_string().parse().ok() } else { None }
    })
}
