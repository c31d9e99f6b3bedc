//! Why the rules say no.
//!
//! A denial tells a caller what it may do instead, from its own grants alone: never what another
//! caller may.

mod words;

use std::fmt;

use crate::access::{AccessError, Misfit, Resource};
use crate::condition::ConditionError;
use crate::guardrail::Breach;
use crate::id::GroupId;
use crate::json::Object;
use crate::template::RenderError;
use crate::time::{Seconds, Timestamp};

/// Something that is done with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make one.
    Create,
    /// Change it.
    Update,
    /// Move its end to a later moment.
    Renew,
    /// Exchange its value.
    Roll,
    /// End it.
    Revoke,
}

impl Operation {
    /// As the rules write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Renew => "renew",
            Self::Roll => "roll",
            Self::Revoke => "revoke",
        }
    }
}

/// What bounds a lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The template.
    Template(String),
    /// The grant.
    Grant(String),
    /// The account.
    Account(String),
    /// Brevet itself, where the rules set nothing.
    Brevet,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(name) => write!(f, "template \"{name}\""),
            Self::Grant(name) => write!(f, "grant \"{name}\""),
            Self::Account(name) => write!(f, "account \"{name}\""),
            Self::Brevet => f.write_str("Brevet, as the account sets no max_ttl,"),
        }
    }
}

/// Why the rules say no, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No grant is for this caller.
    NoGrant,
    /// The caller has no such grant. It is not told whether another caller has it.
    UnknownGrant {
        /// The name asked for.
        name: String,
    },
    /// A workload's claim is not the one that a grant wants that is meant for its kind.
    ClaimMisfit {
        /// The grant, where the workload named it.
        grant: Option<String>,
        /// The claim.
        claim: String,
        /// What the workload's own token says there.
        found: Option<String>,
    },
    /// An operator named a grant; operators are not bound by one.
    GrantForOperator,
    /// The grant is switched off.
    GrantDisabled {
        /// The grant.
        grant: String,
    },
    /// The grant would allow it, and only records: `mode = "audit"`.
    AuditOnly {
        /// The grant.
        grant: String,
    },
    /// The grant does not list the operation.
    OperationNotListed {
        /// The grant.
        grant: String,
        /// The operation.
        operation: Operation,
    },
    /// The operator lacks a power.
    PowerMissing {
        /// The power.
        power: &'static str,
    },
    /// Several grants allow it, and the caller must choose.
    SeveralGrants {
        /// The grants.
        grants: Vec<String>,
    },
    /// Several lines of the grant allow different tokens, and the parameters do not tell which.
    SeveralLines {
        /// The grant.
        grant: String,
        /// The lines, as JSON pointers into the rules.
        lines: Vec<String>,
    },
    /// There is no such template.
    UnknownTemplate {
        /// The name asked for.
        name: String,
        /// The one perhaps meant.
        suggestion: Option<String>,
    },
    /// No line allows the template.
    TemplateNotAllowed {
        /// The template.
        template: String,
    },
    /// No line takes policies.
    PoliciesNotAllowed,
    /// Templates have no such parameter.
    UnknownParameter {
        /// The name.
        name: String,
    },
    /// The rules name no such account.
    UnknownAccount {
        /// The name or id asked for.
        value: String,
    },
    /// The rules name no such zone.
    UnknownZone {
        /// The name or id asked for.
        value: String,
    },
    /// `*` beside single zones.
    AllZonesAndMore,
    /// A parameter must be given.
    ParameterNeeded {
        /// The parameter.
        name: &'static str,
        /// The values it may have.
        choices: Vec<String>,
    },
    /// The line does not allow this value.
    ParameterRefused {
        /// The parameter.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// A token belongs to one account.
    SeveralAccounts,
    /// The zone lies in another account than the token's.
    ZoneElsewhere {
        /// The zone.
        zone: String,
        /// Its account.
        account: String,
    },
    /// The template cannot be rendered for this.
    Render(RenderError),
    /// The policies cannot be read.
    Policies(AccessError),
    /// The account's tokens cannot hold these policies.
    Misfit(Misfit),
    /// A pair that no line of the grant reaches.
    OutOfReach {
        /// The index of its policy.
        policy: usize,
        /// The group.
        group: GroupId,
        /// The group's name.
        name: Option<String>,
        /// The resource.
        resource: Resource,
    },
    /// The condition cannot be read, or is wider than the grant's.
    Condition(ConditionError),
    /// The request must say when the token ends.
    EndNeeded {
        /// The latest end that is allowed.
        latest: Timestamp,
    },
    /// The end is not in the future.
    EndPast {
        /// The end.
        expires_on: Timestamp,
    },
    /// The end is later than allowed.
    EndTooLate {
        /// The end asked for.
        expires_on: Timestamp,
        /// The latest end that is allowed.
        latest: Timestamp,
        /// The longest lifetime.
        max_ttl: Seconds,
        /// What sets it.
        limit: Limit,
    },
    /// The token would begin when it has ended.
    NeverValid {
        /// Its beginning.
        not_before: Timestamp,
        /// Its end.
        expires_on: Timestamp,
    },
    /// A guardrail forbids it.
    Guardrail(Breach),
    /// The lease is somebody else's. The caller is told that there is none.
    NotTheOwner,
    /// The rules have no longer the lease's account.
    AccountGone,
    /// The grant that made the lease is no longer the caller's.
    GrantGone {
        /// The grant.
        grant: String,
    },
    /// The lease has ended.
    Ended {
        /// When.
        at: Timestamp,
    },
    /// The grant's condition has become narrower than the lease's.
    ConditionTightened {
        /// The grant.
        grant: String,
    },
}

