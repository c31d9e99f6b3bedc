//! Decides about a new token.

use super::ask::{Ask, AskedAccess, Lifetime, Surface};
use super::caller::Caller;
use super::denial::{Denial, Limit, Operation};
use super::grant::Grant;
use super::reach::{Bounds, Line, Wish, covers};
use super::{Account, GrantEntry, Policy};
use crate::access::{Access, Strangers};
use crate::catalogue::closest;
use crate::condition::Condition;
use crate::guardrail::{self, Facts};
use crate::oidc::Claim;
use crate::rules::document::DEFAULT_ACCOUNT_MAX_TTL;
use crate::template::{Note, Template};
use crate::time::{Seconds, Timestamp};

/// The lifetime of an operator's token made from policies, where none is asked.
const OPERATOR_TTL: Seconds = Seconds::of(60 * 60);

/// What a token would be, before its times, condition and guardrails are looked at.
pub(super) struct Shape<'a> {
    pub(super) account: &'a Account,
    pub(super) access: Access,
    pub(super) notes: Vec<Note>,
    /// The template that bounds it: the one asked for, or the one whose reach covers the policies.
    pub(super) bound: Option<&'a Template>,
    /// The template asked for.
    pub(super) template: Option<&'a str>,
    pub(super) rule: Option<&'a str>,
}

/// The times, condition and name of a token, as asked or as it has them.
pub(super) struct Terms<'a> {
    pub(super) created: Timestamp,
    pub(super) now: Timestamp,
    pub(super) lifetime: Lifetime,
    /// Whether the end must be asked for.
    pub(super) end_needed: bool,
    pub(super) not_before: Option<Timestamp>,
    pub(super) condition: &'a Condition,
    pub(super) name: Option<&'a str>,
}

/// What was asked, read once for all grants that are tried.
struct Question<'a> {
    wanted: Wanted<'a>,
    condition: Condition,
    ask: &'a Ask,
    now: Timestamp,
}

enum Wanted<'a> {
    Template { template: &'a Template, wish: Wish },
    Policies { access: Access, account: usize },
}

