//! Which grant decides.

use super::*;
use crate::condition::ConditionFault;

fn purge(fields: Value) -> Value {
    grant_with(json!([{ "template": "cache-purge", "zone": ["shop.example"], "raw": true }]), fields)
}

fn purge_ask() -> Value {
    json!({ "template": "cache-purge" })
}

#[test]
fn refuses_a_caller_without_grants() {
    let policy = policy(json!({ "g": purge(json!({})) }));
    let other = Caller::Client { name: "other".to_owned() };
    assert_eq!(policy.decide(&other, &ask(purge_ask()), now()), Err(Denial::NoGrant));
    let gone = Caller::Client { name: "gone".to_owned() };
    assert_eq!(policy.decide(&gone, &ask(purge_ask()), now()), Err(Denial::NoGrant));
}

#[test]
fn does_not_tell_whether_another_callers_grant_exists() {
    let policy = policy(json!({
        "g": purge(json!({})),
        "theirs": { "from": { "client": "other" }, "allow": [{ "template": "cache-purge", "zone": ["shop.example"] }] },
    }));
    for name in ["theirs", "nobodys"] {
        let denied = policy.ci(json!({ "template": "cache-purge", "grant": name }));
        assert_eq!(denied, Err(Denial::UnknownGrant { name: name.to_owned() }));
    }
    assert!(policy.ci(json!({ "template": "cache-purge", "grant": "g" })).is_ok());
}

#[test]
fn refuses_disabled_grants_and_operations_that_are_not_listed() {
    let disabled = policy(json!({ "g": purge(json!({ "enabled": false })) }));
    assert_eq!(disabled.ci(purge_ask()), Err(Denial::GrantDisabled { grant: "g".to_owned() }));
    let other = policy(json!({ "g": purge(json!({ "operations": ["update", "renew", "roll", "revoke"] })) }));
    let denied = Denial::OperationNotListed { grant: "g".to_owned(), operation: Operation::Create };
    assert_eq!(other.ci(purge_ask()), Err(denied));
}

#[test]
fn an_audit_grant_says_what_it_would_have_done_and_allows_nothing() {
    let audit = policy(json!({ "g": purge(json!({ "mode": "audit" })) }));
    let denial = Denial::AuditOnly { grant: "g".to_owned() };
    assert_eq!(audit.ci(purge_ask()), Err(denial.clone()));
    let mut told = crate::json::Object::new();
    denial.tell_evidence(&mut told);
    assert_eq!(told.finish(), r#"{"would_have_allowed":"g"}"#);
    let policies = json!([raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))]);
    assert_eq!(audit.ci(json!({ "policies": policies, "account": "apps" })), Err(denial));
    // What it would have denied is denied for that.
    let denied = audit.ci(json!({ "template": "cache-purge", "ttl": "25h" }));
    assert!(matches!(denied, Err(Denial::EndTooLate { .. })));
}

#[test]
fn an_audit_grant_neither_helps_nor_stands_in_the_way() {
    let policy = policy(json!({ "a": purge(json!({ "mode": "audit" })), "b": purge(json!({})) }));
    assert_eq!(policy.ci(purge_ask()).unwrap().grant(), Some("b"));
}

#[test]
fn a_native_caller_must_choose_among_several_grants() {
    let policy = policy(
        json!({ "b": purge(json!({})), "a": purge(json!({})), "c": purge(json!({ "enabled": false })) }),
    );
    let denial = Denial::SeveralGrants { grants: vec!["a".to_owned(), "b".to_owned()] };
    assert_eq!(policy.ci(purge_ask()), Err(denial));
    let chosen = policy.ci(json!({ "template": "cache-purge", "grant": "b" })).unwrap();
    assert_eq!(chosen.grant(), Some("b"));
    let denied = policy.ci(json!({ "template": "cache-purge", "grant": "c" }));
    assert_eq!(denied, Err(Denial::GrantDisabled { grant: "c".to_owned() }));
}

#[test]
fn for_a_drop_in_caller_the_first_in_byte_order_decides() {
    let policy = policy(
        json!({ "b": purge(json!({})), "a-1": purge(json!({})), "a": purge(json!({ "enabled": false })) }),
    );
    let body = json!({ "policies": [raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))], "expires_on": at(600).to_string() });
    let granted = policy.decide(&ci(), &drop_in(body, "apps"), now()).unwrap();
    assert_eq!(granted.grant(), Some("a-1"));
}

