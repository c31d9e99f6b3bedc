//! Attacks by what an issuer publishes: its keys, where they are said to be, and how often they are asked for.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{assert_no_identity, is_no_identity, journal, present, with_header};
use crate::federation::{DISCOVERY, JWKS, claims_of, federated, of_key, publish, token};
use crate::installation::Installation;
use crate::issuer::{URL, ed25519_jwk, p256_jwk};

/// What is fetched for a set of keys.
const BOTH: [&str; 2] = [DISCOVERY, JWKS];

/// Nobody of the issuer gets in, by either door: told as the broker's trouble and when to come again, with an alarm in the
/// log, an entry in the journal, and no token.
#[track_caller]
fn issuer_is_no_good(attack: &str, make: &dyn Fn() -> &'static Installation, fetched: &[&str]) {
    for exchanged in [false, true] {
        let here = make();
        let job = token(here, &[]);
        let before = here.tokens();
        here.steps();
        here.logged();
        here.fetched.take();
        let answer = present(here, &job, exchanged);
        assert_eq!(answer.status, 503, "{attack}: {}", answer.text);
        assert_eq!(answer.body["type"], "urn:brevet:problem:issuer-unavailable", "{attack}: {}", answer.text);
        assert_eq!(answer.headers["retry-after"], "60", "{attack}");
        if exchanged {
            assert_eq!(answer.body["error"], "temporarily_unavailable", "{attack}");
        }
        // Neither the token nor where the rules look for keys.
        for secret in [job.as_str(), "evil.example", "200000003"] {
            assert!(!answer.text.contains(secret), "{attack}: {}", answer.text);
        }
        assert_eq!((here.tokens(), here.steps().upstream), (before, 0), "{attack}: a token came about");
        assert_eq!(here.fetched.take(), fetched, "{attack}");
        let logged = here.logged();
        assert!(
            logged.iter().any(|event| event["event"] == "issuer_keys" && event["alarm"] == true),
            "{attack}: {logged:?}"
        );
        let counted = journal(here, "refused_unknown");
        assert!(
            counted.iter().any(|entry| entry.contains("its issuer's keys cannot be had: 1")),
            "{attack}: {counted:?}"
        );
    }
}

/// With this key beside the good ones the whole set is refused.
#[track_caller]
pub(super) fn refused_beside_good_ones(attack: &str, key: &Value) {
    let made = || {
        let here = federated();
        publish(here, &[ed25519_jwk(), p256_jwk(), key.clone()]);
        here
    };
    issuer_is_no_good(attack, &made, &BOTH);
}