impl Denial {
    /// A stable name, the `type` of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoGrant => "no-grant",
            Self::UnknownGrant { .. } => "unknown-grant",
            Self::ClaimMisfit { .. } => "claims-do-not-fit",
            Self::GrantForOperator => "grant-for-operator",
            Self::GrantDisabled { .. } => "grant-disabled",
            Self::AuditOnly { .. } => "audit-only",
            Self::OperationNotListed { .. } => "operation-not-listed",
            Self::PowerMissing { .. } => "power-missing",
            Self::SeveralGrants { .. } => "several-grants",
            Self::SeveralLines { .. } => "several-lines",
            Self::UnknownTemplate { .. } => "unknown-template",
            Self::TemplateNotAllowed { .. } => "template-not-allowed",
            Self::PoliciesNotAllowed => "policies-not-allowed",
            Self::UnknownParameter { .. } => "unknown-parameter",
            Self::UnknownAccount { .. } => "unknown-account",
            Self::UnknownZone { .. } => "unknown-zone",
            Self::AllZonesAndMore => "all-zones-and-more",
            Self::ParameterNeeded { .. } => "parameter-needed",
            Self::ParameterRefused { .. } => "parameter-refused",
            Self::SeveralAccounts => "several-accounts",
            Self::ZoneElsewhere { .. } => "zone-elsewhere",
            Self::Render(_) => "not-renderable",
            Self::Policies(_) => "invalid-policies",
            Self::Misfit(_) => "wrong-family",
            Self::OutOfReach { .. } => "out-of-reach",
            Self::Condition(_) => "invalid-condition",
            Self::EndNeeded { .. } => "end-needed",
            Self::EndPast { .. } => "end-past",
            Self::EndTooLate { .. } => "end-too-late",
            Self::NeverValid { .. } => "never-valid",
            Self::Guardrail(breach) => breach.code(),
            Self::NotTheOwner => "no-such-lease",
            Self::AccountGone => "account-gone",
            Self::GrantGone { .. } => "grant-gone",
            Self::Ended { .. } => "lease-ended",
            Self::ConditionTightened { .. } => "condition-tightened",
        }
    }

    /// The HTTP status: 403 where the rules forbid it, 422 where the request must be written
    /// otherwise, 404 for leases that the caller does not have.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotTheOwner | Self::Ended { .. } => 404,
            Self::NoGrant
            | Self::UnknownGrant { .. }
            | Self::ClaimMisfit { .. }
            | Self::GrantDisabled { .. }
            | Self::AuditOnly { .. }
            | Self::OperationNotListed { .. }
            | Self::PowerMissing { .. }
            | Self::TemplateNotAllowed { .. }
            | Self::PoliciesNotAllowed
            | Self::ParameterRefused { .. }
            | Self::OutOfReach { .. }
            | Self::EndTooLate { .. }
            | Self::Guardrail(_)
            | Self::AccountGone
            | Self::GrantGone { .. }
            | Self::ConditionTightened { .. } => 403,
            Self::GrantForOperator
            | Self::SeveralGrants { .. }
            | Self::SeveralLines { .. }
            | Self::UnknownTemplate { .. }
            | Self::UnknownParameter { .. }
            | Self::UnknownAccount { .. }
            | Self::UnknownZone { .. }
            | Self::AllZonesAndMore
            | Self::ParameterNeeded { .. }
            | Self::SeveralAccounts
            | Self::ZoneElsewhere { .. }
            | Self::Render(_)
            | Self::Policies(_)
            | Self::Misfit(_)
            | Self::Condition(_)
            | Self::EndNeeded { .. }
            | Self::EndPast { .. }
            | Self::NeverValid { .. } => 422,
        }
    }

    /// The member of the request or the place in the rules that decided, as a JSON pointer. One that
    /// begins with `/rules` leads into the rules.
    pub fn pointer(&self) -> Option<String> {
        let own = |text: &str| Some(text.to_owned());
        let grant = |name: &str, field: &str| Some(format!("/rules/grant/{name}{field}"));
        match self {
            Self::NoGrant
            | Self::NotTheOwner
            | Self::AccountGone
            | Self::Ended { .. }
            | Self::PowerMissing { .. } => None,
            Self::UnknownGrant { .. } | Self::GrantForOperator | Self::SeveralGrants { .. } => own("/grant"),
            Self::ClaimMisfit { grant: name, .. } => name.as_ref().and_then(|name| grant(name, "/when")),
            Self::GrantDisabled { grant: name } => grant(name, "/enabled"),
            Self::AuditOnly { grant: name } => grant(name, "/mode"),
            Self::OperationNotListed { grant: name, .. } => grant(name, "/operations"),
            Self::GrantGone { grant: name } => grant(name, ""),
            Self::ConditionTightened { grant: name } => grant(name, "/condition"),
            Self::UnknownTemplate { .. } | Self::TemplateNotAllowed { .. } => own("/template"),
            Self::PoliciesNotAllowed => own("/policies"),
            Self::SeveralLines { .. } => own("/params"),
            Self::UnknownParameter { name } => {
                Some(format!("/params/{}", name.replace('~', "~0").replace('/', "~1")))
            }
            Self::UnknownAccount { .. } | Self::SeveralAccounts => own("/params/account"),
            Self::UnknownZone { .. } | Self::AllZonesAndMore | Self::ZoneElsewhere { .. } => {
                own("/params/zone")
            }
            Self::ParameterNeeded { name, .. } | Self::ParameterRefused { name, .. } => {
                Some(format!("/params/{name}"))
            }
            Self::Render(_) => own("/params"),
            Self::Policies(error) => Some(format!("/policies{}", error.pointer)),
            Self::Misfit(misfit) => Some(format!("/policies/{}", misfit.policy())),
            Self::OutOfReach { policy, .. } => Some(format!("/policies/{policy}")),
            Self::Condition(error) => Some(format!("/condition{}", error.pointer)),
            Self::EndNeeded { .. } | Self::EndPast { .. } | Self::EndTooLate { .. } => own("/expires_on"),
            Self::NeverValid { .. } => own("/not_before"),
            Self::Guardrail(breach) => breach.policy().map(|policy| format!("/policies/{policy}")),
        }
    }

    /// Adds the facts of the denial that a program may use.
    pub fn tell_evidence(&self, into: &mut Object) {
        match self {
            Self::ClaimMisfit { claim, found, .. } => {
                into.text("claim", claim).put("found", found);
            }
            Self::AuditOnly { grant } => {
                into.text("would_have_allowed", grant);
            }
            Self::EndNeeded { latest } => {
                into.text("latest_expires_on", &latest.to_string());
            }
            Self::EndTooLate { latest, max_ttl, .. } => {
                into.text("latest_expires_on", &latest.to_string()).put("max_ttl", &max_ttl.get());
            }
            Self::ParameterNeeded { choices, .. } => {
                into.put("choices", choices);
            }
            Self::SeveralGrants { grants } => {
                into.put("grants", grants);
            }
            Self::SeveralLines { lines, .. } => {
                into.put("lines", lines);
            }
            Self::OutOfReach { group, resource, .. } => {
                into.put("permission_group", group).text("resource", &resource.to_string());
            }
            _ => {}
        }
    }

    /// How far the decision came: of several grants that deny, the caller hears of the one that was
    /// nearest to allowing.
    pub(super) fn progress(&self) -> u8 {
        match self {
            Self::AuditOnly { .. } => 9,
            Self::Guardrail(_) => 8,
            Self::EndNeeded { .. }
            | Self::EndPast { .. }
            | Self::EndTooLate { .. }
            | Self::NeverValid { .. } => 7,
            Self::Condition(_) => 6,
            Self::SeveralLines { .. } => 5,
            Self::OutOfReach { .. } | Self::Render(_) | Self::Misfit(_) => 4,
            Self::ParameterNeeded { .. }
            | Self::ParameterRefused { .. }
            | Self::SeveralAccounts
            | Self::ZoneElsewhere { .. } => 3,
            Self::OperationNotListed { .. } => 2,
            Self::GrantDisabled { .. } => 1,
            _ => 0,
        }
    }
}
