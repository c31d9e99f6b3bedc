//! `POST /oauth/revoke`: who holds a value may end its lease, and nothing else.

use brevet::routes::{Body, Call};
use serde_json::{Value, json};

use crate::installation::{Answer, CI, Installation, ROOT, request, rules, zone_read};

fn asking(body: &str) -> Call {
    let mut call = request("", "POST", "/oauth/revoke", None);
    call.body = Body::Whole(body.as_bytes().to_vec());
    call
}

fn surrender(here: &Installation, value: &str) -> Answer {
    here.send(asking(&format!("token={value}")))
}

fn state(here: &Installation, id: &Value) -> Value {
    here.get(CI, &format!("/v1/leases/{}", id.as_str().unwrap())).body["state"].clone()
}

/// Refused in OAuth's form, with nothing ended.
#[track_caller]
fn refused(here: &Installation, call: Call, status: u16, error: &str, says: &str) -> Answer {
    let tokens = here.tokens();
    let answer = here.send(call);
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{}", answer.text);
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(description.contains(says), "{description}");
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(here.tokens(), tokens, "nothing was ended");
    answer
}

#[test]
fn refuses_what_is_no_form_with_one_token() {
    let here = Installation::new();
    for (body, says) in [
        ("", "no form"),
        ("{\"token\":\"x\"}", "no form"),
        ("token", "no form"),
        ("token=%", "no form"),
        ("token=", "The field token is empty"),
        ("token=a&token=a", "The field token is there twice"),
        ("token=a&token_type_hint=access_token&token_type_hint=x", "there twice"),
        ("token_type_hint=access_token", "The field token is missing"),
    ] {
        refused(here, asking(body), 400, "invalid_request", says);
    }
    refused(here, asking(&"x".repeat(65 * 1024)), 413, "invalid_request", "more than 65536 bytes");
    let mut encoded = asking("token=a");
    encoded.content_encoding = Some("gzip".to_owned());
    refused(here, encoded, 415, "invalid_request", "no Content-Encoding");
    let mut read = asking("token=a");
    read.method = "GET".to_owned();
    assert_eq!(refused(here, read, 405, "invalid_request", "It takes POST").headers["allow"], "POST");
}

#[test]
fn ends_nothing_that_is_not_in_the_books() {
    let here = Installation::new();
    let owner = fake_cloudflare::Owner::Account(fake_cloudflare::MAIN_ACCOUNT.to_owned());
    let (_, foreign) = here.stage.seed_for(&owner, "made elsewhere");
    let tokens = here.tokens();
    // Nobody's, somebody else's, and what cannot be a token at all: one answer.
    for value in [&format!("cfat_{}", "a".repeat(48)), foreign.expose(), "x", CI, ROOT, "a.b.c"] {
        let answer = surrender(here, value);
        assert_eq!((answer.status, &*answer.text), (200, "{}"), "{value}");
    }
    assert_eq!(here.tokens(), tokens);
    assert_eq!(here.get(ROOT, "/v1/audit?account=main").body["entries"][0]["entry"]["event"], "rules_taken");
}

#[test]
fn the_holder_of_a_value_ends_its_lease_and_the_journal_says_so() {
    let here = Installation::new();
    let (made, other) = (here.minted(), here.minted());
    let value = made.body["value"].as_str().unwrap();
    let id = &made.body["lease"]["id"];
    here.steps();
    let ended = here.send(asking(&format!("token={value}&token_type_hint=access_token&unknown=x")));
    assert_eq!((ended.status, &*ended.text), (200, "{}"));
    let steps = here.steps();
    assert_eq!((steps.ledger, steps.kv_writes), (1, 0), "{steps:?}");
    assert_eq!((state(here, id), state(here, &other.body["lease"]["id"])), (json!("ended"), json!("active")));
    let entry = here.get(ROOT, "/v1/audit?account=main").body["entries"][0]["entry"].clone();
    assert_eq!(
        (&entry["event"], &entry["by"], &entry["lease"]),
        (&json!("revoked"), &json!("holder"), id),
        "{entry}"
    );
    assert!(here.logged().iter().all(|event| !event.to_string().contains(value)));
    // Once more is no error, and neither is a value that is remembered as good.
    assert_eq!(surrender(here, value).status, 200);
    assert_eq!(here.post("", "/v1/tokens/verify", json!({ "token": value })).body["valid"], false);
}

