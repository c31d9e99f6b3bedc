//! What is done with leases that exist: find, list, renew, roll, change and end them.

use crate::broker::fault::Fault;
use crate::broker::mint::{MOST_DECISIONS, parents_of};
use crate::broker::ports::Ports;
use crate::broker::session::{Said, Session};
use crate::cloudflare::{TokenOwner, TokenView};
use crate::ledger::book::{After, Filter, LeaseKey, Page};
use crate::ledger::lease::{AsAsked, Lease};
use crate::ledger::protocol::{Answer, Change, Operation, Refusal};
use crate::policy::{self, Account, Grant, Held, Lifetime, Touch};
use crate::secret::Secret;

/// A lease and the account or user that owns its token.
#[derive(Debug)]
pub struct Found {
    /// The lease.
    pub lease: Box<Lease>,
    /// The account or user.
    pub account: Account,
    /// The token as Cloudflare shows it, where it was asked.
    pub view: Option<TokenView>,
}

/// What of a token its owner may set; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// What it may do.
    pub policies: Option<serde_json::Value>,
    /// Its end.
    pub expires_on: Option<crate::time::Timestamp>,
    /// Its beginning.
    pub not_before: Option<crate::time::Timestamp>,
    /// From which addresses it may be used.
    pub condition: Option<serde_json::Value>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
    /// What the caller wrote.
    pub asked: AsAsked,
}

/// What is to be done with a lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Read it from the books.
    Read,
    /// Have Cloudflare asked too, and the books put right by its answer.
    LookUp,
    /// Move its end.
    Renew(Lifetime),
    /// Give its token a new value.
    Roll,
    /// Replace what its owner may set.
    Update(Box<Wanted>),
    /// End it.
    Revoke,
}

/// A lease after a deed.
#[derive(Debug)]
pub struct Done {
    /// The lease and what is known of its token.
    pub found: Found,
    /// The new value, after [`Deed::Roll`] and after nothing else.
    pub value: Option<Secret>,
}

/// An operator sees and ends the leases of others only with the power for it.
fn permit(session: &Session, lease: &Lease, touch: Touch) -> Result<(), Fault> {
    let permitted = session.in_force.policy.permit(&session.caller, &lease.owner, touch);
    permitted.map(drop).map_err(Fault::from)
}

/// Does something with the lease of this key, in whichever ledger it is, or `within` one.
///
/// # Errors
/// [`Refusal::NotFound`] where it is in none, or not the caller's; the rule or the power that refuses,
/// what the books refuse, and what Cloudflare does. A revocation that Cloudflare fails leaves the
/// lease `revoking`.
pub async fn act<P: Ports>(
    ports: &P,
    session: &mut Session,
    within: Option<TokenOwner>,
    key: LeaseKey,
    deed: &Deed,
) -> Result<Done, Fault> {
    let in_force = std::rc::Rc::clone(&session.in_force);
    let accounts = in_force.policy.accounts();
    for account in accounts.filter(|account| within.is_none_or(|owner| account.owner() == owner)) {
        match act_in(ports, session, account, key, deed).await {
            Err(Fault::Ledger(Refusal::NotFound)) => {}
            outcome => return outcome,
        }
    }
    Err(Fault::Ledger(Refusal::NotFound))
}

/// Reads the lease, decides on what was read, and has the ledger carry the deed out. Where the lease or
/// the rules moved in between, that is done once more, on what is there then.
async fn act_in<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    key: LeaseKey,
    deed: &Deed,
) -> Result<Done, Fault> {
    let mut account = account.clone();
    let mut read: Option<Box<Lease>> = None;
    let mut last = Fault::Ledger(Refusal::Moved);
    let mut decisions = 0;
    while decisions < MOST_DECISIONS {
        let operation = match &read {
            None => opening(session, &account, key, deed),
            Some(lease) => {
                decisions += 1;
                order(ports, session, &account, lease, deed)?
            }
        };
        let carried_out = !matches!(operation, Operation::Read { .. });
        match session.ask(ports, account.owner(), operation).await {
            Ok(Said::Answer(answer)) => {
                let done = done(answer, &account)?;
                if carried_out {
                    if *deed == Deed::Roll && done.value.is_none() {
                        return Err(Fault::Ledger(Refusal::Protocol));
                    }
                    if let Some(token) = done.found.lease.token_id {
                        ports.memory().forget_token(token);
                    }
                    return Ok(done);
                }
                permit(session, &done.found.lease, Touch::Read)?;
                if matches!(deed, Deed::Read | Deed::LookUp) {
                    return Ok(done);
                }
                read = Some(done.found.lease);
                continue;
            }
            Ok(Said::Again) => {}
            Err(fault @ Fault::Ledger(Refusal::Moved)) => last = fault,
            Err(fault) => return Err(fault),
        }
        let present = session.in_force.policy.account_of(account.owner()).cloned();
        account = present.ok_or(Fault::Ledger(Refusal::NotFound))?;
        read = None;
    }
    Err(last)
}

/// The first question: a reading, but for a revocation by somebody who may end whatever is found.
fn opening(session: &Session, account: &Account, key: LeaseKey, deed: &Deed) -> Operation {
    // An operator without the power to revoke may end its own leases, so whose it is comes first.
    let may_revoke = !session.caller.is_operator() || session.caller.powers().revoke;
    if *deed == Deed::Revoke && may_revoke {
        return Operation::Revoke { key, parents: parents_of(account) };
    }
    let asks = *deed == Deed::LookUp;
    Operation::Read { key, ask_cloudflare: asks.then(|| parents_of(account)) }
}

