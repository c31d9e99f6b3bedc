//! Where each value of the rules stands in the file that a person wrote.
//!
//! The Worker takes the rules as JSON. The map travels beside them, so that an error there still names
//! the line of `brevet.toml`. It decides nothing.

use crate::sorted::SortedMap;

use serde_json::Value;

/// The most entries a map may have: a file of the largest size has fewer values.
pub const MAX_ENTRIES: usize = 50_000;

/// A place in the file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// JSON pointer → place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap(SortedMap<String, Place>);

/// Why a text is no source map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceMapError {
    /// It is no table.
    NotATable,
    /// It has more than [`MAX_ENTRIES`] entries.
    TooMany {
        /// How many.
        found: usize,
    },
    /// An entry is not `[line, column]`, both from 1.
    Place {
        /// The entry's pointer.
        pointer: String,
    },
}

impl SourceMap {
    /// Notes where a value stands.
    pub fn insert(&mut self, pointer: String, place: Place) {
        self.0.insert(pointer, place);
    }

    /// Where the value stands, or the nearest one around it that the map knows.
    pub fn locate(&self, pointer: &str) -> Option<Place> {
        let mut rest = pointer;
        loop {
            if let Some(place) = self.0.get(rest) {
                return Some(*place);
            }
            rest = rest.rsplit_once('/')?.0;
        }
    }

    /// The map as JSON: `{"/grant/x/ttl": [12, 7]}`.
    pub fn to_json(&self) -> Value {
        let mut map = serde_json::Map::new();
        for (pointer, place) in &self.0 {
            map.insert(pointer.clone(), Value::Array(vec![place.line.into(), place.column.into()]));
        }
        Value::Object(map)
    }

    /// Reads [`SourceMap::to_json`] back.
    ///
    /// # Errors
    /// [`SourceMapError`].
    pub fn from_json(value: &Value) -> Result<Self, SourceMapError> {
        let members = value.as_object().ok_or(SourceMapError::NotATable)?;
        if members.len() > MAX_ENTRIES {
            return Err(SourceMapError::TooMany { found: members.len() });
        }
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        let place = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([line, column]) => Some(Place { line: number(line)?, column: number(column)? }),
            _ => None,
        };
        let entry = |(pointer, value): (&String, &Value)| match place(value) {
            Some(place) => Ok((pointer.clone(), place)),
            None => Err(SourceMapError::Place { pointer: pointer.clone() }),
        };
        members.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

impl std::fmt::Display for SourceMapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotATable => f.write_str("a source map is a table from JSON pointers to [line, column]"),
            Self::TooMany { found } => {
                write!(f, "a source map has at most {MAX_ENTRIES} entries, and this one has {found}")
            }
            Self::Place { pointer } => {
                write!(f, "the source map's entry {pointer:?} is not [line, column], both from 1")
            }
        }
    }
}

impl std::error::Error for SourceMapError {}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn map(value: Value) -> Result<SourceMap, SourceMapError> {
        SourceMap::from_json(&value)
    }

    #[test]
    fn refuses_what_is_no_map_of_places() {
        assert_eq!(map(json!([])), Err(SourceMapError::NotATable));
        for bad in [
            json!(1),
            json!([1]),
            json!([1, 2, 3]),
            json!([0, 1]),
            json!([1, 0]),
            json!([1, -1]),
            json!(["1", 1]),
        ] {
            let refused = map(json!({"/a": bad}));
            assert_eq!(refused, Err(SourceMapError::Place { pointer: "/a".to_owned() }), "{bad}");
        }
    }

    #[test]
    fn refuses_one_entry_more_than_the_bound() {
        let of = |count: usize| (0..count).map(|n| (format!("/{n}"), json!([1, 1]))).collect::<Value>();
        assert!(map(of(MAX_ENTRIES)).is_ok());
        assert_eq!(map(of(MAX_ENTRIES + 1)), Err(SourceMapError::TooMany { found: MAX_ENTRIES + 1 }));
    }

    #[test]
    fn falls_back_to_what_stands_around() {
        let map = map(json!({"": [1, 1], "/grant/x": [3, 2]})).unwrap();
        assert_eq!(map.locate("/grant/x/ttl/0"), Some(Place { line: 3, column: 2 }));
        assert_eq!(map.locate("/grant"), Some(Place { line: 1, column: 1 }));
        assert_eq!(SourceMap::default().locate("/grant"), None);
        assert_eq!(SourceMap::from_json(&map.to_json()), Ok(map));
    }

    #[test]
    fn its_errors_say_what_a_map_is() {
        assert!(SourceMapError::NotATable.to_string().contains("[line, column]"));
        assert!(SourceMapError::TooMany { found: 50_001 }.to_string().contains("50001"));
        assert!(SourceMapError::Place { pointer: "/x".to_owned() }.to_string().contains("\"/x\""));
    }
}
