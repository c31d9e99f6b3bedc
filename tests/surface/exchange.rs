//! `POST /oauth/token` and the metadata: the exchange of a workload's token, denials first.

use brevet::routes::{Body, Call};
use serde_json::{Value, json};

use crate::federation::{federated, token};
use crate::installation::{Answer, CI, Installation, ROOT, request};

const EXAMPLE_ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
const MAIN: &str = "0123456789abcdef0123456789abcdef";

/// The fields of a request that is good, for this job's token.
pub(crate) fn fields(job: &str) -> Vec<(String, String)> {
    [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", job),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("scope", "zone-read"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

pub(crate) fn asking(fields: &[(String, String)]) -> Call {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value: String = value
                .bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                        char::from(byte).to_string()
                    }
                    byte => format!("%{byte:02X}"),
                })
                .collect();
            format!("{name}={value}")
        })
        .collect();
    let mut call = request("", "POST", "/oauth/token", None);
    call.body = Body::Whole(pairs.join("&").into_bytes());
    call
}

/// A good request with one field changed, added or (with an empty value) taken out.
fn changed(job: &str, name: &str, value: &str) -> Call {
    let mut fields = fields(job);
    fields.retain(|(known, _)| known != name);
    if !value.is_empty() {
        fields.push((name.to_owned(), value.to_owned()));
    }
    asking(&fields)
}