#[test]
fn the_one_grant_that_allows_it_decides() {
    let policy =
        policy(json!({ "a": purge(json!({ "max_ttl": "30m" })), "b": purge(json!({ "max_ttl": "2h" })) }));
    let granted = policy.ci(json!({ "template": "cache-purge", "ttl": "1h" })).unwrap();
    assert_eq!(granted.grant(), Some("b"));
}

#[test]
fn reaches_of_grants_are_never_added_up() {
    let line = |zone: &str| json!([{ "template": "cache-purge", "zone": [zone], "raw": true }]);
    let policy = policy(json!({ "a": grant(line("shop.example")), "b": grant(line("blog.example")) }));
    let policies = json!([
        raw(&[CACHE_PURGE], zone_resource(SHOP, APPS)),
        raw(&[CACHE_PURGE], zone_resource(BLOG, APPS))
    ]);
    let denied = policy.ci(json!({ "policies": policies, "account": "apps" }));
    assert!(matches!(denied, Err(Denial::OutOfReach { .. })), "{denied:?}");
}

#[test]
fn of_several_denials_the_nearest_is_told() {
    let policy = policy(json!({
        "a": purge(json!({ "enabled": false })),
        "b": purge(json!({ "max_ttl": "15m" })),
        "c": grant(json!([{ "template": "dns-acme", "zone": ["shop.example"] }])),
    }));
    let denied = policy.ci(json!({ "template": "cache-purge", "ttl": "16m" }));
    assert!(
        matches!(&denied, Err(Denial::EndTooLate { limit: Limit::Grant(name), .. }) if name == "b"),
        "{denied:?}"
    );
}

#[test]
fn of_several_lines_the_nearest_denial_is_told() {
    let line = |zone: &str| json!({ "template": "dns-acme", "zone": [zone], "raw": true });
    let policy = policy(
        json!({ "g": grant(json!([line("blog.example"), line("shop.example"), line("blog.example")])) }),
    );
    let params = json!({ "zone": "shop.example" });
    let denied = policy.ci(json!({ "template": "dns-acme", "params": params, "ttl": "2h" }));
    assert!(matches!(denied, Err(Denial::EndTooLate { .. })), "{denied:?}");
    let policies = json!([raw(&[DNS_WRITE], zone_resource(SHOP, APPS))]);
    let denied = policy.ci(json!({ "policies": policies, "account": "apps", "ttl": "2h" }));
    assert!(matches!(denied, Err(Denial::EndTooLate { .. })), "{denied:?}");
}

#[test]
fn an_operator_is_bound_by_powers_and_not_by_grants() {
    let policy = policy(json!({ "g": purge(json!({})) }));
    let body = json!({ "template": "cache-purge", "params": { "zone": "shop.example" } });
    for powers in [Powers::default(), Powers { mint: false, ..Powers::ALL }] {
        let caller = Caller::Operator { name: "rita".to_owned(), powers };
        assert_eq!(
            policy.decide(&caller, &ask(body.clone()), now()),
            Err(Denial::PowerMissing { power: "mint" })
        );
    }
    let mut named = body.clone();
    named["grant"] = json!("g");
    assert_eq!(policy.root(named), Err(Denial::GrantForOperator));
    let minter =
        Caller::Operator { name: "max".to_owned(), powers: Powers { mint: true, ..Powers::default() } };
    let granted = policy.decide(&minter, &ask(body), now()).unwrap();
    assert_eq!((granted.owner(), granted.caller(), granted.grant()), ("operator:max", "max", None));
}

