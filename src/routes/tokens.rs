//! `/v1/tokens` and what belongs to asking for one.

use brevet_core::bearer::Bearer;
use brevet_core::broker::{self, Fault, InForce, Issued, Ports, RequestError, Session, Validity, Where};
use brevet_core::catalogue::Scope;
use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{List, Object};
use brevet_core::ledger::lease::AsAsked;
use brevet_core::policy::{Account, Ask};
use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Reply, of_json};
use super::shape;
use super::{Inbound, nothing_else};

/// The account of the rules that has this owner.
fn account_of(in_force: &InForce, owner: TokenOwner) -> Option<&Account> {
    in_force.policy.account_of(owner)
}

/// What the caller wrote, in the caller's spelling.
pub(super) fn as_asked(body: &Map<String, Value>) -> AsAsked {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    AsAsked { name: text("name"), expires_on: text("expires_on"), not_before: text("not_before") }
}

/// A lease and its value, once.
pub(super) fn issued(issued: &Issued, account: &Account) -> Object {
    let mut told = Object::saying("value", issued.value.expose());
    told.put("lease", &shape::lease(&issued.lease, account)).put("notes", &issued.notes);
    told
}

/// `POST /v1/tokens`.
pub(super) async fn create<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let mut session = inbound.session(ports).await?;
    let body = inbound.object()?;
    let asked = as_asked(&body);
    let ask = Ask::from_json(&Value::Object(body)).map_err(Fault::Ask)?;
    let (made, account) = broker::mint(ports, &mut session, &ask, asked).await?;
    Ok(of_json(201, issued(&made, &account)).with("location", format!("/v1/leases/{}", made.lease.id)))
}

/// `POST /v1/plan`: the exact request that Cloudflare would be sent.
pub(super) async fn plan<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let session = inbound.session(ports).await?;
    let body = inbound.object()?;
    let asked = as_asked(&body);
    let ask = Ask::from_json(&Value::Object(body)).map_err(Fault::Ask)?;
    let grant = broker::plan(ports, &session, &ask)?;
    let account = grant.account();
    let policies = grant.policies_json();
    let mut sent = Object::saying("name", &broker::planned_name(ports, &session, &grant)?);
    sent.put("policies", &policies).text("expires_on", &grant.expires_on().to_string());
    if let Some(start) = grant.not_before() {
        sent.text("not_before", &start.to_string());
    }
    if let Some(condition) = grant.condition_json() {
        sent.put("condition", &condition);
    }
    let mut request = Object::saying("method", "POST");
    request.text("path", &shape::tokens_path(account.owner())).put("body", &sent);
    let mut notes = List::new();
    grant.notes().iter().for_each(|note| notes.push(&note.to_string()));
    let mut told = Object::new();
    told.put("account", &shape::account(account))
        .put("grant", &grant.grant())
        .put("rule", &grant.rule())
        .put("template", &grant.template())
        .put("name", &asked.name)
        .put("may", &shape::may(&session.in_force, &policies))
        .text("expires_on", &grant.expires_on().to_string())
        .text("latest_allowed", &grant.latest_allowed().to_string())
        .put("escapes_books", &grant.marks().escapes_books)
        .put("takeover", &grant.takeover_reason())
        .put("notes", &notes)
        .put("request", &request);
    Ok(of_json(200, told))
}

