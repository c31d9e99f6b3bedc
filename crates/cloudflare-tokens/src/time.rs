//! Times: whole seconds, RFC 3339, UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z.
///
/// Cloudflare's clients strip milliseconds, so none are ever written. A fraction in an answer is cut off. Times before
/// 1970 cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It is longer than any time.
    TooLong {
        /// How many bytes it has.
        found: usize,
    },
    /// It is not `YYYY-MM-DDThh:mm:ss`, perhaps a fraction, and `Z` or an offset.
    Form,
    /// It has the form, but names no time from 1970 to 9999.
    Range,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong { .. } => "too long for a time",
            Self::Form => "not an RFC 3339 time such as 2026-01-31T23:59:59Z",
            Self::Range => "a time must lie from 1970 to 9999",
        })
    }
}

impl std::error::Error for TimeError {}

impl Time {
    /// The last time that can be written: 9999-12-31T23:59:59Z.
    pub const LAST: Self = Self(253_402_300_799);

    /// The longest text read as a time: the form with nanoseconds and an offset has 35.
    const MAX_CHARS: usize = 40;

    /// The time as it is written in a request, or `None` before 1970 and after 9999.
    #[must_use]
    pub fn to_rfc3339(self) -> Option<String> {
        self.to_system_time().map(|time| humantime::format_rfc3339_seconds(time).to_string())
    }

    fn to_system_time(self) -> Option<SystemTime> {
        if self > Self::LAST {
            return None;
        }
        let seconds = u64::try_from(self.0).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    fn from_utc(text: &str) -> Result<Self, TimeError> {
        let time = humantime::parse_rfc3339(text).map_err(|error| match error {
            humantime::TimestampError::OutOfRange => TimeError::Range,
            _ => TimeError::Form,
        })?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| TimeError::Range)?;
        i64::try_from(since.as_secs()).map(Self).map_err(|_| TimeError::Range)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.len() > Self::MAX_CHARS {
            return Err(TimeError::TooLong { found: text.len() });
        }
        let Some((local, offset)) = split_offset(text) else {
            return Self::from_utc(text);
        };
        let Self(seconds) = Self::from_utc(&[local, "Z"].concat())?;
        match seconds - offset {
            utc if (0..=Self::LAST.0).contains(&utc) => Ok(Self(utc)),
            _ => Err(TimeError::Range),
        }
    }
}

/// Cuts `+hh:mm` or `-hh:mm` off the end and gives it in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, rest) = match offset.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, offset.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    // The local part must end in a digit: `…Z+01:00` is no time.
    let whole = local.ends_with(|c: char| c.is_ascii_digit());
    (whole && hours < 24 && minutes < 60).then_some((local, sign * (hours * 3600 + minutes * 60)))
}

fn two_digits(text: &str) -> Option<i64> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl fmt::Display for Time {
    /// RFC 3339, whole seconds, `Z`; a time that cannot be written so prints as its number of seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_system_time() {
            Some(time) => humantime::format_rfc3339_seconds(time).fmt(f),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_zulu_fractions_and_offsets_and_cuts_to_the_second() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2018-07-01T05:20:00Z", 1_530_422_400),
            ("2018-07-01T05:20:00.999999999Z", 1_530_422_400),
            ("2018-07-01T05:20:00.12345Z", 1_530_422_400),
            ("2018-07-01T05:20:00+00:00", 1_530_422_400),
            ("2018-07-01T07:20:00+02:00", 1_530_422_400),
            ("2018-06-30T23:50:00.5-05:30", 1_530_422_400),
            ("9999-12-31T23:59:59Z", Time::LAST.0),
        ] {
            assert_eq!(text.parse(), Ok(Time(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "never",
            "2018-07-01",
            "2018-07-01 05:20:00Z",
            "2018-07-01T05:20:00",
            "2018-07-01T05:20:00Z+01:00",
            "2018-07-01T05:20:00+0100",
            "2018-07-01T05:20:00+1:000",
            "1530422400",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(text.parse::<Time>(), Err(TimeError::Form), "{text}");
        }
        for text in [
            "1969-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "2018-02-29T00:00:00Z",
            "2018-07-01T24:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(text.parse::<Time>(), Err(TimeError::Range), "{text}");
        }
        let long = format!("2018-07-01T05:20:00.{}Z", "0".repeat(20));
        assert_eq!(long.parse::<Time>(), Err(TimeError::TooLong { found: 41 }));
    }

    #[test]
    fn writes_no_time_before_1970_or_after_9999() {
        for seconds in [-1, i64::MIN, Time::LAST.0 + 1, i64::MAX] {
            assert_eq!(Time(seconds).to_rfc3339(), None);
            assert_eq!(Time(seconds).to_string(), seconds.to_string());
        }
    }

    proptest! {
        #[test]
        fn a_time_reads_back_as_it_was_written(seconds in 0..=Time::LAST.0) {
            let text = Time(seconds).to_rfc3339().unwrap();
            prop_assert_eq!(text.len(), 20);
            prop_assert_eq!(text.parse(), Ok(Time(seconds)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,45}") {
            let _ = text.parse::<Time>();
        }

        #[test]
        fn no_near_miss_makes_it_panic(text in "[0-9TZ:.+-]{0,41}") {
            let _ = text.parse::<Time>();
        }
    }
}
