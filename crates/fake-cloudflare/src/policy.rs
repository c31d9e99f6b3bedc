//! Policies: how they are read, checked and put in canonical order.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::groups::{Groups, Scope};
use crate::refusal::Refusal;
use crate::token::Owner;
use crate::value::{id_of, is_id};
use crate::world::World;

const ACCOUNT_KEY: &str = "com.cloudflare.api.account.";
const ZONE_KEY: &str = "com.cloudflare.api.account.zone.";
const USER_KEY: &str = "com.cloudflare.api.user.";
const BUCKET_KEY: &str = "com.cloudflare.edge.r2.bucket.";

/// What a policy does with its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Grants them.
    Allow,
    /// Takes them away, whatever any other policy grants.
    Deny,
}

impl Effect {
    const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One thing, or all of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// `*`.
    All,
    /// The one with this id.
    One(String),
}

impl Which {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::All),
            id if is_id(id) => Some(Self::One(id.to_owned())),
            _ => None,
        }
    }

    /// Whether the id is meant.
    #[must_use]
    pub fn meets(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == id,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::All => "*",
            Self::One(id) => id,
        }
    }
}

/// What a policy is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// An account, or all.
    Account(Which),
    /// A zone by its id alone, or all zones everywhere.
    Zone(Which),
    /// A zone of an account, or all of them.
    ZoneOf {
        /// The account.
        account: String,
        /// Which of its zones.
        zone: Which,
    },
    /// A user.
    User(String),
    /// An R2 bucket: account, jurisdiction and name.
    Bucket {
        /// The account.
        account: String,
        /// `default`, `eu` and others.
        jurisdiction: String,
        /// The bucket's name.
        name: String,
    },
}

impl Resource {
    /// The type of resource.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Account(_) => Scope::Account,
            Self::Zone(_) | Self::ZoneOf { .. } => Scope::Zone,
            Self::User(_) => Scope::User,
            Self::Bucket { .. } => Scope::Bucket,
        }
    }

    fn flat(key: &str) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(ZONE_KEY) {
            return Which::parse(rest).map(Self::Zone);
        }
        if let Some(rest) = key.strip_prefix(ACCOUNT_KEY) {
            return Which::parse(rest).map(Self::Account);
        }
        if let Some(rest) = key.strip_prefix(USER_KEY) {
            return is_id(rest).then(|| Self::User(rest.to_owned()));
        }
        let mut parts = key.strip_prefix(BUCKET_KEY)?.splitn(3, '_');
        let (account, jurisdiction, name) = (parts.next()?, parts.next()?, parts.next()?);
        if !is_id(account) || jurisdiction.is_empty() || name.is_empty() {
            return None;
        }
        Some(Self::Bucket {
            account: account.to_owned(),
            jurisdiction: jurisdiction.to_owned(),
            name: name.to_owned(),
        })
    }

    fn nested(key: &str, inner: &str) -> Option<Self> {
        let account = key.strip_prefix(ACCOUNT_KEY).filter(|id| is_id(id))?;
        let zone = Which::parse(inner.strip_prefix(ZONE_KEY)?)?;
        Some(Self::ZoneOf { account: account.to_owned(), zone })
    }
}

/// One policy of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// 32 lower-case hex; the same for the same content of the same token.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// The groups' ids, in canonical order.
    pub groups: Vec<String>,
    /// The resources, in canonical order. Never empty, all of one scope.
    pub resources: Vec<Resource>,
}

impl Policy {
    /// The policy as the API shows it: with the groups' names.
    #[must_use]
    pub fn json(&self, groups: &Groups) -> Value {
        let listed: Vec<Value> = self
            .groups
            .iter()
            .map(|id| match groups.by_id(id) {
                Some(group) if group.scopes.contains(&Scope::Zone) => {
                    json!({ "id": id, "name": group.name, "meta": { "key": "scopes", "value": Scope::Zone.name() } })
                }
                Some(group) => json!({ "id": id, "name": group.name }),
                None => json!({ "id": id }),
            })
            .collect();
        json!({
            "id": self.id,
            "effect": self.effect.name(),
            "resources": resources_json(&self.resources),
            "permission_groups": listed,
        })
    }
}

