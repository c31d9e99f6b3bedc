//! The rules as people write them: TOML in, JSON and a source map out.
//!
//! The Worker takes the rules as JSON and has no TOML parser. The map tells for each JSON pointer the
//! line and column where it stands in the file, and travels with the rules, so that a finding of the
//! Worker still names the line.

use std::fmt;
use std::ops::Range;

use brevet_core::rules::{Place, SourceMap};
use serde_json::{Map, Number, Value};
use toml_edit::{Document, Item, Key, TableLike};

/// Why a text is no TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TomlError {
    /// Where it stops being TOML.
    pub(crate) place: Option<Place>,
    /// Why, in the words of the parser.
    pub(crate) message: String,
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for TomlError {}

/// Reads TOML. A date or time without quotes becomes a string, as JSON has none.
///
/// # Errors
/// [`TomlError`] for what is no TOML, and for numbers that JSON cannot write (`inf`, `nan`).
pub(crate) fn parse(text: &str) -> Result<(Value, SourceMap), TomlError> {
    let lines = Lines::of(text);
    let document = Document::parse(text).map_err(|error| TomlError {
        place: error.span().and_then(|span| lines.place(&span)),
        message: error.message().trim_end().to_owned(),
    })?;
    let mut reading = Reading { lines, places: SourceMap::default() };
    reading.places.insert(String::new(), Place { line: 1, column: 1 });
    let value = reading.table(document.as_table(), "")?;
    Ok((value, reading.places))
}

struct Reading<'a> {
    lines: Lines<'a>,
    places: SourceMap,
}

