//! Policies that a caller writes: the same reach, the same guardrails.

use super::*;
use crate::access::{AccessFault, Misfit, Resource};
use crate::guardrail::Breach;

/// `ci` may send policies that lie in these lines.
fn raw_lines(lines: Value) -> Policy {
    let mut lines = lines;
    for line in lines.as_array_mut().unwrap() {
        line["raw"] = json!(true);
    }
    policy(json!({ "g": grant(lines) }))
}

fn zones_of_apps() -> Policy {
    raw_lines(
        json!([{ "template": "wordpress", "account": "apps", "zone": ["shop.example", "blog.example"] }]),
    )
}

fn ask_in(policy: &Policy, account: &str, policies: Value) -> Result<Grant, Denial> {
    policy.ci(json!({ "policies": policies, "account": account }))
}

fn out_of_reach(at: usize, group: &str, resource: Resource, policy: &Policy) -> Denial {
    let group = group.parse().unwrap();
    let name = policy.catalogue().get(group).map(|group| group.name().to_owned());
    Denial::OutOfReach { policy: at, group, name, resource }
}

fn zone(zone: &str, account: &str) -> Resource {
    Resource::Zone { zone: zone.parse().unwrap(), account: account.parse().unwrap() }
}

#[test]
fn refuses_policies_without_a_line_that_takes_them() {
    let policy =
        policy(json!({ "g": grant(json!([{ "template": "cache-purge", "zone": ["shop.example"] }])) }));
    let denied = ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))]));
    assert_eq!(denied, Err(Denial::PoliciesNotAllowed));
}

#[test]
fn refuses_a_group_or_zone_outside_the_line() {
    let policy = zones_of_apps();
    let policies =
        json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS)), raw(&[DNS_WRITE], zone_resource(SHOP, APPS))]);
    assert_eq!(ask_in(&policy, "apps", policies), Err(out_of_reach(1, DNS_WRITE, zone(SHOP, APPS), &policy)));
    let stranger = json!([raw(&[CACHE_PURGE], zone_resource(FOREIGN, APPS))]);
    assert_eq!(
        ask_in(&policy, "apps", stranger),
        Err(out_of_reach(0, CACHE_PURGE, zone(FOREIGN, APPS), &policy))
    );
    let all = json!([raw(&[CACHE_PURGE], zones_resource(APPS))]);
    let everything = Resource::AllZones(APPS.parse().unwrap());
    assert_eq!(ask_in(&policy, "apps", all), Err(out_of_reach(0, CACHE_PURGE, everything, &policy)));
}

#[test]
fn refuses_one_uncovered_zone_among_covered_ones() {
    let policy = zones_of_apps();
    let zones = json!({ format!("com.cloudflare.api.account.{APPS}"): {
        format!("com.cloudflare.api.account.zone.{SHOP}"): "*",
        format!("com.cloudflare.api.account.zone.{FOREIGN}"): "*",
    }});
    let denied = ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zones)]));
    assert_eq!(denied, Err(out_of_reach(0, CACHE_PURGE, zone(FOREIGN, APPS), &policy)));
}

#[test]
fn refuses_an_uncovered_group_behind_a_covered_one() {
    let policy = zones_of_apps();
    let denied = ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE, DNS_WRITE], zone_resource(SHOP, APPS))]));
    assert_eq!(denied, Err(out_of_reach(0, DNS_WRITE, zone(SHOP, APPS), &policy)));
}

#[test]
fn refuses_what_only_two_lines_together_would_cover() {
    let policy = raw_lines(json!([
        { "template": "cache-purge", "zone": ["shop.example"] },
        { "template": "dns-acme", "zone": ["shop.example"] },
    ]));
    let both = json!([raw(&[CACHE_PURGE, DNS_WRITE], zone_resource(SHOP, APPS))]);
    assert!(matches!(ask_in(&policy, "apps", both), Err(Denial::OutOfReach { .. })));
    for group in [CACHE_PURGE, DNS_WRITE] {
        assert!(
            ask_in(&policy, "apps", json!([raw(&[group], zone_resource(SHOP, APPS))])).is_ok(),
            "{group}"
        );
    }
}

#[test]
fn refuses_an_account_outside_the_line() {
    let policy = zones_of_apps();
    let denied = ask_in(&policy, "main", json!([raw(&[CACHE_PURGE], zone_resource(EXAMPLE_COM, MAIN))]));
    assert_eq!(denied, Err(Denial::ParameterRefused { name: "account", value: "main".to_owned() }));
    let unknown = ask_in(&policy, "nope", json!([]));
    assert_eq!(unknown, Err(Denial::UnknownAccount { value: "nope".to_owned() }));
}

#[test]
fn refuses_to_guess_the_account_and_tells_no_names() {
    let policy = zones_of_apps();
    let denied = policy.ci(json!({ "policies": [raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))] }));
    assert_eq!(denied, Err(Denial::ParameterNeeded { name: "account", choices: Vec::new() }));
}

