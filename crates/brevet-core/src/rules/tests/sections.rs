//! What each section asks of its own fields.

use super::*;
use crate::catalogue::Scope;
use crate::condition::ConditionFault;
use crate::id::IdError;
use crate::rules::document::{Choice, Operations, Pattern, Powers, Source, ZoneChoice};
use crate::time::{TimeError, Timestamp};

fn bad_id() -> Problem {
    Problem::Id(IdError::Length { found: 1, expected: 32 })
}

fn dangling(section: Section, name: &str, suggestion: Option<&str>) -> Problem {
    Problem::Dangling { section, name: name.to_owned(), suggestion: suggestion.map(str::to_owned) }
}

fn document_of(rules: &Value) -> Document {
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

#[test]
fn refuses_issuers_that_are_not_pinned() {
    for url in
        ["https://token.actions.githubusercontent.com", "https://gitlab.com", "https://accounts.google.com"]
    {
        let told = refused(&with("/issuer/github", json!({ "url": url })));
        assert_eq!(told, one("/issuer/github", Problem::Unpinned { shared: true }), "{url}");
    }
    let own = with("/issuer/github", json!({ "url": "https://gitlab.zone.example" }));
    assert_eq!(refused(&own), []);
    let names = with("/issuer/github/pin", json!({ "repository_owner": "org" }));
    assert_eq!(refused(&names), one("/issuer/github/pin", Problem::Unpinned { shared: true }));
    let mut own_names = names;
    set(&mut own_names, "/issuer/github/url", json!("https://gitlab.zone.example"));
    assert_eq!(refused(&own_names), one("/issuer/github/pin", Problem::Unpinned { shared: false }));
    assert_eq!(refused(&with("/issuer/github/pin", json!({}))), one("/issuer/github/pin", Problem::Empty));
    let star = refused(&with("/issuer/github/pin/repository_owner_id", json!("1*")));
    assert_eq!(
        star,
        one("/issuer/github/pin/repository_owner_id", Problem::Pattern(PatternProblem::StarOnId))
    );
}

#[test]
fn refuses_patterns_and_claims_that_take_too_much() {
    let at = "/grant/deploy/when/0/ref";
    for (pattern, problem) in [
        ("*", PatternProblem::OnlyStar),
        ("refs/*/main", PatternProblem::InnerStar),
        ("", PatternProblem::Text),
    ] {
        assert_eq!(refused(&with(at, json!(pattern))), one(at, Problem::Pattern(problem)), "{pattern}");
    }
    let told = refused(&with("/grant/deploy/when/0/a b", json!("x")));
    assert_eq!(told, one("/grant/deploy/when/0/a b", Problem::Pattern(PatternProblem::Text)));
    assert_eq!(refused(&with("/grant/deploy/when", json!([]))), one("/grant/deploy/when", Problem::Empty));
    assert_eq!(
        refused(&with("/grant/deploy/when", json!([{}]))),
        one("/grant/deploy/when/0", Problem::Empty)
    );
    let told = refused(&with("/grant/deploy/when", json!([1])));
    let problem = Problem::WrongKind { expected: Kind::Table, found: Kind::WholeNumber };
    assert_eq!(told, one("/grant/deploy/when/0", problem));
}

#[test]
fn claims_compare_as_text() {
    let when = json!([{ "repository_id": 2, "ref": "refs/heads/*", "ref_protected": true }, { "sub": "x" }]);
    let grant = document_of(&with("/grant/deploy/when", when)).grants.get("deploy").unwrap().clone();
    let exactly = |text: &str| Pattern::Exactly(text.to_owned());
    let first = &grant.when[0];
    assert_eq!(
        (first.get("repository_id").unwrap(), first.get("ref_protected").unwrap()),
        (&exactly("2"), &exactly("true"))
    );
    assert_eq!(first.get("ref").unwrap(), &Pattern::Prefix("refs/heads/".to_owned()));
    assert_eq!(grant.when[1].get("sub").unwrap(), &exactly("x"));
}

#[test]
fn refuses_grants_from_nobody_several_or_somebody_unknown() {
    let from = |value: Value| refused(&with("/grant/purge/from", value));
    assert_eq!(from(json!({})), one("/grant/purge/from", Problem::From));
    assert_eq!(from(json!({ "client": "ci", "issuer": "github" })), one("/grant/purge/from", Problem::From));
    let told = from(json!({ "client": "cii" }));
    assert_eq!(told, one("/grant/purge/from/client", dangling(Section::Client, "cii", Some("ci"))));
    let told = from(json!({ "issuer": "gitlab" }));
    assert_eq!(told, one("/grant/purge/from/issuer", dangling(Section::Issuer, "gitlab", Some("github"))));
    let told = from(json!({ "client": "alice" }));
    assert_eq!(told, one("/grant/purge/from/client", dangling(Section::Client, "alice", None)));
}

#[test]
fn a_client_has_no_claims_and_a_workload_should_have_some() {
    let told = refused(&with("/grant/purge/when", json!([{ "ref": "x" }])));
    assert_eq!(told, one("/grant/purge/when", Problem::WhenWithoutClaims));
    let told = warnings(&without("/grant/deploy/when"));
    assert_eq!(told, one("/grant/deploy", Problem::EveryWorkload));
    let findings = read(&with("/brevet/install", json!(""))).unwrap_err();
    assert!(findings.iter().all(|finding| finding.problem != Problem::EveryWorkload));
}

#[test]
fn refuses_a_grant_to_github_by_name_only() {
    for set in [
        json!({ "repository": "octo-org/app", "ref": "refs/heads/main" }),
        json!({ "sub": "repo:octo-org/app:ref:refs/heads/main" }),
        json!({ "environment": "prod" }),
    ] {
        let rules =
            with("/grant/deploy/when", json!([{ "repository_id": "2", "ref": "refs/heads/main" }, set]));
        let findings = crate::rules::lint(&rules);
        let told = findings.into_iter().map(|finding| (finding.pointer, finding.problem)).collect::<Vec<_>>();
        // Perhaps with a warning after it.
        assert_eq!(told[..1], one("/grant/deploy/when/1", Problem::NameOnly));
    }
}

#[test]
fn warns_of_sets_that_take_more_than_they_seem_to() {
    let told = |set: Value| {
        let rules = with("/grant/deploy/when", json!([set]));
        let findings = crate::rules::lint(&rules);
        findings.into_iter().map(|finding| (finding.pointer, finding.problem)).collect::<Vec<_>>()
    };
    let at = "/grant/deploy/when/0";
    let id = "200000003";
    for (set, trap) in [
        (json!({ "repository_id": id }), Trap::AnyBranch),
        (json!({ "repository_id": id, "event_name": "push" }), Trap::AnyBranch),
        (
            json!({ "repository_id": id, "ref": "refs/heads/main", "event_name": "pull_request_target" }),
            Trap::PrivilegedEvent,
        ),
        (
            json!({ "repository_id": id, "ref": "refs/heads/main", "event_name": "workflow_*" }),
            Trap::PrivilegedEvent,
        ),
        (json!({ "repository_id": id, "sub": "repo:octo-org/app:ref:refs/heads/main" }), Trap::Subject),
        (
            json!({ "repository_id": id, "job_workflow_ref": "octo-org/app/.github/workflows/x.yml" }),
            Trap::Workflow,
        ),
        (
            json!({ "repository_id": id, "job_workflow_ref": "octo-org/app/.github/workflows/x.yml@*" }),
            Trap::Workflow,
        ),
        (
            json!({ "repository_id": id, "workflow_ref": "octo-org/app/.github/workflows/*" , "ref": "refs/heads/main" }),
            Trap::Workflow,
        ),
        (json!({ "project_id": "7", "ref": "main" }), Trap::AnyRefType),
    ] {
        assert_eq!(told(set.clone()), one(at, Problem::Trap(trap)), "{set}");
    }
    for set in [
        json!({ "repository_id": id, "ref": "refs/heads/main" }),
        json!({ "repository_id": id, "environment": "prod", "event_name": "push" }),
        json!({ "repository_id": id, "job_workflow_ref": "octo-org/app/.github/workflows/x.yml@refs/heads/main" }),
        json!({ "project_id": "7", "ref": "main", "ref_type": "branch" }),
        json!({ "project_id": "7", "ref": "main", "ref_protected": true }),
    ] {
        assert_eq!(told(set.clone()), [], "{set}");
    }
}

#[test]
fn refuses_maps_that_lead_nowhere() {
    let map = |map: Value| json!({ "claim": "environment", "map": map });
    let line = |value: Value| refused(&with("/grant/deploy/allow/0/account", value));
    let at = |end: &str| format!("/grant/deploy/allow/0/account{end}");
    for (value, end, problem) in [
        (json!({}), "", Problem::Missing { name: "claim" }),
        (map(json!({})), "/map", Problem::Empty),
        (map(json!([])), "/map", Problem::WrongKind { expected: Kind::Table, found: Kind::List }),
        (
            map(json!({ "prod": 7 })),
            "/map/prod",
            Problem::WrongKind { expected: Kind::Text, found: Kind::WholeNumber },
        ),
        (map(json!({ "prod": "appz" })), "/map/prod", dangling(Section::Account, "appz", Some("apps"))),
        (map(json!({ "pro*": "apps" })), "/map/pro*", Problem::Pattern(PatternProblem::InnerStar)),
        (map(json!({ "": "apps" })), "/map/", Problem::Pattern(PatternProblem::Text)),
        (json!({ "claim": "", "map": { "prod": "apps" } }), "/claim", Problem::Pattern(PatternProblem::Text)),
    ] {
        let told = line(value.clone());
        assert!(told.contains(&(at(end), problem)), "{value}: {told:?}");
    }
    let many: serde_json::Map<String, Value> =
        (0..101).map(|number| (format!("e{number}"), json!("apps"))).collect();
    assert_eq!(line(map(many.into())), one(&at("/map"), Problem::TooMany { found: 101, most: 100 }));
    let good = map(json!({ "prod": "apps" }));
    let mut both = with("/grant/deploy/allow/0/account", good.clone());
    both["grant"]["deploy"]["allow"][0]["zone"] = map(json!({ "prod": "shop.example" }));
    assert_eq!(refused(&both), one("/grant/deploy/allow/0", Problem::TwoMaps));
    let told = refused(&with("/grant/purge/allow/0/account", good));
    assert_eq!(told, one("/grant/purge/allow", Problem::MapWithoutClaims));
}

#[test]
fn refuses_lines_that_lead_nowhere() {
    let line = |name: &str, value: Value| refused(&with(&format!("/grant/purge/allow/0/{name}"), value));
    let at = |end: &str| format!("/grant/purge/allow/0/{end}");
    let told = line("template", json!("cache-purg"));
    assert_eq!(told, one(&at("template"), dangling(Section::Template, "cache-purg", Some("cache-purge"))));
    let told = line("template", json!("dsn"));
    assert_eq!(told, one(&at("template"), dangling(Section::Template, "dsn", None)));
    assert_eq!(
        line("account", json!("aps")),
        one(&at("account"), dangling(Section::Account, "aps", Some("apps")))
    );
    let told = line("zone", json!(["shop.example", "shpo.example"]));
    assert_eq!(told, one(&at("zone/1"), dangling(Section::Zone, "shpo.example", Some("shop.example"))));
    // `*` stands alone.
    assert_eq!(line("zone", json!(["*"])), one(&at("zone/0"), dangling(Section::Zone, "*", None)));
    // The same zone by name and by id.
    let told = line("zone", json!(["shop.example", "c0000000000000000000000000000002"]));
    assert_eq!(told, one(&at("zone/1"), Problem::Duplicate { first: at("zone/0") }));
}

#[test]
fn reads_the_values_of_a_line() {
    let line = |account: Value, zone: Value| {
        let mut rules = with("/grant/purge/allow/0/account", account);
        set(&mut rules, "/grant/purge/allow/0/zone", zone);
        let line = document_of(&rules).grants.get("purge").unwrap().allow[0].clone();
        (line.account, line.zone)
    };
    let fixed = |text: &str| Choice::Fixed(text.to_owned());
    let from = |texts: &[&str]| Choice::From(texts.iter().map(|text| (*text).to_owned()).collect());
    let read = line(json!("a0000000000000000000000000000002"), json!("*"));
    assert_eq!(read, (fixed("apps"), ZoneChoice::All));
    let read = line(json!(["apps", "main"]), json!(["shop.example"]));
    assert_eq!(read, (from(&["apps", "main"]), ZoneChoice::Named(from(&["shop.example"]))));
    let unsaid = document_of(&rules()).grants.get("purge").unwrap().allow[0].clone();
    assert_eq!((unsaid.account, unsaid.raw), (Choice::Unsaid, false));
    let raw = document_of(&with("/grant/purge/allow/0/raw", json!(true)));
    assert!(raw.grants.get("purge").unwrap().allow[0].raw);
    let unsaid = document_of(&rules()).grants.get("deploy").unwrap().allow[0].clone();
    assert_eq!(
        (unsaid.zone, unsaid.template.as_str()),
        (ZoneChoice::Named(Choice::Unsaid), "workers-deploy")
    );
}

#[test]
fn reads_the_rest_of_a_grant() {
    let plain = document_of(&rules()).grants.get("purge").unwrap().clone();
    assert_eq!(plain.from, Source::Client("ci".to_owned()));
    assert_eq!(
        (plain.operations, plain.audit, plain.enabled, plain.default_ttl),
        (Operations::DEFAULT, false, true, false)
    );
    assert!(plain.condition.is_empty() && plain.accept_takeover.is_none() && plain.ttl.is_none());
    let mut rules = rules();
    for (name, value) in [
        ("operations", json!(["roll", "update", "renew"])),
        ("mode", json!("audit")),
        ("enabled", json!(false)),
        ("default_ttl", json!(true)),
        ("ttl", json!("5m")),
        ("max_ttl", json!(600)),
        ("condition", json!({ "not_in": ["203.0.113.9"] })),
        ("accept_takeover", json!("  a reason ")),
    ] {
        set(&mut rules, &format!("/grant/purge/{name}"), value);
    }
    let grant = document_of(&rules).grants.get("purge").unwrap().clone();
    let operations = Operations { roll: true, update: true, renew: true, ..Operations::default() };
    assert_eq!(
        (grant.operations, grant.audit, grant.enabled, grant.default_ttl),
        (operations, true, false, true)
    );
    assert_eq!(
        (grant.ttl.map(crate::time::Seconds::get), grant.max_ttl.map(crate::time::Seconds::get)),
        (Some(300), Some(600))
    );
    assert_eq!((grant.condition.deny().len(), grant.accept_takeover.as_deref()), (1, Some("a reason")));
    let create = document_of(&with("/grant/purge/operations", json!(["create"])))
        .grants
        .get("purge")
        .unwrap()
        .operations;
    assert_eq!(create, Operations { create: true, ..Operations::default() });
    let revoke = document_of(&with("/grant/purge/operations", json!(["revoke"])))
        .grants
        .get("purge")
        .unwrap()
        .operations;
    assert_eq!(revoke, Operations { revoke: true, ..Operations::default() });
    assert!(!document_of(&with("/grant/purge/mode", json!("enforce"))).grants.get("purge").unwrap().audit);
}

#[test]
fn refuses_conditions_that_say_nothing_or_too_much() {
    let at = "/grant/purge/condition";
    let told = |value: Value| refused(&with(at, value));
    assert_eq!(told(json!({})), one(at, Problem::Empty));
    assert_eq!(told(json!({ "in": [] })), one(&format!("{at}/in"), Problem::Empty));
    assert_eq!(told(json!({ "not_in": [] })), one(&format!("{at}/not_in"), Problem::Empty));
    let found = told(json!({ "request_ip": { "in": ["203.0.113.0/24"] } }));
    assert!(
        matches!(found.first(), Some((at, Problem::UnknownField { .. })) if at == "/grant/purge/condition/request_ip")
    );
    let fault = ConditionFault::NotANetwork("x".to_owned());
    assert_eq!(told(json!({ "in": ["x"] })), one(&format!("{at}/in/0"), Problem::Condition(fault)));
    let many = vec!["203.0.113.0/24"; 65];
    let problem = Problem::TooMany { found: 65, most: 64 };
    assert_eq!(told(json!({ "in": many })), one(&format!("{at}/in"), problem));
    let both = json!({ "in": ["203.0.113.0/24"], "not_in": ["203.0.113.0/24"] });
    assert_eq!(told(both), one(at, Problem::Condition(ConditionFault::NothingLeft)));
}

#[test]
fn refuses_a_takeover_without_a_reason() {
    for reason in ["", "   ", "a\nb", &"a".repeat(401)] {
        let told = refused(&with("/grant/purge/accept_takeover", json!(reason)));
        assert_eq!(told, one("/grant/purge/accept_takeover", Problem::Reason), "{reason:?}");
    }
    assert_eq!(refused(&with("/grant/purge/accept_takeover", json!("a".repeat(400)))), []);
}

#[test]
fn refuses_words_that_are_none() {
    let problem = Problem::NotOneOf { choices: &["enforce", "audit"], suggestion: Some("audit".to_owned()) };
    assert_eq!(refused(&with("/grant/purge/mode", json!("adit"))), one("/grant/purge/mode", problem));
    let problem = Problem::NotOneOf { choices: Operations::WORDS, suggestion: Some("renew".to_owned()) };
    assert_eq!(
        refused(&with("/grant/purge/operations", json!(["create", "rnew"]))),
        one("/grant/purge/operations/1", problem)
    );
}
