//! Properties: no answer makes a reader panic, and what is written reads back as it was meant.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use cloudflare_tokens::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
const VALUE: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";

fn hex() -> impl Strategy<Value = String> {
    "[0-9a-f]{32}"
}

/// The member names that the readers look for, so that generated answers get past the first check.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "success",
            "errors",
            "messages",
            "result",
            "result_info",
            "code",
            "message",
            "error_chain",
            "source",
            "pointer",
            "id",
            "name",
            "status",
            "policies",
            "effect",
            "resources",
            "permission_groups",
            "condition",
            "request_ip",
            "request.ip",
            "in",
            "not_in",
            "expires_on",
            "not_before",
            "value",
            "scopes",
            "account",
            "page",
            "per_page",
            "total_count",
        ])
        .prop_map(str::to_owned),
        "[a-z.*]{0,8}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![1000, 1001, 971, 400, 9109, 10000, 7003, 6003]).prop_map(Value::from),
        hex().prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
        Just(Value::from("2018-07-01T05:20:00Z")),
        Just(Value::from("*")),
        Just(Value::from(VALUE)),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((key(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An answer with a good envelope around anything.
fn any_answer() -> impl Strategy<Value = Value> {
    (any::<bool>(), any_json(), any_json(), any_json(), any_json()).prop_map(
        |(success, result, errors, info, messages)| {
            json!({
                "success": success, "result": result, "errors": errors, "result_info": info, "messages": messages,
            })
        },
    )
}

fn check<C: Call>(call: &C, status: u16, headers: &Headers, body: &[u8]) {
    if let Err(error) = call.read(status, headers, body) {
        assert!(!error.hint().is_empty());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(VALUE), "{shown}");
        // Whatever the body says, a create is repeated only after a rate limit.
        assert_eq!(Repeat::OnlyIfNotSent.allows(&error), matches!(error, ApiError::RateLimited { .. }));
        if !error.surely_refused() {
            assert!(!Repeat::OnlyIfNotSent.allows(&error));
        }
    } else {
        assert!((200..300).contains(&status) || status == 404);
    }
}

fn check_all(status: u16, headers: &Headers, body: &[u8]) {
    let family = Family::User;
    let id: TokenId = TOKEN.parse().unwrap();
    let token = NewToken {
        name: "x".to_owned(),
        policies: Vec::new(),
        condition: None,
        not_before: None,
        expires_on: None,
    };
    let NewToken { name, policies, .. } = token.clone();
    let update =
        TokenUpdate { name, policies, status: None, condition: None, not_before: None, expires_on: None };
    let paging = Paging::default();
    check(&ListTokens { family, paging, direction: None, include_expired: true }, status, headers, body);
    check(&CreateToken { family, token }, status, headers, body);
    check(&GetToken { family, id }, status, headers, body);
    check(&UpdateToken { family, id, token: update }, status, headers, body);
    check(&DeleteToken { family, id }, status, headers, body);
    check(&RollToken { family, id }, status, headers, body);
    check(&VerifyToken { family }, status, headers, body);
    check(&ListPermissionGroups { family, name: None, scope: None }, status, headers, body);
    check(&ListZones::default(), status, headers, body);
    check(&GetUser, status, headers, body);
    check(&ListAccounts::default(), status, headers, body);
    check(&GetAccount { id: TOKEN.parse().unwrap() }, status, headers, body);
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(200),
        proptest::sample::select(vec![200, 201, 204, 302, 400, 401, 403, 404, 405, 408, 409, 429, 500, 502]),
        100..=999_u16,
    ]
}

fn resource() -> impl Strategy<Value = BTreeMap<String, ResourceValue>> {
    let zones = prop_oneof![Just("*".to_owned()), hex()]
        .prop_map(|id| (format!("com.cloudflare.api.account.zone.{id}"), "*".to_owned()));
    prop_oneof![
        btree_map(
            hex().prop_map(|id| format!("com.cloudflare.api.account.zone.{id}")),
            Just(ResourceValue::All),
            1..4
        ),
        btree_map(
            hex().prop_map(|id| format!("com.cloudflare.api.account.{id}")),
            Just(ResourceValue::All),
            1..4
        ),
        btree_map(
            hex().prop_map(|id| format!("com.cloudflare.api.account.{id}")),
            vec(zones, 1..4)
                .prop_map(BTreeMap::from_iter)
                .prop_map(|zones| ResourceValue::Nested(zones.into_iter().collect())),
            1..3
        ),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let effect = prop_oneof![Just(Effect::Allow), Just(Effect::Deny)];
    (effect, resource(), vec(hex(), 1..5)).prop_map(|(effect, resources, groups)| Policy {
        id: None,
        effect,
        resources: resources.into_iter().collect(),
        groups: groups.into_iter().map(|id| Group::from(id.parse::<GroupId>().unwrap())).collect(),
    })
}

fn ranges() -> impl Strategy<Value = Vec<String>> {
    let v4 =
        (any::<[u8; 4]>(), 0..=32).prop_map(|(ip, mask)| format!("{}/{mask}", std::net::Ipv4Addr::from(ip)));
    let v6 = (any::<[u8; 16]>(), 0..=128)
        .prop_map(|(ip, mask)| format!("{}/{mask}", std::net::Ipv6Addr::from(ip)));
    vec(prop_oneof![v4, v6], 0..3)
}

fn new_token() -> impl Strategy<Value = NewToken> {
    let condition = (ranges(), ranges())
        .prop_map(|(is_in, not_in)| Condition { request_ip: RequestIp { is_in, not_in, nowhere: false } });
    let life = (0..2_000_000_000_i64, 1..2_000_000_000_i64);
    ("[\\PC&&[^\\p{Cc}]]{1,120}", vec(policy(), 1..4), option::of(condition), option::of(life)).prop_map(
        |(name, policies, condition, life)| NewToken {
            name,
            policies,
            condition,
            not_before: life.map(|(start, _)| Time(start)),
            expires_on: life.map(|(start, length)| Time(start + length)),
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(status in status(), body in vec(any::<u8>(), 0..200)) {
        check_all(status, &Headers::new(), &body);
    }

    #[test]
    fn no_json_makes_a_reader_panic(status in status(), body in any_json()) {
        check_all(status, &Headers::new(), body.to_string().as_bytes());
    }

    #[test]
    fn no_answer_makes_a_reader_panic(status in status(), body in any_answer(), after in "[ -~]{0,12}") {
        let mut headers = Headers::new();
        headers.add("retry-after", &after);
        check_all(status, &headers, body.to_string().as_bytes());
    }

    #[test]
    fn a_new_token_reads_back_as_it_was_written(token in new_token()) {
        let mut body = token.to_json().unwrap();
        let members = body.as_object_mut().unwrap();
        members.insert("id".to_owned(), TOKEN.into());
        members.insert("status".to_owned(), "active".into());
        members.insert("value".to_owned(), VALUE.into());
        let answer = json!({"success": true, "errors": [], "messages": [], "result": body}).to_string();
        let call = CreateToken { family: Family::User, token: token.clone() };
        let created = call.read(200, &Headers::new(), answer.as_bytes()).unwrap();
        prop_assert_eq!(created.value.expose(), VALUE);
        let read = created.token;
        prop_assert_eq!(&read.name, &token.name);
        prop_assert_eq!(read.not_before, token.not_before);
        prop_assert_eq!(read.expires_on, token.expires_on);
        prop_assert_eq!(&read.condition, &token.condition.filter(|condition| !condition.is_empty()));
        prop_assert_eq!(&read.policies, &token.policies);
        prop_assert!(same_policies(&read.policies, &token.policies));

        // And sent back unchanged, it says the same again.
        let again = TokenUpdate::keeping(&read).unwrap().to_json().unwrap();
        for member in ["name", "policies", "condition", "not_before", "expires_on"] {
            prop_assert_eq!(again.get(member), body.get(member));
        }
    }

    #[test]
    fn policies_are_the_same_in_every_order(policies in vec(policy(), 1..5), turn in 0..5_usize) {
        let mut turned = policies.clone();
        turned.reverse();
        let by = turn % turned.len();
        turned.rotate_left(by);
        for policy in &mut turned {
            policy.groups.reverse();
            policy.id = Some(TOKEN.parse().unwrap());
        }
        prop_assert!(same_policies(&policies, &turned));
        let (gone, rest) = turned.split_last().unwrap();
        prop_assert_eq!(same_policies(&policies, rest), rest.iter().any(|policy| same_policies(std::slice::from_ref(policy), std::slice::from_ref(gone))));
    }

    #[test]
    fn a_query_reads_back_as_it_was_written(name in "\\PC{1,100}") {
        let call = ListPermissionGroups { family: Family::User, name: Some(name.clone()), scope: None };
        let base = "https://api.example.com".parse().unwrap();
        let Ok(request) = call.request(&base, &VALUE.parse().unwrap()) else {
            return Ok(());
        };
        let uri: http::Uri = request.url.parse().unwrap();
        let query = uri.query().unwrap().to_owned();
        let encoded = query.strip_prefix("name=").unwrap();
        let mut bytes = Vec::new();
        let mut rest = encoded;
        while let Some(c) = rest.chars().next() {
            if let Some(hex) = rest.strip_prefix('%') {
                bytes.push(u8::from_str_radix(hex.get(..2).unwrap(), 16).unwrap());
                rest = rest.get(3..).unwrap();
            } else {
                prop_assert!(c.is_ascii_alphanumeric() || "-._~".contains(c));
                bytes.push(u8::try_from(c).unwrap());
                rest = rest.get(1..).unwrap();
            }
        }
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), name);
    }
}
