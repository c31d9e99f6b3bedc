//! Key sets.

use brevet_core::oidc::{Algorithm, JwksError, KeySet, MOST_JWKS_BYTES, MOST_KEYS, NoKey};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::issuer::{ed25519_jwk, p256_jwk};

fn parse(keys: &[Value]) -> Result<KeySet, JwksError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn changed(name: &str, value: Value) -> Value {
    let mut key = ed25519_jwk();
    key[name] = value;
    key
}

fn rsa(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "kid": "rsa", "n": BASE64URL_NOPAD.encode(n), "e": BASE64URL_NOPAD.encode(e) })
}

fn modulus(bytes: usize) -> Vec<u8> {
    vec![0xc1; bytes]
}

#[test]
fn keys_are_found_by_their_id_and_are_for_one_algorithm() {
    let set = parse(&[ed25519_jwk(), p256_jwk(), rsa(&modulus(256), &[1, 0, 1])]).unwrap();
    assert_eq!(set.choose(Some("two"), Algorithm::Es256).unwrap().algorithm(), Algorithm::Es256);
    assert_eq!(set.choose(Some("two"), Algorithm::Rs256), Err(NoKey::Other));
    assert_eq!(set.choose(Some("none"), Algorithm::Rs256), Err(NoKey::Unknown));
    assert!(set.choose(None, Algorithm::Rs256).is_ok());
    let mut again = rsa(&modulus(512), &[1, 0, 1]);
    again["kid"] = json!("other");
    let two = parse(&[rsa(&modulus(256), &[1, 0, 1]), again]).unwrap();
    assert_eq!(two.choose(None, Algorithm::Rs256), Err(NoKey::Several));
}

#[test]
fn a_set_that_gives_a_secret_away_is_refused_whole() {
    let secret = json!({ "kty": "oct", "kid": "x", "k": "AAAA" });
    assert_eq!(parse(&[ed25519_jwk(), secret]), Err(JwksError::Symmetric));
    assert_eq!(parse(&[changed("k", json!("AAAA"))]), Err(JwksError::Symmetric));
    assert_eq!(parse(&[p256_jwk(), changed("d", json!("AAAA"))]), Err(JwksError::Private));
}

#[test]
fn two_keys_of_one_id_are_refused() {
    assert_eq!(parse(&[ed25519_jwk(), ed25519_jwk()]), Err(JwksError::Duplicate));
}

#[test]
fn keys_for_something_else_are_left_out() {
    for key in [
        changed("use", json!("enc")),
        changed("use", json!(1)),
        changed("key_ops", json!(["sign"])),
        changed("key_ops", json!("verify")),
        changed("alg", json!("RS256")),
        changed("alg", json!("none")),
        changed("alg", json!(1)),
        changed("kty", json!("EC")),
        changed("kty", json!("okp")),
        changed("crv", json!("X25519")),
        changed("x", json!("AA")),
        changed("x", json!("")),
        changed("x", json!(1)),
        changed("kid", json!(1)),
    ] {
        assert_eq!(parse(std::slice::from_ref(&key)), Err(JwksError::Empty), "{key}");
    }
    for key in [
        changed("alg", json!("EdDSA")),
        changed("alg", json!("Ed25519")),
        changed("key_ops", json!(["verify"])),
    ] {
        assert!(parse(std::slice::from_ref(&key)).is_ok(), "{key}");
    }
}

#[test]
fn refuses_rsa_keys_that_are_weak_or_odd() {
    let mut even = modulus(256);
    even[255] = 0x42;
    let mut padded = modulus(257);
    padded[0] = 0;
    for (n, e) in [
        (modulus(128), &[1, 0, 1][..]),
        (modulus(255), &[1, 0, 1]),
        (modulus(513), &[1, 0, 1]),
        (modulus(256), &[3]),
        (modulus(256), &[1]),
        (modulus(256), &[0, 1, 0, 1]),
        (even, &[1, 0, 1]),
        (padded, &[1, 0, 1]),
    ] {
        assert_eq!(parse(&[rsa(&n, e)]), Err(JwksError::Empty), "{} {e:?}", n.len());
    }
}

#[test]
fn refuses_what_is_no_set() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "<html>", r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(KeySet::parse(text.as_bytes()), Err(JwksError::Form), "{text}");
    }
    assert_eq!(parse(&[]), Err(JwksError::Empty));
    let many: Vec<Value> = (0..=MOST_KEYS).map(|number| changed("kid", json!(number.to_string()))).collect();
    assert_eq!(parse(&many), Err(JwksError::Many));
    assert_eq!(KeySet::parse(&vec![b' '; MOST_JWKS_BYTES + 1]), Err(JwksError::TooLong));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(KeySet::parse(&bytes));
    }
}
