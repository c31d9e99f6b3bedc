//! Tokens.

use brevet_core::oidc::{IdentityError, JwtError, MOST_JWT_BYTES, UnverifiedJwt};
use brevet_core::rules::document::Pattern;
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, NOW, check, check_at, claims, header, signed, signed_p256, signed_text, spec};

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn refused(claims: &Value) -> IdentityError {
    check(&signed(&header(), claims)).unwrap_err()
}

#[track_caller]
fn malformed(token: &str, error: JwtError) {
    assert_eq!(UnverifiedJwt::parse(token).map(|_| ()), Err(error), "{token}");
}

#[test]
fn a_good_token_is_an_identity() {
    let identity = check(&signed(&header(), &claims())).unwrap();
    assert_eq!((identity.issuer(), identity.token_id()), ("github", Some("6f3c")));
    assert_eq!(identity.claims().text("run_id"), Some("1234"));
    assert_eq!(identity.until().unix(), NOW + 360);
    check(&signed_p256(&json!({ "alg": "ES256", "kid": "two" }), &claims())).unwrap();
    check(&signed(&json!({ "alg": "Ed25519", "kid": "one" }), &with("aud", json!([AUDIENCE])))).unwrap();
}

#[test]
fn refuses_none_and_every_algorithm_that_is_not_on_the_list() {
    for algorithm in
        ["none", "nOnE", "NONE", "", "HS256", "hs256", "RS256 ", "rs256", "ES384", "PS256", "eddsa"]
    {
        malformed(&signed(&json!({ "alg": algorithm, "kid": "one" }), &claims()), JwtError::Algorithm);
    }
    for header in [json!({}), json!({ "alg": null }), json!({ "alg": ["EdDSA"] }), json!({ "alg": 1 })] {
        let token = signed(&header, &claims());
        assert!(
            matches!(UnverifiedJwt::parse(&token), Err(JwtError::Algorithm | JwtError::Header)),
            "{header}"
        );
    }
    // Known, and not the issuer's.
    let mut only_p256 = spec();
    only_p256.algorithms.remove(1);
    assert_eq!(check_at(&signed(&header(), &claims()), &only_p256, NOW), Err(IdentityError::Algorithm));
    // Known, and not the key's.
    let other_key = signed(&json!({ "alg": "EdDSA", "kid": "two" }), &claims());
    assert_eq!(check(&other_key), Err(IdentityError::Algorithm));
}

#[test]
fn an_empty_signature_is_none() {
    let token = signed(&header(), &claims());
    let (rest, _) = token.rsplit_once('.').unwrap();
    malformed(&format!("{rest}."), JwtError::Form);
    malformed(rest, JwtError::Form);
    malformed(&format!("{rest}.AAAA"), JwtError::Signature);
}

#[test]
fn keys_in_the_header_are_never_used_and_extensions_are_refused() {
    for name in ["crit", "zip", "enc", "b64"] {
        let mut header = header();
        header[name] = json!(["exp"]);
        malformed(&signed(&header, &claims()), JwtError::Critical);
    }
    for (name, value) in [
        ("jwk", crate::issuer::ed25519_jwk()),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/keys")),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut header = json!({ "alg": "EdDSA", "kid": "three" });
        header[name] = value;
        assert_eq!(check(&signed(&header, &claims())), Err(IdentityError::Key), "{name}");
    }
}

#[test]
fn a_key_id_is_only_compared() {
    for kid in ["../one", "one\0", "ONE", " one", "*", "http://x/"] {
        let token = signed(&json!({ "alg": "EdDSA", "kid": kid }), &claims());
        assert_eq!(check(&token), Err(IdentityError::Key), "{kid:?}");
    }
    for kid in [json!(""), json!("x".repeat(257))] {
        malformed(&signed(&json!({ "alg": "EdDSA", "kid": kid }), &claims()), JwtError::Kid);
    }
    malformed(&signed(&json!({ "alg": "EdDSA", "kid": 1 }), &claims()), JwtError::Header);
    // Without one, the only key of its kind is meant.
    check(&signed(&json!({ "alg": "EdDSA" }), &claims())).unwrap();
}

