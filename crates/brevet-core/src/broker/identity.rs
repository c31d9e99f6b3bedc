//! Who a workload is: its token, with its issuer's keys.
//!
//! The issuer is looked up before anything is fetched. Keys are kept by the instance and in KV; an id that they do
//! not have has them fetched again, once a minute and issuer at most, whatever strangers send.

use std::rc::Rc;

use crate::broker::fault::{Fault, IdentityFault};
use crate::broker::in_force::InForce;
use crate::broker::ports::{Ports, Unreachable};
use crate::hex;
use crate::json::{Object, from_text, read_object, record, to_text};
use crate::oidc::{IssuerSpec, Key, KeySet, Signatures, SignedJwt, UnverifiedJwt};
use crate::policy::{Caller, Workload};
use crate::secret::Secret;
use crate::sorted::SortedMap;
use crate::time::{Seconds, Timestamp};

/// How long keys are used without asking their issuer again.
pub const KEYS_FRESH: Seconds = Seconds::of(3_600);

/// The shortest time between two fetches of an issuer's keys.
pub const REFETCH: Seconds = Seconds::of(60);

/// How long keys are used while their issuer does not give them. Then nobody of it gets in.
pub const KEYS_STALE: Seconds = Seconds::of(24 * 3_600);

/// The most issuers whose keys an instance keeps.
const MOST_ISSUERS: usize = 64;

/// The keys of an issuer.
#[derive(Clone, Debug)]
pub(super) struct Known {
    set: Option<Rc<KeySet>>,
    fetched: Timestamp,
    /// When they were last asked for, whatever came of it.
    tried: Timestamp,
}

/// The keys that an instance knows, by the URL of their issuer.
pub(super) type KnownKeys = SortedMap<String, Known>;

/// A key set as it lies in KV.
struct Copy {
    fetched: Timestamp,
    text: String,
}

record!(Copy { fetched, text });

/// Asks the ports about a signature.
struct Checker<'a, P>(&'a P);

impl<P: Ports> Signatures for Checker<'_, P> {
    async fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        self.0.verify_signature(key, signed, signature).await
    }
}

/// Checks the signature of a token.
///
/// # Errors
/// [`Fault::Identity`].
pub(super) async fn signed<P: Ports>(
    ports: &P,
    in_force: &InForce,
    token: &Secret,
) -> Result<SignedJwt, Fault> {
    let jwt = UnverifiedJwt::parse(token.expose()).map_err(IdentityFault::Jwt)?;
    let issuer = in_force.policy.issuer(jwt.claimed_issuer()).ok_or(IdentityFault::UnknownIssuer)?;
    jwt.check_header(issuer).map_err(IdentityFault::Identity)?;
    let keys = keys_of(ports, issuer, jwt.claimed_kid()).await?;
    let signed = jwt.check_signature(issuer, &keys, &Checker(ports)).await;
    signed.map_err(|error| Fault::from(IdentityFault::Identity(error)))
}

/// The workload of a signed token, under the rules in force.
///
/// # Errors
/// [`Fault::Identity`].
pub(super) fn workload<P: Ports>(ports: &P, in_force: &InForce, jwt: &SignedJwt) -> Result<Caller, Fault> {
    let issuer = in_force.policy.issuer(jwt.issuer()).ok_or(IdentityFault::UnknownIssuer)?;
    let identity = jwt.check(issuer, ports.now()).map_err(IdentityFault::Identity)?;
    Ok(Caller::Workload(Box::new(Workload::new(identity))))
}

fn is_younger(of: Timestamp, now: Timestamp, than: Seconds) -> bool {
    (0..i64::from(than.get())).contains(&now.since(of))
}

fn has(set: &KeySet, kid: Option<&str>) -> bool {
    kid.is_none_or(|kid| set.has(kid))
}

