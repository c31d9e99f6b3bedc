//! Tokens: what is kept of them, what they may do, how they are shown.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::groups::{Groups, Scope};
use crate::instant;
use crate::policy::{Effect, Policy, Resource};
use crate::value::Digest;
use crate::world::World;

/// Who owns a token: that decides its family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The user with this id: family `/user/tokens`.
    User(String),
    /// The account with this id: family `/accounts/{id}/tokens`.
    Account(String),
}

impl Owner {
    /// The prefix of the values of this family's tokens.
    #[must_use]
    pub const fn value_prefix(&self) -> &'static str {
        match self {
            Self::User(_) => "cfut_",
            Self::Account(_) => "cfat_",
        }
    }

    /// The id of the user or account.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Account(id) => id,
        }
    }

    /// Whether a token of this owner can do anything in the account at all.
    #[must_use]
    pub fn reaches_account(&self, account: &str, world: &World) -> bool {
        match self {
            Self::User(_) => world.account(account).is_some_and(|account| account.ours),
            Self::Account(own) => own == account,
        }
    }
}

/// A token's stored status. Expiry is not stored: it follows from the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Usable.
    Active,
    /// Switched off by its owner.
    Disabled,
    /// Revoked by Cloudflare after its value was found in public.
    Exposed,
}

/// What a token is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Live,
    /// Its `not_before` is yet to come.
    NotYetValid,
    /// It is on or after its `expires_on`.
    Expired,
    /// Its owner switched it off.
    Disabled,
    /// Cloudflare revoked it.
    Exposed,
}

/// From where a token may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Only from these. An empty list matches no address at all; an absent one does not restrict.
    pub within: Option<Vec<IpNet>>,
    /// Not from these.
    pub without: Option<Vec<IpNet>>,
}

impl Condition {
    /// Whether the address may use the token.
    #[must_use]
    pub fn admits(&self, ip: IpAddr) -> bool {
        let within = self.within.as_ref().is_none_or(|nets| nets.iter().any(|net| net.contains(&ip)));
        let without = self.without.as_ref().is_some_and(|nets| nets.iter().any(|net| net.contains(&ip)));
        within && !without
    }

    fn json(&self) -> Value {
        let list = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut inner = Map::new();
        if let Some(nets) = &self.within {
            inner.insert("in".to_owned(), json!(list(nets)));
        }
        if let Some(nets) = &self.without {
            inner.insert("not_in".to_owned(), json!(list(nets)));
        }
        json!({ "request_ip": inner })
    }
}

/// A token as it is kept: never its value.
#[derive(Clone, Debug)]
pub struct Token {
    /// 32 lower-case hex.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// 1 to 120 characters; two tokens may have one name.
    pub name: String,
    /// What it may do, in canonical order.
    pub policies: Vec<Policy>,
    /// From where.
    pub condition: Option<Condition>,
    /// Its stored status.
    pub status: Status,
    /// Unix seconds.
    pub issued_on: i64,
    /// Unix seconds.
    pub modified_on: i64,
    /// Unix seconds.
    pub last_used_on: Option<i64>,
    /// Unix seconds; usable from then on.
    pub not_before: Option<i64>,
    /// Unix seconds; unusable on or after it.
    pub expires_on: Option<i64>,
    /// SHA-256 of the value.
    pub digest: Digest,
    /// Until when no edge knows it yet (propagation).
    pub unknown_until: i64,
    /// What it may do until its last change has spread: the moment and the policies before.
    pub before_change: Option<(i64, Vec<Policy>)>,
    /// The order in which tokens were made.
    pub sequence: u64,
}

impl Token {
    /// What the token is at a moment.
    #[must_use]
    pub fn standing(&self, now: i64) -> Standing {
        match self.status {
            Status::Exposed => Standing::Exposed,
            _ if self.expired(now) => Standing::Expired,
            Status::Disabled => Standing::Disabled,
            Status::Active if self.not_before.is_some_and(|from| now < from) => Standing::NotYetValid,
            Status::Active => Standing::Live,
        }
    }

    /// Whether it is on or after `expires_on`.
    #[must_use]
    pub fn expired(&self, now: i64) -> bool {
        self.expires_on.is_some_and(|end| now >= end)
    }

