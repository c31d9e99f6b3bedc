//! Every permission group that reaches beyond what a grant may give, on every surface, for every caller, in
//! every spelling: made from the catalogue, so that a group added there is tried here.

use brevet_core::catalogue::{Catalogue, Class, Scope};
use serde_json::{Value, json};

use crate::installation::{CI, Installation, ROOT, request};
use brevet::routes::Call;
use fake_cloudflare::{MAIN_ACCOUNT, USER};

/// The policies that name a group on the widest resource of its scope.
fn policies(id: &str, scope: Scope) -> Value {
    let account = format!("com.cloudflare.api.account.{MAIN_ACCOUNT}");
    let resources = match scope {
        Scope::Account => json!({ account: "*" }),
        Scope::Zone => json!({ account: { "com.cloudflare.api.account.zone.*": "*" } }),
        Scope::User => json!({ format!("com.cloudflare.api.user.{USER}"): "*" }),
        Scope::Bucket => json!({ format!("com.cloudflare.edge.r2.bucket.{MAIN_ACCOUNT}_default_b"): "*" }),
    };
    json!([{ "effect": "allow", "resources": resources, "permission_groups": [{ "id": id }] }])
}

/// The spellings of an id that a careless check lets through.
fn spellings(id: &str) -> Vec<String> {
    vec![
        id.to_owned(),
        id.to_uppercase(),
        format!(" {id}"),
        format!("{id} "),
        format!("{id}\0"),
        format!("0x{id}"),
    ]
}

fn surfaces(who: &str, policies: &Value, end: &str) -> Vec<Call> {
    let drop_in = json!({ "name": "x", "policies": policies, "expires_on": end });
    let account = format!("/client/v4/accounts/{MAIN_ACCOUNT}/tokens");
    let native = |place: &str| json!({ "policies": policies, "params": { "account": place }, "ttl": "10m" });
    vec![
        request(who, "POST", "/v1/tokens", Some(&native("main"))),
        request(who, "POST", "/v1/tokens", Some(&native("me"))),
        request(who, "POST", &account, Some(&drop_in)),
        request(who, "POST", "/client/v4/user/tokens", Some(&drop_in)),
    ]
}

fn is_dangerous(class: Class) -> bool {
    !matches!(class, Class::Read | Class::Write)
}

#[test]
fn no_client_gets_a_dangerous_group_on_any_surface_in_any_spelling() {
    let here = Installation::new();
    let made = here.minted();
    let token = made.body["lease"]["token_id"].as_str().unwrap();
    let update = format!("/client/v4/accounts/{MAIN_ACCOUNT}/tokens/{token}");
    let before = here.tokens();
    let catalogue = Catalogue::built_in();
    let mut tried = 0;
    for group in catalogue.iter().filter(|group| is_dangerous(group.class())) {
        for id in spellings(&group.id().to_string()) {
            let policies = policies(&id, group.scope());
            let mut calls = surfaces(CI, &policies, "2027-01-15T08:30:00Z");
            let body = json!({ "name": "x", "policies": policies, "expires_on": "2027-01-15T08:30:00Z" });
            calls.push(request(CI, "PUT", &update, Some(&body)));
            for call in calls {
                here.steps();
                let what = format!("{} {} {}", group.name(), call.path, id);
                let answer = here.send(call);
                assert!((400..500).contains(&answer.status), "{what}: {}", answer.text);
                assert_eq!(here.steps().upstream, 0, "{what}");
                tried += 1;
            }
        }
    }
    assert_eq!(here.tokens(), before);
    assert!(tried > 500, "only {tried} were tried");
}

#[test]
fn the_root_operator_gets_no_token_from_a_spelling_or_over_a_foreign_resource() {
    let here = Installation::new();
    let before = here.tokens();
    let catalogue = Catalogue::built_in();
    for group in catalogue.iter().filter(|group| is_dangerous(group.class())) {
        let id = group.id().to_string();
        for spelt in spellings(&id).into_iter().skip(1) {
            for call in surfaces(ROOT, &policies(&spelt, group.scope()), "2027-01-15T08:30:00Z") {
                let answer = here.send(call);
                assert!((400..500).contains(&answer.status), "{}: {}", group.name(), answer.text);
            }
        }
        let foreign = policies(&id, group.scope())
            .to_string()
            .replace(MAIN_ACCOUNT, &"f".repeat(32))
            .replace(USER, &"f".repeat(32));
        for call in surfaces(ROOT, &serde_json::from_str(&foreign).unwrap(), "2027-01-15T08:30:00Z") {
            let answer = here.send(call);
            assert!((400..500).contains(&answer.status), "{}: {}", group.name(), answer.text);
        }
    }
    assert_eq!((here.tokens(), here.steps().upstream), (before, 0));
}
