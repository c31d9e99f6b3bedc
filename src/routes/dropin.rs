//! `/client/v4/…`: the token endpoints of Cloudflare's API, with the same paths, verbs and envelope, so
//! that an official client works when its base URL and its credential change and nothing else.

use brevet_core::bearer::Bearer;
use brevet_core::broker::{self, Fault, Ports, RequestError, Session, Wanted, Where};
use brevet_core::cloudflare::{Parents, TokenOwner, TokenView};
use brevet_core::id::TokenId;
use brevet_core::json::{List, Object};
use brevet_core::ledger::book::{LeaseKey, Page};
use brevet_core::ledger::lease::{End, Lease, State};
use brevet_core::ledger::protocol::Refusal;
use brevet_core::policy::{Account, Ask, AskedAccess, Lifetime, Policy, Surface, token_name};
use brevet_core::time::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Reply, envelope, envelope_page, envelope_saying};
use super::shape::{policies, put_moment};
use super::tokens::as_asked;
use super::{Inbound, nothing_else};

/// The default and the largest page of Cloudflare's list.
const PAGES: (u32, std::ops::RangeInclusive<u32>) = (20, 5..=50);

/// What the query of Cloudflare's list may hold.
const PARAMETERS: &[&str] = &["page", "per_page", "direction", "include_expired"];

/// Whose tokens a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of<'a> {
    /// `/user/tokens`.
    User,
    /// `/accounts/{id}/tokens`.
    Account(&'a str),
}

impl Of<'_> {
    fn account<'p>(&self, policy: &'p Policy) -> Result<&'p Account, Fault> {
        match self {
            Self::User => policy.user_account(),
            // By id alone: a name in this place is no path of Cloudflare's.
            Self::Account(id) => id.parse().ok().and_then(|id| policy.account_of(TokenOwner::Account(id))),
        }
        .ok_or(Fault::Request(RequestError::UnknownAccount))
    }
}

fn token_id(id: &str) -> Result<TokenId, Fault> {
    id.parse().map_err(|_| Fault::Request(RequestError::Id("a token's id: 32 lower-case hexadecimal digits")))
}

async fn open<P: Ports>(ports: &P, inbound: &Inbound, of: Of<'_>) -> Result<(Session, Account), Fault> {
    let session = inbound.session(ports).await?;
    let account = of.account(&session.in_force.policy)?.clone();
    Ok((session, account))
}

/// `GET …/tokens/verify`: the bearer is the token under test, and Cloudflare is asked each time.
pub(super) async fn verify<P: Ports>(ports: &P, inbound: &Inbound, of: Of<'_>) -> Result<Reply, Fault> {
    const GOOD: (i64, &str) = (10_000, "This API Token is valid and active");
    let bearer = inbound.bearer(ports)?;
    let Bearer::Cloudflare(value, _) = bearer else {
        // A live credential of Brevet's own stands in for the parent token here too.
        let session = Session::open(ports, bearer, &inbound.visitor).await?;
        of.account(&session.in_force.policy)?;
        let id = broker::stand_in_id(&session.caller);
        return Ok(envelope_saying(Object::saying("id", &id).text("status", "active"), GOOD.0, GOOD.1));
    };
    let in_force = broker::load(ports, &inbound.visitor).await?;
    let owner = of.account(&in_force.policy)?.owner();
    let validity = broker::verify(ports, &in_force, &inbound.visitor, value, Where::At(owner), true).await?;
    let (Some(id), Some(status)) = (validity.id, &validity.status) else { return Err(Fault::UnknownToken) };
    if !in_force.policy.open_verify() && broker::lease_of(ports, &in_force, &validity, None).await?.is_none()
    {
        return Err(Fault::UnknownToken);
    }
    let mut result = Object::new();
    result.put("id", &id).text("status", status);
    for (name, at) in [("not_before", validity.not_before), ("expires_on", validity.expires_on)] {
        if let Some(at) = at {
            result.text(name, &at.to_string());
        }
    }
    let message = if status == "active" { GOOD.1 } else { "This API Token is valid but not active" };
    Ok(envelope_saying(&result, GOOD.0, message))
}