    /// The status as the API shows it.
    #[must_use]
    pub fn shown_status(&self, now: i64) -> &'static str {
        match self.standing(now) {
            Standing::Live | Standing::NotYetValid => "active",
            Standing::Expired => "expired",
            Standing::Disabled => "disabled",
            Standing::Exposed => "revoked (exposed)",
        }
    }

    /// The policies in force at a moment.
    #[must_use]
    pub fn policies_at(&self, now: i64) -> &[Policy] {
        match &self.before_change {
            Some((until, before)) if now < *until => before,
            _ => &self.policies,
        }
    }

    /// The token as the API shows it. Absent members are left out, or `null` where `nulls` is set.
    #[must_use]
    pub fn json(&self, groups: &Groups, now: i64, nulls: bool) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Option<Value>| match value {
            Some(value) => drop(map.insert(key.to_owned(), value)),
            None if nulls => drop(map.insert(key.to_owned(), Value::Null)),
            None => {}
        };
        let time = |seconds: i64| json!(instant::text(seconds));
        put("id", Some(json!(self.id)));
        put("name", Some(json!(self.name)));
        put("status", Some(json!(self.shown_status(now))));
        put("issued_on", Some(time(self.issued_on)));
        put("modified_on", Some(time(self.modified_on)));
        put("last_used_on", self.last_used_on.map(time));
        put("not_before", self.not_before.map(time));
        put("expires_on", self.expires_on.map(time));
        put("condition", self.condition.as_ref().map(Condition::json));
        let policies: Vec<Value> = self.policies.iter().map(|policy| policy.json(groups)).collect();
        put("policies", Some(json!(policies)));
        map
    }
}

/// Something a token may or may not act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// The account with this id.
    Account(&'a str),
    /// A zone and the account it belongs to.
    Zone {
        /// The account's id.
        account: &'a str,
        /// The zone's id.
        id: &'a str,
    },
    /// The user with this id.
    User(&'a str),
}

impl Target<'_> {
    const fn scope(self) -> Scope {
        match self {
            Self::Account(_) => Scope::Account,
            Self::Zone { .. } => Scope::Zone,
            Self::User(_) => Scope::User,
        }
    }

    fn covered_by(self, resource: &Resource) -> bool {
        match (self, resource) {
            (Self::Account(id), Resource::Account(which)) => which.meets(id),
            (Self::Zone { id, .. }, Resource::Zone(which)) => which.meets(id),
            (Self::Zone { account, id }, Resource::ZoneOf { account: of, zone }) => {
                of == account && zone.meets(id)
            }
            (Self::User(id), Resource::User(user)) => user == id,
            _ => false,
        }
    }
}

/// Something that a call does, and the groups that hold it. "Write" holds what "Read" does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read tokens of the user family.
    ReadUserTokens,
    /// Create and change tokens of the user family.
    WriteUserTokens,
    /// Read tokens of an account.
    ReadAccountTokens,
    /// Create and change tokens of an account.
    WriteAccountTokens,
    /// See a zone.
    ReadZone,
    /// See the user.
    ReadUser,
    /// See an account's settings.
    ReadAccount,
    /// See the user's memberships.
    ReadMemberships,
    /// See the account's Workers.
    ReadScripts,
    /// Empty a zone's cache.
    PurgeCache,
    /// See DNS records.
    ReadDns,
    /// Change DNS records.
    WriteDns,
}

impl Action {
    /// The names of the groups that hold it, as the catalogue spells them.
    #[must_use]
    pub(crate) const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::ReadUserTokens => &["API Tokens Read", "API Tokens Write"],
            Self::WriteUserTokens => &["API Tokens Write"],
            Self::ReadAccountTokens => &["Account API Tokens Read", "Account API Tokens Write"],
            Self::WriteAccountTokens => &["Account API Tokens Write"],
            Self::ReadZone => &["Zone Read", "Zone Write"],
            Self::ReadUser => &["User Details Read", "User Details Write"],
            Self::ReadAccount => &["Account Settings Read", "Account Settings Write"],
            Self::ReadMemberships => &["Memberships Read", "Memberships Write"],
            Self::ReadScripts => &["Workers Scripts Read", "Workers Scripts Write"],
            Self::PurgeCache => &["Cache Purge"],
            Self::ReadDns => &["DNS Read", "DNS Write"],
            Self::WriteDns => &["DNS Write"],
        }
    }
}

/// Whether the policies allow the action: an explicit denial decides, then an explicit allowance,
/// else no. `catalogue` knows the groups by their first names, so that a renamed group still acts.
#[must_use]
pub(crate) fn permits(policies: &[Policy], action: Action, target: Target<'_>, catalogue: &Groups) -> bool {
    let holds = |effect: Effect| {
        policies.iter().filter(|policy| policy.effect == effect).any(|policy| {
            policy.resources.iter().any(|resource| target.covered_by(resource))
                && policy.groups.iter().any(|id| {
                    catalogue.by_id(id).is_some_and(|group| {
                        group.scopes.contains(&target.scope())
                            && action.groups().contains(&group.name.as_str())
                    })
                })
        })
    };
    !holds(Effect::Deny) && holds(Effect::Allow)
}
