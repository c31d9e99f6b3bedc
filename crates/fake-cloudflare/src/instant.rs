//! Times as Cloudflare writes them: RFC 3339, UTC, whole seconds; inside, Unix seconds.

use std::time::{Duration, UNIX_EPOCH};

/// Latest moment that is taken, 9999-12-31T23:59:59Z in Unix seconds: the form has four digits
/// for the year.
pub(crate) const LATEST: i64 = 253_402_300_799;

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadInstant {
    /// Not RFC 3339 in UTC.
    Form,
    /// It carries a fraction of a second.
    Fraction,
}

/// Reads a time. A fraction is refused unless `fractions` is set, and then cut off.
///
/// # Errors
/// The reason why the text is none.
pub(crate) fn parse(text: &str, fractions: bool) -> Result<i64, BadInstant> {
    if !text.ends_with('Z') || !text.contains('T') {
        return Err(BadInstant::Form);
    }
    if text.contains('.') && !fractions {
        return Err(BadInstant::Fraction);
    }
    let time = humantime::parse_rfc3339(text).map_err(|_| BadInstant::Form)?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| BadInstant::Form)?;
    i64::try_from(since.as_secs()).map_err(|_| BadInstant::Form)
}

/// Writes a time. What lies outside 1970..=9999 is brought to the nearer end.
#[must_use]
pub(crate) fn text(seconds: i64) -> String {
    let whole = u64::try_from(seconds.clamp(0, LATEST)).unwrap_or(0);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(whole)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for seconds in [0, 1, 1_530_422_400, LATEST] {
            assert_eq!(parse(&text(seconds), false), Ok(seconds));
        }
    }

    #[test]
    fn refuses_milliseconds_unless_told() {
        assert_eq!(parse("2018-07-01T05:20:00.123Z", false), Err(BadInstant::Fraction));
        assert_eq!(parse("2018-07-01T05:20:00.123Z", true), Ok(1_530_422_400));
    }

    #[test]
    fn refuses_other_forms() {
        for text in [
            "",
            "2018-07-01",
            "2018-07-01 05:20:00Z",
            "2018-07-01T05:20:00",
            "1530422400",
            "2018-13-01T00:00:00Z",
        ] {
            assert_eq!(parse(text, true), Err(BadInstant::Form), "{text}");
        }
    }

    #[test]
    fn writes_the_ends_for_what_lies_outside() {
        assert_eq!(text(-5), "1970-01-01T00:00:00Z");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59Z");
    }
}
