//! An issuer in the hands of a test.

use brevet_core::oidc::{Algorithm, IdentityError, IssuerSpec, KeySet, UnverifiedJwt, VerifiedIdentity};
use brevet_core::rules::document::Pattern;
use brevet_core::time::{Seconds, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::native::Native;

pub(crate) const NOW: i64 = 1_795_392_000;
pub(crate) const URL: &str = "https://token.actions.githubusercontent.com";
pub(crate) const AUDIENCE: &str = "https://brevet.example.com";

pub(crate) fn spec() -> IssuerSpec {
    IssuerSpec {
        name: "github".to_owned(),
        url: URL.to_owned(),
        plain: false,
        audiences: vec![AUDIENCE.to_owned()],
        algorithms: vec![Algorithm::Es256, Algorithm::Ed25519],
        jwks_uri: None,
        typ: None,
        max_lifetime: Seconds::of(3_600),
        pin: [("repository_owner_id".to_owned(), Pattern::Exactly("100000001".to_owned()))]
            .into_iter()
            .collect(),
    }
}

/// What a job on the main branch says.
pub(crate) fn claims() -> Value {
    json!({
        "iss": URL, "aud": AUDIENCE, "sub": "repo:octo-org/app:ref:refs/heads/main", "jti": "6f3c",
        "iat": NOW, "nbf": NOW - 600, "exp": NOW + 300,
        "repository_id": "200000003", "repository_owner_id": "100000001", "ref": "refs/heads/main",
        "event_name": "push", "run_id": 1_234,
    })
}

fn encode(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

pub(crate) fn ed25519() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn p256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
}

/// A token with this header and these claims, signed with the Ed25519 key.
pub(crate) fn signed(header: &Value, claims: &Value) -> String {
    signed_text(&encode(header), &encode(claims))
}

pub(crate) fn signed_text(header: &str, claims: &str) -> String {
    let signed = format!("{header}.{claims}");
    let signature = ed25519().sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

pub(crate) fn signed_p256(header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature: p256::ecdsa::Signature = p256_key().sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

pub(crate) fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": "one", "typ": "JWT" })
}

pub(crate) fn ed25519_jwk() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig", "x": BASE64URL_NOPAD.encode(ed25519().verifying_key().as_bytes()) })
}

pub(crate) fn p256_jwk() -> Value {
    let point = p256_key().verifying_key().to_encoded_point(false);
    json!({
        "kty": "EC", "crv": "P-256", "kid": "two", "alg": "ES256",
        "x": BASE64URL_NOPAD.encode(point.x().unwrap()), "y": BASE64URL_NOPAD.encode(point.y().unwrap()),
    })
}

pub(crate) fn keys() -> KeySet {
    KeySet::parse(json!({ "keys": [ed25519_jwk(), p256_jwk()] }).to_string().as_bytes()).unwrap()
}

/// The whole pipeline.
pub(crate) fn check_at(token: &str, spec: &IssuerSpec, now: i64) -> Result<VerifiedIdentity, IdentityError> {
    let jwt = UnverifiedJwt::parse(token).unwrap_or_else(|error| panic!("{error}: {token}"));
    let signed = pollster::block_on(jwt.check_signature(spec, &keys(), &Native))?;
    signed.check(spec, Timestamp::from_unix(now).unwrap())
}

pub(crate) fn check(token: &str) -> Result<VerifiedIdentity, IdentityError> {
    check_at(token, &spec(), NOW)
}
