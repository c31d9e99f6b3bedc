//! What a presented Cloudflare token is worth: `POST /v1/tokens/verify` and the verify endpoints of the
//! drop-in surface.

use std::rc::Rc;

use brevet_core::bearer::Bearer;
use brevet_core::broker::{self, Fault, InForce, Ports, RequestError, Session, Validity, Where};
use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::Object;
use brevet_core::ledger::lease::Lease;
use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Reply, envelope_saying, of_json};
use super::dropin::Of;
use super::{Inbound, nothing_else, shape};

/// Where to ask, before the rules are known.
enum Place<'a> {
    Anywhere,
    Named(String),
    Endpoint(Of<'a>),
}

/// What there is to say.
struct Examined {
    in_force: Rc<InForce>,
    validity: Rc<Validity>,
    /// The lease, where the caller may see it.
    lease: Option<Box<Lease>>,
    /// Whether the answer is kept from a stranger: the rules close verification but for tokens in the books.
    hidden: bool,
}

async fn examine<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    session: Option<Session>,
    value: Secret,
    place: Place<'_>,
    fresh: bool,
) -> Result<Examined, Fault> {
    let (in_force, owner) = match session {
        Some(session) => {
            let owner = session.owner();
            (session.in_force, Some(owner))
        }
        None => (broker::load(ports, &inbound.visitor).await?, None),
    };
    let place = match place {
        Place::Anywhere => Where::Anywhere(broker::MOST_CALLS),
        Place::Named(name) => {
            let account = in_force.policy.account(&name);
            Where::At(account.ok_or(Fault::from(RequestError::UnknownAccount))?.owner())
        }
        Place::Endpoint(of) => Where::At(of.account(&in_force.policy)?.owner()),
    };
    let validity = broker::verify(ports, &in_force, &inbound.visitor, value, place, fresh).await?;
    let stranger = owner.is_none();
    let open = in_force.policy.open_verify();
    let lease = if stranger && open {
        None
    } else {
        broker::lease_of(ports, &in_force, &validity, owner.flatten()).await?.map(Box::new)
    };
    let hidden = stranger && !open && lease.is_none();
    Ok(Examined { in_force, validity, lease: lease.filter(|_| !stranger), hidden })
}

/// `POST /v1/tokens/verify`. The value is the body's `token`, or the bearer itself where that is a
/// Cloudflare token. A hook's message has been read: `heard` is its sender and what it asked for.
pub(super) async fn native<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    heard: Option<(Session, Map<String, Value>)>,
) -> Result<Reply, Fault> {
    let (mut session, mut body) = match heard {
        Some((session, body)) => (Some(session), body),
        None => (None, inbound.object_or_none()?),
    };
    let credential = match &inbound.authorization {
        Some(_) if session.is_none() => Some(inbound.bearer(ports)?),
        _ => None,
    };
    let token = match (body.remove("token"), &credential) {
        (Some(Value::String(text)), _) => Secret::new(text),
        (None, Some(Bearer::Cloudflare(value, _))) => value.clone(),
        _ => {
            return Err(Fault::from(RequestError::Member(
                "/token",
                "the Cloudflare token to verify, as a string",
            )));
        }
    };
    let place = match body.remove("account") {
        None | Some(Value::Null) => Place::Anywhere,
        Some(Value::String(name)) => Place::Named(name),
        Some(_) => {
            return Err(Fault::from(RequestError::Member(
                "/account",
                "an account of the rules, by name or id",
            )));
        }
    };
    let fresh = match body.remove("fresh") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(fresh)) => fresh,
        Some(_) => return Err(Fault::from(RequestError::Member("/fresh", "true or false"))),
    };
    nothing_else(&body, "token, account and fresh")?;
    if let Some(bearer) = credential.filter(|bearer| !matches!(bearer, Bearer::Cloudflare(..))) {
        session = Some(Session::open(ports, bearer, &inbound.visitor).await?);
    }
    let Examined { in_force, validity, lease, hidden } =
        examine(ports, inbound, session, token, place, fresh).await?;
    let now = ports.now();
    if hidden {
        return Ok(of_json(200, verified(&Validity::unknown(now), now)));
    }
    let mut told = verified(&validity, now);
    let account = validity.at.and_then(|at| in_force.policy.account_of(at));
    if let (Some(lease), Some(account)) = (lease, account) {
        told.put("lease", &shape::lease(&lease, account))
            .put("template", &lease.template)
            .put("may", &shape::may(&in_force, shape::policies(&lease)));
    }
    Ok(of_json(200, told))
}

/// `GET …/tokens/verify`: the bearer is the token under test, and Cloudflare is asked each time.
pub(super) async fn drop_in<P: Ports>(ports: &P, inbound: &Inbound, of: Of<'_>) -> Result<Reply, Fault> {
    const GOOD: (i64, &str) = (10_000, "This API Token is valid and active");
    let value = match inbound.bearer(ports)? {
        Bearer::Cloudflare(value, _) => value,
        bearer => {
            // A live credential of Brevet's own stands in for the parent token here too.
            let session = Session::open(ports, bearer, &inbound.visitor).await?;
            of.account(&session.in_force.policy)?;
            let mut result = Object::saying("id", &broker::stand_in_id(&session.caller));
            return Ok(envelope_saying(result.text("status", "active"), GOOD.0, GOOD.1));
        }
    };
    let examined = examine(ports, inbound, None, value, Place::Endpoint(of), true).await?;
    let validity = &examined.validity;
    let (Some(id), Some(status), false) = (validity.id, &validity.status, examined.hidden) else {
        return Err(Fault::UnknownToken);
    };
    let mut result = Object::saying("id", id.as_str());
    result.text("status", status);
    for (name, at) in [("not_before", validity.not_before), ("expires_on", validity.expires_on)] {
        if let Some(at) = at {
            result.text(name, &at.to_string());
        }
    }
    let message = if status == "active" { GOOD.1 } else { "This API Token is valid but not active" };
    Ok(envelope_saying(&result, GOOD.0, message))
}

fn verified(validity: &Validity, now: Timestamp) -> Object {
    let family = validity.at.map(|at| match at {
        TokenOwner::Account(_) => "account",
        TokenOwner::User(_) => "user",
    });
    let mut told = Object::new();
    told.put("valid", &validity.is_valid(now))
        .text("status", validity.status.as_deref().unwrap_or("invalid"))
        .put("family", &family)
        .put("id", &validity.id);
    shape::put_moment(&mut told, "not_before", validity.not_before);
    shape::put_moment(&mut told, "expires_on", validity.expires_on);
    shape::put_moment(&mut told, "checked_at", Some(validity.checked_at));
    shape::put_moment(&mut told, "fresh_until", Some(validity.fresh_until));
    if let Some((detail, hint)) = why_not(validity, now) {
        told.text("detail", &detail).text("hint", hint);
    }
    told
}

/// Why a value is not to be relied on, and what to do next.
fn why_not(validity: &Validity, now: Timestamp) -> Option<(String, &'static str)> {
    let Some(status) = validity.status.as_deref() else {
        return Some((
            "Cloudflare knows no such live token in the accounts and the family that were asked.".to_owned(),
            "It may be revoked, rolled, expired or mistyped, or belong to the other family or to another account.",
        ));
    };
    let hint = "Ask for a new token, or have its owner look at it.";
    if validity.is_valid(now) {
        None
    } else if status != "active" {
        Some((format!("The token is {status}."), hint))
    } else if let Some(start) = validity.not_before.filter(|start| now < *start) {
        Some((format!("The token begins at {start}."), "Wait until then."))
    } else {
        Some(("The token has ended.".to_owned(), hint))
    }
}
