//! Both families of tokens: list, create, get, update, delete, roll, verify, permission groups.

use serde_json::{Value, json};

use super::paging::{Page, descending};
use super::{Ask, Draft, may};
use crate::envelope::{Answer, json_answer, listing, success};
use crate::instant;
use crate::policy::{self, Effect, Ground, Policy, Resource, Which};
use crate::refusal::Refusal;
use crate::route::TokenRoute;
use crate::settings::{CommonCheck, NameFilter};
use crate::state::{Place, State};
use crate::token::{Action, Owner, Standing, Target, Token};
use crate::value::TokenValue;
use crate::world::USER;

/// Answers a call to a family; `account` is `None` for the user's.
pub(super) fn answer(
    state: &mut State,
    ask: &mut Ask<'_>,
    account: Option<&str>,
    route: TokenRoute<'_>,
) -> Result<Answer, Refusal> {
    let family = account.map_or_else(|| Owner::User(USER.to_owned()), |id| Owner::Account(id.to_owned()));
    let body = match (route, ask.method.as_str()) {
        (TokenRoute::Verify, "GET") => verify(state, ask, &family),
        (TokenRoute::Groups, "GET") => groups(state, ask, &family),
        (TokenRoute::All | TokenRoute::EmptyId, "GET") => list(state, ask, &family),
        (TokenRoute::All, "POST") => create(state, ask, &family),
        (TokenRoute::One(id), "GET") => {
            admit(state, ask, &family, false)?;
            owned(state, &family, id).map(|token| shown(state, token, ask.now))
        }
        (TokenRoute::One(id), "PUT") => update(state, ask, &family, id),
        (TokenRoute::One(id), "DELETE") => delete(state, ask, &family, id),
        (TokenRoute::Value(id), "PUT") => roll(state, ask, &family, id),
        (_, method) => Err(Refusal::NoMethod(method.to_owned())),
    }?;
    Ok(json_answer(200, &body))
}

/// Recognises the token and decides whether it may read or write tokens of the family.
fn admit(state: &mut State, ask: &mut Ask<'_>, family: &Owner, write: bool) -> Result<Token, Refusal> {
    let token = ask.present(state, Place::Core)?;
    let (action, target) = match family {
        Owner::User(_) if matches!(token.owner, Owner::Account(_)) => return Err(Refusal::NoUser),
        Owner::User(id) if write => (Action::WriteUserTokens, Target::User(id)),
        Owner::User(id) => (Action::ReadUserTokens, Target::User(id)),
        Owner::Account(id) if write => (Action::WriteAccountTokens, Target::Account(id)),
        Owner::Account(id) => (Action::ReadAccountTokens, Target::Account(id)),
    };
    if may(state, &token, action, target, ask.now) { Ok(token) } else { Err(Refusal::Unauthorized) }
}

fn owned<'a>(state: &'a State, family: &Owner, id: &str) -> Result<&'a Token, Refusal> {
    state.tokens.get(id).filter(|token| token.owner == *family).ok_or(Refusal::NoToken)
}

fn shown(state: &State, token: &Token, now: i64) -> Value {
    success(Value::Object(token.json(&state.groups, now, state.settings.nulls)))
}

fn verify(state: &mut State, ask: &mut Ask<'_>, family: &Owner) -> Result<Value, Refusal> {
    let token = ask.present(state, Place::Verify).map_err(|refusal| match (refusal, family) {
        (Refusal::NoCredentials, Owner::Account(_)) => Refusal::NoCredentialsToVerify,
        (refusal, _) => refusal,
    })?;
    if token.owner != *family {
        return Err(Refusal::InvalidApiToken);
    }
    let mut result = json!({ "id": token.id, "status": token.shown_status(ask.now) });
    if let Some(members) = result.as_object_mut() {
        for (name, time) in [("not_before", token.not_before), ("expires_on", token.expires_on)] {
            if let Some(seconds) = time {
                members.insert(name.to_owned(), json!(instant::text(seconds)));
            }
        }
    }
    let mut body = success(result);
    let live = matches!(token.standing(ask.now), Standing::Live | Standing::NotYetValid);
    if let (true, true, Some(members)) = (live, state.settings.verify_message, body.as_object_mut()) {
        let message = json!({ "code": 10000, "message": "This API Token is valid and active", "type": null });
        members.insert("messages".to_owned(), json!([message]));
    }
    Ok(body)
}

