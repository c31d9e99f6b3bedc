//! Create, get, update, delete, roll.

use fake_cloudflare::MAIN_ACCOUNT;
use serde_json::{Value, json};

use crate::desk::*;

#[test]
fn a_create_answers_200_with_the_value_and_the_family_s_prefix() {
    let desk = Desk::new();
    let account = desk.mint(harmless());
    let user = desk.mint_user(harmless());
    assert!(account.value.starts_with("cfat_") && user.value.starts_with("cfut_"));
    assert_ne!(account.value, desk.mint(harmless()).value);
}

#[test]
fn the_value_is_shown_once_and_kept_nowhere() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    let parent = desk.main_parent();
    assert_eq!(desk.get(&path, &parent).result().get("value"), None);
    assert_eq!(desk.put(&path, &parent, harmless()).result().get("value"), None);
    assert!(!desk.get(&main_path("?per_page=50"), &parent).body.to_string().contains(&token.value));
    let inside =
        format!("{:?} {:?} {}", desk.fake.tokens(), desk.fake.calls(), json!(desk.fake.tokens_json(START)));
    assert!(inside.contains(&token.id), "the search finds what is there");
    assert!(!inside.contains(&token.value) && !inside.contains(&parent));
}

#[test]
fn a_create_without_times_or_condition_leaves_those_members_out() {
    let shown = Desk::new().mint(harmless()).shown;
    for name in ["expires_on", "not_before", "condition", "last_used_on"] {
        assert_eq!(shown.get(name), None, "{name}");
    }
    assert_eq!(shown["issued_on"], "2026-07-01T00:00:00Z");
    assert_eq!(shown["modified_on"], "2026-07-01T00:00:00Z");
}

