//! JSON written straight into a text: no tree is built for what is only sent.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use crate::hex;

/// The room that a text begins with: most are shorter, and each doubling copies what is there.
const USUAL: usize = 1_024;

/// What can be written as JSON.
pub trait ToJson {
    /// Appends it to the text.
    fn write(&self, text: &mut String);
}

/// The JSON text of a value.
pub fn to_text<T: ToJson + ?Sized>(value: &T) -> String {
    let mut text = String::with_capacity(USUAL);
    value.write(&mut text);
    text
}

/// The value as a tree, for whoever must look into it.
pub fn to_value<T: ToJson + ?Sized>(value: &T) -> Value {
    super::read_value(to_text(value).as_bytes()).unwrap_or_default()
}

/// A small object as a tree.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// A JSON object that is being written. Its members stand in the order in which they are put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a member. The name is one of ours, and nothing in it needs escaping.
    pub fn put<T: ToJson + ?Sized>(&mut self, name: &str, value: &T) -> &mut Self {
        self.name(name);
        value.write(&mut self.0);
        self
    }

    /// The object of one text member.
    pub fn saying(name: &str, value: &str) -> Self {
        let mut object = Self::new();
        object.text(name, value);
        object
    }

    /// Adds a text member. The same as [`Object::put`]; the most common kind has its code once.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        write_text(value, &mut self.0);
        self
    }

    fn name(&mut self, name: &str) {
        write_name(self.0.len() > 1, name, &mut self.0);
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

impl ToJson for Object {
    fn write(&self, text: &mut String) {
        text.push_str(&self.0);
        text.push('}');
    }
}

/// A JSON object that is being written within a longer text, where it stands.
#[derive(Debug)]
pub struct Within<'a> {
    text: &'a mut String,
    /// The length of the text before the first member.
    begun: usize,
}

impl<'a> Within<'a> {
    /// Begins the object.
    pub fn of(text: &'a mut String) -> Self {
        text.push('{');
        Self { begun: text.len(), text }
    }

    /// Adds a member, as [`Object::put`] does. Messages have hundreds of them: one copy of this for all kinds.
    pub fn put(&mut self, name: &str, value: &dyn ToJson) {
        write_name(self.text.len() > self.begun, name, self.text);
        value.write(self.text);
    }

    /// Adds a text member, as [`Object::text`] does.
    pub fn text(&mut self, name: &str, value: &str) {
        self.put(name, &value);
    }

    /// Ends the object.
    pub fn end(self) {
        self.text.push('}');
    }
}

fn write_name(follows: bool, name: &str, text: &mut String) {
    text.push_str(if follows { ",\"" } else { "\"" });
    text.push_str(name);
    text.push_str("\":");
}

/// A JSON array that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List(String);

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An array without items.
    pub fn new() -> Self {
        Self("[".to_owned())
    }

    /// Adds an item.
    pub fn push<T: ToJson + ?Sized>(&mut self, item: &T) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        item.write(&mut self.0);
    }
}

impl ToJson for List {
    fn write(&self, text: &mut String) {
        text.push_str(&self.0);
        text.push(']');
    }
}

/// A text that is JSON already.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a str);

impl ToJson for Raw<'_> {
    fn write(&self, text: &mut String) {
        text.push_str(self.0);
    }
}

fn write_text(value: &str, text: &mut String) {
    text.push('"');
    let mut written = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        // What is escaped is ASCII, so these are the bounds of characters.
        text.push_str(value.get(written..at).unwrap_or_default());
        written = at + 1;
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\x08' => text.push_str("\\b"),
            b'\x0c' => text.push_str("\\f"),
            control => {
                text.push_str("\\u00");
                text.push_str(&hex::encode(&[control]));
            }
        }
    }
    text.push_str(value.get(written..).unwrap_or_default());
    text.push('"');
}

impl ToJson for str {
    fn write(&self, text: &mut String) {
        write_text(self, text);
    }
}

impl ToJson for String {
    fn write(&self, text: &mut String) {
        write_text(self, text);
    }
}

impl ToJson for bool {
    fn write(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }
}

fn write_number(number: i64, text: &mut String) {
    // Writing into a String cannot fail.
    if write!(text, "{number}").is_err() {
        text.push_str("null");
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {
        $(impl ToJson for $kind {
            fn write(&self, text: &mut String) {
                // What does not fit is beyond what a JavaScript reader could hold, and none of ours is.
                write_number(i64::try_from(*self).unwrap_or(i64::MAX), text);
            }
        })+
    };
}

whole_numbers!(u16, u32, u64, i64, usize);

impl ToJson for Value {
    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(truth) => truth.write(text),
            Self::Number(number) => text.push_str(&number.to_string()),
            Self::String(value) => write_text(value, text),
            Self::Array(items) => items.write(text),
            Self::Object(members) => {
                text.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    write_text(name, text);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// A whole number as text; none for a fraction, which compares with nothing.
pub(crate) fn number_text(number: &Number) -> Option<String> {
    let signed = number.as_i64().map(|number| number.to_string());
    signed.or_else(|| number.as_u64().map(|number| number.to_string()))
}

impl<T: ToJson + ?Sized> ToJson for &T {
    fn write(&self, text: &mut String) {
        (**self).write(text);
    }
}

impl<T: ToJson + ?Sized> ToJson for Box<T> {
    fn write(&self, text: &mut String) {
        (**self).write(text);
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, text: &mut String) {
        match self {
            Some(value) => value.write(text),
            None => text.push_str("null"),
        }
    }
}

impl<T: ToJson> ToJson for [T] {
    fn write(&self, text: &mut String) {
        text.push('[');
        for (at, item) in self.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            item.write(text);
        }
        text.push(']');
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, text: &mut String) {
        self.as_slice().write(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_members_in_their_order_and_nests() {
        let mut inner = Object::new();
        inner.put("none", &None::<String>).put("yes", &true);
        let mut outer = Object::new();
        outer.text("text", "a\"b\n").put("list", &vec![1_u64, 2]).put("inner", &inner);
        let mut list = List::new();
        list.push("a");
        list.push(&Object::saying("b", "c"));
        outer
            .put("raw", &Raw("[]"))
            .put("empty", &Object::new())
            .put("items", &list)
            .put("no items", &List::new());
        assert_eq!(
            outer.finish(),
            r#"{"text":"a\"b\n","list":[1,2],"inner":{"none":null,"yes":true},"raw":[],"empty":{},"items":["a",{"b":"c"}],"no items":[]}"#
        );
    }

    #[test]
    fn spells_every_ascii_character_as_serde_json_does() {
        let all: String = (0_u8..128).map(char::from).chain("é\u{2028}𝄞".chars()).collect();
        assert_eq!(to_text(&all), serde_json::to_string(&all).unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in any::<String>(), number in any::<i64>()) {
            let mut object = Object::new();
            object.text("text", &text).put("number", &number);
            // Digests are taken of texts: they are spelled as ever.
            prop_assert_eq!(to_text(&text), serde_json::to_string(&text).unwrap());
            let read: Value = serde_json::from_str(&object.finish()).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["number"].as_i64(), Some(number));
        }
    }
}
