//! `[endpoint.NAME]`.

use super::*;
use crate::rules::document::EndpointRule;

fn with_endpoint(change: &Value) -> Value {
    let mut endpoint = json!({ "url": "https://siem.example/brevet", "secrets": ["HOOK_SIEM"] });
    for (name, value) in change.as_object().unwrap() {
        endpoint[name] = value.clone();
    }
    with("/endpoint", json!({ "siem": endpoint }))
}

fn read_one(change: &Value) -> EndpointRule {
    let document = read(&with_endpoint(change)).unwrap_or_else(|findings| panic!("{findings:#?}"));
    document.endpoints.into_iter().find(|rule| rule.name == "siem").unwrap()
}

#[test]
fn reads_what_an_endpoint_says_and_what_it_leaves_out() {
    let rule = read_one(&json!({}));
    assert_eq!((rule.url.as_str(), rule.plain, rule.enabled), ("https://siem.example/brevet", false, true));
    assert_eq!(rule.secrets, ["HOOK_SIEM"]);
    assert!(
        rule.events.is_empty()
            && rule.grants.is_empty()
            && rule.templates.is_empty()
            && rule.accounts.is_empty()
    );
    let rule = read_one(&json!({
        "secrets": ["HOOK_SIEM", "HOOK_SIEM_2"], "events": ["lease.granted", "freeze.set"], "grants": ["purge"],
        "templates": ["cache-purge", "dns"], "accounts": ["a0000000000000000000000000000002", "main"], "enabled": false,
    }));
    assert_eq!((rule.secrets.len(), rule.enabled), (2, false));
    assert_eq!(rule.events, ["lease.granted", "freeze.set"]);
    assert_eq!((rule.grants.as_slice(), rule.templates.len()), (["purge".to_owned()].as_slice(), 2));
    assert_eq!(rule.accounts, ["apps", "main"]);
    assert_eq!(warnings(&with_endpoint(&json!({}))), []);
}

#[test]
fn refuses_an_endpoint_in_a_private_place() {
    let at = "/endpoint/siem/url";
    for url in [
        "https://10.0.0.1/x",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.1",
        "https://a.0x7f000001",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1",
        "https://203.0.113.9",
        "https://[::1]/",
        "https://[fd00::1]",
        "https://[2001:db8::1]",
        "https://localhost/x",
        "https://a.localhost",
        "https://siem",
        "https://siem.local",
        "https://siem.internal",
        "https://siem.corp",
        "https://1.0.0.127.in-addr.arpa",
    ] {
        let told = refused(&with_endpoint(&json!({ "url": url })));
        assert_eq!(told, one(at, Problem::Url(UrlProblem::Private)), "{url}");
    }
    for (url, problem) in [
        ("http://siem.example", UrlProblem::Scheme),
        ("http://10.0.0.1", UrlProblem::Scheme),
        ("http://127.0.0.1.evil.example", UrlProblem::Scheme),
        ("ftp://siem.example", UrlProblem::Scheme),
        ("https://user@siem.example", UrlProblem::UserInfo),
        ("https://user:pass@siem.example", UrlProblem::UserInfo),
        ("https://siem.example:8443/x", UrlProblem::OtherPort),
        ("https://siem.example:443", UrlProblem::OtherPort),
        ("https://siem.example:22", UrlProblem::OtherPort),
        ("https://siem.example:x", UrlProblem::Port),
        ("https://siem.example/?token=x", UrlProblem::Tail),
        ("https://siem.example/#x", UrlProblem::Tail),
        ("https://siem.example/a\r\nhost: x", UrlProblem::Tail),
        ("https://siem.example./x", UrlProblem::Host),
        ("https://SIEM.example", UrlProblem::Host),
        ("https://brevet.zone.example/hooks/x", UrlProblem::Own),
    ] {
        let told = refused(&with_endpoint(&json!({ "url": url })));
        assert_eq!(told, one(at, Problem::Url(problem)), "{url:?}");
    }
}

#[test]
fn takes_plain_http_on_loopback_for_development_alone() {
    for url in ["http://127.0.0.1:9999/in", "http://localhost:9999", "http://[::1]:9999/in"] {
        let rules = with_endpoint(&json!({ "url": url }));
        assert_eq!(refused(&rules), [], "{url}");
        assert_eq!(warnings(&rules), one("/endpoint/siem/url", Problem::PlainHttp), "{url}");
    }
}

