//! Templates: which line, which account, which zones.

use super::*;
use crate::access::Misfit;
use crate::template::{Note, RenderError};

fn lines(allow: Value) -> Policy {
    policy(json!({ "g": grant(allow) }))
}

fn refused(name: &'static str, value: &str) -> Denial {
    Denial::ParameterRefused { name, value: value.to_owned() }
}

fn needed(name: &'static str, choices: &[&str]) -> Denial {
    Denial::ParameterNeeded { name, choices: choices.iter().map(|choice| (*choice).to_owned()).collect() }
}

#[test]
fn refuses_templates_that_are_unknown_or_not_allowed() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": ["example.com"] }]));
    let unknown = |name: &str, suggestion: Option<&str>| Denial::UnknownTemplate {
        name: name.to_owned(),
        suggestion: suggestion.map(str::to_owned),
    };
    assert_eq!(
        policy.ci(json!({ "template": "cache-prge" })),
        Err(unknown("cache-prge", Some("cache-purge")))
    );
    assert_eq!(policy.ci(json!({ "template": "qqqqqqqqqqqq" })), Err(unknown("qqqqqqqqqqqq", None)));
    let denial = Denial::TemplateNotAllowed { template: "dns-acme".to_owned() };
    assert_eq!(policy.ci(json!({ "template": "dns-acme" })), Err(denial));
}

#[test]
fn refuses_parameters_and_values_that_the_rules_do_not_know() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": ["example.com"] }]));
    let ask = |params: Value| policy.ci(json!({ "template": "cache-purge", "params": params }));
    assert_eq!(ask(json!({ "bucket": "x" })), Err(Denial::UnknownParameter { name: "bucket".to_owned() }));
    for value in
        ["*.example.com", "nope.example", FOREIGN, "..", "{zone}", "com.cloudflare.api.account.zone.*"]
    {
        assert_eq!(ask(json!({ "zone": value })), Err(Denial::UnknownZone { value: value.to_owned() }));
    }
    for value in ["*", "nope", FOREIGN, "Main", ""] {
        if !value.is_empty() {
            assert_eq!(
                ask(json!({ "account": value })),
                Err(Denial::UnknownAccount { value: value.to_owned() })
            );
        }
    }
    assert_eq!(ask(json!({ "zone": ["*", "example.com"] })), Err(Denial::AllZonesAndMore));
}

#[test]
fn refuses_zones_outside_the_line() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": ["shop.example"] }]));
    let ask = |zone: Value| policy.ci(json!({ "template": "cache-purge", "params": { "zone": zone } }));
    assert_eq!(ask(json!("*")), Err(refused("zone", "*")));
    assert_eq!(ask(json!("blog.example")), Err(refused("zone", "blog.example")));
    assert_eq!(ask(json!(EXAMPLE_COM)), Err(refused("zone", "example.com")));
    assert_eq!(ask(json!(["shop.example", "blog.example"])), Err(refused("zone", "blog.example")));
}

#[test]
fn a_fixed_zone_is_the_only_one() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": "shop.example" }]));
    let granted = policy.ci(json!({ "template": "cache-purge" })).unwrap();
    assert_eq!(pairs(&granted), [on_zone(CACHE_PURGE, SHOP, APPS)]);
    let other = policy.ci(json!({ "template": "cache-purge", "params": { "zone": "blog.example" } }));
    assert_eq!(other, Err(refused("zone", "blog.example")));
}

#[test]
fn a_list_of_zones_is_the_callers_choice_of_one_or_several() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": ["shop.example", "blog.example"] }]));
    let ask = |params: Value| policy.ci(json!({ "template": "cache-purge", "params": params }));
    assert_eq!(ask(json!({})), Err(needed("zone", &["shop.example", "blog.example"])));
    assert_eq!(pairs(&ask(json!({ "zone": "shop.example" })).unwrap()), [on_zone(CACHE_PURGE, SHOP, APPS)]);
    // By id, twice the same, and both.
    let both = ask(json!({ "zone": [BLOG, SHOP, "shop.example"] })).unwrap();
    assert_eq!(pairs(&both), [on_zone(CACHE_PURGE, SHOP, APPS), on_zone(CACHE_PURGE, BLOG, APPS)]);
    assert_eq!(both.account().name(), "apps");
}

