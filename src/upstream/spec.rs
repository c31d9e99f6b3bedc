//! Between the domain's words for a token and the client's.

use std::fmt;

use brevet_core::cloudflare::{TokenOwner, TokenSpec, TokenView, Verified};
use brevet_core::id;
use brevet_core::time::Timestamp;
use cloudflare_tokens::{
    Condition, Effect, Family, GroupId, NewToken, PermissionGroup, Policy, RequestIp, ResourceValue,
    SettableStatus, Time, Token, TokenId, TokenUpdate,
};
use serde_json::{Map, Value};

/// What is wrong with a token that should be sent. The domain renders policies and conditions, so
/// this is a fault of Brevet's; nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// The policies are no list.
    Policies,
    /// This policy (from 0) is not in Cloudflare's form.
    Policy(usize),
    /// The condition is not in Cloudflare's form, or restricts nothing.
    Condition,
    /// An id is not one.
    Id,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policies => f.write_str("the policies are no list"),
            Self::Policy(index) => write!(f, "policy {index} is not in Cloudflare's form"),
            Self::Condition => f.write_str("the condition is not in Cloudflare's form"),
            Self::Id => f.write_str("an id is not one"),
        }
    }
}

impl std::error::Error for SpecError {}

/// The family whose endpoints serve this owner's tokens.
pub(super) fn family(owner: TokenOwner) -> Result<Family, SpecError> {
    match owner {
        TokenOwner::User(_) => Ok(Family::User),
        TokenOwner::Account(id) => id.as_str().parse().map(Family::Account).map_err(|_| SpecError::Id),
    }
}

pub(super) fn token_id(id: id::TokenId) -> Result<TokenId, SpecError> {
    id.as_str().parse().map_err(|_| SpecError::Id)
}

fn domain_id(id: TokenId) -> Option<id::TokenId> {
    id.as_str().parse().ok()
}

/// The ids among these that the domain can hold, which is all of them: both sides hold the same form.
pub(super) fn domain_ids(ids: Vec<TokenId>) -> Vec<id::TokenId> {
    ids.into_iter().filter_map(domain_id).collect()
}

fn time(moment: Timestamp) -> Time {
    Time(moment.unix())
}

fn moment(time: Time) -> Option<Timestamp> {
    Timestamp::from_unix(time.0).ok()
}

/// A token to be made. Whether it is switched off cannot be said on create.
pub(super) fn new_token(spec: &TokenSpec) -> Result<NewToken, SpecError> {
    Ok(NewToken {
        name: spec.name.clone(),
        policies: policies(&spec.policies)?,
        condition: spec.condition.as_ref().map(condition).transpose()?,
        not_before: spec.not_before.map(time),
        expires_on: Some(time(spec.expires_on)),
    })
}

/// The whole of what a token is to be.
pub(super) fn token_update(spec: &TokenSpec) -> Result<TokenUpdate, SpecError> {
    let NewToken { name, policies, condition, not_before, expires_on } = new_token(spec)?;
    let status = Some(if spec.disabled { SettableStatus::Disabled } else { SettableStatus::Active });
    Ok(TokenUpdate { name, policies, status, condition, not_before, expires_on })
}

fn policies(value: &Value) -> Result<Vec<Policy>, SpecError> {
    let mut policies = Vec::new();
    for (index, value) in value.as_array().ok_or(SpecError::Policies)?.iter().enumerate() {
        policies.push(policy(value).ok_or(SpecError::Policy(index))?);
    }
    Ok(policies)
}

/// Reads a policy strictly: what would not be sent as it stands here is refused, so that what was
/// authorised is what Cloudflare gets. Loops instead of collecting into maps, which would link sorting
/// code into the Worker.
fn policy(value: &Value) -> Option<Policy> {
    let object = value.as_object()?;
    let effect = match object.get("effect")?.as_str()? {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        _ => return None,
    };
    let mut policy = Policy { id: None, effect, resources: Vec::new(), groups: Vec::new() };
    for group in object.get("permission_groups")?.as_array()? {
        let id: GroupId = group.get("id")?.as_str()?.parse().ok()?;
        policy.groups.push(id.into());
    }
    for (key, value) in object.get("resources")?.as_object()? {
        policy.resources.push((key.clone(), resource(value)?));
    }
    Some(policy)
}

fn resource(value: &Value) -> Option<ResourceValue> {
    match value {
        Value::String(text) if text == "*" => Some(ResourceValue::All),
        Value::Object(map) => {
            let mut nested = Vec::new();
            for (key, value) in map {
                nested.push((key.clone(), value.as_str()?.to_owned()));
            }
            Some(ResourceValue::Nested(nested))
        }
        _ => None,
    }
}

/// Reads a condition strictly: one that is not understood must not pass for none.
fn condition(value: &Value) -> Result<Condition, SpecError> {
    fn ranges(value: &Value) -> Option<Vec<String>> {
        let mut ranges = Vec::new();
        for range in value.as_array()? {
            ranges.push(range.as_str()?.to_owned());
        }
        Some(ranges)
    }
    let read = || {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        let mut request_ip = RequestIp::default();
        for (key, list) in object.get("request_ip")?.as_object()? {
            match key.as_str() {
                "in" => request_ip.is_in = ranges(list).filter(|list| !list.is_empty())?,
                "not_in" => request_ip.not_in = ranges(list)?,
                _ => return None,
            }
        }
        Some(Condition { request_ip }).filter(|condition| !condition.is_empty())
    };
    read().ok_or(SpecError::Condition)
}

