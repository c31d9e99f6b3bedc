use super::*;
use crate::bearer::Bearer;
use crate::secret::{Secret, SecretDigest};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

const CLIENT: &str = "brvc_0123456789012345678901234567890123456789012";
const OPERATOR: &str = "brvo_0123456789012345678901234567890123456789012";
const ROOT_SECRET: &str = "brvo_9999999999999999999999999999999999999999999";

fn hex(secret: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

fn bearer(text: &str) -> Bearer {
    Bearer::sort(Secret::new(text.to_owned()), true).unwrap()
}

fn with_secrets() -> Value {
    let mut rules = rules(json!({}));
    rules["client"]["ci"]["secret_sha256"] = json!([digest(1), hex(CLIENT)]);
    rules["operator"]["rita"]["secret_sha256"] = json!([hex(OPERATOR)]);
    rules
}

fn presented(address: Option<&str>) -> Presented {
    Presented { address: address.map(|text| text.parse().unwrap()), now: now(), development: false }
}

fn try_in(rules: &Value, text: &str, presented: &Presented) -> Result<Caller, AuthError> {
    let root = Secret::new(ROOT_SECRET.to_owned());
    compiled(rules).authenticate(&bearer(text), presented, Some(&root))
}

#[test]
fn refuses_secrets_that_nobody_has() {
    let rules = with_secrets();
    let refused = |text| try_in(&rules, text, &presented(None));
    assert_eq!(refused("brvc_1111111111111111111111111111111111111111111"), Err(AuthError::UnknownClient));
    assert_eq!(refused("brvo_1111111111111111111111111111111111111111111"), Err(AuthError::UnknownOperator));
}

#[test]
fn refuses_what_is_no_credential_of_brevet() {
    let rules = with_secrets();
    let refused = |text| try_in(&rules, text, &presented(None));
    assert_eq!(refused("aa.bb.cc"), Err(AuthError::Workload));
    assert_eq!(refused("cfut_1111111111111111111111111111111111111111111"), Err(AuthError::CloudflareToken));
    assert_eq!(refused("dev-secret"), Err(AuthError::Unknown));
}

#[test]
fn refuses_a_digest_of_the_rules_under_the_other_kind_of_secret() {
    // A client's digest in an operator's rule does not make the client an operator.
    let mut rules = with_secrets();
    rules["client"]["ci"]["secret_sha256"] = json!([digest(1)]);
    rules["operator"]["rita"]["secret_sha256"] = json!([hex(CLIENT)]);
    assert_eq!(try_in(&rules, CLIENT, &presented(None)), Err(AuthError::UnknownClient));
    rules["operator"]["rita"]["secret_sha256"] = json!([digest(9)]);
    rules["client"]["ci"]["secret_sha256"] = json!([hex(OPERATOR)]);
    assert_eq!(try_in(&rules, OPERATOR, &presented(None)), Err(AuthError::UnknownOperator));
}

#[test]
fn refuses_a_client_from_the_moment_its_secrets_end() {
    let mut rules = with_secrets();
    rules["client"]["ci"]["not_after"] = json!(at(0).to_string());
    let expired = AuthError::Expired { client: "ci".to_owned(), not_after: at(0) };
    assert_eq!(try_in(&rules, CLIENT, &presented(None)), Err(expired));
    rules["client"]["ci"]["not_after"] = json!(at(1).to_string());
    assert_eq!(try_in(&rules, CLIENT, &presented(None)), Ok(ci()));
}

#[test]
fn refuses_a_client_from_elsewhere_or_from_nowhere() {
    let mut rules = with_secrets();
    rules["client"]["ci"]["from_ip"] = json!(["203.0.113.0/24", "2001:db8::/32"]);
    for address in [Some("203.0.114.1"), Some("::1"), Some("2001:db9::1"), None] {
        let parsed: Option<IpAddr> = address.map(|text| text.parse().unwrap());
        let refused = AuthError::Address { client: "ci".to_owned(), address: parsed };
        assert_eq!(try_in(&rules, CLIENT, &presented(address)), Err(refused));
    }
    // The third is the first in the dress of IPv6.
    for address in ["203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"] {
        assert_eq!(try_in(&rules, CLIENT, &presented(Some(address))), Ok(ci()), "{address}");
    }
}

#[test]
fn takes_each_secret_of_a_client_and_an_operator() {
    let rules = with_secrets();
    assert_eq!(try_in(&rules, CLIENT, &presented(Some("192.0.2.1"))), Ok(ci()));
    let rita =
        Caller::Operator { name: "rita".to_owned(), powers: Powers { read: true, ..Powers::default() } };
    assert_eq!(try_in(&rules, OPERATOR, &presented(None)), Ok(rita));
}

#[test]
fn takes_the_root_operator() {
    let root = try_in(&with_secrets(), ROOT_SECRET, &presented(None)).unwrap();
    assert_eq!(root, Caller::root());
    assert!(root.is_root() && root.is_operator());
    assert_eq!((root.powers(), root.label(), root.owner().as_str()), (Powers::ALL, "root", "operator:root"));
}

#[test]
fn without_a_root_secret_there_is_no_root() {
    let policy = compiled(&with_secrets());
    for root in [None, Some(Secret::new(String::new()))] {
        let refused = policy.authenticate(&bearer(ROOT_SECRET), &presented(None), root.as_ref());
        assert_eq!(refused, Err(AuthError::UnknownOperator));
    }
}

#[test]
fn a_root_secret_of_another_form_counts_in_development_mode_only() {
    let policy = compiled(&with_secrets());
    for text in ["dev-secret", CLIENT, "aa.bb.cc", "1234567890123456789012345678901234567890"] {
        let root = Secret::new(text.to_owned());
        let development = Presented { development: true, ..presented(None) };
        assert_eq!(
            policy.authenticate(&bearer(text), &development, Some(&root)),
            Ok(Caller::root()),
            "{text}"
        );
        // Outside development mode the same text is at most what its form says.
        let outside = policy.authenticate(&bearer(text), &presented(None), Some(&root));
        assert_ne!(outside, Ok(Caller::root()), "{text}");
        assert_eq!(authenticate_root(&bearer(text), true, Some(&root)), Ok(Caller::root()));
        assert!(authenticate_root(&bearer(text), false, Some(&root)).is_err());
    }
}

#[test]
fn only_root_is_taken_while_no_rules_are_loaded() {
    let root = Secret::new(ROOT_SECRET.to_owned());
    assert_eq!(authenticate_root(&bearer(OPERATOR), false, Some(&root)), Err(AuthError::UnknownOperator));
    assert_eq!(authenticate_root(&bearer(CLIENT), true, Some(&root)), Err(AuthError::UnknownClient));
    assert_eq!(authenticate_root(&bearer(ROOT_SECRET), false, Some(&root)), Ok(Caller::root()));
}

#[test]
fn finds_every_secret_of_many() {
    let mut rules = rules(json!({}));
    for n in 0..1000 {
        let secret = format!("brvc_{n:043}");
        rules["client"][format!("c{n}")] = json!({ "secret_sha256": [hex(&secret)] });
    }
    let without_first = rules["client"].as_object_mut().unwrap();
    without_first.remove("ci");
    without_first.remove("other");
    let policy = compiled(&rules);
    for n in 0..1000 {
        let found = policy.authenticate(&bearer(&format!("brvc_{n:043}")), &presented(None), None);
        assert_eq!(found, Ok(Caller::Client { name: format!("c{n}") }));
    }
    let unknown = policy.authenticate(&bearer(&format!("brvc_{:043}", 1000)), &presented(None), None);
    assert_eq!(unknown, Err(AuthError::UnknownClient));
}

#[test]
fn callers_tell_who_they_are() {
    assert_eq!((ci().owner().as_str(), ci().label(), ci().powers()), ("client:ci", "ci", Powers::default()));
    assert!(!ci().is_operator() && !ci().is_root());
    let client = Caller::Client { name: "root".to_owned() };
    assert!(!client.is_root());
    let named = Caller::Operator { name: "alice".to_owned(), powers: Powers::ALL };
    assert!(!named.is_root());
}

#[test]
fn the_log_learns_why_and_no_secret() {
    let reasons = [
        (AuthError::UnknownClient, "no client has this secret"),
        (AuthError::UnknownOperator, "no operator has this secret"),
        (
            AuthError::Expired { client: "ci".to_owned(), not_after: at(0) },
            "the secrets of client ci ended at 2026-11-01T00:00:00Z",
        ),
        (
            AuthError::Address { client: "ci".to_owned(), address: Some("::1".parse().unwrap()) },
            "client ci may not call from ::1",
        ),
        (
            AuthError::Address { client: "ci".to_owned(), address: None },
            "client ci may call from some addresses only, and this call's is not known",
        ),
        (AuthError::Workload, "a workload's identity is no secret of a client or an operator"),
        (AuthError::CloudflareToken, "a Cloudflare token is no credential of Brevet"),
        (AuthError::Unknown, "the credential has no known form and is not the root operator's"),
    ];
    for (reason, text) in reasons {
        assert_eq!(reason.to_string(), text);
    }
    let policy = compiled(&with_secrets());
    assert!(!format!("{policy:?}").contains(&hex(CLIENT)));
    assert!(SecretDigest::from_hex(&hex(CLIENT)).is_some());
}
