//! Moments and durations, in whole seconds, as Cloudflare keeps them.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::json::{FromJson, ToJson};

/// The last moment that RFC 3339 can write: 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

/// A moment in UTC: whole seconds since 1970-01-01T00:00:00Z, never before it and never after the
/// year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// What is wrong with a text that should be a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// It is not RFC 3339 in UTC, like `2027-01-31T00:00:00Z`.
    NotRfc3339Utc,
    /// It lies before 1970 or after the year 9999.
    OutOfRange,
    /// It is not a duration like `15m`, `1h 30m` or a whole number of seconds.
    NotADuration,
    /// A duration of zero or less.
    NotPositive,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRfc3339Utc => "it is not a time in UTC like 2027-01-31T00:00:00Z",
            Self::OutOfRange => "it lies before 1970 or after the year 9999, or lasts longer than 136 years",
            Self::NotADuration => {
                "it is not a duration like \"15m\", \"1h 30m\" or a whole number of seconds"
            }
            Self::NotPositive => "it is not more than zero",
        })
    }
}

impl std::error::Error for TimeError {}

impl Timestamp {
    /// The moment so many seconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] where RFC 3339 cannot write it.
    pub fn from_unix(seconds: i64) -> Result<Self, TimeError> {
        if (0..=LAST).contains(&seconds) { Ok(Self(seconds)) } else { Err(TimeError::OutOfRange) }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 in UTC (`Z`). A fraction of a second is cut off: Cloudflare keeps whole ones.
    ///
    /// # Errors
    /// [`TimeError::NotRfc3339Utc`] or [`TimeError::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let moment = humantime::parse_rfc3339(text).map_err(|error| match error {
            humantime::TimestampError::OutOfRange => TimeError::OutOfRange,
            _ => TimeError::NotRfc3339Utc,
        })?;
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| TimeError::OutOfRange)?;
        i64::try_from(since.as_secs()).map_err(|_| TimeError::OutOfRange).and_then(Self::from_unix)
    }

    /// The moment so much later, or the last one there is.
    #[must_use]
    pub fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(i64::from(span.0)).min(LAST))
    }

    /// The seconds from `earlier` to this moment; negative where this one comes first.
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_secs(u64::try_from(self.0).unwrap_or_default());
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Between Brevet's own parts a moment is its Unix seconds.
impl ToJson for Timestamp {
    fn write(&self, text: &mut String) {
        self.0.write(text);
    }
}

impl FromJson for Timestamp {
    fn read(value: Option<crate::json::Tree<'_>>, sound: &mut bool) -> Self {
        Self::from_unix(i64::read(value, sound)).unwrap_or_else(|_| {
            *sound = false;
            Self(0)
        })
    }
}

/// A positive span of whole seconds, at most about 136 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u32);

impl Seconds {
    /// So many seconds; `const`, for bounds. Zero becomes one.
    pub const fn of(seconds: u32) -> Self {
        Self(if seconds == 0 { 1 } else { seconds })
    }

    /// The span in seconds.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Reads `15m`, `1h 30m`, `90s`.
    ///
    /// # Errors
    /// [`TimeError::NotADuration`], [`TimeError::NotPositive`] for zero, [`TimeError::OutOfRange`]
    /// for more than a `u32` holds. A part of a second is not a duration here.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let span = humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => TimeError::OutOfRange,
            _ => TimeError::NotADuration,
        })?;
        if span.subsec_nanos() != 0 {
            return Err(TimeError::NotADuration);
        }
        Self::from_number(i64::try_from(span.as_secs()).map_err(|_| TimeError::OutOfRange)?)
    }

    /// So many seconds.
    ///
    /// # Errors
    /// [`TimeError::NotPositive`] or [`TimeError::OutOfRange`].
    pub fn from_number(seconds: i64) -> Result<Self, TimeError> {
        if seconds <= 0 {
            return Err(TimeError::NotPositive);
        }
        u32::try_from(seconds).map(Self).map_err(|_| TimeError::OutOfRange)
    }

    /// Reads a JSON member: a whole number of seconds, or a text as [`Seconds::parse`] takes it.
    ///
    /// # Errors
    /// As [`Seconds::parse`]; a number that is no whole number is [`TimeError::NotADuration`].
    pub fn from_json(value: &serde_json::Value) -> Result<Self, TimeError> {
        match value {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(seconds), _) => Self::from_number(seconds),
                (None, Some(_)) => Err(TimeError::OutOfRange),
                (None, None) => Err(TimeError::NotADuration),
            },
            _ => Err(TimeError::NotADuration),
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_secs(u64::from(self.0))).fmt(f)
    }
}

impl fmt::Debug for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_whole_seconds_and_reads_them_back() {
        let moment = Timestamp::parse("2018-07-01T05:20:00Z").unwrap();
        assert_eq!(moment.to_string(), "2018-07-01T05:20:00Z");
        assert_eq!(Timestamp::parse("2018-07-01T05:20:00.999Z"), Ok(moment));
    }

    #[test]
    fn refuses_local_times_and_years_before_1970() {
        assert_eq!(Timestamp::parse("2018-07-01T05:20:00+02:00"), Err(TimeError::NotRfc3339Utc));
        assert_eq!(Timestamp::parse("tomorrow"), Err(TimeError::NotRfc3339Utc));
        assert!(Timestamp::parse("1969-12-31T23:59:59Z").is_err());
        assert_eq!(Timestamp::from_unix(i64::MAX), Err(TimeError::OutOfRange));
    }

    #[test]
    fn refuses_a_ttl_of_zero_minus_one_and_two_to_the_63() {
        assert_eq!(Seconds::from_json(&json!(0)), Err(TimeError::NotPositive));
        assert_eq!(Seconds::from_json(&json!(-1)), Err(TimeError::NotPositive));
        assert_eq!(Seconds::from_json(&json!(9_223_372_036_854_775_808_u64)), Err(TimeError::OutOfRange));
        assert_eq!(Seconds::from_json(&json!(1.5)), Err(TimeError::NotADuration));
        assert_eq!(Seconds::from_json(&json!("0s")), Err(TimeError::NotPositive));
        assert_eq!(Seconds::from_json(&json!("1500ms")), Err(TimeError::NotADuration));
        assert_eq!(Seconds::from_json(&json!("1h 30m")), Ok(Seconds::of(5400)));
    }
}
