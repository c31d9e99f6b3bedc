//! What the guardrails refuse, and what to do about it.

use std::fmt;

use super::MAX_MANAGING_LIFETIME;
use crate::access::Resource;
use crate::catalogue::{Class, Scope};
use crate::id::GroupId;
use crate::time::Seconds;

/// A permission group on a resource that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// The index of its policy, in the caller's list or in the rendered one.
    pub policy: usize,
    /// The group.
    pub group: GroupId,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// The resource.
    pub resource: Resource,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "\"{name}\" ({}) on {}", self.group, self.resource),
            None => write!(f, "permission group {} on {}", self.group, self.resource),
        }
    }
}

/// What the guardrails refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The token would have no end.
    NoEnd,
    /// An account, or a user, that the rules do not name.
    OutsideRules {
        /// The policy's index.
        policy: usize,
        /// The resource.
        resource: Resource,
    },
    /// A group that nobody knows, asked for by somebody who is no operator.
    UnknownGroup(Box<Offence>),
    /// A group on a kind of resource on which it does not act.
    WrongScope {
        /// The group and the resource.
        on: Box<Offence>,
        /// What the group acts on.
        scope: Scope,
    },
    /// A managing group, asked for by somebody who is no operator with `mint`.
    ManagingWithoutOperator(Box<Offence>),
    /// A managing group in a token that lives too long.
    ManagingTooLong {
        /// The group and the resource.
        on: Box<Offence>,
        /// How long it would live.
        lifetime: Seconds,
    },
    /// A managing group in a token that works from anywhere.
    ManagingFromAnywhere(Box<Offence>),
    /// A group that can rewrite, divert or overhear Brevet, or of which nobody has said that it
    /// cannot, where Brevet lives.
    Takeover {
        /// The group and the resource.
        on: Box<Offence>,
        /// The group's class, which says how.
        class: Class,
    },
}

impl Breach {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoEnd => "no-expiry",
            Self::OutsideRules { .. } => "outside-rules",
            Self::UnknownGroup(_) => "unknown-permission-group",
            Self::WrongScope { .. } => "wrong-scope",
            Self::ManagingWithoutOperator(_) => "managing-group",
            Self::ManagingTooLong { .. } => "managing-group-too-long",
            Self::ManagingFromAnywhere(_) => "managing-group-without-ip-condition",
            Self::Takeover { .. } => "takeover",
        }
    }

    /// The group and resource concerned, where it is about one.
    pub fn offence(&self) -> Option<&Offence> {
        match self {
            Self::NoEnd | Self::OutsideRules { .. } => None,
            Self::UnknownGroup(on)
            | Self::WrongScope { on, .. }
            | Self::ManagingWithoutOperator(on)
            | Self::ManagingTooLong { on, .. }
            | Self::ManagingFromAnywhere(on)
            | Self::Takeover { on, .. } => Some(on),
        }
    }

    /// The index of the policy concerned.
    pub fn policy(&self) -> Option<usize> {
        match self {
            Self::OutsideRules { policy, .. } => Some(*policy),
            other => other.offence().map(|on| on.policy),
        }
    }

    /// What to do next, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoEnd => "Set expires_on, or ask for a ttl.",
            Self::OutsideRules { .. } => {
                "Ask for a resource of an account in the rules, or have an operator add the account."
            }
            Self::UnknownGroup(_) => {
                "Check the id, or have an operator name the group in the rules under [group] with name, scope and id."
            }
            Self::WrongScope { .. } => "Put each group in a policy with resources of its own scope.",
            Self::ManagingWithoutOperator(_) => {
                "Leave the group out, or have an operator with the power \"mint\" make the token."
            }
            Self::ManagingTooLong { .. } => "Ask for one hour or less.",
            Self::ManagingFromAnywhere(_) => {
                "Add a condition with an \"in\" list of the addresses from which the token will be used."
            }
            Self::Takeover { .. } => {
                "Have an operator make the token, use an account that does not host Brevet, \
                 or give the grant an accept_takeover with the reason."
            }
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnd => f.write_str("a token must have an end"),
            Self::OutsideRules { resource, .. } => write!(f, "the rules do not name {resource}"),
            Self::UnknownGroup(on) => write!(f, "{on} is refused: nobody has said what this group can do"),
            Self::WrongScope { on, scope } => {
                write!(f, "{on} is refused: the group acts on resources of scope {scope}")
            }
            Self::ManagingWithoutOperator(on) => write!(
                f,
                "{on} is refused: it manages tokens, members or identity, which only an operator may hand out"
            ),
            Self::ManagingTooLong { on, lifetime } => write!(
                f,
                "{on} is refused for {lifetime}: a token that manages tokens, members or identity \
                 lives at most {MAX_MANAGING_LIFETIME}"
            ),
            Self::ManagingFromAnywhere(on) => write!(
                f,
                "{on} is refused: a token that manages tokens, members or identity needs a condition on addresses"
            ),
            Self::Takeover { on, class: Class::Unclassified } => write!(
                f,
                "{on} is refused: nobody has reviewed this group, and the resource is where Brevet runs"
            ),
            Self::Takeover { on, .. } => {
                write!(f, "{on} is refused: it could rewrite, divert or overhear Brevet, which runs there")
            }
        }
    }
}

impl std::error::Error for Breach {}