#[test]
fn the_condition_of_a_grant_is_always_added_and_only_narrowed() {
    let condition = json!({ "condition": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.1/32"] } });
    let policy = policy(json!({ "g": purge(condition) }));
    let ask = |condition: Value| policy.ci(json!({ "template": "cache-purge", "condition": condition }));
    for wider in [json!({ "in": ["203.0.113.0/23"] }), json!({ "in": ["198.51.100.0/24"] })] {
        let denied = ask(wider.clone());
        let fault = |denial: &Denial| matches!(denial, Denial::Condition(error) if matches!(error.fault, ConditionFault::Wider { .. } | ConditionFault::HostBits { .. }));
        assert!(denied.as_ref().is_err_and(fault), "{wider}: {denied:?}");
    }
    assert!(matches!(ask(json!({ "ip": [] })), Err(Denial::Condition(_))));
    let own = json!({ "request_ip": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.1/32"] } });
    assert_eq!(ask(json!(null)).unwrap().condition_json(), Some(own.clone()));
    assert_eq!(ask(json!({ "in": [] })).unwrap().condition_json(), Some(own));
    let narrowed = json!({ "request_ip": { "in": ["203.0.113.64/26"], "not_in": ["203.0.113.1/32", "203.0.113.65/32"] } });
    let asked = json!({ "request_ip": { "in": ["203.0.113.64/26"], "not_in": ["203.0.113.65"] } });
    let granted = ask(asked).unwrap();
    assert_eq!(granted.condition_json(), Some(narrowed));
    assert_eq!(granted.condition().allow().len(), 1);
}

#[test]
fn a_grant_tells_whose_it_is() {
    let policy = policy(json!({ "g": purge(json!({})) }));
    let granted = policy.ci(json!({ "template": "cache-purge", "name": "nightly" })).unwrap();
    assert_eq!((granted.owner(), granted.caller(), granted.name()), ("client:ci", "ci", Some("nightly")));
    let account = granted.account();
    assert_eq!(
        (account.name(), account.id().as_str(), account.family()),
        ("apps", APPS, crate::access::Family::Account)
    );
    assert_eq!(
        (account.parent(), account.parent_next()),
        ("CLOUDFLARE_APPS_TOKEN", Some("CLOUDFLARE_APPS_TOKEN_2"))
    );
    assert_eq!(account.max_ttl(), Some(Seconds::of(12 * 3600)));
    assert_eq!(account.owner(), TokenOwner::Account(APPS.parse().unwrap()));
    assert_eq!(granted.access().policies().len(), 1);
}

#[test]
fn of_equally_near_denials_the_first_is_told() {
    let disabled = || purge(json!({ "enabled": false }));
    let grants = policy(json!({ "a": disabled(), "b": disabled() }));
    assert_eq!(grants.ci(purge_ask()), Err(Denial::GrantDisabled { grant: "a".to_owned() }));

    let line = |zones: [&str; 2]| json!({ "template": "dns-acme", "zone": zones });
    let both = [line(["shop.example", "blog.example"]), line(["blog.example", "shop.example"])];
    let lines = policy(json!({ "g": grant(json!(both)) }));
    let denied = lines.ci(json!({ "template": "dns-acme" }));
    let choices = vec!["shop.example".to_owned(), "blog.example".to_owned()];
    assert_eq!(denied, Err(Denial::ParameterNeeded { name: "zone", choices }));

    let line = |zone: &str| json!({ "template": "cache-purge", "zone": [zone], "raw": true });
    let lines = policy(json!({ "g": grant(json!([line("shop.example"), line("blog.example")])) }));
    let policies = json!([
        raw(&[CACHE_PURGE], zone_resource(SHOP, APPS)),
        raw(&[CACHE_PURGE], zone_resource(BLOG, APPS))
    ]);
    let denied = lines.ci(json!({ "policies": policies, "account": "apps" }));
    assert!(
        matches!(&denied, Err(Denial::OutOfReach { resource, .. }) if resource.to_string().contains(BLOG)),
        "the first line reaches the other zone: {denied:?}"
    );
}

#[test]
fn the_only_account_of_the_rules_need_not_be_named() {
    let mut rules = rules(json!({ "g": purge(json!({})) }));
    for name in ["main", "me"] {
        rules["account"].as_object_mut().unwrap().remove(name);
    }
    rules["zone"].as_object_mut().unwrap().remove("example.com");
    let body = json!({ "policies": [raw(&[CACHE_PURGE], zone_resource(SHOP, APPS))] });
    let granted = compiled(&rules).ci(body.clone()).unwrap();
    assert_eq!((granted.account().name(), granted.grant()), ("apps", Some("g")));
    let several = policy(json!({ "g": purge(json!({})) }));
    assert_eq!(several.ci(body), Err(Denial::ParameterNeeded { name: "account", choices: Vec::new() }));
}

#[test]
fn a_drop_in_caller_must_name_the_end_also_of_a_template() {
    let body = || purge_ask();
    let strict = policy(json!({ "g": purge(json!({})) }));
    let denied = strict.decide(&ci(), &drop_in(body(), "apps"), now());
    assert!(matches!(denied, Err(Denial::EndNeeded { .. })), "{denied:?}");
    let lenient = policy(json!({ "g": purge(json!({ "default_ttl": true })) }));
    assert!(lenient.decide(&ci(), &drop_in(body(), "apps"), now()).is_ok());
}
