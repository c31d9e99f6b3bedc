//! The published example, and what holds in development mode only.

use super::*;
use crate::bearer::Bearer;
use crate::policy::{Ask, Caller, Presented};
use crate::secret::Secret;
use crate::time::Timestamp;

fn example_rules() -> Value {
    serde_json::from_str(example::RULES_JSON).unwrap()
}

fn document(rules: &Value) -> Document {
    read(rules).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

#[test]
fn knows_every_id_and_digest_of_the_example() {
    let rules = example_rules();
    let mut expected: Vec<_> = ["apps", "main", "me"].map(|name| format!("/account/{name}/id")).into();
    expected.push("/zone/example.com/id".to_owned());
    expected.push("/operator/alice/secret_sha256/0".to_owned());
    expected.push("/client/edge-purger/secret_sha256/0".to_owned());
    assert_eq!(example::traces(&document(&rules)), expected);
    // And there are no others in it.
    let text = example::RULES_JSON;
    let hex = |length: usize| {
        let word =
            move |word: &&str| word.len() == length && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        text.split('"').filter(word).count()
    };
    assert_eq!((hex(32), hex(64)), (4, 2));
}

#[test]
fn rules_with_any_part_of_the_example_are_the_example() {
    assert!(is_example(&document(&example_rules())));
    assert!(!is_example(&document(&rules())));
    let example = document(&example_rules());
    let own = rules();
    for (pointer, value) in [
        ("/account/main/id", json!("0123456789abcdef0123456789abcdef")),
        ("/account/me/id", json!("fedcba9876543210fedcba9876543210")),
        ("/zone/shop.example/id", json!("023e105f4ecef8ad9ca31a8372d0c353")),
        ("/client/cd/secret_sha256", example_rules()["client"]["edge-purger"]["secret_sha256"].clone()),
        ("/operator/alice/secret_sha256", example_rules()["operator"]["alice"]["secret_sha256"].clone()),
    ] {
        let mut rules = own.clone();
        set(&mut rules, pointer, value);
        assert!(is_example(&document(&rules)), "{pointer}");
    }
    assert_eq!(example.brevet.install, "local");
}

#[test]
fn the_published_secrets_are_those_of_the_digests() {
    let policy = compile(document(&example_rules())).unwrap().0;
    let now = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
    let presented = Presented { address: None, now, development: true };
    let who = |secret: &str| {
        let bearer = Bearer::sort(Secret::new(secret.to_owned()), false).unwrap();
        policy.authenticate(&bearer, &presented, None).unwrap()
    };
    let client = who(example::CLIENT_SECRET);
    assert_eq!(client, Caller::Client { name: "edge-purger".to_owned() });
    assert_eq!(who(example::OPERATOR_SECRET).owner(), "operator:alice");
    let granted =
        policy.decide(&client, &Ask::from_json(&json!({ "template": "cache-purge" })).unwrap(), now).unwrap();
    assert_eq!((granted.grant(), granted.account().name()), (Some("edge-purge"), "main"));
}

#[test]
fn the_example_has_no_error_and_says_what_holds_in_development_only() {
    let found = warnings(&example_rules());
    assert_eq!(found.iter().filter(|(_, problem)| *problem == Problem::Example).count(), 6);
    assert_eq!(found.len(), 6);
}

#[test]
fn plain_http_and_a_missing_url_are_for_development() {
    let told = |rules: &Value| -> Vec<_> {
        development_only(&document(rules))
            .into_iter()
            .map(|finding| (finding.severity, finding.pointer, finding.problem))
            .collect()
    };
    assert_eq!(told(&rules()), []);
    let warning = |at: &str, problem| vec![(Severity::Warning, at.to_owned(), problem)];
    assert_eq!(told(&without("/brevet/url")), warning("/brevet", Problem::NoUrl));
    let plain = with("/brevet/url", json!("http://127.0.0.1:8787"));
    assert_eq!(told(&plain), warning("/brevet/url", Problem::PlainHttp));
    let issuer = with("/issuer/github/url", json!("http://localhost:9000"));
    assert_eq!(told(&issuer), warning("/issuer/github/url", Problem::PlainHttp));
}
