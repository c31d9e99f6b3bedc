//! Cloudflare's rate-limit headers: `Ratelimit: "default";r=50;t=30`, `Ratelimit-Policy: "burst";q=100;w=60`, and
//! `retry-after`, which comes only with a refusal.
//!
//! Read leniently: what cannot be read is absent, for a limit that is not told is no reason to fail.

use crate::wire::Headers;

/// The longest wait taken from a header, in seconds. Cloudflare's own blocks last five minutes; a mistaken header must not
/// shut the API off for days.
pub const MAX_WAIT_SECONDS: u32 = 3600;

/// The longest header read.
const MAX_HEADER_CHARS: usize = 1000;

/// What the headers of one answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Seconds to wait before the next call, when this one was refused.
    pub retry_after: Option<u32>,
    /// Calls left in the window that is nearest to its end of calls.
    pub remaining: Option<u32>,
    /// Seconds until that window begins anew.
    pub reset: Option<u32>,
    /// How many calls that window's policy allows.
    pub quota: Option<u32>,
    /// How many seconds that window lasts.
    pub window: Option<u32>,
}

impl Rate {
    /// How many seconds to wait after a refusal: `retry-after` if it is there, else the rest of the window, else a whole
    /// one. At most [`MAX_WAIT_SECONDS`].
    #[must_use]
    pub fn wait(&self) -> Option<u32> {
        let wait = self.retry_after.or(self.reset).or(self.window)?;
        Some(wait.min(MAX_WAIT_SECONDS))
    }
}

/// Reads the headers of an answer.
#[must_use]
pub fn read(headers: &Headers) -> Rate {
    let mut rate = Rate { retry_after: text(headers, "retry-after").and_then(seconds), ..Rate::default() };
    let mut name = None;
    for item in text(headers, "ratelimit").into_iter().flat_map(items) {
        let tighter = match (item.parameter("r"), rate.remaining) {
            (Some(new), Some(old)) => new < old,
            _ => rate.remaining.is_none() && (name.is_none() || item.parameter("r").is_some()),
        };
        if tighter {
            rate.remaining = item.parameter("r");
            rate.reset = item.parameter("t");
            name = Some(item.name);
        }
    }
    for item in text(headers, "ratelimit-policy").into_iter().flat_map(items) {
        if Some(item.name) == name || rate.quota.is_none() {
            rate.quota = item.parameter("q");
            rate.window = item.parameter("w");
        }
    }
    rate
}

fn text<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?;
    (value.len() <= MAX_HEADER_CHARS).then_some(value)
}

/// `"name";a=1;b=2`.
struct Item<'a> {
    name: &'a str,
    parameters: &'a str,
}

impl Item<'_> {
    fn parameter(&self, key: &str) -> Option<u32> {
        self.parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            if name.trim() == key { seconds(value) } else { None }
        })
    }
}

/// The items of a list. A comma or semicolon within a quoted name would cut it; Cloudflare's names hold neither.
fn items(header: &str) -> impl Iterator<Item = Item<'_>> {
    header.split(',').map(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        Item { name: name.trim().trim_matches('"'), parameters }
    })
}

/// A whole number, not negative; a fraction is rounded up, and what is too large stays the largest number.
fn seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let up = u32::from(fraction.bytes().any(|byte| byte != b'0'));
    Some(whole.parse().unwrap_or(u32::MAX).saturating_add(up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(list: &[(&'static str, &str)]) -> Headers {
        let mut headers = Headers::new();
        list.iter().for_each(|(name, value)| headers.add(name, value));
        headers
    }

    #[test]
    fn reads_what_cloudflare_documents() {
        let rate = read(&headers(&[
            ("ratelimit", "\"default\";r=50;t=30"),
            ("ratelimit-policy", "\"burst\";q=100;w=60"),
        ]));
        assert_eq!(
            rate,
            Rate {
                retry_after: None,
                remaining: Some(50),
                reset: Some(30),
                quota: Some(100),
                window: Some(60),
            }
        );
        assert_eq!(read(&headers(&[("retry-after", "300")])).wait(), Some(300));
        assert_eq!(read(&Headers::new()), Rate::default());
        assert_eq!(Rate::default().wait(), None);
    }

    #[test]
    fn the_tightest_of_several_limits_counts_with_its_own_policy() {
        let rate = read(&headers(&[
            ("ratelimit", "\"burst\";r=9;t=5, \"default\" ; r=2 ; t=200"),
            ("ratelimit-policy", "\"burst\";q=100;w=60,\"default\";q=1200;w=300"),
        ]));
        assert_eq!(rate.remaining, Some(2));
        assert_eq!(rate.reset, Some(200));
        assert_eq!(rate.quota, Some(1200));
        assert_eq!(rate.window, Some(300));
        let odd = read(&headers(&[("ratelimit", "\"a\";t=9, \"b\";r=1;t=4")]));
        assert_eq!((odd.remaining, odd.reset), (Some(1), Some(4)));
    }

    #[test]
    fn retry_after_comes_before_the_window_and_no_wait_is_endless() {
        let both = read(&headers(&[("retry-after", "7"), ("ratelimit", "\"default\";r=0;t=30")]));
        assert_eq!(both.wait(), Some(7));
        let window = read(&headers(&[("ratelimit-policy", "\"burst\";q=100;w=60")]));
        assert_eq!(window.wait(), Some(60));
        let endless = read(&headers(&[("retry-after", "99999999999999999999")]));
        assert_eq!(endless.wait(), Some(MAX_WAIT_SECONDS));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        for value in ["", "-1", "soon", "1e3", "Wed, 21 Oct 2026 07:28:00 GMT", "0x10"] {
            assert_eq!(read(&headers(&[("retry-after", value)])).retry_after, None, "{value}");
        }
        for (value, wait) in [("0", 0), (" 5 ", 5), ("1.5", 2), ("1.0", 1), ("1.", 1)] {
            assert_eq!(seconds(value), Some(wait), "{value}");
        }
        let long = format!("\"{}\";r=1;t=1", "a".repeat(MAX_HEADER_CHARS));
        assert_eq!(read(&headers(&[("ratelimit", &long)])), Rate::default());
        assert_eq!(read(&headers(&[("ratelimit", "\"d\u{e9}fault\";r=1;t=1")])), Rate::default());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_wait_too_long(
            limit in "[\"a-z;=, 0-9.r t-]{0,60}",
            policy in "[\"a-z;=, 0-9.q w-]{0,60}",
            after in "[ -~]{0,30}",
        ) {
            let rate = read(&headers(&[
                ("ratelimit", &limit),
                ("ratelimit-policy", &policy),
                ("retry-after", &after),
            ]));
            prop_assert!(rate.wait().is_none_or(|wait| wait <= MAX_WAIT_SECONDS));
        }
    }
}
