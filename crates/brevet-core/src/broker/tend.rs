//! What is done with leases that exist: find, list, renew, roll, change and end them.

use crate::broker::fault::Fault;
use crate::broker::mint::{Issued, MOST_DECISIONS, parents_of};
use crate::broker::ports::Ports;
use crate::broker::session::{Said, Session};
use crate::cloudflare::TokenView;
use crate::ledger::book::{After, Filter, LeaseKey, Page};
use crate::ledger::lease::{AsAsked, Lease};
use crate::ledger::protocol::{Answer, Change, Operation, Refusal};
use crate::policy::{self, Account, Grant, Held, Lifetime, Touch};

/// A lease and the account or user that owns its token.
#[derive(Debug)]
pub struct Found {
    /// The lease.
    pub lease: Lease,
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

/// An operator sees and ends the leases of others only with the power for it.
fn permit(session: &Session, lease: &Lease, touch: Touch) -> Result<(), Fault> {
    let permitted = session.in_force.policy.permit(&session.caller, &lease.owner, touch);
    permitted.map(drop).map_err(|denial| Fault::Denied(Box::new(denial)))
}

async fn read_at<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    key: LeaseKey,
    ask_cloudflare: bool,
) -> Result<Option<Found>, Fault> {
    let parents = ask_cloudflare.then(|| parents_of(account));
    let operation = Operation::Read { key, ask_cloudflare: parents };
    match session.ask(ports, account.owner(), operation).await {
        Ok(Said::Answer(Answer::Lease { lease, view })) => {
            permit(session, &lease, Touch::Read)?;
            Ok(Some(Found { lease: *lease, account: account.clone(), view: view.map(|view| *view) }))
        }
        Ok(_) => Err(Fault::Ledger(Refusal::Protocol)),
        Err(Fault::Ledger(Refusal::NotFound)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The lease of this key, in whichever ledger it is.
///
/// # Errors
/// [`Refusal::NotFound`] where it is in none, or not the caller's.
pub async fn find<P: Ports>(ports: &P, session: &mut Session, key: LeaseKey) -> Result<Found, Fault> {
    let in_force = std::rc::Rc::clone(&session.in_force);
    for account in in_force.policy.accounts() {
        if let Some(found) = read_at(ports, session, account, key, false).await? {
            return Ok(found);
        }
    }
    Err(Fault::Ledger(Refusal::NotFound))
}

/// The lease of a token in one account, with the token as Cloudflare shows it now.
///
/// # Errors
/// As [`find`], and what Cloudflare refuses.
pub async fn look_up<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    key: LeaseKey,
) -> Result<Found, Fault> {
    read_at(ports, session, account, key, true).await?.ok_or(Fault::Ledger(Refusal::NotFound))
}

/// The lease of a token in one account, from the books.
///
/// # Errors
/// As [`find`].
pub async fn find_in<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    key: LeaseKey,
) -> Result<Found, Fault> {
    read_at(ports, session, account, key, false).await?.ok_or(Fault::Ledger(Refusal::NotFound))
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
        .map(|name| policy.account(name).ok_or(Fault::Request(crate::broker::RequestError::UnknownAccount)))
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
        found.extend(leases.into_iter().map(|lease| Found { lease, account: account.clone(), view: None }));
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

fn decide<P: Ports>(
    ports: &P,
    session: &Session,
    found: &Found,
    change: &policy::Change,
) -> Result<Grant, Fault> {
    let lease = &found.lease;
    let held = Held {
        account: found.account.owner(),
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
    let decided = session.in_force.policy.redecide(&session.caller, &held, change, ports.now());
    decided.map_err(|denial| Fault::Denied(Box::new(denial)))
}

/// Decides again and has the ledger carry the change out. Where the lease or the rules moved in
/// between, that is done once more, on what is there then.
async fn carry_out<P: Ports>(
    ports: &P,
    session: &mut Session,
    mut found: Found,
    change: &policy::Change,
    order: impl Fn(&Lease, &Grant) -> Change,
) -> Result<(Answer, Account), Fault> {
    let key = LeaseKey::Lease(found.lease.id);
    let mut last = Fault::Ledger(Refusal::Moved);
    for _ in 0..MOST_DECISIONS {
        let grant = decide(ports, session, &found, change)?;
        let operation = Operation::Change {
            lease: found.lease.id,
            revision: found.lease.revision,
            parents: parents_of(&found.account),
            change: Box::new(order(&found.lease, &grant)),
        };
        match session.ask(ports, found.account.owner(), operation).await {
            Ok(Said::Answer(answer)) => {
                if let Some(token) = found.lease.token_id {
                    ports.memory().forget_token(token);
                }
                return Ok((answer, found.account));
            }
            Ok(Said::Again) => {}
            Err(fault @ Fault::Ledger(Refusal::Moved)) => last = fault,
            Err(fault) => return Err(fault),
        }
        let account = session.in_force.policy.account_of(found.account.owner()).cloned();
        let account = account.ok_or(Fault::Ledger(Refusal::NotFound))?;
        found = find_in(ports, session, &account, key).await?;
    }
    Err(last)
}

fn lease_answered((answer, account): (Answer, Account)) -> Result<Found, Fault> {
    match answer {
        Answer::Lease { lease, view } => Ok(Found { lease: *lease, account, view: view.map(|view| *view) }),
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}

/// Moves the end of a lease.
///
/// # Errors
/// The rule that refuses, the books' refusal, or Cloudflare's.
pub async fn renew<P: Ports>(
    ports: &P,
    session: &mut Session,
    key: LeaseKey,
    lifetime: Lifetime,
) -> Result<Found, Fault> {
    let found = find(ports, session, key).await?;
    let change = policy::Change::Renew { lifetime };
    let order = |_: &Lease, grant: &Grant| Change::Renew { expires_on: grant.expires_on(), asked: None };
    lease_answered(carry_out(ports, session, found, &change, order).await?)
}

/// Gives a lease's token a new value.
///
/// # Errors
/// As [`renew`].
pub async fn roll<P: Ports>(
    ports: &P,
    session: &mut Session,
    key: LeaseKey,
) -> Result<(Issued, Account), Fault> {
    let found = find(ports, session, key).await?;
    roll_found(ports, session, found).await
}

/// Gives a token that was found a new value.
///
/// # Errors
/// As [`renew`].
pub async fn roll_found<P: Ports>(
    ports: &P,
    session: &mut Session,
    found: Found,
) -> Result<(Issued, Account), Fault> {
    match carry_out(ports, session, found, &policy::Change::Roll, |_, _| Change::Roll).await? {
        (Answer::Valued { lease, value }, account) => {
            Ok((Issued { lease: *lease, value: value.0, notes: Vec::new() }, account))
        }
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}

/// Replaces what a token's owner may set.
///
/// # Errors
/// As [`renew`].
pub async fn update<P: Ports>(
    ports: &P,
    session: &mut Session,
    found: Found,
    wanted: &Wanted,
) -> Result<Found, Fault> {
    let change = policy::Change::Update {
        policies: wanted.policies.clone(),
        expires_on: wanted.expires_on,
        not_before: wanted.not_before,
        condition: wanted.condition.clone(),
        name: wanted.asked.name.clone(),
    };
    let order = |lease: &Lease, grant: &Grant| Change::Update {
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
    };
    lease_answered(carry_out(ports, session, found, &change, order).await?)
}

/// Ends a lease, in whichever ledger it is.
///
/// # Errors
/// The power that is missing, the books' refusal, or Cloudflare's; then the lease stays `revoking`.
pub async fn revoke<P: Ports>(ports: &P, session: &mut Session, key: LeaseKey) -> Result<Found, Fault> {
    let in_force = std::rc::Rc::clone(&session.in_force);
    for account in in_force.policy.accounts() {
        match revoke_in(ports, session, account, key).await {
            Err(Fault::Ledger(Refusal::NotFound)) => {}
            outcome => return outcome,
        }
    }
    Err(Fault::Ledger(Refusal::NotFound))
}

/// Ends a lease of one account.
///
/// # Errors
/// As [`revoke`].
pub async fn revoke_in<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
    key: LeaseKey,
) -> Result<Found, Fault> {
    // An operator without the power to revoke may end its own leases, so whose it is comes first.
    if session.caller.is_operator() && !session.caller.powers().revoke {
        let found = find_in(ports, session, account, key).await?;
        permit(session, &found.lease, Touch::Revoke)?;
    }
    let operation = Operation::Revoke { key, parents: parents_of(account) };
    match session.ask(ports, account.owner(), operation).await? {
        Said::Answer(Answer::Lease { lease, view }) => {
            if let Some(token) = lease.token_id {
                ports.memory().forget_token(token);
            }
            Ok(Found { lease: *lease, account: account.clone(), view: view.map(|view| *view) })
        }
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}
