//! Verifying a presented Cloudflare token.
//!
//! The token under test is itself the credential of the call to Cloudflare. Answers are remembered
//! for seconds, in this instance only, under a hash with a key that it drew for itself. An outage or a
//! rate limit is never remembered.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::access::Family;
use crate::bearer::Bearer;
use crate::broker::fault::{Fault, RequestError};
use crate::broker::in_force::InForce;
use crate::broker::ports::{Ports, Visitor};
use crate::cloudflare::{Failure, TokenOwner, Verified};
use crate::id::{CLOUDFLARE_ID_LENGTH, TokenId};
use crate::ledger::book::LeaseKey;
use crate::ledger::lease::Lease;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Refusal, Request};
use crate::policy::Caller;
use crate::secret::Secret;
use crate::time::{Seconds, Timestamp};

/// How long an `active` is remembered. A token revoked elsewhere is believed for at most this long.
pub const REMEMBER_ACTIVE: Seconds = Seconds::of(10);

/// How long everything else is remembered: a token may become good soon after it was created.
pub const REMEMBER_INVALID: Seconds = Seconds::of(5);

/// Stands for whichever user a value belongs to, where the rules name none.
const UNKNOWN_USER: &str = "00000000000000000000000000000000";

/// At most this many calls to Cloudflare for one verification.
pub const MOST_CALLS: usize = 3;

/// What a presented value is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Validity {
    /// The owner at whose endpoint Cloudflare knows it.
    pub at: Option<TokenOwner>,
    /// The token's id.
    pub id: Option<TokenId>,
    /// Its status; `None` where Cloudflare does not know it.
    pub status: Option<String>,
    /// From when it works.
    pub not_before: Option<Timestamp>,
    /// From when it no longer works.
    pub expires_on: Option<Timestamp>,
    /// When Cloudflare was asked.
    pub checked_at: Timestamp,
    /// Until when this answer is given again.
    pub fresh_until: Timestamp,
}

impl Validity {
    /// The answer for a value that Cloudflare does not know.
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            at: None,
            id: None,
            status: None,
            not_before: None,
            expires_on: None,
            checked_at: now,
            fresh_until: now.plus(REMEMBER_INVALID),
        }
    }

    fn known(at: TokenOwner, verified: Verified, now: Timestamp) -> Self {
        let span = if verified.status == "active" { REMEMBER_ACTIVE } else { REMEMBER_INVALID };
        let end = now.plus(span);
        Self {
            at: Some(at),
            id: Some(verified.id),
            status: Some(verified.status),
            not_before: verified.not_before,
            expires_on: verified.expires_on,
            checked_at: now,
            // Never beyond the token's own end.
            fresh_until: verified.expires_on.map_or(end, |expires| end.min(expires)),
        }
    }

    /// Whether the token may be relied on: Cloudflare says `active`, and its times agree.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.status.as_deref() == Some("active")
            && self.expires_on.is_none_or(|end| now < end)
            && self.not_before.is_none_or(|start| start <= now)
    }
}

/// The id under which a live credential of Brevet's own verifies on the drop-in surface, where it stands
/// in for a parent token: always the same for one caller, and of a token id's form.
pub fn stand_in_id(caller: &Caller) -> String {
    let digest = Sha256::digest(format!("brevet credential of {}", caller.owner()).as_bytes());
    crate::hex::encode(&digest).chars().take(CLOUDFLARE_ID_LENGTH).collect()
}

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// At this endpoint and no other (the drop-in surface).
    At(TokenOwner),
    /// Wherever it may be, by its form: at most so many endpoints are asked.
    Anywhere(usize),
}

/// Verifies a value.
///
/// # Errors
/// [`Fault::TooOften`] for the address, [`Fault::Upstream`] where Cloudflare gave no answer.
pub async fn verify<P: Ports>(
    ports: &P,
    in_force: &InForce,
    visitor: &Visitor,
    value: Secret,
    place: Where,
    fresh: bool,
) -> Result<Rc<Validity>, Fault> {
    let now = ports.now();
    if let Some(address) = visitor.address {
        ports.memory().visit(address, now).map_err(Fault::TooOften)?;
    }
    let Ok(Bearer::Cloudflare(value, family)) = Bearer::sort(value, false) else {
        return Err(Fault::from(RequestError::NotACloudflareToken));
    };
    let scope = match &place {
        Where::At(owner) => owner.ledger_name(),
        Where::Anywhere(_) => String::new(),
    };
    let key = ports.memory().place_of(&value, &scope, || ports.random());
    if !fresh && let Some(known) = ports.memory().recall(&key, now) {
        return Ok(known);
    }
    let (mut candidates, most) = match place {
        Where::At(owner) => (vec![owner], 1),
        Where::Anywhere(most) => (candidates(in_force, family), most),
    };
    let asks_all = candidates.len() <= most;
    candidates.truncate(most);
    let answer = Rc::new(ask(ports, &candidates, &value).await.map_err(Fault::Upstream)?);
    if answer.at.is_none() && !asks_all {
        // An account that was not asked may know it: that is no "unknown".
        return Err(Fault::from(RequestError::AmbiguousAccount));
    }
    ports.memory().remember(key, Rc::clone(&answer), answer.fresh_until, ports.now());
    Ok(answer)
}

async fn ask<P: Ports>(ports: &P, candidates: &[TokenOwner], value: &Secret) -> Result<Validity, Failure> {
    let mut failure = None;
    for at in candidates {
        match ports.verify(*at, value).await {
            Ok(Some(verified)) => return Ok(Validity::known(*at, verified, ports.now())),
            Ok(None) => {}
            Err(met) => failure = Some(met),
        }
    }
    // "Unknown" is said only when every endpoint said so.
    failure.map_or_else(|| Ok(Validity::unknown(ports.now())), Err)
}

/// The endpoints that may know a value, the likeliest first. A prefix tells the family; without one,
/// it may be either.
fn candidates(in_force: &InForce, family: Option<Family>) -> Vec<TokenOwner> {
    let owners = || in_force.policy.accounts().map(|account| account.owner());
    let is_user = |owner: &TokenOwner| matches!(owner, TokenOwner::User(_));
    let mut found: Vec<TokenOwner> = Vec::new();
    if family != Some(Family::Account) {
        found.extend(owners().filter(is_user));
    }
    if family != Some(Family::User) {
        found.extend(owners().filter(|owner| !is_user(owner)));
    }
    // The user endpoint takes its user from the value: it can be asked although the rules know none.
    if family != Some(Family::Account) && !found.iter().any(is_user) {
        found.extend(UNKNOWN_USER.parse().map(TokenOwner::User));
    }
    found
}

/// The lease of a token that was just verified, for whoever may see it.
///
/// # Errors
/// [`Fault::Unreachable`], or the ledger's refusal.
pub async fn lease_of<P: Ports>(
    ports: &P,
    in_force: &InForce,
    validity: &Validity,
    owner: Option<String>,
) -> Result<Option<Lease>, Fault> {
    let (Some(at), Some(token)) = (validity.at, validity.id) else { return Ok(None) };
    let request = Request {
        protocol: PROTOCOL,
        by: None,
        rules: in_force.mark.clone(),
        owner,
        operation: Operation::Read { key: LeaseKey::Token(token), ask_cloudflare: None },
    };
    match ports.ledger(at, &request).await.map_err(Fault::from)?.answer {
        Answer::Lease { lease, .. } => Ok(Some(*lease)),
        Answer::Refused(Refusal::NotFound) => Ok(None),
        Answer::Refused(refusal) => Err(Fault::Ledger(refusal)),
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}
