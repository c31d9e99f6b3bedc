//! What issuers and grants ask of their own fields.

use super::sections::{dangling, document_of};
use super::*;
use crate::condition::ConditionFault;
use crate::rules::document::{Choice, Operations, Pattern, Source, ZoneChoice};

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
