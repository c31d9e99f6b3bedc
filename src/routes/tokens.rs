//! `/v1/tokens` and what belongs to asking for one.

use brevet_core::broker::{self, Fault, InForce, Issued, Ports, RequestError, Session};
use brevet_core::catalogue::Scope;
use brevet_core::json::{List, Object};
use brevet_core::ledger::lease::{AsAsked, Lease};
use brevet_core::oidc::{Claims, UnverifiedJwt};
use brevet_core::policy::{Account, Ask, Grant, Simulated, Simulation};
use serde_json::{Map, Value};

use super::Inbound;
use super::answer::{PROBLEM_BASE, Reply, of_json};
use super::shape;
use super::task::Task;

/// What the caller wrote, in the caller's spelling.
pub(super) fn as_asked(body: &Map<String, Value>) -> AsAsked {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    AsAsked { name: text("name"), expires_on: text("expires_on"), not_before: text("not_before") }
}

/// A lease and its value, once.
pub(super) fn with_value(value: &str, lease: &Lease, account: &Account, notes: &[String]) -> Object {
    let mut told = Object::saying("value", value);
    told.put("lease", &shape::lease(lease, account)).put("notes", notes);
    told
}

fn ask(inbound: &Inbound) -> Result<(Ask, AsAsked), Fault> {
    ask_of(inbound.object()?)
}

/// What a body asks for.
pub(super) fn ask_of(body: Map<String, Value>) -> Result<(Ask, AsAsked), Fault> {
    let asked = as_asked(&body);
    Ok((Ask::from_json(&Value::Object(body)).map_err(Fault::from)?, asked))
}

/// `POST /v1/tokens`.
pub(super) fn create(inbound: &Inbound) -> Result<Task, Fault> {
    let (ask, asked) = ask(inbound)?;
    Ok(Task::Mint { ask: Box::new(ask), asked, once: inbound.once("tokens")? })
}

/// The answer to [`create`].
pub(super) fn created(issued: &Issued, account: &Account) -> Reply {
    let Some(value) = &issued.value else {
        let mut told = Object::new();
        told.put("value_available", &false).put("lease", &shape::lease(&issued.lease, account));
        return replayed(of_json(200, told), true);
    };
    let told = with_value(value.expose(), &issued.lease, account, &issued.notes);
    let reply = of_json(201, told).with("location", format!("/v1/leases/{}", issued.lease.id));
    replayed(reply, issued.replayed)
}

/// Marks the answer to a request that came before.
pub(super) fn replayed(reply: Reply, replayed: bool) -> Reply {
    if replayed { reply.with("idempotent-replayed", "true".to_owned()) } else { reply }
}

/// `POST /v1/plan`: the exact request that Cloudflare would be sent.
pub(super) fn plan<P: Ports>(ports: &P, session: &Session, inbound: &Inbound) -> Result<Reply, Fault> {
    let (ask, asked) = ask(inbound)?;
    let grant = broker::plan(ports, session, &ask)?;
    let name = broker::planned_name(ports, session, &grant)?;
    Ok(of_json(200, planned(&session.in_force, &grant, &name, asked.name.as_deref())))
}

/// What a grant comes down to, and the request that would make its token, named so.
fn planned(in_force: &InForce, grant: &Grant, name: &str, asked: Option<&str>) -> Object {
    let account = grant.account();
    let policies = grant.policies_json();
    let mut sent = Object::saying("name", name);
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
        .put("name", &asked)
        .put("may", &shape::may(in_force, &policies))
        .text("expires_on", &grant.expires_on().to_string())
        .text("latest_allowed", &grant.latest_allowed().to_string())
        .put("escapes_books", &grant.marks().escapes_books)
        .put("takeover", &grant.takeover_reason())
        .put("notes", &notes)
        .put("request", &request);
    told
}

/// `POST /v1/simulate`: `{"jwt"}`, or `{"claims", "issuer"?}`, and perhaps what a create would ask for.
pub(super) fn simulate<P: Ports>(ports: &P, session: &Session, inbound: &Inbound) -> Result<Reply, Fault> {
    if !session.caller.powers().read {
        return Err(Fault::Power("read"));
    }
    let wrong = |pointer, wanted| Fault::from(RequestError::Member(pointer, wanted));
    let mut body = inbound.object()?;
    let policy = &session.in_force.policy;
    let jwt = match (body.remove("jwt"), body.contains_key("claims")) {
        (Some(Value::String(text)), false) => {
            let jwt = UnverifiedJwt::parse(text.trim());
            Some(jwt.map_err(|_| {
                wrong(
                    "/jwt",
                    "three parts of base64url, signed with RS256, ES256 or Ed25519, that name their issuer",
                )
            })?)
        }
        (None, true) => None,
        _ => return Err(wrong("/jwt", "an identity token, or claims in its place")),
    };
    let claims = match body.remove("claims") {
        None => Claims::default(),
        Some(Value::Object(members)) => {
            Claims::of(members).ok_or_else(|| wrong("/claims", "at most 128 claims"))?
        }
        Some(_) => return Err(wrong("/claims", "an object")),
    };
    let named = body.remove("issuer");
    let url = jwt.as_ref().map(UnverifiedJwt::claimed_issuer).or(claims.text("iss"));
    let issuer = match (&named, url) {
        (Some(Value::String(name)), _) => policy.issuer_named(name),
        (Some(_), _) => None,
        (None, Some(url)) => policy.issuer(url),
        (None, None) => policy.only_issuer(),
    };
    let issuer = issuer
        .ok_or_else(|| wrong("/issuer", "an issuer of the rules, by its name; or iss among the claims"))?;
    let ask =
        if body.is_empty() { None } else { Some(Ask::from_json(&Value::Object(body)).map_err(Fault::from)?) };
    let who = jwt.as_ref().map_or(Simulated::Claims(&claims), Simulated::Jwt);
    let Simulation { mut told, decided } = policy.simulate(issuer, &who, ask.as_ref(), ports.now());
    match decided {
        None => {}
        Some(Ok(grant)) => {
            told.put("plan", &planned(&session.in_force, &grant, "", None));
        }
        Some(Err(denial)) => {
            let mut denied = Object::saying("type", &format!("{PROBLEM_BASE}{}", denial.code()));
            denied
                .text("detail", &denial.detail())
                .text("hint", &denial.hint())
                .put("pointer", &denial.pointer());
            told.put("denied", &denied);
        }
    }
    Ok(of_json(200, told))
}

/// `GET /v1/whoami`.
pub(super) fn who_am_i(session: &Session) -> Reply {
    of_json(200, session.in_force.policy.whoami(&session.caller))
}

fn listed(name: &str, list: &List) -> Reply {
    let mut told = Object::new();
    told.put(name, list);
    of_json(200, told)
}

/// `GET /v1/templates`.
pub(super) fn templates(session: &Session) -> Reply {
    let mut list = List::new();
    session.in_force.policy.templates().for_each(|template| list.push(&template.summary()));
    listed("templates", &list)
}

/// `GET /v1/permission-groups`, with `?name=` (a part of it, in any case) and `?scope=`.
pub(super) fn permission_groups(session: &Session, inbound: &Inbound) -> Result<Reply, Fault> {
    inbound.refuse_other_parameters(&["name", "scope"], "name and scope")?;
    let name = inbound.parameter("name").unwrap_or_default().to_ascii_lowercase();
    let scope = match inbound.parameter("scope") {
        None => None,
        Some(word) => Some(
            Scope::read(&word)
                .ok_or(Fault::from(RequestError::Query("scope", "account, zone, user or bucket")))?,
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
