//! The body of a create or update, read and checked.

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::instant::{self, BadInstant};
use crate::policy::{self, Ground, Policy};
use crate::refusal::Refusal;
use crate::token::{Condition, Status};

/// Longest name of a token, in characters.
const NAME_MAX: usize = 120;

/// What a body asks a token to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) policies: Vec<Policy>,
    pub(crate) condition: Option<Condition>,
    pub(crate) expires_on: Option<i64>,
    pub(crate) not_before: Option<i64>,
    pub(crate) status: Status,
}

impl Draft {
    /// Reads a body. Unknown members are ignored.
    pub(crate) fn parse(body: &Value, ground: Ground<'_>, fractions: bool) -> Result<Self, Refusal> {
        let members = body.as_object().ok_or_else(|| Refusal::body("", "body must be an object"))?;
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || name.chars().count() > NAME_MAX {
            return Err(Refusal::body("/name", format!("name must have a length between 1 and {NAME_MAX}")));
        }
        let policies = present(members, "policies")
            .ok_or_else(|| Refusal::body("/policies", "These rules must pass: policies must be present"))?;
        let policies = policy::parse_all(policies, ground)?;
        let draft = Self {
            name: name.to_owned(),
            policies,
            condition: condition(members)?,
            expires_on: time(members, "expires_on", fractions)?,
            not_before: time(members, "not_before", fractions)?,
            status: status(members)?,
        };
        if draft.expires_on.zip(draft.not_before).is_some_and(|(end, from)| end <= from) {
            return Err(Refusal::body("/expires_on", "expires_on must be after not_before"));
        }
        Ok(draft)
    }
}

/// A member that is there and not `null`.
fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn time(members: &Map<String, Value>, name: &str, fractions: bool) -> Result<Option<i64>, Refusal> {
    let at = format!("/{name}");
    let Some(value) = present(members, name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| Refusal::body(&at, format!("{name} must be a string")))?;
    match instant::parse(text, fractions) {
        Ok(seconds) => Ok(Some(seconds)),
        Err(BadInstant::Form) => Err(Refusal::body(&at, format!("{name} must be RFC 3339 in UTC"))),
        Err(BadInstant::Fraction) => Err(Refusal::body(&at, format!("{name} must be in whole seconds"))),
    }
}

fn status(members: &Map<String, Value>) -> Result<Status, Refusal> {
    match present(members, "status").map(Value::as_str) {
        None | Some(Some("active")) => Ok(Status::Active),
        Some(Some("disabled")) => Ok(Status::Disabled),
        Some(_) => Err(Refusal::body("/status", "status must be one of: active, disabled")),
    }
}

fn condition(members: &Map<String, Value>) -> Result<Option<Condition>, Refusal> {
    let Some(value) = present(members, "condition") else { return Ok(None) };
    let outer =
        value.as_object().ok_or_else(|| Refusal::body("/condition", "condition must be an object"))?;
    let inner = present(outer, "request_ip").or_else(|| present(outer, "request.ip"));
    let Some(inner) = inner else { return Ok(Some(Condition::default())) };
    let lists = inner
        .as_object()
        .ok_or_else(|| Refusal::body("/condition/request_ip", "request_ip must be an object"))?;
    Ok(Some(Condition { within: nets(lists, "in")?, without: nets(lists, "not_in")? }))
}

fn nets(lists: &Map<String, Value>, name: &str) -> Result<Option<Vec<IpNet>>, Refusal> {
    let refused = |message: &str| Refusal::body(&format!("/condition/request_ip/{name}"), message);
    let Some(value) = present(lists, name) else { return Ok(None) };
    let list = value.as_array().ok_or_else(|| refused("must be a list of CIDR ranges"))?;
    let net = |entry: &Value| {
        let text = entry.as_str()?;
        // A range always carries its mask.
        text.parse::<IpNet>().ok()
    };
    let nets: Option<Vec<IpNet>> = list.iter().map(net).collect();
    nets.map(Some).ok_or_else(|| refused("must be IPv4 or IPv6 CIDR ranges with a mask"))
}