#[test]
fn a_list_of_one_need_not_be_given() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": ["example.com"], "account": ["main"] }]));
    let granted = policy.ci(json!({ "template": "cache-purge" })).unwrap();
    assert_eq!(pairs(&granted), [on_zone(CACHE_PURGE, EXAMPLE_COM, MAIN)]);
    assert_eq!(granted.template(), Some("cache-purge"));
    assert_eq!(granted.rule(), Some("/grant/g/allow/0"));
}

#[test]
fn all_zones_of_the_account_cover_one_zone_of_it_and_no_other() {
    let policy = lines(json!([{ "template": "cache-purge", "zone": "*", "account": "apps" }]));
    let ask = |params: Value| policy.ci(json!({ "template": "cache-purge", "params": params }));
    let elsewhere = Denial::ZoneElsewhere { zone: "example.com".to_owned(), account: "main".to_owned() };
    assert_eq!(ask(json!({ "zone": "example.com" })), Err(elsewhere.clone()));
    assert_eq!(ask(json!({ "zone": ["shop.example", "example.com"] })), Err(elsewhere));
    assert_eq!(pairs(&ask(json!({})).unwrap()), [on_zones(CACHE_PURGE, APPS)]);
    assert_eq!(pairs(&ask(json!({ "zone": "*" })).unwrap()), [on_zones(CACHE_PURGE, APPS)]);
    assert_eq!(pairs(&ask(json!({ "zone": "blog.example" })).unwrap()), [on_zone(CACHE_PURGE, BLOG, APPS)]);
}

#[test]
fn a_mixed_template_without_zone_renders_no_zone_policy_and_says_so() {
    let policy = lines(json!([{ "template": "load-balancing-edit", "account": "apps" }]));
    let granted = policy.ci(json!({ "template": "load-balancing-edit" })).unwrap();
    assert_eq!(pairs(&granted), [on_account("d2a1802cc9a34e30852f8b33869b2f3c", APPS)]);
    let note = Note::NoZonePolicy { groups: vec!["Load Balancers Write".to_owned()] };
    assert_eq!(granted.notes(), [note]);
    let zoned =
        |zone: &str| policy.ci(json!({ "template": "load-balancing-edit", "params": { "zone": zone } }));
    assert_eq!(zoned("shop.example"), Err(refused("zone", "shop.example")));
    assert_eq!(zoned("*"), Err(refused("zone", "*")));
}

#[test]
fn the_account_is_the_lines_or_the_callers_choice() {
    let policy = lines(json!([{ "template": "billing-read", "account": ["main", "apps"] }]));
    let ask = |params: Value| policy.ci(json!({ "template": "billing-read", "params": params }));
    assert_eq!(ask(json!({})), Err(needed("account", &["main", "apps"])));
    assert_eq!(ask(json!({ "account": ["main", "apps"] })), Err(Denial::SeveralAccounts));
    assert_eq!(ask(json!({ "account": "me" })), Err(refused("account", "me")));
    assert_eq!(pairs(&ask(json!({ "account": "apps" })).unwrap()), [on_account(BILLING_READ, APPS)]);
    assert_eq!(pairs(&ask(json!({ "account": [MAIN, "main"] })).unwrap()), [on_account(BILLING_READ, MAIN)]);
    let fixed = lines(json!([{ "template": "billing-read", "account": "main" }]));
    let other = fixed.ci(json!({ "template": "billing-read", "params": { "account": "apps" } }));
    assert_eq!(other, Err(refused("account", "apps")));
    assert_eq!(fixed.ci(json!({ "template": "billing-read" })).unwrap().account().name(), "main");
}

