//! A token broker with the `worker` crate as it comes: its router, its requests, its objects, serde for every message. It does
//! what the other sides of the benchmark do, and gives the same answers.

mod answers;
mod document;
mod jwt;
mod ledger;
mod policy;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use worker::{
    AbortSignal, Context, Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response,
    Result, RouteContext, Router, event,
};

use answers::{Refused, json, moment, now, problem, unix};
use document::Account;
use jwt::web_timeout;
use ledger::{API, Lease, Order, Told, hmac_bytes};
use policy::{Caller, Policy};

thread_local! {
    static POLICY: OnceCell<Rc<Policy>> = const { OnceCell::new() };
    static ANSWERS: RefCell<HashMap<[u8; 32], (i64, String)>> = RefCell::default();
    static VISITS: RefCell<HashMap<String, (i64, u32)>> = RefCell::default();
    static SALT: OnceCell<[u8; 16]> = const { OnceCell::new() };
}

type Answer = std::result::Result<Response, Refused>;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    Router::new()
        .get("/healthz", |_, _| json(200, &json!({ "status": "ok" }), None, None))
        .get_async("/passthrough", |request, _| async move { word(passthrough(&request).await) })
        .get_async("/v1/whoami", |request, route| async move { word(whoami(&request, &route).await) })
        .post_async("/v1/tokens/verify", |request, route| async move { word(verify(request, &route).await) })
        .post_async("/v1/tokens", |request, route| async move { word(mint(request, &route).await) })
        .post_async("/hooks/:name", |request, route| async move { word(hook(request, &route).await) })
        .delete_async("/v1/leases/:id", |request, route| async move { word(revoke(&request, &route).await) })
        .or_else_any_method("/*path", |_, _| {
            problem(&Refused::new("no-such-path", 404, "There is no such path."))
        })
        .run(request, env)
        .await
}

fn word(answer: Answer) -> Result<Response> {
    answer.or_else(|refused| problem(&refused))
}

fn policy(route: &RouteContext<()>) -> std::result::Result<Rc<Policy>, Refused> {
    if let Some(policy) = POLICY.with(|policy| policy.get().cloned()) {
        return Ok(policy);
    }
    let policy = Rc::new(Policy::compile(&route.env.var("RULES_JSON")?.to_string())?);
    Ok(POLICY.with(|kept| Rc::clone(kept.get_or_init(|| policy))))
}

