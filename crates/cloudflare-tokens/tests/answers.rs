//! Good answers, in all the forms Cloudflare sends them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

use cloudflare_tokens::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
const GROUP: &str = "c8fed203ed3043cba015a93ad1616f1f";
const VALUE: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";

fn id() -> TokenId {
    TOKEN.parse().unwrap()
}

fn read<C: Call>(call: &C, body: &Value) -> C::Output {
    call.read(200, &Headers::new(), body.to_string().as_bytes()).ok().unwrap()
}

fn good(result: Value) -> Value {
    json!({"success": true, "errors": [], "messages": [], "result": result})
}

fn get_token(result: Value) -> Token {
    read(&GetToken { family: Family::User, id: id() }, &good(result))
}

fn list(body: &Value) -> Page<Token> {
    let call = ListTokens {
        family: Family::User,
        paging: Paging::default(),
        direction: None,
        include_expired: false,
    };
    read(&call, body)
}

fn full_token() -> Value {
    json!({
        "id": TOKEN,
        "name": "readonly token",
        "status": "active",
        "issued_on": "2018-07-01T05:20:00Z",
        "modified_on": "2018-07-02T05:20:00.123456Z",
        "last_used_on": "2020-01-02T12:34:00+00:00",
        "not_before": "2018-07-01T05:20:00Z",
        "expires_on": "2020-01-01T00:00:00Z",
        "condition": {"request_ip": {"in": ["199.27.128.0/21"], "not_in": ["199.27.128.1/32"]}},
        "policies": [{
            "id": "f267e341f3dd4697bd3b9f71dd96247f",
            "effect": "allow",
            "resources": {
                "com.cloudflare.api.account.0123456789abcdef0123456789abcdef":
                    {"com.cloudflare.api.account.zone.*": "*"},
            },
            "permission_groups": [{"id": GROUP, "name": "Zone Read", "meta": {"key": "k", "value": "v"}}],
        }],
    })
}

#[test]
fn reads_a_whole_token() {
    let token = get_token(full_token());
    assert_eq!(token.id, id());
    assert_eq!(token.name, "readonly token");
    assert_eq!(token.status, TokenStatus::Active);
    assert_eq!(token.issued_on, Some(Time(1_530_422_400)));
    assert_eq!(token.modified_on, Some(Time(1_530_508_800)));
    assert_eq!(token.last_used_on, Some(Time(1_577_968_440)));
    assert_eq!(token.not_before, Some(Time(1_530_422_400)));
    assert_eq!(token.expires_on, Some(Time(1_577_836_800)));
    let ip = token.condition.unwrap().request_ip;
    assert_eq!(
        (ip.is_in.as_slice(), ip.not_in.as_slice()),
        (&["199.27.128.0/21".to_owned()][..], &["199.27.128.1/32".to_owned()][..])
    );
    let [policy] = token.policies.as_slice() else { unreachable!("one policy") };
    assert_eq!(policy.id, Some("f267e341f3dd4697bd3b9f71dd96247f".parse().unwrap()));
    assert_eq!(policy.effect, Effect::Allow);
    assert_eq!(policy.groups, [Group { id: GROUP.parse().unwrap(), name: Some("Zone Read".to_owned()) }]);
    let [(key, ResourceValue::Nested(nested))] = policy.resources.as_slice() else { unreachable!("nested") };
    assert_eq!(*key, format!("com.cloudflare.api.account.{ACCOUNT}"));
    assert_eq!(nested, &[("com.cloudflare.api.account.zone.*".to_owned(), "*".to_owned())]);
}

#[test]
fn absent_null_and_unset_members_are_none() {
    let least = get_token(json!({"id": TOKEN}));
    let nulls = get_token(json!({
        "id": TOKEN, "name": null, "status": null, "issued_on": null, "modified_on": null, "last_used_on": null,
        "not_before": null, "expires_on": null, "condition": null, "policies": null,
    }));
    let unset = get_token(json!({
        "id": TOKEN, "last_used_on": "0001-01-01T00:00:00Z", "not_before": "", "expires_on": "0001-01-01T00:00:00Z",
        "condition": {}, "policies": [], "new_member": [1, 2],
    }));
    let empty_ip = get_token(json!({"id": TOKEN, "condition": {"request_ip": {"not_in": [], "in": null}}}));
    assert_eq!(least.condition, None);
    assert_eq!(least.status, TokenStatus::Other(String::new()));
    assert_eq!(least, nulls);
    assert_eq!(least, unset);
    assert_eq!(least, empty_ip);
}

