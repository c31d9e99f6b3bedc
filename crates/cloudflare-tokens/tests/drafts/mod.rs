//! Tokens to be asked for, and what they are made of.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

use cloudflare_tokens::*;

pub const BASE: &str = "https://api.example.com/client/v4";
pub const VALUE: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";
pub const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
pub const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
pub const GROUP: &str = "c8fed203ed3043cba015a93ad1616f1f";

pub fn account() -> Family {
    Family::Account(ACCOUNT.parse().unwrap())
}

pub fn id() -> TokenId {
    TOKEN.parse().unwrap()
}

pub fn value() -> ApiToken {
    VALUE.parse().unwrap()
}

pub fn resources(entries: &[(&str, ResourceValue)]) -> Vec<(String, ResourceValue)> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

pub fn nested(entries: &[(&str, &str)]) -> ResourceValue {
    ResourceValue::Nested(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

pub fn policy(entries: &[(&str, ResourceValue)]) -> Policy {
    Policy {
        id: None,
        effect: Effect::Allow,
        resources: resources(entries),
        groups: vec![Group { id: GROUP.parse().unwrap(), name: Some("Zone Read".to_owned()) }],
    }
}

pub fn zone_policy() -> Policy {
    policy(&[(&format!("com.cloudflare.api.account.zone.{ZONE}"), ResourceValue::All)])
}

pub fn new_token() -> NewToken {
    NewToken {
        name: "readonly token".to_owned(),
        policies: vec![zone_policy()],
        condition: None,
        not_before: None,
        expires_on: None,
    }
}

pub fn update() -> TokenUpdate {
    let NewToken { name, policies, condition, not_before, expires_on } = new_token();
    TokenUpdate { name, policies, status: None, condition, not_before, expires_on }
}
