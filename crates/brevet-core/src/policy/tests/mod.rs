//! The rules that these tests decide by, and short ways to ask.

mod ask;
mod auth;
mod choose;
mod denials;
mod lifetime;
mod listing;
mod policies;
mod property;
mod redecide;
mod template;
mod workload;

use serde_json::{Value, json};

use super::*;

pub(super) const MAIN: &str = "0123456789abcdef0123456789abcdef";
pub(super) const APPS: &str = "00112233445566778899aabbccddeeff";
pub(super) const USER: &str = "fedcba9876543210fedcba9876543210";
pub(super) const EXAMPLE_COM: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub(super) const SHOP: &str = "11111111111111111111111111111111";
pub(super) const BLOG: &str = "22222222222222222222222222222222";
pub(super) const FOREIGN: &str = "99999999999999999999999999999999";

pub(super) const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";
pub(super) const CACHE_PURGE: &str = "e17beae8b8cb423a99b1730f21238bed";
pub(super) const SCRIPTS_WRITE: &str = "e086da7e2179491d91ee5f35b3ca210a";
pub(super) const KV_WRITE: &str = "f7f0eda5697f475c90846e879bab8666";
pub(super) const BILLING_READ: &str = "7cf72faf220841aabcfdfab81c43c4f6";
pub(super) const USER_DETAILS_READ: &str = "8acbe5bb0d54464ab867149d7f7cf8ac";
pub(super) const ACCOUNT_TOKENS_WRITE: &str = "5bc3f8b21c554832afc660159ab75fa4";

/// 2026-11-01T00:00:00Z.
pub(super) const NOW: i64 = 1_793_491_200;

pub(super) fn now() -> Timestamp {
    at(0)
}

/// So many seconds after [`NOW`].
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds).unwrap()
}

pub(super) fn digest(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

/// The accounts, zones and clients that every test has; `grants` are its own.
pub(super) fn rules(grants: Value) -> Value {
    json!({
        "version": 1,
        "brevet": { "url": "https://brevet.example.com", "install": "test" },
        "account": {
            "main": { "id": MAIN, "family": "account", "parent": "CLOUDFLARE_API_TOKEN" },
            "apps": { "id": APPS, "family": "account", "parent": "CLOUDFLARE_APPS_TOKEN",
                      "parent_next": "CLOUDFLARE_APPS_TOKEN_2", "hosts_brevet": false, "max_ttl": "12h" },
            "me": { "id": USER, "family": "user", "parent": "CLOUDFLARE_USER_TOKEN" },
        },
        "zone": {
            "example.com": { "id": EXAMPLE_COM, "account": "main" },
            "shop.example": { "id": SHOP, "account": "apps" },
            "blog.example": { "id": BLOG, "account": "apps" },
        },
        "template": {
            "dns-acme": {
                "permissions": [{ "name": "DNS Write", "scope": "zone" }],
                "resources": { "zone": "{zone}" }, "ttl": "15m", "max_ttl": "1h",
            },
            "mixed": { "permissions": [{ "name": "Billing Read" }, { "name": "Cache Purge" }] },
        },
        "operator": {
            "alice": { "secret_sha256": [digest(0xa1)], "may": ["read", "revoke", "mint", "config"] },
            "rita": { "secret_sha256": [digest(0xa2)], "may": ["read"] },
        },
        "client": {
            "ci": { "secret_sha256": [digest(1), digest(2)] },
            "other": { "secret_sha256": [digest(3)] },
        },
        "grant": grants,
    })
}

pub(super) fn compiled(rules: &Value) -> Policy {
    let document = crate::rules::read(rules).unwrap_or_else(|findings| panic!("{findings:#?}"));
    crate::rules::compile(document).unwrap_or_else(|findings| panic!("{findings:#?}")).0
}

/// A policy in which client `ci` has these grants.
pub(super) fn policy(grants: Value) -> Policy {
    compiled(&rules(grants))
}

/// A grant for client `ci` with these lines and nothing else.
pub(super) fn grant(allow: Value) -> Value {
    json!({ "from": { "client": "ci" }, "allow": allow })
}

/// The same with further fields.
pub(super) fn grant_with(allow: Value, fields: Value) -> Value {
    let mut grant = grant(allow);
    for (name, value) in fields.as_object().unwrap() {
        grant[name] = value.clone();
    }
    grant
}

pub(super) fn ci() -> Caller {
    Caller::Client { name: "ci".to_owned() }
}

pub(super) fn ask(body: Value) -> Ask {
    Ask::from_json(&body).unwrap()
}

pub(super) fn drop_in(body: Value, account: &str) -> Ask {
    Ask { surface: Surface::DropIn { account: account.to_owned() }, ..ask(body) }
}

impl Policy {
    pub(super) fn ci(&self, body: Value) -> Result<Grant, Denial> {
        self.decide(&ci(), &ask(body), now())
    }

    pub(super) fn root(&self, body: Value) -> Result<Grant, Denial> {
        self.decide(&Caller::root(), &ask(body), now())
    }
}

/// What a token may do, in the words of tests: `group on resource`, sorted.
pub(super) fn pairs(grant: &Grant) -> Vec<String> {
    let mut pairs: Vec<_> = grant.access().pairs().map(|(group, at)| format!("{group} on {at}")).collect();
    pairs.sort();
    pairs
}

pub(super) fn on_zone(group: &str, zone: &str, account: &str) -> String {
    format!("{group} on zone {zone} of account {account}")
}

pub(super) fn on_zones(group: &str, account: &str) -> String {
    format!("{group} on all zones of account {account}")
}

pub(super) fn on_account(group: &str, account: &str) -> String {
    format!("{group} on account {account}")
}

/// One policy in Cloudflare's form.
pub(super) fn raw(groups: &[&str], resources: Value) -> Value {
    let groups: Vec<_> = groups.iter().map(|id| json!({ "id": id })).collect();
    json!({ "effect": "allow", "permission_groups": groups, "resources": resources })
}

pub(super) fn zone_resource(zone: &str, account: &str) -> Value {
    json!({ format!("com.cloudflare.api.account.{account}"): { format!("com.cloudflare.api.account.zone.{zone}"): "*" } })
}

pub(super) fn zones_resource(account: &str) -> Value {
    zone_resource("*", account)
}

pub(super) fn account_resource(account: &str) -> Value {
    json!({ format!("com.cloudflare.api.account.{account}"): "*" })
}
