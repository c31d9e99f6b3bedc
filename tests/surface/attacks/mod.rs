//! Attacks on federation, each by its name. Each is made by both doors, as a bearer and at `/oauth/token`, and is looked at
//! from every side: the reason, the whole public answer, that no token came about, and what the journal says.
//! What only a runtime shows (redirects, slow answers, packed ones, presentations at the same moment) is in
//! `tests/worker/suites/exchange.js`, with the same four looks.

mod claims;
mod keys;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::exchange::{asking, fields};
use crate::federation::{claims_of, federated, token};
use crate::installation::{Answer, Installation, ROOT, request};
use crate::issuer::{URL, header, signed};

fn with_header(here: &Installation, header: &Value) -> String {
    signed(header, &claims_of(here, &[]))
}

/// What no ledger was asked for is in the first account's journal.
fn journal(here: &Installation, event: &str) -> Vec<String> {
    journal_of(here, "apps", event)
}

fn journal_of(here: &Installation, account: &str, event: &str) -> Vec<String> {
    let listed = here.get(ROOT, &format!("/v1/audit?account={account}&limit=100&event={event}")).body;
    let entries = listed["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["entry"]["detail"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Asks for a token of Cloudflare's, as a bearer or in an exchange.
fn present(here: &Installation, job: &str, exchanged: bool) -> Answer {
    if exchanged {
        here.send(asking(&fields(job)))
    } else {
        here.send(request(job, "POST", "/v1/tokens", Some(&json!({ "template": "zone-read" }))))
    }
}

/// What the caller is told whose token is no identity.
#[track_caller]
fn assert_no_identity(attack: &str, answer: &Answer, exchanged: bool, says: &str) {
    let (status, told) = if exchanged { (400, "error_description") } else { (401, "detail") };
    assert_eq!(answer.status, status, "{attack}: {}", answer.text);
    assert_eq!(answer.body["type"], "urn:brevet:problem:invalid-identity", "{attack}: {}", answer.text);
    if exchanged {
        assert_eq!(answer.body["error"], "invalid_request", "{attack}");
    }
    let told = answer.body[told].as_str().unwrap();
    assert!(told.contains(says), "{attack}: {told}");
}

/// The token is no identity: told to its bearer, counted in the journal, and nothing is minted.
#[track_caller]
fn is_no_identity(attack: &str, make: &dyn Fn(&Installation) -> String, says: &str) {
    for exchanged in [false, true] {
        let here = federated();
        let job = make(here);
        let before = here.tokens();
        here.steps();
        let answer = present(here, &job, exchanged);
        assert_no_identity(attack, &answer, exchanged, says);
        // Not the token, and nothing of what the rules want.
        assert!(
            !answer.text.contains(&job) && !answer.text.contains("200000003"),
            "{attack}: {}",
            answer.text
        );
        assert_eq!((here.tokens(), here.steps().upstream), (before, 0), "{attack}: a token came about");
        let counted = journal(here, "refused_unknown");
        assert!(
            counted.iter().any(|entry| entry.starts_with("invalid-identity: ")
                && entry.contains(says)
                && entry.ends_with(": 1")),
            "{attack}: {counted:?}"
        );
        assert!(
            here.fetched.borrow().iter().all(|url| url.starts_with(URL)),
            "{attack}: {:?}",
            here.fetched.borrow()
        );
    }
}

/// The token is an identity, and no grant is for it.
#[track_caller]
fn has_no_grant(attack: &str, here: &Installation, job: &str, reason: &str, evidence: &str) {
    for exchanged in [false, true] {
        let (before, refusals) = (here.tokens(), journal(here, "refused").len());
        here.steps();
        let answer = present(here, job, exchanged);
        assert_eq!(answer.status, if exchanged { 400 } else { 403 }, "{attack}: {}", answer.text);
        assert_eq!(answer.body["type"], format!("urn:brevet:problem:{reason}"), "{attack}: {}", answer.text);
        for secret in ["app-deploy", "200000003"] {
            assert!(!answer.text.contains(secret), "{attack}: {}", answer.text);
        }
        assert_eq!((here.tokens(), here.steps().upstream), (before, 0), "{attack}: a token came about");
        let told = journal(here, "refused");
        assert_eq!(told.len(), refusals + 1, "{attack}");
        assert!(told[0].contains(reason) && told[0].contains(evidence), "{attack}: {}", told[0]);
    }
}

#[test]
fn row_1_no_algorithm_and_other_spellings_of_one() {
    for name in ["none", "None", "NONE", "nOnE", "", "rs256", "EDDSA", "ed25519", "EdDsA"] {
        let head = json!({ "alg": name, "kid": "one" });
        is_no_identity(name, &|here| with_header(here, &head), "an algorithm that is not taken");
    }
    is_no_identity(
        "no alg",
        &|here| with_header(here, &json!({ "kid": "one" })),
        "an algorithm that is not taken",
    );
    is_no_identity("alg no text", &|here| with_header(here, &json!({ "alg": 1 })), "header");
}

#[test]
fn row_2_a_public_key_as_a_secret_and_an_algorithm_that_is_not_the_keys() {
    for name in ["HS256", "HS512", "PS256", "ES384", "RS512"] {
        let head = json!({ "alg": name, "kid": "one" });
        is_no_identity(name, &|here| with_header(here, &head), "an algorithm that is not taken");
    }
    let other = json!({ "alg": "EdDSA", "kid": "two" });
    is_no_identity("the other key", &|here| with_header(here, &other), "algorithm");
    // RS256 is none of the issuer's rule, whatever key there is.
    is_no_identity(
        "not of the rule",
        &|here| with_header(here, &json!({ "alg": "RS256", "kid": "one" })),
        "algorithm",
    );
    keys::refused_beside_good_ones("a symmetric key", &json!({ "kty": "oct", "kid": "x", "k": "AAAA" }));
}

#[test]
fn row_3_a_key_that_comes_with_the_token_and_demands_that_are_not_understood() {
    let attacker = ed25519_dalek::SigningKey::from_bytes(&[66; 32]);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(attacker.verifying_key().as_bytes()) });
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut head = header();
        head[name] = value;
        let forged = |here: &Installation| {
            use ed25519_dalek::Signer;
            let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let text = format!("{}.{}", encode(&head), encode(&claims_of(here, &[])));
            format!("{text}.{}", BASE64URL_NOPAD.encode(&attacker.sign(text.as_bytes()).to_bytes()))
        };
        is_no_identity(name, &forged, "its signature is not its issuer's");
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("x")),
    ] {
        let mut head = header();
        head[name] = value;
        is_no_identity(name, &|here| with_header(here, &head), "demands an extension");
    }
}