#[test]
fn another_type_of_token_is_no_identity() {
    for typ in ["at+jwt", "JWS", "secevent+jwt", ""] {
        let token = signed(&json!({ "alg": "EdDSA", "kid": "one", "typ": typ }), &claims());
        assert_eq!(check(&token), Err(IdentityError::Type), "{typ:?}");
    }
    let mut wanted = spec();
    wanted.typ = Some("at+jwt".to_owned());
    assert_eq!(check_at(&signed(&header(), &claims()), &wanted, NOW), Err(IdentityError::Type));
    let typed = signed(&json!({ "alg": "EdDSA", "kid": "one", "typ": "at+jwt" }), &claims());
    check_at(&typed, &wanted, NOW).unwrap();
}

#[test]
fn every_changed_letter_breaks_it() {
    let token = signed(&header(), &claims());
    let payload = token.find('.').unwrap() + 1;
    for at in (0..token.len()).step_by(7).chain([payload, token.len() - 1]) {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if let Ok(jwt) = UnverifiedJwt::parse(&changed) {
            let outcome = pollster::block_on(jwt.check_signature(
                &spec(),
                &crate::issuer::keys(),
                &crate::native::Native,
            ));
            assert!(outcome.is_err(), "letter {at}");
        }
    }
}

#[test]
fn the_form_is_exact() {
    let token = signed(&header(), &claims());
    let [head, body, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for wrong in [
        format!("{token}.x"),
        format!("{token}."),
        format!(".{token}"),
        format!("{head}.{body}"),
        String::new(),
        "..".to_owned(),
        format!("{head}..{signature}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        token.replace(head, &format!("{head}=")),
        token.replace(body, &body.replace('a', "+")),
        format!("{head}.{}.{signature}", BASE64URL.encode(b"{}")),
        format!("{head}.{}.{signature}", "e"),
    ] {
        malformed(&wrong, JwtError::Form);
    }
    malformed(&"a".repeat(MOST_JWT_BYTES + 1), JwtError::TooLong);
}

#[test]
fn a_member_that_is_there_twice_is_there_for_two_readers() {
    let text = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let good = text(&header().to_string());
    for payload in [r#"{"iss":"a","iss":"b"}"#, "[]", "1", "{", r#"{"iss":"a"} x"#] {
        malformed(&signed_text(&good, &text(payload)), JwtError::Payload);
    }
    for head in [r#"{"alg":"EdDSA","alg":"none"}"#, "[]", "null"] {
        malformed(&signed_text(&text(head), &text("{}")), JwtError::Header);
    }
}

#[test]
fn the_issuer_is_one_text_and_exactly_the_rules() {
    for issuer in [json!(["https://token.actions.githubusercontent.com"]), json!(1), json!(null), json!({})] {
        malformed(&signed(&header(), &with("iss", issuer)), JwtError::Issuer);
    }
    malformed(&signed(&header(), &without("iss")), JwtError::Issuer);
    let url = spec().url;
    for issuer in [
        format!("{url}/"),
        format!("{url}.evil.example"),
        format!("{url}/other-enterprise"),
        url.replace("https", "http"),
        url.to_uppercase(),
    ] {
        assert_eq!(refused(&with("iss", json!(issuer))), IdentityError::Issuer, "{issuer}");
    }
}

#[test]
fn the_audience_is_exactly_ours_and_nobody_elses() {
    for audience in [
        json!("https://github.com/octo-org"),
        json!(format!("{AUDIENCE}/")),
        json!("https://brevet.example.co"),
        json!([AUDIENCE, "other"]),
        json!([]),
        json!([[AUDIENCE]]),
        json!([1]),
    ] {
        assert_eq!(refused(&with("aud", audience.clone())), IdentityError::Audience, "{audience}");
    }
    for audience in [json!(1), json!(null), json!({})] {
        assert_eq!(refused(&with("aud", audience)), IdentityError::Claim("aud"));
    }
    assert_eq!(refused(&without("aud")), IdentityError::Claim("aud"));
}

#[test]
fn times_hold_to_the_second() {
    let at = |offset: i64| check_at(&signed(&header(), &claims()), &spec(), NOW + offset);
    assert!(at(300 + 59).is_ok());
    assert_eq!(at(300 + 60), Err(IdentityError::Expired));
    assert!(at(-60).is_ok());
    assert_eq!(at(-61), Err(IdentityError::Future));
    let late = with("nbf", json!(NOW + 60));
    assert!(check(&signed(&header(), &late)).is_ok());
    assert_eq!(refused(&with("nbf", json!(NOW + 61))), IdentityError::NotYet);
    assert!(check(&signed(&header(), &without("nbf"))).is_ok());
    assert!(check(&signed(&header(), &with("exp", json!(NOW + 3_600)))).is_ok());
    assert_eq!(refused(&with("exp", json!(NOW + 3_601))), IdentityError::Lifetime);
    assert_eq!(refused(&with("iat", json!(NOW + 300))), IdentityError::Future);
    let mut backwards = with("iat", json!(NOW - 10));
    backwards["exp"] = json!(NOW - 10);
    assert_eq!(check(&signed(&header(), &backwards)), Err(IdentityError::Lifetime));
}

#[test]
fn times_are_whole_numbers_and_there() {
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1795392300"),
            json!(1_795_392_300.5),
            json!(1e300),
            json!(-1e300),
            json!(i64::MAX),
            json!(null),
            json!([NOW]),
        ] {
            assert_eq!(refused(&with(name, value.clone())), IdentityError::Claim(name), "{name} {value}");
        }
    }
    for name in ["exp", "iat", "sub"] {
        assert_eq!(refused(&without(name)), IdentityError::Claim(name));
    }
    for subject in [json!(""), json!(1), json!("x".repeat(1_025))] {
        assert_eq!(refused(&with("sub", subject)), IdentityError::Claim("sub"));
    }
    assert_eq!(refused(&with("jti", json!(7))), IdentityError::Claim("jti"));
}

