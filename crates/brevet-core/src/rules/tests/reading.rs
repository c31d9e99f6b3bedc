//! What is said of every field alike.

use super::*;
use crate::time::{Seconds, TimeError};
use proptest::prelude::*;

#[test]
fn refuses_what_is_no_table() {
    for (value, found) in [
        (json!(null), Kind::Null),
        (json!([]), Kind::List),
        (json!("x"), Kind::Text),
        (json!(1), Kind::WholeNumber),
        (json!(1.5), Kind::Fraction),
        (json!(true), Kind::Flag),
    ] {
        assert_eq!(refused(&value), one("", Problem::WrongKind { expected: Kind::Table, found }));
        assert_eq!(
            refused(&with("/account", value.clone())).first(),
            Some(&("/account".to_owned(), Problem::WrongKind { expected: Kind::Table, found }))
        );
    }
}

#[test]
fn refuses_values_of_another_kind_everywhere() {
    let wrong = |expected, found| Problem::WrongKind { expected, found };
    for (pointer, value, problem) in [
        ("/version", json!("1"), wrong(Kind::WholeNumber, Kind::Text)),
        ("/version", json!(1.0), wrong(Kind::WholeNumber, Kind::Fraction)),
        ("/brevet/url", json!(1), wrong(Kind::Text, Kind::WholeNumber)),
        ("/brevet/open_verify", json!("yes"), wrong(Kind::Flag, Kind::Text)),
        ("/operator/alice/may", json!("read"), wrong(Kind::List, Kind::Text)),
        ("/client/ci/not_after", json!(1), wrong(Kind::Text, Kind::WholeNumber)),
        ("/template/dns/ttl", json!(true), wrong(Kind::Span, Kind::Flag)),
        ("/template/dns/ttl", json!({}), wrong(Kind::Span, Kind::Table)),
        ("/grant/purge/allow/0/zone", json!(1), wrong(Kind::TextOrList, Kind::WholeNumber)),
        ("/grant/purge/allow/0/account", json!(null), wrong(Kind::TextOrList, Kind::Null)),
        ("/grant/deploy/when/0/repository_id", json!(1.5), wrong(Kind::Scalar, Kind::Fraction)),
        ("/grant/deploy/when/0/repository_id", json!(null), wrong(Kind::Scalar, Kind::Null)),
    ] {
        assert_eq!(refused(&with(pointer, value)), one(pointer, problem), "{pointer}");
    }
}

#[test]
fn refuses_fields_that_it_does_not_know_and_says_what_was_perhaps_meant() {
    for (pointer, suggestion) in [
        ("/grnt", Some("grant")),
        ("/brevet/instal", Some("install")),
        ("/account/main/parents", Some("parent")),
        ("/zone/zone.example/acount", Some("account")),
        ("/group/new/scop", Some("scope")),
        ("/template/dns/permision", None),
        ("/template/dns/permissions/0/id", None),
        ("/template/dns/resources/zones", Some("zone")),
        ("/operator/alice/secret_sha265", Some("secret_sha256")),
        ("/issuer/github/pins", Some("pin")),
        ("/client/ci/from_ips", Some("from_ip")),
        ("/grant/purge/max_tll", Some("max_ttl")),
        ("/grant/purge/from/clients", Some("client")),
        ("/grant/purge/allow/0/templates", Some("template")),
        ("/grant/purge/qqqqqq", None),
    ] {
        let name = pointer.rsplit_once('/').unwrap().1.to_owned();
        let found = refused(&with(pointer, json!(1)));
        let Some((at, Problem::UnknownField { name: told, suggestion: near })) = found.first() else {
            panic!("{pointer}: {found:?}");
        };
        assert_eq!((at.as_str(), told), (pointer, &name));
        if suggestion.is_some() {
            assert_eq!(near.as_deref(), suggestion, "{pointer}");
        }
    }
}

#[test]
fn refuses_what_is_reserved_and_says_that_it_is() {
    for pointer in [
        "/rotation",
        "/destination",
        "/issuer/github/client_id",
        "/grant/purge/audience",
        "/grant/purge/bucket",
        "/grant/purge/allow/0/bucket",
    ] {
        let name = pointer.rsplit_once('/').unwrap().1.to_owned();
        assert_eq!(refused(&with(pointer, json!({}))), one(pointer, Problem::Reserved { name }), "{pointer}");
    }
}