fn resources_json(resources: &[Resource]) -> Value {
    let mut map = Map::new();
    for resource in resources {
        match resource {
            Resource::Account(which) => map.insert(format!("{ACCOUNT_KEY}{}", which.text()), json!("*")),
            Resource::Zone(which) => map.insert(format!("{ZONE_KEY}{}", which.text()), json!("*")),
            Resource::User(id) => map.insert(format!("{USER_KEY}{id}"), json!("*")),
            Resource::Bucket { account, jurisdiction, name } => {
                map.insert(format!("{BUCKET_KEY}{account}_{jurisdiction}_{name}"), json!("*"))
            }
            Resource::ZoneOf { account, zone } => {
                let inner = map.entry(format!("{ACCOUNT_KEY}{account}")).or_insert_with(|| json!({}));
                inner
                    .as_object_mut()
                    .and_then(|inner| inner.insert(format!("{ZONE_KEY}{}", zone.text()), json!("*")))
            }
        };
    }
    Value::Object(map)
}

/// Who asks for policies and what there is; all that a check needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    /// The groups in force.
    pub groups: &'a Groups,
    /// Accounts and zones.
    pub world: &'a World,
    /// The token's owner.
    pub owner: &'a Owner,
    /// The token's id, from which policy ids are made.
    pub token: &'a str,
}

/// Reads and checks the `policies` member and puts it in canonical order: groups by id downwards,
/// policies by their own id, so that the order sent is seldom the order kept.
///
/// # Errors
/// The refusal with a pointer to the member.
pub(crate) fn parse_all(value: &Value, ground: Ground<'_>) -> Result<Vec<Policy>, Refusal> {
    let list = value.as_array().ok_or_else(|| Refusal::body("/policies", "policies must be an array"))?;
    let mut policies = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let policy = parse(entry, &format!("/policies/{index}"), ground)?;
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    policies.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(policies)
}

fn parse(value: &Value, at: &str, ground: Ground<'_>) -> Result<Policy, Refusal> {
    let effect = match value.get("effect").and_then(Value::as_str) {
        Some("allow") => Effect::Allow,
        Some("deny") => Effect::Deny,
        _ => return Err(Refusal::body(&format!("{at}/effect"), "effect must be one of: allow, deny")),
    };
    let groups = parse_groups(value.get("permission_groups"), at)?;
    let resources = parse_resources(value.get("resources"), at)?;
    check(&groups, &resources, ground)?;
    let kept: Vec<String> = groups.into_iter().rev().collect();
    let canonical = format!("{} {kept:?} {resources:?}", effect.name());
    let id = id_of(&format!("policy {} {canonical}", ground.token));
    Ok(Policy { id, effect, groups: kept, resources: resources.into_iter().collect() })
}

fn parse_groups(value: Option<&Value>, at: &str) -> Result<BTreeSet<String>, Refusal> {
    let at = format!("{at}/permission_groups");
    let list = value
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| Refusal::body(&at, "permission_groups must be a non-empty array"))?;
    let mut groups = BTreeSet::new();
    for (index, group) in list.iter().enumerate() {
        let id = group.get("id").and_then(Value::as_str).ok_or_else(|| {
            Refusal::body(
                &format!("{at}/{index}/id"),
                "These rules must pass for permission_groups: id must be present",
            )
        })?;
        groups.insert(id.to_owned());
    }
    Ok(groups)
}

