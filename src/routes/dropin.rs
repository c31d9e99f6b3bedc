//! `/client/v4/…`: the token endpoints of Cloudflare's API, with the same paths, verbs and envelope, so
//! that an official client works when its base URL and its credential change and nothing else.

use brevet_core::broker::{Deed, Done, Fault, Found, Issued, RequestError, Wanted};
use brevet_core::cloudflare::{TokenOwner, TokenView};
use brevet_core::id::TokenId;
use brevet_core::json::{List, Object};
use brevet_core::ledger::book::{LeaseKey, Page};
use brevet_core::ledger::lease::{End, Lease, State};
use brevet_core::ledger::protocol::Refusal;
use brevet_core::policy::{Account, Ask, AskedAccess, Lifetime, Policy, Surface, token_name};
use brevet_core::time::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Reply, envelope, envelope_page};
use super::shape::{policies, put_moment};
use super::task::Task;
use super::tokens::{as_asked, replayed};
use super::{Inbound, nothing_else};

/// Far beyond the 500 tokens that an account may have.
const LAST_PAGE: u32 = 100_000;

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
    pub(super) fn account<'p>(&self, policy: &'p Policy) -> Result<&'p Account, Fault> {
        match self {
            Self::User => policy.user_account(),
            // By id alone: a name in this place is no path of Cloudflare's.
            Self::Account(id) => id.parse().ok().and_then(|id| policy.account_of(TokenOwner::Account(id))),
        }
        .ok_or(Fault::from(RequestError::UnknownAccount))
    }
}

fn token_id(id: &str) -> Result<TokenId, Fault> {
    id.parse().map_err(|_| Fault::from(RequestError::Id("a token's id: 32 lower-case hexadecimal digits")))
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
pub(super) fn list(inbound: &Inbound, account: &Account) -> Result<Task, Fault> {
    inbound.refuse_other_parameters(PARAMETERS, "page, per_page, direction and include_expired")?;
    let number =
        |name: &'static str, default: u32, range: std::ops::RangeInclusive<u32>, wanted: &'static str| {
            inbound.parameter(name).map_or(Ok(default), |text| {
                let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
                number.ok_or(Fault::from(RequestError::Query(name, wanted)))
            })
        };
    let at = number("page", 1, 1..=LAST_PAGE, "a number from 1 to 100000")?;
    let per_page = number("per_page", PAGES.0, PAGES.1, "a number from 5 to 50")?;
    let descending = match inbound.parameter("direction").as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Fault::from(RequestError::Query("direction", "asc or desc"))),
    };
    let include_expired = match inbound.parameter("include_expired").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Fault::from(RequestError::Query("include_expired", "true or false"))),
    };
    let page = Page {
        owner: None,
        offset: (at - 1).saturating_mul(per_page),
        limit: per_page,
        descending,
        include_expired,
    };
    Ok(Task::Page { account: Box::new(account.clone()), page })
}

/// The answer to [`list`].
pub(super) fn listed(leases: &[Lease], total: u32, page: &Page, now: Timestamp) -> Reply {
    let mut tokens = List::new();
    leases.iter().for_each(|lease| tokens.push(&token(lease, None, now)));
    let mut info = Object::new();
    info.put("page", &(page.offset / page.limit.max(1) + 1))
        .put("per_page", &page.limit)
        .put("count", &leases.len())
        .put("total_count", &total)
        .put("total_pages", &total.div_ceil(page.limit.max(1)));
    envelope_page(&tokens, &info)
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
    let wrong = || Fault::from(RequestError::Member(pointer, "a time in UTC like 2027-01-31T00:00:00Z"));
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
        let missing = |pointer, wanted| Fault::from(RequestError::Member(pointer, wanted));
        let name = member(&mut body, "name").ok_or(missing("/name", "a name of 1 to 120 characters"))?;
        let asked = Self {
            name: token_name(&name, "/name").map_err(Fault::from)?,
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
pub(super) fn create(inbound: &Inbound, account: &Account) -> Result<Task, Fault> {
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
    Ok(Task::Mint { ask: Box::new(ask), asked: written, once: inbound.once("drop-in tokens")? })
}

/// The answer to [`create`].
pub(super) fn created(issued: &Issued, now: Timestamp) -> Reply {
    let mut result = token(&issued.lease, None, now);
    if let Some(value) = &issued.value {
        result.text("value", value.expose());
    }
    replayed(envelope(&result), issued.replayed)
}

/// What is asked of the token in the path. A reading has Cloudflare asked, and the books put right by its
/// answer; an update is decided again, like a create; a roll takes any object as its body, as Cloudflare
/// does.
pub(super) fn act(inbound: &Inbound, account: &Account, id: &str, value: bool) -> Result<Task, Fault> {
    let key = LeaseKey::Token(token_id(id)?);
    let deed = match (inbound.method.as_str(), value) {
        ("PUT", true) => {
            inbound.object_or_none()?;
            Deed::Roll
        }
        ("PUT", false) => update(inbound)?,
        ("DELETE", _) => Deed::Revoke,
        _ => Deed::LookUp,
    };
    Ok(Task::Act { within: Some(account.owner()), key, deed })
}

fn update(inbound: &Inbound) -> Result<Deed, Fault> {
    let body = inbound.object()?;
    let written = as_asked(&body);
    let asked = Asked::read(body, true)?;
    let disabled = match asked.status.as_ref().map(Value::as_str) {
        None => None,
        Some(Some("active")) => Some(false),
        Some(Some("disabled")) => Some(true),
        Some(_) => return Err(Fault::from(RequestError::Member("/status", "active or disabled"))),
    };
    Ok(Deed::Update(Box::new(Wanted {
        policies: Some(asked.policies),
        expires_on: asked.expires_on,
        not_before: asked.not_before,
        condition: asked.condition,
        disabled,
        asked: written,
    })))
}

/// The answer to [`act`]: the token; after a roll the new value as a bare string; after a deletion the id.
pub(super) fn acted(inbound: &Inbound, done: &Done, now: Timestamp) -> Result<Reply, Fault> {
    let Found { lease, view, .. } = &done.found;
    if let Some(value) = &done.value {
        return Ok(envelope(&value.expose()));
    }
    match inbound.method.as_str() {
        "DELETE" => {
            let mut result = Object::new();
            result.put("id", &lease.token_id);
            Ok(envelope(&result))
        }
        "GET" if lease.state == State::Ended => Err(Fault::Ledger(Refusal::Ended)),
        "GET" => Ok(envelope(&token(lease, view.as_ref(), now))),
        _ => Ok(envelope(&token(lease, None, now))),
    }
}

/// The answer with Cloudflare's permission groups, filtered here by `name` (equal) and `scope`.
pub(super) fn permission_groups(inbound: &Inbound, groups: &Value) -> Reply {
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
    envelope(&list)
}
