//! `GET /v1/audit`: the journal, and `POST /v1/ledgers/{account}/rebuild`: a book made anew from it.

use brevet_core::broker::{Fault, RequestError, Session};
use brevet_core::json::{List, Object, Raw};
use brevet_core::ledger::journal::{EntryFilter, Kept, MOST_ENTRIES};
use brevet_core::ledger::lease::Lease;
use brevet_core::ledger::protocol::Operation;
use brevet_core::policy::Account;

use super::answer::{Reply, of_json};
use super::shape;
use super::task::Task;
use super::{Inbound, nothing_else};

/// How many entries a page holds where nothing else is asked.
const PAGE: u32 = 50;

/// Which entries are asked for, and of which account's journal: each account has its own.
pub(super) fn list(session: &Session, inbound: &Inbound) -> Result<Task, Fault> {
    inbound.refuse_other_parameters(
        &["account", "owner", "lease", "event", "cursor", "limit"],
        "account, owner, lease, event, cursor and limit",
    )?;
    if session.caller.is_operator() && !session.caller.powers().read {
        return Err(Fault::Power("read"));
    }
    let text = |name: &str| inbound.parameter(name).filter(|value| !value.is_empty());
    let wrong = |name, wanted| Fault::from(RequestError::Query(name, wanted));
    let account = account(session, inbound)?;
    let lease =
        text("lease").map(|id| id.parse().map_err(|_| wrong("lease", "a lease's id of 26 characters")));
    let before = text("cursor")
        .map(|seq| seq.parse().map_err(|_| wrong("cursor", "the next_cursor of the page before")));
    let limit = text("limit").map_or(Ok(PAGE), |limit| {
        let limit = limit.parse().ok().filter(|limit| (1..=MOST_ENTRIES).contains(limit));
        limit.ok_or(wrong("limit", "a number from 1 to 100"))
    })?;
    let filter = EntryFilter {
        owner: text("owner"),
        lease: lease.transpose()?,
        event: text("event"),
        before: before.transpose()?,
    };
    Ok(Task::Ask {
        account: Box::new(account.clone()),
        operation: Box::new(Operation::Journal { filter, limit }),
        then: None,
    })
}

/// The account whose journal is asked for: the one that is named, or the only one.
pub(super) fn account<'a>(session: &'a Session, inbound: &Inbound) -> Result<&'a Account, Fault> {
    let policy = &session.in_force.policy;
    match inbound.parameter("account").filter(|name| !name.is_empty()) {
        Some(name) => policy.account(&name).ok_or(Fault::from(RequestError::UnknownAccount)),
        None => {
            let mut accounts = policy.accounts();
            match (accounts.next(), accounts.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(Fault::from(RequestError::AmbiguousAccount)),
            }
        }
    }
}

/// The answer to [`list`]. An entry is told as the text that its `mac` authenticates.
pub(super) fn listed(account: &Account, entries: &[Kept]) -> Reply {
    let mut list = List::new();
    for kept in entries {
        let mut told = Object::new();
        told.put("seq", &kept.seq).put("entry", &Raw(&kept.body)).text("mac", &kept.mac);
        list.push(&told);
    }
    // The first entry of all has number one; older ones than the oldest here may have been let go.
    let next = entries.last().map(|last| last.seq).filter(|seq| *seq > 1).map(|seq| seq.to_string());
    let mut told = Object::new();
    told.put("account", &shape::account(account)).put("entries", &list).put("next_cursor", &next);
    of_json(200, told)
}

/// `POST /v1/ledgers/{account}/rebuild`, without a body.
pub(super) fn rebuild(session: &Session, inbound: &Inbound, account: &str) -> Result<Task, Fault> {
    nothing_else(&inbound.object_or_none()?, "no members at all")?;
    let account = session.in_force.policy.account(account);
    let account = account.ok_or(Fault::from(RequestError::UnknownAccount))?;
    Ok(Task::Rebuild { account: Box::new(account.clone()) })
}

/// The answer to [`rebuild`]: the leases that were taken in.
pub(super) fn rebuilt(account: &Account, leases: &[Lease]) -> Reply {
    let mut list = List::new();
    for lease in leases {
        list.push(&shape::lease(lease, account));
    }
    let mut told = Object::new();
    told.put("account", &shape::account(account)).put("found", &list);
    of_json(200, told)
}
