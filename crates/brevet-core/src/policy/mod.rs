//! What the rules allow, decided.
//!
//! A [`Policy`] is immutable and comes from [`crate::rules::compile`] alone. It finds out who calls
//! ([`Policy::authenticate`]), decides about new tokens ([`Policy::decide`]) and decides again about
//! old ones ([`Policy::redecide`]). What it allows is a [`Grant`], which nothing else can make and
//! without which nothing is minted. It does no I/O and has no clock.

mod account;
mod ask;
mod caller;
mod decide;
mod denial;
mod grant;
mod index;
mod listing;
mod reach;
mod redecide;
mod simulate;
mod workload;

use crate::sorted::SortedMap;

use ipnet::IpNet;

use crate::access::Places;
use crate::catalogue::Catalogue;
use crate::cloudflare::TokenOwner;
use crate::condition::Condition;
use crate::guardrail::{BrevetZone, Host};
use crate::hook::Hook;
use crate::id::{AccountId, UserId, ZoneId};
use crate::oidc::IssuerSpec;
use crate::rules::document::{Operations, Pattern, Source};
use crate::template::Template;
use crate::time::{Seconds, Timestamp};

pub use account::Account;
pub use ask::{Ask, AskError, AskFault, AskedAccess, Lifetime, MAX_NAME, Surface, token_name};
pub use caller::{AuthError, Caller, Presented, ROOT, authenticate_root};
pub use denial::{Denial, Limit, Operation};
pub use grant::Grant;
pub use redecide::{Change, Held, Permit, Touch};
pub use simulate::{Simulated, Simulation};
pub use workload::{Miss, Workload};

pub use crate::rules::document::Powers;
pub(crate) use caller::{Holder, Secrets};
pub(crate) use index::GrantIndex;
pub(crate) use reach::{Bounds, Line, ZoneBounds};

/// The rules, worked out.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The origin where this installation is reached.
    pub(crate) url: Option<String>,
    /// This installation's name.
    pub(crate) install: String,
    /// Whether the drop-in verify answers for tokens that are in no book.
    pub(crate) open_verify: bool,
    /// By name.
    pub(crate) accounts: Vec<Account>,
    /// By name.
    pub(crate) zones: SortedMap<String, ZoneRef>,
    /// Zone id → name.
    pub(crate) zone_names: SortedMap<ZoneId, String>,
    pub(crate) brevet_zone: BrevetZone,
    pub(crate) catalogue: Catalogue,
    /// The built-in ones and the rules' own.
    pub(crate) templates: SortedMap<String, Template>,
    pub(crate) secrets: Secrets,
    pub(crate) clients: SortedMap<String, Client>,
    /// Every grant, in byte order of the names.
    pub(crate) grants: Vec<GrantEntry>,
    /// By name.
    pub(crate) issuers: Vec<IssuerSpec>,
    /// Issuer → its grants.
    pub(crate) grants_of_issuers: SortedMap<String, GrantIndex>,
    /// By name.
    pub(crate) hooks: SortedMap<String, Hook>,
    /// The claims that leases keep of their owner.
    pub(crate) kept_claims: Vec<String>,
}

/// A zone that the rules name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRef {
    pub(crate) name: String,
    pub(crate) id: ZoneId,
    pub(crate) account: AccountId,
}

impl ZoneRef {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id.
    pub fn id(&self) -> ZoneId {
        self.id
    }

    /// The account that has it.
    pub fn account(&self) -> AccountId {
        self.account
    }
}

/// A client of the rules.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// From when its secrets are refused.
    pub(crate) not_after: Option<Timestamp>,
    /// The addresses it may call from; any, where there are none.
    pub(crate) from_ip: Vec<IpNet>,
    /// Its grants, by their place among all, ascending.
    pub(crate) grants: Vec<usize>,
}

/// A grant, worked out.
#[derive(Clone, Debug)]
pub(crate) struct GrantEntry {
    pub(crate) name: String,
    pub(crate) from: Source,
    /// Sets of claims: any of the sets, all of a set.
    pub(crate) when: Vec<SortedMap<String, Pattern>>,
    pub(crate) lines: Vec<Line>,
    pub(crate) ttl: Option<Seconds>,
    pub(crate) max_ttl: Option<Seconds>,
    pub(crate) default_ttl: bool,
    pub(crate) operations: Operations,
    pub(crate) audit: bool,
    pub(crate) enabled: bool,
    pub(crate) condition: Condition,
    pub(crate) accept_takeover: Option<String>,
}

impl Policy {
    /// The origin where this installation is reached; none in development mode, where it is the local
    /// one.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// This installation's name, part of every token's name.
    pub fn install(&self) -> &str {
        &self.install
    }

    /// Whether the drop-in verify answers for tokens that are in no book.
    pub fn open_verify(&self) -> bool {
        self.open_verify
    }

    /// The issuer whose URL this is, byte by byte.
    pub fn issuer(&self, url: &str) -> Option<&IssuerSpec> {
        self.issuers.iter().find(|issuer| issuer.url == url)
    }

