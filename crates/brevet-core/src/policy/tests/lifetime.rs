//! How long a token lives.

use super::*;

const MINUTE: i64 = 60;

fn dns(fields: Value) -> Policy {
    let lines = json!([{ "template": "dns-acme", "zone": ["shop.example"], "raw": true }]);
    policy(json!({ "g": grant_with(lines, fields) }))
}

fn ask_for(policy: &Policy, fields: Value) -> Result<Grant, Denial> {
    let mut body = json!({ "template": "dns-acme" });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    policy.ci(body)
}

fn too_late(seconds: i64, most: i64, limit: Limit) -> Denial {
    let max_ttl = Seconds::from_number(most).unwrap();
    Denial::EndTooLate { expires_on: at(seconds), latest: at(most), max_ttl, limit }
}

#[test]
fn refuses_an_end_one_second_after_the_latest() {
    let policy = dns(json!({}));
    let template = || Limit::Template("dns-acme".to_owned());
    assert_eq!(ask_for(&policy, json!({ "ttl": 3601 })), Err(too_late(3601, 3600, template())));
    let until = json!({ "expires_on": at(3601).to_string() });
    assert_eq!(ask_for(&policy, until), Err(too_late(3601, 3600, template())));
    let granted = ask_for(&policy, json!({ "ttl": 3600 })).unwrap();
    assert_eq!((granted.expires_on(), granted.latest_allowed()), (at(3600), at(3600)));
    assert_eq!(
        ask_for(&policy, json!({ "expires_on": at(3600).to_string() })).unwrap().expires_on(),
        at(3600)
    );
}

#[test]
fn the_smallest_of_template_grant_and_account_bounds_it() {
    let grant_bound = dns(json!({ "max_ttl": "20m" }));
    let limit = Limit::Grant("g".to_owned());
    assert_eq!(
        ask_for(&grant_bound, json!({ "ttl": "21m" })),
        Err(too_late(21 * MINUTE, 20 * MINUTE, limit))
    );
    let lines = json!([{ "template": "cache-purge", "zone": ["shop.example"] }]);
    let account_bound = policy(json!({ "g": grant_with(lines, json!({ "max_ttl": "13h" })) }));
    let limit = Limit::Account("apps".to_owned());
    let denied = account_bound.ci(json!({ "template": "cache-purge", "ttl": "12h 1s" }));
    assert_eq!(denied, Err(too_late(12 * 3600 + 1, 12 * 3600, limit)));
    // The template's hour is smaller than the grant's two.
    let template_bound = dns(json!({ "max_ttl": "2h" }));
    let limit = Limit::Template("dns-acme".to_owned());
    assert_eq!(
        ask_for(&template_bound, json!({ "ttl": "61m" })),
        Err(too_late(61 * MINUTE, 60 * MINUTE, limit))
    );
}

#[test]
fn policies_are_bounded_by_the_template_whose_reach_they_lie_in() {
    let policy = dns(json!({}));
    let policies = json!([raw(&[DNS_WRITE], zone_resource(SHOP, APPS))]);
    let body = |ttl: i64| json!({ "policies": policies, "account": "apps", "ttl": ttl });
    let limit = Limit::Template("dns-acme".to_owned());
    assert_eq!(policy.ci(body(3601)), Err(too_late(3601, 3600, limit)));
    assert_eq!(policy.ci(body(3600)).unwrap().expires_on(), at(3600));
    let default = policy.ci(json!({ "policies": policies, "account": "apps" })).unwrap();
    assert_eq!(default.expires_on(), at(15 * MINUTE));
}

#[test]
fn refuses_an_end_that_is_not_in_the_future() {
    let policy = dns(json!({}));
    for seconds in [0, -1] {
        let until = json!({ "expires_on": at(seconds).to_string() });
        assert_eq!(ask_for(&policy, until), Err(Denial::EndPast { expires_on: at(seconds) }));
    }
    assert_eq!(ask_for(&policy, json!({ "expires_on": at(1).to_string() })).unwrap().expires_on(), at(1));
}