#[test]
fn a_time_that_only_informs_may_be_odd() {
    let token = get_token(json!({"id": TOKEN, "last_used_on": "yesterday", "issued_on": 7}));
    assert_eq!((token.last_used_on, token.issued_on), (None, None));
}

#[test]
fn statuses_are_open_and_only_active_is_active() {
    for (text, status) in [
        ("active", TokenStatus::Active),
        ("disabled", TokenStatus::Disabled),
        ("expired", TokenStatus::Expired),
        ("revoked (exposed)", TokenStatus::Exposed),
        ("Active", TokenStatus::Other("Active".to_owned())),
        ("revoked", TokenStatus::Other("revoked".to_owned())),
    ] {
        let token = get_token(json!({"id": TOKEN, "status": text}));
        assert_eq!(token.status, status);
        assert_eq!(token.status.as_str(), text);
    }
}

#[test]
fn an_unknown_effect_is_neither_allow_nor_deny() {
    let token = get_token(json!({"id": TOKEN, "policies": [{"effect": "audit"}, {}, {"effect": "deny"}]}));
    let effects: Vec<_> = token.policies.iter().map(|policy| policy.effect.clone()).collect();
    assert_eq!(effects, [Effect::Other("audit".to_owned()), Effect::Other(String::new()), Effect::Deny]);
}

#[test]
fn the_condition_is_read_in_both_spellings() {
    let ranges = json!({"in": ["10.0.0.0/8"]});
    let new = get_token(json!({"id": TOKEN, "condition": {"request_ip": ranges}}));
    let old = get_token(json!({"id": TOKEN, "condition": {"request.ip": ranges, "request_ip": null}}));
    assert_eq!(new, old);
    assert_eq!(new.condition.unwrap().request_ip.is_in, ["10.0.0.0/8"]);
}

#[test]
fn an_empty_in_is_a_lock_out_and_not_no_condition() {
    let token = get_token(json!({"id": TOKEN, "condition": {"request_ip": {"in": []}}}));
    assert!(token.condition.unwrap().request_ip.nowhere);
}

#[test]
fn a_created_token_comes_with_its_value() {
    let mut result = full_token();
    result["value"] = VALUE.into();
    let token = NewToken {
        name: "x".to_owned(),
        policies: Vec::new(),
        condition: None,
        not_before: None,
        expires_on: None,
    };
    let created = read(&CreateToken { family: Family::User, token }, &good(result));
    assert_eq!(created.value.expose(), VALUE);
    assert_eq!(created.token, get_token(full_token()));
    assert!(!format!("{created:?}").contains(VALUE));
}

#[test]
fn a_roll_gives_the_bare_value() {
    for value in [VALUE.to_owned(), format!("cfat_{VALUE}abcdef12")] {
        let rolled = read(&RollToken { family: Family::User, id: id() }, &good(json!(value)));
        assert_eq!(rolled.expose(), value);
    }
}

#[test]
fn a_delete_is_done_by_success_whatever_else_is_there() {
    let call = DeleteToken { family: Family::User, id: id() };
    for result in [json!({"id": TOKEN}), json!(null), json!({}), json!({"id": null}), json!("ok")] {
        assert_eq!(read(&call, &good(result)), Deleted::Now);
    }
    assert_eq!(read(&call, &json!({"success": true})), Deleted::Now);
}

