//! What the program prints. Standard output has what was asked for, standard error everything else.

use std::io::{self, Write};

/// Text without control characters but line breaks and tabs: names, answers and messages come from
/// elsewhere, and an escape sequence in them could rewrite what a terminal shows.
pub(crate) fn plain(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// A line on standard output.
///
/// # Errors
/// Where it cannot be written: what was asked for would be lost.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", plain(text))?;
    out.flush()
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    // Where nobody reads standard error there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn no_escape_sequence_reaches_a_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\r\u{9b}1m\u{7}\tc\nd é"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}1m\u{fffd}\tc\nd é"
        );
    }
}