#[test]
fn row_5_hostile_keys_in_a_key_set() {
    let zeros = BASE64URL_NOPAD.encode(&[0; 32]);
    let modulus = |bytes: usize| BASE64URL_NOPAD.encode(&vec![0xc1; bytes]);
    for (attack, key) in [
        ("a short point", json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" })),
        ("a key for encryption", json!({ "kty": "OKP", "crv": "Ed25519", "use": "enc", "x": zeros })),
        (
            "a key that may sign only",
            json!({ "kty": "OKP", "crv": "Ed25519", "key_ops": ["sign"], "x": zeros }),
        ),
        ("another algorithm's", json!({ "kty": "OKP", "crv": "Ed25519", "alg": "ES256", "x": zeros })),
        ("a short modulus", json!({ "kty": "RSA", "n": modulus(128), "e": "AQAB" })),
        ("a long modulus", json!({ "kty": "RSA", "n": modulus(513), "e": "AQAB" })),
        ("a small exponent", json!({ "kty": "RSA", "n": modulus(256), "e": "Aw" })),
        ("another curve", json!({ "kty": "EC", "crv": "P-384", "x": zeros, "y": zeros })),
    ] {
        let mut key = key;
        key["kid"] = json!("bad");
        let made = |here: &Installation| {
            publish(here, &[ed25519_jwk(), key.clone()]);
            with_header(here, &json!({ "alg": "EdDSA", "kid": "bad" }))
        };
        is_no_identity(attack, &made, "no key of that id");
    }
    // Keys that have their form and no good signature: of small order, and off the curve.
    let small = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": zeros });
    let off = json!({ "kty": "EC", "crv": "P-256", "kid": "bad", "x": zeros, "y": zeros });
    for (attack, key, algorithm) in [("small order", small, "EdDSA"), ("off the curve", off, "ES256")] {
        let made = |here: &Installation| {
            publish(here, &[ed25519_jwk(), key.clone()]);
            let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let head = json!({ "alg": algorithm, "kid": "bad" });
            // With a key of small order this signature is good for every text, by the loose equation.
            let mut signature = [0; 64];
            signature[0] = 1;
            format!(
                "{}.{}.{}",
                encode(&head),
                encode(&claims_of(here, &[])),
                BASE64URL_NOPAD.encode(&signature)
            )
        };
        is_no_identity(attack, &made, "its signature is not its issuer's");
    }
}

/// A thousand names of keys that are not there, with each of them the same refusal.
#[test]
fn row_14_a_flood_of_unknown_keys() {
    let here = federated();
    assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
    here.pass(61);
    here.fetched.take();
    here.steps();
    let before = here.tokens();
    let signed = token(here, &[]);
    for number in 0..1_000 {
        let job = of_key(&signed, &number.to_string());
        let exchanged = number % 2 == 0;
        let answer = present(here, &job, exchanged);
        assert_no_identity(&number.to_string(), &answer, exchanged, "no key of that id");
        assert!(!answer.text.contains(&job), "{}", answer.text);
    }
    assert_eq!(here.fetched.take(), [DISCOVERY, JWKS], "once for all of them");
    assert_eq!((here.tokens(), here.steps().upstream), (before, 0), "a token came about");
    // One entry for each minute and kind, and not one for each stranger.
    let counted = journal(here, "refused_unknown");
    assert!(counted.len() <= 2, "{counted:?}");
    assert!(
        counted
            .iter()
            .any(|entry| entry.starts_with("invalid-identity: ") && entry.contains("no key of that id")),
        "{counted:?}"
    );
}

#[test]
fn row_14_an_issuer_that_gives_no_keys() {
    for (attack, keys) in [
        ("a page", "<html>"),
        ("no keys", "{\"keys\":[]}"),
        ("nothing", ""),
        ("no set", "[]"),
        ("no list", "{\"keys\":{}}"),
        ("a set twice", "{\"keys\":[],\"keys\":[]}"),
    ] {
        let made = || {
            let here = federated();
            here.documents.borrow_mut().insert(JWKS.to_owned(), keys.to_owned());
            here
        };
        issuer_is_no_good(attack, &made, &BOTH);
    }
    let many = || {
        let here = federated();
        let key = |number: usize| {
            let mut key = ed25519_jwk();
            key["kid"] = json!(number.to_string());
            key
        };
        publish(here, &(0..51).map(key).collect::<Vec<_>>());
        here
    };
    issuer_is_no_good("51 keys", &many, &BOTH);
    for (at, fetched) in [(DISCOVERY, &BOTH[..1]), (JWKS, &BOTH[..])] {
        let down = || {
            let here = federated();
            here.documents.borrow_mut().remove(at);
            here
        };
        issuer_is_no_good("it is down", &down, fetched);
    }
    // Keys that were good stay so for a day, and then for nobody.
    let old = || {
        let here = federated();
        assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
        here.documents.borrow_mut().remove(JWKS);
        here.pass(3_700);
        assert_eq!(here.get(&token(here, &[]), "/v1/whoami").status, 200);
        here.pass(24 * 3_600);
        here
    };
    issuer_is_no_good("down for a day", &old, &BOTH);
}

#[test]
fn row_15_keys_that_are_said_to_be_elsewhere() {
    for uri in [
        "https://127.0.0.1/keys",
        "https://[::1]/keys",
        "https://token.actions.githubusercontent.com:8443/keys",
        "https://user@token.actions.githubusercontent.com/keys",
        "https://token.actions.githubusercontent.com.evil.example/keys",
        "https://token.actions.githubusercontent.com@evil.example/keys",
        "http://token.actions.githubusercontent.com/keys",
        "https://evil.example/keys",
        "file:///etc/passwd",
        "//evil.example/keys",
        "",
    ] {
        elsewhere(&json!({ "issuer": URL, "jwks_uri": uri }));
    }
    elsewhere(&json!({ "issuer": URL }));
    for other in ["https://evil.example", "https://token.actions.githubusercontent.com/", ""] {
        elsewhere(&json!({ "issuer": other, "jwks_uri": JWKS }));
    }
}

/// What discovery says is not followed: nothing but the document itself is fetched.
#[track_caller]
fn elsewhere(document: &Value) {
    let made = || {
        let here = federated();
        here.documents.borrow_mut().insert(DISCOVERY.to_owned(), document.to_string());
        here
    };
    issuer_is_no_good(&document.to_string(), &made, &[DISCOVERY]);
}