#[test]
fn an_identity_of_another_tenant_is_refused() {
    assert_eq!(
        refused(&with("repository_owner_id", json!("100000002"))),
        IdentityError::Pin("repository_owner_id".to_owned())
    );
    assert_eq!(
        refused(&without("repository_owner_id")),
        IdentityError::Pin("repository_owner_id".to_owned())
    );
    // The name without the id says nothing: it may be registered anew.
    let mut renamed = without("repository_owner_id");
    renamed["repository_owner"] = json!("octo-org");
    assert_eq!(
        check(&signed(&header(), &renamed)),
        Err(IdentityError::Pin("repository_owner_id".to_owned()))
    );
    let mut by_number = claims();
    by_number["repository_owner_id"] = json!(100_000_001);
    check(&signed(&header(), &by_number)).unwrap();
    let mut star = spec();
    star.pin = [("sub".to_owned(), Pattern::Prefix("repo:octo-org/".to_owned()))].into_iter().collect();
    let evil = signed(&header(), &with("sub", json!("repo:octo-org/app:ref:refs/heads/main")));
    assert_eq!(
        check_at(&evil, &star, NOW),
        Err(IdentityError::Pin("sub".to_owned())),
        "a star stops at a colon"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_or_is_a_token(text in "\\PC{0,200}") {
        prop_assert!(UnverifiedJwt::parse(&text).is_err());
    }

    #[test]
    fn no_parts_make_it_panic(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..5)) {
        let text = parts.iter().map(|part| BASE64URL_NOPAD.encode(part)).collect::<Vec<_>>().join(".");
        drop(UnverifiedJwt::parse(&text));
    }
}
