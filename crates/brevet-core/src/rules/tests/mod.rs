//! The rules that these tests change in one place each.

mod compiling;
mod endpoints;
mod examples;
mod findings;
mod grants;
mod hooks;
mod reading;
mod sections;

use serde_json::{Value, json};

use super::*;

/// Rules with one of everything.
pub(super) fn rules() -> Value {
    json!({
        "version": 1,
        "brevet": { "url": "https://brevet.zone.example", "install": "test" },
        "account": {
            "main": { "id": "a0000000000000000000000000000001", "family": "account", "parent": "CLOUDFLARE_A" },
            "apps": { "id": "a0000000000000000000000000000002", "family": "account", "parent": "CLOUDFLARE_B",
                      "hosts_brevet": false, "max_ttl": "10h" },
            "me": { "id": "b0000000000000000000000000000001", "family": "user", "parent": "CLOUDFLARE_C" },
        },
        "zone": {
            "zone.example": { "id": "c0000000000000000000000000000001", "account": "main" },
            "shop.example": { "id": "c0000000000000000000000000000002", "account": "a0000000000000000000000000000002" },
        },
        "group": { "new": { "name": "New Thing Write", "scope": "account", "id": "d0000000000000000000000000000001" } },
        "template": {
            "dns": { "permissions": [{ "name": "DNS Write", "scope": "zone" }], "resources": { "zone": "{zone}" }, "ttl": "15m", "max_ttl": "1h" },
        },
        "operator": { "alice": { "secret_sha256": ["aa".repeat(32)], "may": ["read", "config"] } },
        "issuer": { "github": { "url": "https://token.actions.githubusercontent.com", "pin": { "repository_owner_id": "1" } } },
        "client": { "ci": { "secret_sha256": ["bb".repeat(32)] }, "cd": { "secret_sha256": ["cc".repeat(32)] } },
        "grant": {
            "purge": { "from": { "client": "ci" }, "allow": [{ "template": "cache-purge", "zone": ["shop.example"] }] },
            "deploy": { "from": { "issuer": "github" }, "when": [{ "repository_id": "2", "ref": "refs/heads/main" }],
                        "allow": [{ "template": "workers-deploy", "account": "apps" }] },
        },
    })
}

/// The rules with another value at one place.
pub(super) fn with(pointer: &str, value: Value) -> Value {
    let mut rules = rules();
    set(&mut rules, pointer, value);
    rules
}

pub(super) fn set(rules: &mut Value, pointer: &str, value: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = rules.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
        _ => parent[member.replace("~1", "/")] = value,
    }
}

pub(super) fn without(pointer: &str) -> Value {
    let mut rules = rules();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    rules.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    rules
}

/// What keeps rules from being read: where, and what.
pub(super) fn refused(rules: &Value) -> Vec<(String, Problem)> {
    match read(rules) {
        Ok(_) => Vec::new(),
        Err(findings) => errors(findings),
    }
}

pub(super) fn errors(findings: Vec<Finding>) -> Vec<(String, Problem)> {
    let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| (finding.pointer, finding.problem)).collect()
}

/// Every error of these rules, read and compiled.
pub(super) fn wrong(rules: &Value) -> Vec<(String, Problem)> {
    errors(lint(rules))
}

/// Every warning of these rules, which have no error.
pub(super) fn warnings(rules: &Value) -> Vec<(String, Problem)> {
    let findings = lint(rules);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:#?}");
    findings.into_iter().map(|finding| (finding.pointer, finding.problem)).collect()
}

pub(super) fn one(pointer: &str, problem: Problem) -> Vec<(String, Problem)> {
    vec![(pointer.to_owned(), problem)]
}
