//! Adds a digest to the rules file and leaves everything else as it was, comments and layout too.

use std::fmt;

use brevet_core::rules::document::MAX_DIGESTS;
use toml_edit::{Array, DocumentMut, Item, TableLike, TomlError, Value};

use crate::holder::Kind;

/// The field that holds the digests.
const DIGESTS: &str = "secret_sha256";

/// Why the file was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EditError {
    /// It is no TOML.
    Toml(TomlError),
    /// It has no such client or operator.
    NoSuchHolder(Kind, String),
    /// It has such a client or operator already.
    Exists(Kind, String),
    /// Something else stands where the table, or the list of digests, belongs.
    NotATable(Kind, String),
    /// The client or operator has as many digests as it may have.
    Full(Kind, String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(error) => write!(f, "it is no TOML: {}", error.message()),
            Self::NoSuchHolder(kind, name) => {
                write!(f, "it has no [{kind}.{name}]. Make it with `brevet {kind} new {name}`.")
            }
            Self::Exists(kind, name) => {
                write!(
                    f,
                    "it has [{kind}.{name}] already. A further secret is made with `brevet {kind} rotate {name}`."
                )
            }
            Self::NotATable(kind, name) => write!(
                f,
                "[{kind}.{name}] is not a table with a list {DIGESTS}. Mend that first; `brevet config lint` shows where."
            ),
            Self::Full(kind, name) => write!(
                f,
                "[{kind}.{name}] has {MAX_DIGESTS} digests, which is the most. Take out one that nobody uses any more, then rotate."
            ),
        }
    }
}

impl std::error::Error for EditError {}

fn holders(document: &mut DocumentMut, kind: Kind) -> Option<&mut dyn TableLike> {
    document.get_mut(kind.section()).and_then(Item::as_table_like_mut)
}

fn digests<'a>(document: &'a mut DocumentMut, kind: Kind, name: &str) -> Result<&'a mut Array, EditError> {
    let missing = || EditError::NoSuchHolder(kind, name.to_owned());
    let malformed = || EditError::NotATable(kind, name.to_owned());
    let holder = holders(document, kind).ok_or_else(missing)?.get_mut(name).ok_or_else(missing)?;
    let list = holder.as_table_like_mut().and_then(|table| table.get_mut(DIGESTS)).ok_or_else(malformed)?;
    list.as_array_mut().ok_or_else(malformed)
}

/// How many digests the client or operator has.
///
/// # Errors
/// [`EditError`].
pub(crate) fn count(text: &str, kind: Kind, name: &str) -> Result<usize, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Toml)?;
    digests(&mut document, kind, name).map(|list| list.len())
}

/// The file with a further digest.
///
/// # Errors
/// [`EditError`]; [`EditError::Full`] where there are [`MAX_DIGESTS`] already.
pub(crate) fn with_digest(text: &str, kind: Kind, name: &str, digest: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Toml)?;
    let list = digests(&mut document, kind, name)?;
    if list.len() >= MAX_DIGESTS {
        return Err(EditError::Full(kind, name.to_owned()));
    }
    let mut value = Value::from(digest);
    // The new entry stands as the last one does: on its own line, or behind it.
    let layout = list.iter().last().map(|last| last.decor().clone());
    match layout {
        Some(decor)
            if decor
                .prefix()
                .and_then(|prefix| prefix.as_str())
                .is_some_and(|prefix| prefix.contains('\n')) =>
        {
            let line = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
            let indent = line.rsplit_once('\n').map_or("", |(_, indent)| indent);
            value.decor_mut().set_prefix(format!("\n{indent}"));
            list.push_formatted(value);
        }
        _ => list.push(value),
    }
    Ok(document.to_string())
}

/// The file with a further client or operator at its end.
///
/// # Errors
/// [`EditError`]; [`EditError::Exists`] where there is one of this name.
pub(crate) fn with_holder(text: &str, kind: Kind, name: &str, digest: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Toml)?;
    ensure_free(&mut document, kind, name)?;
    // Written as text: a table added by way of the document would stand among its siblings, apart from
    // the comments that belong to them.
    let mut whole = text.to_owned();
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    if !whole.is_empty() {
        whole.push('\n');
    }
    whole.push_str(&kind.table(name, digest));
    whole.push('\n');
    // `client = {…}` in one line cannot be added to from without.
    let again: DocumentMut = whole.parse().map_err(|_| EditError::NotATable(kind, name.to_owned()))?;
    drop(again);
    Ok(whole)
}