/// Refused in OAuth's form before anything reaches Cloudflare.
#[track_caller]
pub(crate) fn refused(here: &Installation, call: Call, status: u16, error: &str, says: &str) -> Answer {
    let tokens = here.tokens();
    here.steps();
    let answer = here.send(call);
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{}", answer.text);
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(description.contains(says), "{description}");
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
    assert!(answer.body["type"].as_str().unwrap().starts_with("urn:brevet:problem:"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    assert_eq!((here.steps().upstream, here.tokens()), (0, tokens), "nothing was minted");
    answer
}

#[test]
fn refuses_requests_that_are_no_token_exchange_before_any_issuer_is_asked() {
    let here = federated();
    let job = token(here, &[]);
    let with = |name: &str, value: &str| changed(&job, name, value);
    for (call, error, says) in [
        (with("grant_type", ""), "invalid_request", "grant_type"),
        (with("grant_type", "client_credentials"), "unsupported_grant_type", "token-exchange"),
        (with("subject_token", ""), "invalid_request", "subject_token"),
        (with("subject_token", CI), "invalid_request", "identity token"),
        (with("subject_token", ROOT), "invalid_request", "identity token"),
        (with("subject_token", &"a".repeat(9_000)), "invalid_request", "identity token"),
        (with("subject_token_type", ""), "invalid_request", "subject_token_type"),
        (with("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request", "id_token"),
        (
            with("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            "invalid_request",
            "access_token",
        ),
        (with("audience", "https://api.cloudflare.com/"), "invalid_target", "audience"),
        (with("actor_token", &job), "invalid_request", "actor_token"),
        (
            with("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            "invalid_request",
            "actor_token_type",
        ),
        (with("scope", ""), "invalid_scope", "one template"),
        (with("scope", "zone-read dns"), "invalid_scope", "one template"),
        (with("ttl", "soon"), "invalid_request", "ttl"),
        (with("ttl", "0"), "invalid_request", "ttl"),
        (with("resource", "https://api.cloudflare.com/client/v4/zones/x"), "invalid_target", "resource"),
        (
            with("resource", &format!("https://api.cloudflare.com/client/v4/zones/{EXAMPLE_ZONE}/")),
            "invalid_target",
            "resource",
        ),
        (
            with("resource", &format!("https://api.cloudflare.com/client/v4/users/{MAIN}")),
            "invalid_target",
            "resource",
        ),
        (
            with("resource", &format!("http://api.cloudflare.com/client/v4/zones/{EXAMPLE_ZONE}")),
            "invalid_target",
            "resource",
        ),
    ] {
        refused(here, call, 400, error, says);
    }
    for name in ["client_secret", "client_assertion"] {
        refused(here, with(name, "x"), 401, "invalid_client", "only credential");
    }
    let mut both = asking(&fields(&job));
    both.authorization = Some(format!("Bearer {CI}"));
    refused(here, both, 401, "invalid_client", "only credential");
    assert!(here.fetched.borrow().is_empty(), "{:?}", here.fetched.borrow());
}

#[test]
fn refuses_fields_that_are_empty_or_there_twice() {
    let here = federated();
    let job = token(here, &[]);
    for name in ["grant_type", "subject_token", "subject_token_type", "scope", "audience", "grant", "ttl"] {
        let (mut twice, mut empty) = (fields(&job), fields(&job));
        let value = fields(&job)
            .into_iter()
            .find(|(known, _)| known == name)
            .map_or("x".to_owned(), |(_, value)| value);
        twice.retain(|(known, _)| known != name);
        twice.extend([(name.to_owned(), value.clone()), (name.to_owned(), value)]);
        refused(here, asking(&twice), 400, "invalid_request", &format!("The field {name} is there twice"));
        empty.retain(|(known, _)| known != name);
        empty.push((name.to_owned(), String::new()));
        refused(here, asking(&empty), 400, "invalid_request", &format!("The field {name} is empty"));
    }
    let mut json = asking(&[]);
    json.body = Body::Whole(br#"{"grant_type":"x"}"#.to_vec());
    refused(here, json, 400, "invalid_request", "The body is no form");
    let mut long = asking(&[]);
    long.body = Body::Whole(vec![b'a'; 65 * 1024]);
    refused(here, long, 413, "invalid_request", "65536");
    let mut read = asking(&[]);
    read.method = "GET".to_owned();
    refused(here, read, 405, "invalid_request", "It takes POST");
}

#[test]
fn refuses_what_the_rules_do_not_allow_and_journals_it() {
    let here = federated();
    let zone = |id: &str| format!("https://api.cloudflare.com/client/v4/zones/{id}");
    for (name, value, error, says) in [
        ("scope", "nothing", "invalid_scope", "no template 'nothing'"),
        ("scope", "workers-deploy", "invalid_scope", "o grant of this caller allows"),
        ("resource", &*zone(&"f".repeat(32)), "invalid_target", "no zone"),
        ("grant", "edge-purge", "invalid_request", "no grant 'edge-purge'"),
        ("ttl", "2h", "invalid_request", "1h"),
    ] {
        refused(here, changed(&token(here, &[]), name, value), 400, error, says);
    }
    let before = here.refusals().len();
    let other = token(here, &[("ref", json!("refs/heads/feature"))]);
    refused(here, asking(&fields(&other)), 400, "invalid_request", "o grant is for this caller");
    assert_eq!(here.refusals().len(), before + 1);
    // A bad token is its bearer's to know about.
    let old = token(here, &[("exp", json!(1_700_000_000))]);
    refused(here, asking(&fields(&old)), 400, "invalid_request", "its time is up");
}

#[test]
fn a_job_exchanges_its_token_for_one_of_cloudflares() {
    let here = federated();
    let job = token(here, &[]);
    here.steps();
    let mut wish = fields(&job);
    for (name, value) in [
        ("grant", "app-deploy"),
        ("ttl", "600"),
        ("audience", "https://api.cloudflare.com"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("resource", "https://api.cloudflare.com/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353"),
        ("resource", "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef"),
        ("client_id", "passed over"),
    ] {
        wish.push((name.to_owned(), value.to_owned()));
    }
    let answer = here.send(asking(&wish));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.body.as_object().unwrap();
    let names: Vec<&str> = body.keys().map(String::as_str).collect();
    for name in ["access_token", "issued_token_type", "token_type", "expires_in", "scope"] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(body["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!((&body["scope"], &body["template"]), (&json!("zone-read"), &json!("zone-read")));
    assert_eq!((&body["grant"], &body["account_id"]), (&json!("app-deploy"), &json!(MAIN)));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let lease = here.get(ROOT, &format!("/v1/leases/{}", body["lease_id"].as_str().unwrap())).body;
    assert_eq!((&lease["token_id"], &lease["expires_on"]), (&body["token_id"], &body["expires_at"]));
    // The token is good, and its holder ends it.
    let value = body["access_token"].as_str().unwrap();
    assert_eq!(here.post("", "/v1/tokens/verify", json!({ "token": value })).body["valid"], true);
    let mut end = request("", "POST", "/oauth/revoke", None);
    end.body = Body::Whole(format!("token={value}").into_bytes());
    assert_eq!(here.send(end).status, 200);
    // And the job's token is used up.
    refused(here, asking(&fields(&job)), 400, "invalid_request", "good for one token");
}

#[test]
fn a_mint_is_one_call_of_a_ledger_and_no_write_of_its_own() {
    let here = federated();
    assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
    here.steps();
    assert_eq!(here.send(asking(&fields(&token(here, &[])))).status, 200);
    let steps = here.steps();
    assert_eq!((steps.ledger, steps.register, steps.kv_writes, steps.upstream), (1, 0, 0, 1), "{steps:?}");
}

#[test]
fn the_same_request_goes_on_with_a_fresh_token_of_the_same_job() {
    let here = federated();
    let keyed = |jti: &str, ttl: &str| {
        let mut call = changed(&token(here, &[("jti", json!(jti))]), "ttl", ttl);
        call.idempotency_key = Some("\"1234-1-deploy-0\"".to_owned());
        call
    };
    let first = here.send(keyed("a", "10m"));
    assert_eq!(first.status, 200, "{}", first.text);
    let again = here.send(keyed("b", "10m"));
    assert_eq!((again.status, &again.body["lease_id"]), (200, &first.body["lease_id"]), "{}", again.text);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_ne!(again.body["access_token"], first.body["access_token"], "no value is kept");
    refused(here, keyed("c", "20m"), 400, "invalid_request", "another body");
    // Long after, the value can no longer be had.
    here.pass(590);
    here.send(keyed("d", "10m"));
    here.pass(20);
    refused(here, keyed("e", "10m"), 400, "invalid_request", "good for one token");
    let mut bad = keyed("f", "10m");
    bad.idempotency_key = Some("a b".to_owned());
    refused(here, bad, 400, "invalid_request", "Idempotency-Key");
}

#[test]
fn cloudflare_or_the_issuer_failing_is_503_with_a_time() {
    let here = federated();
    let job = token(here, &[]);
    here.documents.borrow_mut().clear();
    let answer =
        refused(here, asking(&fields(&job)), 503, "temporarily_unavailable", "does not give its keys");
    assert_eq!((&*answer.headers["retry-after"], &*answer.headers["x-should-retry"]), ("60", "true"));
    let here = federated();
    here.ledgers_down.set(true);
    let answer = refused(here, asking(&fields(&token(here, &[]))), 503, "temporarily_unavailable", "ledger");
    assert_eq!(answer.headers["retry-after"], "2");
}

#[test]
fn a_frozen_grant_gives_nothing() {
    let here = federated();
    let frozen = here.post(ROOT, "/v1/freezes", json!({ "grant": "app-deploy", "reason": "an incident" }));
    assert!(frozen.status < 300, "{}", frozen.text);
    refused(here, asking(&fields(&token(here, &[]))), 400, "invalid_request", "an incident");
}

#[test]
fn the_metadata_names_the_endpoints_and_no_template() {
    let here = federated();
    let answer = here.get("", "/.well-known/oauth-authorization-server");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let issuer = answer.body["issuer"].as_str().unwrap();
    assert_eq!(answer.body["token_endpoint"], format!("{issuer}/oauth/token"));
    assert_eq!(answer.body["revocation_endpoint"], format!("{issuer}/oauth/revoke"));
    assert_eq!(
        answer.body["grant_types_supported"],
        json!(["urn:ietf:params:oauth:grant-type:token-exchange"])
    );
    assert_eq!(answer.body["token_endpoint_auth_methods_supported"], json!(["none"]));
    assert_eq!(answer.body["response_types_supported"], json!([]));
    assert!(!answer.text.contains("zone-read"), "{}", answer.text);
    // Without a URL in the rules it is where the request came to.
    let mut rules = crate::installation::rules();
    rules["brevet"].as_object_mut().unwrap().remove("url");
    rules["issuer"] = Value::Null;
    rules.as_object_mut().unwrap().remove("issuer");
    rules["grant"].as_object_mut().unwrap().retain(|_, grant| grant["from"].get("issuer").is_none());
    let here = Installation::with_rules(&rules);
    let answer = here.get("", "/.well-known/oauth-authorization-server");
    assert_eq!(answer.body["issuer"], "http://127.0.0.1:8787", "{}", answer.text);
}