/// What the ledger is told to do, decided on the lease as it was read.
fn order<P: Ports>(
    ports: &P,
    session: &Session,
    account: &Account,
    lease: &Lease,
    deed: &Deed,
) -> Result<Operation, Fault> {
    let parents = parents_of(account);
    let change = match deed {
        Deed::Renew(lifetime) => policy::Change::Renew { lifetime: *lifetime },
        Deed::Roll => policy::Change::Roll,
        Deed::Update(wanted) => policy::Change::Update {
            policies: wanted.policies.clone(),
            expires_on: wanted.expires_on,
            not_before: wanted.not_before,
            condition: wanted.condition.clone(),
            name: wanted.asked.name.clone(),
        },
        Deed::Read | Deed::LookUp | Deed::Revoke => {
            permit(session, lease, Touch::Revoke)?;
            return Ok(Operation::Revoke { key: LeaseKey::Lease(lease.id), parents });
        }
    };
    let held = Held {
        account: account.owner(),
        owner: &lease.owner,
        grant: lease.grant.as_deref(),
        template: lease.template.as_deref(),
        created: lease.created,
        not_before: lease.not_before,
        expires_on: lease.expires_on,
        policies: &lease.policies,
        condition: lease.condition.as_ref(),
        name: lease.asked.name.as_deref(),
    };
    let decided = session.in_force.policy.redecide(&session.caller, &held, &change, ports.now());
    let grant = decided.map_err(Fault::from)?;
    let change = Box::new(changed(deed, lease, &grant));
    Ok(Operation::Change { lease: lease.id, revision: lease.revision, parents, change })
}

fn changed(deed: &Deed, lease: &Lease, grant: &Grant) -> Change {
    match deed {
        Deed::Update(wanted) => Change::Update {
            policies: grant.policies_json(),
            condition: grant.condition_json(),
            not_before: grant.not_before(),
            expires_on: grant.expires_on(),
            disabled: wanted.disabled.unwrap_or(lease.disabled),
            asked: AsAsked {
                name: wanted.asked.name.clone().or_else(|| lease.asked.name.clone()),
                expires_on: wanted.asked.expires_on.clone().or_else(|| lease.asked.expires_on.clone()),
                not_before: wanted.asked.not_before.clone().or_else(|| lease.asked.not_before.clone()),
            },
            escapes_books: grant.marks().escapes_books,
            takeover: grant.takeover_reason().map(str::to_owned),
            rule: grant.rule().map(str::to_owned),
        },
        Deed::Renew(_) => Change::Renew { expires_on: grant.expires_on(), asked: None },
        Deed::Roll | Deed::Read | Deed::LookUp | Deed::Revoke => Change::Roll,
    }
}

fn done(answer: Answer, account: &Account) -> Result<Done, Fault> {
    let (lease, view, value) = match answer {
        Answer::Lease { lease, view } => (lease, view.map(|view| *view), None),
        Answer::Valued { lease, value } => (lease, None, Some(value.0)),
        _ => return Err(Fault::Ledger(Refusal::Protocol)),
    };
    Ok(Done { found: Found { lease, account: account.clone(), view }, value })
}

/// An operator who lists needs the power to read others' leases; without it, it sees its own.
fn narrowed(session: &Session, owner: Option<String>) -> Option<String> {
    if session.caller.is_operator() && !session.caller.powers().read {
        Some(session.caller.owner())
    } else {
        owner
    }
}

/// Leases, newest first, account by account, and where the next page begins: in which account, after
/// which lease.
///
/// # Errors
/// [`Fault::Request`] for an account outside the rules.
pub async fn list<P: Ports>(
    ports: &P,
    session: &mut Session,
    filter: &Filter,
    account: Option<&str>,
    cursor: Option<(String, After)>,
    limit: u32,
) -> Result<(Vec<Found>, Option<(String, After)>), Fault> {
    let in_force = std::rc::Rc::clone(&session.in_force);
    let policy = &in_force.policy;
    let filter = Filter { owner: narrowed(session, filter.owner.clone()), ..filter.clone() };
    let only = account
        .map(|name| policy.account(name).ok_or(Fault::from(crate::broker::RequestError::UnknownAccount)))
        .transpose()?;
    let limit_here = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<Found> = Vec::new();
    for account in policy.accounts().filter(|account| only.is_none_or(|only| only == *account)) {
        let after = match &cursor {
            Some((name, _)) if account.name() < name.as_str() => continue,
            Some((name, after)) if account.name() == name => Some(*after),
            _ => None,
        };
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        // One more than fits tells whether there is a next page.
        let operation = Operation::List { filter: filter.clone(), after, limit: left.saturating_add(1) };
        let Said::Answer(Answer::Leases { leases, .. }) =
            session.ask(ports, account.owner(), operation).await?
        else {
            return Err(Fault::Ledger(Refusal::Protocol));
        };
        found.extend(leases.into_iter().map(|lease| Found {
            lease: Box::new(lease),
            account: account.clone(),
            view: None,
        }));
        if found.len() > limit_here {
            break;
        }
    }
    let more = found.len() > limit_here;
    found.truncate(limit_here);
    let next = found.last().filter(|_| more).map(|last| {
        (last.account.name().to_owned(), After { created: last.lease.created, id: last.lease.id })
    });
    Ok((found, next))
}

/// A page of one account's tokens, as Cloudflare's own list would give it, and how many there are.
///
/// # Errors
/// The ledger's.
pub async fn page<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    page: Page,
) -> Result<(Vec<Lease>, u32), Fault> {
    let page = Page { owner: narrowed(session, page.owner.clone()), ..page };
    match session.ask(ports, account.owner(), Operation::Page(page)).await? {
        Said::Answer(Answer::Leases { leases, total }) => Ok((leases, total.unwrap_or_default())),
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}
