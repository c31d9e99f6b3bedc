//! Text that Cloudflare sent, made fit to be shown and logged.

use crate::secret::is_token_byte;
use std::fmt;

/// The most characters kept of one upstream message: enough for every message seen, too few to flood a log.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// A run of the token alphabet this long may be a bare token value.
const BARE_TOKEN_CHARS: usize = 40;

/// What stands for anything that looks like a secret.
const REDACTED: &str = "[redacted]";

/// The beginnings of token values.
const TOKEN_PREFIXES: [&str; 4] = ["cfut_", "cfat_", "cfk_", "cfoat_"];

/// A message from upstream: at most [`MAX_MESSAGE_CHARS`] characters, without control characters, and with everything
/// that looks like a token value or a bearer replaced by `[redacted]`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message(String);

impl Message {
    /// Makes `raw` fit to be shown.
    #[must_use]
    pub fn of(raw: &str) -> Self {
        let mut out = Out::default();
        let mut after_bearer = false;
        // A control character inside a value must not hide it, so these go first.
        let clean: String = raw.chars().filter_map(printable).collect();
        for word in clean.split(' ') {
            if out.full() {
                break;
            }
            // Several blanks are shown as one; a value after `Bearer` is redacted whatever its alphabet.
            if word.is_empty() {
                continue;
            }
            out.blank();
            if after_bearer {
                out.push(REDACTED);
            } else {
                scrub(word, &mut out);
            }
            after_bearer = ends_in_bearer(word);
        }
        Self(out.text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Default)]
struct Out {
    text: String,
    chars: usize,
}

impl Out {
    fn full(&self) -> bool {
        self.chars >= MAX_MESSAGE_CHARS
    }

    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.full() {
                return;
            }
            self.text.push(c);
            self.chars += 1;
        }
    }

    fn blank(&mut self) {
        if !self.text.is_empty() {
            self.push(" ");
        }
    }
}

/// White space becomes a blank, other control characters nothing.
fn printable(c: char) -> Option<char> {
    if c.is_whitespace() {
        Some(' ')
    } else if c.is_control() {
        None
    } else {
        Some(c)
    }
}

fn ends_in_bearer(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=', '"', '\'']);
    let tail = word.len().checked_sub("bearer".len()).and_then(|at| word.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case("bearer"))
}

/// Copies `word`, which holds no blank, leaving out the runs of the token alphabet that look like values.
fn scrub(word: &str, out: &mut Out) {
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(run).unwrap_or((rest, ""));
        out.push(if is_secret(run) { REDACTED } else { run });
        // Then up to the next character of the alphabet; both ends are next to an ASCII character or an end of the text.
        let gap = after.bytes().position(is_token_byte).unwrap_or(after.len());
        let (gap, next) = after.split_at_checked(gap).unwrap_or((after, ""));
        out.push(gap);
        rest = next;
    }
}

fn is_secret(run: &str) -> bool {
    run.len() >= BARE_TOKEN_CHARS
        || TOKEN_PREFIXES
            .iter()
            .any(|prefix| run.find(prefix).is_some_and(|at| run.len() > at + prefix.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEGACY: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";

    #[test]
    fn leaves_cloudflare_s_own_messages_as_they_are() {
        for text in [
            "Invalid API Token",
            "Cannot use the access token from location: 2001:db8::1",
            "Failed common permission check against resources. (Permission group: \"DNS Write\")",
            "Could not route to /accounts/0123456789abcdef0123456789abcdef/tokens, perhaps your object identifier is invalid?",
            "the cfut_ prefix",
            "bearers",
        ] {
            assert_eq!(Message::of(text).as_str(), text);
        }
    }

    #[test]
    fn takes_out_everything_that_looks_like_a_token() {
        for (text, shown) in [
            (LEGACY.to_owned(), "[redacted]"),
            (format!("token={LEGACY}."), "token=[redacted]."),
            (format!("x{LEGACY}y"), "[redacted]"),
            ("token cfut_a is dead".to_owned(), "token [redacted] is dead"),
            ("\"cfat_abc\",\"cfk_abc\"".to_owned(), "\"[redacted]\",\"[redacted]\""),
            ("cfoat_abc.def".to_owned(), "[redacted].def"),
            ("Bearer short!secret of mine".to_owned(), "Bearer [redacted] of mine"),
            ("authorization:bearer  a/b+c=".to_owned(), "authorization:bearer [redacted]"),
            ("\"Bearer\u{a0}abc\"".to_owned(), "\"Bearer [redacted]"),
            ("Bearer:\nabc".to_owned(), "Bearer: [redacted]"),
            // Split by a control character.
            ("cfut\0_abc".to_owned(), "[redacted]"),
        ] {
            assert_eq!(Message::of(&text).as_str(), shown, "{text}");
        }
    }

    #[test]
    fn redacts_before_it_cuts_so_that_no_piece_of_a_value_is_left() {
        let text = format!("{} {LEGACY}", "a ".repeat(MAX_MESSAGE_CHARS / 2 - 8));
        let shown = Message::of(&text);
        assert!(!shown.as_str().contains("8M7w"));
        assert!(shown.as_str().ends_with("[redacted]"));
    }

    #[test]
    fn holds_no_line_break_and_is_bounded() {
        let shown = Message::of("a\r\nb\u{7}\tc\u{85}d");
        assert_eq!(shown.as_str(), "a b c d");
        let long = Message::of(&"\u{e9} ".repeat(1_000));
        assert_eq!(long.as_str().chars().count(), MAX_MESSAGE_CHARS);
    }

    proptest! {
        #[test]
        fn no_text_gets_past_the_bounds(text in "(\\PC|[\\x00-\\x20]|Bearer |cfut_){0,400}") {
            let shown = Message::of(&text);
            prop_assert!(shown.as_str().chars().count() <= MAX_MESSAGE_CHARS);
            prop_assert!(!shown.as_str().chars().any(char::is_control));
        }

        #[test]
        fn a_value_never_shows_whatever_surrounds_it(
            before in "[ a-z\":,=\\n]{0,200}",
            prefix in "(cfut_|cfat_|cfk_|cfoat_|)",
            value in "[A-Za-z0-9_-]{40}",
            after in "[ a-z\":,=\\n]{0,50}",
        ) {
            let text = format!("{before}{prefix}{value}{after}");
            let shown = Message::of(&text);
            for at in 0..20 {
                prop_assert!(!shown.as_str().contains(&value[at..at + 20]));
            }
        }
    }
}