async fn caller_of<'a>(policy: &'a Policy, request: &Request) -> std::result::Result<Caller<'a>, Refused> {
    let header = request.headers().get("authorization")?.unwrap_or_default();
    let bearer = header.strip_prefix("Bearer ").filter(|bearer| {
        (1..=8_192).contains(&bearer.len()) && bearer.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let bearer =
        bearer.ok_or_else(|| Refused::new("missing-credential", 401, "The request needs a credential."))?;
    if bearer.starts_with("brvc_") && bearer.len() == 48 {
        return policy.client(bearer);
    }
    let (issuer, claims) = jwt::verify(policy, bearer).await?;
    policy.workload(issuer, &claims, now())
}

async fn object(request: &mut Request) -> std::result::Result<Map<String, Value>, Refused> {
    let text = request.text().await?;
    if text.len() > 65_536 {
        return Err(Refused::new("body-too-long", 413, "The body is too long."));
    }
    serde_json::from_str(&text).map_err(|_| Refused::new("invalid-json", 400, "The body is no JSON object."))
}

async fn whoami(request: &Request, route: &RouteContext<()>) -> Answer {
    let policy = policy(route)?;
    let caller = caller_of(&policy, request).await?;
    Ok(json(200, &caller.whoami(), None, None)?)
}

fn letters(bytes: &[u8], count: usize) -> String {
    const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 && text.len() < count {
            bits -= 5;
            text.push(char::from(CROCKFORD[(held >> bits & 31) as usize]));
        }
        held &= 0xff;
    }
    if text.len() < count {
        text.push(char::from(CROCKFORD[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn shown(lease: &Lease, account: &Account) -> Value {
    json!({
        "id": lease.id, "token_id": lease.token_id, "account": { "name": account.name, "id": account.id, "family": account.family }, "state": lease.state, "end": lease.end,
        "disabled": false, "owner": lease.owner, "grant": lease.grant, "template": lease.template, "rule": lease.rule, "rules_version": lease.rules_version, "name": lease.asked,
        "cloudflare_name": lease.name, "created_on": moment(lease.created), "issued_on": lease.issued_on, "modified_on": lease.modified_on, "not_before": null,
        "expires_on": moment(lease.expires_on), "ended_on": lease.ended_on.map(moment), "policies": lease.policies, "condition": null, "escapes_books": false, "takeover": null,
        "run": lease.run, "claims": lease.claims, "revision": lease.revision,
    })
}

async fn ask(
    route: &RouteContext<()>,
    account: &Account,
    order: &Order,
) -> std::result::Result<Told, Refused> {
    let stub =
        route.env.durable_object("LEDGER")?.id_from_name(&format!("account:{}", account.id))?.get_stub()?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_body(Some(serde_json::to_string(order).map_err(worker::Error::from)?.into()));
    let mut answer = stub.fetch_with_request(Request::new_with_init("https://object/", &init)?).await?;
    Ok(answer.json().await?)
}

async fn mint(mut request: Request, route: &RouteContext<()>) -> Answer {
    let policy = policy(route)?;
    let caller = caller_of(&policy, &request).await?;
    let body = object(&mut request).await?;
    let at = now();
    let decided = policy.decide(&caller, &body, at)?;
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| Refused::new("internal", 500, "There is no chance."))?;
    let id = letters(&random, 26);
    let tag = letters(
        &hmac_bytes(&route.env.var("BREVET_PEPPER")?.to_string(), &format!("name\0{}\0{id}", policy.install)),
        8,
    );
    let name: String = format!("brevet:{}:{id}.{tag}:{}:{}", policy.install, decided.grant, caller.owner)
        .chars()
        .take(120)
        .collect();
    let lease = Lease {
        id: id.clone(),
        token_id: None,
        name,
        owner: caller.owner.clone(),
        caller: caller.label.clone(),
        grant: decided.grant,
        template: decided.template,
        rule: decided.rule,
        rules_version: 1,
        state: "pending".to_owned(),
        end: None,
        created: at,
        issued_on: None,
        modified_on: None,
        expires_on: decided.expires_on,
        ended_on: None,
        policies: decided.policies,
        run: caller.run.clone(),
        revision: 0,
        asked: body.get("name").and_then(Value::as_str).map(str::to_owned),
        claims: caller.claims.clone(),
    };
    let account = decided.account;
    let order = Order::Create {
        lease,
        account: account.id.clone(),
        parent: account.parent.clone(),
        by: caller.owner.clone(),
        once: caller.once.clone(),
    };
    match ask(route, account, &order).await? {
        Told::Lease { lease, value, allowance } => {
            let body = json!({ "value": value, "lease": shown(&lease, account), "notes": [] });
            Ok(json(201, &body, Some(&format!("/v1/leases/{id}")), Some(allowance))?)
        }
        Told::Refused { kind, status } => Err(Refused(kind.clone(), status, kind)),
    }
}

async fn revoke(request: &Request, route: &RouteContext<()>) -> Answer {
    let policy = policy(route)?;
    let caller = caller_of(&policy, request).await?;
    let id = route.param("id").cloned().unwrap_or_default();
    for account in policy.accounts.values() {
        let order = Order::Revoke {
            id: id.clone(),
            owner: caller.owner.clone(),
            account: account.id.clone(),
            parent: account.parent.clone(),
            by: caller.owner.clone(),
        };
        match ask(route, account, &order).await? {
            Told::Refused { kind, .. } if kind == "no-such-lease" => {}
            Told::Refused { kind, status } => return Err(Refused(kind.clone(), status, kind)),
            Told::Lease { lease, allowance, .. } => {
                return Ok(json(200, &shown(&lease, account), None, Some(allowance))?);
            }
        }
    }
    Err(Refused::new("no-such-lease", 404, "There is no such lease."))
}

fn visit(address: Option<String>, at: i64) -> std::result::Result<(), Refused> {
    let Some(address) = address else { return Ok(()) };
    VISITS.with_borrow_mut(|visits| {
        if visits.len() >= 4_096 && !visits.contains_key(&address) {
            visits.clear();
        }
        let visit = visits.entry(address).or_insert((at, 0));
        if at - visit.0 >= 60 {
            *visit = (at, 0);
        }
        visit.1 += 1;
        if visit.1 > 120 {
            Err(Refused::new("too-often", 429, "Too many verifications from one address."))
        } else {
            Ok(())
        }
    })
}

async fn verify(mut request: Request, route: &RouteContext<()>) -> Answer {
    let policy = policy(route)?;
    let body = object(&mut request).await?;
    if body.keys().any(|name| !["token", "account", "fresh"].contains(&name.as_str())) {
        return Err(Refused::new("invalid-request", 400, "There is no such member."));
    }
    let at = now();
    visit(request.headers().get("cf-connecting-ip")?, at)?;
    let token = body.get("token").and_then(Value::as_str).filter(|token| {
        let rest = token.strip_prefix("cfat_").or_else(|| token.strip_prefix("cfut_"));
        rest.is_some_and(|rest| {
            (40..=75).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
    });
    let token =
        token.ok_or_else(|| Refused::new("not-a-cloudflare-token", 400, "This is no Cloudflare token."))?;
    let account = body.get("account").and_then(Value::as_str).and_then(|name| policy.accounts.get(name));
    let account =
        account.ok_or_else(|| Refused::new("unknown-account", 400, "The rules have no such account."))?;
    let salt = SALT.with(|salt| {
        *salt.get_or_init(|| {
            let mut bytes = [0; 16];
            let _filled = getrandom::fill(&mut bytes);
            bytes
        })
    });
    let key: [u8; 32] =
        Sha256::new().chain_update(salt).chain_update(&account.id).chain_update(token).finalize().into();
    let fresh = body.get("fresh") == Some(&Value::Bool(true));
    let known = ANSWERS.with_borrow(|answers| {
        answers.get(&key).filter(|(until, _)| *until > at && !fresh).map(|(_, told)| told.clone())
    });
    if let Some(told) = known {
        return Ok(json(200, &serde_json::from_str::<Value>(&told).unwrap_or_default(), None, None)?);
    }
    let headers = Headers::new();
    headers.set("authorization", &format!("Bearer {token}"))?;
    headers.set("accept", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(&format!("{API}/accounts/{}/tokens/verify", account.id), &init)?;
    let mut answer =
        Fetch::Request(request).send_with_signal(&AbortSignal::from(web_timeout(10_000)?)).await?;
    if answer.status_code() >= 500 || answer.status_code() == 429 {
        return Err(Refused::new("upstream", 502, "Cloudflare failed."));
    }
    let said: Value = answer.json().await?;
    let success = said.get("success") == Some(&Value::Bool(true));
    let result = said.get("result").cloned().unwrap_or_default();
    let active = success && result["status"] == "active";
    let end = result["expires_on"].as_str().and_then(unix);
    let until = (now() + if active { 10 } else { 5 }).min(end.unwrap_or(i64::MAX));
    let told = json!({
        "valid": active && end.is_none_or(|end| end > at), "status": if success { result["status"].clone() } else { json!("invalid") },
        "family": if success { json!("account") } else { Value::Null }, "id": result["id"], "not_before": result["not_before"], "expires_on": result["expires_on"],
        "checked_at": moment(now()), "fresh_until": moment(until),
    });
    ANSWERS.with_borrow_mut(|answers| {
        if answers.len() >= 1_000 {
            answers.clear();
        }
        answers.insert(key, (until, told.to_string()));
    });
    Ok(json(200, &told, None, None)?)
}

async fn passthrough(request: &Request) -> Answer {
    let headers = Headers::new();
    headers.set("authorization", &request.headers().get("authorization")?.unwrap_or_default())?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    let mut answer = Fetch::Request(Request::new_with_init(&format!("{API}/bench"), &init)?).send().await?;
    let text = answer.text().await?;
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    Ok(Response::ok(text)?.with_status(answer.status_code()).with_headers(headers))
}

/// A message signed as GitHub signs. One that concerns a hook revokes by its repository, which no row of the benchmark does.
async fn hook(mut request: Request, route: &RouteContext<()>) -> Answer {
    let policy = policy(route)?;
    let text = request.text().await?;
    if text.len() > 65_536 {
        return Err(Refused::new("body-too-long", 413, "The body is too long."));
    }
    let hook = route.param("name").and_then(|name| policy.hooks.get(name));
    let signature = request.headers().get("x-hub-signature-256")?.unwrap_or_default();
    let signature =
        signature.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok()).unwrap_or_default();
    let mut good = false;
    for name in hook.into_iter().flat_map(|hook| &hook.secrets) {
        good = ledger::is_hmac(&route.env.secret(name)?.to_string(), &text, &signature) || good;
    }
    let hook = hook.filter(|_| good);
    let hook = hook.ok_or_else(|| {
        Refused::new("invalid-signature", 401, "The message is not signed by this hook's sender.")
    })?;
    let event = request.headers().get("x-github-event")?.unwrap_or_default();
    let body: Value = serde_json::from_str(&text)
        .map_err(|_| Refused::new("invalid-json", 400, "The body is no JSON object."))?;
    match policy::misfit(hook, &event, &body) {
        Some(because) => {
            Ok(json(200, &json!({ "ignored": true, "event": event, "because": because }), None, None)?)
        }
        None => Err(Refused::new("not-there", 501, "This broker revokes by nothing but ids.")),
    }
}