fn parse_resources(value: Option<&Value>, at: &str) -> Result<BTreeSet<Resource>, Refusal> {
    let at = format!("{at}/resources");
    let map = value
        .and_then(Value::as_object)
        .filter(|map| !map.is_empty())
        .ok_or_else(|| Refusal::body(&at, "resources must be a non-empty object"))?;
    let unknown =
        |key: &str| Refusal::body(&format!("{at}/{key}"), format!("\"{key}\" is not a valid resource name"));
    let nested = map.values().filter(|value| value.is_object()).count();
    if nested != 0 && nested != map.len() {
        return Err(Refusal::body(&at, "resources must be a map of strings or a map of maps, not both"));
    }
    let mut resources = BTreeSet::new();
    for (key, value) in map {
        match value {
            Value::String(star) if star == "*" => {
                resources.insert(Resource::flat(key).ok_or_else(|| unknown(key))?);
            }
            Value::Object(inner) if !inner.is_empty() => {
                for (inner_key, star) in inner {
                    if star.as_str() != Some("*") {
                        return Err(Refusal::body(&format!("{at}/{key}"), "resource value must be \"*\""));
                    }
                    resources.insert(Resource::nested(key, inner_key).ok_or_else(|| unknown(inner_key))?);
                }
            }
            _ => {
                return Err(Refusal::body(
                    &format!("{at}/{key}"),
                    "resource value must be \"*\" or an object",
                ));
            }
        }
    }
    Ok(resources)
}

fn check(
    groups: &BTreeSet<String>,
    resources: &BTreeSet<Resource>,
    ground: Ground<'_>,
) -> Result<(), Refusal> {
    let mut names = Vec::with_capacity(groups.len());
    let mut scopes: BTreeSet<Scope> = resources.iter().map(Resource::scope).collect();
    for id in groups {
        let group = ground
            .groups
            .by_id(id)
            .ok_or_else(|| Refusal::Policy(format!("Permission group not found: \"{id}\"")))?;
        scopes.extend(&group.scopes);
        names.push(group.name.as_str());
    }
    if scopes.len() > 1 {
        return Err(Refusal::Policy(
            "A policy must not mix resources or permission groups of different scopes".to_owned(),
        ));
    }
    let account_owned = matches!(ground.owner, Owner::Account(_));
    if account_owned && scopes.contains(&Scope::User) {
        return Err(Refusal::Policy(
            "Account owned tokens cannot hold user scoped permission groups".to_owned(),
        ));
    }
    for resource in resources {
        if account_owned && matches!(resource, Resource::Zone(Which::All)) {
            return Err(Refusal::Policy(
                "Must specify a zone for account owned tokens, or nest zone under specific account resource"
                    .to_owned(),
            ));
        }
        if account_owned && matches!(resource, Resource::Account(Which::All)) {
            return Err(Refusal::Policy("Must specify an account for account owned tokens".to_owned()));
        }
        if !within_reach(resource, ground) {
            return Err(common_check(names.first().copied().unwrap_or_default()));
        }
    }
    Ok(())
}

/// The refusal of the "common permission check", which names one group.
#[must_use]
pub(crate) fn common_check(group: &str) -> Refusal {
    Refusal::Policy(format!(
        "Failed common permission check against resources. (Permission group: \"{group}\")"
    ))
}

/// Whether the owner may name the resource: an account its own, a user those it is a member of,
/// and itself.
fn within_reach(resource: &Resource, ground: Ground<'_>) -> bool {
    let zone_account = |id: &str| ground.world.zone(id).map(|zone| zone.account.as_str());
    match resource {
        Resource::Account(Which::All) | Resource::Zone(Which::All) => true,
        Resource::Account(Which::One(account)) | Resource::Bucket { account, .. } => {
            ground.owner.reaches_account(account, ground.world)
        }
        Resource::Zone(Which::One(id)) => {
            zone_account(id).is_some_and(|account| ground.owner.reaches_account(account, ground.world))
        }
        Resource::ZoneOf { account, zone } => {
            ground.owner.reaches_account(account, ground.world)
                && match zone {
                    Which::All => true,
                    Which::One(id) => zone_account(id) == Some(account.as_str()),
                }
        }
        Resource::User(id) => *ground.owner == Owner::User(id.clone()),
    }
}
