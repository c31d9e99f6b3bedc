//! The claims of a token, as text: an id may be a string in a JWT and a number in a webhook.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json::{Tree, number_text};
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
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Array(members) => members.iter().map(text_of).collect::<Option<Vec<_>>>().map(Self::List),
            scalar => text_of(scalar).map(Self::Text),
        }
    }

    /// The same, of a value that is used for nothing else.
    fn of_own(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            other => Self::of(&other),
        }
    }

    /// It for people, cut so that an answer stays short.
    pub fn shown(&self) -> String {
        const MOST_CHARS: usize = 120;
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::List(members) => members.join(", "),
        };
        let plain =
            |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        text.chars().take(MOST_CHARS).map(plain).collect()
    }

    /// Whether it, or a member of it, is taken.
    pub fn fits(&self, pattern: &Pattern) -> bool {
        match self {
            Self::Text(text) => pattern.takes(text),
            Self::List(members) => members.iter().any(|member| pattern.takes(member)),
        }
    }
}

/// The text by which a claim compares: none of a list, an object or a fraction.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => number_text(number),
        _ => None,
    }
}

/// Claims by their names. What has no text (objects, fractions) is not among them, so that nothing can be
/// decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(SortedMap<String, Claim>);

impl Claims {
    /// Reads the members of an object; `None` where there are more than [`MOST_CLAIMS`].
    pub fn of(members: Map<String, Value>) -> Option<Self> {
        (members.len() <= MOST_CLAIMS).then(|| Self::of_each(&mut members.into_iter()))
    }

    /// The same for one that was only read.
    pub(super) fn of_tree(members: Vec<(Cow<'_, str>, Tree<'_>)>) -> Option<Self> {
        let mut owned = members.into_iter().map(|(name, tree)| (name.into_owned(), Value::from(tree)));
        (owned.len() <= MOST_CLAIMS).then(|| Self::of_each(&mut owned))
    }

    fn of_each(members: &mut dyn Iterator<Item = (String, Value)>) -> Self {
        Self(members.filter_map(|(name, value)| Some((name, Claim::of_own(value)?))).collect())
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

    /// Whether the claim of this name is taken. GitHub writes its subjects in two forms, and a rule in either takes both.
    pub fn fits(&self, name: &str, pattern: &Pattern) -> bool {
        self.get(name).is_some_and(|claim| claim.fits(pattern))
            || (name == "sub" && self.other_subject().is_some_and(|subject| pattern.takes(&subject)))
    }

    /// Every text by which the claim of this name may be taken.
    pub(crate) fn texts(&self, name: &str) -> Vec<Cow<'_, str>> {
        let own = match self.get(name) {
            None => &[][..],
            Some(Claim::Text(text)) => std::slice::from_ref(text),
            Some(Claim::List(members)) => members,
        };
        let other = if name == "sub" { self.other_subject() } else { None };
        own.iter().map(|text| Cow::Borrowed(text.as_str())).chain(other.map(Cow::Owned)).collect()
    }

    /// The subject of a job of GitHub's in the form that it has not: `repo:O/R:…` and `repo:O@1/R@2:…`. Names and ids must be
    /// those of the token's own claims.
    fn other_subject(&self) -> Option<String> {
        let subject = self.text("sub")?.strip_prefix("repo:")?;
        let names = self.text("repository")?;
        let (owner, repository) = names.split_once('/')?;
        let ids = [self.text("repository_owner_id")?, self.text("repository_id")?];
        let [owner_id, repository_id] = ids;
        let with_ids = format!("{owner}@{owner_id}/{repository}@{repository_id}");
        let (from, to) = if subject.contains('@') { (&*with_ids, names) } else { (names, &*with_ids) };
        let rest = subject.strip_prefix(from).filter(|rest| rest.starts_with(':'))?;
        Some(format!("repo:{to}{rest}"))
    }

    /// The first claim of a set that does not fit; none where all of them do.
    pub fn misfit<'a>(&self, set: &'a SortedMap<String, Pattern>) -> Option<&'a str> {
        set.iter().find(|(name, pattern)| !self.fits(name, pattern)).map(|(name, _)| name.as_str())
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
        Claims::of(value.as_object().unwrap().clone()).unwrap()
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

    #[test]
    fn a_subject_of_githubs_fits_in_either_form_and_with_its_own_names_and_ids_alone() {
        let job = |sub: &str| {
            claims(&json!({
                "sub": sub, "repository": "octo-org/app", "repository_owner_id": "1", "repository_id": "2", "ref": "refs/heads/main",
            }))
        };
        let exactly = |text: &str| Pattern::Exactly(text.to_owned());
        let forms = ["repo:octo-org/app:ref:refs/heads/main", "repo:octo-org@1/app@2:ref:refs/heads/main"];
        for written in forms {
            for rule in forms {
                assert!(job(written).fits("sub", &exactly(rule)), "{written} {rule}");
            }
            for rule in [
                "repo:octo-org/app",
                "repo:octo-org/app:",
                "repo:octo-org/app:pull_request",
                "repo:octo-org/other:ref:refs/heads/main",
                "repo:octo-org@1/app@3:ref:refs/heads/main",
                "repo:octo-org@3/app@2:ref:refs/heads/main",
                "repo:octo-org@1/app:ref:refs/heads/main",
            ] {
                assert!(!job(written).fits("sub", &exactly(rule)), "{written} {rule}");
            }
        }
        // A subject with other names or ids than the claims has one form.
        for sub in [
            "repo:octo-org@9/app@2:ref:refs/heads/main",
            "repo:evil@1/app@2:ref:refs/heads/main",
            "repo:octo-org@1/app@2x:ref:refs/heads/main",
            "repo:octo-org/app2:ref:refs/heads/main",
        ] {
            assert!(!forms.iter().any(|rule| job(sub).fits("sub", &exactly(rule))), "{sub}");
        }
        let bare = claims(&json!({ "sub": forms[1] }));
        assert!(!bare.fits("sub", &exactly(forms[0])), "without the claims there is one form");
    }
}
