//! Nothing that a stranger writes makes a decision panic, and no grant is larger than its rules.

use super::*;
use proptest::prelude::*;

/// Words that mean something here, so that random JSON comes past the first check.
const WORDS: &[&str] = &[
    "template",
    "params",
    "policies",
    "account",
    "grant",
    "ttl",
    "expires_on",
    "not_before",
    "name",
    "condition",
    "zone",
    "effect",
    "allow",
    "resources",
    "permission_groups",
    "id",
    "in",
    "not_in",
    "main",
    "apps",
    "me",
    "shop.example",
    "example.com",
    "cache-purge",
    "dns-acme",
    "*",
    "1h",
    "2026-11-01T01:00:00Z",
    "203.0.113.0/24",
    APPS,
    MAIN,
    SHOP,
    CACHE_PURGE,
    "com.cloudflare.api.account.zone.*",
    "com.cloudflare.api.account.00112233445566778899aabbccddeeff",
];

fn any_json() -> impl Strategy<Value = Value> {
    let word = || prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => "[ -~]{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn some_policy() -> Policy {
    policy(json!({
        "a": grant_with(json!([
            { "template": "cache-purge", "zone": ["shop.example", "blog.example"], "raw": true },
            { "template": "dns-acme", "zone": "*", "account": "apps", "raw": true },
        ]), json!({ "condition": { "in": ["203.0.113.0/24"] }, "max_ttl": "1h" })),
        "b": grant(json!([{ "template": "wordpress", "account": "me", "zone": "*", "raw": true }])),
    }))
}

proptest! {
    #[test]
    fn no_body_makes_a_decision_panic(body in any_json(), members in prop::collection::btree_map(prop::sample::select(WORDS), any_json(), 0..6)) {
        let policy = some_policy();
        let members: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for body in [body, members] {
            if let Ok(ask) = Ask::from_json(&body) {
                for caller in [ci(), Caller::root()] {
                    let _ = policy.decide(&caller, &ask, now());
                }
            }
        }
    }

    #[test]
    fn no_policies_make_a_decision_panic(policies in any_json(), condition in any_json(), created in 0_i64..2_000_000_000) {
        let policy = some_policy();
        let asked = Ask {
            access: AskedAccess::Raw { policies: policies.clone(), account: Some("apps".to_owned()) },
            grant: None, lifetime: Lifetime::Default, not_before: None, name: None,
            condition: Some(condition.clone()), surface: Surface::Native,
        };
        let _ = policy.decide(&ci(), &asked, now());
        let held = Held {
            account: TokenOwner::Account(APPS.parse().unwrap()), owner: "client:ci", grant: Some("a"), template: None,
            created: Timestamp::from_unix(created).unwrap(), not_before: None, expires_on: at(600),
            policies: &policies, condition: Some(&condition), name: None,
        };
        let update = Change::Update { policies: Some(policies.clone()), expires_on: None, not_before: None, condition: Some(condition.clone()), name: None };
        for change in [Change::Roll, update] {
            let _ = policy.redecide(&ci(), &held, &change, now());
        }
    }

    #[test]
    fn what_is_granted_lies_within_every_bound(
        zones in prop::collection::vec(prop::sample::select(&["shop.example", "blog.example", "example.com", "*"][..]), 0..3),
        template in prop::sample::select(&["cache-purge", "dns-acme", "wordpress"][..]),
        ttl in 1_i64..100_000,
        drop_in: bool,
    ) {
        let policy = some_policy();
        let mut body = json!({ "template": template, "ttl": ttl });
        if !zones.is_empty() {
            body["params"] = json!({ "zone": zones });
        }
        let surface = if drop_in { Surface::DropIn { account: "apps".to_owned() } } else { Surface::Native };
        let asked = Ask { surface, ..ask(body) };
        if let Ok(granted) = policy.decide(&ci(), &asked, now()) {
            prop_assert_eq!(granted.expires_on(), at(ttl));
            prop_assert!(granted.expires_on() <= granted.latest_allowed());
            let of_a = granted.grant() == Some("a");
            prop_assert!(!of_a || (ttl <= 3600 && granted.condition_json().is_some()));
            prop_assert!(!of_a || granted.access().accounts().into_iter().all(|account| account.as_str() == APPS));
            prop_assert!(granted.access().accounts().into_iter().all(|account| policy.knows_account(account)));
            let known = policy.template(template).unwrap();
            let of_template = granted.access().pairs().all(|(group, _)| known.rows().iter().any(|row| row.id() == group));
            prop_assert!(of_template);
        }
    }
}