#[test]
fn the_zones_may_tell_the_account() {
    let policy = lines(
        json!([{ "template": "cache-purge", "zone": ["example.com", "shop.example", "blog.example"] }]),
    );
    let ask = |params: Value| policy.ci(json!({ "template": "cache-purge", "params": params }));
    assert_eq!(ask(json!({ "zone": ["blog.example"] })).unwrap().account().name(), "apps");
    assert_eq!(ask(json!({ "zone": ["example.com"] })).unwrap().account().name(), "main");
    let elsewhere = Denial::ZoneElsewhere { zone: "shop.example".to_owned(), account: "apps".to_owned() };
    assert_eq!(ask(json!({ "zone": ["example.com", "shop.example"] })), Err(elsewhere.clone()));
    assert_eq!(ask(json!({ "zone": "shop.example", "account": "main" })), Err(elsewhere));
    // The account leaves one zone, or the two of it.
    assert_eq!(pairs(&ask(json!({ "account": "main" })).unwrap()), [on_zone(CACHE_PURGE, EXAMPLE_COM, MAIN)]);
    assert_eq!(ask(json!({ "account": "apps" })), Err(needed("zone", &["shop.example", "blog.example"])));
    let star = lines(json!([{ "template": "cache-purge", "zone": "*", "account": ["main", "apps"] }]));
    let ask = |params: Value| star.ci(json!({ "template": "cache-purge", "params": params }));
    assert_eq!(ask(json!({})), Err(needed("account", &["main", "apps"])));
    assert_eq!(ask(json!({ "zone": "blog.example" })).unwrap().account().name(), "apps");
}

#[test]
fn a_user_token_reaches_the_accounts_of_its_line_and_no_other() {
    let policy = lines(json!([{ "template": "billing-read", "account": ["me", "apps"] }]));
    let ask = |params: Value| policy.ci(json!({ "template": "billing-read", "params": params }));
    assert_eq!(ask(json!({})), Err(needed("account", &["me", "apps"])));
    assert_eq!(ask(json!({ "account": ["me", "main"] })), Err(refused("account", "main")));
    let granted = ask(json!({ "account": "me" })).unwrap();
    assert_eq!((granted.account().name(), pairs(&granted)), ("me", vec![on_account(BILLING_READ, APPS)]));
    let granted = ask(json!({ "account": ["me", "apps"] })).unwrap();
    assert_eq!((granted.account().name(), pairs(&granted)), ("me", vec![on_account(BILLING_READ, APPS)]));
    assert_eq!(ask(json!({ "account": "apps" })).unwrap().account().name(), "apps");
}

#[test]
fn a_user_token_of_an_open_line_reaches_the_accounts_of_the_rules_or_those_asked_for() {
    let policy = lines(json!([{ "template": "billing-read", "account": "me" }]));
    let ask = |params: Value| policy.ci(json!({ "template": "billing-read", "params": params })).unwrap();
    let all = [on_account(BILLING_READ, APPS), on_account(BILLING_READ, MAIN)];
    assert_eq!(pairs(&ask(json!({}))), all);
    assert_eq!(pairs(&ask(json!({ "account": "me" }))), all);
    assert_eq!(pairs(&ask(json!({ "account": ["me", "main"] }))), [on_account(BILLING_READ, MAIN)]);
    assert_eq!(ask(json!({})).account().name(), "me");
}

#[test]
fn a_user_token_for_zones_names_their_accounts_alone() {
    let policy = lines(json!([{ "template": "mixed", "account": "me", "zone": "*" }]));
    let ask = |params: Value| policy.ci(json!({ "template": "mixed", "params": params }));
    let one = ask(json!({ "zone": "shop.example" })).unwrap();
    assert_eq!(pairs(&one), [on_account(BILLING_READ, APPS), on_zone(CACHE_PURGE, SHOP, APPS)]);
    let elsewhere = Denial::ZoneElsewhere { zone: "shop.example".to_owned(), account: "apps".to_owned() };
    assert_eq!(ask(json!({ "account": ["me", "main"], "zone": "shop.example" })), Err(elsewhere));
    let main = [on_account(BILLING_READ, MAIN), on_zones(CACHE_PURGE, MAIN)];
    assert_eq!(pairs(&ask(json!({ "account": ["me", "main"] })).unwrap()), main);
    assert_eq!(pairs(&ask(json!({ "zone": ["shop.example", "example.com"] })).unwrap()).len(), 4);
    assert_eq!(pairs(&ask(json!({})).unwrap()).len(), 4);
}

