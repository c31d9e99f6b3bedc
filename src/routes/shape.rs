//! How leases and plans look in the native answers.

use brevet_core::broker::InForce;
use brevet_core::cloudflare::TokenOwner;
use brevet_core::ledger::lease::Lease;
use brevet_core::policy::Account;
use brevet_core::time::Timestamp;
use serde_json::{Value, json};

/// The path of an owner's tokens at Cloudflare, below the API base.
pub(super) fn tokens_path(owner: TokenOwner) -> String {
    match owner {
        TokenOwner::Account(id) => format!("/accounts/{id}/tokens"),
        TokenOwner::User(_) => "/user/tokens".to_owned(),
    }
}

fn moment(at: Option<Timestamp>) -> Value {
    at.map(|at| at.to_string()).into()
}

/// An account, for people and programs.
pub(super) fn account(account: &Account) -> Value {
    json!({ "name": account.name(), "id": account.id(), "family": account.family().to_string() })
}

/// A lease. It never holds a value.
pub(super) fn lease(lease: &Lease, of: &Account) -> Value {
    json!({
        "id": lease.id,
        "token_id": lease.token_id,
        "account": account(of),
        "state": lease.state,
        "end": lease.end,
        "disabled": lease.disabled,
        "owner": lease.owner,
        "grant": lease.grant,
        "template": lease.template,
        "rule": lease.rule,
        "rules_version": lease.rules_version,
        "name": lease.asked.name,
        "cloudflare_name": lease.name,
        "created_on": lease.created.to_string(),
        "issued_on": moment(lease.issued_on),
        "modified_on": moment(lease.modified_on),
        "not_before": moment(lease.not_before),
        "expires_on": lease.expires_on.to_string(),
        "ended_on": moment(lease.ended_on),
        "policies": lease.shown_policies.as_ref().unwrap_or(&lease.policies),
        "condition": lease.condition,
        "escapes_books": lease.escapes_books,
        "takeover": lease.takeover,
        "run": lease.run,
        "revision": lease.revision,
    })
}

/// What a token may do, with groups by name and id.
pub(super) fn may(in_force: &InForce, policies: &Value) -> Value {
    let name_of = |group: &Value| {
        let id = group.get("id").cloned().unwrap_or_default();
        let name = id
            .as_str()
            .and_then(|id| in_force.policy.catalogue().get(id.parse().ok()?))
            .map(|known| known.name().to_owned());
        json!({ "id": id, "name": name })
    };
    let list = |policy: &Value, member: &str| {
        policy.get(member).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    policies
        .as_array()
        .into_iter()
        .flatten()
        .map(|policy| {
            json!({
                "permission_groups": list(policy, "permission_groups").iter().map(name_of).collect::<Vec<_>>(),
                "resources": policy.get("resources"),
            })
        })
        .collect()
}