#[test]
fn absent_members_can_be_null() {
    let shown = Desk::with(|settings| settings.nulls = true).mint(harmless()).shown;
    assert_eq!((&shown["last_used_on"], &shown["expires_on"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_member_that_is_null_in_a_body_counts_as_absent() {
    let mut asked = harmless();
    asked["expires_on"] = Value::Null;
    asked["condition"] = Value::Null;
    assert_eq!(Desk::new().mint(asked).shown.get("expires_on"), None);
}

#[test]
fn names_have_1_to_120_characters_and_need_not_differ() {
    let desk = Desk::new();
    for name in ["x".to_owned(), "é".repeat(120)] {
        for _ in 0..2 {
            let mut asked = harmless();
            asked["name"] = json!(name);
            assert_eq!(desk.mint(asked).shown["name"], json!(name));
        }
    }
    for name in [json!(""), json!("x".repeat(121)), json!(null), json!(5)] {
        let mut asked = harmless();
        asked["name"] = name;
        let message = desk.post(&main_path(""), &desk.main_parent(), asked).refused(400, 400);
        assert!(message.starts_with("name must have a length"));
    }
}

#[test]
fn refuses_bodies_that_are_none() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let send = |method: &str, path: &str, body: &str| {
        let mut request = request(method, path, &parent, Some(json!({})));
        *request.body_mut() = body.as_bytes().to_vec();
        desk.read(request)
    };
    for body in ["", "{", "nonsense", "{\"name\":}"] {
        send("POST", &main_path(""), body).refused(400, 6007);
    }
    for body in ["[]", "null", "\"text\"", "1"] {
        send("POST", &main_path(""), body).refused(400, 400);
    }
    desk.post(&main_path(""), &parent, json!({ "name": "x" })).refused(400, 400);
    desk.post(&main_path(""), &parent, json!({ "name": "x", "policies": null })).refused(400, 400);
    desk.post(&main_path(""), &parent, json!({ "name": "x", "policies": {} })).refused(400, 400);
}

#[test]
fn refuses_times_of_other_forms() {
    let desk = Desk::new();
    for member in ["expires_on", "not_before"] {
        for time in [
            json!("2027-01-01"),
            json!("2027-01-01T00:00:00.000Z"),
            json!("2027-01-01T00:00:00+01:00"),
            json!(1_800_000_000),
            json!(""),
        ] {
            let mut asked = harmless();
            asked[member] = time;
            let got = desk.post(&main_path(""), &desk.main_parent(), asked);
            got.refused(400, 400);
            assert_eq!(got.body["errors"][0]["source"]["pointer"], format!("/{member}"));
        }
    }
}

#[test]
fn milliseconds_can_be_taken_and_are_cut() {
    let mut asked = harmless();
    asked["expires_on"] = json!("2027-01-01T00:00:00.999Z");
    let shown = Desk::with(|settings| settings.accept_milliseconds = true).mint(asked).shown;
    assert_eq!(shown["expires_on"], "2027-01-01T00:00:00Z");
}

#[test]
fn refuses_an_end_in_the_past_or_before_the_beginning() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T00:00:00Z");
    desk.post(&main_path(""), &desk.main_parent(), asked.clone()).refused(400, 400);
    asked["expires_on"] = json!("2027-01-01T00:00:00Z");
    asked["not_before"] = json!("2027-01-01T00:00:00Z");
    desk.post(&main_path(""), &desk.main_parent(), asked).refused(400, 400);
}

#[test]
fn refuses_conditions_without_masks_and_of_other_shapes() {
    let desk = Desk::new();
    for condition in [
        json!({ "request_ip": { "in": ["203.0.113.1"] } }),
        json!({ "request_ip": { "not_in": ["nonsense"] } }),
        json!({ "request_ip": { "in": "203.0.113.0/24" } }),
        json!({ "request_ip": ["203.0.113.0/24"] }),
        json!("203.0.113.0/24"),
    ] {
        let mut asked = harmless();
        asked["condition"] = condition;
        desk.post(&main_path(""), &desk.main_parent(), asked).refused(400, 400);
    }
}

#[test]
fn takes_both_spellings_of_the_condition_and_answers_with_the_new_one() {
    let desk = Desk::new();
    for spelling in ["request_ip", "request.ip"] {
        let mut asked = harmless();
        asked["condition"] = json!({ spelling: { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.9/32"] } });
        let shown = desk.mint(asked).shown;
        assert_eq!(
            shown["condition"],
            json!({ "request_ip": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.9/32"] } })
        );
    }
}

#[test]
fn an_update_replaces_everything() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let mut asked = harmless();
    asked["expires_on"] = json!("2027-01-01T00:00:00Z");
    asked["not_before"] = json!("2026-01-01T00:00:00Z");
    asked["condition"] = json!({ "request_ip": { "in": ["127.0.0.0/8"] } });
    let token = desk.mint(asked);
    let path = main_path(&format!("/{}", token.id));
    desk.later(10);
    let updated = desk.put(&path, &parent, json!({ "name": "bare", "policies": [] }));
    let shown = updated.result();
    for name in ["expires_on", "not_before", "condition"] {
        assert_eq!(shown.get(name), None, "{name} is gone");
    }
    assert_eq!((&shown["name"], &shown["policies"]), (&json!("bare"), &json!([])));
    assert_eq!(shown["issued_on"], "2026-07-01T00:00:00Z");
    assert_eq!(shown["modified_on"], "2026-07-01T00:00:10Z");
    assert_eq!(desk.get(&path, &parent).result(), shown);
}

#[test]
fn an_update_without_status_enables_a_disabled_token_again() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    let mut asked = harmless();
    asked["status"] = json!("disabled");
    assert_eq!(desk.put(&path, &parent, asked).result()["status"], "disabled");
    desk.get("/zones", &token.value).refused(403, 9109);
    assert_eq!(desk.put(&path, &parent, harmless()).result()["status"], "active");
    desk.get("/zones", &token.value).result();
}

#[test]
fn an_update_needs_name_and_policies_and_a_known_status() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    desk.put(&path, &parent, json!({ "status": "disabled" })).refused(400, 400);
    desk.put(&path, &parent, json!({ "name": "x" })).refused(400, 400);
    for status in [json!("expired"), json!("revoked (exposed)"), json!("ACTIVE"), json!(1)] {
        let mut asked = harmless();
        asked["status"] = status;
        desk.put(&path, &parent, asked).refused(400, 400);
    }
    assert_eq!(desk.get(&path, &parent).result()["name"], "a token", "a refused update changes nothing");
}

#[test]
fn a_delete_takes_a_body_or_none_and_answers_with_the_id() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    for sent in [None, Some(json!({}))] {
        let token = desk.mint(harmless());
        let path = main_path(&format!("/{}", token.id));
        assert_eq!(desk.call("DELETE", &path, &parent, sent).result(), &json!({ "id": token.id }));
        desk.get(&path, &parent).refused(404, 1003);
        desk.delete(&path, &parent).refused(404, 1003);
        desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
        desk.get("/zones", &token.value).refused(403, 9109);
    }
}

#[test]
fn a_roll_gives_a_bare_string_and_kills_the_old_value() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}/value", token.id));
    let rolled = desk.put(&path, &desk.main_parent(), json!({}));
    let value = rolled.result().as_str().expect("a bare string");
    assert!(value.starts_with("cfat_") && value != token.value);
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
    assert_eq!(desk.get(&main_path("/verify"), value).result()["id"], token.id, "the id stays");
}

#[test]
fn a_roll_repeated_makes_the_last_value_the_only_one() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}/value", token.id));
    let first = desk.put(&path, &desk.main_parent(), json!({})).result().clone();
    let second = desk.put(&path, &desk.main_parent(), json!({})).result().clone();
    desk.get(&main_path("/verify"), first.as_str().expect("text")).refused(401, 1000);
    desk.get(&main_path("/verify"), second.as_str().expect("text")).result();
}