/// The whole list, whatever page is asked.
fn groups(state: &mut State, ask: &mut Ask<'_>, family: &Owner) -> Result<Value, Refusal> {
    admit(state, ask, family, false)?;
    let wanted = |name: &str| match (ask.parameter("name"), state.settings.group_name_filter) {
        (None, _) => true,
        (Some(filter), NameFilter::Exact) => name == filter,
        (Some(filter), NameFilter::Substring) => name.to_lowercase().contains(&filter.to_lowercase()),
    };
    let scope = ask.parameter("scope");
    let list: Vec<Value> = state
        .groups
        .listed(matches!(family, Owner::User(_)))
        .into_iter()
        .filter(|group| wanted(&group.name))
        .filter(|group| scope.is_none_or(|scope| group.scopes.iter().any(|own| own.name() == scope)))
        .map(|group| json!(group))
        .collect();
    Ok(listing(list, Value::Null))
}

fn list(state: &mut State, ask: &mut Ask<'_>, family: &Owner) -> Result<Value, Refusal> {
    admit(state, ask, family, false)?;
    let page = Page::of(ask)?;
    let backwards = descending(ask)?;
    let expired_too = match ask.parameter("include_expired") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::query("include_expired must be true or false")),
    };
    let seen_from = ask.now.saturating_sub(state.settings.list_lag_s);
    let mut tokens: Vec<&Token> = state
        .tokens
        .values()
        .filter(|token| token.owner == *family && (expired_too || !token.expired(ask.now)))
        .filter(|token| token.issued_on <= seen_from)
        .collect();
    tokens.sort_by_key(|token| (token.issued_on, token.sequence));
    if backwards {
        tokens.reverse();
    }
    let nulls = state.settings.nulls;
    let all =
        tokens.into_iter().map(|token| Value::Object(token.json(&state.groups, ask.now, nulls))).collect();
    let (shown, info) = page.cut(all, false);
    Ok(listing(shown, info))
}

fn create(state: &mut State, ask: &mut Ask<'_>, family: &Owner) -> Result<Value, Refusal> {
    let parent = admit(state, ask, family, true)?;
    let body = ask.json()?;
    let (token, value) = make(state, family, &body, Some(&parent), ask.now)?;
    let mut result = token.json(&state.groups, ask.now, state.settings.nulls);
    result.insert("value".to_owned(), json!(value.expose()));
    Ok(success(Value::Object(result)))
}

/// Makes a token of the family from a body. `parent` is the token that asks for it; without one
/// nothing but the body itself is checked.
pub(crate) fn make(
    state: &mut State,
    family: &Owner,
    body: &Value,
    parent: Option<&Token>,
    now: i64,
) -> Result<(Token, TokenValue), Refusal> {
    let id = state.source.next_id();
    let ground = Ground { groups: &state.groups, world: &state.world, owner: family, token: &id };
    let draft = Draft::parse(body, ground, state.settings.accept_milliseconds)?;
    if let Some(parent) = parent {
        if draft.expires_on.is_some_and(|end| end <= now) {
            return Err(Refusal::body("/expires_on", "expires_on must be in the future"));
        }
        common_check(state, parent, &draft.policies, now)?;
        check_quota(state, family)?;
    }
    let value = state.source.next_value(family.value_prefix());
    let token = Token {
        id,
        owner: family.clone(),
        name: draft.name,
        policies: draft.policies,
        condition: draft.condition,
        status: draft.status,
        issued_on: now,
        modified_on: now,
        last_used_on: None,
        not_before: draft.not_before,
        expires_on: draft.expires_on,
        digest: value.digest(),
        unknown_until: now.saturating_add(state.settings.propagation_create_s),
        before_change: None,
        sequence: state.next_sequence(),
    };
    state.seat(token.clone());
    Ok((token, value))
}

fn check_quota(state: &State, family: &Owner) -> Result<(), Refusal> {
    let settings = &state.settings;
    let limit = match family {
        Owner::User(_) => settings.quota_user,
        Owner::Account(_) => settings.quota_account,
    };
    if usize::try_from(limit).is_ok_and(|limit| state.owned(family) >= limit) {
        return Err(Refusal::Quota { limit, status: settings.quota_status, code: settings.quota_code });
    }
    Ok(())
}