#[test]
fn refuses_policies_that_the_accounts_tokens_cannot_hold() {
    let policy = policy(json!({}));
    let ask =
        |account: &str, policies: Value| policy.root(json!({ "policies": policies, "account": account }));
    let misfit =
        Misfit::OtherAccount { policy: 0, account: APPS.parse().unwrap(), owner: MAIN.parse().unwrap() };
    let policies = json!([raw(&[BILLING_READ], account_resource(APPS))]);
    assert_eq!(ask("main", policies.clone()), Err(Denial::Misfit(misfit)));
    let user = json!([raw(&[USER_DETAILS_READ], json!({ format!("com.cloudflare.api.user.{USER}"): "*" }))]);
    assert_eq!(ask("main", user.clone()), Err(Denial::Misfit(Misfit::UserResource { policy: 0 })));
    // A user's token may hold both.
    assert!(ask("me", user).is_ok());
    assert!(ask("me", policies).is_ok());
}

#[test]
fn refuses_wildcards_foreign_accounts_and_deny_in_every_form() {
    let policy = zones_of_apps();
    for (resources, fault) in [
        (json!({ "com.cloudflare.api.account.*": "*" }), AccessFault::EveryAccount),
        (json!({ "com.cloudflare.api.account.zone.*": "*" }), AccessFault::EveryZone),
        (account_resource(FOREIGN), AccessFault::ForeignAccount(FOREIGN.parse().unwrap())),
        (zones_resource(FOREIGN), AccessFault::ForeignAccount(FOREIGN.parse().unwrap())),
    ] {
        match ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], resources.clone())])) {
            Err(Denial::Policies(error)) => assert_eq!(error.fault, fault, "{resources}"),
            other => panic!("{resources}: {other:?}"),
        }
    }
    let mut deny = raw(&[CACHE_PURGE], zone_resource(SHOP, APPS));
    deny["effect"] = json!("deny");
    for caller in [ci(), Caller::root()] {
        let denied = policy.decide(&caller, &ask(json!({ "policies": [deny], "account": "apps" })), now());
        assert!(
            matches!(&denied, Err(Denial::Policies(error)) if error.fault == AccessFault::Deny),
            "{denied:?}"
        );
        let empty = policy.decide(&caller, &ask(json!({ "policies": [], "account": "apps" })), now());
        assert!(matches!(&empty, Err(Denial::Policies(error)) if error.fault == AccessFault::NoPolicies));
    }
}

#[test]
fn a_group_that_nobody_knows_is_for_operators_elsewhere_only() {
    let unknown = "abababababababababababababababab";
    let policy = zones_of_apps();
    let policies = json!([raw(&[unknown], account_resource(APPS))]);
    let denied = ask_in(&policy, "apps", policies.clone());
    let fault = AccessFault::UnknownGroup(unknown.parse().unwrap());
    assert!(matches!(&denied, Err(Denial::Policies(error)) if error.fault == fault), "{denied:?}");
    assert!(policy.root(json!({ "policies": policies, "account": "apps" })).is_ok());
}

#[test]
fn takes_the_same_pairs_in_other_policies() {
    let policy = zones_of_apps();
    let flat = json!({ format!("com.cloudflare.api.account.zone.{SHOP}"): "*" });
    let policies = json!([
        raw(&["c8fed203ed3043cba015a93ad1616f1f"], flat),
        raw(&[CACHE_PURGE], zone_resource(BLOG, APPS)),
        raw(&["c1fde68c7bcc44588cbb6ddbc16d6480"], account_resource(APPS)),
    ]);
    let granted = ask_in(&policy, "apps", policies).unwrap();
    assert_eq!(
        (granted.template(), granted.rule(), granted.grant()),
        (None, Some("/grant/g/allow/0"), Some("g"))
    );
    assert_eq!(pairs(&granted).len(), 3);
}

#[test]
fn all_zones_cover_a_zone_that_the_rules_do_not_name() {
    let policy = raw_lines(json!([{ "template": "cache-purge", "account": "apps", "zone": "*" }]));
    assert!(ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zone_resource(FOREIGN, APPS))])).is_ok());
    assert!(ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zones_resource(APPS))])).is_ok());
    let other = ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zones_resource(MAIN))]));
    assert!(matches!(other, Err(Denial::OutOfReach { .. })), "{other:?}");
}

#[test]
fn a_line_of_zones_reaches_those_of_the_tokens_account_only() {
    let policy = raw_lines(json!([{ "template": "cache-purge", "zone": ["example.com", "shop.example"] }]));
    let foreign = ask_in(&policy, "main", json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))]));
    assert_eq!(foreign, Err(out_of_reach(0, CACHE_PURGE, zone(SHOP, APPS), &policy)));
    assert!(ask_in(&policy, "main", json!([raw(&[CACHE_PURGE], zone_resource(EXAMPLE_COM, MAIN))])).is_ok());
    assert!(ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))])).is_ok());
}