/// Refuses a name that is there already.
fn ensure_free(document: &mut DocumentMut, kind: Kind, name: &str) -> Result<(), EditError> {
    match document.get(kind.section()) {
        None => Ok(()),
        Some(section) => match section.as_table_like().map(|table| table.contains_key(name)) {
            Some(false) => Ok(()),
            Some(true) => Err(EditError::Exists(kind, name.to_owned())),
            None => Err(EditError::NotATable(kind, name.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn rotated(text: &str) -> Result<String, EditError> {
        with_digest(text, Kind::Client, "edge", HEX)
    }

    #[test]
    fn refuses_a_fourth_digest() {
        let of =
            |count: usize| format!("[client.edge]\nsecret_sha256 = [{}]\n", vec!["\"x\""; count].join(", "));
        for few in 0..MAX_DIGESTS {
            let new = rotated(&of(few)).unwrap();
            assert_eq!(count(&new, Kind::Client, "edge"), Ok(few + 1), "{new}");
        }
        assert_eq!(rotated(&of(MAX_DIGESTS)), Err(EditError::Full(Kind::Client, "edge".to_owned())));
    }

    #[test]
    fn refuses_a_name_that_is_not_there_or_is_no_table() {
        let missing = Err(EditError::NoSuchHolder(Kind::Client, "edge".to_owned()));
        for text in
            ["", "[client.edge-purger]\nsecret_sha256 = []\n", "[operator.edge]\nsecret_sha256 = []\n"]
        {
            assert_eq!(rotated(text), missing, "{text}");
        }
        let malformed = Err(EditError::NotATable(Kind::Client, "edge".to_owned()));
        for text in ["[client]\nedge = 1\n", "[client.edge]\n", "[client.edge]\nsecret_sha256 = \"x\"\n"] {
            assert_eq!(rotated(text), malformed, "{text}");
        }
        assert!(matches!(rotated("[client"), Err(EditError::Toml(_))));
    }

    #[test]
    fn comments_and_layout_stay() {
        let before = "# first\n[client.edge] # second\nsecret_sha256 = [\"a\"]   # up to 3\nfrom_ip = [ \"203.0.113.0/24\" ]\n\n# last\n";
        let after = before.replace("[\"a\"]", &format!("[\"a\", \"{HEX}\"]"));
        assert_eq!(rotated(before), Ok(after));
    }

    #[test]
    fn a_list_of_several_lines_gets_a_further_line() {
        let before = "[client.edge]\nsecret_sha256 = [\n    \"a\", # old\n    \"b\",\n]\n";
        let after = rotated(before).unwrap();
        assert_eq!(
            after,
            format!("[client.edge]\nsecret_sha256 = [\n    \"a\", # old\n    \"b\",\n    \"{HEX}\",\n]\n")
        );
    }

    #[test]
    fn finds_a_client_however_it_is_written() {
        for text in [
            "client.edge.secret_sha256 = [\"a\"]\n",
            "client = { edge = { secret_sha256 = [\"a\"] } }\n",
            "[client]\n\"edge\" = { secret_sha256 = [\"a\"] }\n",
        ] {
            assert_eq!(count(&rotated(text).unwrap(), Kind::Client, "edge"), Ok(2), "{text}");
        }
    }

    #[test]
    fn a_new_client_stands_at_the_end_once() {
        let before = "version = 1 # one\n[client.other]\nsecret_sha256 = []";
        let after = with_holder(before, Kind::Client, "edge", HEX).unwrap();
        assert_eq!(after, format!("{before}\n\n[client.edge]\nsecret_sha256 = [\"{HEX}\"]\n"));
        let twice = with_holder(&after, Kind::Client, "edge", HEX);
        assert_eq!(twice, Err(EditError::Exists(Kind::Client, "edge".to_owned())));
        assert!(with_holder(&after, Kind::Operator, "edge", HEX).unwrap().contains("[operator.edge]\n"));
    }

    #[test]
    fn a_section_in_one_line_is_not_broken_by_a_new_client() {
        let refused = with_holder("client = {}\n", Kind::Client, "edge", HEX);
        assert_eq!(refused, Err(EditError::NotATable(Kind::Client, "edge".to_owned())));
    }

    proptest! {
        #[test]
        fn never_panics_and_what_it_writes_is_toml(text in "[\\[\\]a-z.=\"{}#\n 0-9]{0,60}", known: bool) {
            let text = if known { format!("[client.edge]\nsecret_sha256 = [\"a\"]\n{text}") } else { text };
            for written in [rotated(&text), with_holder(&text, Kind::Client, "edge", HEX)].into_iter().flatten() {
                prop_assert!(written.parse::<DocumentMut>().is_ok());
                prop_assert!(written.contains(HEX));
            }
        }
    }
}
