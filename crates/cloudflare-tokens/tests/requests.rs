//! Every request as it goes out: method, address, headers and body.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

mod drafts;

use cloudflare_tokens::*;
use drafts::*;
use serde_json::{Value, json};

/// Checks what every request has in common and gives path and query below the base, and the body.
fn sent<C: Call>(call: &C, method: Method) -> (String, Option<Value>) {
    let request = call.request(&BASE.parse().unwrap(), &value()).unwrap();
    assert_eq!(request.method, method);
    assert_eq!(call.method(), method);
    let bearer = format!("Bearer {VALUE}");
    let mut expected = vec![("authorization", bearer.as_str()), ("accept", "application/json")];
    if request.body.is_some() {
        expected.insert(1, ("content-type", "application/json"));
    }
    assert_eq!(request.headers().collect::<Vec<_>>(), expected);
    assert!(!format!("{request:?}").contains(VALUE), "a printed request shows the token");
    let body = request.body.as_ref().map(|body| serde_json::from_str(body).unwrap());
    (request.url.strip_prefix(BASE).unwrap().to_owned(), body)
}

fn get<C: Call>(call: &C) -> String {
    let (target, body) = sent(call, Method::Get);
    assert_eq!(body, None);
    assert_eq!(call.repeat(), Repeat::Safe);
    target
}

#[test]
fn lists_tokens_of_both_families() {
    let mut call = ListTokens {
        family: Family::User,
        paging: Paging::default(),
        direction: None,
        include_expired: false,
    };
    assert_eq!(get(&call), "/user/tokens?page=1&per_page=50");
    call.family = account();
    call.paging = Paging { page: 3, per_page: 5 };
    call.direction = Some(Direction::Desc);
    call.include_expired = true;
    assert_eq!(
        get(&call),
        format!("/accounts/{ACCOUNT}/tokens?page=3&per_page=5&direction=desc&include_expired=true")
    );
    call.paging.per_page = 51;
    let refused = call.request(&BASE.parse().unwrap(), &value());
    assert_eq!(refused.unwrap_err(), WriteError::PerPage { found: 51 });
    call.paging = Paging { page: 0, per_page: 50 };
    assert_eq!(call.request(&BASE.parse().unwrap(), &value()).unwrap_err(), WriteError::Page);
}

#[test]
fn creates_a_token_with_the_least_body() {
    let call = CreateToken { family: Family::User, token: new_token() };
    let (target, body) = sent(&call, Method::Post);
    assert_eq!(target, "/user/tokens");
    assert_eq!(
        body.unwrap(),
        json!({
            "name": "readonly token",
            "policies": [{
                "effect": "allow",
                "resources": {"com.cloudflare.api.account.zone.023e105f4ecef8ad9ca31a8372d0c353": "*"},
                "permission_groups": [{"id": GROUP}],
            }],
        })
    );
    assert_eq!(call.repeat(), Repeat::OnlyIfNotSent);
}

#[test]
fn creates_a_token_with_everything_in_it() {
    let mut token = new_token();
    token.policies = vec![
        policy(&[(
            &format!("com.cloudflare.api.account.{ACCOUNT}"),
            nested(&[("com.cloudflare.api.account.zone.*", "*")]),
        )]),
        Policy {
            effect: Effect::Deny,
            id: Some("f267e341f3dd4697bd3b9f71dd96247f".parse().unwrap()),
            ..policy(&[(
                &format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_my-bucket"),
                ResourceValue::All,
            )])
        },
    ];
    token.condition = Some(Condition {
        request_ip: RequestIp {
            is_in: vec!["199.27.128.0/21".to_owned(), "2400:cb00::/32".to_owned()],
            not_in: vec!["199.27.128.1/32".to_owned()],
            nowhere: false,
        },
    });
    token.not_before = Some(Time(1_530_422_400));
    token.expires_on = Some(Time(1_577_836_800));
    let call = CreateToken { family: account(), token };
    let (target, body) = sent(&call, Method::Post);
    assert_eq!(target, format!("/accounts/{ACCOUNT}/tokens"));
    assert_eq!(
        body.unwrap(),
        json!({
            "name": "readonly token",
            "policies": [
                {
                    "effect": "allow",
                    "resources": {
                        "com.cloudflare.api.account.0123456789abcdef0123456789abcdef":
                            {"com.cloudflare.api.account.zone.*": "*"},
                    },
                    "permission_groups": [{"id": GROUP}],
                },
                {
                    "effect": "deny",
                    "resources": {
                        "com.cloudflare.edge.r2.bucket.0123456789abcdef0123456789abcdef_default_my-bucket": "*",
                    },
                    "permission_groups": [{"id": GROUP}],
                },
            ],
            "condition": {"request_ip": {
                "in": ["199.27.128.0/21", "2400:cb00::/32"],
                "not_in": ["199.27.128.1/32"],
            }},
            "not_before": "2018-07-01T05:20:00Z",
            "expires_on": "2020-01-01T00:00:00Z",
        })
    );
}