/// A token as Cloudflare would show it, with the names and times that its owner wrote; where Cloudflare
/// was asked, with what it says now.
fn token(lease: &Lease, view: Option<&TokenView>, now: Timestamp) -> Object {
    let status = if let Some(view) = view {
        view.status.as_str()
    } else if lease.end == Some(End::Expired) || lease.expires_on <= now {
        "expired"
    } else if lease.disabled {
        "disabled"
    } else {
        "active"
    };
    let mut token = Object::new();
    token
        .put("id", &lease.token_id)
        .text("name", lease.asked.name.as_deref().unwrap_or(&lease.name))
        .text("status", status);
    put_moment(&mut token, "issued_on", lease.issued_on);
    put_moment(&mut token, "modified_on", view.and_then(|view| view.modified_on).or(lease.modified_on));
    put_moment(&mut token, "last_used_on", view.and_then(|view| view.last_used_on));
    token.put("policies", view.map_or(policies(lease), |view| &view.policies));
    let as_written = |asked: &Option<String>, at: Timestamp| asked.clone().unwrap_or_else(|| at.to_string());
    token.text("expires_on", &as_written(&lease.asked.expires_on, lease.expires_on));
    if let Some(start) = lease.not_before {
        token.text("not_before", &as_written(&lease.asked.not_before, start));
    }
    if let Some(condition) = &lease.condition {
        token.put("condition", condition);
    }
    token
}

/// `GET …/tokens`: the caller's leases.
pub(super) async fn list<P: Ports>(ports: &P, inbound: &Inbound, of: Of<'_>) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    inbound.refuse_other_parameters(PARAMETERS, "page, per_page, direction and include_expired")?;
    let number =
        |name: &'static str, default: u32, range: std::ops::RangeInclusive<u32>, wanted: &'static str| {
            inbound.parameter(name).map_or(Ok(default), |text| {
                let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
                number.ok_or(Fault::Request(RequestError::Query(name, wanted)))
            })
        };
    let at = number("page", 1, 1..=100_000, "a number from 1")?;
    let per_page = number("per_page", PAGES.0, PAGES.1, "a number from 5 to 50")?;
    let descending = match inbound.parameter("direction").as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Fault::Request(RequestError::Query("direction", "asc or desc"))),
    };
    let include_expired = match inbound.parameter("include_expired").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Fault::Request(RequestError::Query("include_expired", "true or false"))),
    };
    let page = Page {
        owner: None,
        offset: (at - 1).saturating_mul(per_page),
        limit: per_page,
        descending,
        include_expired,
    };
    let (leases, total) = broker::page(ports, &mut session, &account, page).await?;
    let now = ports.now();
    let mut tokens = List::new();
    leases.iter().for_each(|lease| tokens.push(&token(lease, None, now)));
    let mut info = Object::new();
    info.put("page", &at)
        .put("per_page", &per_page)
        .put("count", &leases.len())
        .put("total_count", &total)
        .put("total_pages", &total.div_ceil(per_page));
    Ok(envelope_page(&tokens, &info))
}

/// Takes a member out of a body; null counts as absent.
fn member(body: &mut Map<String, Value>, name: &str) -> Option<Value> {
    body.remove(name).filter(|value| !value.is_null())
}

fn moment(
    body: &mut Map<String, Value>,
    name: &str,
    pointer: &'static str,
) -> Result<Option<Timestamp>, Fault> {
    let wrong = || Fault::Request(RequestError::Member(pointer, "a time in UTC like 2027-01-31T00:00:00Z"));
    member(body, name)
        .map(|value| value.as_str().and_then(|text| Timestamp::parse(text).ok()).ok_or_else(wrong))
        .transpose()
}

/// What a body asks for, in Cloudflare's form; members that Cloudflare does not know are refused.
struct Asked {
    name: String,
    policies: Value,
    expires_on: Option<Timestamp>,
    not_before: Option<Timestamp>,
    condition: Option<Value>,
    status: Option<Value>,
}

impl Asked {
    fn read(mut body: Map<String, Value>, with_status: bool) -> Result<Self, Fault> {
        let missing = |pointer, wanted| Fault::Request(RequestError::Member(pointer, wanted));
        let name = member(&mut body, "name").ok_or(missing("/name", "a name of 1 to 120 characters"))?;
        let asked = Self {
            name: token_name(&name, "/name").map_err(Fault::Ask)?,
            policies: member(&mut body, "policies")
                .ok_or(missing("/policies", "a list of at least one policy"))?,
            expires_on: moment(&mut body, "expires_on", "/expires_on")?,
            not_before: moment(&mut body, "not_before", "/not_before")?,
            condition: member(&mut body, "condition"),
            status: if with_status { member(&mut body, "status") } else { None },
        };
        // What a client reads it may send back.
        for read_only in ["id", "issued_on", "modified_on", "last_used_on"] {
            body.remove(read_only);
        }
        nothing_else(&body, "name, policies, condition, expires_on and not_before (PUT: status)")?;
        Ok(asked)
    }
}