#[test]
fn refuses_secrets_that_are_no_keys_of_webhooks() {
    for name in [
        "BREVET_PEPPER",
        "BREVET_OPERATOR_SECRET",
        "CLOUDFLARE_A",
        "DEST_X",
        "HOOK_",
        "hook_x",
        "HOOK_a",
        "whsec_x",
        "",
    ] {
        let told = refused(&with_endpoint(&json!({ "secrets": ["HOOK_SIEM", name] })));
        let problem = Problem::SecretName { prefix: "HOOK_" };
        assert_eq!(told, one("/endpoint/siem/secrets/1", problem), "{name}");
    }
    for (secrets, problem) in [
        (json!([]), Problem::Empty),
        (json!(["HOOK_A", "HOOK_B", "HOOK_C", "HOOK_D"]), Problem::TooMany { found: 4, most: 3 }),
        (json!("HOOK_A"), Problem::WrongKind { expected: Kind::List, found: Kind::Text }),
    ] {
        assert_eq!(
            refused(&with_endpoint(&json!({ "secrets": secrets }))),
            one("/endpoint/siem/secrets", problem)
        );
    }
    let told = refused(&with_endpoint(&json!({ "secrets": ["HOOK_A", "HOOK_A"] })));
    let first = "/endpoint/siem/secrets/0".to_owned();
    assert_eq!(told, one("/endpoint/siem/secrets/1", Problem::Duplicate { first }));
}

#[test]
fn a_key_signs_for_one_endpoint_and_for_no_hook() {
    let mut rules = with_endpoint(&json!({ "secrets": ["HOOK_OTHER", "HOOK_SIEM"] }));
    set(&mut rules, "/endpoint/chat", json!({ "url": "https://chat.example", "secrets": ["HOOK_SIEM"] }));
    let told = refused(&rules);
    let shared =
        |pointer: &str, first: &str| (pointer.to_owned(), Problem::SharedSecret { first: first.to_owned() });
    assert_eq!(
        told,
        [
            shared("/endpoint/chat/secrets/0", "/endpoint/siem/secrets/1"),
            shared("/endpoint/siem/secrets/1", "/endpoint/chat/secrets/0"),
        ]
    );
    let mut rules = with_endpoint(&json!({}));
    set(&mut rules, "/hook", json!({ "github": { "secrets": ["HOOK_GITHUB", "HOOK_SIEM"] } }));
    assert!(refused(&rules).contains(&shared("/endpoint/siem/secrets/0", "/hook/github/secrets/1")));
}

#[test]
fn refuses_filters_that_name_nothing() {
    let unknown =
        |section, name: &str| Problem::Dangling { section, name: name.to_owned(), suggestion: None };
    for (member, problem) in [
        ("grants", unknown(Section::Grant, "zzzzzzz")),
        ("templates", unknown(Section::Template, "zzzzzzz")),
        ("accounts", unknown(Section::Account, "zzzzzzz")),
    ] {
        let told = refused(&with_endpoint(&json!({ member: ["zzzzzzz"] })));
        assert_eq!(told, one(&format!("/endpoint/siem/{member}/0"), problem));
        assert_eq!(
            refused(&with_endpoint(&json!({ member: [] }))),
            one(&format!("/endpoint/siem/{member}"), Problem::Empty)
        );
    }
    let told = refused(&with_endpoint(&json!({ "events": ["lease.grantd"] })));
    let [(at, Problem::NotOneOf { suggestion, .. })] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((at.as_str(), suggestion.as_deref()), ("/endpoint/siem/events/0", Some("lease.granted")));
    // A hook's word of the journal is none here.
    assert_eq!(refused(&with_endpoint(&json!({ "events": ["created"] }))).len(), 1);
}

#[test]
fn refuses_what_it_does_not_know_and_what_is_missing() {
    let told = refused(&with_endpoint(&json!({ "secret": "HOOK_X" })));
    let problem = Problem::UnknownField { name: "secret".to_owned(), suggestion: Some("secrets".to_owned()) };
    assert_eq!(told, one("/endpoint/siem/secret", problem));
    for name in ["url", "secrets"] {
        let mut rules = with_endpoint(&json!({}));
        rules["endpoint"]["siem"].as_object_mut().unwrap().remove(name);
        assert_eq!(refused(&rules), one("/endpoint/siem", Problem::Missing { name }));
    }
    let mut rules = with_endpoint(&json!({}));
    for number in 0..20 {
        let name = format!("HOOK_N{number}");
        set(
            &mut rules,
            &format!("/endpoint/n{number}"),
            json!({ "url": "https://a.example", "secrets": [name] }),
        );
    }
    assert_eq!(refused(&rules), one("/endpoint", Problem::TooMany { found: 21, most: 20 }));
}
