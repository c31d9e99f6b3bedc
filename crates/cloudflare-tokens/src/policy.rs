//! Policies: which permission groups a token has on which resources.

use crate::error::Misread;
use crate::id::{AccountId, GroupId, PolicyId, UserId, ZoneId};
use crate::member::{self, Object, as_text, each, json, put};
use crate::write::WriteError;
use serde_json::Value;

/// The longest resource key taken: an R2 bucket's has about 140 characters.
const MAX_KEY_CHARS: usize = 256;

/// The value that stands for the whole resource.
const WHOLE: &str = "*";

/// One policy of a token.
///
/// Cloudflare puts policies and groups into an order of its own: compare with [`same_policies`], not with `==`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its id at Cloudflare; `None` in a request, and never written.
    pub id: Option<PolicyId>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// What it is about: resource keys and their values, no key twice. A list, because every map of another
    /// type costs the Worker four kilobytes of code.
    pub resources: Vec<(String, ResourceValue)>,
    /// Which permission groups it is about. Each acts only on the kind of resource in its scopes.
    pub groups: Vec<Group>,
}

/// What a policy does. Denials win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Allows.
    Allow,
    /// Denies.
    Deny,
    /// Something else that Cloudflare sent. Never written.
    Other(String),
}

impl Effect {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Other(text) => text,
        }
    }
}

/// The value of a resource key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceValue {
    /// `"*"`: the whole resource.
    All,
    /// Resources within it, such as all zones of an account, no key twice. One level deep.
    Nested(Vec<(String, String)>),
    /// Another text that Cloudflare sent. Never written.
    Other(String),
}

/// A permission group in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id, which alone counts.
    pub id: GroupId,
    /// Its display name, as Cloudflare sent it. Never written.
    pub name: Option<String>,
}

impl From<GroupId> for Group {
    fn from(id: GroupId) -> Self {
        Self { id, name: None }
    }
}

/// Whether both lists hold the same policies: order, repetition, ids and names do not count.
#[must_use]
pub fn same_policies(left: &[Policy], right: &[Policy]) -> bool {
    covers(left, right, Policy::means) && covers(right, left, Policy::means)
}

/// Whether each of `right` is in `left`.
fn covers<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    right.iter().all(|right| left.iter().any(|left| same(left, right)))
}

impl Policy {
    fn means(&self, other: &Self) -> bool {
        let same = |left: &Group, right: &Group| left.id == right.id;
        self.effect == other.effect
            && covers(&self.resources, &other.resources, PartialEq::eq)
            && covers(&other.resources, &self.resources, PartialEq::eq)
            && covers(&self.groups, &other.groups, same)
            && covers(&other.groups, &self.groups, same)
    }

    /// The policy as Cloudflare answers with it, ids and names included.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups = self.groups.iter().map(|group| {
            let mut out = Object::new();
            put(&mut out, "id", json(group.id.as_str()));
            if let Some(name) = &group.name {
                put(&mut out, "name", json(name));
            }
            Value::Object(out)
        });
        let mut policy = self.request_json(groups.collect());
        if let Some(id) = self.id {
            put(&mut policy, "id", json(id.as_str()));
        }
        Value::Object(policy)
    }

    fn request_json(&self, groups: Vec<Value>) -> Object {
        let mut resources = Object::new();
        for (key, value) in &self.resources {
            let value = match value {
                ResourceValue::All => json(WHOLE),
                ResourceValue::Other(text) => json(text),
                ResourceValue::Nested(map) => {
                    let mut nested = Object::new();
                    for (key, value) in map {
                        put(&mut nested, key, json(value));
                    }
                    Value::Object(nested)
                }
            };
            put(&mut resources, key, value);
        }
        let mut policy = Object::new();
        put(&mut policy, "effect", json(self.effect.as_str()));
        put(&mut policy, "resources", Value::Object(resources));
        put(&mut policy, "permission_groups", Value::Array(groups));
        policy
    }

    /// The JSON of a request: group ids alone. `policy` is its place, for the error.
    fn write(&self, policy: usize) -> Result<Value, WriteError> {
        if matches!(self.effect, Effect::Other(_)) {
            return Err(WriteError::UnknownEffect { policy });
        }
        if self.groups.is_empty() {
            return Err(WriteError::NoGroups { policy });
        }
        self.check_resources(policy)?;
        let groups = self.groups.iter().map(|group| {
            let mut out = Object::new();
            put(&mut out, "id", json(group.id.as_str()));
            Value::Object(out)
        });
        Ok(Value::Object(self.request_json(groups.collect())))
    }

    fn check_resources(&self, policy: usize) -> Result<(), WriteError> {
        if self.resources.is_empty() {
            return Err(WriteError::NoResources { policy });
        }
        let mut kinds = [false; 2];
        for (key, value) in &self.resources {
            let [plain, nested] = &mut kinds;
            check_key(key, policy)?;
            match value {
                ResourceValue::All => *plain = true,
                ResourceValue::Other(_) => return Err(WriteError::ResourceValue { policy }),
                ResourceValue::Nested(map) => {
                    *nested = true;
                    if map.is_empty() {
                        return Err(WriteError::EmptyNested { policy });
                    }
                    for (key, value) in map {
                        check_key(key, policy)?;
                        if value != WHOLE {
                            return Err(WriteError::ResourceValue { policy });
                        }
                    }
                }
            }
        }
        if kinds == [true, true] {
            return Err(WriteError::MixedResources { policy });
        }
        Ok(())
    }

    fn read(value: Value) -> Result<Self, Misread> {
        let mut policy = member::object(value, "policies")?;
        let effect = match member::text_or_absent(&mut policy, "effect")? {
            Some(effect) if effect == "allow" => Effect::Allow,
            Some(effect) if effect == "deny" => Effect::Deny,
            // Not named: never taken for an allowance or a denial.
            effect => Effect::Other(effect.unwrap_or_default()),
        };
        let resources = read_resources(member::take(&mut policy, "resources"))?;
        let groups = member::list(member::take(&mut policy, "permission_groups"), "permission_groups")?;
        let groups = each(groups, read_group)?;
        Ok(Self { id: member::optional_id(&policy, "id"), effect, resources, groups })
    }
}

