//! Requests that never go out, each with its reason, and the edges of those that do.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

mod drafts;

use cloudflare_tokens::*;
use drafts::*;
use serde_json::json;

/// What the create is refused for.
fn refusal(token: NewToken) -> WriteError {
    let why = token.to_json().unwrap_err();
    let call = CreateToken { family: Family::User, token };
    assert_eq!(call.request(&BASE.parse().unwrap(), &value()).unwrap_err(), why);
    why
}

fn refusal_of_policy(policy: Policy) -> WriteError {
    refusal(NewToken { policies: vec![zone_policy(), policy], ..new_token() })
}

#[test]
fn never_writes_an_empty_list_or_condition() {
    let mut token = new_token();
    token.condition = Some(Condition::default());
    assert_eq!(token.to_json().unwrap().get("condition"), None);
    let not_in = vec!["10.0.0.0/8".to_owned()];
    token.condition =
        Some(Condition { request_ip: RequestIp { not_in: not_in.clone(), ..RequestIp::default() } });
    assert_eq!(token.to_json().unwrap()["condition"], json!({"request_ip": {"not_in": not_in}}));
    let is_in = not_in;
    token.condition =
        Some(Condition { request_ip: RequestIp { is_in: is_in.clone(), ..RequestIp::default() } });
    assert_eq!(token.to_json().unwrap()["condition"], json!({"request_ip": {"in": is_in}}));
}

#[test]
fn refuses_to_write_back_a_condition_that_locks_everybody_out() {
    let request_ip = RequestIp { nowhere: true, ..RequestIp::default() };
    let condition = Some(Condition { request_ip });
    assert_eq!(refusal(NewToken { condition, ..new_token() }), WriteError::NoAddress);
}

#[test]
fn refuses_addresses_without_a_good_mask() {
    for range in [
        "",
        "10.0.0.1",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/0008",
        "10.0.0/8",
        "::/129",
        "::/-1",
        "::%1/64",
        "example.com/8",
        "10.0.0.0/8,",
    ] {
        let request_ip = RequestIp {
            is_in: vec!["10.0.0.0/8".to_owned()],
            not_in: vec!["::/0".to_owned(), range.to_owned()],
            nowhere: false,
        };
        let condition = Some(Condition { request_ip });
        let why = refusal(NewToken { condition, ..new_token() });
        assert_eq!(why, WriteError::AddressRange { index: 2 }, "{range}");
    }
}

#[test]
fn refuses_names_that_cloudflare_would_refuse_and_counts_characters() {
    let named = |name: String| NewToken { name, ..new_token() };
    assert_eq!(refusal(named(String::new())), WriteError::NameLength { chars: 0 });
    assert_eq!(refusal(named("a".repeat(121))), WriteError::NameLength { chars: 121 });
    assert_eq!(refusal(named("a\nb".to_owned())), WriteError::NameControl);
    assert!(named("\u{e9}".repeat(120)).to_json().is_ok());
    assert!(named("a".to_owned()).to_json().is_ok());
    assert_eq!(
        TokenUpdate { name: String::new(), ..update() }.to_json(),
        Err(WriteError::NameLength { chars: 0 })
    );
}

#[test]
fn refuses_policies_that_are_empty_or_say_something_unknown() {
    assert_eq!(refusal(NewToken { policies: Vec::new(), ..new_token() }), WriteError::NoPolicies);
    assert_eq!(TokenUpdate { policies: Vec::new(), ..update() }.to_json(), Err(WriteError::NoPolicies));
    let at = 1;
    assert_eq!(refusal_of_policy(policy(&[])), WriteError::NoResources { policy: at });
    let no_groups = Policy { groups: Vec::new(), ..zone_policy() };
    assert_eq!(refusal_of_policy(no_groups), WriteError::NoGroups { policy: at });
    let unknown = Policy { effect: Effect::Other("audit".to_owned()), ..zone_policy() };
    assert_eq!(refusal_of_policy(unknown), WriteError::UnknownEffect { policy: at });
}