impl Policy {
    /// Decides whether this caller may have this token.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn decide(&self, caller: &Caller, ask: &Ask, now: Timestamp) -> Result<Grant, Denial> {
        match caller {
            Caller::Operator { powers, .. } => {
                if !powers.mint {
                    return Err(Denial::PowerMissing { power: "mint" });
                }
                if ask.grant.is_some() {
                    return Err(Denial::GrantForOperator);
                }
                let question = self.question(ask, Strangers::Keep, now)?;
                self.decide_for_operator(caller, &question)
            }
            Caller::Client { name } | Caller::Hook { name } => {
                let unknown = |wanted: Option<&str>| match wanted {
                    Some(wanted) => Denial::UnknownGrant { name: wanted.to_owned() },
                    None => Denial::NoGrant,
                };
                self.decide_by_grants(caller, self.grants_named(caller, name), ask, now, &unknown)
            }
            Caller::Workload(workload) => {
                let unknown = |wanted: Option<&str>| self.no_such_grant(workload, wanted);
                let grants = self.grants_of_workload(workload).collect();
                self.decide_by_grants(caller, grants, ask, now, &unknown)
            }
        }
    }

    fn decide_by_grants(
        &self,
        caller: &Caller,
        mut grants: Vec<&GrantEntry>,
        ask: &Ask,
        now: Timestamp,
        unknown: &dyn Fn(Option<&str>) -> Denial,
    ) -> Result<Grant, Denial> {
        if let Some(wanted) = &ask.grant {
            grants.retain(|grant| grant.name == *wanted);
        }
        if grants.is_empty() {
            return Err(unknown(ask.grant.as_deref()));
        }
        let question = self.question(ask, Strangers::Refuse, now)?;
        self.choose(caller, &grants, &question)
    }

    fn question<'a>(
        &'a self,
        ask: &'a Ask,
        strangers: Strangers,
        now: Timestamp,
    ) -> Result<Question<'a>, Denial> {
        let wanted = match &ask.access {
            AskedAccess::Template { name, params } => {
                Wanted::Template { template: self.known_template(name)?, wish: Wish::read(self, params)? }
            }
            AskedAccess::Raw { policies, account } => Wanted::Policies {
                account: self.owner_of_policies(account.as_deref(), &ask.surface)?,
                access: Access::parse_with(policies, self, &self.catalogue, strangers)
                    .map_err(Denial::Policies)?,
            },
        };
        Ok(Question { wanted, condition: read_condition(ask.condition.as_ref())?, ask, now })
    }

    pub(super) fn known_template(&self, name: &str) -> Result<&Template, Denial> {
        self.templates.get(name).ok_or_else(|| {
            let names = self.templates.keys().map(String::as_str);
            let suggestion = closest(name, names).first().map(|name| (*name).to_owned());
            Denial::UnknownTemplate { name: name.to_owned(), suggestion }
        })
    }

    /// The account or user that will own a token made from policies.
    fn owner_of_policies(&self, asked: Option<&str>, surface: &Surface) -> Result<usize, Denial> {
        let asked = match surface {
            Surface::DropIn { account } => Some(account.as_str()),
            Surface::Native => asked,
        };
        match asked {
            Some(value) => {
                self.account_index(value).ok_or_else(|| Denial::UnknownAccount { value: value.to_owned() })
            }
            None if self.accounts.len() == 1 => Ok(0),
            // Which accounts there are is not for everybody.
            None => Err(Denial::ParameterNeeded { name: "account", choices: Vec::new() }),
        }
    }

    fn decide_for_operator(&self, caller: &Caller, question: &Question<'_>) -> Result<Grant, Denial> {
        let shape = match &question.wanted {
            Wanted::Template { template, wish } => {
                self.render(&Bounds::of_operator(self), template, wish, None)?
            }
            Wanted::Policies { access, account } => Shape {
                account: self.account_at(*account)?,
                access: access.clone(),
                notes: Vec::new(),
                bound: None,
                template: None,
                rule: None,
            },
        };
        self.finish(caller, None, shape, &question.terms(true))
    }

    /// Tries the caller's grants: exactly one must allow it.
    fn choose(
        &self,
        caller: &Caller,
        grants: &[&GrantEntry],
        question: &Question<'_>,
    ) -> Result<Grant, Denial> {
        let mut allowed = Vec::new();
        let mut nearest: Option<Denial> = None;
        for grant in grants {
            match self.try_grant(caller, grant, question) {
                Ok(grant) => allowed.push(grant),
                Err(denial) => {
                    if nearest.as_ref().is_none_or(|nearest| denial.progress() > nearest.progress()) {
                        nearest = Some(denial);
                    }
                }
            }
        }
        // Drop-in clients cannot name a grant: there the first in byte order decides.
        let may_choose = question.ask.surface == Surface::Native;
        if may_choose && allowed.len() > 1 {
            let grants = allowed.into_iter().filter_map(|allowed| allowed.grant).collect();
            return Err(Denial::SeveralGrants { grants });
        }
        match allowed.into_iter().next() {
            Some(grant) => Ok(grant),
            None => Err(nearest.unwrap_or(Denial::NoGrant)),
        }
    }

    fn try_grant(
        &self,
        caller: &Caller,
        entry: &GrantEntry,
        question: &Question<'_>,
    ) -> Result<Grant, Denial> {
        entry.permits(Operation::Create)?;
        let granted = match &question.wanted {
            Wanted::Template { template, wish } => self.try_template(caller, entry, template, wish, question),
            Wanted::Policies { access, account } => {
                self.try_policies(caller, entry, access, *account, question)
            }
        }?;
        if entry.audit { Err(Denial::AuditOnly { grant: entry.name.clone() }) } else { Ok(granted) }
    }

    fn try_template(
        &self,
        caller: &Caller,
        entry: &GrantEntry,
        template: &Template,
        wish: &Wish,
        question: &Question<'_>,
    ) -> Result<Grant, Denial> {
        let lines = entry.lines.iter().filter(|line| line.template == template.name());
        let none = || self.no_line(entry, caller, template.name());
        let lines = lines.filter(|line| line.is_for(caller));
        let terms = question.terms(!entry.default_ttl);
        let tried = lines.map(|line| {
            let shape = self.render(&line.bounds, template, wish, Some(&line.pointer))?;
            self.finish(caller, Some(entry), shape, &terms)
        });
        let mut allowed: Vec<Grant> = Vec::new();
        let mut nearest: Option<Denial> = None;
        for result in tried {
            match result {
                Ok(grant) => {
                    let known =
                        |other: &Grant| other.account == grant.account && other.access.same(&grant.access);
                    if !allowed.iter().any(known) {
                        allowed.push(grant);
                    }
                }
                Err(denial) => {
                    if nearest.as_ref().is_none_or(|nearest| denial.progress() > nearest.progress()) {
                        nearest = Some(denial);
                    }
                }
            }
        }
        if allowed.len() > 1 {
            let lines = allowed.into_iter().filter_map(|allowed| allowed.rule).collect();
            return Err(Denial::SeveralLines { grant: entry.name.clone(), lines });
        }
        allowed.into_iter().next().ok_or_else(|| nearest.unwrap_or_else(none))
    }

    /// Why no line of a grant has a template for this caller: none has it, or its claim is in no map.
    fn no_line(&self, entry: &GrantEntry, caller: &Caller, template: &str) -> Denial {
        let line = entry.lines.iter().find(|line| line.template == template);
        match (line.and_then(|line| line.only.as_ref()), caller) {
            (Some((claim, _)), Caller::Workload(workload)) => Denial::ClaimMisfit {
                grant: Some(entry.name.clone()),
                claim: claim.clone(),
                found: workload.identity().claims().get(claim).map(Claim::shown),
            },
            _ => Denial::TemplateNotAllowed { template: template.to_owned() },
        }
    }

    fn try_policies(
        &self,
        caller: &Caller,
        entry: &GrantEntry,
        access: &Access,
        account: usize,
        question: &Question<'_>,
    ) -> Result<Grant, Denial> {
        let raw = |line: &Line| line.raw && line.is_for(caller);
        let terms = question.terms(!entry.default_ttl);
        self.try_lines(entry, access, account, Denial::PoliciesNotAllowed, raw, |shape| {
            self.finish(caller, Some(entry), shape, &terms)
        })
    }

    /// The first of some lines that reaches all of an access and whose token is allowed; the denial
    /// that was nearest where there is none.
    pub(super) fn try_lines<'a>(
        &'a self,
        entry: &'a GrantEntry,
        access: &Access,
        account: usize,
        none: Denial,
        mut eligible: impl FnMut(&Line) -> bool,
        mut finish: impl FnMut(Shape<'a>) -> Result<Grant, Denial>,
    ) -> Result<Grant, Denial> {
        let mut nearest = none;
        for line in entry.lines.iter().filter(|line| eligible(line)) {
            let tried = self.reached(line, access, account).and_then(&mut finish);
            match tried {
                Ok(grant) => return Ok(grant),
                Err(denial) if denial.progress() > nearest.progress() => nearest = denial,
                Err(_) => {}
            }
        }
        Err(nearest)
    }

    fn reached<'a>(&'a self, line: &'a Line, access: &Access, account: usize) -> Result<Shape<'a>, Denial> {
        if !line.bounds.accounts.contains(&account) {
            return Err(self.outside(account));
        }
        let template = self.known_template(&line.template)?;
        covers(self, line, template, account, access)?;
        Ok(Shape {
            account: self.account_at(account)?,
            access: access.clone(),
            notes: Vec::new(),
            bound: Some(template),
            template: None,
            rule: Some(&line.pointer),
        })
    }

    fn render<'a>(
        &'a self,
        bounds: &Bounds,
        template: &'a Template,
        wish: &Wish,
        rule: Option<&'a str>,
    ) -> Result<Shape<'a>, Denial> {
        let selection = bounds.select(self, wish)?;
        let rendered = template.render(&selection.target).map_err(Denial::Render)?;
        Ok(Shape {
            account: self.account_at(selection.account)?,
            access: rendered.access,
            notes: rendered.notes,
            bound: Some(template),
            template: Some(template.name()),
            rule,
        })
    }

    pub(super) fn account_at(&self, at: usize) -> Result<&Account, Denial> {
        self.accounts.get(at).ok_or(Denial::AccountGone)
    }

    /// The last step of every decision: family, condition, times and guardrails, on what Cloudflare
    /// would be sent.
    pub(super) fn finish(
        &self,
        caller: &Caller,
        entry: Option<&GrantEntry>,
        shape: Shape<'_>,
        terms: &Terms<'_>,
    ) -> Result<Grant, Denial> {
        if let crate::cloudflare::TokenOwner::Account(owner) = shape.account.owner {
            shape.access.fits_account(owner).map_err(Denial::Misfit)?;
        }
        let condition = match entry {
            Some(entry) => entry.condition.narrowed_by(terms.condition).map_err(Denial::Condition)?,
            None => terms.condition.clone(),
        };
        let (max_ttl, limit) = cap(&shape, entry);
        let latest = terms.created.plus(max_ttl);
        let expires_on = match terms.lifetime {
            Lifetime::Default if terms.end_needed => return Err(Denial::EndNeeded { latest }),
            Lifetime::Default => terms.now.plus(usual_ttl(&shape, entry)),
            Lifetime::Ttl(span) => terms.now.plus(span),
            Lifetime::Until(moment) => moment,
        };
        if expires_on <= terms.now {
            return Err(Denial::EndPast { expires_on });
        }
        if expires_on > latest {
            return Err(Denial::EndTooLate { expires_on, latest, max_ttl, limit });
        }
        if let Some(not_before) = terms.not_before.filter(|not_before| *not_before >= expires_on) {
            return Err(Denial::NeverValid { not_before, expires_on });
        }
        let facts = Facts {
            operator_mint: caller.powers().mint,
            lifetime: Seconds::from_number(expires_on.since(terms.created)).ok(),
            has_ip_condition: condition.bounds_addresses(),
            accepts_takeover: entry.is_some_and(|entry| entry.accept_takeover.is_some()),
        };
        let marks =
            guardrail::check(&shape.access, &self.catalogue, self, &facts).map_err(Denial::Guardrail)?;
        let takeover = entry.and_then(|entry| entry.accept_takeover.clone());
        Ok(Grant {
            account: shape.account.clone(),
            access: shape.access,
            condition,
            not_before: terms.not_before,
            expires_on,
            latest_allowed: latest,
            grant: entry.map(|entry| entry.name.clone()),
            template: shape.template.map(str::to_owned),
            rule: shape.rule.map(str::to_owned),
            owner: caller.owner(),
            caller: caller.label().to_owned(),
            name: terms.name.map(str::to_owned),
            marks,
            takeover_reason: takeover.filter(|_| marks.takeover),
            notes: shape.notes,
        })
    }
}

