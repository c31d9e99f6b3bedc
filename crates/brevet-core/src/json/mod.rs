//! JSON from strangers, read strictly.
//!
//! Two readers that disagree about a duplicate member are an old way around a check, so a duplicate
//! is refused. Depth is bounded, because every level costs stack.

mod read;
mod write;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use read::{FromJson, Members, from_text};
pub(crate) use read::{record, variants, words};
pub(crate) use write::number_text;
pub use write::{List, Object, Raw, ToJson, object, to_text, to_value};

/// Policies nest six levels deep; nothing that Brevet takes nests deeper than this.
pub const DEEPEST: usize = 16;

/// What is wrong with a body that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It is not JSON.
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It ends too early.
    Truncated,
    /// A member occurs twice in one object.
    Duplicate {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It nests more than [`DEEPEST`] levels deep.
    Deep,
    /// It is empty.
    Empty,
    /// It is JSON, but no object.
    NotAnObject,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "The body is not JSON: line {line}, column {column}."),
            Self::Truncated => f.write_str("The body is not JSON: it ends too early."),
            Self::Duplicate { line, column } => {
                write!(f, "The body has a member twice in one object, up to line {line}, column {column}.")
            }
            Self::Deep => write!(f, "The body nests more than {DEEPEST} levels deep."),
            Self::Empty => f.write_str("The body is empty where a JSON object is needed."),
            Self::NotAnObject => f.write_str("The body is JSON, but not an object."),
        }
    }
}

impl std::error::Error for JsonError {}

const DUPLICATE: &str = "duplicate member";
const DEEP: &str = "too deep";

/// Reads any JSON value.
///
/// # Errors
/// See [`JsonError`].
pub fn read_value(text: &[u8]) -> Result<Value, JsonError> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonError::Empty);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { left: DEEPEST }.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    value.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // A custom error has no kind of its own in serde_json but its text.
        let message = error.to_string();
        if message.starts_with(DUPLICATE) {
            JsonError::Duplicate { line, column }
        } else if message.starts_with(DEEP) {
            JsonError::Deep
        } else if error.is_eof() {
            JsonError::Truncated
        } else {
            JsonError::Syntax { line, column }
        }
    })
}

/// Reads a JSON object.
///
/// # Errors
/// See [`JsonError`].
pub fn read_object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match read_value(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotAnObject),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn below<E: Error>(&self) -> Result<Self, E> {
        self.left.checked_sub(1).map(|left| Self { left }).ok_or_else(|| E::custom(DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // Before the first item: an empty list has its depth too.
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(below)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_a_member_that_occurs_twice_at_any_level() {
        assert!(matches!(read_value(br#"{"a":1,"a":2}"#), Err(JsonError::Duplicate { .. })));
        assert!(matches!(read_value(br#"{"x":[{"a":1,"a":2}]}"#), Err(JsonError::Duplicate { .. })));
        // An escaped spelling is the same member.
        assert!(matches!(read_value(br#"{"a":1,"\u0061":2}"#), Err(JsonError::Duplicate { .. })));
    }

    #[test]
    fn refuses_deep_nesting_at_its_bound_and_without_overflowing_the_stack() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(read_value(&nested(DEEPEST)).is_ok());
        assert_eq!(read_value(&nested(DEEPEST + 1)), Err(JsonError::Deep));
        assert_eq!(read_value(&[nested(DEEPEST - 1), b" ".to_vec()].concat()).map(|_| ()), Ok(()));
        let objects = format!("{}{{}}{}", "{\"a\":".repeat(DEEPEST), "}".repeat(DEEPEST));
        assert_eq!(read_value(objects.as_bytes()), Err(JsonError::Deep));
        assert_eq!(read_value(&vec![b'['; 1_000_000]), Err(JsonError::Deep));
    }

    #[test]
    fn tells_broken_truncated_empty_and_unfitting_bodies_apart() {
        assert_eq!(read_value(b""), Err(JsonError::Empty));
        assert_eq!(read_value(b" \n"), Err(JsonError::Empty));
        assert_eq!(read_value(br#"{"a":"#), Err(JsonError::Truncated));
        assert_eq!(read_value(b"{\n]"), Err(JsonError::Syntax { line: 2, column: 1 }));
        assert!(matches!(read_value(b"{} {}"), Err(JsonError::Syntax { .. })));
        assert!(matches!(read_value(b"\xff"), Err(JsonError::Syntax { .. })));
        assert_eq!(read_object(b"[]"), Err(JsonError::NotAnObject));
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = read_value(&bytes) {
                prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
            }
        }
    }
}