/// A token as Cloudflare shows it; `None` where its id is not one, which its reader excludes.
pub(super) fn view(token: Token) -> Option<TokenView> {
    Some(TokenView {
        id: domain_id(token.id)?,
        name: token.name,
        status: token.status.as_str().to_owned(),
        issued_on: token.issued_on.and_then(moment),
        modified_on: token.modified_on.and_then(moment),
        last_used_on: token.last_used_on.and_then(moment),
        not_before: token.not_before.and_then(moment),
        expires_on: token.expires_on.and_then(moment),
        condition: token.condition.map(|condition| condition_json(condition.request_ip)),
        policies: token.policies.iter().map(Policy::to_json).collect(),
    })
}

fn condition_json(ip: RequestIp) -> Value {
    let mut ranges = Map::new();
    // An empty `in` matches no address at all, which is not the same as no `in`.
    if ip.nowhere || !ip.is_in.is_empty() {
        ranges.insert("in".to_owned(), ip.is_in.into());
    }
    if !ip.not_in.is_empty() {
        ranges.insert("not_in".to_owned(), ip.not_in.into());
    }
    let mut condition = Map::new();
    condition.insert("request_ip".to_owned(), Value::Object(ranges));
    Value::Object(condition)
}

pub(super) fn verified(verified: cloudflare_tokens::Verified) -> Option<Verified> {
    Some(Verified {
        id: domain_id(verified.id)?,
        status: verified.status.as_str().to_owned(),
        not_before: verified.not_before.and_then(moment),
        expires_on: verified.expires_on.and_then(moment),
    })
}

/// The permission groups as Cloudflare lists them.
pub(super) fn groups_json(groups: Vec<PermissionGroup>) -> Value {
    let group = |group: PermissionGroup| {
        let mut out = Map::new();
        out.insert("id".to_owned(), group.id.as_str().into());
        out.insert("name".to_owned(), group.name.into());
        out.insert("scopes".to_owned(), group.scopes.into());
        if let Some(category) = group.category {
            out.insert("category".to_owned(), category.into());
        }
        Value::Object(out)
    };
    groups.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> TokenSpec {
        TokenSpec {
            name: "brevet:test".to_owned(),
            policies: json!([{
                "effect": "allow",
                "resources": {"com.cloudflare.api.account.0123456789abcdef0123456789abcdef": {"com.cloudflare.api.account.zone.*": "*"}},
                "permission_groups": [{"id": "4755a26eedb94da69e1066d98aa820be"}],
            }]),
            condition: Some(json!({"request_ip": {"in": ["192.0.2.0/24"], "not_in": ["192.0.2.7/32"]}})),
            not_before: None,
            expires_on: Timestamp::from_unix(1_800_000_000).unwrap(),
            disabled: false,
        }
    }

    #[test]
    fn what_is_sent_is_what_was_authorised() {
        let sent = new_token(&spec()).unwrap().to_json().unwrap();
        assert_eq!(sent["policies"], spec().policies);
        assert_eq!(sent["condition"], spec().condition.unwrap());
        assert_eq!(sent["expires_on"], "2027-01-15T08:00:00Z");
    }

    #[test]
    fn an_update_says_whether_the_token_is_switched_off() {
        for (disabled, status) in [(false, "active"), (true, "disabled")] {
            let sent = token_update(&TokenSpec { disabled, ..spec() }).unwrap().to_json().unwrap();
            assert_eq!(sent["status"], status);
        }
    }

    #[test]
    fn refuses_policies_that_would_be_sent_otherwise_than_they_stand() {
        for (pointer, odd) in [
            ("/0/effect", json!("Allow")),
            ("/0/effect", json!(null)),
            ("/0/resources", json!(["*"])),
            ("/0/resources/com.cloudflare.api.account.0123456789abcdef0123456789abcdef", json!("all")),
            ("/0/resources/com.cloudflare.api.account.0123456789abcdef0123456789abcdef", json!({"a": 1})),
            ("/0/permission_groups", json!({})),
            ("/0/permission_groups/0", json!("4755a26eedb94da69e1066d98aa820be")),
            ("/0/permission_groups/0/id", json!("../x")),
        ] {
            let mut spec = spec();
            *spec.policies.pointer_mut(pointer).unwrap() = odd;
            assert_eq!(new_token(&spec), Err(SpecError::Policy(0)), "{pointer}");
        }
        assert_eq!(new_token(&TokenSpec { policies: json!({}), ..spec() }), Err(SpecError::Policies));
    }

    #[test]
    fn a_condition_that_is_not_understood_never_passes_for_none() {
        for odd in [
            json!(null),
            json!({}),
            json!({"request.ip": {"in": ["192.0.2.0/24"]}}),
            json!({"request_ip": {}}),
            json!({"request_ip": {"in": []}}),
            json!({"request_ip": {"in": [], "not_in": ["192.0.2.7/32"]}}),
            json!({"request_ip": {"in": [1]}}),
            json!({"request_ip": {"in": ["192.0.2.0/24"], "country": ["CH"]}}),
            json!({"request_ip": {"in": ["192.0.2.0/24"]}, "other": {}}),
        ] {
            let spec = TokenSpec { condition: Some(odd.clone()), ..spec() };
            assert_eq!(new_token(&spec), Err(SpecError::Condition), "{odd}");
        }
    }

    #[test]
    fn a_condition_that_lets_nobody_in_is_shown_as_such() {
        let ip = RequestIp { nowhere: true, ..RequestIp::default() };
        assert_eq!(condition_json(ip), json!({"request_ip": {"in": []}}));
    }
}
