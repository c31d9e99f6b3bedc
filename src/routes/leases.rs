//! `/v1/leases`.

use brevet_core::broker::{self, Fault, Ports, RequestError};
use brevet_core::json::{List, Object};
use brevet_core::ledger::book::{After, Filter, LeaseKey, MOST_LISTED};
use brevet_core::ledger::lease::State;
use brevet_core::policy::Lifetime;
use brevet_core::time::{Seconds, Timestamp};

use super::answer::{Reply, of_json};
use super::{Inbound, nothing_else};
use super::{shape, tokens};

/// How many leases a page holds where nothing else is asked.
const PAGE: u32 = 50;

/// The parameters of a list.
const PARAMETERS: &[&str] =
    &["owner", "grant", "template", "state", "run", "expiring_before", "account", "cursor", "limit"];

fn key(id: &str) -> Result<LeaseKey, Fault> {
    LeaseKey::read(id).ok_or(Fault::Request(RequestError::Id(
        "a lease's id (26 characters) or a token's (32 lower-case hex digits)",
    )))
}

fn wrong(name: &'static str, wanted: &'static str) -> Fault {
    Fault::Request(RequestError::Query(name, wanted))
}

/// `GET /v1/leases`: newest first, account by account.
pub(super) async fn list<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
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
    let account = text("account");
    let (found, next) = broker::list(ports, &mut session, &filter, account.as_deref(), cursor, limit).await?;
    let mut leases = List::new();
    found.iter().for_each(|found| leases.push(&shape::lease(&found.lease, &found.account)));
    let next = next.map(|(account, after)| format!("{account}.{}.{}", after.created.unix(), after.id));
    let mut told = Object::new();
    told.put("leases", &leases).put("next_cursor", &next);
    Ok(of_json(200, told))
}

/// `<account's name>.<created>.<lease>`: where the next page begins.
fn read_cursor(text: &str) -> Option<(String, After)> {
    let mut parts = text.rsplitn(3, '.');
    let id = parts.next()?.parse().ok()?;
    let created = Timestamp::from_unix(parts.next()?.parse().ok()?).ok()?;
    Some((parts.next()?.to_owned(), After { created, id }))
}

/// `GET /v1/leases/{id}`.
pub(super) async fn read<P: Ports>(ports: &P, inbound: &Inbound, id: &str) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
    let found = broker::find(ports, &mut session, key(id)?).await?;
    let mut body = shape::lease(&found.lease, &found.account);
    body.put("may", &shape::may(&session.in_force, shape::policies(&found.lease)));
    Ok(of_json(200, body))
}

/// `DELETE /v1/leases/{id}`.
pub(super) async fn revoke<P: Ports>(ports: &P, inbound: &Inbound, id: &str) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
    let found = broker::revoke(ports, &mut session, key(id)?).await?;
    Ok(of_json(200, shape::lease(&found.lease, &found.account)))
}

/// `POST /v1/leases/{id}/renew`: `{"ttl"?}` or `{"expires_on"?}`.
pub(super) async fn renew<P: Ports>(ports: &P, inbound: &Inbound, id: &str) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
    let key = key(id)?;
    let mut body = inbound.object_or_none()?;
    let ttl = body.remove("ttl").filter(|value| !value.is_null());
    let until = body.remove("expires_on").filter(|value| !value.is_null());
    let lifetime = match (ttl, until) {
        (None, None) => Lifetime::Default,
        (Some(ttl), None) => Lifetime::Ttl(Seconds::from_json(&ttl).map_err(|_| {
            Fault::Request(RequestError::Member(
                "/ttl",
                "a duration like \"15m\" or a number of seconds above zero",
            ))
        })?),
        (None, Some(until)) => Lifetime::Until(
            until.as_str().and_then(|text| Timestamp::parse(text).ok()).ok_or(Fault::Request(
                RequestError::Member("/expires_on", "a time in UTC like 2027-01-31T00:00:00Z"),
            ))?,
        ),
        (Some(_), Some(_)) => {
            return Err(Fault::Request(RequestError::Member("/expires_on", "left out where ttl is given")));
        }
    };
    nothing_else(&body, "ttl and expires_on")?;
    let found = broker::renew(ports, &mut session, key, lifetime).await?;
    Ok(of_json(200, shape::lease(&found.lease, &found.account)))
}

/// `POST /v1/leases/{id}/roll`: a new value, the old one is dead.
pub(super) async fn roll<P: Ports>(ports: &P, inbound: &Inbound, id: &str) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
    let key = key(id)?;
    nothing_else(&inbound.object_or_none()?, "none")?;
    let (made, account) = broker::roll(ports, &mut session, key).await?;
    Ok(of_json(200, tokens::issued(&made, &account)))
}