#[test]
fn refuses_a_beginning_that_is_not_before_the_end() {
    let policy = dns(json!({}));
    let body = |begin: i64| json!({ "ttl": 600, "not_before": at(begin).to_string() });
    for begin in [600, 601] {
        let never = Denial::NeverValid { not_before: at(begin), expires_on: at(600) };
        assert_eq!(ask_for(&policy, body(begin)), Err(never));
    }
    assert_eq!(ask_for(&policy, body(599)).unwrap().not_before(), Some(at(599)));
    assert_eq!(ask_for(&policy, body(-5)).unwrap().not_before(), Some(at(-5)));
    assert_eq!(ask_for(&policy, json!({})).unwrap().not_before(), None);
}

#[test]
fn without_a_lifetime_the_grants_counts_and_else_the_templates() {
    assert_eq!(ask_for(&dns(json!({})), json!({})).unwrap().expires_on(), at(15 * MINUTE));
    assert_eq!(ask_for(&dns(json!({ "ttl": "5m" })), json!({})).unwrap().expires_on(), at(5 * MINUTE));
    assert_eq!(
        ask_for(&dns(json!({ "ttl": "5m" })), json!({ "ttl": "6m" })).unwrap().expires_on(),
        at(6 * MINUTE)
    );
}

#[test]
fn a_drop_in_create_must_say_when_it_ends() {
    let policies = json!({ "policies": [raw(&[DNS_WRITE], zone_resource(SHOP, APPS))] });
    let policy = dns(json!({ "max_ttl": "20m" }));
    let denied = policy.decide(&ci(), &drop_in(policies.clone(), "apps"), now());
    assert_eq!(denied, Err(Denial::EndNeeded { latest: at(20 * MINUTE) }));
    let forgiving = dns(json!({ "max_ttl": "20m", "default_ttl": true }));
    let granted = forgiving.decide(&ci(), &drop_in(policies.clone(), "apps"), now()).unwrap();
    assert_eq!(granted.expires_on(), at(15 * MINUTE));
    // An operator has no grant that could say otherwise.
    let denied = forgiving.decide(&Caller::root(), &drop_in(policies.clone(), "apps"), now());
    assert_eq!(denied, Err(Denial::EndNeeded { latest: at(12 * 3600) }));
    let mut body = policies;
    body["expires_on"] = json!(at(600).to_string());
    assert!(policy.decide(&ci(), &drop_in(body.clone(), "apps"), now()).is_ok());
    assert!(policy.decide(&Caller::root(), &drop_in(body, "apps"), now()).is_ok());
}

#[test]
fn an_operators_token_is_bounded_too() {
    let policy = policy(json!({}));
    let template = |ttl: i64| {
        policy.root(json!({ "template": "dns-acme", "params": { "zone": "shop.example" }, "ttl": ttl }))
    };
    assert_eq!(template(3601), Err(too_late(3601, 3600, Limit::Template("dns-acme".to_owned()))));
    assert!(template(3600).is_ok());
    let raw_in = |account: &str, id: &str, ttl: Value| {
        policy.root(json!({ "policies": [raw(&[BILLING_READ], account_resource(id))], "account": account, "ttl": ttl }))
    };
    let limit = Limit::Account("apps".to_owned());
    assert_eq!(raw_in("apps", APPS, json!(43_201)), Err(too_late(43_201, 43_200, limit)));
    assert!(raw_in("apps", APPS, json!(43_200)).is_ok());
    assert_eq!(raw_in("apps", APPS, json!(null)).unwrap().expires_on(), at(3600));
    // Where nothing is set, there is still a bound.
    let month = 30 * 24 * 3600;
    assert_eq!(raw_in("main", MAIN, json!(month + 1)), Err(too_late(month + 1, month, Limit::Brevet)));
    assert!(raw_in("main", MAIN, json!(month)).is_ok());
}
