//! What a token may do: permission groups on resources, as types that cannot say what Brevet refuses.
//!
//! An [`Access`] is made in two ways: a template renders one, or [`Access::parse`] reads a caller's
//! policies. Both end in the same type, so that nothing can be asked for in one way that is refused
//! in the other. It holds `allow` policies only, one scope each, with a zone always nested under its
//! account: a wildcard over all accounts or over the zones of all of them has no value here.

mod error;
mod read;
mod write;

use crate::sorted::SortedSet;
use std::fmt;

use crate::catalogue::Scope;
use crate::id::{AccountId, GroupId, UserId, ZoneId};

pub use error::{AccessError, AccessFault, Misfit};
pub use read::{MAX_SHOWN, Strangers};

/// The most policies of one token. Every template needs at most three; Cloudflare publishes no bound.
pub const MAX_POLICIES: usize = 64;

/// The most permission groups of one token, over all its policies. Cloudflare has about 410.
pub const MAX_GROUPS: usize = 400;

/// The most resources of one token, over all its policies. Keeps a comparison with a grant's reach,
/// which grows with groups times resources, within a few milliseconds.
pub const MAX_RESOURCES: usize = 500;

/// The two families of tokens. They have the same shapes and do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Owned by an account (`/accounts/{id}/tokens`, values begin with `cfat_`): reaches that account
    /// alone and holds no user-scoped group.
    Account,
    /// Owned by a user (`/user/tokens`, values begin with `cfut_`): reaches what its user reaches.
    User,
}

impl Family {
    /// As rules and answers write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
        }
    }

    /// Reads [`Family::word`].
    pub fn read(text: &str) -> Option<Self> {
        [Self::Account, Self::User].into_iter().find(|family| family.word() == text)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a permission group is granted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// An account as a whole. Account-scoped groups act on it; zone-scoped ones do not.
    Account(AccountId),
    /// Every zone of an account, also those that it will have later.
    AllZones(AccountId),
    /// One zone.
    Zone {
        /// The zone.
        zone: ZoneId,
        /// The account that has it.
        account: AccountId,
    },
    /// The user whom the token acts for.
    User(UserId),
    /// An R2 bucket.
    Bucket(Bucket),
}

/// An R2 bucket: its account, its jurisdiction and its name, all checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    account: AccountId,
    jurisdiction: Box<str>,
    name: Box<str>,
}

impl Bucket {
    /// The account that has it.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Its jurisdiction: `default`, `eu`, ...
    pub fn jurisdiction(&self) -> &str {
        &self.jurisdiction
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Resource {
    /// The scope of the groups that act on it.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Account(_) => Scope::Account,
            Self::AllZones(_) | Self::Zone { .. } => Scope::Zone,
            Self::User(_) => Scope::User,
            Self::Bucket(_) => Scope::Bucket,
        }
    }

    /// The account it belongs to; a user belongs to none.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account(account) | Self::AllZones(account) | Self::Zone { account, .. } => Some(*account),
            Self::Bucket(bucket) => Some(bucket.account),
            Self::User(_) => None,
        }
    }

    /// Whether a grant on this resource is also one on the other. A resource covers itself, and all
    /// zones of an account cover each zone named under that account. An account covers no zone: the
    /// groups that act on the two are different ones.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AllZones(all), Self::Zone { account, .. }) => all == account,
            _ => self == other,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::AllZones(account) => write!(f, "all zones of account {account}"),
            Self::Zone { zone, account } => write!(f, "zone {zone} of account {account}"),
            Self::User(user) => write!(f, "user {user}"),
            Self::Bucket(Bucket { account, jurisdiction, name }) => {
                write!(f, "R2 bucket {name} ({jurisdiction}) of account {account}")
            }
        }
    }
}

/// Groups of one scope, each granted on each of the resources of that scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    scope: Scope,
    /// Not empty, none twice.
    groups: Vec<GroupId>,
    /// Not empty, none twice, all of the scope.
    resources: Vec<Resource>,
    /// Where in the caller's list, or in the rendered one, this policy stands.
    source: usize,
}

