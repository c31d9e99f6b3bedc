//! The claims of a token, as text: an id may be a string in a JWT and a number in a webhook.

use serde_json::{Map, Value};

use crate::rules::document::Pattern;
use crate::sorted::SortedMap;

/// The most claims that are read; GitHub writes about thirty.
pub const MOST_CLAIMS: usize = 128;

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A text, a whole number or a truth, as text.
    Text(String),
    /// Several of them.
    List(Vec<String>),
}

impl Claim {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Array(members) => members.iter().map(text_of).collect::<Option<Vec<_>>>().map(Self::List),
            scalar => text_of(scalar).map(Self::Text),
        }
    }

    /// It for people, cut so that an answer stays short.
    pub fn shown(&self) -> String {
        const MOST_CHARS: usize = 120;
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::List(members) => members.join(", "),
        };
        text.chars().filter(|character| !character.is_control()).take(MOST_CHARS).collect()
    }

    /// Whether it, or a member of it, is taken.
    pub fn fits(&self, pattern: &Pattern) -> bool {
        match self {
            Self::Text(text) => pattern.takes(text),
            Self::List(members) => members.iter().any(|member| pattern.takes(member)),
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Claims by their names. What has no text (objects, fractions) is not among them, so that nothing can be
/// decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(SortedMap<String, Claim>);

impl Claims {
    /// Reads the members of an object; `None` where there are more than [`MOST_CLAIMS`].
    pub fn of(members: &Map<String, Value>) -> Option<Self> {
        if members.len() > MOST_CLAIMS {
            return None;
        }
        let claims = members.iter().filter_map(|(name, value)| Some((name.clone(), Claim::of(value)?)));
        Some(Self(claims.collect()))
    }

    /// The claim of this name.
    pub fn get(&self, name: &str) -> Option<&Claim> {
        self.0.get(name)
    }

    /// The text of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Claim::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The first claim of a set that does not fit; none where all of them do.
    pub fn misfit<'a>(&self, set: &'a SortedMap<String, Pattern>) -> Option<&'a str> {
        let fits = |name: &str, pattern: &Pattern| self.get(name).is_some_and(|claim| claim.fits(pattern));
        set.iter().find(|(name, pattern)| !fits(name, pattern)).map(|(name, _)| name.as_str())
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Claim)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        Claims::of(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn ids_are_text_however_they_are_written_and_what_has_no_text_is_left_out() {
        let claims = claims(&json!({
            "id": 42, "name": "x", "protected": true, "half": 1.5, "nested": {"a": 1}, "mixed": ["a", {}], "aud": ["a", 2]
        }));
        assert_eq!(claims.text("id"), Some("42"));
        assert_eq!(claims.text("protected"), Some("true"));
        for missing in ["half", "nested", "mixed", "none"] {
            assert_eq!(claims.get(missing), None, "{missing}");
        }
        assert_eq!(claims.get("aud"), Some(&Claim::List(vec!["a".to_owned(), "2".to_owned()])));
    }

    #[test]
    fn all_of_a_set_must_fit_and_any_member_of_a_list_is_enough() {
        let claims = claims(&json!({ "ref": "refs/heads/main", "groups": ["a", "b"] }));
        let exactly = |text: &str| Pattern::Exactly(text.to_owned());
        let set = |pairs: &[(&str, Pattern)]| -> SortedMap<String, Pattern> {
            pairs.iter().map(|(name, pattern)| ((*name).to_owned(), pattern.clone())).collect()
        };
        assert_eq!(
            claims.misfit(&set(&[("groups", exactly("b")), ("ref", exactly("refs/heads/main"))])),
            None
        );
        assert_eq!(claims.misfit(&set(&[("groups", exactly("c"))])), Some("groups"));
        assert_eq!(claims.misfit(&set(&[("absent", exactly(""))])), Some("absent"));
    }
}
