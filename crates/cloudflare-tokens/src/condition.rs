//! From which addresses a token may be used.

use crate::error::Misread;
use crate::member::{self, Object, as_text, each, json, put};
use crate::write::WriteError;
use serde_json::Value;
use std::net::IpAddr;

/// The condition on a token's use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Which addresses it may be used from.
    pub request_ip: RequestIp,
}

/// Ranges of client addresses, each an IPv4 or IPv6 address with a mask. An empty list is no restriction and is never
/// written: Cloudflare takes an empty `in` as "no address", which locks everybody out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestIp {
    /// Only from these (`in`), when there are any.
    pub is_in: Vec<String>,
    /// Not from these.
    pub not_in: Vec<String>,
    /// Set by the reader alone: Cloudflare holds an empty `in` for this token, so it can be used from nowhere. Writing
    /// such a condition back is refused, for leaving it out would open the token.
    pub nowhere: bool,
}

impl Condition {
    /// Whether it restricts nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let ip = &self.request_ip;
        ip.is_in.is_empty() && ip.not_in.is_empty() && !ip.nowhere
    }

    /// Reads `request_ip`, or `request.ip` as older parts of the API spell it.
    pub(crate) fn read(value: Value) -> Result<Option<Self>, Misread> {
        let mut condition = match value {
            Value::Null => return Ok(None),
            Value::Object(condition) => condition,
            _ => return Err(Misread::Member("condition")),
        };
        let mut request_ip = RequestIp::default();
        for spelling in ["request_ip", "request.ip"] {
            match member::take(&mut condition, spelling) {
                Value::Null => {}
                Value::Object(ranges) => request_ip.read(ranges)?,
                _ => return Err(Misread::Member("condition.request_ip")),
            }
        }
        let condition = Self { request_ip };
        Ok((!condition.is_empty()).then_some(condition))
    }

    /// The JSON of a request, or `None` when there is nothing to write.
    pub(crate) fn write(&self) -> Result<Option<Value>, WriteError> {
        let ip = &self.request_ip;
        if ip.nowhere {
            return Err(WriteError::NoAddress);
        }
        let ranges = ip.is_in.iter().chain(&ip.not_in);
        if let Some(index) = ranges.into_iter().position(|range| !is_range(range)) {
            return Err(WriteError::AddressRange { index });
        }
        if self.is_empty() {
            return Ok(None);
        }
        let mut request_ip = Object::new();
        for (key, ranges) in [("in", &ip.is_in), ("not_in", &ip.not_in)] {
            if !ranges.is_empty() {
                let list = ranges.iter().map(|range| json(range)).collect();
                put(&mut request_ip, key, Value::Array(list));
            }
        }
        let mut condition = Object::new();
        put(&mut condition, "request_ip", Value::Object(request_ip));
        Ok(Some(Value::Object(condition)))
    }
}

impl RequestIp {
    fn read(&mut self, mut ranges: Object) -> Result<(), Misread> {
        if let Some(list) = texts(member::take(&mut ranges, "in"))? {
            self.nowhere |= list.is_empty();
            self.is_in.extend(list);
        }
        if let Some(list) = texts(member::take(&mut ranges, "not_in"))? {
            self.not_in.extend(list);
        }
        Ok(())
    }
}

/// A list of texts. A condition that cannot be read must not pass for none, so everything odd fails.
fn texts(value: Value) -> Result<Option<Vec<String>>, Misread> {
    const MEMBER: &str = "condition.request_ip";
    match value {
        Value::Null => Ok(None),
        Value::Array(list) => each(list, |item| as_text(item, MEMBER)).map(Some),
        _ => Err(Misread::Member(MEMBER)),
    }
}

/// Whether `text` is an address with a mask.
fn is_range(text: &str) -> bool {
    let Some((address, mask)) = text.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let plain = (1..=3).contains(&mask.len()) && mask.bytes().all(|byte| byte.is_ascii_digit());
    plain && mask.parse::<u8>().is_ok_and(|mask| mask <= longest)
}