/// `POST /v1/tokens/verify`: what a value is worth. The value is the body's `token`, or the bearer
/// itself where that is a Cloudflare token.
pub(super) async fn verify<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let mut body = inbound.object_or_none()?;
    let credential = match &inbound.authorization {
        None => None,
        Some(_) => Some(inbound.bearer(ports)?),
    };
    let token = match (body.remove("token"), &credential) {
        (Some(Value::String(text)), _) => Secret::new(text),
        (None, Some(Bearer::Cloudflare(value, _))) => value.clone(),
        _ => {
            return Err(Fault::Request(RequestError::Member(
                "/token",
                "the Cloudflare token to verify, as a string",
            )));
        }
    };
    let place = body.remove("account").filter(|value| !value.is_null());
    let fresh = match body.remove("fresh") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(fresh)) => fresh,
        Some(_) => return Err(Fault::Request(RequestError::Member("/fresh", "true or false"))),
    };
    nothing_else(&body, "token, account and fresh")?;
    let session = match credential {
        None | Some(Bearer::Cloudflare(..)) => None,
        Some(bearer) => Some(Session::open(ports, bearer, &inbound.visitor).await?),
    };
    let in_force = match &session {
        Some(session) => std::rc::Rc::clone(&session.in_force),
        None => broker::load(ports, &inbound.visitor).await?,
    };
    let place = match place {
        None => Where::Anywhere,
        Some(Value::String(name)) => {
            let account =
                in_force.policy.account(&name).ok_or(Fault::Request(RequestError::UnknownAccount))?;
            Where::At(account.owner())
        }
        Some(_) => {
            return Err(Fault::Request(RequestError::Member(
                "/account",
                "an account of the rules, by name or id",
            )));
        }
    };
    let validity = broker::verify(ports, &in_force, &inbound.visitor, token, place, fresh).await?;
    let lease = match &session {
        Some(session) => broker::lease_of(ports, &in_force, &validity, session.owner()).await?,
        None if in_force.policy.open_verify() => None,
        None => {
            // Closed to strangers but for tokens in the books.
            if broker::lease_of(ports, &in_force, &validity, None).await?.is_none() {
                return Ok(of_json(200, verified(&Validity::unknown(ports.now()), ports)));
            }
            None
        }
    };
    let mut answer = verified(&validity, ports);
    if let (Some(lease), Some(account)) = (lease, validity.at.and_then(|at| account_of(&in_force, at))) {
        answer
            .put("lease", &shape::lease(&lease, account))
            .put("template", &lease.template)
            .put("may", &shape::may(&in_force, shape::policies(&lease)));
    }
    Ok(of_json(200, answer))
}

fn verified<P: Ports>(validity: &Validity, ports: &P) -> Object {
    let family = validity.at.map(|at| match at {
        TokenOwner::Account(_) => "account",
        TokenOwner::User(_) => "user",
    });
    let mut told = Object::new();
    let now = ports.now();
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

/// `GET /v1/whoami`.
pub(super) async fn who_am_i<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let session = inbound.session(ports).await?;
    Ok(of_json(200, session.in_force.policy.whoami(&session.caller)))
}

fn listed(name: &str, list: &List) -> Reply {
    let mut told = Object::new();
    told.put(name, list);
    of_json(200, told)
}

/// `GET /v1/templates`.
pub(super) async fn templates<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let session = inbound.session(ports).await?;
    let mut list = List::new();
    session.in_force.policy.templates().for_each(|template| list.push(&template.summary()));
    Ok(listed("templates", &list))
}

/// `GET /v1/permission-groups`, with `?name=` (a part of it, in any case) and `?scope=`.
pub(super) async fn permission_groups<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let session = inbound.session(ports).await?;
    let name = inbound.parameter("name").unwrap_or_default().to_ascii_lowercase();
    let scope = match inbound.parameter("scope") {
        None => None,
        Some(word) => Some(
            Scope::read(&word)
                .ok_or(Fault::Request(RequestError::Query("scope", "account, zone, user or bucket")))?,
        ),
    };
    let mut list = List::new();
    for group in session.in_force.policy.catalogue().iter() {
        let named = name.is_empty() || group.name().to_ascii_lowercase().contains(&name);
        if named && scope.is_none_or(|scope| group.scope() == scope) {
            let mut told = Object::new();
            told.put("id", &group.id())
                .text("name", group.name())
                .text("scope", group.scope().word())
                .text("class", group.class().word());
            list.push(&told);
        }
    }
    Ok(listed("permission_groups", &list))
}
