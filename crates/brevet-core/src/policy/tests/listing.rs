use super::*;
use crate::json::to_value;

#[test]
fn a_client_sees_its_own_grants_and_no_other() {
    let policy = policy(json!({
        "b": grant_with(json!([{ "template": "cache-purge", "zone": "*", "account": "apps", "raw": true }]), json!({
            "ttl": "5m", "max_ttl": "1h", "mode": "audit", "enabled": false, "default_ttl": true,
            "operations": ["create", "roll"], "condition": { "in": ["203.0.113.0/24"] },
        })),
        "a": grant(json!([
            { "template": "billing-read", "account": ["main", "me"] },
            { "template": "cache-purge", "zone": ["shop.example"] },
        ])),
        "theirs": { "from": { "client": "other" }, "allow": [{ "template": "billing-read", "account": "main" }] },
    }));
    let told = to_value(&policy.whoami(&ci()));
    assert_eq!(
        told,
        json!({
            "kind": "client", "name": "ci", "owner": "client:ci",
            "grants": [
                { "name": "a", "enabled": true, "mode": "enforce", "ttl": null, "max_ttl": null, "default_ttl": false,
                  "operations": ["create", "revoke"], "condition": null,
                  "allow": [
                      { "template": "billing-read", "account": ["main", "me"], "zone": null, "raw": false },
                      { "template": "cache-purge", "account": ["apps"], "zone": ["shop.example"], "raw": false },
                  ] },
                { "name": "b", "enabled": false, "mode": "audit", "ttl": 300, "max_ttl": 3600, "default_ttl": true,
                  "operations": ["create", "roll"], "condition": { "request_ip": { "in": ["203.0.113.0/24"] } },
                  "allow": [{ "template": "cache-purge", "account": ["apps"], "zone": "*", "raw": true }] },
            ],
        })
    );
    assert!(!told.to_string().contains("theirs"));
}

#[test]
fn an_operator_sees_its_powers() {
    let policy = policy(json!({}));
    let told = to_value(&policy.whoami(&Caller::root()));
    let powers = json!(["read", "revoke", "mint", "config"]);
    assert_eq!(
        told,
        json!({ "kind": "operator", "name": "root", "owner": "operator:root", "powers": powers })
    );
}

#[test]
fn the_rules_can_be_walked_through() {
    let policy = policy(json!({}));
    assert_eq!(policy.accounts().map(Account::name).collect::<Vec<_>>(), ["apps", "main", "me"]);
    assert_eq!(
        policy.zones().map(ZoneRef::name).collect::<Vec<_>>(),
        ["blog.example", "example.com", "shop.example"]
    );
    let zone = policy.zones().next().unwrap();
    assert_eq!((zone.id().as_str(), zone.account().as_str()), (BLOG, APPS));
    assert_eq!(policy.templates().count(), 13);
    assert!(policy.template("dns-acme").is_some() && policy.template("nope").is_none());
    assert_eq!(
        (policy.url(), policy.install(), policy.open_verify()),
        (Some("https://brevet.example.com"), "test", true)
    );
    assert_eq!(policy.catalogue().len(), Catalogue::built_in().len());
    for text in ["main", MAIN] {
        assert_eq!(policy.account(text).map(Account::name), Some("main"));
    }
    for text in ["Main", FOREIGN, ""] {
        assert_eq!(policy.account(text), None);
    }
    assert_eq!(
        policy.user_account().map(|account| (account.name(), account.id())),
        Some(("me", USER.to_owned()))
    );
    assert_eq!(policy.user_account().map(Account::family), Some(crate::access::Family::User));
    assert_eq!(policy.account_of(TokenOwner::User(USER.parse().unwrap())).map(Account::name), Some("me"));
    assert_eq!(policy.account_of(TokenOwner::Account(USER.parse().unwrap())), None);
    assert_eq!(policy.only_account(), None);
}

#[test]
fn the_rules_answer_for_places_and_host() {
    let policy = policy(json!({}));
    let account = |text: &str| text.parse::<AccountId>().unwrap();
    assert_eq!(policy.account_of_zone(SHOP.parse().unwrap()), Some(account(APPS)));
    assert_eq!(policy.account_of_zone(FOREIGN.parse().unwrap()), None);
    assert!(
        policy.knows_account(account(MAIN))
            && !policy.knows_account(account(USER))
            && !policy.knows_account(account(FOREIGN))
    );
    assert_eq!(policy.user(), Some(USER.parse().unwrap()));
    assert!(policy.hosts_brevet(account(MAIN)) && !policy.hosts_brevet(account(APPS)));
    assert!(policy.hosts_brevet(account(FOREIGN)), "nobody has said that Brevet does not run there");
    assert_eq!(policy.brevet_zone(), BrevetZone::This(EXAMPLE_COM.parse().unwrap()));
    let mut without = rules(json!({}));
    without["account"].as_object_mut().unwrap().remove("me");
    assert_eq!(compiled(&without).user(), None);
    assert_eq!(compiled(&without).user_account(), None);
    without["brevet"]["open_verify"] = json!(false);
    assert!(!compiled(&without).open_verify());
}
