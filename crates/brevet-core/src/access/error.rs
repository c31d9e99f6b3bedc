//! What can be wrong with policies.

use std::fmt;

use super::{MAX_GROUPS, MAX_POLICIES, MAX_RESOURCES};
use crate::catalogue::Scope;
use crate::id::{AccountId, GroupId, UserId, ZoneId};

/// What is wrong with a caller's policies, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError {
    /// JSON pointer (RFC 6901) into the list of policies; empty for the list as a whole.
    pub pointer: String,
    /// What is wrong there.
    pub fault: AccessFault,
}

/// What is wrong with policies. Texts of the caller are cut to [`super::MAX_SHOWN`] characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessFault {
    /// A JSON array of policies was expected.
    NotAList,
    /// A JSON object was expected.
    NotAnObject,
    /// There is no policy at all: such a token could do nothing.
    NoPolicies,
    /// More than [`MAX_POLICIES`], counted after splitting by scope.
    TooManyPolicies(usize),
    /// More than [`MAX_GROUPS`] over all policies.
    TooManyGroups(usize),
    /// More than [`MAX_RESOURCES`] over all policies.
    TooManyResources(usize),
    /// A member that must be there is missing.
    Missing(&'static str),
    /// A member that policies do not have.
    UnknownMember(String),
    /// `effect` is `deny`: what a token may do is said by `allow` alone, so that two sets of pairs
    /// can be compared.
    Deny,
    /// `effect` is something else.
    Effect,
    /// The groups are no list, or an empty one.
    NoGroups,
    /// A group's id is not 32 lower-case hexadecimal digits.
    GroupId(String),
    /// No group has this id.
    UnknownGroup(GroupId),
    /// The group acts on another kind of resource than any that its policy names.
    WrongScope {
        /// The group.
        id: GroupId,
        /// Its name.
        name: String,
        /// What it acts on.
        scope: Scope,
    },
    /// No group of the policy acts on this kind of resource.
    IdleResource {
        /// The kind.
        scope: Scope,
    },
    /// The resources are no object, or an empty one.
    NoResources,
    /// The key is none that Brevet knows, or holds an id that is none.
    ResourceKey(String),
    /// The value is not `"*"`, nor zones nested under an account.
    ResourceValue,
    /// Every account there is.
    EveryAccount,
    /// The zones of every account there are.
    EveryZone,
    /// An account that the rules do not name.
    ForeignAccount(AccountId),
    /// A zone on its own whose account the rules do not tell.
    UnknownZone(ZoneId),
    /// The zone is nested under one account, and the rules say that another has it.
    ZoneElsewhere {
        /// The zone.
        zone: ZoneId,
        /// The account that has it.
        account: AccountId,
    },
    /// A user other than the one whom the rules name.
    ForeignUser(UserId),
}

impl AccessFault {
    pub(super) fn at(self, pointer: impl Into<String>) -> AccessError {
        AccessError { pointer: pointer.into(), fault: self }
    }
}

impl fmt::Display for AccessFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAList => f.write_str("policies must be a list"),
            Self::NotAnObject => f.write_str("this must be an object"),
            Self::NoPolicies => f.write_str("there is no policy; give at least one"),
            Self::TooManyPolicies(found) => {
                write!(f, "there are {found} policies, one per scope; at most {MAX_POLICIES} fit in a token")
            }
            Self::TooManyGroups(found) => {
                write!(f, "there are {found} permission groups; at most {MAX_GROUPS} fit in a token")
            }
            Self::TooManyResources(found) => {
                write!(f, "there are {found} resources; at most {MAX_RESOURCES} fit in a token")
            }
            Self::Missing(name) => write!(f, "\"{name}\" is missing"),
            Self::UnknownMember(name) => write!(f, "\"{name}\" is not a member that policies have"),
            Self::Deny => f.write_str(
                "deny policies are refused; name in allow policies exactly what the token may do",
            ),
            Self::Effect => f.write_str("the effect must be \"allow\""),
            Self::NoGroups => f.write_str("give a list of at least one permission group, like [{\"id\": \"...\"}]"),
            Self::GroupId(text) => {
                write!(f, "\"{text}\" is not the id of a permission group: 32 lower-case hexadecimal digits")
            }
            Self::UnknownGroup(id) => write!(
                f,
                "permission group {id} is unknown; an operator may name it in the rules under [group]"
            ),
            Self::WrongScope { id, name, scope } => write!(
                f,
                "\"{name}\" ({id}) acts on resources of scope {scope}, and the policy names none"
            ),
            Self::IdleResource { scope } => {
                write!(f, "no permission group of the policy acts on a resource of scope {scope}")
            }
            Self::NoResources => f.write_str("give at least one resource"),
            Self::ResourceKey(text) => write!(
                f,
                "\"{text}\" is not a resource: use com.cloudflare.api.account.<ID>, zones nested under it, \
                 com.cloudflare.api.user.<ID> or com.cloudflare.edge.r2.bucket.<ACCOUNT>_<JURISDICTION>_<NAME>"
            ),
            Self::ResourceValue => f.write_str(
                "a resource's value must be \"*\", or under an account its zones, \
                 like {\"com.cloudflare.api.account.zone.<ID>\": \"*\"}",
            ),
            Self::EveryAccount => f.write_str("all accounts at once are refused; name the account by its id"),
            Self::EveryZone => f.write_str(
                "the zones of all accounts at once are refused; nest com.cloudflare.api.account.zone.* under one account",
            ),
            Self::ForeignAccount(account) => write!(f, "account {account} is not in the rules"),
            Self::UnknownZone(zone) => write!(
                f,
                "the account of zone {zone} is not known; nest it under its account, or name it in the rules under [zone]"
            ),
            Self::ZoneElsewhere { zone, account } => {
                write!(f, "zone {zone} belongs to account {account}; nest it under that one")
            }
            Self::ForeignUser(user) => write!(f, "user {user} is not the user of the rules"),
        }
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "the policies are refused: {}", self.fault)
        } else {
            write!(f, "the policies are refused at {}: {}", self.pointer, self.fault)
        }
    }
}

impl std::error::Error for AccessError {}

/// Why an account-owned token cannot hold an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A policy names a user.
    UserResource {
        /// The policy's index.
        policy: usize,
    },
    /// A policy names a resource of another account.
    OtherAccount {
        /// The policy's index.
        policy: usize,
        /// The account named.
        account: AccountId,
        /// The account that owns the token.
        owner: AccountId,
    },
}

impl Misfit {
    /// The index of the policy that does not fit.
    pub fn policy(self) -> usize {
        match self {
            Self::UserResource { policy } | Self::OtherAccount { policy, .. } => policy,
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserResource { .. } => f.write_str(
                "an account-owned token cannot act for a user; ask for a user token, or leave the user's policy out",
            ),
            Self::OtherAccount { account, owner, .. } => write!(
                f,
                "a token of account {owner} cannot reach account {account}; ask for one token per account, or for a user token"
            ),
        }
    }
}

impl std::error::Error for Misfit {}