#[test]
fn reads_deletes_rolls_and_verifies_in_both_families() {
    for (family, path) in
        [(Family::User, "/user/tokens".to_owned()), (account(), format!("/accounts/{ACCOUNT}/tokens"))]
    {
        assert_eq!(get(&GetToken { family, id: id() }), format!("{path}/{TOKEN}"));
        assert_eq!(get(&VerifyToken { family }), format!("{path}/verify"));

        let delete = DeleteToken { family, id: id() };
        assert_eq!(sent(&delete, Method::Delete), (format!("{path}/{TOKEN}"), None));
        assert_eq!(delete.repeat(), Repeat::AbsentIsDone);

        let roll = RollToken { family, id: id() };
        assert_eq!(sent(&roll, Method::Put), (format!("{path}/{TOKEN}/value"), Some(json!({}))));
        assert_eq!(roll.repeat(), Repeat::LastWins);
    }
}

#[test]
fn an_update_sends_all_that_is_to_stay() {
    let token = TokenUpdate {
        status: Some(SettableStatus::Disabled),
        not_before: Some(Time(0)),
        expires_on: Some(Time(1)),
        condition: Some(Condition {
            request_ip: RequestIp { is_in: vec!["::1/128".to_owned()], ..RequestIp::default() },
        }),
        ..update()
    };
    let call = UpdateToken { family: account(), id: id(), token };
    let (target, body) = sent(&call, Method::Put);
    assert_eq!(target, format!("/accounts/{ACCOUNT}/tokens/{TOKEN}"));
    let body = body.unwrap();
    assert_eq!(body["name"], "readonly token");
    assert_eq!(body["policies"].as_array().unwrap().len(), 1);
    assert_eq!(body["status"], "disabled");
    assert_eq!(body["not_before"], "1970-01-01T00:00:00Z");
    assert_eq!(body["expires_on"], "1970-01-01T00:00:01Z");
    assert_eq!(body["condition"], json!({"request_ip": {"in": ["::1/128"]}}));
    assert_eq!(call.repeat(), Repeat::LastWins);

    let least = UpdateToken { family: Family::User, id: id(), token: update() };
    let (_, body) = sent(&least, Method::Put);
    let body = body.unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "policies"]);
}

#[test]
fn encodes_the_permission_group_filters_once() {
    let mut call = ListPermissionGroups { family: Family::User, name: None, scope: None };
    assert_eq!(get(&call), "/user/tokens/permission_groups");
    call.family = account();
    call.name = Some("Access: Apps & Policies Read?#/%20".to_owned());
    call.scope = Some("com.cloudflare.api.account.zone".to_owned());
    assert_eq!(
        get(&call),
        format!(
            "/accounts/{ACCOUNT}/tokens/permission_groups?name=Access%3A%20Apps%20%26%20Policies%20Read%3F%23%2F%2520\
             &scope=com.cloudflare.api.account.zone"
        )
    );
    for (name, why) in [
        (String::new(), WriteError::FilterLength { chars: 0 }),
        ("a".repeat(254), WriteError::FilterLength { chars: 254 }),
        ("a\r\nb".to_owned(), WriteError::FilterControl),
    ] {
        call.name = Some(name);
        assert_eq!(call.request(&BASE.parse().unwrap(), &value()).unwrap_err(), why);
    }
}

#[test]
fn lists_zones_accounts_and_the_user() {
    assert_eq!(get(&ListZones::default()), "/zones?page=1&per_page=50");
    let zones = ListZones {
        name: Some("contains:ex\u{e4}mple".to_owned()),
        status: Some("active".to_owned()),
        account: Some(ACCOUNT.parse().unwrap()),
        paging: Paging { page: 2, per_page: 20 },
        direction: Some(Direction::Asc),
    };
    assert_eq!(
        get(&zones),
        format!(
            "/zones?name=contains%3Aex%C3%A4mple&status=active&account.id={ACCOUNT}&page=2&per_page=20&direction=asc"
        )
    );
    assert_eq!(get(&GetUser), "/user");
    assert_eq!(get(&ListAccounts::default()), "/accounts?page=1&per_page=50");
    let named = ListAccounts { name: Some("Dev Account".to_owned()), ..ListAccounts::default() };
    assert_eq!(get(&named), "/accounts?name=Dev%20Account&page=1&per_page=50");
    assert_eq!(get(&GetAccount { id: ACCOUNT.parse().unwrap() }), format!("/accounts/{ACCOUNT}"));
}

#[test]
fn every_call_has_a_name_of_its_own() {
    let names = [
        ListTokens {
            family: Family::User,
            paging: Paging::default(),
            direction: None,
            include_expired: false,
        }
        .name(),
        CreateToken { family: Family::User, token: new_token() }.name(),
        GetToken { family: Family::User, id: id() }.name(),
        UpdateToken { family: Family::User, id: id(), token: update() }.name(),
        DeleteToken { family: Family::User, id: id() }.name(),
        RollToken { family: Family::User, id: id() }.name(),
        VerifyToken { family: Family::User }.name(),
        ListPermissionGroups { family: Family::User, name: None, scope: None }.name(),
        ListZones::default().name(),
        GetUser.name(),
        ListAccounts::default().name(),
        GetAccount { id: ACCOUNT.parse().unwrap() }.name(),
    ];
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len());
}
