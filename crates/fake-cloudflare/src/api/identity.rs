//! `/user`, `/memberships`, `/accounts` and `/accounts/{id}`.

use serde_json::{Value, json};

use super::paging::{Page, descending};
use super::{Ask, may, only_get};
use crate::envelope::{Answer, json_answer, listing, success};
use crate::instant;
use crate::policy::{Effect, Resource};
use crate::refusal::Refusal;
use crate::state::{Place, State};
use crate::token::{Action, Owner, Target};
use crate::value::id_of;
use crate::world::{Account, EPOCH, USER};

/// The user of the presented token. Account tokens have none.
pub(super) fn user(state: &mut State, ask: &mut Ask<'_>) -> Result<Answer, Refusal> {
    if ask.method == http::Method::PATCH {
        ask.present(state, Place::Core)?;
        return Err(Refusal::MethodNeedsUser("PATCH".to_owned()));
    }
    only_get(ask)?;
    let token = ask.present(state, Place::Core)?;
    if matches!(token.owner, Owner::Account(_)) {
        return Err(Refusal::NoUser);
    }
    if !may(state, &token, Action::ReadUser, Target::User(USER), ask.now) {
        return Err(Refusal::Unauthorized);
    }
    let result = json!({
        "id": USER,
        "email": "user@example.com",
        "first_name": null,
        "last_name": null,
        "username": "0123456789abcdef",
        "telephone": null,
        "country": null,
        "zipcode": null,
        "two_factor_authentication_enabled": true,
        "two_factor_authentication_locked": false,
        "suspended": false,
        "created_on": instant::text(EPOCH),
        "modified_on": instant::text(EPOCH),
    });
    Ok(json_answer(200, &success(result)))
}

/// The user's memberships.
pub(super) fn memberships(state: &mut State, ask: &mut Ask<'_>) -> Result<Answer, Refusal> {
    only_get(ask)?;
    let token = ask.present(state, Place::Core)?;
    if matches!(token.owner, Owner::Account(_)) {
        return Err(Refusal::NoMemberships);
    }
    if !may(state, &token, Action::ReadMemberships, Target::User(USER), ask.now) {
        return Err(Refusal::Unauthorized);
    }
    let page = Page::of(ask)?;
    let all = state
        .world
        .accounts
        .iter()
        .filter(|account| account.ours)
        .map(|account| {
            json!({
                "id": id_of(&format!("membership {}", account.id)),
                "status": "accepted",
                "account": account_json(account),
            })
        })
        .collect();
    let (shown, info) = page.cut(all, true);
    Ok(json_answer(200, &listing(shown, info)))
}

/// The accounts that the token's policies name; none is 200 and an empty list.
pub(super) fn accounts(state: &mut State, ask: &mut Ask<'_>) -> Result<Answer, Refusal> {
    only_get(ask)?;
    let token = ask.present(state, Place::Core)?;
    if state.settings.accounts_refuse_account_tokens && matches!(token.owner, Owner::Account(_)) {
        return Err(Refusal::NoAccountsForAccountTokens);
    }
    let page = Page::of(ask)?;
    let backwards = descending(ask)?;
    let name = ask.parameter("name");
    let named = |id: &str| {
        token.policies_at(ask.now).iter().filter(|policy| policy.effect == Effect::Allow).any(|policy| {
            policy
                .resources
                .iter()
                .any(|resource| matches!(resource, Resource::Account(which) if which.meets(id)))
        })
    };
    let mut accounts: Vec<&Account> = state
        .world
        .accounts
        .iter()
        .filter(|account| token.owner.reaches_account(&account.id, &state.world) && named(&account.id))
        .filter(|account| name.is_none_or(|name| account.name == name))
        .collect();
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    if backwards {
        accounts.reverse();
    }
    let (shown, info) = page.cut(accounts.into_iter().map(account_json).collect(), true);
    Ok(json_answer(200, &listing(shown, info)))
}

/// One account.
pub(super) fn account(state: &mut State, ask: &mut Ask<'_>, id: &str) -> Result<Answer, Refusal> {
    only_get(ask)?;
    let token = ask.present(state, Place::Core)?;
    if !may(state, &token, Action::ReadAccount, Target::Account(id), ask.now) {
        return Err(Refusal::Unauthorized);
    }
    let account = state.world.account(id).ok_or(Refusal::Unauthorized)?;
    Ok(json_answer(200, &success(account_json(account))))
}

fn account_json(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "type": "standard",
        "settings": { "enforce_twofactor": false, "abuse_contact_email": null },
        "created_on": instant::text(EPOCH),
    })
}