async fn keys_of<P: Ports>(ports: &P, issuer: &IssuerSpec, kid: Option<&str>) -> Result<Rc<KeySet>, Fault> {
    let now = ports.now();
    let known = ports.memory().keys.borrow().get(&issuer.url).cloned();
    if let Some(Known { set: Some(set), fetched, .. }) = &known
        && has(set, kid)
        && is_younger(*fetched, now, KEYS_FRESH)
    {
        return Ok(Rc::clone(set));
    }
    let stale = known.as_ref().and_then(|known| known.set.clone().map(|set| (set, known.fetched)));
    if known.as_ref().is_some_and(|known| is_younger(known.tried, now, REFETCH)) {
        return old(stale, now);
    }
    let stored = stored(ports, issuer).await;
    if let Some((set, fetched)) = &stored {
        let good = has(set, kid) && is_younger(*fetched, now, KEYS_FRESH);
        // Another instance asked a moment ago: what it did not get is not there.
        if good || is_younger(*fetched, now, REFETCH) {
            remember(ports, issuer, Some(Rc::clone(set)), *fetched, now);
            return Ok(Rc::clone(set));
        }
    }
    match fetch(ports, issuer).await {
        Ok((set, text)) => {
            let set = Rc::new(set);
            remember(ports, issuer, Some(Rc::clone(&set)), now, now);
            let copy = to_text(&Copy { fetched: now, text });
            if !ports.keep(&place_of(issuer), &copy, KEYS_STALE).await {
                ports.log(
                    &Unreachable { part: "KV namespace", reason: "keys were not kept".to_owned() }
                        .event("keys_not_kept"),
                );
            }
            Ok(set)
        }
        Err(reason) => {
            let mut event = Object::saying("event", "issuer_keys");
            event.put("alarm", &true).text("issuer", &issuer.name).text("reason", &reason);
            ports.log(&event);
            let newest = [stale, stored].into_iter().flatten().max_by_key(|(_, fetched)| *fetched);
            let (set, fetched) = newest.clone().map_or((None, now), |(set, fetched)| (Some(set), fetched));
            remember(ports, issuer, set, fetched, now);
            old(newest, now)
        }
    }
}

/// Keys that could not be asked for again, while they may be used.
fn old(kept: Option<(Rc<KeySet>, Timestamp)>, now: Timestamp) -> Result<Rc<KeySet>, Fault> {
    let usable = kept.filter(|(_, fetched)| is_younger(*fetched, now, KEYS_STALE));
    usable.map(|(set, _)| set).ok_or(Fault::from(IdentityFault::NoKeys))
}

fn remember<P: Ports>(
    ports: &P,
    issuer: &IssuerSpec,
    set: Option<Rc<KeySet>>,
    fetched: Timestamp,
    tried: Timestamp,
) {
    let mut keys = ports.memory().keys.borrow_mut();
    if keys.len() >= MOST_ISSUERS && !keys.contains_key(&issuer.url) {
        keys.clear();
    }
    keys.insert(issuer.url.clone(), Known { set, fetched, tried });
}

fn place_of(issuer: &IssuerSpec) -> String {
    format!("jwks/{}", hex::encode(Secret::new(issuer.url.clone()).digest().as_bytes()))
}

async fn stored<P: Ports>(ports: &P, issuer: &IssuerSpec) -> Option<(Rc<KeySet>, Timestamp)> {
    let text = ports.stored(&place_of(issuer)).await.ok()??;
    let copy: Copy = from_text(&text)?;
    Some((Rc::new(KeySet::parse(copy.text.as_bytes()).ok()?), copy.fetched))
}

/// Asks the issuer for its keys: where the rules say that they are, or where its own discovery document does, on
/// its own host.
async fn fetch<P: Ports>(ports: &P, issuer: &IssuerSpec) -> Result<(KeySet, String), String> {
    let uri = match &issuer.jwks_uri {
        Some(uri) => uri.clone(),
        None => discover(ports, issuer).await?,
    };
    let text = ports.fetch(&uri).await.map_err(|failure| failure.reason)?;
    KeySet::parse(text.as_bytes()).map(|set| (set, text)).map_err(|error| error.to_string())
}

async fn discover<P: Ports>(ports: &P, issuer: &IssuerSpec) -> Result<String, String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/'));
    let text = ports.fetch(&url).await.map_err(|failure| failure.reason)?;
    let document = read_object(text.as_bytes()).map_err(|error| error.to_string())?;
    let said = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
    if said("issuer") != Some(&issuer.url) {
        return Err("its discovery document names another issuer".to_owned());
    }
    let uri = said("jwks_uri").ok_or("its discovery document names no jwks_uri")?;
    if origin(uri).is_none() || origin(uri) != origin(&issuer.url) {
        return Err("its jwks_uri is on another host".to_owned());
    }
    Ok(uri.to_owned())
}

/// Scheme, host and port, as they are written; none where there is anything odd about them.
fn origin(url: &str) -> Option<&str> {
    let start = url.find("://")?.checked_add(3)?;
    let end = url.get(start..)?.find(['/', '?', '#']).map_or(url.len(), |at| start.saturating_add(at));
    let origin = url.get(..end)?;
    (!origin.contains(['@', '\\', ' '])).then_some(origin)
}