impl AccessPolicy {
    /// The one scope of its resources, and of all its groups that the catalogue knows.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Its groups, none twice.
    pub fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    /// Its resources, none twice.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The index of the policy that it comes from, for messages: one policy of a caller may be split
    /// into several, one per scope.
    pub fn source(&self) -> usize {
        self.source
    }
}

/// What a token may do: at least one policy, at most [`MAX_POLICIES`], with at most [`MAX_GROUPS`]
/// groups and [`MAX_RESOURCES`] resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    policies: Vec<AccessPolicy>,
}

/// What a reader of policies must know about the installation. The rules answer it.
pub trait Places {
    /// The account of a zone that the rules name.
    fn account_of_zone(&self, zone: ZoneId) -> Option<AccountId>;
    /// Whether the rules have this account (as an account, not as a user).
    fn knows_account(&self, account: AccountId) -> bool;
    /// The user whom user-owned tokens act for, where the rules have one.
    fn user(&self) -> Option<UserId>;
}

impl Access {
    /// The policies, in the order in which they were asked for.
    pub fn policies(&self) -> &[AccessPolicy] {
        &self.policies
    }

    /// Every (group, resource) pair; a pair that two policies hold comes twice.
    pub fn pairs(&self) -> impl Iterator<Item = (GroupId, &Resource)> {
        self.policies.iter().flat_map(|policy| {
            policy
                .groups
                .iter()
                .flat_map(move |group| policy.resources.iter().map(move |resource| (*group, resource)))
        })
    }

    /// Whether both hold the same pairs. Cloudflare reorders policies and groups, so their order says
    /// nothing.
    pub fn same(&self, other: &Self) -> bool {
        let set =
            |access: &Self| access.pairs().map(|(group, at)| (group, at.clone())).collect::<SortedSet<_>>();
        set(self) == set(other)
    }

    /// The accounts that its resources belong to.
    pub fn accounts(&self) -> SortedSet<AccountId> {
        self.policies.iter().flat_map(|policy| &policy.resources).filter_map(Resource::account).collect()
    }

    /// Whether a token of this account can hold it: an account-owned token reaches its own account
    /// and no user.
    ///
    /// # Errors
    /// [`Misfit`] for the first resource that it cannot hold.
    pub fn fits_account(&self, owner: AccountId) -> Result<(), Misfit> {
        for policy in &self.policies {
            for resource in &policy.resources {
                let policy = policy.source;
                match resource.account() {
                    None => return Err(Misfit::UserResource { policy }),
                    Some(account) if account != owner => {
                        return Err(Misfit::OtherAccount { policy, account, owner });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Puts policies of one scope each together. Only for those in this crate that made the parts
    /// from checked values.
    ///
    /// # Errors
    /// [`AccessFault`] where nothing is left or a bound is passed.
    pub(crate) fn from_parts(
        parts: impl IntoIterator<Item = (Scope, Vec<GroupId>, Vec<Resource>)>,
    ) -> Result<Self, AccessFault> {
        let policies = parts
            .into_iter()
            .enumerate()
            .map(|(source, (scope, groups, resources))| AccessPolicy { scope, groups, resources, source });
        Self::bounded(policies.collect())
    }

    fn bounded(policies: Vec<AccessPolicy>) -> Result<Self, AccessFault> {
        let groups = policies.iter().map(|policy| policy.groups.len()).sum();
        let resources = policies.iter().map(|policy| policy.resources.len()).sum();
        if policies.is_empty() {
            Err(AccessFault::NoPolicies)
        } else if policies.len() > MAX_POLICIES {
            Err(AccessFault::TooManyPolicies(policies.len()))
        } else if groups > MAX_GROUPS {
            Err(AccessFault::TooManyGroups(groups))
        } else if resources > MAX_RESOURCES {
            Err(AccessFault::TooManyResources(resources))
        } else {
            Ok(Self { policies })
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