/// `POST …/tokens`.
pub(super) async fn create<P: Ports>(ports: &P, inbound: &Inbound, of: Of<'_>) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    let body = inbound.object()?;
    let written = as_asked(&body);
    let asked = Asked::read(body, false)?;
    let ask = Ask {
        access: AskedAccess::Raw { policies: asked.policies, account: None },
        grant: None,
        lifetime: asked.expires_on.map_or(Lifetime::Default, Lifetime::Until),
        not_before: asked.not_before,
        name: Some(asked.name),
        condition: asked.condition,
        surface: Surface::DropIn { account: account.name().to_owned() },
    };
    let (made, _) = broker::mint(ports, &mut session, &ask, written).await?;
    let mut result = token(&made.lease, None, ports.now());
    result.text("value", made.value.expose());
    Ok(envelope(&result))
}

/// `GET …/tokens/{id}`: Cloudflare is asked, and the books are put right by its answer.
pub(super) async fn read<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    of: Of<'_>,
    id: &str,
) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    let key = LeaseKey::Token(token_id(id)?);
    let found = broker::look_up(ports, &mut session, &account, key).await?;
    if found.lease.state == State::Ended {
        return Err(Fault::Ledger(Refusal::Ended));
    }
    Ok(envelope(&token(&found.lease, found.view.as_ref(), ports.now())))
}

/// `PUT …/tokens/{id}`: decided again, like a create.
pub(super) async fn update<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    of: Of<'_>,
    id: &str,
) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    let key = LeaseKey::Token(token_id(id)?);
    let body = inbound.object()?;
    let written = as_asked(&body);
    let asked = Asked::read(body, true)?;
    let disabled = match asked.status.as_ref().map(Value::as_str) {
        None => None,
        Some(Some("active")) => Some(false),
        Some(Some("disabled")) => Some(true),
        Some(_) => return Err(Fault::Request(RequestError::Member("/status", "active or disabled"))),
    };
    let found = broker::find_in(ports, &mut session, &account, key).await?;
    let wanted = Wanted {
        policies: Some(asked.policies),
        expires_on: asked.expires_on,
        not_before: asked.not_before,
        condition: asked.condition,
        disabled,
        asked: written,
    };
    let found = broker::update(ports, &mut session, found, &wanted).await?;
    Ok(envelope(&token(&found.lease, None, ports.now())))
}

/// `DELETE …/tokens/{id}`.
pub(super) async fn delete<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    of: Of<'_>,
    id: &str,
) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    let token = token_id(id)?;
    broker::revoke_in(ports, &mut session, &account, LeaseKey::Token(token)).await?;
    Ok(envelope(&Object::saying("id", token.as_str())))
}

/// `PUT …/tokens/{id}/value`: the new value, as a bare string.
pub(super) async fn roll<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    of: Of<'_>,
    id: &str,
) -> Result<Reply, Fault> {
    let (mut session, account) = open(ports, inbound, of).await?;
    let key = LeaseKey::Token(token_id(id)?);
    inbound.object_or_none()?;
    let found = broker::find_in(ports, &mut session, &account, key).await?;
    let (made, _) = broker::roll_found(ports, &mut session, found).await?;
    Ok(envelope(&made.value.expose()))
}

/// `GET …/tokens/permission_groups`, from Cloudflare, filtered here by `name` (equal) and `scope`.
pub(super) async fn permission_groups<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    of: Of<'_>,
) -> Result<Reply, Fault> {
    let (_, account) = open(ports, inbound, of).await?;
    let parents = Parents {
        parent: account.parent().to_owned(),
        parent_next: account.parent_next().map(str::to_owned),
    };
    let groups = ports.permission_groups(account.owner(), &parents).await.map_err(Fault::Upstream)?;
    let (name, scope) = (inbound.parameter("name"), inbound.parameter("scope"));
    let wanted = |group: &Value| {
        let named =
            name.as_deref().is_none_or(|name| group.get("name").and_then(Value::as_str) == Some(name));
        let scopes = group.get("scopes").and_then(Value::as_array);
        named
            && scope
                .as_deref()
                .is_none_or(|scope| scopes.is_some_and(|scopes| scopes.iter().any(|known| known == scope)))
    };
    let mut list = List::new();
    for group in groups.as_array().into_iter().flatten().filter(|group| wanted(group)) {
        list.push(group);
    }
    Ok(envelope(&list))
}