    /// The issuer of this name.
    pub fn issuer_named(&self, name: &str) -> Option<&IssuerSpec> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }

    /// The only issuer of the rules, where there is only one.
    pub fn only_issuer(&self) -> Option<&IssuerSpec> {
        match self.issuers.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The hook of this name.
    pub fn hook(&self, name: &str) -> Option<&Hook> {
        self.hooks.get(name)
    }

    /// Every hook, by name.
    pub fn hooks(&self) -> impl Iterator<Item = (&String, &Hook)> {
        self.hooks.iter()
    }

    /// The permission groups that are known.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The accounts and the user of the rules, by name.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    /// The zones that the rules name, by name.
    pub fn zones(&self) -> impl Iterator<Item = &ZoneRef> {
        self.zones.values()
    }

    /// Every template, built in or of the rules, by name.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.values()
    }

    /// The template of this name.
    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    /// The account or user of this name or id.
    pub fn account(&self, name_or_id: &str) -> Option<&Account> {
        self.account_index(name_or_id).and_then(|at| self.accounts.get(at))
    }

    /// The account or user whose tokens these are.
    pub fn account_of(&self, owner: TokenOwner) -> Option<&Account> {
        self.accounts.iter().find(|account| account.owner == owner)
    }

    /// The user of the rules, where there is one.
    pub fn user_account(&self) -> Option<&Account> {
        self.accounts.iter().find(|account| matches!(account.owner, TokenOwner::User(_)))
    }

    /// The only account or user of the rules, where there is only one.
    pub fn only_account(&self) -> Option<&Account> {
        match self.accounts.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(crate) fn account_index(&self, name_or_id: &str) -> Option<usize> {
        // A name never has the form of an id, so the order of the two does not matter.
        let by_name = self.accounts.binary_search_by(|account| account.name.as_str().cmp(name_or_id)).ok();
        by_name.or_else(|| self.accounts.iter().position(|account| account.id() == name_or_id))
    }

    pub(crate) fn account_id_at(&self, at: usize) -> Option<AccountId> {
        match self.accounts.get(at)?.owner {
            TokenOwner::Account(id) => Some(id),
            TokenOwner::User(_) => None,
        }
    }

    pub(crate) fn user_id_at(&self, at: usize) -> Option<UserId> {
        match self.accounts.get(at)?.owner {
            TokenOwner::User(id) => Some(id),
            TokenOwner::Account(_) => None,
        }
    }

    pub(crate) fn is_user(&self, at: usize) -> bool {
        self.user_id_at(at).is_some()
    }

    pub(crate) fn account_ids(&self) -> impl Iterator<Item = AccountId> {
        self.accounts.iter().filter_map(|account| match account.owner {
            TokenOwner::Account(id) => Some(id),
            TokenOwner::User(_) => None,
        })
    }

    pub(crate) fn zone_named(&self, name_or_id: &str) -> Option<ZoneRef> {
        let by_id = || name_or_id.parse().ok().and_then(|id: ZoneId| self.zone_names.get(&id));
        self.zones.get(name_or_id).or_else(|| self.zones.get(by_id()?)).cloned()
    }

    /// What the rules call an account.
    fn name_of(&self, id: AccountId) -> String {
        self.account_of(TokenOwner::Account(id))
            .map_or_else(|| id.to_string(), |account| account.name.clone())
    }

    fn outside(&self, at: usize) -> Denial {
        let value = self.accounts.get(at).map(|account| account.name.clone()).unwrap_or_default();
        Denial::ParameterRefused { name: "account", value }
    }

    /// The grants of a client or hook, in byte order of their names.
    pub(crate) fn grants_named(&self, caller: &Caller, name: &str) -> Vec<&GrantEntry> {
        if matches!(caller, Caller::Hook { .. }) {
            let of_hook = |grant: &&GrantEntry| matches!(&grant.from, Source::Hook(hook) if hook == name);
            return self.grants.iter().filter(of_hook).collect();
        }
        let places = self.clients.get(name).map_or(&[][..], |client| &client.grants);
        places.iter().filter_map(|at| self.grants.get(*at)).collect()
    }
}

impl Places for Policy {
    fn account_of_zone(&self, zone: ZoneId) -> Option<AccountId> {
        self.zone_names.get(&zone).and_then(|name| self.zones.get(name)).map(|zone| zone.account)
    }

    fn knows_account(&self, account: AccountId) -> bool {
        self.account_of(TokenOwner::Account(account)).is_some()
    }

    fn user(&self) -> Option<UserId> {
        self.accounts.iter().find_map(|account| match account.owner {
            TokenOwner::User(id) => Some(id),
            TokenOwner::Account(_) => None,
        })
    }
}

impl Host for Policy {
    fn hosts_brevet(&self, account: AccountId) -> bool {
        // Of an account outside the rules nobody has said that Brevet does not run there.
        self.account_of(TokenOwner::Account(account)).is_none_or(|account| account.hosts_brevet)
    }

    fn brevet_zone(&self) -> BrevetZone {
        self.brevet_zone
    }
}

#[cfg(test)]
mod tests;
