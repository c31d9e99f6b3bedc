//! How leases and plans look in the native answers.

use brevet_core::broker::InForce;
use brevet_core::cloudflare::TokenOwner;
use brevet_core::json::{List, Object, Raw};
use brevet_core::ledger::lease::Lease;
use brevet_core::policy::Account;
use brevet_core::time::Timestamp;
use serde_json::Value;

/// The path of an owner's tokens at Cloudflare, below the API base.
pub(super) fn tokens_path(owner: TokenOwner) -> String {
    match owner {
        TokenOwner::Account(id) => format!("/accounts/{id}/tokens"),
        TokenOwner::User(_) => "/user/tokens".to_owned(),
    }
}

/// Adds a moment as people and programs read it, or null.
pub(super) fn put_moment(object: &mut Object, name: &str, at: Option<Timestamp>) {
    match at {
        Some(at) => object.text(name, &at.to_string()),
        None => object.put(name, &Raw("null")),
    };
}

/// An account, for people and programs.
pub(super) fn account(account: &Account) -> Object {
    let mut told = Object::saying("name", account.name());
    told.text("id", &account.id()).text("family", &account.family().to_string());
    told
}

/// A lease. It never holds a value.
pub(super) fn lease(lease: &Lease, of: &Account) -> Object {
    let mut told = Object::new();
    told.put("id", &lease.id)
        .put("token_id", &lease.token_id)
        .put("account", &account(of))
        .put("state", &lease.state)
        .put("end", &lease.end)
        .put("disabled", &lease.disabled)
        .text("owner", &lease.owner)
        .put("grant", &lease.grant)
        .put("template", &lease.template)
        .put("rule", &lease.rule)
        .put("rules_version", &lease.rules_version)
        .put("name", &lease.asked.name)
        .text("cloudflare_name", &lease.name);
    put_moment(&mut told, "created_on", Some(lease.created));
    put_moment(&mut told, "issued_on", lease.issued_on);
    put_moment(&mut told, "modified_on", lease.modified_on);
    put_moment(&mut told, "not_before", lease.not_before);
    put_moment(&mut told, "expires_on", Some(lease.expires_on));
    put_moment(&mut told, "ended_on", lease.ended_on);
    told.put("policies", policies(lease))
        .put("condition", &lease.condition)
        .put("escapes_books", &lease.escapes_books)
        .put("takeover", &lease.takeover)
        .put("run", &lease.run)
        .put("claims", &lease.claims)
        .put("revision", &lease.revision);
    told
}

/// The policies of a lease's token: as Cloudflare shows them where it has answered.
pub(super) fn policies(lease: &Lease) -> &Value {
    lease.shown_policies.as_ref().unwrap_or(&lease.policies)
}

fn items<'a>(of: &'a Value, member: &str) -> &'a [Value] {
    of.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a token may do, with groups by name and id.
pub(super) fn may(in_force: &InForce, policies: &Value) -> List {
    let mut told = List::new();
    for policy in policies.as_array().into_iter().flatten() {
        let mut groups = List::new();
        for group in items(policy, "permission_groups") {
            let id = group.get("id").and_then(Value::as_str).unwrap_or_default();
            let known = id.parse().ok().and_then(|id| in_force.policy.catalogue().get(id));
            let mut named = Object::saying("id", id);
            named.put("name", &known.map(|known| known.name()));
            groups.push(&named);
        }
        let mut entry = Object::new();
        entry.put("permission_groups", &groups).put("resources", &policy.get("resources"));
        told.push(&entry);
    }
    told
}
