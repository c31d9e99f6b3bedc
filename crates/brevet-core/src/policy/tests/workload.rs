//! Workloads and the claims that their grants want.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oidc::{Claims, VerifiedIdentity};

const ORG: &str = "100000001";

/// Rules with two issuers; `grants` are from `github` where they do not say otherwise.
fn policy_of(grants: Value) -> Policy {
    let mut rules = rules(grants);
    rules["issuer"] = json!({
        "github": { "url": "https://token.actions.githubusercontent.com", "pin": { "repository_owner_id": ORG } },
        "lab": { "url": "https://gitlab.example.com" },
    });
    compiled(&rules)
}

fn grant_when(when: Value) -> Value {
    let mut grant = json!({ "from": { "issuer": "github" }, "allow": [{ "template": "workers-deploy", "account": "apps" }] });
    if !when.is_null() {
        grant["when"] = when;
    }
    grant
}

fn job(change: &[(&str, Value)]) -> Caller {
    let mut claims = json!({
        "sub": "repo:octo-org/app:ref:refs/heads/main", "jti": "1", "repository_id": "200000003",
        "repository_owner_id": ORG, "ref": "refs/heads/main", "environment": "prod", "event_name": "push", "run_id": 7,
    });
    for (name, value) in change {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        } else {
            claims[*name] = value.clone();
        }
    }
    workload("github", &claims)
}

fn workload(issuer: &str, claims: &Value) -> Caller {
    Caller::Workload(Box::new(Workload::new(VerifiedIdentity::supposed(
        issuer,
        Claims::of(claims.as_object().unwrap().clone()).unwrap(),
        at(300),
    ))))
}

fn deploy() -> Ask {
    ask(json!({ "template": "workers-deploy" }))
}

fn main_only() -> Policy {
    policy_of(
        json!({ "app": grant_when(json!([{ "repository_id": "200000003", "ref": "refs/heads/main", "environment": "prod" }])) }),
    )
}

#[track_caller]
fn denied(policy: &Policy, caller: &Caller) {
    let denial = policy.decide(caller, &deploy(), now()).map(|_| ()).unwrap_err();
    assert!(matches!(denial, Denial::NoGrant | Denial::ClaimMisfit { grant: None, .. }), "{denial:?}");
}

#[test]
fn a_job_with_all_claims_of_a_set_gets_what_its_grant_allows() {
    let policy = main_only();
    let grant = policy.decide(&job(&[]), &deploy(), now()).unwrap();
    assert_eq!((grant.grant(), grant.account().name()), (Some("app"), "apps"));
    // Any of the sets will do.
    let either = policy_of(
        json!({ "app": grant_when(json!([{ "repository_id": "1" }, { "repository_id": "200000003" }])) }),
    );
    assert!(either.decide(&job(&[]), &deploy(), now()).is_ok());
}

#[test]
fn denies_a_job_of_another_branch_environment_or_repository() {
    let policy = main_only();
    for change in [
        ("ref", json!("refs/heads/feature")),
        ("ref", json!("refs/heads/main2")),
        ("ref", json!("REFS/HEADS/MAIN")),
        ("ref", Value::Null),
        ("environment", json!("staging")),
        ("environment", Value::Null),
        ("repository_id", json!("200000004")),
        ("repository_id", json!("2000000030")),
    ] {
        denied(&policy, &job(&[change]));
    }
}

#[test]
fn denies_a_token_from_a_fork_pull_request() {
    let fork = job(&[
        ("sub", json!("repo:octo-org/app:pull_request")),
        ("event_name", json!("pull_request")),
        ("ref", json!("refs/pull/7/merge")),
        ("environment", Value::Null),
    ]);
    denied(&main_only(), &fork);
}

#[test]
fn denies_privileged_events_that_the_grant_does_not_name() {
    for event in ["pull_request_target", "workflow_run", "issue_comment"] {
        let caller = job(&[("event_name", json!(event))]);
        denied(&main_only(), &caller);
        denied(&policy_of(json!({ "app": grant_when(Value::Null) })), &caller);
        let named = policy_of(
            json!({ "app": grant_when(json!([{ "repository_id": "200000003", "event_name": event }])) }),
        );
        assert!(named.decide(&caller, &deploy(), now()).is_ok(), "{event}");
        denied(&named, &job(&[]));
    }
}

