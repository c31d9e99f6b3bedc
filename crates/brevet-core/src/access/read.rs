//! Reading a caller's policies.
//!
//! Everything that is not understood is refused, for a part that is skipped here could be honoured by
//! Cloudflare. What Cloudflare itself ignores in a request (the `id` of a policy, the `name` and
//! `meta` of a group, which clients send back as they got them) is ignored.

use serde_json::{Map, Value};

use super::MAX_RESOURCES;
use super::write::{ACCOUNT, BUCKET, USER, ZONE};
use super::{
    Access, AccessError, AccessFault, AccessPolicy, Bucket, MAX_GROUPS, MAX_POLICIES, Places, Resource,
};
use crate::catalogue::{Catalogue, Group, Scope};
use crate::id::{AccountId, GroupId, ZoneId};
use crate::json::to_text;
use crate::sorted::distinct;

/// The most characters of a caller's text that an error repeats.
pub const MAX_SHOWN: usize = 120;

/// The longest jurisdiction of a bucket, in bytes; Cloudflare's longest today is `fedramp`.
const MAX_JURISDICTION: usize = 32;

/// The length of a bucket's name, in bytes, as R2 and S3 have it.
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=63;

/// What to do with groups that the catalogue does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// Refuse them. For everybody but an operator.
    Refuse,
    /// Keep them; their scope is taken to be that of their policy's resources, which must then be of
    /// one scope. The guardrails still refuse them to all but an operator.
    Keep,
}

impl Access {
    /// Reads Cloudflare's `policies` as anybody may send them.
    ///
    /// # Errors
    /// [`AccessError`] for the first part that is refused.
    pub fn parse(policies: &Value, places: &dyn Places, catalogue: &Catalogue) -> Result<Self, AccessError> {
        Self::parse_with(policies, places, catalogue, Strangers::Refuse)
    }

    /// The same, with a choice about groups that nobody knows.
    ///
    /// # Errors
    /// [`AccessError`] for the first part that is refused.
    pub fn parse_with(
        policies: &Value,
        places: &dyn Places,
        catalogue: &Catalogue,
        strangers: Strangers,
    ) -> Result<Self, AccessError> {
        let Value::Array(entries) = policies else {
            return Err(AccessFault::NotAList.at(""));
        };
        // Counted before anything is read, so that a huge request costs little.
        if entries.len() > MAX_POLICIES {
            return Err(AccessFault::TooManyPolicies(entries.len()).at(""));
        }
        let groups =
            entries.iter().filter_map(|entry| entry.get("permission_groups")?.as_array()).map(Vec::len);
        let groups: usize = groups.sum();
        if groups > MAX_GROUPS {
            return Err(AccessFault::TooManyGroups(groups).at(""));
        }
        let reader = Reader { places, catalogue, strangers };
        let mut parsed = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let policies = reader.policy(index, entry).map_err(|mut error| {
                error.pointer.insert_str(0, &format!("/{index}"));
                error
            })?;
            parsed.extend(policies);
        }
        Self::bounded(parsed).map_err(|fault| fault.at(""))
    }
}

struct Reader<'a> {
    places: &'a dyn Places,
    catalogue: &'a Catalogue,
    strangers: Strangers,
}