#[test]
fn zones_alone_never_lead_to_a_user_token() {
    let policy = lines(json!([{ "template": "mixed", "account": ["me", "apps"], "zone": "*" }]));
    let ask = |params: Value| policy.ci(json!({ "template": "mixed", "params": params }));
    assert_eq!(ask(json!({ "zone": "shop.example" })).unwrap().account().name(), "apps");
    assert_eq!(ask(json!({ "zone": "*" })).unwrap().account().name(), "apps");
    assert_eq!(ask(json!({})), Err(needed("account", &["me", "apps"])));
}

#[test]
fn a_user_token_for_a_line_with_zones_is_bounded_by_them() {
    let policy = lines(
        json!([{ "template": "cache-purge", "account": ["me", "apps"], "zone": ["shop.example", "blog.example"] }]),
    );
    let ask = |params: Value| policy.ci(json!({ "template": "cache-purge", "params": params }));
    assert_eq!(ask(json!({ "account": "me" })), Err(needed("zone", &["shop.example", "blog.example"])));
    let granted = ask(json!({ "account": "me", "zone": "blog.example" })).unwrap();
    assert_eq!(pairs(&granted), [on_zone(CACHE_PURGE, BLOG, APPS)]);
    assert_eq!(ask(json!({ "account": "me", "zone": "example.com" })), Err(refused("zone", "example.com")));
}

#[test]
fn a_zone_outside_the_accounts_of_a_user_line_is_elsewhere() {
    let policy = lines(json!([{ "template": "cache-purge", "account": ["me", "apps"], "zone": "*" }]));
    let params = json!({ "account": "me", "zone": "example.com" });
    let elsewhere = Denial::ZoneElsewhere { zone: "example.com".to_owned(), account: "main".to_owned() };
    assert_eq!(policy.ci(json!({ "template": "cache-purge", "params": params })), Err(elsewhere));
}

#[test]
fn lines_are_alternatives_and_never_a_product() {
    let policy = lines(json!([
        { "template": "cache-purge", "zone": ["example.com"] },
        { "template": "dns-acme", "zone": ["shop.example"] },
    ]));
    let denied = policy.ci(json!({ "template": "dns-acme", "params": { "zone": "example.com" } }));
    assert_eq!(denied, Err(refused("zone", "example.com")));
    let granted = policy.ci(json!({ "template": "dns-acme" })).unwrap();
    assert_eq!(granted.rule(), Some("/grant/g/allow/1"));
}

#[test]
fn two_lines_that_allow_different_tokens_must_be_told_apart() {
    let policy = lines(json!([
        { "template": "cache-purge", "zone": ["example.com"] },
        { "template": "cache-purge", "zone": ["shop.example"] },
    ]));
    let denial = Denial::SeveralLines {
        grant: "g".to_owned(),
        lines: vec!["/grant/g/allow/0".to_owned(), "/grant/g/allow/1".to_owned()],
    };
    assert_eq!(policy.ci(json!({ "template": "cache-purge" })), Err(denial));
    let granted =
        policy.ci(json!({ "template": "cache-purge", "params": { "zone": "shop.example" } })).unwrap();
    assert_eq!(granted.rule(), Some("/grant/g/allow/1"));
}

#[test]
fn two_lines_that_allow_the_same_token_are_one() {
    let policy = lines(json!([
        { "template": "cache-purge", "zone": ["shop.example"] },
        { "template": "cache-purge", "zone": "*", "account": "apps" },
    ]));
    let granted =
        policy.ci(json!({ "template": "cache-purge", "params": { "zone": "shop.example" } })).unwrap();
    assert_eq!(granted.rule(), Some("/grant/g/allow/0"));
    // The same pairs, but another owner: another token.
    let policy = lines(json!([
        { "template": "cache-purge", "zone": ["shop.example"], "account": "apps" },
        { "template": "cache-purge", "zone": ["shop.example"], "account": "me" },
    ]));
    assert!(matches!(policy.ci(json!({ "template": "cache-purge" })), Err(Denial::SeveralLines { .. })));
}

