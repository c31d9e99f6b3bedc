//! Identity tokens of workloads as bearers.

use serde_json::{Value, json};

use crate::denial::refused;
use crate::installation::{Installation, ROOT, request, rules};
use crate::issuer::{self, AUDIENCE, URL, claims, ed25519_jwk, header, p256_jwk, signed};

pub(crate) const JWKS: &str = "https://token.actions.githubusercontent.com/.well-known/jwks";
pub(crate) const DISCOVERY: &str =
    "https://token.actions.githubusercontent.com/.well-known/openid-configuration";

pub(crate) fn federated() -> &'static Installation {
    let mut rules = rules();
    rules["issuer"] = json!({ "github": {
        "url": URL, "audience": AUDIENCE, "algorithms": ["Ed25519", "ES256"], "pin": { "repository_owner_id": "100000001" },
    } });
    rules["grant"]["app-deploy"] = json!({
        "from": { "issuer": "github" },
        "when": [{ "repository_id": "200000003", "ref": "refs/heads/main" }],
        "allow": [{ "template": "zone-read", "account": "main", "zone": ["example.com"] }],
        "ttl": "10m", "max_ttl": "1h", "operations": ["create", "renew", "roll", "revoke"],
    });
    let here = Installation::with_rules(&rules);
    let discovery = json!({ "issuer": URL, "jwks_uri": JWKS }).to_string();
    here.documents.borrow_mut().insert(DISCOVERY.to_owned(), discovery);
    publish(here, &[ed25519_jwk(), p256_jwk()]);
    here
}

pub(crate) fn publish(here: &Installation, keys: &[Value]) {
    here.documents.borrow_mut().insert(JWKS.to_owned(), json!({ "keys": keys }).to_string());
}

/// A job's claims with these changed, at the installation's time.
pub(crate) fn claims_of(here: &Installation, change: &[(&str, Value)]) -> Value {
    let now = brevet_core::broker::Ports::now(here).unix();
    let mut claims = claims();
    for (name, offset) in [("iat", 0), ("nbf", -600), ("exp", 300)] {
        claims[name] = json!(now + offset);
    }
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims
}

/// The token of such a job.
pub(crate) fn token(here: &Installation, change: &[(&str, Value)]) -> String {
    signed(&header(), &claims_of(here, change))
}

/// A token that names another key: nobody comes to look at its signature where there is no such key, and signing takes long
/// without optimisation.
pub(crate) fn of_key(signed: &str, kid: &str) -> String {
    let head = json!({ "alg": "EdDSA", "kid": kid }).to_string();
    let (_, rest) = signed.split_once('.').unwrap();
    format!("{}.{rest}", data_encoding::BASE64URL_NOPAD.encode(head.as_bytes()))
}

fn wish() -> Value {
    json!({ "template": "zone-read" })
}

#[test]
fn a_job_gets_the_token_that_its_grant_allows_and_no_secret_is_stored_anywhere() {
    let here = federated();
    let job = token(here, &[]);
    let made = here.post(&job, "/v1/tokens", wish());
    assert_eq!(made.status, 201, "{}", made.text);
    let lease = &made.body["lease"];
    assert_eq!((lease["grant"].as_str(), lease["run"].as_str()), (Some("app-deploy"), Some("1234")));
    assert!(lease["owner"].as_str().unwrap().starts_with("oidc:github:"));
    // It lives as the job's lease: a fresh token of the same job renews, rolls and ends it.
    let again = token(here, &[("jti", json!("another"))]);
    let id = lease["id"].as_str().unwrap();
    assert_eq!(here.post(&again, &format!("/v1/leases/{id}/renew"), json!({ "ttl": "20m" })).status, 200);
    assert_eq!(here.post(&again, &format!("/v1/leases/{id}/roll"), json!({})).status, 200);
    assert_eq!(here.call(&again, "DELETE", &format!("/v1/leases/{id}"), None).status, 200);
    assert_eq!(here.get(&again, "/v1/whoami").body["kind"], "workload");
    assert_eq!(*here.fetched.borrow(), [DISCOVERY, JWKS], "once for all of it");
}

#[test]
fn a_token_makes_one_token_and_the_same_request_goes_on() {
    let here = federated();
    let job = token(here, &[]);
    let keyed = || {
        let mut call = request(&job, "POST", "/v1/tokens", Some(&wish()));
        call.idempotency_key = Some("job-7".to_owned());
        call
    };
    let first = here.send(keyed());
    assert_eq!(first.status, 201, "{}", first.text);
    refused(here, request(&job, "POST", "/v1/tokens", Some(&wish())), 409, "credential-used");
    let again = here.send(keyed());
    assert_eq!(
        (again.status, &again.body["lease"]["id"]),
        (201, &first.body["lease"]["id"]),
        "{}",
        again.text
    );
}

/// What a job's runner does when its first token's time is up between two tries.
#[test]
fn the_same_request_goes_on_with_a_fresh_token_of_the_same_job_and_of_no_other() {
    let here = federated();
    let keyed = |job: &str| {
        let mut call = request(job, "POST", "/v1/tokens", Some(&wish()));
        call.idempotency_key = Some("1234.1.deploy.brevet".to_owned());
        call
    };
    let first = here.send(keyed(&token(here, &[])));
    assert_eq!(first.status, 201, "{}", first.text);
    here.pass(400);
    // All that differs between two tokens of one job: its id and its times.
    let fresh = token(here, &[("jti", json!("another"))]);
    let again = here.send(keyed(&fresh));
    assert_eq!(
        (again.status, &again.body["lease"]["id"]),
        (201, &first.body["lease"]["id"]),
        "{}",
        again.text
    );
    assert_eq!(again.body["lease"]["owner"], first.body["lease"]["owner"]);
    assert_ne!(again.body["value"], first.body["value"]);
    assert_eq!(here.get(ROOT, "/v1/leases").body["leases"].as_array().unwrap().len(), 1);
    // The same key of another run, or of another attempt, is another caller's.
    for (number, change) in [("run_id", "1235"), ("run_attempt", "2")].iter().enumerate() {
        let other = token(here, &[("jti", json!(format!("other-{number}"))), (change.0, json!(change.1))]);
        let made = here.send(keyed(&other));
        assert_eq!(made.status, 201, "{}", made.text);
        assert_ne!(made.body["lease"]["id"], first.body["lease"]["id"], "{change:?}");
    }
}

