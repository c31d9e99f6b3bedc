//! `/oauth/…`: what standard clients speak. Forms come in; errors are those of RFC 6749.

use brevet_core::bearer::Bearer;
use brevet_core::broker::{self, Fault, Issued, Ports, RequestError};
use brevet_core::form::Form;
use brevet_core::json::{List, Object, to_text};
use brevet_core::ledger::lease::AsAsked;
use brevet_core::ledger::protocol::Refusal;
use brevet_core::policy::{Account, Ask};
use brevet_core::secret::Secret;
use brevet_core::time::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Reply, of_json};
use super::task::Task;
use super::{Inbound, MOST_CALL_BYTES};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// For whom the tokens are.
const AUDIENCE: &str = "https://api.cloudflare.com";

/// What a resource begins with: a zone or an account at Cloudflare.
const RESOURCE: &str = "https://api.cloudflare.com/client/v4/";

/// Fields that may have one of some values only: the name, the error where it has another, and the values. With none of
/// them the field may not be there: what it asks for is not done here, and it must not seem so.
const FIXED: [(&str, &str, &[&str], &str); 8] = [
    ("grant_type", "unsupported_grant_type", &[TOKEN_EXCHANGE], TOKEN_EXCHANGE),
    (
        "subject_token_type",
        "invalid_request",
        &["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"],
        "urn:ietf:params:oauth:token-type:jwt or urn:ietf:params:oauth:token-type:id_token",
    ),
    ("requested_token_type", "invalid_request", &[ACCESS_TOKEN], ACCESS_TOKEN),
    ("audience", "invalid_target", &[AUDIENCE], "https://api.cloudflare.com, or left out"),
    ("actor_token", "invalid_request", &[], "left out: nobody acts for another here"),
    ("actor_token_type", "invalid_request", &[], "left out: nobody acts for another here"),
    ("client_secret", "invalid_client", &[], "left out: subject_token is the only credential"),
    ("client_assertion", "invalid_client", &[], "left out: subject_token is the only credential"),
];

/// How many of [`FIXED`] must be there.
const NEEDED: usize = 2;

fn form(inbound: &Inbound) -> Result<Form, Fault> {
    let read = Form::read(inbound.bytes(MOST_CALL_BYTES)?, "resource");
    read.map_err(|error| Fault::from(RequestError::Form(error)))
}

fn wrong(error: &'static str, name: &'static str, wanted: &'static str) -> Fault {
    Fault::from(RequestError::Field(error, name, wanted))
}

/// `POST /oauth/token` (RFC 8693): the credential that is exchanged, and what is asked for it. All of the form is looked
/// at before anything is asked of an issuer.
pub(super) fn exchange(inbound: &Inbound) -> Result<(Bearer, Task), Fault> {
    if inbound.authorization.is_some() {
        return Err(wrong(
            "invalid_client",
            "Authorization",
            "left out: subject_token is the only credential",
        ));
    }
    let form = form(inbound)?;
    for (number, (name, error, taken, wanted)) in FIXED.iter().enumerate() {
        match form.get(name) {
            None if number < NEEDED => return Err(wrong("invalid_request", name, wanted)),
            Some(value) if !taken.contains(&value) => return Err(wrong(error, name, wanted)),
            _ => {}
        }
    }
    let token = form.get("subject_token").and_then(|text| {
        let sorted = Bearer::sort(Secret::new(text.to_owned()), false).ok();
        sorted.filter(|bearer| matches!(bearer, Bearer::Jwt(_)))
    });
    let token = token.ok_or_else(|| {
        wrong("invalid_request", "subject_token", "a workload's identity token (a JWT) as its issuer gave it")
    })?;
    let scope = form.get("scope").filter(|scope| !scope.contains(' '));
    let scope = scope.ok_or_else(|| wrong("invalid_scope", "scope", "the name of one template"))?;
    let mut params: Map<String, Value> = Map::new();
    for resource in form.all("resource") {
        let named = resource.strip_prefix(RESOURCE).and_then(|rest| rest.split_once('/'));
        let named = named.and_then(|(kind, id)| match kind {
            "zones" => Some(("zone", id)),
            "accounts" => Some(("account", id)),
            _ => None,
        });
        let place = named.filter(|(_, id)| is_id(id));
        let (name, id) = place.ok_or_else(|| {
            wrong(
                "invalid_target",
                "resource",
                "https://api.cloudflare.com/client/v4/zones/ID or …/accounts/ID with an id of 32 lower-case hex digits",
            )
        })?;
        let values = params.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            let id = Value::from(id);
            if values.contains(&id) {
                return Err(wrong("invalid_target", "resource", "given once for each zone and account"));
            }
            values.push(id);
        }
    }
    let mut body: Map<String, Value> = Map::new();
    body.insert("template".to_owned(), scope.into());
    body.insert("params".to_owned(), params.into());
    for name in ["grant", "ttl"] {
        if let Some(text) = form.get(name) {
            // A form has no numbers: digits alone are seconds.
            let number = text.parse::<u32>().ok().filter(|_| name == "ttl");
            body.insert(name.to_owned(), number.map_or_else(|| text.into(), Value::from));
        }
    }
    let body = Value::Object(body);
    let ask = Ask::from_json(&body).map_err(Fault::from)?;
    // A request is the same with a fresh token of the same job: the first may have run out meanwhile.
    let once = inbound.once_of("oauth", to_text(&body).as_bytes())?;
    Ok((token, Task::Mint { ask: Box::new(ask), asked: AsAsked::default(), once }))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The answer to [`exchange`].