#[test]
fn denies_the_same_claims_of_another_issuer() {
    let Caller::Workload(github) = job(&[]) else { unreachable!() };
    let claims: Value = github
        .identity()
        .claims()
        .iter()
        .filter_map(|(name, _)| Some((name.clone(), json!(github.identity().claims().text(name)?))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    denied(&main_only(), &workload("lab", &claims));
    denied(&main_only(), &workload("nobody", &claims));
}

#[test]
fn a_star_stops_at_a_slash_and_a_colon() {
    let policy = policy_of(
        json!({ "app": grant_when(json!([{ "repository_id": "200000003", "ref": "refs/heads/release-*" }])) }),
    );
    assert!(policy.decide(&job(&[("ref", json!("refs/heads/release-1"))]), &deploy(), now()).is_ok());
    for name in ["refs/heads/release-1/x", "refs/heads/release-1:x", "refs/heads/main"] {
        denied(&policy, &job(&[("ref", json!(name))]));
    }
}

#[test]
fn a_denial_names_the_claim_of_the_grant_that_was_named_and_of_no_other() {
    let policy = main_only();
    let named = |grant: &str| ask(json!({ "template": "workers-deploy", "grant": grant }));
    let other = job(&[("ref", json!("refs/heads/feature"))]);
    let denial = policy.decide(&other, &named("app"), now()).unwrap_err();
    let misfit = |grant: Option<&str>| Denial::ClaimMisfit {
        grant: grant.map(str::to_owned),
        claim: "ref".to_owned(),
        found: Some("refs/heads/feature".to_owned()),
    };
    assert_eq!(denial, misfit(Some("app")));
    assert!(!denial.detail().contains("refs/heads/main"), "what the grant wants is not told");
    assert_eq!(denial.status(), 403);
    let unknown = policy.decide(&other, &named("none"), now()).unwrap_err();
    assert_eq!(unknown, Denial::UnknownGrant { name: "none".to_owned() });
    // Without a name it learns the claim, and not the name.
    let unnamed = policy.decide(&other, &deploy(), now()).unwrap_err();
    assert_eq!(unnamed, misfit(None));
    assert!(!unnamed.detail().contains("app"), "{}", unnamed.detail());
    assert_eq!((unnamed.code(), unnamed.pointer()), ("claims-do-not-fit", None));
    // Of another issuer's grant nobody learns whether it is there.
    let stranger = workload("lab", &json!({ "sub": "x" }));
    let denial = policy.decide(&stranger, &named("app"), now()).unwrap_err();
    assert_eq!(denial, Denial::UnknownGrant { name: "app".to_owned() });
}

#[test]
fn nobody_finds_out_by_trying_what_there_is_for_others() {
    let policy = main_only();
    let named = |grant: &str| ask(json!({ "template": "workers-deploy", "grant": grant }));
    // Another repository of the same organisation: its claims are the grant's but for the id.
    for change in [
        vec![("repository_id", json!("200000004"))],
        vec![("repository_id", json!("200000004")), ("ref", json!("refs/heads/feature"))],
        vec![("repository_id", Value::Null)],
    ] {
        let other = job(&change);
        assert_eq!(policy.decide(&other, &deploy(), now()).unwrap_err(), Denial::NoGrant, "{change:?}");
        let denial = policy.decide(&other, &named("none"), now()).unwrap_err();
        assert_eq!(denial, Denial::UnknownGrant { name: "none".to_owned() }, "{change:?}");
        // Whoever knows its name is told which of its own claims it wants otherwise.
        let denial = policy.decide(&other, &named("app"), now()).unwrap_err();
        let grant = Some("app".to_owned());
        assert!(matches!(denial, Denial::ClaimMisfit { grant: found, .. } if found == grant), "{change:?}");
        // The journal hears of both.
        let Caller::Workload(workload) = &other else { unreachable!() };
        let evidence = policy.evidence(workload);
        assert!(evidence.contains("sub=repo:octo-org/app") && evidence.contains("app misses "), "{evidence}");
    }
}

#[test]
fn a_denial_shows_a_strangers_claim_short_and_printable() {
    let policy = main_only();
    let long = job(&[("ref", json!(format!("refs/heads/\u{1b}[31m{}", "x".repeat(10_000))))]);
    let denial = policy.decide(&long, &deploy(), now()).unwrap_err();
    assert!(denial.detail().len() < 300 && !denial.detail().chars().any(char::is_control), "{denial:?}");
    let none = policy.decide(&job(&[("environment", Value::Null)]), &deploy(), now()).unwrap_err();
    assert_eq!(none, Denial::ClaimMisfit { grant: None, claim: "environment".to_owned(), found: None });
    let privileged =
        policy.decide(&job(&[("event_name", json!("workflow_run"))]), &deploy(), now()).unwrap_err();
    let found = Some("workflow_run".to_owned());
    assert_eq!(privileged, Denial::ClaimMisfit { grant: None, claim: "event_name".to_owned(), found });
}

#[test]
fn a_weaker_job_is_another_owner() {
    let strong = job(&[]);
    for change in [
        ("ref", json!("refs/heads/feature")),
        ("environment", json!("staging")),
        ("environment", Value::Null),
        ("environment", json!("")),
        ("event_name", json!("pull_request")),
        ("run_id", json!(8)),
        ("sub", json!("repo:octo-org/app:pull_request")),
        ("job_workflow_ref", json!("octo-org/app/.github/workflows/x.yml@refs/heads/main")),
    ] {
        let weaker = job(std::slice::from_ref(&change));
        assert_ne!(weaker.owner(), strong.owner(), "{change:?}");
        let permit = policy_of(json!({})).permit(&weaker, &strong.owner(), Touch::Revoke);
        assert_eq!(permit, Err(Denial::NotTheOwner));
    }
    // A fresh token of the same job is the same owner.
    assert_eq!(job(&[("jti", json!("2")), ("exp", json!(1))]).owner(), strong.owner());
    assert!(strong.owner().starts_with("oidc:github:200000003:"));
    assert_eq!(strong.run(), Some("7"));
}

#[test]
fn an_audit_only_grant_records_and_allows_nothing() {
    let mut grant = grant_when(json!([{ "repository_id": "200000003" }]));
    grant["mode"] = json!("audit");
    let policy = policy_of(json!({ "app": grant }));
    let denial = policy.decide(&job(&[]), &deploy(), now()).unwrap_err();
    assert_eq!(denial, Denial::AuditOnly { grant: "app".to_owned() });
}

/// A line whose zone is what the claim `environment` says.
fn by_environment() -> Policy {
    let mut grant = grant_when(json!([{ "repository_id": "200000003" }]));
    grant["allow"] = json!([{
        "template": "zone-read",
        "zone": { "claim": "environment", "map": { "prod": "example.com", "staging": "blog.example" } },
        "raw": true,
    }]);
    grant["operations"] = json!(["create", "roll", "update"]);
    policy_of(json!({ "app": grant }))
}

#[test]
fn denies_a_zone_that_the_map_gives_to_another_claim() {
    let policy = by_environment();
    let wish = |zone: &str| ask(json!({ "template": "zone-read", "params": { "zone": zone } }));
    let staging = job(&[("environment", json!("staging"))]);
    let denial = policy.decide(&staging, &wish("example.com"), now()).unwrap_err();
    assert_eq!(denial, Denial::ParameterRefused { name: "zone", value: "example.com".to_owned() });
    for (change, found) in [
        (json!("Prod"), Some("Prod".to_owned())),
        (json!("prod "), Some("prod ".to_owned())),
        (json!(""), Some(String::new())),
        (Value::Null, None),
    ] {
        let denial =
            policy.decide(&job(&[("environment", change)]), &wish("example.com"), now()).unwrap_err();
        let claim = "environment".to_owned();
        assert_eq!(denial, Denial::ClaimMisfit { grant: Some("app".to_owned()), claim, found });
    }
    // Nor by policies, which name the zone themselves.
    let granted = policy.decide(&job(&[]), &wish("example.com"), now()).unwrap();
    let raw = ask(json!({ "policies": granted.policies_json(), "account": "main", "ttl": "10m" }));
    assert!(policy.decide(&job(&[]), &raw, now()).is_ok());
    assert_eq!(policy.decide(&staging, &raw, now()).unwrap_err().status(), 403);
}

#[test]
fn a_map_fills_the_parameter_from_the_claim() {
    let policy = by_environment();
    let wish = ask(json!({ "template": "zone-read" }));
    for (environment, zone) in [("prod", "example.com"), ("staging", "blog.example")] {
        let caller = job(&[("environment", json!(environment))]);
        let granted = policy.decide(&caller, &wish, now()).unwrap();
        let id = policy.zone_named(zone).unwrap().id().to_string();
        assert!(granted.policies_json().to_string().contains(&id), "{environment}");
        assert_eq!(granted.rule(), Some("/grant/app/allow/0"));
        let told = policy.whoami(&caller).finish();
        let other = if zone == "example.com" { "blog.example" } else { "example.com" };
        assert!(told.contains(zone) && !told.contains(other), "{told}");
    }
}

/// Claims and what grants want of them: few words, so that they meet.
fn any_when() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["project_path", "ref", "groups", "sub"]);
    let text = prop::sample::select(vec![
        "1",
        "2",
        "main",
        "ma*",
        "repo:o/r:*",
        "repo:o@1/r@2:main",
        "repo:o/r:main",
        "m*",
    ]);
    let set = prop::collection::btree_map(name, text, 1..4);
    // Without any set a grant is for every workload of its issuer.
    prop::collection::vec(set, 0..3).prop_map(|sets| if sets.is_empty() { Value::Null } else { json!(sets) })
}

