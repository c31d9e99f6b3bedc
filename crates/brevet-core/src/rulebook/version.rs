//! How a version of the rules is told from every other.

use sha2::{Digest, Sha256};

use crate::json::{FromJson, ToJson, Tree, record};

/// The SHA-256 of the rules' JSON, in 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RulesDigest(String);

impl RulesDigest {
    /// The digest of this JSON text.
    pub fn of(json: &str) -> Self {
        Self(crate::hex::encode(&Sha256::digest(json.as_bytes())))
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the read copy in KV. The digest is in the key, so that a copy is never overwritten
    /// and a late read can only miss, not mislead.
    pub fn kv_key(&self) -> String {
        format!("rules/{}", self.0)
    }
}

impl ToJson for RulesDigest {
    fn write(&self, text: &mut String) {
        self.0.write(text);
    }
}

impl FromJson for RulesDigest {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        Self(String::read(value, sound))
    }
}

/// A version of the rules and the digest of its JSON. Version 0 stands for "none was ever pushed".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RulesMark {
    /// Counts the pushes.
    pub version: u64,
    /// The digest of the JSON.
    pub digest: RulesDigest,
}

record!(RulesMark { version, digest });

impl RulesMark {
    /// The mark of this JSON as this version.
    pub fn of(version: u64, json: &str) -> Self {
        Self { version, digest: RulesDigest::of(json) }
    }
}
