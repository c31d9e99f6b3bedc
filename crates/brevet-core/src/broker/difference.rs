//! What a push changes that somebody must answer for.
//!
//! The rules are compared as they were written, so that a new kind of rule is noticed here without
//! being known here.

use serde_json::{Map, Value};

/// What new rules take away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Grants that are gone.
    pub(super) grants: Vec<String>,
    /// Clients that are gone.
    pub(super) clients: Vec<String>,
}

impl Removed {
    /// What new rules take away of old ones.
    pub(super) fn between(old: &Value, new: &Value) -> Self {
        let gone = |section| {
            names(old, section)
                .filter(|name| entry(new, section, name).is_none())
                .map(str::to_owned)
                .collect()
        };
        Self { grants: gone("grant"), clients: gone("client") }
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.clients.is_empty()
    }

    /// In words.
    pub(super) fn words(&self) -> Vec<String> {
        let grants = self.grants.iter().map(|name| format!("grant {name}"));
        grants.chain(self.clients.iter().map(|name| format!("client {name}"))).collect()
    }
}

fn entries<'a>(rules: &'a Value, section: &str) -> Option<&'a Map<String, Value>> {
    rules.get(section).and_then(Value::as_object)
}

fn names<'a>(rules: &'a Value, section: &str) -> impl Iterator<Item = &'a str> {
    entries(rules, section).into_iter().flat_map(Map::keys).map(String::as_str)
}

fn entry<'a>(rules: &'a Value, section: &str, name: &str) -> Option<&'a Value> {
    entries(rules, section).and_then(|entries| entries.get(name))
}

/// What only the root operator may put in force: new rules that add or widen an operator, an accepted
/// takeover, or an account, or move the address that the guardrails protect. In words, one a change.
pub(super) fn widened(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in names(new, "operator") {
        let now = entry(new, "operator", name);
        match entry(old, "operator", name) {
            None => found.push(format!("operator {name} is new")),
            Some(was) => {
                for (member, what) in [("may", "may do more"), ("secret_sha256", "has another secret")] {
                    if !is_part(now.and_then(|now| now.get(member)), was.get(member)) {
                        found.push(format!("operator {name} {what}"));
                    }
                }
            }
        }
    }
    // Every change of an account but a shorter lifetime is one of whose token is used for what.
    for name in names(new, "account") {
        if entry(old, "account", name) != entry(new, "account", name) {
            found.push(format!("account {name} is new or changed"));
        }
    }
    let template_changed = old.get("template") != new.get("template") || old.get("group") != new.get("group");
    for name in names(new, "grant") {
        let now = entry(new, "grant", name);
        let accepts = now.is_some_and(|now| now.get("accept_takeover").is_some());
        if accepts && (template_changed || entry(old, "grant", name) != now) {
            found.push(format!("grant {name} accepts a takeover and is new or changed"));
        }
    }
    let origin = |rules: &Value| rules.pointer("/brevet/url").cloned();
    if origin(old) != origin(new) {
        found.push("the address of Brevet changes".to_owned());
    }
    // The guardrail of Brevet's own zone rests on the zones that are named.
    if origin(new).is_some() && old.get("zone").is_some_and(|was| !is_contained(was, new.get("zone"))) {
        found.push("a zone is removed or renamed".to_owned());
    }
    found
}

/// Whether every entry of one list is in another.
fn is_part(list: Option<&Value>, of: Option<&Value>) -> bool {
    let known = of.and_then(Value::as_array);
    let mut entries = list.and_then(Value::as_array).into_iter().flatten();
    entries.all(|entry| known.is_some_and(|known| known.contains(entry)))
}

fn is_contained(was: &Value, now: Option<&Value>) -> bool {
    let now = now.and_then(Value::as_object);
    was.as_object()
        .into_iter()
        .flatten()
        .all(|(name, zone)| now.is_some_and(|now| now.get(name) == Some(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> Value {
        json!({
            "brevet": { "url": "https://brevet.example.com" },
            "account": { "main": { "id": "a", "hosts_brevet": true } },
            "zone": { "example.com": { "id": "z", "account": "main" } },
            "template": { "t": { "ttl": "1h" } },
            "operator": { "alice": { "may": ["read", "config"], "secret_sha256": ["d1"] } },
            "client": { "c": {} },
            "grant": { "g": { "max_ttl": "1h" }, "k": { "accept_takeover": "reason" } },
        })
    }

    fn changed(pointer: &str, value: Value) -> Vec<String> {
        let mut new = rules();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[name] = value;
        widened(&rules(), &new)
    }

    #[test]
    fn the_root_operator_is_needed_for_what_widens_who_may_do_what() {
        for (pointer, value) in [
            ("/operator/mallory", json!({ "may": ["read"], "secret_sha256": ["d2"] })),
            ("/operator/alice/may", json!(["read", "config", "mint"])),
            ("/operator/alice/secret_sha256", json!(["d1", "d2"])),
            ("/account/other", json!({ "id": "b" })),
            ("/account/main/hosts_brevet", json!(false)),
            ("/account/main/parent", json!("CLOUDFLARE_OTHER")),
            ("/grant/g/accept_takeover", json!("because")),
            ("/grant/k/max_ttl", json!("2h")),
            ("/template/t/ttl", json!("2h")),
            ("/group", json!({ "x": {} })),
            ("/brevet/url", json!("https://other.example.com")),
            ("/zone/example.com/id", json!("y")),
        ] {
            assert_eq!(changed(pointer, value).len(), 1, "{pointer}");
        }
    }

    #[test]
    fn the_root_operator_is_not_needed_for_grants_clients_and_for_taking_away() {
        for (pointer, value) in [
            ("/grant/new", json!({ "max_ttl": "1h" })),
            ("/grant/g/max_ttl", json!("2h")),
            ("/client/d", json!({})),
            ("/operator/alice/may", json!(["read"])),
            ("/zone/example.org", json!({ "id": "x", "account": "main" })),
        ] {
            assert_eq!(changed(pointer, value), Vec::<String>::new(), "{pointer}");
        }
        let mut new = rules();
        new.as_object_mut().unwrap().remove("operator");
        assert_eq!(widened(&rules(), &new), Vec::<String>::new());
    }

    #[test]
    fn against_no_rules_everything_of_that_kind_is_new() {
        assert_eq!(widened(&Value::Null, &rules()).len(), 4);
    }

    #[test]
    fn names_the_grants_and_clients_that_are_gone() {
        let new = json!({ "grant": { "k": {} } });
        let removed = Removed::between(&rules(), &new);
        assert_eq!(removed.words(), ["grant g", "client c"]);
        assert!(Removed::between(&rules(), &rules()).is_empty());
    }
}
