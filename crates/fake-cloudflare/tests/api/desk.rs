//! Where the tests make their calls from.

use std::cell::Cell;

use fake_cloudflare::{
    APPS_ACCOUNT, Config, EXAMPLE_ZONE, Fake, MAIN_ACCOUNT, Outcome, Reply, Settings, USER,
};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

pub(crate) const ZONE_READ: &str = "c8fed203ed3043cba015a93ad1616f1f";
pub(crate) const ZONE_WRITE: &str = "e6d2666161e84845a636613608cee8d5";
pub(crate) const DNS_READ: &str = "82e64a83756745bbbb1c9c2701bf816b";
pub(crate) const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";
pub(crate) const CACHE_PURGE: &str = "e17beae8b8cb423a99b1730f21238bed";
pub(crate) const SCRIPTS_WRITE: &str = "e086da7e2179491d91ee5f35b3ca210a";
pub(crate) const ACCOUNT_SETTINGS_READ: &str = "c1fde68c7bcc44588cbb6ddbc16d6480";
pub(crate) const USER_DETAILS_READ: &str = "8acbe5bb0d54464ab867149d7f7cf8ac";
pub(crate) const MEMBERSHIPS_READ: &str = "3518d0f75557482e952c6762d3e64903";
pub(crate) const API_TOKENS_WRITE: &str = "686d18d5ac6c441c867cbf6771e58a0a";
pub(crate) const API_TOKENS_READ: &str = "0cc3a61731504c89b99ec1be78b77aa0";
pub(crate) const ACCOUNT_TOKENS_WRITE: &str = "5bc3f8b21c554832afc660159ab75fa4";
pub(crate) const R2_ITEM_READ: &str = "6a018a9f2fc74eb6b293b0c548f38b39";
/// The first moment of every test: 2026-07-01T00:00:00Z.
pub(crate) const START: i64 = 1_782_864_000;

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    /// The result of a success.
    #[track_caller]
    pub(crate) fn result(&self) -> &Value {
        assert_eq!((self.status, &self.body["success"]), (200, &json!(true)), "{}", self.body);
        assert_eq!(self.body["errors"], json!([]));
        &self.body["result"]
    }

    /// The message of a refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: i64) -> String {
        assert_eq!((self.status, &self.body["errors"][0]["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!((&self.body["success"], &self.body["result"]), (&json!(false), &Value::Null));
        self.body["errors"][0]["message"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// A minted token.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) shown: Value,
}

pub(crate) struct Desk {
    pub(crate) fake: Fake,
    pub(crate) now: Cell<i64>,
    config: Config,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut config = Config::seeded(42);
        change(&mut config.settings);
        Self { fake: Fake::new(config.clone()), now: Cell::new(START), config }
    }

    pub(crate) fn later(&self, seconds: i64) {
        self.now.set(self.now.get() + seconds);
    }

    fn parent(&self, name: &str) -> String {
        self.config.parent(name).expect("a parent").expose().to_owned()
    }

    pub(crate) fn main_parent(&self) -> String {
        self.parent("CLOUDFLARE_API_TOKEN")
    }

    pub(crate) fn apps_parent(&self) -> String {
        self.parent("CLOUDFLARE_APPS_TOKEN")
    }

    pub(crate) fn user_parent(&self) -> String {
        self.parent("CLOUDFLARE_USER_TOKEN")
    }

    /// Sends a request as it is.
    pub(crate) fn send(&self, request: Request<Vec<u8>>) -> Outcome {
        self.fake.handle(request, self.now.get())
    }

    /// Sends a request and reads its answer; no violation may come of it.
    #[track_caller]
    pub(crate) fn read(&self, request: Request<Vec<u8>>) -> Got {
        let outcome = self.send(request);
        assert_eq!(self.fake.violations(), []);
        let Reply::Answer(answer) = outcome.reply else { panic!("no answer: {outcome:?}") };
        let (head, body) = answer.into_parts();
        Got {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).expect("JSON"),
        }
    }

    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Got {
        self.read(request(method, path, token, body))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, token: &str) -> Got {
        self.call("GET", path, token, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, token: &str, body: Value) -> Got {
        self.call("POST", path, token, Some(body))
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, token: &str, body: Value) -> Got {
        self.call("PUT", path, token, Some(body))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str, token: &str) -> Got {
        self.call("DELETE", path, token, None)
    }

    /// Throws a switch.
    #[track_caller]
    pub(crate) fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Got {
        let mut builder = Request::builder().method(method).uri(format!("/__admin/{path}"));
        builder = builder.header("content-type", "application/json");
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.read(builder.body(body).expect("a request"))
    }

    /// Mints a token of account "main".
    #[track_caller]
    pub(crate) fn mint(&self, body: Value) -> Minted {
        minted(&self.post(&tokens_path(MAIN_ACCOUNT), &self.main_parent(), body))
    }

    /// Mints a token of the user.
    #[track_caller]
    pub(crate) fn mint_user(&self, body: Value) -> Minted {
        minted(&self.post("/user/tokens", &self.user_parent(), body))
    }
}

#[track_caller]
fn minted(got: &Got) -> Minted {
    let shown = got.result().clone();
    let text = |name: &str| shown[name].as_str().expect("text").to_owned();
    Minted { id: text("id"), value: text("value"), shown }
}

pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<Value>) -> Request<Vec<u8>> {
    let mut builder = Request::builder().method(method).uri(format!("/client/v4{path}"));
    if !token.is_empty() {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        builder = builder.header("content-type", "application/json");
    }
    builder.body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).expect("a request")
}

pub(crate) fn tokens_path(account: &str) -> String {
    format!("/accounts/{account}/tokens")
}

/// A path of the tokens of account "main".
pub(crate) fn main_path(rest: &str) -> String {
    format!("/accounts/{MAIN_ACCOUNT}/tokens{rest}")
}

/// One policy that allows these groups on these resources.
pub(crate) fn allow(resources: Value, groups: &[&str]) -> Value {
    policy("allow", resources, groups)
}

pub(crate) fn policy(effect: &str, resources: Value, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({ "id": id })).collect();
    json!({ "effect": effect, "resources": resources, "permission_groups": groups })
}

/// A body of a create with these policies.
pub(crate) fn body(policies: Vec<Value>) -> Value {
    json!({ "name": "a token", "policies": policies })
}

pub(crate) fn account(id: &str) -> Value {
    json!({ format!("com.cloudflare.api.account.{id}"): "*" })
}

pub(crate) fn main_account() -> Value {
    account(MAIN_ACCOUNT)
}

pub(crate) fn flat_zone(id: &str) -> Value {
    json!({ format!("com.cloudflare.api.account.zone.{id}"): "*" })
}

pub(crate) fn nested_zone(account: &str, zone: &str) -> Value {
    json!({ format!("com.cloudflare.api.account.{account}"): { format!("com.cloudflare.api.account.zone.{zone}"): "*" } })
}

pub(crate) fn all_main_zones() -> Value {
    nested_zone(MAIN_ACCOUNT, "*")
}

pub(crate) fn all_apps_zones() -> Value {
    nested_zone(APPS_ACCOUNT, "*")
}

pub(crate) fn own_user() -> Value {
    json!({ format!("com.cloudflare.api.user.{USER}"): "*" })
}

/// A body of a create that may do something harmless on the example's zone.
pub(crate) fn harmless() -> Value {
    body(vec![allow(flat_zone(EXAMPLE_ZONE), &[ZONE_READ])])
}