#[test]
fn refuses_resource_values_that_the_schema_does_not_have() {
    let account = format!("com.cloudflare.api.account.{ACCOUNT}");
    let zones = "com.cloudflare.api.account.zone.*";
    let at = 1;
    for (value, why) in [
        (ResourceValue::Other("read".to_owned()), WriteError::ResourceValue { policy: at }),
        (ResourceValue::Other(String::new()), WriteError::ResourceValue { policy: at }),
        (nested(&[]), WriteError::EmptyNested { policy: at }),
        (nested(&[(zones, "")]), WriteError::ResourceValue { policy: at }),
        (nested(&[("..", "*")]), WriteError::ResourceKey { policy: at }),
    ] {
        assert_eq!(refusal_of_policy(policy(&[(&account, value.clone())])), why, "{value:?}");
    }
    let mixed = policy(&[
        (&account, nested(&[(zones, "*")])),
        (&format!("com.cloudflare.api.account.zone.{ZONE}"), ResourceValue::All),
    ]);
    assert_eq!(refusal_of_policy(mixed), WriteError::MixedResources { policy: at });
}

#[test]
fn takes_every_resource_key_of_the_reference() {
    for key in [
        format!("com.cloudflare.api.account.{ACCOUNT}"),
        "com.cloudflare.api.account.*".to_owned(),
        format!("com.cloudflare.api.account.zone.{ZONE}"),
        "com.cloudflare.api.account.zone.*".to_owned(),
        format!("com.cloudflare.api.user.{ACCOUNT}"),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_bucket"),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_eu_my.bucket_2"),
        "com.cloudflare.new.kind.1".to_owned(),
    ] {
        let token = NewToken { policies: vec![policy(&[(&key, ResourceValue::All)])], ..new_token() };
        assert!(token.to_json().is_ok(), "{key}");
    }
}

#[test]
fn refuses_resource_keys_with_anything_but_an_id() {
    for key in [
        String::new(),
        "*".to_owned(),
        "com.cloudflare.api.account".to_owned() + ".",
        "com.cloudflare.api.account.main".to_owned(),
        format!("com.cloudflare.api.account.{}", ACCOUNT.to_uppercase()),
        format!("com.cloudflare.api.account.{ACCOUNT}.x"),
        "com.cloudflare.api.account.zone.".to_owned(),
        "com.cloudflare.api.account.zone.example.com".to_owned(),
        "com.cloudflare.api.account.zone.**".to_owned(),
        "com.cloudflare.api.user.*".to_owned(),
        "com.cloudflare.api.user.me".to_owned(),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}"),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default"),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}__b"),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_"),
        "com.cloudflare.edge.r2.bucket.x_default_b".to_owned(),
        format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_{}", "b".repeat(256)),
        "com.cloudflare.new kind".to_owned(),
        "com.cloudflare.new\"kind".to_owned(),
        "com.example.thing".to_owned(),
    ] {
        let why = refusal_of_policy(policy(&[(&key, ResourceValue::All)]));
        assert_eq!(why, WriteError::ResourceKey { policy: 1 }, "{key}");
    }
}

#[test]
fn refuses_times_that_cannot_be_written_and_lives_of_no_length() {
    for seconds in [-1, i64::MIN, i64::MAX, Time::LAST.0 + 1] {
        let not_before = Some(Time(seconds));
        assert_eq!(refusal(NewToken { not_before, ..new_token() }), WriteError::TimeOutOfRange);
        let expires_on = Some(Time(seconds));
        assert_eq!(refusal(NewToken { expires_on, ..new_token() }), WriteError::TimeOutOfRange);
    }
    for (start, end) in [(10, 10), (10, 9)] {
        let (not_before, expires_on) = (Some(Time(start)), Some(Time(end)));
        let token = NewToken { not_before, expires_on, ..new_token() };
        assert_eq!(refusal(token), WriteError::EndsBeforeStart);
    }
}

#[test]
fn a_leaked_or_unknown_token_is_not_sent_back_to_life() {
    let token = |status: TokenStatus| Token {
        id: id(),
        name: "x".to_owned(),
        status,
        issued_on: None,
        modified_on: None,
        last_used_on: None,
        not_before: None,
        expires_on: None,
        condition: None,
        policies: vec![zone_policy()],
    };
    for (status, set) in [
        (TokenStatus::Active, Some(SettableStatus::Active)),
        (TokenStatus::Disabled, Some(SettableStatus::Disabled)),
        (TokenStatus::Expired, None),
    ] {
        assert_eq!(TokenUpdate::keeping(&token(status)).unwrap().status, set);
    }
    for status in [TokenStatus::Exposed, TokenStatus::Other("odd".to_owned())] {
        assert_eq!(TokenUpdate::keeping(&token(status)), Err(WriteError::StatusNotSettable));
    }
}