#[test]
fn row_3_other_characters_than_the_alphabets() {
    let here = federated();
    let job = token(here, &[]);
    for bad in [
        format!("{job}="),
        job.replacen('.', "..", 1),
        format!("{job}.x"),
        format!("{job}+"),
        format!("{job} x"),
        job.replacen('.', "%2E", 1),
    ] {
        let before = here.tokens();
        let answer =
            here.send(request(&bad, "POST", "/v1/tokens", Some(&json!({ "template": "zone-read" }))));
        // In development mode any text may be the root operator's secret, and is not.
        let kind = answer.body["type"].as_str().unwrap_or_default();
        assert!(
            matches!(
                (answer.status, kind),
                (400, "urn:brevet:problem:malformed-credential")
                    | (401, "urn:brevet:problem:invalid-credential")
            ),
            "{bad}: {}",
            answer.text
        );
        let answer = here.send(asking(&fields(&bad)));
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")), "{bad}");
        assert_eq!((here.tokens(), here.fetched.borrow().len()), (before, 0));
    }
    // The alphabet, and yet no encoding: trailing bits, an empty part.
    let [head, payload, _] = job.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
    for bad in [format!("{head}.{payload}."), format!("{head}..AA"), format!("{head}.{payload}.AB")] {
        is_no_identity("no encoding", &|_| bad.clone(), "three parts of base64url");
    }
}

#[test]
fn row_4_key_ids_that_would_be_paths_statements_or_floods() {
    for kid in ["../x", "one\u{0}", "one' OR '1'='1", "ONE", "one ", "https://evil.example/"] {
        is_no_identity(
            kid,
            &|here| with_header(here, &json!({ "alg": "EdDSA", "kid": kid })),
            "no key of that id",
        );
    }
    for kid in [json!(""), json!("x".repeat(257))] {
        is_no_identity(
            "kid",
            &|here| with_header(here, &json!({ "alg": "EdDSA", "kid": kid })),
            "key id is none",
        );
    }
    is_no_identity("kid no text", &|here| with_header(here, &json!({ "alg": "EdDSA", "kid": 1 })), "header");
    let huge = json!({ "alg": "EdDSA", "kid": "x".repeat(1_000_000) });
    let here = federated();
    let answer = here.get(&with_header(here, &huge), "/v1/whoami");
    assert_eq!((answer.status, here.fetched.borrow().len()), (400, 0), "{}", answer.text);
    keys::refused_beside_good_ones(
        "a key id twice",
        &json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "AA" }),
    );
}
