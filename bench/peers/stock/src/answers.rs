//! Answers as Brevet gives them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::{Date, Headers, Response, Result};

/// A refusal: its stable name, its status and why.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) String, pub(crate) u16, pub(crate) String);

impl Refused {
    pub(crate) fn new(kind: &str, status: u16, detail: &str) -> Self {
        Self(kind.to_owned(), status, detail.to_owned())
    }
}

impl From<worker::Error> for Refused {
    fn from(error: worker::Error) -> Self {
        worker::console_error!("{error}");
        Self::new("internal", 500, "It failed.")
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Allowance {
    pub(crate) left: u32,
    pub(crate) resets: u32,
}

fn headers(kind: &str) -> Result<Headers> {
    let headers = Headers::new();
    headers.set("content-type", kind)?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-content-type-options", "nosniff")?;
    Ok(headers)
}

pub(crate) fn json(
    status: u16,
    body: &impl Serialize,
    location: Option<&str>,
    allowance: Option<Allowance>,
) -> Result<Response> {
    let headers = headers("application/json")?;
    if let Some(Allowance { left, resets }) = allowance {
        headers.set("ratelimit-policy", "\"upstream\";q=1000;w=300")?;
        headers.set("ratelimit", &format!("\"upstream\";r={left};t={resets}"))?;
    }
    if let Some(location) = location {
        headers.set("location", location)?;
    }
    Ok(Response::ok(serde_json::to_string(body)?)?.with_status(status).with_headers(headers))
}

pub(crate) fn problem(Refused(kind, status, detail): &Refused) -> Result<Response> {
    let headers = headers("application/problem+json")?;
    headers.set("x-should-retry", "false")?;
    if *status == 401 {
        headers.set("www-authenticate", "Bearer")?;
    }
    let body: Value = json!({ "type": format!("urn:brevet:problem:{kind}"), "title": kind, "status": status, "detail": detail, "hint": "" });
    Ok(Response::ok(body.to_string())?.with_status(*status).with_headers(headers))
}

pub(crate) fn now() -> i64 {
    (Date::now().as_millis() / 1_000) as i64
}

/// A moment as people read it: days since 1970 to a date after Howard Hinnant's `civil_from_days`.
pub(crate) fn moment(unix: i64) -> String {
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Seconds since 1970 of a moment in the form of [`moment`].
pub(crate) fn unix(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    Some(days * 86_400 + number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?)
}