/// Holds the parent to what it has itself, as far as the settings say.
fn common_check(state: &State, parent: &Token, policies: &[Policy], now: i64) -> Result<(), Refusal> {
    let concerned = |resource: &Resource| match state.settings.common_check {
        CommonCheck::Off => false,
        CommonCheck::SingleZone => {
            matches!((&parent.owner, resource), (Owner::Account(_), Resource::Zone(Which::One(_))))
        }
        CommonCheck::Always => true,
    };
    let has = |group: &String, resource: &Resource| {
        parent.policies_at(now).iter().any(|own| {
            own.effect == Effect::Allow
                && own.groups.contains(group)
                && own.resources.iter().any(|broad| covers(state, broad, resource))
        })
    };
    for policy in policies {
        for group in &policy.groups {
            if policy.resources.iter().any(|resource| concerned(resource) && !has(group, resource)) {
                let name = state.groups.by_id(group).map_or("", |group| group.name.as_str());
                return Err(policy::common_check(name));
            }
        }
    }
    Ok(())
}

fn covers(state: &State, broad: &Resource, narrow: &Resource) -> bool {
    match (broad, narrow) {
        _ if broad == narrow => true,
        (Resource::Account(Which::All), Resource::Account(_))
        | (Resource::Zone(Which::All), Resource::Zone(_) | Resource::ZoneOf { .. }) => true,
        (Resource::ZoneOf { account, zone: Which::All }, Resource::ZoneOf { account: of, .. }) => {
            account == of
        }
        (Resource::ZoneOf { account, zone }, Resource::Zone(Which::One(id))) => {
            zone.meets(id) && state.world.zone(id).is_some_and(|zone| zone.account == *account)
        }
        _ => false,
    }
}

/// Replaces everything: what the body leaves out is gone afterwards.
fn update(state: &mut State, ask: &mut Ask<'_>, family: &Owner, id: &str) -> Result<Value, Refusal> {
    let parent = admit(state, ask, family, true)?;
    owned(state, family, id)?;
    let body = ask.json()?;
    change(state, family, id, &body, Some(&parent), ask.now)?;
    owned(state, family, id).map(|token| shown(state, token, ask.now))
}

/// Replaces a token's content by a body's.
pub(crate) fn change(
    state: &mut State,
    family: &Owner,
    id: &str,
    body: &Value,
    parent: Option<&Token>,
    now: i64,
) -> Result<(), Refusal> {
    let ground = Ground { groups: &state.groups, world: &state.world, owner: family, token: id };
    let draft = Draft::parse(body, ground, state.settings.accept_milliseconds)?;
    if let Some(parent) = parent {
        common_check(state, parent, &draft.policies, now)?;
    }
    let spread = now.saturating_add(state.settings.propagation_create_s);
    let token = state.tokens.get_mut(id).ok_or(Refusal::NoToken)?;
    let before = std::mem::replace(&mut token.policies, draft.policies);
    token.before_change = (spread > now).then_some((spread, before));
    token.name = draft.name;
    token.condition = draft.condition;
    token.expires_on = draft.expires_on;
    token.not_before = draft.not_before;
    token.status = draft.status;
    token.modified_on = now;
    Ok(())
}

/// Takes a body or none.
fn delete(state: &mut State, ask: &mut Ask<'_>, family: &Owner, id: &str) -> Result<Value, Refusal> {
    admit(state, ask, family, true)?;
    owned(state, family, id)?;
    let works_until = ask.now.saturating_add(state.settings.propagation_delete_s);
    state.unseat(id, works_until);
    Ok(success(json!({ "id": id })))
}

/// Gives the new value as a bare string.
fn roll(state: &mut State, ask: &mut Ask<'_>, family: &Owner, id: &str) -> Result<Value, Refusal> {
    admit(state, ask, family, true)?;
    owned(state, family, id)?;
    let excused = ask.body.is_empty() && !state.settings.roll_needs_body;
    if !excused && !ask.json()?.is_object() {
        return Err(Refusal::body("", "body must be an object"));
    }
    let value = state.source.next_value(family.value_prefix());
    state.roll(id, &value, ask.now);
    Ok(success(json!(value.expose())))
}
