//! The broker's ports in the Worker.

use std::cell::RefCell;

use brevet_core::broker::{Memory, Ports, Settings, Unreachable};
use brevet_core::cloudflare::{Cloudflare, Failure, Parents, TokenOwner, Verified};
use brevet_core::json::{Object, to_text};
use brevet_core::ledger::protocol::{Request, Told};
use brevet_core::oidc::{Key, MOST_JWKS_BYTES};
use brevet_core::rulebook::{RulebookAnswer, RulebookRequest};
use brevet_core::secret::Secret;
use brevet_core::sorted::SortedMap;
use brevet_core::time::{Seconds, Timestamp};
use serde_json::Value;
use wasm_bindgen::JsValue;

use super::cloudflare::{EnvSecrets, Fetch, now, random, read_document};
use super::objects::{Namespace, Stored};
use super::{glue, tasks};
use crate::config::{self, Cloud};
use crate::upstream::Circuits;

/// The name of the one object that holds the rules of record.
pub(crate) const REGISTER: &str = "rules";

/// The most keys that an instance keeps imported: a handful of issuers have a handful each.
const MOST_KEPT_KEYS: usize = 64;

/// What one instance of the Worker has around it. Made once and kept: the bindings and secrets of a
/// deployment do not change while an instance lives.
pub(crate) struct Surroundings {
    settings: Settings,
    memory: Memory,
    ledgers: Namespace,
    register: Namespace,
    stored: Stored,
    secrets: EnvSecrets,
    /// Keys of issuers as the runtime has them, by their JWK.
    keys: RefCell<SortedMap<String, JsValue>>,
    cloudflare: Result<Cloud, Failure>,
}

impl Surroundings {
    /// Those of this environment.
    pub(crate) fn of(env: &JsValue) -> Self {
        let secrets = EnvSecrets::of(env);
        let settings = config::settings(|name| secrets.get(name));
        let cloudflare = config::cloud(&secrets, settings.development, Fetch, Circuits::default());
        Self {
            settings,
            memory: Memory::default(),
            ledgers: Namespace::of(env, "LEDGER", "ledger"),
            register: Namespace::of(env, "RULES", "register of rules"),
            stored: Stored::of(env),
            secrets,
            keys: RefCell::default(),
            cloudflare,
        }
    }
}

impl Ports for Surroundings {
    fn now(&self) -> Timestamp {
        now()
    }

    fn random(&self) -> [u8; 16] {
        // Without randomness nothing may be named or keyed; the runtime always has it.
        #[expect(
            clippy::expect_used,
            reason = "an instance without randomness must stop, not go on with zeros"
        )]
        random().expect("the runtime gives random bytes")
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn example_rules(&self) -> &str {
        config::EXAMPLE_RULES
    }

    async fn ledger(&self, owner: TokenOwner, request: &Request) -> Result<Told, Unreachable> {
        self.ledgers.ask(&owner.ledger_name(), &to_text(request)).await
    }

    async fn rulebook(&self, request: &RulebookRequest) -> Result<RulebookAnswer, Unreachable> {
        self.register.ask(REGISTER, &to_text(request)).await
    }

    async fn stored(&self, key: &str) -> Result<Option<String>, Unreachable> {
        self.stored.read(key).await
    }

    async fn keep(&self, key: &str, value: &str, kept: Seconds) -> bool {
        self.stored.write(key, value, Some(kept)).await.is_ok()
    }

    async fn fetch(&self, url: &str) -> Result<String, Unreachable> {
        let unreachable = |reason: &str| Unreachable { part: "issuer", reason: reason.to_owned() };
        read_document(url, MOST_JWKS_BYTES).await.map_err(unreachable)
    }

    async fn verify_signature(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        let known = self.keys.borrow().get(key.jwk()).cloned();
        let key = known.unwrap_or_else(|| {
            let made = glue::key_of(key.algorithm().as_str(), key.jwk());
            let mut keys = self.keys.borrow_mut();
            if keys.len() >= MOST_KEPT_KEYS {
                keys.clear();
            }
            keys.insert(key.jwk().to_owned(), made.clone());
            made
        });
        tasks::done(|ticket| glue::check_signature(ticket, &key, signed, signature)).await
    }

    async fn verify(&self, owner: TokenOwner, value: &Secret) -> Result<Option<Verified>, Failure> {
        self.cloudflare.as_ref().map_err(Clone::clone)?.verify(owner, value).await
    }

    async fn permission_groups(&self, owner: TokenOwner, parents: &Parents) -> Result<Value, Failure> {
        self.cloudflare.as_ref().map_err(Clone::clone)?.permission_groups(owner, parents).await
    }

    fn hook_secret(&self, name: &str) -> Option<Secret> {
        // The rules can name no other; this holds it against a defect of theirs.
        name.starts_with("HOOK_").then(|| self.secrets.get(name)).flatten()
    }

    fn log(&self, event: &Object) {
        glue::log_line(&to_text(event));
    }
}