#[test]
fn a_token_without_an_id_is_known_by_its_digest() {
    let here = federated();
    let now = brevet_core::broker::Ports::now(here).unix();
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("jti");
    (claims["iat"], claims["nbf"], claims["exp"]) = (json!(now), json!(now), json!(now + 300));
    let job = signed(&header(), &claims);
    assert_eq!(here.post(&job, "/v1/tokens", wish()).status, 201);
    refused(here, request(&job, "POST", "/v1/tokens", Some(&wish())), 409, "credential-used");
}

#[test]
fn denies_a_job_of_another_branch_and_its_hands_off_the_stronger_ones_lease() {
    let here = federated();
    let strong = here.post(&token(here, &[]), "/v1/tokens", wish());
    let id = strong.body["lease"]["id"].as_str().unwrap();
    let weak = token(
        here,
        &[("ref", json!("refs/heads/feature")), ("sub", json!("repo:octo-org/app:ref:refs/heads/feature"))],
    );
    refused(here, request(&weak, "POST", "/v1/tokens", Some(&wish())), 403, "claims-do-not-fit");
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/roll"), ("POST", "/renew")] {
        let call = request(
            &weak,
            method,
            &format!("/v1/leases/{id}{path}"),
            (path == "/renew").then(|| json!({ "ttl": "20m" })).as_ref(),
        );
        refused(here, call, 404, "no-such-lease");
    }
    assert_eq!(here.get(&weak, "/v1/leases").body["leases"], json!([]));
    let named = refused(
        here,
        request(
            &weak,
            "POST",
            "/v1/tokens",
            Some(&json!({ "template": "zone-read", "grant": "app-deploy" })),
        ),
        403,
        "claims-do-not-fit",
    );
    assert!(named.body["detail"].as_str().unwrap().contains("ref"), "{}", named.text);
}

#[test]
fn refuses_bad_tokens_with_what_is_wrong_and_asks_no_strange_issuer() {
    let here = federated();
    let changed = |name: &str, value: Value| token(here, &[(name, value)]);
    for (job, says) in [
        (changed("aud", json!("https://github.com/octo-org")), "aud"),
        (changed("repository_owner_id", json!("2")), "repository_owner_id"),
        (changed("exp", json!(1)), "time is up"),
        (changed("iss", json!("https://evil.example")), "issuer"),
    ] {
        let denied =
            refused(here, request(&job, "POST", "/v1/tokens", Some(&wish())), 401, "invalid-identity");
        assert!(denied.body["detail"].as_str().unwrap().contains(says), "{}", denied.text);
    }
    assert!(here.fetched.borrow().iter().all(|url| url.starts_with(URL)), "{:?}", here.fetched.borrow());
    let forged = issuer::signed_text(
        &data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"EdDSA","kid":"two"}"#),
        token(here, &[]).split('.').nth(1).unwrap(),
    );
    refused(here, request(&forged, "POST", "/v1/tokens", Some(&wish())), 401, "invalid-identity");
}

#[test]
fn keys_are_asked_for_once_a_minute_whatever_strangers_send() {
    let here = federated();
    assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
    let good = token(here, &[]);
    here.fetched.take();
    for number in 0..1_000 {
        assert_eq!(here.get(&of_key(&good, &number.to_string()), "/v1/whoami").status, 401);
    }
    assert_eq!(here.fetched.take().len(), 0, "they were fetched a moment ago");
    here.pass(61);
    for number in 0..100 {
        here.get(&of_key(&good, &number.to_string()), "/v1/whoami");
    }
    assert_eq!(here.fetched.take(), [DISCOVERY, JWKS]);
    // The issuer rotates: the new key is there within a minute.
    here.pass(61);
    let mut rotated = ed25519_jwk();
    rotated["kid"] = json!("new");
    publish(here, &[rotated]);
    let job = signed(&json!({ "alg": "EdDSA", "kid": "new" }), &claims_of(here, &[]));
    assert_eq!(here.get(&job, "/v1/whoami").status, 200);
}

#[test]
fn an_issuer_that_is_down_is_good_for_a_day_and_then_for_nobody() {
    let here = federated();
    assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
    for bad in ["<html>", "{\"keys\":[]}", ""] {
        here.documents.borrow_mut().insert(JWKS.to_owned(), bad.to_owned());
        here.pass(3_700);
        assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200, "{bad}");
    }
    here.restart();
    assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200, "by the copy in KV");
    here.pass(24 * 3_600);
    let denied = here.get(&token(here, &[]), "/v1/whoami");
    assert_eq!(
        (denied.status, &denied.body["type"]),
        (503, &json!("urn:brevet:problem:issuer-unavailable")),
        "{}",
        denied.text
    );
    assert!(here.logged().iter().any(|event| event["event"] == "issuer_keys" && event["alarm"] == true));
}

#[test]
fn an_operator_sees_whose_token_it_was() {
    let here = federated();
    here.post(&token(here, &[]), "/v1/tokens", wish());
    let listed = here.get(ROOT, "/v1/leases?run=1234");
    assert_eq!(listed.body["leases"].as_array().unwrap().len(), 1, "{}", listed.text);
}