#[test]
fn an_operator_asks_for_any_account_and_zone_of_the_rules() {
    let policy = policy(json!({}));
    let ask = |template: &str, params: Value| policy.root(json!({ "template": template, "params": params }));
    assert_eq!(ask("billing-read", json!({})), Err(needed("account", &["apps", "main", "me"])));
    assert_eq!(
        ask("cache-purge", json!({ "account": "apps" })),
        Err(Denial::Render(RenderError::ZoneNeeded))
    );
    let unused = Err(Denial::Render(RenderError::ZoneUnused));
    assert_eq!(ask("billing-read", json!({ "account": "apps", "zone": "*" })), unused);
    let granted = ask("cache-purge", json!({ "zone": "shop.example" })).unwrap();
    assert_eq!((pairs(&granted), granted.account().name()), (vec![on_zone(CACHE_PURGE, SHOP, APPS)], "apps"));
    assert_eq!((granted.grant(), granted.rule(), granted.owner()), (None, None, "operator:root"));
    let granted = ask("cache-purge", json!({ "account": "main", "zone": "*" })).unwrap();
    assert_eq!(pairs(&granted), [on_zones(CACHE_PURGE, MAIN)]);
    let granted = ask("billing-read", json!({ "account": ["me", "apps"] })).unwrap();
    assert_eq!((pairs(&granted), granted.account().name()), (vec![on_account(BILLING_READ, APPS)], "me"));
}

#[test]
fn the_only_account_of_the_rules_need_not_be_named() {
    let mut rules = rules(json!({ "g": grant(json!([{ "template": "billing-read" }])) }));
    rules["account"].as_object_mut().unwrap().retain(|name, _| name == "main");
    rules["zone"].as_object_mut().unwrap().retain(|name, _| name == "example.com");
    let policy = compiled(&rules);
    assert_eq!(policy.only_account().map(Account::name), Some("main"));
    assert_eq!(policy.root(json!({ "template": "billing-read" })).unwrap().account().name(), "main");
    assert_eq!(policy.ci(json!({ "template": "billing-read" })).unwrap().account().name(), "main");
}

#[test]
fn only_an_operator_mints_templates_that_hold_managing_groups() {
    let policy = policy(json!({}));
    let ask = |condition: Value| {
        policy.root(json!({
            "template": "create-additional-tokens", "params": { "account": "main" }, "condition": condition
        }))
    };
    assert!(matches!(
        ask(json!(null)),
        Err(Denial::Guardrail(crate::guardrail::Breach::ManagingFromAnywhere(_)))
    ));
    let granted = ask(json!({ "in": ["203.0.113.0/24"] })).unwrap();
    assert!(granted.marks().escapes_books && !granted.marks().takeover);
    assert_eq!(pairs(&granted), [on_account(ACCOUNT_TOKENS_WRITE, MAIN)]);
    assert_eq!(granted.takeover_reason(), None);
}

#[test]
fn an_account_token_holds_nothing_of_a_user() {
    assert_eq!(Misfit::UserResource { policy: 3 }.policy(), 3);
    let policy = policy(json!({}));
    let granted =
        policy.root(json!({ "template": "workers-deploy", "params": { "account": "apps" } })).unwrap();
    assert!(pairs(&granted).iter().all(|pair| !pair.contains("user")));
    assert!(granted.notes().iter().any(|note| note.code() == "user-rows-dropped"));
    let user = policy
        .root(json!({ "template": "workers-deploy", "params": { "account": ["me", "apps"] } }))
        .unwrap();
    assert!(pairs(&user).contains(&format!("{USER_DETAILS_READ} on user {USER}")));
}
