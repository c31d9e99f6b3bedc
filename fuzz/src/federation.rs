//! What must hold of identity tokens, key sets and forms.

use brevet_core::form::{Form, MOST_FIELDS};
use brevet_core::json;
use brevet_core::oidc::{
    Algorithm, IssuerSpec, KeySet, LONGEST_KID, MOST_CLAIMS, MOST_JWKS_BYTES, MOST_JWT_BYTES, MOST_KEYS,
    UnverifiedJwt,
};
use brevet_core::rules::document::Pattern;
use brevet_core::time::Seconds;
use serde_json::Value;

use super::now;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "https://brevet.example.com";
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Ed25519];

fn issuer() -> IssuerSpec {
    IssuerSpec {
        name: "github".to_owned(),
        url: ISSUER.to_owned(),
        plain: false,
        audiences: vec![AUDIENCE.to_owned()],
        algorithms: ALGORITHMS.to_vec(),
        jwks_uri: None,
        typ: None,
        max_lifetime: Seconds::of(3_600),
        pin: [("repository_owner_id".to_owned(), Pattern::Exactly("100000001".to_owned()))]
            .into_iter()
            .collect(),
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            text.push(char::from(ALPHABET[index]));
        }
    }
    text
}

/// A token is taken apart as it stands and as three lines that are encoded first. What is taken has one reading, and what
/// would pass all checks but the signature's says what the issuer's rule wants.
pub fn jwt(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && UnverifiedJwt::parse(text).is_ok()
    {
        assert!(text.len() <= MOST_JWT_BYTES, "too long");
        assert_eq!(text.matches('.').count(), 2, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
    }
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(header), Some(payload), Some(signature)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let text = format!("{}.{}.{}", base64url(header), base64url(payload), base64url(signature));
    let Ok(jwt) = UnverifiedJwt::parse(&text) else { return };
    let read = |part: &[u8]| serde_json::from_slice::<Value>(part).expect("strict is stricter");
    let (header, payload) = (read(header), read(payload));
    let algorithm = header["alg"].as_str().expect("a text");
    assert!(["RS256", "ES256", "Ed25519", "EdDSA"].contains(&algorithm), "{algorithm}");
    for name in ["crit", "zip", "enc", "b64"] {
        assert!(header.get(name).is_none(), "{name}");
    }
    assert_eq!(jwt.claimed_kid(), header.get("kid").and_then(Value::as_str));
    assert!(jwt.claimed_kid().is_none_or(|kid| (1..=LONGEST_KID).contains(&kid.len())));
    assert_eq!(Some(jwt.claimed_issuer()), payload["iss"].as_str());
    assert!(jwt.claimed().iter().count() <= MOST_CLAIMS);
    assert!(algorithm == "RS256" || signature.len() == 64, "{}", signature.len());
    if jwt.trouble(&issuer(), now()).is_none() {
        let number = |name: &str| payload[name].as_i64().expect("a whole number");
        let (until, from, present) = (number("exp"), number("iat"), now().unix());
        assert!(until > from && until - from <= 3_600 && until + 60 > present && from - 60 <= present);
        assert!(payload["aud"] == AUDIENCE || payload["aud"] == serde_json::json!([AUDIENCE]));
        assert_eq!((payload["iss"].as_str(), payload["sub"].is_string()), (Some(ISSUER), true));
        assert_eq!(jwt.claimed().text("repository_owner_id"), Some("100000001"));
    }
}

/// Whether a token would pass all checks but the signature's: a seed that is refused at the door leads nowhere.
pub fn passes(data: &[u8]) -> bool {
    let lines: Vec<&[u8]> = data.splitn(3, |byte| *byte == b'\n').collect();
    let [header, payload, signature] = lines.as_slice() else { return false };
    let text = format!("{}.{}.{}", base64url(header), base64url(payload), base64url(signature));
    UnverifiedJwt::parse(&text).is_ok_and(|jwt| jwt.trouble(&issuer(), now()).is_none())
}

/// A key set is taken whole or not at all; each key is for one algorithm, reads back as it was written, and has the length
/// that belongs to it.
pub fn jwks(data: &[u8]) {
    let Ok(set) = KeySet::parse(data) else { return };
    assert!(data.len() <= MOST_JWKS_BYTES, "too long");
    let read = serde_json::from_slice::<Value>(data).expect("strict is stricter");
    let keys = read["keys"].as_array().expect("a list");
    assert!(keys.len() <= MOST_KEYS, "{}", keys.len());
    assert!(keys.iter().all(|key| key["kty"] != "oct" && key.get("k").is_none() && key.get("d").is_none()));
    let mut ids: Vec<&str> = keys.iter().filter_map(|key| key["kid"].as_str()).collect();
    for id in &ids {
        let fitting: Vec<_> =
            ALGORITHMS.iter().filter_map(|algorithm| set.choose(Some(id), *algorithm).ok()).collect();
        assert_eq!((fitting.len(), set.has(id)), (usize::from(set.has(id)), !fitting.is_empty()));
        for key in fitting {
            let jwk = key.jwk();
            assert!(json::read_object(jwk.as_bytes()).is_ok(), "{jwk}");
            let again = KeySet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes()).expect("what was written");
            assert_eq!(
                again.choose(None, key.algorithm()).map(|again| again.material.clone()),
                Ok(key.material.clone())
            );
            let length = serde_json::from_str::<Value>(jwk).expect("JSON")["n"].as_str().map_or(0, str::len);
            assert!(length == 0 || (342..=683).contains(&length), "{length}");
        }
    }
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an id twice");
}

/// Undoes percent-encoding, in another way than the reader does.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(part[2..].replace('+', " ").as_bytes());
    }
    String::from_utf8(bytes).expect("text")
}

/// A form that is taken has each field once and with a value, and no control characters anywhere.
pub fn form(data: &[u8]) {
    let Ok(form) = Form::read(data, "resource") else { return };
    let text = std::str::from_utf8(data).expect("text");
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| {
            pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value))).expect("a pair")
        })
        .collect();
    assert!(pairs.len() <= MOST_FIELDS, "{}", pairs.len());
    for (name, value) in &pairs {
        assert!(!name.is_empty() && !value.is_empty(), "{text}");
        assert!(!name.chars().chain(value.chars()).any(char::is_control), "{text}");
        let same: Vec<&str> =
            pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect();
        assert!(same.len() == 1 || name == "resource", "{text}");
        assert_eq!(
            (form.all(name).collect::<Vec<_>>(), form.get(name)),
            (same.clone(), same.first().copied())
        );
    }
    assert_eq!(form.get("no field of this name"), None);
}
