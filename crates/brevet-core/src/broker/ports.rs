//! What the broker needs of the world it runs in.

use std::future::Future;
use std::net::IpAddr;

use serde_json::Value;

use crate::broker::memory::Memory;
use crate::cloudflare::{Failure, Parents, TokenOwner, Verified};
use crate::json::Object;
use crate::ledger::name::Pepper;
use crate::ledger::protocol::{Request, Told};
use crate::oidc::Key;
use crate::rulebook::{RulebookAnswer, RulebookRequest};
use crate::secret::Secret;
use crate::time::{Seconds, Timestamp};

/// A part of the installation (a ledger, the register of rules, KV) could not be asked, or answered
/// nothing that makes sense. The reason is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Which part.
    pub part: &'static str,
    /// The reason. It holds no secret.
    pub reason: String,
}

impl Unreachable {
    /// The event of this name, for the log.
    pub fn event(&self, name: &str) -> Object {
        let mut event = Object::saying("event", name);
        event.text("part", self.part).text("reason", &self.reason);
        event
    }
}

/// What was configured for this deployment, outside the rules.
#[derive(Debug)]
pub struct Settings {
    /// `BREVET_DEV=1` was set.
    pub development: bool,
    /// The root operator's secret.
    pub root: Option<Secret>,
    /// The pepper; none where it is missing or unusable, and then nothing is minted.
    pub pepper: Option<Pepper>,
    /// Why there is no pepper.
    pub pepper_problem: Option<String>,
}

/// The world around the broker. Everything here is bounded by the one who implements it: every call
/// ends.
pub trait Ports {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Sixteen random bytes that nobody can foresee.
    fn random(&self) -> [u8; 16];

    /// The deployment's settings.
    fn settings(&self) -> &Settings;

    /// What this instance remembers between requests.
    fn memory(&self) -> &Memory;

    /// The rules compiled in for development, as JSON.
    fn example_rules(&self) -> &str;

    /// Asks a ledger.
    fn ledger(&self, owner: TokenOwner, request: &Request)
    -> impl Future<Output = Result<Told, Unreachable>>;

    /// Asks the register of rules.
    fn rulebook(
        &self,
        request: &RulebookRequest,
    ) -> impl Future<Output = Result<RulebookAnswer, Unreachable>>;

    /// Reads a value from KV.
    fn stored(&self, key: &str) -> impl Future<Output = Result<Option<String>, Unreachable>>;

    /// Writes a value into KV, to be kept for so long; tells whether that was done.
    fn keep(&self, key: &str, value: &str, kept: Seconds) -> impl Future<Output = bool>;

    /// Reads a document of an issuer: at most [`MOST_JWKS_BYTES`](crate::oidc::MOST_JWKS_BYTES), within three
    /// seconds, without following redirects.
    fn fetch(&self, url: &str) -> impl Future<Output = Result<String, Unreachable>>;

    /// Whether a key made a signature.
    fn verify_signature(&self, key: &Key, signed: &[u8], signature: &[u8]) -> impl Future<Output = bool>;

    /// Asks Cloudflare what a presented value is worth at this owner's endpoint.
    fn verify(
        &self,
        owner: TokenOwner,
        value: &Secret,
    ) -> impl Future<Output = Result<Option<Verified>, Failure>>;

    /// Asks Cloudflare for the permission groups that this owner's tokens can hold.
    fn permission_groups(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> impl Future<Output = Result<Value, Failure>>;

    /// The Worker secret of this name, which the rules name as a hook's.
    fn hook_secret(&self, name: &str) -> Option<Secret>;

    /// Writes a structured line to the log. It must hold no secret.
    fn log(&self, event: &Object);
}

/// Who stands behind a request, before anything of it is believed.
#[derive(Debug)]
pub struct Visitor {
    /// The address it came from, as Cloudflare reports it.
    pub address: Option<IpAddr>,
    /// Whether the request was made to a loopback host.
    pub loopback: bool,
}