#[test]
fn refuses_what_is_missing() {
    for (pointer, name) in [
        ("/version", "version"),
        ("/brevet", "brevet"),
        ("/brevet/install", "install"),
        ("/account/main/id", "id"),
        ("/account/main/family", "family"),
        ("/account/main/parent", "parent"),
        ("/zone/zone.example/id", "id"),
        ("/zone/zone.example/account", "account"),
        ("/group/new/name", "name"),
        ("/group/new/scope", "scope"),
        ("/group/new/id", "id"),
        ("/template/dns/permissions", "permissions"),
        ("/template/dns/permissions/0/name", "name"),
        ("/operator/alice/secret_sha256", "secret_sha256"),
        ("/operator/alice/may", "may"),
        ("/issuer/github/url", "url"),
        ("/client/ci/secret_sha256", "secret_sha256"),
        ("/grant/purge/from", "from"),
        ("/grant/purge/allow", "allow"),
        ("/grant/purge/allow/0/template", "template"),
    ] {
        let around = pointer.rsplit_once('/').unwrap().0;
        assert_eq!(refused(&without(pointer)), one(around, Problem::Missing { name }), "{pointer}");
    }
}

#[test]
fn refuses_other_versions() {
    for found in [0, 2, -1] {
        assert_eq!(refused(&with("/version", json!(found))), one("/version", Problem::Version { found }));
    }
}

#[test]
fn refuses_durations_that_are_none_or_too_long() {
    let year = i64::from(document::MAX_LIFETIME.get());
    for pointer in [
        "/account/main/max_ttl",
        "/template/dns/ttl",
        "/template/dns/max_ttl",
        "/grant/purge/ttl",
        "/grant/purge/max_ttl",
    ] {
        for (value, problem) in [
            (json!(0), Problem::Time(TimeError::NotPositive)),
            (json!(-1), Problem::Time(TimeError::NotPositive)),
            (json!(9_223_372_036_854_775_808_u64), Problem::Time(TimeError::OutOfRange)),
            (json!("soon"), Problem::Time(TimeError::NotADuration)),
            (json!(year + 1), Problem::TooLongSpan { most: document::MAX_LIFETIME }),
            (json!("367days"), Problem::TooLongSpan { most: document::MAX_LIFETIME }),
        ] {
            assert_eq!(refused(&with(pointer, value)), one(pointer, problem), "{pointer}");
        }
        assert_eq!(refused(&with(pointer, json!(year))), []);
        assert_eq!(refused(&with(pointer, json!("1h 30m"))), []);
    }
    assert_eq!(document::MAX_LIFETIME, Seconds::of(31_622_400));
}

#[test]
fn refuses_empty_lists_doubles_and_too_many() {
    let digest = |n: u8| format!("{n:02x}").repeat(32);
    for (pointer, good, most) in [
        ("/client/ci/secret_sha256", json!([digest(1), digest(2), digest(3)]), 3),
        ("/operator/alice/secret_sha256", json!([digest(1), digest(2), digest(3)]), 3),
        ("/operator/alice/may", json!(["read", "revoke", "mint", "config"]), 4),
        ("/grant/purge/operations", json!(["create", "update", "renew", "roll", "revoke"]), 5),
    ] {
        assert_eq!(refused(&with(pointer, json!([]))), one(pointer, Problem::Empty));
        assert_eq!(refused(&with(pointer, good.clone())), []);
        let mut double = good.clone();
        let length = good.as_array().unwrap().len();
        double[length - 1] = double[0].clone();
        let first = format!("{pointer}/0");
        let at = format!("{pointer}/{}", length - 1);
        assert_eq!(refused(&with(pointer, double)), one(&at, Problem::Duplicate { first }));
        let mut many = good.as_array().unwrap().clone();
        many.push(many[0].clone());
        assert_eq!(
            refused(&with(pointer, many.into())),
            one(pointer, Problem::TooMany { found: most + 1, most })
        );
    }
}

#[test]
fn bounds_the_number_of_entries_of_every_section() {
    for (section, most) in [
        ("account", document::MAX_ACCOUNTS),
        ("zone", document::MAX_ZONES),
        ("group", document::MAX_GROUPS),
        ("template", document::MAX_TEMPLATES),
        ("operator", document::MAX_OPERATORS),
        ("issuer", document::MAX_ISSUERS),
        ("client", document::MAX_CLIENTS),
        ("grant", document::MAX_GRANTS),
    ] {
        let pointer = format!("/{section}");
        let of = |count: usize| (0..count).map(|n| (format!("e{n}.x"), json!({}))).collect::<Value>();
        let too_many = (pointer.clone(), Problem::TooMany { found: most + 1, most });
        assert!(refused(&with(&pointer, of(most + 1))).contains(&too_many), "{section}");
        let told = refused(&with(&pointer, of(most)));
        assert!(!told.iter().any(|(_, problem)| matches!(problem, Problem::TooMany { .. })), "{section}");
    }
}