impl Question<'_> {
    /// `end_needed` is whether a drop-in request must say when the token ends.
    fn terms(&self, no_default: bool) -> Terms<'_> {
        Terms {
            created: self.now,
            now: self.now,
            lifetime: self.ask.lifetime,
            end_needed: no_default && self.ask.surface != Surface::Native,
            not_before: self.ask.not_before,
            condition: &self.condition,
            name: self.ask.name.as_deref(),
        }
    }
}

impl GrantEntry {
    /// Whether this grant is in force and lists an operation.
    pub(super) fn permits(&self, operation: Operation) -> Result<(), Denial> {
        if !self.enabled {
            return Err(Denial::GrantDisabled { grant: self.name.clone() });
        }
        let listed = match operation {
            Operation::Create => self.operations.create,
            Operation::Update => self.operations.update,
            Operation::Renew => self.operations.renew,
            Operation::Roll => self.operations.roll,
            Operation::Revoke => self.operations.revoke,
        };
        if listed { Ok(()) } else { Err(Denial::OperationNotListed { grant: self.name.clone(), operation }) }
    }
}

pub(super) fn read_condition(asked: Option<&serde_json::Value>) -> Result<Condition, Denial> {
    asked.map(Condition::parse).transpose().map(Option::unwrap_or_default).map_err(Denial::Condition)
}

/// The longest lifetime, and what sets it: the smallest of template, grant and account.
fn cap(shape: &Shape<'_>, entry: Option<&GrantEntry>) -> (Seconds, Limit) {
    let template = shape.bound.map(Template::max_ttl);
    let grant = entry.and_then(|entry| entry.max_ttl);
    let account = shape.account.max_ttl;
    let Some(most) = [template, grant, account].into_iter().flatten().min() else {
        return (DEFAULT_ACCOUNT_MAX_TTL, Limit::Brevet);
    };
    let limit = match (shape.bound, entry) {
        (Some(bound), _) if template == Some(most) => Limit::Template(bound.name().to_owned()),
        (_, Some(entry)) if grant == Some(most) => Limit::Grant(entry.name.clone()),
        _ => Limit::Account(shape.account.name.clone()),
    };
    (most, limit)
}

/// The lifetime where none is asked.
fn usual_ttl(shape: &Shape<'_>, entry: Option<&GrantEntry>) -> Seconds {
    let grant = entry.and_then(|entry| entry.ttl);
    grant.or(shape.bound.map(Template::ttl)).unwrap_or(OPERATOR_TTL)
}