#[test]
fn a_roll_needs_a_json_object() {
    let desk = Desk::new();
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}/value", token.id));
    desk.call("PUT", &path, &desk.main_parent(), None).refused(400, 6007);
    desk.put(&path, &desk.main_parent(), json!([])).refused(400, 400);
    desk.get(&main_path("/verify"), &token.value).result();
}

#[test]
fn a_roll_can_be_taken_without_a_body_as_the_official_sdks_send_it() {
    let desk = Desk::with(|settings| settings.roll_needs_body = false);
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}/value", token.id));
    desk.put(&path, &desk.main_parent(), json!([])).refused(400, 400);
    assert!(desk.call("PUT", &path, &desk.main_parent(), None).result().is_string());
    assert!(desk.put(&path, &desk.main_parent(), json!({})).result().is_string());
}

#[test]
fn a_repeated_create_makes_a_second_token() {
    let desk = Desk::new();
    assert_ne!(desk.mint(harmless()).id, desk.mint(harmless()).id);
}

#[test]
fn every_id_is_32_lower_case_hex() {
    let desk = Desk::new();
    let shown = desk.mint(harmless()).shown;
    let id = |value: &Value| {
        let text = value.as_str().expect("text");
        text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    assert!(id(&shown["id"]) && id(&shown["policies"][0]["id"]));
}

#[test]
fn a_long_expired_token_is_forgotten() {
    let desk = Desk::with(|settings| settings.expired_kept_s = 100);
    let mut asked = harmless();
    asked["expires_on"] = json!("2026-07-01T00:01:00Z");
    let token = desk.mint(asked);
    let path = main_path(&format!("/{}", token.id));
    desk.later(159);
    assert_eq!(desk.get(&path, &desk.main_parent()).result()["status"], "expired");
    desk.later(1);
    desk.get(&path, &desk.main_parent()).refused(404, 1003);
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
}

#[test]
fn the_same_seed_gives_the_same_ids_and_values_and_another_seed_others() {
    let mint = |seed: u64| {
        let config = fake_cloudflare::Config::seeded(seed);
        let parent = config.parent("CLOUDFLARE_API_TOKEN").expect("a parent").expose().to_owned();
        let fake = fake_cloudflare::Fake::new(config);
        let path = format!("/accounts/{MAIN_ACCOUNT}/tokens");
        let outcome = fake.handle(request("POST", &path, &parent, Some(harmless())), START);
        outcome.reply.answer().map(http::Response::into_body)
    };
    assert_eq!(mint(1), mint(1));
    assert_ne!(mint(1), mint(2));
}
