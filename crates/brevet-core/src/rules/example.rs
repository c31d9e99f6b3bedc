//! The published example: the rules of development mode.
//!
//! Its secrets are in the open, here and in `brevet.toml`. Rules that hold any of its ids or digests
//! are refused outside development mode, where whoever read this file would else be a caller.

use super::document::Document;
use crate::cloudflare::TokenOwner;
use crate::secret::SecretDigest;

/// The rules of `brevet.toml`, as JSON.
pub const RULES_JSON: &str = include_str!("example.json");

/// The secret of the example's client `edge-purger`. For development only: it is published.
pub const CLIENT_SECRET: &str = "brvc_for-development-only_edge-purger_published-";

/// The secret of the example's operator `alice`. For development only: it is published.
pub const OPERATOR_SECRET: &str = "brvo_for-development-only_operator-alice_publish";

/// The ids of the example's accounts, user and zone.
const IDS: [&str; 4] = [
    "0123456789abcdef0123456789abcdef",
    "00112233445566778899aabbccddeeff",
    "fedcba9876543210fedcba9876543210",
    "023e105f4ecef8ad9ca31a8372d0c353",
];

/// The SHA-256 of the two secrets.
const DIGESTS: [&str; 2] = [
    "d19d39b00019fd32c5b4691ed5ca7343907158ac87e9998bb412419796a4c3fd",
    "36f0e85cdadd8b80c8cd13a553e7c8442a14b01ce7fab0a9a65208d9ec9c8550",
];

/// Where some rules hold an id or a digest of the example.
pub(super) fn traces(document: &Document) -> Vec<String> {
    let mut traces = Vec::new();
    for (name, rule) in &document.accounts {
        let id = match rule.owner {
            TokenOwner::Account(id) => id.to_string(),
            TokenOwner::User(id) => id.to_string(),
        };
        if IDS.contains(&id.as_str()) {
            traces.push(format!("/account/{name}/id"));
        }
    }
    for (name, rule) in &document.zones {
        if IDS.contains(&rule.id.as_str()) {
            traces.push(format!("/zone/{name}/id"));
        }
    }
    let published = |digest: &SecretDigest| {
        DIGESTS.iter().any(|hex| SecretDigest::from_hex(hex).as_ref() == Some(digest))
    };
    let secrets = |section: &str, name: &str, digests: &[SecretDigest]| {
        let places = digests.iter().enumerate().filter(|(_, digest)| published(digest));
        places.map(|(at, _)| format!("/{section}/{name}/secret_sha256/{at}")).collect::<Vec<_>>()
    };
    for (name, rule) in &document.operators {
        traces.extend(secrets("operator", name, &rule.secrets));
    }
    for (name, rule) in &document.clients {
        traces.extend(secrets("client", name, &rule.secrets));
    }
    traces
}
