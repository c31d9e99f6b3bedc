//! What may be granted, and what a grant then allows.

use fake_cloudflare::{
    APPS_ACCOUNT, CommonCheck, EXAMPLE_ZONE, FOREIGN_ACCOUNT, FOREIGN_ZONE, MAIN_ACCOUNT, USER,
};
use serde_json::{Value, json};

use crate::desk::*;

#[track_caller]
fn refused(desk: &Desk, policy: Value, code: i64) -> String {
    desk.post(&main_path(""), &desk.main_parent(), body(vec![policy])).refused(400, code)
}

#[track_caller]
fn user_refused(desk: &Desk, policy: Value, code: i64) -> String {
    desk.post("/user/tokens", &desk.user_parent(), body(vec![policy])).refused(400, code)
}

#[test]
fn an_empty_list_of_policies_makes_a_powerless_token() {
    let desk = Desk::new();
    let token = desk.mint(body(vec![]));
    assert_eq!(desk.get("/zones", &token.value).result(), &json!([]));
    desk.get(&main_path(""), &token.value).refused(403, 9109);
}

#[test]
fn a_parent_that_only_writes_tokens_grants_what_it_lacks() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    assert_eq!(desk.get("/zones", &parent).result(), &json!([]));
    let child =
        desk.mint(body(vec![allow(nested_zone(MAIN_ACCOUNT, EXAMPLE_ZONE), &[ZONE_READ, DNS_WRITE])]));
    assert_eq!(desk.get("/zones", &child.value).result().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_order_sent_is_not_the_order_kept() {
    let desk = Desk::new();
    let one = allow(main_account(), &[SCRIPTS_WRITE, ACCOUNT_SETTINGS_READ]);
    let two = allow(all_main_zones(), &[ZONE_READ, DNS_WRITE, CACHE_PURGE]);
    let order = |policies: Vec<Value>| {
        let token = desk.mint(body(policies));
        let kept = token.shown["policies"].as_array().expect("a list").clone();
        let effects =
            |policy: &Value| (policy["resources"].to_string(), policy["permission_groups"].to_string());
        kept.iter().map(effects).collect::<std::collections::BTreeSet<_>>()
    };
    let reversed = allow(all_main_zones(), &[CACHE_PURGE, DNS_WRITE, ZONE_READ]);
    assert_eq!(order(vec![one.clone(), two.clone()]), order(vec![reversed, one]), "groups have one order");
    let kept = desk.mint(body(vec![two])).shown["policies"][0]["permission_groups"].clone();
    let ids: Vec<&str> =
        kept.as_array().expect("a list").iter().map(|group| group["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, [CACHE_PURGE, ZONE_READ, DNS_WRITE]);
}

#[test]
fn policies_have_one_order_whatever_order_was_sent() {
    let desk = Desk::new();
    let policies: Vec<Value> = [
        allow(main_account(), &[SCRIPTS_WRITE]),
        allow(all_main_zones(), &[ZONE_READ]),
        allow(flat_zone(EXAMPLE_ZONE), &[DNS_WRITE]),
        policy("deny", flat_zone(EXAMPLE_ZONE), &[CACHE_PURGE]),
    ]
    .to_vec();
    let token = desk.mint(body(policies.clone()));
    let path = main_path(&format!("/{}", token.id));
    let mut reversed = policies;
    reversed.reverse();
    let updated = desk.put(&path, &desk.main_parent(), body(reversed));
    assert_eq!(updated.result()["policies"], token.shown["policies"]);
}

#[test]
fn answers_add_policy_ids_and_group_names_and_ignore_those_sent() {
    let desk = Desk::new();
    let mut sent = allow(all_main_zones(), &[DNS_WRITE]);
    sent["id"] = json!("mine");
    sent["permission_groups"][0]["name"] = json!("Everything");
    sent["permission_groups"][0]["meta"] = json!({ "any": "thing" });
    let token = desk.mint(body(vec![sent]));
    let kept = &token.shown["policies"][0];
    assert_ne!(kept["id"], "mine");
    assert_eq!(kept["permission_groups"][0]["name"], "DNS Write");
}

#[test]
fn refuses_an_unknown_group() {
    let desk = Desk::new();
    for id in ["11111111111111111111111111111111", "DNS Write", "", "../../x"] {
        assert!(refused(&desk, allow(all_main_zones(), &[id]), 1001).contains("not found"));
    }
}

#[test]
fn refuses_a_group_on_a_resource_of_another_type() {
    let desk = Desk::new();
    refused(&desk, allow(main_account(), &[DNS_WRITE]), 1001);
    refused(&desk, allow(all_main_zones(), &[SCRIPTS_WRITE]), 1001);
    refused(&desk, allow(flat_zone(EXAMPLE_ZONE), &[SCRIPTS_WRITE]), 1001);
    user_refused(&desk, allow(own_user(), &[SCRIPTS_WRITE]), 1001);
}

#[test]
fn refuses_scopes_mixed_in_one_policy() {
    let desk = Desk::new();
    refused(&desk, allow(all_main_zones(), &[DNS_WRITE, SCRIPTS_WRITE]), 1001);
    let both = json!({
        format!("com.cloudflare.api.account.{MAIN_ACCOUNT}"): "*",
        format!("com.cloudflare.api.account.zone.{EXAMPLE_ZONE}"): "*",
    });
    refused(&desk, allow(both, &[DNS_WRITE]), 1001);
}

#[test]
fn account_tokens_cannot_name_all_zones_flat() {
    let message =
        "Must specify a zone for account owned tokens, or nest zone under specific account resource";
    assert_eq!(refused(&Desk::new(), allow(flat_zone("*"), &[ZONE_READ]), 1001), message);
}

#[test]
fn account_tokens_cannot_name_all_accounts() {
    refused(&Desk::new(), allow(account("*"), &[SCRIPTS_WRITE]), 1001);
}

#[test]
fn account_tokens_hold_no_user_groups() {
    refused(&Desk::new(), allow(own_user(), &[USER_DETAILS_READ]), 1001);
}

#[test]
fn account_tokens_name_no_other_account_and_no_zone_of_one() {
    let desk = Desk::new();
    for account_id in [APPS_ACCOUNT, FOREIGN_ACCOUNT] {
        let message = refused(&desk, allow(account(account_id), &[SCRIPTS_WRITE]), 1001);
        assert_eq!(
            message,
            "Failed common permission check against resources. (Permission group: \"Workers Scripts Write\")"
        );
        refused(&desk, allow(nested_zone(account_id, "*"), &[ZONE_READ]), 1001);
    }
    refused(&desk, allow(flat_zone(FOREIGN_ZONE), &[ZONE_READ]), 1001);
    refused(&desk, allow(nested_zone(MAIN_ACCOUNT, FOREIGN_ZONE), &[ZONE_READ]), 1001);
}

#[test]
fn user_tokens_name_all_accounts_and_zones_but_see_only_the_user_s() {
    let desk = Desk::new();
    let token = desk.mint_user(body(vec![
        allow(flat_zone("*"), &[ZONE_READ]),
        allow(account("*"), &[ACCOUNT_SETTINGS_READ]),
    ]));
    let zones = desk.get("/zones?per_page=50", &token.value);
    assert!(!zones.body.to_string().contains(FOREIGN_ZONE));
    assert!(zones.body.to_string().contains(APPS_ACCOUNT) && zones.body.to_string().contains(MAIN_ACCOUNT));
    desk.get(&format!("/zones/{FOREIGN_ZONE}"), &token.value).refused(403, 9109);
    assert_eq!(desk.get("/accounts", &token.value).result().as_array().map(Vec::len), Some(2));
    desk.get(&format!("/accounts/{FOREIGN_ACCOUNT}"), &token.value).refused(403, 9109);
}

#[test]
fn user_tokens_name_no_foreign_account_zone_or_user() {
    let desk = Desk::new();
    user_refused(&desk, allow(account(FOREIGN_ACCOUNT), &[SCRIPTS_WRITE]), 1001);
    user_refused(&desk, allow(flat_zone(FOREIGN_ZONE), &[ZONE_READ]), 1001);
    user_refused(&desk, allow(nested_zone(FOREIGN_ACCOUNT, "*"), &[ZONE_READ]), 1001);
    let other = USER.replace('f', "e");
    user_refused(
        &desk,
        allow(json!({ format!("com.cloudflare.api.user.{other}"): "*" }), &[USER_DETAILS_READ]),
        1001,
    );
}

#[test]
fn buckets_are_resources_of_their_own() {
    let desk = Desk::new();
    let bucket =
        |account: &str| json!({ format!("com.cloudflare.edge.r2.bucket.{account}_default_my-bucket"): "*" });
    let token = desk.mint(body(vec![allow(bucket(MAIN_ACCOUNT), &[R2_ITEM_READ])]));
    assert_eq!(token.shown["policies"][0]["resources"], bucket(MAIN_ACCOUNT));
    refused(&desk, allow(bucket(APPS_ACCOUNT), &[R2_ITEM_READ]), 1001);
    refused(&desk, allow(bucket(MAIN_ACCOUNT), &[DNS_WRITE]), 1001);
    refused(&desk, allow(json!({ "com.cloudflare.edge.r2.bucket.x_default_b": "*" }), &[R2_ITEM_READ]), 400);
}

#[test]
fn refuses_resources_of_no_form() {
    let desk = Desk::new();
    let account_key = format!("com.cloudflare.api.account.{MAIN_ACCOUNT}");
    let zone_key = format!("com.cloudflare.api.account.zone.{EXAMPLE_ZONE}");
    for resources in [
        json!(null),
        json!({}),
        json!([]),
        json!("*"),
        json!({ "com.cloudflare.api.account": "*" }),
        json!({ "com.cloudflare.api.account.": "*" }),
        json!({ "com.cloudflare.api.account.zone.example.com": "*" }),
        json!({ "com.cloudflare.api.nothing.x": "*" }),
        json!({ account_key.to_uppercase(): "*" }),
        json!({ &account_key: "read" }),
        json!({ &account_key: true }),
        json!({ &account_key: {} }),
        json!({ &account_key: { &zone_key: "x" } }),
        json!({ &account_key: { "nonsense": "*" } }),
        json!({ "com.cloudflare.api.account.*": { "com.cloudflare.api.account.zone.*": "*" } }),
        json!({ &zone_key: { &zone_key: "*" } }),
        json!({ &account_key: { "com.cloudflare.api.account.zone.*": "*" }, &zone_key: "*" }),
    ] {
        let policy = allow(resources.clone(), &[ZONE_READ]);
        let message = refused(&desk, policy, 400);
        assert!(!message.is_empty(), "{resources}");
    }
}

#[test]
fn refuses_policies_of_no_form() {
    let desk = Desk::new();
    refused(&desk, policy("permit", all_main_zones(), &[ZONE_READ]), 400);
    refused(&desk, allow(all_main_zones(), &[]), 400);
    refused(&desk, json!("allow"), 400);
    refused(&desk, json!({ "effect": "allow", "resources": all_main_zones() }), 400);
    let message = refused(
        &desk,
        json!({ "effect": "allow", "resources": all_main_zones(), "permission_groups": [{ "name": "DNS Write" }] }),
        400,
    );
    assert!(message.contains("id must be present"));
}

#[test]
fn a_denial_beats_every_allowance() {
    let desk = Desk::new();
    let token = desk.mint(body(vec![
        allow(all_main_zones(), &[ZONE_READ, DNS_WRITE]),
        policy("deny", flat_zone(EXAMPLE_ZONE), &[DNS_READ]),
    ]));
    let records = format!("/zones/{EXAMPLE_ZONE}/dns_records");
    desk.get(&records, &token.value).refused(403, 10000);
    let record = json!({ "type": "TXT", "name": "x.example.com", "content": "y" });
    desk.post(&records, &token.value, record).result();
    assert!(
        desk.get("/zones", &token.value).body.to_string().contains(EXAMPLE_ZONE),
        "another group's denial"
    );
}

#[test]
fn write_holds_what_read_does() {
    let desk = Desk::new();
    let token = desk.mint(body(vec![allow(flat_zone(EXAMPLE_ZONE), &[ZONE_WRITE])]));
    assert_eq!(desk.get("/zones", &token.value).result().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_common_permission_check_can_hold_the_parent_to_what_it_has() {
    let desk = Desk::with(|settings| settings.common_check = CommonCheck::SingleZone);
    let message = refused(&desk, allow(flat_zone(EXAMPLE_ZONE), &[DNS_WRITE]), 1001);
    assert_eq!(
        message,
        "Failed common permission check against resources. (Permission group: \"DNS Write\")"
    );
    desk.mint(body(vec![allow(all_main_zones(), &[DNS_WRITE])]));
    desk.mint_user(body(vec![allow(flat_zone(EXAMPLE_ZONE), &[DNS_WRITE])]));
    desk.fake.change_settings(|settings| settings.common_check = CommonCheck::Always);
    refused(&desk, allow(all_main_zones(), &[DNS_WRITE]), 1001);
    desk.mint(body(vec![allow(main_account(), &[ACCOUNT_TOKENS_WRITE])]));
}

#[test]
fn a_child_may_write_tokens_in_turn() {
    let desk = Desk::new();
    let child = desk.mint(body(vec![allow(main_account(), &[ACCOUNT_TOKENS_WRITE])]));
    let grandchild = desk.post(&main_path(""), &child.value, harmless());
    assert!(grandchild.result()["value"].is_string());
}

#[test]
fn products_refuse_what_no_policy_allows() {
    let desk = Desk::new();
    let reader = desk.mint(harmless());
    let scripts = format!("/accounts/{MAIN_ACCOUNT}/workers/scripts");
    let records = format!("/zones/{EXAMPLE_ZONE}/dns_records");
    let purge = format!("/zones/{EXAMPLE_ZONE}/purge_cache");
    let everything = json!({ "purge_everything": true });
    assert_eq!(desk.get(&scripts, &reader.value).refused(403, 10000), "Authentication error");
    desk.get(&records, &reader.value).refused(403, 10000);
    desk.post(&records, &reader.value, json!({})).refused(403, 10000);
    desk.post(&purge, &reader.value, everything.clone()).refused(403, 10000);
    let able = desk.mint(body(vec![
        allow(main_account(), &[SCRIPTS_WRITE]),
        allow(flat_zone(EXAMPLE_ZONE), &[DNS_WRITE, CACHE_PURGE]),
    ]));
    assert_eq!(desk.get(&scripts, &able.value).result(), &json!([]));
    assert_eq!(desk.post(&purge, &able.value, everything).result()["id"], EXAMPLE_ZONE);
    let record =
        json!({ "type": "TXT", "name": "_acme-challenge.example.com", "content": "proof", "ttl": 60 });
    let made = desk.post(&records, &able.value, record);
    assert_eq!(desk.get(&records, &able.value).result()[0], *made.result());
    let beyond = desk.get(&format!("{records}?page=2"), &able.value);
    assert_eq!(beyond.result(), &json!([]), "who asks page by page comes to an end");
    let other = format!("/accounts/{APPS_ACCOUNT}/workers/scripts");
    desk.get(&other, &able.value).refused(403, 10000);
}

#[test]
fn a_group_acts_only_on_its_own_type() {
    let desk = Desk::new();
    let account_wide = desk.mint(body(vec![allow(main_account(), &[SCRIPTS_WRITE])]));
    assert_eq!(desk.get("/zones", &account_wide.value).result(), &json!([]), "an account is not its zones");
}
