//! The denials in words.

use std::fmt;

use super::Denial;

impl Denial {
    /// A short sentence that is the same for every such denial.
    pub fn title(&self) -> &'static str {
        match self {
            Self::NoGrant
            | Self::UnknownGrant { .. }
            | Self::ClaimMisfit { .. }
            | Self::GrantDisabled { .. }
            | Self::AuditOnly { .. }
            | Self::OperationNotListed { .. }
            | Self::TemplateNotAllowed { .. }
            | Self::PoliciesNotAllowed
            | Self::ParameterRefused { .. }
            | Self::OutOfReach { .. }
            | Self::AccountGone
            | Self::GrantGone { .. }
            | Self::ConditionTightened { .. } => "No grant allows this",
            Self::PowerMissing { .. } => "The operator lacks a power",
            Self::GrantForOperator => "An operator needs no grant",
            Self::SeveralGrants { .. } | Self::SeveralLines { .. } => "Several rules allow this",
            Self::UnknownTemplate { .. } => "There is no such template",
            Self::UnknownParameter { .. }
            | Self::UnknownAccount { .. }
            | Self::UnknownZone { .. }
            | Self::AllZonesAndMore
            | Self::ParameterNeeded { .. }
            | Self::SeveralAccounts
            | Self::ZoneElsewhere { .. }
            | Self::Render(_) => "The parameters do not fit the template",
            Self::Policies(_) | Self::Misfit(_) => "The policies are refused",
            Self::Condition(_) => "The condition is refused",
            Self::EndNeeded { .. } => "The token needs an end",
            Self::EndPast { .. } | Self::EndTooLate { .. } | Self::NeverValid { .. } => {
                "The lifetime is refused"
            }
            Self::Guardrail(_) => "A guardrail forbids this",
            Self::NotTheOwner => "There is no such lease",
            Self::Ended { .. } => "The lease has ended",
        }
    }

    /// What happened, in one sentence.
    pub fn detail(&self) -> String {
        format!("{self}.")
    }

    /// What to do next, in one sentence.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::EndNeeded { latest } | Self::EndTooLate { latest, .. } => {
                return format!("Ask for expires_on of {latest} or earlier.");
            }
            Self::ParameterNeeded { name, choices } if choices.is_empty() => {
                return format!("Give params.{name}.");
            }
            Self::ParameterNeeded { name, choices } => {
                return format!("Give params.{name}; one of {}.", some(choices));
            }
            Self::UnknownTemplate { suggestion: Some(name), .. } => {
                return format!("Did you mean \"{name}\"?");
            }
            Self::SeveralGrants { grants } => return format!("Give \"grant\"; one of {}.", some(grants)),
            Self::PowerMissing { power } => {
                return format!("Use the credential of an operator whose rule has \"{power}\" in `may`.");
            }
            Self::Guardrail(breach) => breach.hint(),
            Self::NoGrant => "Ask an operator for a grant.",
            Self::UnknownGrant { .. } => "See the grants that are yours with GET /v1/whoami.",
            Self::ClaimMisfit { .. } => {
                "Compare it with the `when` of the grant, or ask an operator: POST /v1/simulate shows what it misses."
            }
            Self::GrantForOperator => "Leave \"grant\" out.",
            Self::GrantDisabled { .. } => "Ask an operator to switch the grant on.",
            Self::AuditOnly { .. } => "Ask an operator to set the grant's mode to \"enforce\".",
            Self::OperationNotListed { .. } => {
                "Ask an operator to list the operation in the grant, or ask for a new token."
            }
            Self::SeveralLines { .. } => "Give params that only one of the lines allows.",
            Self::UnknownTemplate { suggestion: None, .. } => "See the templates with GET /v1/templates.",
            Self::TemplateNotAllowed { .. } | Self::ParameterRefused { .. } | Self::OutOfReach { .. } => {
                "See what your grants allow with GET /v1/whoami, or ask an operator for more."
            }
            Self::PoliciesNotAllowed => "Ask for a template, or ask an operator for a line with raw = true.",
            Self::UnknownParameter { .. } => "Templates have the parameters \"account\" and \"zone\".",
            Self::UnknownAccount { .. } => "Use the name or id of an account that the rules name.",
            Self::UnknownZone { .. } => "Use the name or id of a zone that the rules name under [zone].",
            Self::AllZonesAndMore => "Give \"*\" alone, or single zones.",
            Self::SeveralAccounts => "Give one account, and ask for one token per account.",
            Self::ZoneElsewhere { .. } => "Ask for one token per account.",
            Self::Render(_) => "See the template's parameters with GET /v1/templates.",
            Self::Policies(_) => {
                "Write the policies as Cloudflare's API takes them, with allow policies only."
            }
            Self::Misfit(_) => "Leave the policy out, or ask for the token where its resource belongs.",
            Self::Condition(_) => "Write {\"in\": [\"203.0.113.0/24\"]} with networks that the grant allows.",
            Self::EndPast { .. } => "Ask for an end in the future.",
            Self::NeverValid { .. } => "Ask for a not_before that comes before the end.",
            Self::NotTheOwner => "List your leases to see the ids you may use.",
            Self::AccountGone | Self::GrantGone { .. } => {
                "Ask for a new token under the rules as they are now."
            }
            Self::Ended { .. } => "Ask for a new token.",
            Self::ConditionTightened { .. } => {
                "Renew the lease, which takes the new condition over, or ask for a new token."
            }
        };
        text.to_owned()
    }
}

