//! JSON from strangers, read strictly.
//!
//! Two readers that disagree about a duplicate member are an old way around a check, so a duplicate
//! is refused. Depth is bounded, because every level costs stack.

mod read;
mod tree;
mod write;

use std::fmt;

use serde::de::DeserializeSeed as _;
use serde_json::{Map, Value};

pub use read::{FromJson, Members, from_text};
pub(crate) use read::{record, variants, words};
pub use tree::Tree;
pub(crate) use write::number_text;
pub use write::{List, Object, Raw, ToJson, Within, object, to_text, to_value};

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
    read_tree(text).map(Value::from)
}

/// Reads any JSON value, for whoever takes it apart at once.
///
/// # Errors
/// See [`JsonError`].
pub fn read_tree(text: &[u8]) -> Result<Tree<'_>, JsonError> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonError::Empty);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let tree = tree::Strict { left: DEEPEST }.deserialize(&mut deserializer).and_then(|tree| {
        deserializer.end()?;
        Ok(tree)
    });
    tree.map_err(|error| {
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
    fn refuses_it_among_many_members_too_and_takes_time_for_them_in_proportion() {
        let many = |count: usize, last: &str| {
            let members: Vec<String> = (0..count).map(|at| format!("\"m{at}\":0")).collect();
            format!("{{{},\"{last}\":0}}", members.join(","))
        };
        for count in [1, 31, 32, 33, 200_000] {
            let twin = many(count, &format!("m{}", count / 2));
            assert!(matches!(read_value(twin.as_bytes()), Err(JsonError::Duplicate { .. })), "{count}");
            assert_eq!(read_object(many(count, "last").as_bytes()).unwrap().len(), count + 1);
        }
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
