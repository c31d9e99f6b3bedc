//! Rules, ids and policies for tests.

use std::fmt;

use serde_json::{Value, json};

use super::Places;
use crate::id::{AccountId, UserId, ZoneId};

pub(crate) const MAIN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const APPS: &str = "00112233445566778899aabbccddeeff";
pub(crate) const FOREIGN: &str = "99999999999999999999999999999999";
pub(crate) const USER: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub(crate) const APPS_ZONE: &str = "11111111111111111111111111111111";
/// A zone that the rules do not name.
pub(crate) const STRAY_ZONE: &str = "22222222222222222222222222222222";

pub(crate) const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";
pub(crate) const CACHE_PURGE: &str = "e17beae8b8cb423a99b1730f21238bed";
pub(crate) const SCRIPTS_WRITE: &str = "e086da7e2179491d91ee5f35b3ca210a";
pub(crate) const BILLING_READ: &str = "7cf72faf220841aabcfdfab81c43c4f6";
pub(crate) const USER_READ: &str = "8acbe5bb0d54464ab867149d7f7cf8ac";
pub(crate) const BUCKET_READ: &str = "6a018a9f2fc74eb6b293b0c548f38b39";
/// A group that no table has.
pub(crate) const UNKNOWN_GROUP: &str = "ffffffffffffffffffffffffffffffff";

pub(crate) fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: fmt::Debug,
{
    text.parse().unwrap()
}

/// Rules with two accounts, a user and a zone in each account.
pub(crate) struct Rules {
    pub(crate) user: Option<UserId>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { user: Some(id(USER)) }
    }
}

impl Places for Rules {
    fn account_of_zone(&self, zone: ZoneId) -> Option<AccountId> {
        match zone.as_str() {
            ZONE => Some(id(MAIN)),
            APPS_ZONE => Some(id(APPS)),
            _ => None,
        }
    }
    fn knows_account(&self, account: AccountId) -> bool {
        matches!(account.as_str(), MAIN | APPS)
    }
    fn user(&self) -> Option<UserId> {
        self.user
    }
}

pub(crate) fn account_key(account: &str) -> String {
    format!("com.cloudflare.api.account.{account}")
}

pub(crate) fn zone_key(zone: &str) -> String {
    format!("com.cloudflare.api.account.zone.{zone}")
}

pub(crate) fn bucket_key(rest: &str) -> String {
    format!("com.cloudflare.edge.r2.bucket.{rest}")
}

pub(crate) fn policy(resources: Value, groups: &[&str]) -> Value {
    let groups: Vec<_> = groups.iter().map(|group| json!({ "id": group })).collect();
    json!({ "effect": "allow", "resources": resources, "permission_groups": groups })
}
