//! Whether a token at Cloudflare is still what the books say of it.

use crate::sorted::SortedSet;

use serde_json::Value;

use crate::cloudflare::TokenView;
use crate::ledger::lease::Lease;

/// Whether somebody else changed the token.
pub(super) fn has_drifted(lease: &Lease, view: &TokenView) -> bool {
    view.name != lease.name
        || view.expires_on != Some(lease.expires_on)
        || view.not_before != lease.not_before
        || (view.status == "disabled") != lease.disabled
        || is_condition(view.condition.as_ref()) != is_condition(lease.condition.as_ref())
        || lease.shown_policies.as_ref().is_some_and(|shown| !same_policies(shown, &view.policies))
}

/// Whether a condition is one. Only its presence is compared: Cloudflare may spell the addresses in
/// its own way, and a condition taken away is what opens a token.
fn is_condition(condition: Option<&Value>) -> bool {
    condition.and_then(Value::as_object).is_some_and(|members| !members.is_empty())
}

/// Whether two lists of policies allow the same. Cloudflare reorders policies and groups and gives
/// them names and ids as it likes: what counts is which groups act on which resources.
fn same_policies(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (read(one), read(other)) else { return one == other };
    let times =
        |list: &[Policy<'_>], wanted: &Policy<'_>| list.iter().filter(|policy| *policy == wanted).count();
    one.len() == other.len() && one.iter().all(|policy| times(&one, policy) == times(&other, policy))
}

#[derive(PartialEq)]
struct Policy<'a> {
    effect: Option<&'a str>,
    resources: Option<&'a Value>,
    groups: SortedSet<&'a str>,
}

fn read(policies: &Value) -> Option<Vec<Policy<'_>>> {
    policies.as_array().map(|policies| policies.iter().map(read_one).collect())
}

fn read_one(policy: &Value) -> Policy<'_> {
    let groups = policy.get("permission_groups").and_then(Value::as_array);
    Policy {
        effect: policy.get("effect").and_then(Value::as_str),
        resources: policy.get("resources"),
        groups: groups.into_iter().flatten().filter_map(|group| group.get("id")?.as_str()).collect(),
    }
}
