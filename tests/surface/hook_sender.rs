//! Senders of webhooks, and rules with hooks for them.

use brevet::routes::{Body, Call};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::installation::{Answer, Installation, request, rules};
use crate::issuer::{AUDIENCE, URL, claims, ed25519_jwk, header, signed};

/// GitHub's secret, and that of a sender of Standard Webhooks.
pub(crate) const GITHUB: &str = "It's a Secret to Everybody";
pub(crate) const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A message with these headers, to the hook of this name.
pub(crate) fn message(hook: &str, headers: &[(&str, &str)], body: &[u8]) -> Call {
    let mut call = request("", "POST", &format!("/hooks/{hook}"), None);
    call.signed = headers.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
    call.body = Body::Whole(body.to_vec());
    call
}

/// As GitHub sends it.
pub(crate) fn github(hook: &str, event: &str, body: &Value) -> Call {
    let body = body.to_string();
    let signature = format!("sha256={}", HEXLOWER.encode(&mac(GITHUB.as_bytes(), &[body.as_bytes()])));
    message(hook, &[("x-hub-signature-256", &signature), ("x-github-event", event)], body.as_bytes())
}

/// As a library of Standard Webhooks sends it.
pub(crate) fn standard(hook: &str, id: &str, at: i64, body: &Value) -> Call {
    let body = body.to_string();
    let key = BASE64.decode(STANDARD.trim_start_matches("whsec_").as_bytes()).unwrap();
    let head = format!("{id}.{at}.");
    let signature = format!("v1,{}", BASE64.encode(&mac(&key, &[head.as_bytes(), body.as_bytes()])));
    let at = at.to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", &*at), ("webhook-signature", &*signature)];
    message(hook, &headers, body.as_bytes())
}

/// GitHub's alert of a leaked token of Cloudflare's, as far as it matters.
pub(crate) fn alert(repository: u64) -> Value {
    json!({
        "action": "created",
        "alert": { "number": 7, "secret_type": "cloudflare_api_token", "publicly_leaked": true },
        "repository": { "id": repository, "full_name": "octo-org/app" },
    })
}

/// The rules of the tests, with workloads of GitHub and hooks of each kind.
pub(crate) fn hooked_rules() -> Value {
    let mut rules = rules();
    rules["issuer"] = json!({ "github": {
        "url": URL, "audience": AUDIENCE, "algorithms": ["Ed25519"], "pin": { "repository_owner_id": "100000001" },
    } });
    for (grant, account) in [("deploy-main", "main"), ("deploy-me", "me")] {
        rules["grant"][grant] = json!({
            "from": { "issuer": "github" },
            "when": [{ "repository_owner_id": "100000001" }],
            "allow": [{ "template": "zone-read", "account": account, "zone": ["example.com"] }],
            "ttl": "10m", "max_ttl": "1h",
        });
    }
    rules["hook"] = json!({
        "leak": {
            "scheme": "github", "secrets": ["HOOK_NEXT", "HOOK_GITHUB"],
            "when": [{ "event": "secret_scanning_alert", "/action": "created", "/alert/secret_type": "cloudflare_*" }],
            "revoke": { "repository_id": "/repository/id" },
            "freeze": { "grant": "deploy-main", "for": "1h" },
        },
        "firing": {
            "scheme": "standard-webhooks", "secrets": ["HOOK_STANDARD"], "when": [{ "event": "alert.firing" }],
            "freeze": { "grant": ["ci-zone", "/grant"] },
        },
        "resolved": {
            "scheme": "standard-webhooks", "secrets": ["HOOK_STANDARD"], "unfreeze": { "grant": "ci-zone" },
        },
        "end": {
            "scheme": "standard-webhooks", "secrets": ["HOOK_STANDARD"], "revoke": { "lease": "/lease" },
        },
        "unset": { "scheme": "github", "secrets": ["HOOK_UNSET", "HOOK_SHORT"], "revoke": { "all": true } },
    });
    let reply = |more: Value| {
        let mut hook = json!({ "scheme": "standard-webhooks", "secrets": ["HOOK_STANDARD"], "reply": true });
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hook
    };
    rules["hook"]["edge"] = reply(json!({
        "when": [{ "event": "token.wanted" }],
        "create": { "template": "/data/template", "account": "main", "zone": "/data/zone", "ttl": "/data/ttl" },
    }));
    rules["hook"]["edge-roll"] = reply(json!({ "roll": { "lease": "/lease" } }));
    rules["hook"]["edge-end"] = reply(json!({ "revoke": { "lease": "/lease" } }));
    rules["hook"]["look"] = reply(json!({ "verify": { "token": "/token", "account": "main" } }));
    for hook in ["edge", "edge-roll"] {
        rules["grant"][hook] = json!({
            "from": { "hook": hook },
            "allow": [{ "template": "zone-read", "account": "main", "zone": ["example.com"] }],
            "ttl": "5m", "max_ttl": "15m", "operations": ["create", "roll", "revoke"],
        });
    }
    rules
}

/// An installation under those rules.
pub(crate) fn hooked() -> &'static Installation {
    let here = Installation::with_rules(&hooked_rules());
    let secrets = [("HOOK_GITHUB", GITHUB), ("HOOK_STANDARD", STANDARD), ("HOOK_SHORT", "short")];
    for (name, text) in secrets {
        here.hook_secrets.borrow_mut().insert(name.to_owned(), text.to_owned());
    }
    let jwks = format!("{URL}/.well-known/jwks");
    let discovery = json!({ "issuer": URL, "jwks_uri": jwks }).to_string();
    here.documents.borrow_mut().insert(format!("{URL}/.well-known/openid-configuration"), discovery);
    here.documents.borrow_mut().insert(jwks, json!({ "keys": [ed25519_jwk()] }).to_string());
    here
}

/// A job of a repository gets a token by this grant.
pub(crate) fn job(here: &Installation, repository: &str, grant: &str) -> Answer {
    let now = now(here);
    let mut claims = claims();
    for (name, offset) in [("iat", 0), ("nbf", -600), ("exp", 300)] {
        claims[name] = json!(now + offset);
    }
    claims["repository_id"] = json!(repository);
    claims["jti"] = json!(format!("{repository} {grant} {}", here.tokens()));
    let made = here.post(
        &signed(&header(), &claims),
        "/v1/tokens",
        json!({ "template": "zone-read", "grant": grant }),
    );
    assert_eq!(made.status, 201, "{}", made.text);
    made
}

pub(crate) fn now(here: &Installation) -> i64 {
    brevet_core::broker::Ports::now(here).unix()
}
