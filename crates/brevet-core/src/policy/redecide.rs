//! Decides again about a lease: rules that were tightened bind what is changed from then on.

use serde_json::Value;

use super::ask::Lifetime;
use super::caller::Caller;
use super::decide::{Shape, Terms, read_condition};
use super::denial::{Denial, Operation};
use super::grant::Grant;
use super::reach::Line;
use super::{GrantEntry, Policy};
use crate::access::{Access, Strangers};
use crate::cloudflare::TokenOwner;
use crate::time::Timestamp;

/// A lease as the books hold it.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The account or user that owns the token.
    pub account: TokenOwner,
    /// Whose lease it is.
    pub owner: &'a str,
    /// The grant that made it; none for an operator's.
    pub grant: Option<&'a str>,
    /// The template it was made from; none where the caller gave policies.
    pub template: Option<&'a str>,
    /// When it was made. Every lifetime counts from here.
    pub created: Timestamp,
    /// From when the token works.
    pub not_before: Option<Timestamp>,
    /// From when it no longer works.
    pub expires_on: Timestamp,
    /// Its policies, as Cloudflare was sent them.
    pub policies: &'a Value,
    /// Its condition, as Cloudflare was sent it.
    pub condition: Option<&'a Value>,
    /// The name that the caller gave it.
    pub name: Option<&'a str>,
}

/// A change of a lease that is decided again.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Move its end.
    Renew {
        /// To when. The span counts from now.
        lifetime: Lifetime,
    },
    /// Exchange its value; everything else stays.
    Roll,
    /// Replace what is given here and keep the rest.
    Update {
        /// What it may do.
        policies: Option<Value>,
        /// Its end. A later one needs `renew` too.
        expires_on: Option<Timestamp>,
        /// Its beginning.
        not_before: Option<Timestamp>,
        /// From which addresses it may be used.
        condition: Option<Value>,
        /// Its name.
        name: Option<String>,
    },
}

/// What needs ownership only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// See it.
    Read,
    /// End it.
    Revoke,
}

/// That a caller may see or end a lease. Only [`Policy::permit`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit(());

impl Policy {
    /// Decides whether a caller may see or end a lease of this owner. Operators may, with the power.
    ///
    /// # Errors
    /// [`Denial::NotTheOwner`] or [`Denial::PowerMissing`].
    pub fn permit(&self, caller: &Caller, owner: &str, touch: Touch) -> Result<Permit, Denial> {
        let powers = caller.powers();
        let (held, power) = match touch {
            Touch::Read => (powers.read, "read"),
            Touch::Revoke => (powers.revoke, "revoke"),
        };
        if held || caller.owner() == owner {
            Ok(Permit(()))
        } else if caller.is_operator() {
            Err(Denial::PowerMissing { power })
        } else {
            Err(Denial::NotTheOwner)
        }
    }