/// A few of the values, so that an answer stays short.
fn some(values: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if values.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGrant => f.write_str("no grant is for this caller"),
            Self::UnknownGrant { name } => write!(f, "this caller has no grant \"{name}\""),
            Self::ClaimMisfit { grant, claim, found } => {
                match grant {
                    Some(grant) => write!(f, "grant \"{grant}\" wants another {claim}")?,
                    None => write!(f, "no grant is for this caller: the nearest one wants another {claim}")?,
                }
                match found {
                    Some(found) => write!(f, " than \"{found}\""),
                    None => f.write_str(", and the identity token has none"),
                }
            }
            Self::GrantForOperator => f.write_str("an operator is not bound by a grant"),
            Self::GrantDisabled { grant } => write!(f, "grant \"{grant}\" is switched off"),
            Self::AuditOnly { grant } => {
                write!(
                    f,
                    "grant \"{grant}\" would have allowed it, and its mode is \"audit\": it allows nothing"
                )
            }
            Self::OperationNotListed { grant, operation } => {
                write!(f, "grant \"{grant}\" does not list the operation \"{}\"", operation.word())
            }
            Self::PowerMissing { power } => write!(f, "this needs the power \"{power}\""),
            Self::SeveralGrants { grants } => write!(f, "the grants {} allow it", some(grants)),
            Self::SeveralLines { grant, .. } => {
                write!(f, "several lines of grant \"{grant}\" allow different tokens")
            }
            Self::UnknownTemplate { name, .. } => write!(f, "there is no template \"{name}\""),
            Self::TemplateNotAllowed { template } => {
                write!(f, "no grant of this caller allows template \"{template}\"")
            }
            Self::PoliciesNotAllowed => f.write_str("no grant of this caller takes policies"),
            Self::UnknownParameter { name } => write!(f, "templates have no parameter \"{name}\""),
            Self::UnknownAccount { value } => write!(f, "the rules name no account \"{value}\""),
            Self::UnknownZone { value } => write!(f, "the rules name no zone \"{value}\""),
            Self::AllZonesAndMore => f.write_str("\"*\" stands for all zones and cannot stand beside others"),
            Self::ParameterNeeded { name, .. } => write!(f, "the parameter \"{name}\" is needed"),
            Self::ParameterRefused { name, value } => write!(f, "\"{value}\" is not allowed as {name}"),
            Self::SeveralAccounts => f.write_str("a token belongs to one account"),
            Self::ZoneElsewhere { zone, account } => {
                write!(
                    f,
                    "zone \"{zone}\" lies in account \"{account}\", and the token is not for that account"
                )
            }
            Self::Render(error) => write!(f, "{error}"),
            Self::Policies(error) => write!(f, "{error}"),
            Self::Misfit(misfit) => write!(f, "{misfit}"),
            Self::OutOfReach { group, name, resource, .. } => match name {
                Some(name) => write!(f, "no grant of this caller reaches \"{name}\" on {resource}"),
                None => write!(f, "no grant of this caller reaches permission group {group} on {resource}"),
            },
            Self::Condition(error) => write!(f, "{error}"),
            Self::EndNeeded { .. } => f.write_str("the request does not say when the token ends"),
            Self::EndPast { expires_on } => write!(f, "{expires_on} is not in the future"),
            Self::EndTooLate { expires_on, max_ttl, limit, .. } => {
                write!(f, "{expires_on} is too late: {limit} allows {max_ttl} from the token's creation")
            }
            Self::NeverValid { not_before, expires_on } => {
                write!(f, "the token would begin at {not_before} and end at {expires_on}")
            }
            Self::Guardrail(breach) => write!(f, "{breach}"),
            Self::NotTheOwner => f.write_str("there is no such lease, or it is not yours"),
            Self::AccountGone => f.write_str("the rules no longer have the account of this lease"),
            Self::GrantGone { grant } => {
                write!(f, "grant \"{grant}\", which made this lease, is no longer yours")
            }
            Self::Ended { at } => write!(f, "the lease ended at {at}"),
            Self::ConditionTightened { grant } => {
                write!(f, "the condition of grant \"{grant}\" is narrower now than this token's")
            }
        }
    }
}

impl std::error::Error for Denial {}
