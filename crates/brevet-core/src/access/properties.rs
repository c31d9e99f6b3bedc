use super::fixture::*;
use super::tests::parse;
use super::*;
use crate::catalogue::Catalogue;
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_key() -> impl Strategy<Value = String> {
    let known = [
        account_key(MAIN),
        account_key(APPS),
        account_key("*"),
        account_key(FOREIGN),
        zone_key(ZONE),
        zone_key(APPS_ZONE),
        zone_key(STRAY_ZONE),
        zone_key("*"),
        format!("com.cloudflare.api.user.{USER}"),
        bucket_key(&format!("{MAIN}_default_my-bucket")),
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()), 1 => ".{0,40}", 1 => "com\\.cloudflare\\.[a-z.*_]{0,40}"]
}

fn any_group() -> impl Strategy<Value = String> {
    let known = [DNS_WRITE, CACHE_PURGE, SCRIPTS_WRITE, BILLING_READ, USER_READ, BUCKET_READ];
    prop_oneof![8 => prop::sample::select(known.map(str::to_owned).to_vec()), 1 => "[0-9a-f]{32}", 1 => ".{0,34}"]
}

fn any_policy() -> impl Strategy<Value = Value> {
    let star = || prop_oneof![9 => Just(json!("*")), 1 => any::<bool>().prop_map(Value::from)];
    let object = |value: BoxedStrategy<Value>| {
        prop::collection::vec((any_key(), value), 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    };
    let value = prop_oneof![star().boxed(), object(star().boxed()).boxed()].boxed();
    let effect = prop_oneof![9 => Just("allow"), 1 => Just("deny")];
    (effect, object(value), prop::collection::vec(any_group(), 0..5)).prop_map(
        |(effect, resources, groups)| {
            let groups: Vec<_> = groups.iter().map(|group| json!({ "id": group })).collect();
            json!({ "effect": effect, "resources": resources, "permission_groups": groups })
        },
    )
}

/// Policies that are mostly good, so that reading goes far.
fn likely_policies() -> impl Strategy<Value = Value> {
    let zone = (
        prop::sample::select(vec![ZONE, STRAY_ZONE, "*"]),
        prop::sample::select(vec![DNS_WRITE, CACHE_PURGE]),
    )
        .prop_map(|(zone, group)| policy(json!({ account_key(MAIN): { zone_key(zone): "*" } }), &[group]));
    let account = prop::sample::select(vec![SCRIPTS_WRITE, BILLING_READ]).prop_map(|group| {
        policy(json!({ account_key(APPS): "*", zone_key(ZONE): "*" }), &[group, DNS_WRITE])
    });
    let user = Just(policy(json!({ format!("com.cloudflare.api.user.{USER}"): "*" }), &[USER_READ]));
    prop::collection::vec(prop_oneof![zone, account, user], 1..6).prop_map(Value::Array)
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("effect".to_owned()),
        Just("resources".to_owned()),
        Just("permission_groups".to_owned()),
        Just("id".to_owned()),
        any_key(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        Just(json!("allow")),
        Just(json!("*")),
        any_group().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_any_json_without_panicking(value in any_json()) {
        let _ = parse(&value);
        let catalogue = Catalogue::built_in();
        let _ = Access::parse_with(&json!([value]), &Rules::default(), &catalogue, Strangers::Keep);
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_set(
        policies in prop_oneof![likely_policies(), prop::collection::vec(any_policy(), 1..5).prop_map(Value::Array)]
    ) {
        if let Ok(access) = parse(&policies) {
            let again = parse(&access.to_json());
            prop_assert!(again.as_ref().is_ok_and(|again| again.same(&access)), "{:?}", again);
            prop_assert_eq!(again.unwrap().to_json(), access.to_json());
        }
    }

    #[test]
    fn what_is_read_names_only_places_of_the_rules(
        policies in prop::collection::vec(any_policy(), 1..4).prop_map(Value::Array)
    ) {
        if let Ok(access) = parse(&policies) {
            prop_assert!(access.accounts().iter().all(|account| Rules::default().knows_account(*account)));
            let written = access.to_json().to_string();
            prop_assert!(!written.contains("account.*"));
            for policy in access.to_json().as_array().unwrap() {
                let flat = policy["resources"].as_object().unwrap().keys();
                prop_assert!(flat.into_iter().all(|key| !key.starts_with("com.cloudflare.api.account.zone.")));
            }
            for (group, resource) in access.pairs() {
                prop_assert_eq!(Catalogue::built_in().get(group).unwrap().scope(), resource.scope());
            }
        }
    }
}