#[test]
fn the_line_with_the_longer_lifetime_decides_where_the_first_denies() {
    let policy = raw_lines(json!([
        { "template": "dns-acme", "zone": ["shop.example"] },
        { "template": "zone-dns-edit", "zone": ["shop.example"] },
    ]));
    let body = |ttl: &str| json!({ "policies": [raw(&[DNS_WRITE], zone_resource(SHOP, APPS))], "account": "apps", "ttl": ttl });
    assert_eq!(policy.ci(body("30m")).unwrap().rule(), Some("/grant/g/allow/0"));
    assert_eq!(policy.ci(body("2h")).unwrap().rule(), Some("/grant/g/allow/1"));
    assert!(matches!(policy.ci(body("25h")), Err(Denial::EndTooLate { .. })));
}

#[test]
fn no_caller_but_an_operator_writes_where_brevet_runs() {
    let policy = policy(json!({}));
    for group in [SCRIPTS_WRITE, KV_WRITE] {
        let body = json!({ "policies": [raw(&[group], account_resource(MAIN))], "account": "main" });
        let granted = policy.root(body).unwrap();
        // It is marked, and nobody's reason is put in the operator's mouth.
        assert_eq!((granted.marks().takeover, granted.takeover_reason()), (true, None));
    }
    // A user token names the account in the resource: the same holds.
    let mut rules =
        rules(json!({ "g": grant(json!([{ "template": "billing-read", "account": "me", "raw": true }])) }));
    rules["template"]["kv"] = json!({ "permissions": [{ "name": "Workers KV Storage Write" }] });
    rules["grant"]["g"]["allow"] = json!([{ "template": "kv", "account": ["me", "apps"], "raw": true }]);
    let policy = compiled(&rules);
    let body =
        |account: &str| json!({ "policies": [raw(&[KV_WRITE], account_resource(account))], "account": "me" });
    assert!(matches!(policy.ci(body(MAIN)), Err(Denial::OutOfReach { .. })));
    assert!(policy.ci(body(APPS)).is_ok());
}

#[test]
fn a_takeover_that_a_grant_accepts_carries_its_reason() {
    let reason = json!({ "accept_takeover": "this job deploys Brevet itself" });
    let policy = policy(json!({
        "g": grant_with(json!([{ "template": "workers-deploy", "account": "main", "raw": true }]), reason),
    }));
    let granted = policy.ci(json!({ "template": "workers-deploy" })).unwrap();
    assert!(granted.marks().takeover && !granted.marks().escapes_books);
    assert_eq!(granted.takeover_reason(), Some("this job deploys Brevet itself"));
    // A token of the same grant that cannot take anything over says nothing of it.
    let harmless = json!([raw(&["c1fde68c7bcc44588cbb6ddbc16d6480"], account_resource(MAIN))]);
    let granted = policy.ci(json!({ "policies": harmless, "account": "main" })).unwrap();
    assert_eq!((granted.marks().takeover, granted.takeover_reason()), (false, None));
}

#[test]
fn an_operators_managing_token_has_an_hour_and_known_addresses() {
    let policy = policy(json!({}));
    let body = |ttl: &str, condition: Value| {
        json!({
            "policies": [raw(&[ACCOUNT_TOKENS_WRITE], account_resource(APPS))],
            "account": "apps", "ttl": ttl, "condition": condition,
        })
    };
    let here = json!({ "in": ["203.0.113.7"] });
    assert!(matches!(
        policy.root(body("61m", here.clone())),
        Err(Denial::Guardrail(Breach::ManagingTooLong { .. }))
    ));
    let anywhere = policy.root(body("60m", json!({ "not_in": ["203.0.113.7"] })));
    assert!(matches!(anywhere, Err(Denial::Guardrail(Breach::ManagingFromAnywhere(_)))));
    assert!(policy.root(body("60m", here)).unwrap().marks().escapes_books);
}

#[test]
fn the_drop_in_surface_names_the_account_itself() {
    let policy = zones_of_apps();
    let body = json!({ "policies": [raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))], "account": "main",
                       "expires_on": at(600).to_string() });
    let granted = policy.decide(&ci(), &drop_in(body.clone(), "apps"), now()).unwrap();
    assert_eq!(granted.account().name(), "apps");
    let unknown = policy.decide(&ci(), &drop_in(body, "gone"), now());
    assert_eq!(unknown, Err(Denial::UnknownAccount { value: "gone".to_owned() }));
}

#[test]
fn what_cloudflare_is_sent_is_what_was_decided() {
    let policy = zones_of_apps();
    let granted = ask_in(&policy, "apps", json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))])).unwrap();
    assert_eq!(granted.policies_json(), granted.access().to_json());
    assert_eq!(granted.policies_json()[0]["resources"], zone_resource(SHOP, APPS));
    assert_eq!(granted.condition_json(), None);
    assert!(granted.condition().is_empty());
}