/// A group that cannot be read would hide what a token may do, so it fails.
fn read_group(value: Value) -> Result<Group, Misread> {
    let mut group = member::object(value, "permission_groups")?;
    Ok(Group { id: member::id(&group, "permission_groups.id")?, name: member::text(&mut group, "name") })
}

fn read_resources(value: Value) -> Result<Vec<(String, ResourceValue)>, Misread> {
    const MEMBER: &str = "resources";
    if value.is_null() {
        return Ok(Vec::new());
    }
    let mut resources = Vec::new();
    for (key, value) in member::object(value, MEMBER)? {
        let value = match value {
            Value::String(text) if text == WHOLE => ResourceValue::All,
            Value::String(text) => ResourceValue::Other(text),
            Value::Object(object) => {
                let mut nested = Vec::new();
                for (key, value) in object {
                    nested.push((key, as_text(value, MEMBER)?));
                }
                ResourceValue::Nested(nested)
            }
            _ => return Err(Misread::Member(MEMBER)),
        };
        resources.push((key, value));
    }
    Ok(resources)
}

/// Checks a resource key: its alphabet, and the id in the kinds that are known.
fn check_key(key: &str, policy: usize) -> Result<(), WriteError> {
    const ACCOUNT: &str = "com.cloudflare.api.account.";
    const ZONE: &str = "com.cloudflare.api.account.zone.";
    const USER: &str = "com.cloudflare.api.user.";
    const R2_BUCKET: &str = "com.cloudflare.edge.r2.bucket.";

    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
    let good = if let Some(id) = key.strip_prefix(ZONE) {
        id == WHOLE || id.parse::<ZoneId>().is_ok()
    } else if let Some(id) = key.strip_prefix(ACCOUNT) {
        id == WHOLE || id.parse::<AccountId>().is_ok()
    } else if let Some(id) = key.strip_prefix(USER) {
        id.parse::<UserId>().is_ok()
    } else if let Some(bucket) = key.strip_prefix(R2_BUCKET) {
        // <account>_<jurisdiction>_<bucket>
        let mut parts = bucket.splitn(3, '_');
        parts.next().is_some_and(|id| id.parse::<AccountId>().is_ok())
            && parts.all(|part| !part.is_empty())
            && bucket.matches('_').count() >= 2
    } else {
        key.starts_with("com.cloudflare.")
    };
    if good && key.len() <= MAX_KEY_CHARS && key.bytes().all(alphabet) {
        Ok(())
    } else {
        Err(WriteError::ResourceKey { policy })
    }
}

/// The JSON of a request's policies.
pub(crate) fn write_policies(policies: &[Policy]) -> Result<Value, WriteError> {
    if policies.is_empty() {
        return Err(WriteError::NoPolicies);
    }
    let mut written = Vec::with_capacity(policies.len());
    for (index, policy) in policies.iter().enumerate() {
        written.push(policy.write(index)?);
    }
    Ok(Value::Array(written))
}

/// The policies of an answer; absent is none.
pub(crate) fn read_policies(value: Value) -> Result<Vec<Policy>, Misread> {
    each(member::list(value, "policies")?, Policy::read)
}