#[test]
fn a_value_that_was_rolled_away_gives_no_right_to_its_successor() {
    let here = Installation::new();
    let made = here.minted();
    let value = made.body["value"].as_str().unwrap();
    let id = &made.body["lease"]["id"];
    // Verified a moment ago, so that the instance remembers it as good.
    assert_eq!(here.post("", "/v1/tokens/verify", json!({ "token": value })).body["valid"], true);
    let memory = here.remembered();
    let rolled = here.post(CI, &format!("/v1/leases/{}/roll", id.as_str().unwrap()), json!({}));
    assert_eq!(rolled.status, 200, "{}", rolled.text);
    here.remember(memory);
    assert_eq!(surrender(here, value).status, 200);
    assert_eq!(state(here, id), "active");
    assert_eq!(surrender(here, rolled.body["value"].as_str().unwrap()).status, 200);
    assert_eq!(state(here, id), "ended");
}

#[test]
fn a_users_token_is_found_as_well_and_the_account_may_be_named() {
    let here = Installation::new();
    let wish = json!({ "template": "zone-read", "grant": "ci-zone", "params": { "account": "me", "zone": "example.com" } });
    for (wish, account) in [(wish.clone(), ""), (wish, "&account=me"), (zone_read(), "&account=main")] {
        let made = here.post(CI, "/v1/tokens", wish);
        assert_eq!(made.status, 201, "{}", made.text);
        let answer = here.send(asking(&format!("token={}{account}", made.body["value"].as_str().unwrap())));
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(state(here, &made.body["lease"]["id"]), "ended");
    }
    refused(here, asking("token=x&account=nobody"), 400, "invalid_request", "do not name this account");
}

#[test]
fn a_token_that_works_elsewhere_only_is_not_ended_and_the_answer_says_what_to_do() {
    let here = Installation::new();
    let mut wish = zone_read();
    wish["condition"] = json!({ "request_ip": { "in": ["198.51.100.7/32"] } });
    let made = here.post(CI, "/v1/tokens", wish);
    let value = made.body["value"].as_str().unwrap_or_else(|| panic!("{}", made.text));
    refused(here, asking(&format!("token={value}")), 400, "unsupported_token_type", "DELETE /v1/leases/{id}");
    assert_eq!(state(here, &made.body["lease"]["id"]), "active");
}

#[test]
fn what_could_not_be_ended_now_is_503_and_goes_on_by_itself() {
    let here = Installation::new();
    let made = here.minted();
    let value = made.body["value"].as_str().unwrap();
    here.ledgers_down.set(true);
    let answer = refused(here, asking(&format!("token={value}")), 503, "temporarily_unavailable", "ledger");
    assert_eq!((&*answer.headers["x-should-retry"], &*answer.headers["retry-after"]), ("true", "2"));
    here.ledgers_down.set(false);
    assert_eq!(surrender(here, value).status, 200);
}

#[test]
fn an_address_that_guesses_is_told_to_wait() {
    let here = Installation::new();
    let guess = format!("cfat_{}", "a".repeat(48));
    for _ in 0..brevet_core::broker::MOST_VISITS {
        assert_eq!(surrender(here, &guess).status, 200);
    }
    let answer =
        refused(here, asking(&format!("token={guess}")), 429, "temporarily_unavailable", "too often");
    assert_eq!(answer.headers["retry-after"], "60");
}

#[test]
fn a_user_of_many_accounts_names_the_one() {
    let mut many = rules();
    for number in 0..brevet_core::broker::MOST_ASKED {
        many["account"][format!("a{number}")] =
            json!({ "id": format!("{number:032x}"), "family": "account", "parent": "CLOUDFLARE_API_TOKEN" });
    }
    let here = Installation::with_rules(&many);
    let made = here.minted();
    let value = made.body["value"].as_str().unwrap();
    refused(here, asking(&format!("token={value}")), 400, "invalid_request", "Name the account");
    assert_eq!(here.send(asking(&format!("token={value}&account=main"))).status, 200);
    assert_eq!(state(here, &made.body["lease"]["id"]), "ended");
}
