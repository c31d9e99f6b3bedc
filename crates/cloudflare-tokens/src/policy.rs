//! Policies: which permission groups a token has on which resources.

use crate::error::Misread;
use crate::id::{AccountId, GroupId, PolicyId, UserId, ZoneId};
use crate::member::{self, Object};
use crate::write::WriteError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What it is about: resource key to value, ordered by key.
    pub resources: BTreeMap<String, ResourceValue>,
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
    /// Resources within it, such as all zones of an account. One level deep.
    Nested(BTreeMap<String, String>),
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
    fn meaning(policy: &Policy) -> (&Effect, &BTreeMap<String, ResourceValue>, BTreeSet<GroupId>) {
        let groups = policy.groups.iter().map(|group| group.id).collect();
        (&policy.effect, &policy.resources, groups)
    }
    let left: BTreeSet<_> = left.iter().map(meaning).collect();
    let right: BTreeSet<_> = right.iter().map(meaning).collect();
    left == right
}

impl Policy {
    /// The policy as Cloudflare answers with it, ids and names included.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups = self.groups.iter().map(|group| {
            let mut out = Object::new();
            out.insert("id".to_owned(), group.id.as_str().into());
            if let Some(name) = &group.name {
                out.insert("name".to_owned(), name.as_str().into());
            }
            Value::Object(out)
        });
        let mut policy = Object::new();
        if let Some(id) = self.id {
            policy.insert("id".to_owned(), id.as_str().into());
        }
        policy.insert("effect".to_owned(), self.effect.as_str().into());
        policy.insert("resources".to_owned(), self.resources_json());
        policy.insert("permission_groups".to_owned(), groups.collect());
        Value::Object(policy)
    }

    fn resources_json(&self) -> Value {
        let values = self.resources.iter().map(|(key, value)| {
            let value = match value {
                ResourceValue::All => WHOLE.into(),
                ResourceValue::Other(text) => text.as_str().into(),
                ResourceValue::Nested(map) => map
                    .iter()
                    .map(|(key, value)| (key.clone(), value.as_str().into()))
                    .collect::<Object>()
                    .into(),
            };
            (key.clone(), value)
        });
        Value::Object(values.collect())
    }

    /// The JSON of a request: group ids alone. `index` is for the error.
    fn write(&self, index: usize) -> Result<Value, WriteError> {
        let policy = index;
        if matches!(self.effect, Effect::Other(_)) {
            return Err(WriteError::UnknownEffect { policy });
        }
        if self.groups.is_empty() {
            return Err(WriteError::NoGroups { policy });
        }
        self.check_resources(policy)?;
        let groups = self.groups.iter().map(|group| json!({ "id": group.id.as_str() }));
        Ok(json!({
            "effect": self.effect.as_str(),
            "resources": self.resources_json(),
            "permission_groups": Value::Array(groups.collect()),
        }))
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
        let groups = member::list(policy.remove("permission_groups"), "permission_groups")?;
        Ok(Self {
            id: member::optional_id(&policy, "id"),
            effect: match member::text_or_absent(&mut policy, "effect")? {
                Some(effect) if effect == "allow" => Effect::Allow,
                Some(effect) if effect == "deny" => Effect::Deny,
                // Not named: never taken for an allowance or a denial.
                effect => Effect::Other(effect.unwrap_or_default()),
            },
            resources: read_resources(policy.remove("resources"))?,
            groups: groups.into_iter().map(read_group).collect::<Result<_, _>>()?,
        })
    }
}

/// A group that cannot be read would hide what a token may do, so it fails.
fn read_group(value: Value) -> Result<Group, Misread> {
    let mut group = member::object(value, "permission_groups")?;
    Ok(Group { id: member::id(&group, "permission_groups.id")?, name: member::text(&mut group, "name") })
}

fn read_resources(value: Option<Value>) -> Result<BTreeMap<String, ResourceValue>, Misread> {
    const MEMBER: &str = "resources";
    let value = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(value) => value,
    };
    let entries = member::object(value, MEMBER)?.into_iter();
    entries
        .map(|(key, value)| {
            let value = match value {
                Value::String(text) if text == WHOLE => ResourceValue::All,
                Value::String(text) => ResourceValue::Other(text),
                Value::Object(map) => ResourceValue::Nested(
                    map.into_iter()
                        .map(|(key, value)| match value {
                            Value::String(text) => Ok((key, text)),
                            _ => Err(Misread::Member(MEMBER)),
                        })
                        .collect::<Result<_, _>>()?,
                ),
                _ => return Err(Misread::Member(MEMBER)),
            };
            Ok((key, value))
        })
        .collect()
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
    let written = policies.iter().enumerate().map(|(index, policy)| policy.write(index));
    written.collect()
}

/// The policies of an answer; absent is none.
pub(crate) fn read_policies(value: Option<Value>) -> Result<Vec<Policy>, Misread> {
    let list = member::list(value, "policies")?;
    list.into_iter().map(Policy::read).collect()
}
