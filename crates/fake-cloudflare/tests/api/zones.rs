//! `/zones`, `/user`, `/accounts`, `/memberships`.

use fake_cloudflare::{APPS_ACCOUNT, EXAMPLE_ZONE, FOREIGN_ZONE, MAIN_ACCOUNT, USER};
use serde_json::json;

use crate::desk::*;

fn names(desk: &Desk, query: &str, token: &str) -> Vec<String> {
    let got = desk.get(&format!("/zones?per_page=50&{query}"), token);
    got.result()
        .as_array()
        .expect("a list")
        .iter()
        .map(|zone| zone["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn all_zones(desk: &Desk) -> String {
    desk.mint_user(body(vec![allow(flat_zone("*"), &[ZONE_READ])])).value
}

#[test]
fn a_token_without_zones_gets_200_and_an_empty_list() {
    let desk = Desk::new();
    let got = desk.get("/zones", &desk.main_parent());
    assert_eq!((got.result(), &got.body["result_info"]["total_count"]), (&json!([]), &json!(0)));
}

#[test]
fn a_token_sees_the_zones_its_policies_name() {
    let desk = Desk::new();
    let see = |resources| names(&desk, "", &desk.mint(body(vec![allow(resources, &[ZONE_READ])])).value);
    assert_eq!(see(flat_zone(EXAMPLE_ZONE)), ["example.com"]);
    assert_eq!(see(nested_zone(MAIN_ACCOUNT, EXAMPLE_ZONE)), ["example.com"]);
    assert_eq!(see(all_main_zones()).len(), 27);
    let other = desk.mint_user(body(vec![allow(all_apps_zones(), &[ZONE_READ])]));
    assert_eq!(names(&desk, "", &other.value), ["apps.example", "shop.apps.example", "status.apps.example"]);
}

#[test]
fn a_group_other_than_zone_read_shows_no_zone() {
    let desk = Desk::new();
    let token = desk.mint(body(vec![allow(all_main_zones(), &[DNS_WRITE])]));
    assert_eq!(names(&desk, "", &token.value), [""; 0]);
}

#[test]
fn there_is_a_second_page() {
    let desk = Desk::new();
    let token = all_zones(&desk);
    let first = desk.get("/zones", &token);
    assert_eq!(
        first.body["result_info"],
        json!({ "page": 1, "per_page": 20, "count": 20, "total_count": 30, "total_pages": 2 })
    );
    let second = desk.get("/zones?page=2", &token);
    assert_eq!(second.result().as_array().map(Vec::len), Some(10));
    desk.get("/zones?per_page=51", &token).refused(400, 400);
}

#[test]
fn filters_by_name_with_operators() {
    let desk = Desk::new();
    let token = all_zones(&desk);
    assert_eq!(names(&desk, "name=example.com", &token), ["example.com"]);
    assert_eq!(names(&desk, "name=EXAMPLE.com", &token), ["example.com"]);
    assert_eq!(names(&desk, "name=example", &token), [""; 0]);
    assert_eq!(names(&desk, "name=foreign.example", &token), [""; 0]);
    assert_eq!(names(&desk, "name=contains%3Ashop", &token), ["shop.apps.example"]);
    assert_eq!(names(&desk, "name=starts_with:site-0", &token).len(), 9);
    assert_eq!(names(&desk, "name=ends_with:apps.example", &token).len(), 3);
    assert_eq!(names(&desk, "name=not_equal:example.com", &token).len(), 29);
    assert_eq!(names(&desk, "name=contains_case_sensitive:SHOP", &token), [""; 0]);
    desk.get(&format!("/zones?name={}", "x".repeat(254)), &token).refused(400, 400);
}

#[test]
fn filters_by_account_status_and_type() {
    let desk = Desk::new();
    let token = all_zones(&desk);
    assert_eq!(names(&desk, &format!("account.id={APPS_ACCOUNT}"), &token).len(), 3);
    assert_eq!(names(&desk, "account.name=apps", &token).len(), 3);
    assert_eq!(names(&desk, "status=pending", &token), ["pending.example.org"]);
    assert_eq!(names(&desk, "type=partial", &token), ["partial.example.org"]);
    assert_eq!(names(&desk, "type=internal", &token), ["internal.example.org"], "hidden unless asked for");
    assert_eq!(names(&desk, "type=partial,internal", &token).len(), 2);
    assert_eq!(names(&desk, "account.name=apps&status=pending", &token), [""; 0]);
    assert_eq!(names(&desk, "account.name=apps&status=pending&match=any", &token).len(), 4);
    for query in ["status=dead", "type=full,odd", "match=some", "order=size", "direction=up"] {
        desk.get(&format!("/zones?{query}"), &token).refused(400, 400);
    }
}

#[test]
fn orders_by_what_is_asked() {
    let desk = Desk::new();
    let token = all_zones(&desk);
    let down = names(&desk, "order=name&direction=desc", &token);
    assert_eq!(down.first().map(String::as_str), Some("status.apps.example"));
    let by_account = names(&desk, "order=account.name", &token);
    assert_eq!(by_account.first().map(String::as_str), Some("apps.example"));
    assert_eq!(
        names(&desk, "order=status&direction=desc", &token).first().map(String::as_str),
        Some("pending.example.org")
    );
}

#[test]
fn one_zone_is_shown_or_refused_without_telling_whether_it_is_there() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let got = desk.get(&format!("/zones/{EXAMPLE_ZONE}"), &token.value);
    assert_eq!(
        (&got.result()["name"], &got.result()["account"]["id"]),
        (&json!("example.com"), &json!(MAIN_ACCOUNT))
    );
    let foreign = desk.get(&format!("/zones/{FOREIGN_ZONE}"), &token.value);
    let nowhere = desk.get(&format!("/zones/{USER}"), &token.value);
    foreign.refused(403, 9109);
    assert_eq!(foreign.body, nowhere.body);
}

#[test]
fn the_user_is_shown_to_a_user_token_with_the_group() {
    let desk = Desk::new();
    let token = desk.mint_user(body(vec![allow(own_user(), &[USER_DETAILS_READ, MEMBERSHIPS_READ])]));
    assert_eq!(desk.get("/user", &token.value).result()["id"], USER);
    assert_eq!(desk.get("/memberships", &token.value).result().as_array().map(Vec::len), Some(2));
    desk.get("/user", &desk.user_parent()).refused(403, 9109);
    desk.get("/memberships", &desk.user_parent()).refused(403, 9109);
}

#[test]
fn accounts_are_those_the_policies_name() {
    let desk = Desk::new();
    let own = desk.get("/accounts", &desk.main_parent());
    assert_eq!(own.result()[0]["id"], MAIN_ACCOUNT);
    let without = desk.mint(harmless());
    assert_eq!(desk.get("/accounts", &without.value).result(), &json!([]), "200 and nothing");
    let both = desk.mint_user(body(vec![allow(account("*"), &[ACCOUNT_SETTINGS_READ])]));
    assert_eq!(desk.get("/accounts?direction=desc", &both.value).result()[0]["name"], "main");
    assert_eq!(desk.get("/accounts?name=apps", &both.value).result()[0]["id"], APPS_ACCOUNT);
    desk.get("/accounts?per_page=4", &both.value).refused(400, 400);
}

#[test]
fn one_account_needs_the_group() {
    let desk = Desk::new();
    let path = format!("/accounts/{MAIN_ACCOUNT}");
    desk.get(&path, &desk.main_parent()).refused(403, 9109);
    let token = desk.mint(body(vec![allow(main_account(), &[ACCOUNT_SETTINGS_READ])]));
    assert_eq!(desk.get(&path, &token.value).result()["name"], "main");
    desk.get(&format!("/accounts/{APPS_ACCOUNT}"), &token.value).refused(403, 9109);
}

#[test]
fn the_list_of_accounts_can_refuse_account_tokens_as_it_once_did() {
    let desk = Desk::with(|settings| settings.accounts_refuse_account_tokens = true);
    let message = desk.get("/accounts", &desk.main_parent()).refused(400, 1001);
    assert_eq!(message, "List accounts endpoint does not support account owned tokens.");
    desk.get("/accounts", &desk.user_parent()).result();
}