fn any_claims() -> impl Strategy<Value = Value> {
    let text =
        || prop::sample::select(vec!["1", "2", "main", "master", "repo:o/r:main", "repo:o@1/r@2:main"]);
    let claim = prop_oneof![
        text().prop_map(|text| json!(text)),
        prop::collection::vec(text(), 0..3).prop_map(|list| json!(list))
    ];
    let name = prop::sample::select(vec!["project_path", "ref", "groups", "sub"]);
    prop::collection::btree_map(name, claim, 0..5).prop_map(|mut claims| {
        for (name, text) in [("repository", "o/r"), ("repository_owner_id", "1"), ("repository_id", "2")] {
            claims.insert(name, json!(text));
        }
        json!(claims)
    })
}

proptest! {
    #[test]
    fn what_the_index_finds_is_what_a_look_at_every_grant_finds(
        grants in prop::collection::vec(any_when(), 1..12), claims in any_claims(),
    ) {
        let grant = |(at, when): (usize, &Value)| {
            let mut grant = grant_when(when.clone());
            grant["from"] = json!({ "issuer": "lab" });
            (format!("grant-{at}"), grant)
        };
        let rules = grants.iter().enumerate().map(grant).collect::<serde_json::Map<_, _>>();
        let policy = policy_of(Value::Object(rules));
        let Caller::Workload(caller) = workload("lab", &claims) else { unreachable!() };
        let found: Vec<&str> = policy.grants_of_workload(&caller).map(|grant| grant.name.as_str()).collect();
        let all = policy.grants.iter().filter(|grant| grant.miss(caller.identity().claims()).is_none());
        prop_assert_eq!(found, all.map(|grant| grant.name.as_str()).collect::<Vec<_>>());
    }
}

#[test]
fn of_many_grants_only_those_of_the_repository_are_looked_at() {
    let when = |at: usize| json!([{ "repository_owner_id": ORG, "repository_id": at.to_string(), "ref": "refs/heads/main" }]);
    let grants =
        (0..500).map(|at| (format!("app-{at:03}"), grant_when(when(at)))).collect::<serde_json::Map<_, _>>();
    let policy = policy_of(Value::Object(grants));
    let Caller::Workload(caller) = job(&[("repository_id", json!(77))]) else { unreachable!() };
    let index = policy.grants_of_issuers.get("github").unwrap();
    assert_eq!(index.candidates(caller.identity().claims()), [77]);
    assert_eq!(policy.grants_of_workload(&caller).map(|grant| &*grant.name).collect::<Vec<_>>(), ["app-077"]);
}
