//! What each section asks of its own fields.

use super::*;
use crate::catalogue::Scope;
use crate::condition::ConditionFault;
use crate::id::IdError;
use crate::rules::document::Powers;
use crate::time::{TimeError, Timestamp};

fn bad_id() -> Problem {
    Problem::Id(IdError::Length { found: 1, expected: 32 })
}

pub(super) fn dangling(section: Section, name: &str, suggestion: Option<&str>) -> Problem {
    Problem::Dangling { section, name: name.to_owned(), suggestion: suggestion.map(str::to_owned) }
}

pub(super) fn document_of(rules: &Value) -> Document {
    read(rules).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

#[test]
fn refuses_ids_that_are_none() {
    for pointer in ["/account/main/id", "/account/me/id", "/zone/zone.example/id", "/group/new/id"] {
        let told = refused(&with(pointer, json!("x")));
        assert!(told.contains(&(pointer.to_owned(), bad_id())), "{pointer}: {told:?}");
        let upper = json!("A0000000000000000000000000000001");
        let problem = Problem::Id(IdError::Character { at: 0 });
        assert!(refused(&with(pointer, upper)).contains(&(pointer.to_owned(), problem)), "{pointer}");
    }
    // Of an unknown family too.
    let mut rules = with("/account/me/id", json!("x"));
    set(&mut rules, "/account/me/family", json!("x"));
    let told = refused(&rules);
    assert!(told.contains(&("/account/me/id".to_owned(), bad_id())), "{told:?}");
}

#[test]
fn refuses_names_with_other_letters() {
    for section in ["account", "group", "template", "operator", "issuer", "client", "grant"] {
        let entry = rules()[section].as_object().unwrap().values().next_back().unwrap().clone();
        let pointer = format!("/{section}/Upper");
        let told = refused(&with(&pointer, entry.clone()));
        assert!(told.contains(&(pointer.clone(), Problem::Name { most: 64 })), "{section}: {told:?}");
        let pointer = format!("/{section}/{}", "0".repeat(32));
        let told = refused(&with(&pointer, entry));
        assert!(told.contains(&(pointer.clone(), Problem::NameLikeId)), "{section}: {told:?}");
    }
    let zone = json!({ "id": "c0000000000000000000000000000003", "account": "main" });
    assert_eq!(refused(&with("/zone/example", zone)), one("/zone/example", Problem::ZoneName));
    for install in ["", "Upper", "a_b", &"a".repeat(17)] {
        let told = refused(&with("/brevet/install", json!(install)));
        assert_eq!(told, one("/brevet/install", Problem::Name { most: 16 }), "{install}");
    }
    assert_eq!(refused(&with("/brevet/install", json!("a".repeat(16)))), []);
}

#[test]
fn refuses_a_url_that_is_no_origin() {
    for (url, problem) in [
        ("http://brevet.zone.example", UrlProblem::Scheme),
        ("https://brevet.zone.example/", UrlProblem::Path),
        ("https://u@brevet.zone.example", UrlProblem::UserInfo),
    ] {
        assert_eq!(
            refused(&with("/brevet/url", json!(url))),
            one("/brevet/url", Problem::Url(problem)),
            "{url}"
        );
    }
    assert_eq!(
        refused(&with("/issuer/github/url", json!("x"))),
        one("/issuer/github/url", Problem::Url(UrlProblem::Scheme))
    );
}

#[test]
fn reads_the_installation() {
    let document = document_of(&rules());
    let url = document.brevet.url.unwrap();
    assert_eq!(
        (url.text.as_str(), url.host.as_str(), url.plain),
        ("https://brevet.zone.example", "brevet.zone.example", false)
    );
    assert_eq!((document.brevet.install.as_str(), document.brevet.open_verify), ("test", true));
    assert!(!document_of(&with("/brevet/open_verify", json!(false))).brevet.open_verify);
    assert!(document_of(&without("/brevet/url")).brevet.url.is_none());
}

#[test]
fn refuses_families_and_secrets_that_are_none() {
    let problem = Problem::NotOneOf { choices: &["account", "user"], suggestion: Some("account".to_owned()) };
    let told = refused(&with("/account/main/family", json!("acount")));
    assert!(told.contains(&("/account/main/family".to_owned(), problem)), "{told:?}");
    let secret = Problem::SecretName { prefix: "CLOUDFLARE_" };
    for pointer in ["/account/main/parent", "/account/main/parent_next"] {
        for name in ["BREVET_PEPPER", "BREVET_OPERATOR_SECRET", "HOOK_X", "cfat_x", "CLOUDFLARE_API_BASE"] {
            let told = refused(&with(pointer, json!(name)));
            assert!(told.contains(&(pointer.to_owned(), secret.clone())), "{pointer} {name}");
        }
    }
    let same = with("/account/main/parent_next", json!("CLOUDFLARE_A"));
    let problem = Problem::Duplicate { first: "/account/main/parent".to_owned() };
    assert_eq!(refused(&same), one("/account/main/parent_next", problem));
    assert_eq!(refused(&with("/account/main/parent_next", json!("CLOUDFLARE_D"))), []);
}

#[test]
fn refuses_the_same_account_twice_and_a_second_user() {
    let twice = with("/account/apps/id", json!("a0000000000000000000000000000001"));
    let problem = Problem::Duplicate { first: "/account/apps/id".to_owned() };
    let told = refused(&twice);
    assert!(told.contains(&("/account/main/id".to_owned(), problem)), "{told:?}");
    let second =
        json!({ "id": "b0000000000000000000000000000002", "family": "user", "parent": "CLOUDFLARE_D" });
    let problem = Problem::SecondUser { first: "me".to_owned() };
    assert_eq!(refused(&with("/account/you", second)), one("/account/you/family", problem));
}

#[test]
fn a_user_hosts_nothing_and_has_no_zones() {
    for flag in [true, false] {
        let told = refused(&with("/account/me/hosts_brevet", json!(flag)));
        assert_eq!(told, one("/account/me/hosts_brevet", Problem::UserHostsNothing));
    }
    let told = refused(&with("/zone/zone.example/account", json!("me")));
    assert_eq!(told, one("/zone/zone.example/account", Problem::ZoneOfUser));
}

#[test]
fn reads_accounts_and_zones() {
    let document = document_of(&with("/account/main/parent_next", json!("CLOUDFLARE_D")));
    let [apps, main, me] = ["apps", "main", "me"].map(|name| document.accounts.get(name).unwrap().clone());
    assert_eq!((apps.hosts_brevet, main.hosts_brevet, me.hosts_brevet), (false, true, false));
    assert_eq!((main.parent.as_str(), main.parent_next.as_deref()), ("CLOUDFLARE_A", Some("CLOUDFLARE_D")));
    assert_eq!((apps.max_ttl.map(crate::time::Seconds::get), main.max_ttl), (Some(36_000), None));
    assert_eq!(me.owner.ledger_name(), "user:b0000000000000000000000000000001");
    assert_eq!(main.owner.ledger_name(), "account:a0000000000000000000000000000001");
    // By id, an account is known too.
    let zone = document.zones.get("shop.example").unwrap();
    assert_eq!(
        (zone.account.as_str(), zone.account_id.as_str()),
        ("apps", "a0000000000000000000000000000002")
    );
}

#[test]
fn refuses_a_zone_id_twice_and_unknown_accounts() {
    let twice = with("/zone/zone.example/id", json!("c0000000000000000000000000000002"));
    let problem = Problem::Duplicate { first: "/zone/shop.example/id".to_owned() };
    assert_eq!(refused(&twice), one("/zone/zone.example/id", problem));
    let told = refused(&with("/zone/zone.example/account", json!("mian")));
    assert_eq!(told, one("/zone/zone.example/account", dangling(Section::Account, "mian", Some("main"))));
}

#[test]
fn refuses_groups_without_name_or_scope() {
    let scopes = &["account", "zone", "user", "bucket"];
    let problem = Problem::NotOneOf { choices: scopes, suggestion: Some("account".to_owned()) };
    assert_eq!(refused(&with("/group/new/scope", json!("acount"))), one("/group/new/scope", problem));
    for name in [json!(""), json!("a\n"), json!("a".repeat(121))] {
        let told = refused(&with("/group/new/name", name));
        assert!(matches!(told.as_slice(), [(at, Problem::Group(_))] if at == "/group/new"), "{told:?}");
    }
    for (word, scope) in scopes.iter().zip(Scope::ALL) {
        let document = document_of(&with("/group/new/scope", json!(word)));
        assert_eq!(document.groups.get("new").unwrap().scope(), scope);
    }
}

#[test]
fn refuses_a_template_of_a_built_in_name_or_with_fixed_values() {
    let template = rules()["template"]["dns"].clone();
    let taken = Problem::Taken { section: Section::Template };
    for name in crate::template::BUILT_IN_NAMES {
        let pointer = format!("/template/{name}");
        assert_eq!(refused(&with(&pointer, template.clone())), one(&pointer, taken.clone()));
    }
    for (name, expected) in [("zone", "{zone}"), ("account", "{account}")] {
        let pointer = format!("/template/dns/resources/{name}");
        let problem = Problem::Placeholder { expected };
        assert_eq!(refused(&with(&pointer, json!("shop.example"))), one(&pointer, problem));
        assert_eq!(refused(&with(&pointer, json!(expected))), []);
    }
    let entry = json!({ "name": "DNS Write", "scope": "zone" });
    let twice = with("/template/dns/permissions", json!([entry, entry]));
    let problem = Problem::Duplicate { first: "/template/dns/permissions/0".to_owned() };
    assert_eq!(refused(&twice), one("/template/dns/permissions/1", problem));
    let scopes = &["account", "zone", "user", "bucket"];
    let problem = Problem::NotOneOf { choices: scopes, suggestion: Some("zone".to_owned()) };
    let pointer = "/template/dns/permissions/0/scope";
    assert_eq!(refused(&with(pointer, json!("zon"))), one(pointer, problem));
}

#[test]
fn refuses_digests_that_are_none_or_two_peoples() {
    for pointer in ["/client/ci/secret_sha256", "/operator/alice/secret_sha256"] {
        for digest in ["", "aa", "brvc_0123456789012345678901234567890123456789012", &"g".repeat(64)] {
            let told = refused(&with(pointer, json!([digest])));
            assert_eq!(told, one(&format!("{pointer}/0"), Problem::Digest), "{digest}");
        }
    }
    let same = with("/client/ci/secret_sha256", json!(["dd".repeat(32), "cc".repeat(32)]));
    let problem = Problem::Duplicate { first: "/client/cd/secret_sha256/0".to_owned() };
    assert_eq!(refused(&same), one("/client/ci/secret_sha256/1", problem));
    let operators = with("/client/ci/secret_sha256", json!(["AA".repeat(32)]));
    let problem = Problem::Duplicate { first: "/operator/alice/secret_sha256/0".to_owned() };
    assert_eq!(refused(&operators), one("/client/ci/secret_sha256/0", problem));
}

#[test]
fn refuses_an_operator_named_root_or_with_other_powers() {
    let alice = rules()["operator"]["alice"].clone();
    let mut rules = rules();
    rules["operator"] = json!({ "root": alice });
    assert_eq!(refused(&rules), one("/operator/root", Problem::Taken { section: Section::Operator }));
    let problem = Problem::NotOneOf { choices: Powers::WORDS, suggestion: Some("mint".to_owned()) };
    assert_eq!(
        refused(&with("/operator/alice/may", json!(["read", "mnt"]))),
        one("/operator/alice/may/1", problem)
    );
}

#[test]
fn reads_the_powers_of_an_operator() {
    for (word, powers) in [
        ("read", Powers { read: true, ..Powers::default() }),
        ("revoke", Powers { revoke: true, ..Powers::default() }),
        ("mint", Powers { mint: true, ..Powers::default() }),
        ("config", Powers { config: true, ..Powers::default() }),
    ] {
        let document = document_of(&with("/operator/alice/may", json!([word])));
        assert_eq!(document.operators.get("alice").unwrap().may, powers);
    }
    let all = document_of(&with("/operator/alice/may", json!(["config", "mint", "revoke", "read"])));
    assert_eq!(all.operators.get("alice").unwrap().may, Powers::ALL);
}

#[test]
fn refuses_client_bounds_that_cannot_be_read() {
    let told = refused(&with("/client/ci/not_after", json!("2027-01-31")));
    assert_eq!(told, one("/client/ci/not_after", Problem::Time(TimeError::NotRfc3339Utc)));
    assert_eq!(refused(&with("/client/ci/from_ip", json!([]))), one("/client/ci/from_ip", Problem::Empty));
    let host_bits = ConditionFault::HostBits { network: "203.0.113.0/24".parse().unwrap() };
    for (networks, at, fault) in [
        (json!("203.0.113.0/24"), "", ConditionFault::NotAList),
        (json!(["203.0.113.0/24", "x"]), "/1", ConditionFault::NotANetwork("x".to_owned())),
        (json!(["203.0.113.9/24"]), "/0", host_bits),
    ] {
        let told = refused(&with("/client/ci/from_ip", networks));
        assert_eq!(told, one(&format!("/client/ci/from_ip{at}"), Problem::Condition(fault)));
    }
    let mut rules = with("/client/ci/from_ip", json!(["203.0.113.0/24", "2001:db8::1"]));
    set(&mut rules, "/client/ci/not_after", json!("2027-01-31T00:00:00Z"));
    let client = document_of(&rules).clients.get("ci").unwrap().clone();
    let networks: Vec<_> = client.from_ip.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["203.0.113.0/24", "2001:db8::1/128"]);
    assert_eq!(client.not_after, Some(Timestamp::parse("2027-01-31T00:00:00Z").unwrap()));
}
