//! `POST /v1/simulate`: what the rules would make of a workload, for operators.

use brevet::routes::Call;
use serde_json::{Value, json};

use crate::denial::refused;
use crate::federation::{federated, token};
use crate::installation::{CI, ROOT, request};
use crate::issuer::claims;

fn asking(who: &str, body: &Value) -> Call {
    request(who, "POST", "/v1/simulate", Some(body))
}

#[test]
fn refuses_whoever_is_no_operator_and_what_is_no_question() {
    let here = federated();
    let job = token(here, &[]);
    for who in [CI, &job] {
        refused(here, asking(who, &json!({ "claims": {} })), 403, "power-missing");
    }
    for body in [
        json!({}),
        json!({ "jwt": 7 }),
        json!({ "jwt": "a.b" }),
        json!({ "jwt": job, "claims": {} }),
        json!({ "claims": [] }),
        json!({ "claims": { "iss": "https://other.example" } }),
        json!({ "claims": {}, "issuer": "nobody" }),
        json!({ "claims": {}, "issuer": 7 }),
        json!({ "claims": {}, "colour": "red" }),
        json!({ "claims": {}, "template": 7 }),
    ] {
        refused(here, asking(ROOT, &body), 400, "invalid-request");
    }
}

#[test]
fn tells_which_rule_matches_and_the_token_that_would_come_out() {
    let here = federated();
    let tokens = here.tokens();
    let answer = here.post(ROOT, "/v1/simulate", json!({ "jwt": token(here, &[]), "template": "zone-read" }));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = &answer.body;
    assert_eq!(
        (&body["issuer"], &body["run"], &body["refused"]),
        (&json!("github"), &json!("1234"), &Value::Null)
    );
    assert_eq!(body["signature"], "not checked");
    assert_eq!(
        (body["matches"][0]["name"].as_str(), body["matches"].as_array().unwrap().len()),
        (Some("app-deploy"), 1)
    );
    let plan = &body["plan"];
    assert_eq!((&plan["grant"], &plan["template"]), (&json!("app-deploy"), &json!("zone-read")));
    assert_eq!(plan["may"][0]["permission_groups"][0]["name"], "Zone Read");
    assert_eq!(plan["request"]["method"], "POST");
    assert_eq!(
        (here.tokens(), here.fetched.borrow().len()),
        (tokens, 0),
        "nothing is made and nobody is asked"
    );
    // It is the owner that the job itself would be.
    let made = here.post(&token(here, &[]), "/v1/tokens", json!({ "template": "zone-read" }));
    assert_eq!(made.body["lease"]["owner"], body["owner"]);
}

#[test]
fn tells_what_each_rule_misses_what_it_wants_and_what_there_is() {
    let here = federated();
    let mut change = claims();
    change["ref"] = json!("refs/heads/feature");
    let answer = here.post(ROOT, "/v1/simulate", json!({ "claims": change, "template": "zone-read" }));
    assert_eq!(answer.body["matches"], json!([]));
    let miss =
        answer.body["misses"].as_array().unwrap().iter().find(|miss| miss["grant"] == "app-deploy").unwrap();
    let expected = json!({ "grant": "app-deploy", "claim": "ref", "wanted": "refs/heads/main", "found": "refs/heads/feature" });
    assert_eq!(*miss, expected);
    assert_eq!(answer.body["denied"]["type"], "urn:brevet:problem:claims-do-not-fit");
    assert_eq!(answer.body.get("plan"), None);
    // A privileged event fits where the rule names it alone: it wants the claim, whatever its value.
    change["ref"] = json!("refs/heads/main");
    change["event_name"] = json!("pull_request_target");
    let answer = here.post(ROOT, "/v1/simulate", json!({ "claims": change }));
    assert_eq!(
        (&answer.body["misses"][0]["claim"], &answer.body["misses"][0]["wanted"]),
        (&json!("event_name"), &Value::Null)
    );
    assert_eq!((answer.body.get("plan"), answer.body.get("denied")), (None, None), "nothing was asked for");
}

#[test]
fn who_would_not_be_let_in_is_granted_nothing_and_the_answer_says_why() {
    let here = federated();
    for (change, says) in [
        (("exp", json!(1_700_000_000)), "its time is up"),
        (("aud", json!("https://github.com/octo-org")), "aud"),
        (("repository_owner_id", json!("2")), "repository_owner_id"),
    ] {
        let body = json!({ "jwt": token(here, &[change]), "template": "zone-read" });
        let answer = here.post(ROOT, "/v1/simulate", body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.body["refused"].as_str().unwrap().contains(says), "{}", answer.text);
        assert_eq!((answer.body.get("plan"), answer.body.get("denied")), (None, None));
    }
    let answer = here.post(ROOT, "/v1/simulate", json!({ "claims": { "sub": "x" }, "issuer": "github" }));
    assert!(answer.body["refused"].as_str().unwrap().contains("repository_owner_id"), "{}", answer.text);
}
