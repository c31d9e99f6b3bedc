//! `/v1/leases`.

use brevet_core::broker::{Deed, Done, Fault, Found, InForce, RequestError};
use brevet_core::json::{List, Object};
use brevet_core::ledger::book::{After, Filter, LeaseKey, MOST_LISTED};
use brevet_core::ledger::lease::State;
use brevet_core::policy::Lifetime;
use brevet_core::time::{Seconds, Timestamp};

use super::answer::{Reply, of_json};
use super::task::Task;
use super::{Inbound, nothing_else};
use super::{shape, tokens};

/// How many leases a page holds where nothing else is asked.
const PAGE: u32 = 50;

/// The parameters of a list.
const PARAMETERS: &[&str] =
    &["owner", "grant", "template", "state", "run", "expiring_before", "account", "cursor", "limit"];

fn key(id: &str) -> Result<LeaseKey, Fault> {
    LeaseKey::read(id).ok_or(Fault::from(RequestError::Id(
        "a lease's id (26 characters) or a token's (32 lower-case hex digits)",
    )))
}

fn wrong(name: &'static str, wanted: &'static str) -> Fault {
    Fault::from(RequestError::Query(name, wanted))
}

/// `GET /v1/leases`: newest first, account by account.
pub(super) fn list(inbound: &Inbound) -> Result<Task, Fault> {
    inbound.refuse_other_parameters(
        PARAMETERS,
        "owner, grant, template, state, run, expiring_before, account, cursor and limit",
    )?;
    let text = |name: &str| inbound.parameter(name).filter(|value| !value.is_empty());
    let state = text("state")
        .map(|word| {
            State::from_word(&word).ok_or(wrong("state", "pending, active, revoking, stuck or ended"))
        })
        .transpose()?;
    let expiring_before = text("expiring_before")
        .map(|moment| {
            Timestamp::parse(&moment)
                .map_err(|_| wrong("expiring_before", "a time in UTC like 2027-01-31T00:00:00Z"))
        })
        .transpose()?;
    let limit = text("limit")
        .map(|number| {
            number
                .parse::<u32>()
                .ok()
                .filter(|limit| (1..=MOST_LISTED).contains(limit))
                .ok_or(wrong("limit", "a number from 1 to 100"))
        })
        .transpose()?
        .unwrap_or(PAGE);
    let cursor = text("cursor")
        .map(|cursor| read_cursor(&cursor).ok_or(wrong("cursor", "the next_cursor of the page before")))
        .transpose()?;
    let filter = Filter {
        owner: text("owner"),
        grant: text("grant"),
        template: text("template"),
        state,
        run: text("run"),
        expiring_before,
    };
    Ok(Task::List { filter: Box::new(filter), account: text("account"), cursor, limit })
}

/// The answer to [`list`].
pub(super) fn listed(found: &[Found], next: Option<(String, After)>) -> Reply {
    let mut leases = List::new();
    found.iter().for_each(|found| leases.push(&shape::lease(&found.lease, &found.account)));
    let next = next.map(|(account, after)| format!("{account}.{}.{}", after.created.unix(), after.id));
    let mut told = Object::new();
    told.put("leases", &leases).put("next_cursor", &next);
    of_json(200, told)
}

/// `<account's name>.<created>.<lease>`: where the next page begins.
fn read_cursor(text: &str) -> Option<(String, After)> {
    let mut parts = text.rsplitn(3, '.');
    let id = parts.next()?.parse().ok()?;
    let created = Timestamp::from_unix(parts.next()?.parse().ok()?).ok()?;
    Some((parts.next()?.to_owned(), After { created, id }))
}

/// What is asked of the lease in the path.
pub(super) fn act(id: &str, deed: Deed) -> Result<Task, Fault> {
    Ok(Task::Act { within: None, key: key(id)?, deed })
}

/// The answer to [`act`]: after a roll with the new value, after a reading with what the token may do.
pub(super) fn acted(in_force: &InForce, deed: &Done, read: bool) -> Reply {
    let Found { lease, account, .. } = &deed.found;
    if let Some(value) = &deed.value {
        return of_json(200, tokens::with_value(value.expose(), lease, account, &[]));
    }
    let mut told = shape::lease(lease, account);
    if read {
        told.put("may", &shape::may(in_force, shape::policies(lease)));
    }
    of_json(200, told)
}

/// `POST /v1/leases/{id}/renew`: `{"ttl"?}` or `{"expires_on"?}`.
pub(super) fn renewal(inbound: &Inbound) -> Result<Deed, Fault> {
    let mut body = inbound.object_or_none()?;
    let ttl = body.remove("ttl").filter(|value| !value.is_null());
    let until = body.remove("expires_on").filter(|value| !value.is_null());
    let lifetime = match (ttl, until) {
        (None, None) => Lifetime::Default,
        (Some(ttl), None) => Lifetime::Ttl(Seconds::from_json(&ttl).map_err(|_| {
            Fault::from(RequestError::Member(
                "/ttl",
                "a duration like \"15m\" or a number of seconds above zero",
            ))
        })?),
        (None, Some(until)) => {
            Lifetime::Until(until.as_str().and_then(|text| Timestamp::parse(text).ok()).ok_or(
                Fault::from(RequestError::Member("/expires_on", "a time in UTC like 2027-01-31T00:00:00Z")),
            )?)
        }
        (Some(_), Some(_)) => {
            return Err(Fault::from(RequestError::Member("/expires_on", "left out where ttl is given")));
        }
    };
    nothing_else(&body, "ttl and expires_on")?;
    Ok(Deed::Renew(lifetime))
}

/// `POST /v1/leases/{id}/roll`: a new value, the old one is dead. It takes no body, or an empty object.
pub(super) fn roll(inbound: &Inbound) -> Result<Deed, Fault> {
    nothing_else(&inbound.object_or_none()?, "none")?;
    Ok(Deed::Roll)
}