impl Reading<'_> {
    fn note(&mut self, pointer: &str, span: Option<Range<usize>>) {
        if let Some(place) = span.and_then(|span| self.lines.place(&span)) {
            self.places.insert(pointer.to_owned(), place);
        }
    }

    fn table(&mut self, table: &dyn TableLike, pointer: &str) -> Result<Value, TomlError> {
        let mut members = Map::new();
        for (name, item) in table.iter() {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            // The name is what a reader looks for; the value may be lines below it.
            self.note(&pointer, table.key(name).and_then(Key::span).or_else(|| item.span()));
            if let Some(value) = self.item(item, &pointer)? {
                members.insert(name.to_owned(), value);
            }
        }
        Ok(Value::Object(members))
    }

    fn item(&mut self, item: &Item, pointer: &str) -> Result<Option<Value>, TomlError> {
        match item {
            Item::None => Ok(None),
            Item::Value(value) => self.value(value, pointer).map(Some),
            Item::Table(table) => self.table(table, pointer).map(Some),
            Item::ArrayOfTables(tables) => {
                let mut values = Vec::with_capacity(tables.len());
                for (at, table) in tables.iter().enumerate() {
                    let pointer = format!("{pointer}/{at}");
                    self.note(&pointer, table.span());
                    values.push(self.table(table, &pointer)?);
                }
                Ok(Some(Value::Array(values)))
            }
        }
    }

    fn value(&mut self, value: &toml_edit::Value, pointer: &str) -> Result<Value, TomlError> {
        Ok(match value {
            toml_edit::Value::String(text) => text.value().as_str().into(),
            toml_edit::Value::Integer(number) => (*number.value()).into(),
            toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
            toml_edit::Value::Datetime(moment) => moment.value().to_string().into(),
            toml_edit::Value::Float(number) => {
                let finite = Number::from_f64(*number.value()).map(Value::Number);
                finite.ok_or_else(|| TomlError {
                    place: value.span().and_then(|span| self.lines.place(&span)),
                    message: "a number that is not finite has no place in the rules".to_owned(),
                })?
            }
            toml_edit::Value::Array(array) => {
                let mut values = Vec::with_capacity(array.len());
                for (at, value) in array.iter().enumerate() {
                    let pointer = format!("{pointer}/{at}");
                    self.note(&pointer, value.span());
                    values.push(self.value(value, &pointer)?);
                }
                Value::Array(values)
            }
            toml_edit::Value::InlineTable(table) => self.table(table, pointer)?,
        })
    }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The place of a span's first byte; columns count characters.
    fn place(&self, span: &Range<usize>) -> Option<Place> {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line.checked_sub(1)?)?;
        let column = self.text.get(*start..span.start)?.chars().count() + 1;
        Some(Place { line: u32::try_from(line).ok()?, column: u32::try_from(column).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(line: u32, column: u32) -> Option<Place> {
        Some(Place { line, column })
    }

    #[test]
    fn refuses_what_is_no_toml_and_says_where() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("a = 1\nb = = 2\n").place, at(2, 5));
        assert_eq!(refused("a = 1\na = 2\n").place, at(2, 1));
        assert_eq!(refused("a = 1\n\n[a\n").place.map(|place| place.line), Some(3));
        assert!(!refused("a = ").message.is_empty());
        assert!(refused("a = 1\nb = = 2\n").to_string().starts_with("line 2, column 5: "));
    }

    #[test]
    fn refuses_numbers_that_json_cannot_write() {
        for text in ["a = inf", "a = -inf", "a = nan"] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.place, error.message.contains("not finite")), (at(1, 5), true), "{text}");
        }
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = "s = \"x\"\ni = -7\nf = 1.5\nb = true\nl = [1, \"two\", [3]]\nt = { a.b = 1 }\nd = 2027-01-31T00:00:00Z\n\
                    [x]\ny = 1\n[[x.z]]\nn = 1\n[[x.z]]\nn = 2\n";
        let (value, _) = parse(text).unwrap();
        assert_eq!(
            value,
            json!({
                "s": "x", "i": -7, "f": 1.5, "b": true, "l": [1, "two", [3]], "t": { "a": { "b": 1 } },
                "d": "2027-01-31T00:00:00Z", "x": { "y": 1, "z": [{ "n": 1 }, { "n": 2 }] },
            })
        );
    }

    #[test]
    fn knows_where_each_value_stands() {
        let text = "a = 1\n\n[grant.x]\n  ttl = \"1h\"\nallow = [\n  { template = \"t\" },\n  { zone = [\"ü\", \"v\"] },\n]\n\
                    [zone]\n\"a/b~c\" = 1\n";
        let (_, places) = parse(text).unwrap();
        for (pointer, place) in [
            ("", at(1, 1)),
            ("/a", at(1, 1)),
            ("/grant/x", at(3, 8)),
            ("/grant/x/ttl", at(4, 3)),
            ("/grant/x/allow", at(5, 1)),
            ("/grant/x/allow/0", at(6, 3)),
            ("/grant/x/allow/0/template", at(6, 5)),
            ("/grant/x/allow/1/zone/0", at(7, 13)),
            // The column counts characters, not bytes.
            ("/grant/x/allow/1/zone/1", at(7, 18)),
            ("/zone/a~1b~0c", at(10, 1)),
            // What is missing is told where it would stand.
            ("/grant/x/from", at(3, 8)),
        ] {
            assert_eq!(places.locate(pointer), place, "{pointer}");
        }
    }

    #[test]
    fn the_example_in_the_repository_is_the_one_that_is_compiled_in() {
        let (value, places) = parse(include_str!("../../../brevet.toml")).unwrap();
        let compiled_in: Value = serde_json::from_str(brevet_core::rules::example::RULES_JSON).unwrap();
        assert_eq!(value, compiled_in);
        for pointer in ["/version", "/grant/edge-purge/allow/0/zone/0", "/client/edge-purger/secret_sha256/0"]
        {
            assert!(value.pointer(pointer).is_some(), "{pointer}");
            assert!(places.locate(pointer).is_some_and(|place| place.line > 1), "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_places_lie_in_the_text(text in "([a-z]{1,3}( = |\\.|\\n|\\[|\\]|\\{|\\}|\"|'|,|[0-9]|ü|#)){0,12}") {
            if let Ok((value, places)) = parse(&text) {
                let lines = u32::try_from(text.lines().count().max(1)).unwrap();
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    let place = places.locate(&format!("/{name}"));
                    prop_assert!(place.is_some_and(|place| place.line <= lines && place.column >= 1));
                }
            }
        }
    }
}
