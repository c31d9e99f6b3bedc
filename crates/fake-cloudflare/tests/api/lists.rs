//! Lists of tokens and of permission groups.

use serde_json::{Value, json};

use crate::desk::*;

fn names(got: &Got) -> Vec<String> {
    let list = got.result().as_array().expect("a list");
    list.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
}

fn fill(desk: &Desk, count: usize) {
    for number in 0..count {
        let mut asked = harmless();
        asked["name"] = json!(format!("token {number:02}"));
        desk.mint(asked);
        desk.later(1);
    }
}

#[test]
fn pages_are_cut_and_told() {
    let desk = Desk::new();
    fill(&desk, 24);
    let parent = desk.main_parent();
    let first = desk.get(&main_path(""), &parent);
    assert_eq!(first.result().as_array().map(Vec::len), Some(20));
    assert_eq!(
        first.body["result_info"],
        json!({ "page": 1, "per_page": 20, "count": 20, "total_count": 25 })
    );
    let second = desk.get(&main_path("?page=2"), &parent);
    assert_eq!(
        second.body["result_info"],
        json!({ "page": 2, "per_page": 20, "count": 5, "total_count": 25 })
    );
    let beyond = desk.get(&main_path("?page=3"), &parent);
    assert_eq!((beyond.result(), &beyond.body["result_info"]["count"]), (&json!([]), &json!(0)));
    let mut all = names(&first);
    all.extend(names(&second));
    all.dedup();
    assert_eq!(all.len(), 25, "no token is on two pages");
}

#[test]
fn the_order_is_that_of_issue_and_can_be_turned() {
    let desk = Desk::new();
    fill(&desk, 3);
    let parent = desk.main_parent();
    let up = names(&desk.get(&main_path("?direction=asc"), &parent));
    assert_eq!(up, ["parent CLOUDFLARE_API_TOKEN", "token 00", "token 01", "token 02"]);
    let mut down = names(&desk.get(&main_path("?direction=desc"), &parent));
    down.reverse();
    assert_eq!(up, down);
}

#[test]
fn refuses_parameters_out_of_range() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for query in [
        "per_page=4",
        "per_page=51",
        "per_page=0",
        "per_page=-1",
        "per_page=ten",
        "per_page=99999999999999999999",
        "page=0",
        "page=-1",
        "page=1.5",
        "direction=up",
        "include_expired=yes",
    ] {
        desk.get(&main_path(&format!("?{query}")), &parent).refused(400, 400);
    }
    desk.get(&main_path("?per_page=5"), &parent).result();
    desk.get(&main_path("?per_page=50&page=9999999"), &parent).result();
}

#[test]
fn expired_tokens_are_left_out_unless_asked_for() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T00:01:00Z");
    let token = desk.mint(asked);
    desk.later(60);
    let has = |query: &str| desk.get(&main_path(query), &parent).body.to_string().contains(&token.id);
    assert!(!has("") && !has("?include_expired=false") && has("?include_expired=true"));
}

#[test]
fn disabled_tokens_and_the_parent_itself_are_listed() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let mut asked = harmless();
    asked["status"] = json!("disabled");
    desk.put(&main_path(&format!("/{}", token.id)), &desk.main_parent(), asked).result();
    let list = desk.get(&main_path(""), &desk.main_parent());
    let statuses: Vec<&Value> =
        list.result().as_array().expect("a list").iter().map(|token| &token["status"]).collect();
    assert_eq!(statuses, ["active", "disabled"]);
}

#[test]
fn each_family_lists_its_own_tokens_only() {
    let desk = Desk::new();
    desk.mint(harmless());
    desk.mint_user(harmless());
    assert_eq!(names(&desk.get("/user/tokens", &desk.user_parent())).len(), 2);
    assert_eq!(names(&desk.get(&main_path(""), &desk.main_parent())).len(), 2);
    let apps = tokens_path(fake_cloudflare::APPS_ACCOUNT);
    assert_eq!(names(&desk.get(&apps, &desk.apps_parent())).len(), 1);
}

