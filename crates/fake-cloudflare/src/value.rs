//! Token values and the deterministic source they and all ids come from.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a token value. The stand-in keeps this and never the value.
pub(crate) type Digest = [u8; 32];

/// Shortest token value of any format, in characters (the schema's bound).
pub(crate) const VALUE_MIN: usize = 40;
/// Longest token value of any format, in characters (the schema's bound).
pub(crate) const VALUE_MAX: usize = 80;
/// Prefixes that Cloudflare gives the values it makes since 2026.
const PREFIXES: [&str; 4] = ["cfut_", "cfat_", "cfk_", "cfoat_"];

/// The secret value of a token. `Debug` is redacted and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenValue(String);

impl TokenValue {
    /// Takes a value of a known shape: a known prefix and 40 to 75 more characters, or 40 bare
    /// ones, all of `[A-Za-z0-9_-]`. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > VALUE_MAX || !text.bytes().all(is_value_byte) {
            return None;
        }
        let body = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
        let fits = match body {
            Some(rest) => rest.len() >= VALUE_MIN,
            None => text.len() == VALUE_MIN,
        };
        fits.then(|| Self(text.to_owned()))
    }

    /// The value itself, for the one answer that shows it and for the program's first lines.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the stand-in stores in the value's place.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest_of(&self.0)
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// SHA-256 of a text.
#[must_use]
pub(crate) fn digest_of(text: &str) -> Digest {
    Sha256::digest(text.as_bytes()).into()
}

/// Makes ids and values from a seed, so that two runs with one seed agree.
#[derive(Clone, Debug)]
pub struct Source {
    seed: u64,
    drawn: u64,
}

impl Source {
    /// A source at its beginning.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next id: 32 lower-case hex.
    pub fn next_id(&mut self) -> String {
        self.drawn = self.drawn.wrapping_add(1);
        self.id(&format!("id {}", self.drawn))
    }

    /// The next value with this prefix (`cfut_` or `cfat_`).
    pub fn next_value(&mut self, prefix: &str) -> TokenValue {
        self.drawn = self.drawn.wrapping_add(1);
        self.value(prefix, &format!("value {}", self.drawn))
    }

    /// The id that always belongs to a label.
    #[must_use]
    pub fn id(&self, label: &str) -> String {
        id_of(&format!("{} {label}", self.seed))
    }

    /// The value that always belongs to a label: the prefix, 40 characters and a checksum of 8.
    /// Cloudflare publishes neither its checksum's length nor its algorithm.
    #[must_use]
    pub fn value(&self, prefix: &str, label: &str) -> TokenValue {
        let seed = self.seed;
        let drawn = BASE64URL_NOPAD.encode(&digest_of(&format!("{seed} {prefix} {label}")));
        let body: String = drawn.chars().take(VALUE_MIN).collect();
        let check: String = id_of(&body).chars().take(8).collect();
        TokenValue(format!("{prefix}{body}{check}"))
    }
}

/// 32 lower-case hex from a text.
#[must_use]
pub(crate) fn id_of(text: &str) -> String {
    HEXLOWER.encode(&digest_of(text)).chars().take(32).collect()
}

/// Whether a text has the form of every id in Cloudflare's API: 32 lower-case hex.
#[must_use]
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_redacted_in_debug() {
        let value = Source::new(1).next_value("cfat_");
        assert_eq!(format!("{value:?}"), "[redacted]");
    }

    #[test]
    fn takes_every_format_that_is_live() {
        for text in
            ["cfut_".to_owned() + &"a".repeat(40), "cfat_".to_owned() + &"a".repeat(75), "-_".repeat(20)]
        {
            assert!(TokenValue::parse(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn refuses_values_of_no_format() {
        for text in [
            String::new(),
            "a".repeat(39),
            "a".repeat(41),
            "cfut_".to_owned() + &"a".repeat(39),
            "cfut_".to_owned() + &"a".repeat(76),
            "a".repeat(39) + ".",
            "a".repeat(39) + "é",
        ] {
            assert!(TokenValue::parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn made_values_have_a_known_format_and_differ() {
        let mut source = Source::new(7);
        let one = source.next_value("cfut_");
        let two = source.next_value("cfut_");
        assert_ne!(one, two);
        assert_eq!(TokenValue::parse(one.expose()), Some(one));
        assert!(is_id(&source.next_id()));
    }
}
