//! The bodies of requests against Cloudflare's own schemas.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use cloudflare_tokens::*;
use jsonschema::Validator;
use serde_json::{Value, json};

const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
const GROUP: &str = "c8fed203ed3043cba015a93ad1616f1f";
const VALUE: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";

/// The validator of one kind of body.
fn schema(kind: &str) -> Validator {
    let mut schema: Value = serde_json::from_str(include_str!("schema/requests.json")).unwrap();
    let reference = format!("#/$defs/{kind}");
    schema.as_object_mut().unwrap().insert("$ref".to_owned(), reference.into());
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn assert_valid(kind: &str, body: &Value) {
    let errors: Vec<_> = schema(kind).iter_errors(body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} {body}");
}

fn body<C: Call>(call: &C) -> Value {
    let base = "https://api.example.com".parse().unwrap();
    let request = call.request(&base, &VALUE.parse().unwrap()).unwrap();
    serde_json::from_str(&request.body.unwrap()).unwrap()
}

fn policy(effect: Effect, key: &str, value: ResourceValue) -> Policy {
    Policy {
        id: Some(TOKEN.parse().unwrap()),
        effect,
        resources: vec![(key.to_owned(), value)],
        groups: vec![Group { id: GROUP.parse().unwrap(), name: Some("Zone Read".to_owned()) }],
    }
}

/// Tokens that use every member, and the least one.
fn tokens() -> Vec<NewToken> {
    let account = format!("com.cloudflare.api.account.{ACCOUNT}");
    let zones = vec![("com.cloudflare.api.account.zone.*".to_owned(), "*".to_owned())];
    let policies = vec![
        policy(Effect::Allow, &account, ResourceValue::Nested(zones)),
        policy(Effect::Deny, &account, ResourceValue::All),
        policy(Effect::Allow, &format!("com.cloudflare.api.user.{ACCOUNT}"), ResourceValue::All),
    ];
    let ranges = vec!["199.27.128.0/21".to_owned(), "2400:cb00::/32".to_owned()];
    let request_ip = RequestIp { is_in: ranges.clone(), not_in: ranges, nowhere: false };
    let full = NewToken {
        name: "\u{e9}".repeat(MAX_NAME_CHARS),
        policies,
        condition: Some(Condition { request_ip }),
        not_before: Some(Time(0)),
        expires_on: Some(Time::LAST),
    };
    let empty = Some(Condition::default());
    let least = NewToken {
        name: "x".to_owned(),
        condition: empty,
        not_before: None,
        expires_on: None,
        ..full.clone()
    };
    vec![full, least]
}

#[test]
fn what_is_sent_is_what_the_schemas_ask_for() {
    let id: TokenId = TOKEN.parse().unwrap();
    for token in tokens() {
        for family in [Family::User, Family::Account(ACCOUNT.parse().unwrap())] {
            assert_valid("create", &body(&CreateToken { family, token: token.clone() }));
            for status in [None, Some(SettableStatus::Active), Some(SettableStatus::Disabled)] {
                let NewToken { name, policies, condition, not_before, expires_on } = token.clone();
                let token = TokenUpdate { name, policies, status, condition, not_before, expires_on };
                assert_valid("update", &body(&UpdateToken { family, id, token }));
            }
            assert_valid("roll", &body(&RollToken { family, id }));
        }
    }
}

#[test]
fn the_schemas_refuse_what_they_should() {
    // So that the test above can fail.
    let good = body(&CreateToken { family: Family::User, token: tokens().remove(0) });
    assert_valid("create", &good);
    for (pointer, value) in [
        ("/name", json!("x".repeat(121))),
        ("/name", json!(null)),
        ("/expires_on", json!("2018-07-01")),
        ("/not_before", json!(0)),
        ("/condition", json!({"request.ip": {}})),
        ("/condition/request_ip/in", json!("10.0.0.0/8")),
        ("/policies/0/effect", json!("audit")),
        ("/policies/0/resources", json!({"a": "*", "b": {"c": "*"}})),
        ("/policies/0/permission_groups/0", json!(GROUP)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!schema("create").is_valid(&bad), "{pointer}");
    }
}
