//! Identity tokens, with the runtime's own WebCrypto and imported keys kept.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Crypto, CryptoKey, SubtleCrypto};
use worker::js_sys::{self, Array, Object, Reflect};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{AbortSignal, Fetch, Url};

use crate::answers::{Refused, now};
use crate::policy::{Issuer, Policy};

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Clone)]
struct Keys {
    until: i64,
    keys: HashMap<String, (&'static str, CryptoKey)>,
}

thread_local! {
    static KEYS: RefCell<HashMap<String, Keys>> = RefCell::default();
}

fn denied() -> Refused {
    Refused::new("invalid-identity", 401, "The identity token is not taken.")
}

fn subtle() -> SubtleCrypto {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into()).unwrap_or(JsValue::UNDEFINED);
    crypto.unchecked_into::<Crypto>().subtle()
}

fn algorithm(name: &str) -> Object {
    let object = Object::new();
    let pairs: &[(&str, &str)] = match name {
        "RS256" => &[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")],
        _ => &[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")],
    };
    for (key, value) in pairs {
        let _set = Reflect::set(&object, &(*key).into(), &(*value).into());
    }
    object
}

async fn fetch_keys(issuer: &Issuer) -> Result<Keys, Refused> {
    let url: Url = issuer.jwks_uri.parse().map_err(|_| denied())?;
    let signal = AbortSignal::from(web_timeout(3_000)?);
    let mut answer = Fetch::Url(url).send_with_signal(&signal).await.map_err(Refused::from)?;
    let set: Value = answer.json().await.map_err(Refused::from)?;
    let mut keys = HashMap::new();
    for jwk in set.get("keys").and_then(Value::as_array).into_iter().flatten() {
        let name = match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
            (Some("RSA"), _) => "RS256",
            (_, Some("P-256")) => "ES256",
            _ => continue,
        };
        let Some(kid) = jwk["kid"].as_str() else { continue };
        let object = js_sys::JSON::parse(&jwk.to_string()).map_err(|_| denied())?.unchecked_into::<Object>();
        let usages = Array::of1(&"verify".into());
        let imported = subtle()
            .import_key_with_object("jwk", &object, &algorithm(name), false, &usages)
            .map_err(|_| denied())?;
        let key = JsFuture::from(imported).await.map_err(|_| denied())?;
        keys.insert(kid.to_owned(), (name, key.unchecked_into::<CryptoKey>()));
    }
    Ok(Keys { until: now() + 3_600, keys })
}

/// `AbortSignal.timeout`, which the crate has no function for.
pub(crate) fn web_timeout(ms: u32) -> Result<worker::web_sys::AbortSignal, Refused> {
    let class = Reflect::get(&js_sys::global(), &"AbortSignal".into()).map_err(|_| denied())?;
    let make =
        Reflect::get(&class, &"timeout".into()).map_err(|_| denied())?.unchecked_into::<js_sys::Function>();
    make.call1(&class, &ms.into()).map(JsCast::unchecked_into).map_err(|_| denied())
}

async fn key_of(issuer: &Issuer, kid: &str, name: &str) -> Result<CryptoKey, Refused> {
    let known = KEYS.with_borrow(|keys| {
        keys.get(&issuer.url).filter(|keys| keys.until > now()).and_then(|keys| keys.keys.get(kid).cloned())
    });
    let found = match known {
        Some(found) => Some(found),
        None if KEYS.with_borrow(|keys| keys.get(&issuer.url).is_some_and(|keys| keys.until > now())) => None,
        None => {
            let fresh = fetch_keys(issuer).await?;
            let found = fresh.keys.get(kid).cloned();
            KEYS.with_borrow_mut(|keys| keys.insert(issuer.url.clone(), fresh));
            found
        }
    };
    found.filter(|(algorithm, _)| *algorithm == name).map(|(_, key)| key).ok_or_else(denied)
}

/// Checks the signature and the issuer; what else the token says is the policy's.
pub(crate) async fn verify<'a>(
    policy: &'a Policy,
    token: &str,
) -> Result<(&'a Issuer, Map<String, Value>), Refused> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return Err(denied()) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| denied());
    let head: Header = serde_json::from_slice(&decode(header)?).map_err(|_| denied())?;
    let claims: Map<String, Value> = serde_json::from_slice(&decode(payload)?).map_err(|_| denied())?;
    let issuer = policy.issuer(claims.get("iss").and_then(Value::as_str).unwrap_or_default())?;
    if !issuer.algorithms.contains(&head.alg)
        || head.crit.is_some()
        || head.typ.is_some_and(|typ| typ != "JWT")
    {
        return Err(denied());
    }
    let key = key_of(issuer, head.kid.as_deref().unwrap_or_default(), &head.alg).await?;
    let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    let mut signature = decode(signature)?;
    let checking = subtle().verify_with_object_and_u8_array_and_u8_array(
        &algorithm(&head.alg),
        &key,
        &mut signature,
        &mut signed.as_bytes().to_vec(),
    );
    let good = JsFuture::from(checking.map_err(|_| denied())?).await.map_err(|_| denied())?;
    if good.is_truthy() { Ok((issuer, claims)) } else { Err(denied()) }
}