    /// Decides whether a caller may change a lease in this way, now. It must own the lease and match
    /// the grant that made it, with the operation listed, and the result must lie in that grant's
    /// present reach. An operator needs the power `mint` instead of a grant.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn redecide(
        &self,
        caller: &Caller,
        held: &Held<'_>,
        change: &Change,
        now: Timestamp,
    ) -> Result<Grant, Denial> {
        let entry = match caller {
            Caller::Operator { powers, .. } => {
                if !powers.mint {
                    return Err(Denial::PowerMissing { power: "mint" });
                }
                None
            }
            Caller::Client { .. } | Caller::Hook { .. } | Caller::Workload(_) => {
                if caller.owner() != held.owner {
                    return Err(Denial::NotTheOwner);
                }
                // The lease of a client or workload always has a grant; one without is nobody's to change.
                let grant = held.grant.ok_or(Denial::NotTheOwner)?;
                let entry = match caller {
                    Caller::Client { name } | Caller::Hook { name } => {
                        self.grants_named(caller, name).into_iter().find(|entry| entry.name == grant)
                    }
                    Caller::Workload(workload) => {
                        self.grants_of_workload(workload).find(|entry| entry.name == grant)
                    }
                    Caller::Operator { .. } => None,
                };
                Some(entry.ok_or_else(|| Denial::GrantGone { grant: grant.to_owned() })?)
            }
        };
        if held.expires_on <= now {
            return Err(Denial::Ended { at: held.expires_on });
        }
        if let Some(entry) = entry {
            for operation in operations(held, change).into_iter().flatten() {
                entry.permits(operation)?;
            }
        }
        let granted = self.decide_change(caller, entry, held, change, now)?;
        match entry {
            // What would be allowed is not, while the grant only records.
            Some(entry) if entry.audit => Err(Denial::AuditOnly { grant: entry.name.clone() }),
            _ => Ok(Grant { owner: held.owner.to_owned(), ..granted }),
        }
    }

    fn decide_change(
        &self,
        caller: &Caller,
        entry: Option<&GrantEntry>,
        held: &Held<'_>,
        change: &Change,
        now: Timestamp,
    ) -> Result<Grant, Denial> {
        let strangers = if entry.is_some() { Strangers::Refuse } else { Strangers::Keep };
        let read = |policies| {
            Access::parse_with(policies, self, &self.catalogue, strangers).map_err(Denial::Policies)
        };
        let account = self.accounts.iter().position(|account| account.owner == held.account);
        let account = account.ok_or(Denial::AccountGone)?;
        let old = read(held.policies);
        let (access, same) = match change {
            Change::Update { policies: Some(policies), .. } => {
                let asked = read(policies)?;
                let same = old.as_ref().is_ok_and(|old| old.same(&asked));
                (asked, same)
            }
            _ => (old?, true),
        };
        let asked_condition = match change {
            Change::Update { condition: Some(condition), .. } => Some(condition),
            _ => held.condition,
        };
        let condition = read_condition(asked_condition)?;
        let (lifetime, not_before, name) = match change {
            Change::Renew { lifetime } => (*lifetime, held.not_before, held.name),
            Change::Roll => (Lifetime::Until(held.expires_on), held.not_before, held.name),
            Change::Update { expires_on, not_before, name, .. } => (
                Lifetime::Until(expires_on.unwrap_or(held.expires_on)),
                not_before.or(held.not_before),
                name.as_deref().or(held.name),
            ),
        };
        let terms = Terms {
            created: held.created,
            now,
            lifetime,
            end_needed: false,
            not_before,
            condition: &condition,
            name,
        };
        // A lease keeps its template as long as its policies stay what the template rendered.
        let template = held.template.filter(|_| same);
        let granted = match entry {
            None => {
                let shape = Shape {
                    account: self.account_at(account)?,
                    access,
                    notes: Vec::new(),
                    // A template that is gone from the rules bounds nothing; the account still does.
                    bound: template.and_then(|name| self.templates.get(name)),
                    template,
                    rule: None,
                };
                self.finish(caller, None, shape, &terms)?
            }
            Some(entry) => {
                let eligible = |line: &Line| {
                    line.is_for(caller) && (line.raw || template == Some(line.template.as_str()))
                };
                let none = match template {
                    Some(template) => Denial::TemplateNotAllowed { template: template.to_owned() },
                    None => Denial::PoliciesNotAllowed,
                };
                self.try_lines(entry, &access, account, none, eligible, |shape| {
                    self.finish(caller, Some(entry), Shape { template, ..shape }, &terms)
                })?
            }
        };
        match (change, entry) {
            // A roll sends no condition: it must already be what the grant adds now.
            (Change::Roll, Some(entry)) if granted.condition != condition => {
                Err(Denial::ConditionTightened { grant: entry.name.clone() })
            }
            _ => Ok(Grant { grant: held.grant.map(str::to_owned), ..granted }),
        }
    }
}

/// The operations that a grant must list for a change.
fn operations(held: &Held<'_>, change: &Change) -> [Option<Operation>; 2] {
    match change {
        Change::Renew { .. } => [Some(Operation::Renew), None],
        Change::Roll => [Some(Operation::Roll), None],
        Change::Update { expires_on, .. } => {
            let later = expires_on.is_some_and(|end| end > held.expires_on);
            [Some(Operation::Update), later.then_some(Operation::Renew)]
        }
    }
}