#[test]
fn code_10000_in_the_messages_of_a_good_token_is_no_failure() {
    let call = VerifyToken { family: Family::User };
    let body = json!({
        "result": {"id": TOKEN, "status": "active"},
        "success": true,
        "errors": [],
        "messages": [{"code": 10000, "message": "This API Token is valid and active", "type": null}],
    });
    let verified = read(&call, &body);
    assert_eq!(
        verified,
        Verified { id: id(), status: TokenStatus::Active, not_before: None, expires_on: None }
    );
    for messages in [json!(["text"]), json!(null), json!("text"), json!({"code": 10000}), json!([[null]])] {
        let mut body = body.clone();
        body["messages"] = messages;
        body["errors"] = Value::Null;
        assert_eq!(read(&call, &body), verified);
    }
    let bounds = json!({
        "id": TOKEN, "status": "expired",
        "not_before": "2018-07-01T05:20:00Z", "expires_on": "2020-01-01T00:00:00Z",
    });
    let bounded = read(&call, &good(bounds));
    assert_eq!(bounded.status, TokenStatus::Expired);
    assert_eq!(
        (bounded.not_before, bounded.expires_on),
        (Some(Time(1_530_422_400)), Some(Time(1_577_836_800)))
    );
}

#[test]
fn every_2xx_with_success_counts() {
    let body = good(json!([])).to_string();
    for status in [200, 201, 202, 299] {
        assert!(ListZones::default().read(status, &Headers::new(), body.as_bytes()).is_ok());
    }
}

#[test]
fn a_list_may_lack_its_info_and_even_its_result() {
    let mut body = good(json!([full_token(), {"id": GROUP}]));
    let page = list(&body);
    assert_eq!(page.items.len(), 2);
    assert_eq!(page.info, None);
    body["result_info"] = Value::Null;
    assert_eq!(list(&body), page);
    body["result_info"] = json!([]);
    assert_eq!(list(&body), page);
    body["result_info"] =
        json!({"page": 1, "per_page": 20.0, "count": 2, "total_count": 2000, "total_pages": null});
    assert_eq!(
        list(&body).info,
        Some(ResultInfo {
            page: Some(1),
            per_page: Some(20),
            count: Some(2),
            total_count: Some(2000),
            total_pages: None,
        })
    );
    body["result_info"] = json!({"page": -1, "per_page": 1.5, "count": "2", "total_count": 1e300});
    assert_eq!(list(&body).info, Some(ResultInfo::default()));
    assert!(list(&good(Value::Null)).items.is_empty());
}

#[test]
fn one_unreadable_token_fails_the_list() {
    // Left out, it would look deleted.
    let body = good(json!([full_token(), {"name": "no id"}])).to_string();
    let call = ListTokens {
        family: Family::User,
        paging: Paging::default(),
        direction: None,
        include_expired: true,
    };
    let error = call.read(200, &Headers::new(), body.as_bytes()).unwrap_err();
    assert_eq!(error, ApiError::Unreadable { status: 200, why: Misread::Member("result.id") });
}