///
/// # Errors
/// [`Refusal::Used`] for a request that was answered before, when its value can no longer be had.
pub(super) fn exchanged(issued: &Issued, account: &Account, now: Timestamp) -> Result<Reply, Fault> {
    let value = issued.value.as_ref().ok_or(Fault::Ledger(Refusal::Used))?;
    let lease = &issued.lease;
    let mut told = Object::saying("access_token", value.expose());
    told.text("issued_token_type", ACCESS_TOKEN)
        .text("token_type", "Bearer")
        .put("expires_in", &lease.expires_on.since(now).max(0))
        .put("scope", &lease.template)
        .text("expires_at", &lease.expires_on.to_string())
        .put("lease_id", &lease.id)
        .put("token_id", &lease.token_id)
        .text("account_id", &account.id())
        .put("grant", &lease.grant)
        .put("template", &lease.template);
    Ok(super::tokens::replayed(of_json(200, told), issued.replayed))
}

/// `POST /oauth/revoke` (RFC 7009): `token`, and perhaps `account`, the account that it belongs to. Other fields are
/// passed over, as the RFC wants it. A value that is in no book is answered as one that was: it is good for nothing here.
pub(super) async fn surrender<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let form = form(inbound)?;
    let missing = || wrong("invalid_request", "token", "the value of the token to end");
    let value = form.get("token").ok_or_else(missing)?;
    broker::surrender(ports, &inbound.visitor, Secret::new(value.to_owned()), form.get("account")).await?;
    Ok(of_json(200, Object::new()))
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414). It names no template: what there is, is for those who are known.
pub(super) async fn metadata<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let in_force = broker::load(ports, &inbound.visitor).await?;
    let issuer = in_force.policy.url().unwrap_or(&inbound.origin);
    let list = |values: &[&str]| {
        let mut list = List::new();
        values.iter().for_each(|value| list.push(*value));
        list
    };
    let mut told = Object::saying("issuer", issuer);
    told.text("token_endpoint", &format!("{issuer}/oauth/token"))
        .text("revocation_endpoint", &format!("{issuer}/oauth/revoke"))
        .put("grant_types_supported", &list(&[TOKEN_EXCHANGE]))
        // There is no authorization endpoint; the RFC wants the member all the same.
        .put("response_types_supported", &List::new())
        .put("token_endpoint_auth_methods_supported", &list(&["none"]))
        .put("revocation_endpoint_auth_methods_supported", &list(&["none"]));
    Ok(of_json(200, told))
}