#[test]
fn permission_groups_come_whole_whatever_page_is_asked() {
    let desk = Desk::new();
    for query in ["", "?per_page=5", "?page=2&per_page=5", "?per_page=1"] {
        let got = desk.get(&main_path(&format!("/permission_groups{query}")), &desk.main_parent());
        assert_eq!(got.result().as_array().map(Vec::len), Some(306), "{query}");
        assert_eq!(got.body["result_info"], Value::Null);
    }
}

#[test]
fn the_user_s_groups_are_the_account_s_and_six_more() {
    let desk = Desk::new();
    let user = desk.get("/user/tokens/permission_groups", &desk.user_parent());
    let account = desk.get(&main_path("/permission_groups"), &desk.main_parent());
    let account = account.result().as_array().expect("a list");
    let more: Vec<&Value> =
        user.result().as_array().expect("a list").iter().filter(|group| !account.contains(group)).collect();
    assert_eq!(more.len(), 6);
    assert!(more.iter().all(|group| group["scopes"] == json!(["com.cloudflare.api.user"])));
}

#[test]
fn groups_are_filtered_by_name_and_scope() {
    let desk = Desk::new();
    let get = |query: &str| {
        let got = desk.get(&main_path(&format!("/permission_groups?{query}")), &desk.main_parent());
        got.result().as_array().expect("a list").clone()
    };
    assert_eq!(get("name=DNS%20Write")[0]["id"], DNS_WRITE);
    assert_eq!(get("name=DNS+Write").len(), 1);
    assert_eq!(get("name=DNS").len(), 0, "the name is compared whole");
    assert_eq!(get("name=dns%20write").len(), 0);
    assert_eq!(get("name=Logs%20Read").len(), 2, "one name, two scopes");
    assert_eq!(get("name=Logs%20Read&scope=com.cloudflare.api.account.zone").len(), 1);
    assert_eq!(get("scope=com.cloudflare.edge.r2.bucket").len(), 2);
    assert_eq!(get("scope=com.cloudflare.api.user").len(), 0);
    assert_eq!(get("scope=nonsense").len(), 0);
}

#[test]
fn the_name_filter_can_be_a_substring() {
    let desk = Desk::with(|settings| settings.group_name_filter = fake_cloudflare::NameFilter::Substring);
    let got = desk.get(&main_path("/permission_groups?name=dns"), &desk.main_parent());
    let list = got.result().as_array().expect("a list");
    assert!(list.len() > 1 && list.iter().any(|group| group["id"] == DNS_WRITE));
}

#[test]
fn groups_can_be_added_renamed_and_hidden() {
    let desk = Desk::new();
    let new = "99999999999999999999999999999999";
    let change = json!({
        "extra_groups": [{ "id": new, "name": "Quantum Write", "scopes": ["com.cloudflare.api.account"] }],
        "renamed_groups": { DNS_WRITE: "DNS Records Write" },
        "hidden_groups": [CACHE_PURGE],
    });
    assert_eq!(desk.admin("PATCH", "settings", Some(change)).status, 200);
    let list = desk.get(&main_path("/permission_groups"), &desk.main_parent()).body.to_string();
    assert!(
        list.contains("Quantum Write") && list.contains("DNS Records Write") && !list.contains(CACHE_PURGE)
    );
    desk.mint(body(vec![allow(main_account(), &[new])]));
    desk.post(&main_path(""), &desk.main_parent(), body(vec![allow(all_main_zones(), &[CACHE_PURGE])]))
        .refused(400, 1001);
    let renamed = desk.mint(body(vec![allow(all_main_zones(), &[DNS_WRITE])]));
    assert_eq!(renamed.shown["policies"][0]["permission_groups"][0]["name"], "DNS Records Write");
    let records = format!("/zones/{}/dns_records", fake_cloudflare::EXAMPLE_ZONE);
    desk.get(&records, &renamed.value).result();
}