#[test]
fn permission_groups_are_filtered_again_and_odd_ones_left_out() {
    let other = "82e64a83756745bbbb1c9c2701bf816b";
    let account = "com.cloudflare.api.account";
    let zone = "com.cloudflare.api.account.zone";
    let mut body = good(json!([
        {"id": GROUP, "name": "Logs Read", "scopes": [zone], "category": "analytics_and_logs"},
        {"id": other, "name": "Logs Read", "scopes": [account, 7], "category": null},
        {"id": other, "name": "Logs Read Write", "scopes": [account]},
        {"id": "X", "name": "Logs Read", "scopes": [account]},
        {"id": other, "scopes": [account]},
        {"id": other, "name": "None"},
    ]));
    body["result_info"] = Value::Null;
    let found = |name: Option<&str>, scope: Option<&str>| {
        let call = ListPermissionGroups {
            family: Family::User,
            name: name.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        read(&call, &body)
    };
    assert_eq!(found(None, None).len(), 4);
    assert_eq!(found(Some("Logs Read"), None).len(), 2);
    assert_eq!(found(Some("logs read"), None).len(), 0);
    assert_eq!(found(None, Some(account)).len(), 2);
    assert_eq!(
        found(Some("Logs Read"), Some(zone)),
        [PermissionGroup {
            id: GROUP.parse().unwrap(),
            name: "Logs Read".to_owned(),
            scopes: vec![zone.to_owned()],
            category: Some("analytics_and_logs".to_owned()),
        }]
    );
    assert!(found(Some("None"), None)[0].scopes.is_empty());
}

#[test]
fn reads_zones() {
    let body = good(json!([
        {
            "id": ZONE, "name": "example.com", "status": "active", "paused": true, "type": "full",
            "account": {"id": ACCOUNT, "name": "Main"}, "owner": {}, "plan": {}, "meta": {"step": 2},
            "name_servers": ["bob.ns.cloudflare.com"], "original_registrar": null, "development_mode": 0,
        },
        {"id": ACCOUNT, "name": "example.net", "account": null, "paused": null},
        {"id": ACCOUNT, "name": "example.org", "account": {"id": null}},
    ]));
    let zones = read(&ListZones::default(), &body).items;
    assert_eq!(
        zones[0],
        Zone {
            id: ZONE.parse().unwrap(),
            name: "example.com".to_owned(),
            status: Some("active".to_owned()),
            kind: Some("full".to_owned()),
            paused: true,
            account: Some(AccountRef { id: ACCOUNT.parse().unwrap(), name: Some("Main".to_owned()) }),
        }
    );
    for zone in &zones[1..] {
        assert_eq!((zone.account.as_ref(), zone.status.as_ref(), zone.paused), (None, None, false));
    }
    assert!(read(&ListZones::default(), &good(json!([]))).items.is_empty());
}

#[test]
fn reads_the_user_and_accounts() {
    let user = json!({
        "id": ACCOUNT, "email": "a@example.com", "first_name": "A", "last_name": null,
        "two_factor_authentication_enabled": true,
    });
    assert_eq!(
        read(&GetUser, &good(user)),
        User {
            id: ACCOUNT.parse().unwrap(),
            email: Some("a@example.com".to_owned()),
            first_name: Some("A".to_owned()),
            last_name: None,
            two_factor: Some(true),
        }
    );
    let account = json!({"id": ACCOUNT, "name": "Main", "type": "standard", "settings": {}, "created_on": "2018-07-01T05:20:00.12345Z"});
    let main = Account {
        id: ACCOUNT.parse().unwrap(),
        name: "Main".to_owned(),
        kind: Some("standard".to_owned()),
        created_on: Some(Time(1_530_422_400)),
    };
    assert_eq!(read(&GetAccount { id: ACCOUNT.parse().unwrap() }, &good(account.clone())), main);
    assert_eq!(read(&ListAccounts::default(), &good(json!([account]))).items, [main]);
}

#[test]
fn reordered_policies_are_the_same_and_changed_ones_are_not() {
    let zone = |id: &str, groups: &[&str]| {
        json!({
            "effect": "allow",
            "resources": {format!("com.cloudflare.api.account.zone.{id}"): "*"},
            "permission_groups": groups.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
        })
    };
    let policies = |list: Value| get_token(json!({"id": TOKEN, "policies": list})).policies;
    let mine = policies(json!([zone(ZONE, &[GROUP, TOKEN]), zone(ACCOUNT, &[GROUP])]));
    let mut theirs = json!([zone(ACCOUNT, &[GROUP]), zone(ZONE, &[TOKEN, GROUP, GROUP])]);
    theirs[0]["id"] = TOKEN.into();
    theirs[1]["permission_groups"][0]["name"] = "DNS Write".into();
    assert!(same_policies(&mine, &policies(theirs.clone())));
    assert!(same_policies(&[], &[]));

    for changed in [
        json!([]),
        json!([zone(ZONE, &[GROUP, TOKEN])]),
        json!([zone(ZONE, &[GROUP]), zone(ACCOUNT, &[GROUP])]),
        json!([zone(ZONE, &[GROUP, TOKEN, ZONE]), zone(ACCOUNT, &[GROUP])]),
        json!([zone(ZONE, &[GROUP, TOKEN]), zone(ACCOUNT, &[GROUP]), zone(GROUP, &[GROUP])]),
        {
            let mut denied = theirs.clone();
            denied[0]["effect"] = "deny".into();
            denied
        },
        {
            let mut wider = theirs.clone();
            wider[0]["resources"]["com.cloudflare.api.account.zone.*"] = "*".into();
            wider
        },
    ] {
        let changed = policies(changed);
        assert!(!same_policies(&mine, &changed));
        assert!(!same_policies(&changed, &mine));
    }
}