impl Reader<'_> {
    /// One policy of the caller as one or more of ours, one per scope. Pointers are relative to it.
    fn policy(&self, source: usize, entry: &Value) -> Result<Vec<AccessPolicy>, AccessError> {
        let members = object(entry)?;
        if let Some(name) = members.keys().find(|name| !is_policy_member(name)) {
            return Err(AccessFault::UnknownMember(shown(name)).at(""));
        }
        match members.get("effect") {
            None => return Err(AccessFault::Missing("effect").at("")),
            Some(Value::String(effect)) if effect == "allow" => {}
            Some(Value::String(effect)) if effect == "deny" => return Err(AccessFault::Deny.at("/effect")),
            Some(_) => return Err(AccessFault::Effect.at("/effect")),
        }
        let resources = members.get("resources").ok_or_else(|| AccessFault::Missing("resources").at(""))?;
        let groups = members
            .get("permission_groups")
            .ok_or_else(|| AccessFault::Missing("permission_groups").at(""))?;
        let resources = self.resources(resources)?;
        let groups = self.groups(groups, &resources)?;
        let mut policies = Vec::new();
        for scope in Scope::ALL {
            let resources: Vec<_> = resources.iter().filter(|at| at.scope() == scope).cloned().collect();
            let groups: Vec<_> = groups.iter().filter(|(_, on)| *on == scope).map(|(id, _)| *id).collect();
            match (groups.is_empty(), resources.is_empty()) {
                (false, false) => policies.push(AccessPolicy { scope, groups, resources, source }),
                (true, false) => return Err(AccessFault::IdleResource { scope }.at("/resources")),
                // A group is kept only when a resource of its scope is there.
                (_, true) => {}
            }
        }
        Ok(policies)
    }

    /// The groups, each with its scope, none twice.
    fn groups(&self, value: &Value, resources: &[Resource]) -> Result<Vec<(GroupId, Scope)>, AccessError> {
        let at = |index: usize, rest: &str| format!("/permission_groups/{index}{rest}");
        let entries = value.as_array().filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| AccessFault::NoGroups.at("/permission_groups"))?;
        let mut groups: Vec<(GroupId, Scope)> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let Value::Object(members) = entry else {
                return Err(AccessFault::NotAnObject.at(at(index, "")));
            };
            if let Some(name) = members.keys().find(|name| !is_group_member(name)) {
                return Err(AccessFault::UnknownMember(shown(name)).at(at(index, "")));
            }
            let id = members.get("id").ok_or_else(|| AccessFault::Missing("id").at(at(index, "")))?;
            let text = id.as_str().map_or_else(|| to_text(id), str::to_owned);
            let id: GroupId =
                text.parse().map_err(|_| AccessFault::GroupId(shown(&text)).at(at(index, "/id")))?;
            let scope = self.scope_of(id, resources).map_err(|fault| fault.at(at(index, "/id")))?;
            if !groups.iter().any(|(known, _)| *known == id) {
                groups.push((id, scope));
            }
        }
        Ok(groups)
    }

    fn scope_of(&self, id: GroupId, resources: &[Resource]) -> Result<Scope, AccessFault> {
        let Some(group) = self.catalogue.get(id) else {
            // Of several scopes one would have to be guessed.
            let mut scopes = resources.iter().map(Resource::scope);
            let first = scopes.next().filter(|first| scopes.all(|scope| scope == *first));
            return match (self.strangers, first) {
                (Strangers::Keep, Some(scope)) => Ok(scope),
                (Strangers::Refuse, _) | (_, None) => Err(AccessFault::UnknownGroup(id)),
            };
        };
        if resources.iter().any(|resource| resource.scope() == group.scope()) {
            Ok(group.scope())
        } else {
            Err(wrong_scope(group))
        }
    }

    fn resources(&self, value: &Value) -> Result<Vec<Resource>, AccessError> {
        let members = value.as_object().filter(|members| !members.is_empty());
        let members = members.ok_or_else(|| AccessFault::NoResources.at("/resources"))?;
        let mut resources = Vec::with_capacity(members.len());
        for (key, value) in members {
            let at = format!("/resources/{}", escaped(key));
            match value {
                Value::String(text) if text == "*" => {
                    resources.push(self.flat(key).map_err(|fault| fault.at(at))?);
                }
                Value::Object(zones) => resources.extend(self.nested(key, zones, &at)?),
                _ => return Err(AccessFault::ResourceValue.at(at)),
            }
            if resources.len() > MAX_RESOURCES {
                return Err(AccessFault::TooManyResources(resources.len()).at("/resources"));
            }
        }
        Ok(distinct(resources))
    }

    fn flat(&self, key: &str) -> Result<Resource, AccessFault> {
        // The prefix of zones begins with that of accounts.
        if let Some(zone) = key.strip_prefix(ZONE) {
            if zone == "*" {
                return Err(AccessFault::EveryZone);
            }
            let zone: ZoneId = zone.parse().map_err(|_| unknown_key(key))?;
            let account = self.places.account_of_zone(zone).ok_or(AccessFault::UnknownZone(zone))?;
            let account = self.known(account)?;
            return Ok(Resource::Zone { zone, account });
        }
        if key.starts_with(ACCOUNT) {
            return self.account(key).map(Resource::Account);
        }
        if let Some(user) = key.strip_prefix(USER) {
            let user = user.parse().map_err(|_| unknown_key(key))?;
            return if self.places.user() == Some(user) {
                Ok(Resource::User(user))
            } else {
                Err(AccessFault::ForeignUser(user))
            };
        }
        match key.strip_prefix(BUCKET) {
            Some(rest) => self.bucket(rest).unwrap_or_else(|| Err(unknown_key(key))).map(Resource::Bucket),
            None => Err(unknown_key(key)),
        }
    }

    /// `<ACCOUNT>_<JURISDICTION>_<NAME>`; none of the three holds an underscore.
    fn bucket(&self, rest: &str) -> Option<Result<Bucket, AccessFault>> {
        let (account, rest) = rest.split_once('_')?;
        let (jurisdiction, name) = rest.split_once('_')?;
        let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let edged = name.starts_with('-') || name.ends_with('-');
        let good = (1..=MAX_JURISDICTION).contains(&jurisdiction.len())
            && BUCKET_NAME.contains(&name.len())
            && plain(jurisdiction)
            && plain(name)
            && !edged;
        let account = account.parse().ok().filter(|_| good)?;
        Some(self.known(account).map(|account| Bucket {
            account,
            jurisdiction: jurisdiction.into(),
            name: name.into(),
        }))
    }

    fn nested(&self, key: &str, zones: &Map<String, Value>, at: &str) -> Result<Vec<Resource>, AccessError> {
        if !key.starts_with(ACCOUNT) || key.starts_with(ZONE) {
            return Err(AccessFault::ResourceValue.at(at));
        }
        let account = self.account(key).map_err(|fault| fault.at(at))?;
        if zones.is_empty() {
            return Err(AccessFault::NoResources.at(at));
        }
        let mut resources = Vec::with_capacity(zones.len().min(MAX_RESOURCES));
        for (key, value) in zones.iter().take(MAX_RESOURCES + 1) {
            let here = || format!("{at}/{}", escaped(key));
            if value.as_str() != Some("*") {
                return Err(AccessFault::ResourceValue.at(here()));
            }
            let zone = key.strip_prefix(ZONE).ok_or_else(|| unknown_key(key).at(here()))?;
            if zone == "*" {
                resources.push(Resource::AllZones(account));
                continue;
            }
            let zone: ZoneId = zone.parse().map_err(|_| unknown_key(key).at(here()))?;
            match self.places.account_of_zone(zone) {
                Some(other) if other != account => {
                    return Err(AccessFault::ZoneElsewhere { zone, account: other }.at(here()));
                }
                _ => resources.push(Resource::Zone { zone, account }),
            }
        }
        Ok(resources)
    }

    fn account(&self, key: &str) -> Result<AccountId, AccessFault> {
        match key.strip_prefix(ACCOUNT) {
            Some("*") => Err(AccessFault::EveryAccount),
            Some(id) => self.known(id.parse().map_err(|_| unknown_key(key))?),
            None => Err(unknown_key(key)),
        }
    }

    fn known(&self, account: AccountId) -> Result<AccountId, AccessFault> {
        if self.places.knows_account(account) {
            Ok(account)
        } else {
            Err(AccessFault::ForeignAccount(account))
        }
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, AccessError> {
    value.as_object().ok_or_else(|| AccessFault::NotAnObject.at(""))
}

fn is_policy_member(name: &str) -> bool {
    matches!(name, "effect" | "resources" | "permission_groups" | "id")
}

fn is_group_member(name: &str) -> bool {
    matches!(name, "id" | "name" | "meta")
}

fn wrong_scope(group: &Group) -> AccessFault {
    AccessFault::WrongScope { id: group.id(), name: group.name().to_owned(), scope: group.scope() }
}

fn unknown_key(key: &str) -> AccessFault {
    AccessFault::ResourceKey(shown(key))
}

/// The beginning of a caller's text, fit for one line.
fn shown(text: &str) -> String {
    let printable = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().take(MAX_SHOWN).map(printable).collect()
}

/// The same as a part of a JSON pointer (RFC 6901).
fn escaped(text: &str) -> String {
    shown(text).replace('~', "~0").replace('/', "~1")
}