#[test]
fn bounds_the_lists_of_a_grant() {
    let line = json!({ "template": "billing-read", "account": "apps" });
    let lines = |count: usize| with("/grant/purge/allow", vec![line.clone(); count].into());
    let most = document::MAX_LINES;
    assert_eq!(
        refused(&lines(most + 1)),
        one("/grant/purge/allow", Problem::TooMany { found: most + 1, most })
    );
    assert_eq!(refused(&lines(most)), []);
    let sets = |count: usize| with("/grant/deploy/when", vec![json!({ "repository_id": "2" }); count].into());
    let most = document::MAX_CLAIMS;
    assert_eq!(
        refused(&sets(most + 1)),
        one("/grant/deploy/when", Problem::TooMany { found: most + 1, most })
    );
    assert_eq!(refused(&sets(most)), []);
    let claims = |count: usize| (0..count).map(|n| (format!("c{n}"), json!("x"))).collect::<Value>();
    let pointer = "/grant/deploy/when/0";
    assert_eq!(
        refused(&with(pointer, claims(most + 1))),
        one(pointer, Problem::TooMany { found: most + 1, most })
    );
    assert_eq!(refused(&with(pointer, claims(most))), []);
    let most = document::MAX_VALUES;
    let pointer = "/grant/purge/allow/0/zone";
    let values = vec![json!("shop.example"); most + 1];
    assert_eq!(
        refused(&with(pointer, values.into())),
        one(pointer, Problem::TooMany { found: most + 1, most })
    );
}

#[test]
fn tells_everything_at_once_with_errors_first() {
    let mut rules = rules();
    set(&mut rules, "/brevet/install", json!("UPPER"));
    set(&mut rules, "/account/main/id", json!("x"));
    set(&mut rules, "/grant/purge/allow/0/template", json!("cache-purg"));
    rules["grant"]["deploy"].as_object_mut().unwrap().remove("when");
    let findings = read(&rules).unwrap_err();
    let told: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.pointer.as_str())).collect();
    assert_eq!(
        told,
        [
            (Severity::Error, "/brevet/install"),
            (Severity::Error, "/account/main/id"),
            (Severity::Error, "/grant/purge/allow/0/template"),
            (Severity::Warning, "/grant/deploy"),
        ]
    );
}

#[test]
fn a_mistake_in_one_entry_is_not_repeated_for_those_that_name_it() {
    let rules = with("/client/ci/secret_sha256", json!(["x"]));
    assert_eq!(refused(&rules), one("/client/ci/secret_sha256/0", Problem::Digest));
    let rules = with("/account/apps/id", json!("a0000000000000000000000000000002x"));
    let told = refused(&rules);
    assert_eq!(told.first().map(|(at, _)| at.as_str()), Some("/account/apps/id"), "{told:?}");
}

#[test]
fn pointers_are_escaped() {
    let rules = with("/grant/a~1b", json!(1));
    assert_eq!(refused(&rules).first().map(|(at, _)| at.clone()), Some("/grant/a~1b".to_owned()));
    assert_eq!(reader::below("/x", "a/b~c"), "/x/a~1b~0c");
    assert_eq!(reader::below("", "plain"), "/plain");
}

fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "version",
        "brevet",
        "account",
        "zone",
        "group",
        "template",
        "operator",
        "issuer",
        "client",
        "grant",
        "url",
        "install",
        "id",
        "family",
        "parent",
        "from",
        "when",
        "allow",
        "permissions",
        "resources",
        "name",
        "scope",
        "ttl",
        "condition",
        "in",
        "secret_sha256",
        "may",
        "main",
        "user",
        "cache-purge",
        "*",
        "1h",
        "a0000000000000000000000000000001",
        "shop.example",
    ];
    let word = || prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,6}"];
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

/// The pointers of every value in some rules.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| pointers(value, &reader::below(at, name), all))
        }
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(n, value)| pointers(value, &reader::below(at, &n.to_string()), all));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_json_makes_the_reader_or_the_compiler_panic(value in any_json()) {
        let findings = lint(&value);
        prop_assert!(findings.iter().all(|finding| !finding.message().is_empty() && !finding.help().is_empty()));
    }

    #[test]
    fn no_change_in_one_place_makes_them_panic(place: prop::sample::Index, value in any_json()) {
        let mut rules = rules();
        let mut all = Vec::new();
        pointers(&rules, "", &mut all);
        let pointer = place.get(&all).clone();
        *rules.pointer_mut(&pointer).unwrap() = value;
        let findings = lint(&rules);
        for finding in findings {
            // Every finding leads to a value, or to one that is around what is missing.
            prop_assert!(finding.pointer.is_empty() || finding.pointer.starts_with('/'), "{:?}", finding.pointer);
            prop_assert!(crate::json::to_value(&finding.to_json(None)).get("message").is_some());
        }
    }
}
