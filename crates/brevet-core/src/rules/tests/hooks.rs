//! `[hook.NAME]`.

use super::*;
use crate::hook::{Action, ReplyDeed, Scheme};
use crate::ledger::freeze::By;
use crate::time::Seconds;

fn with_hook(hook: Value) -> Value {
    with("/hook", json!({ "x": hook }))
}

fn github(more: &Value) -> Value {
    let mut hook = json!({ "scheme": "github", "secrets": ["HOOK_X"] });
    hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hook
}

fn standard(more: &Value) -> Value {
    let mut hook = github(more);
    hook["scheme"] = json!("standard-webhooks");
    hook
}

fn wrong(hook: Value, pointer: &str, problem: HookProblem) {
    assert_eq!(refused(&with_hook(hook.clone())), one(pointer, Problem::Hook(problem)), "{hook}");
}

#[test]
fn reads_what_each_kind_of_hook_does() {
    let action = |hook: Value| read(&with_hook(hook)).unwrap().hooks.get("x").unwrap().action.clone();
    let Action::Stop { revoke: Some(revoke), freeze, span } = action(github(&json!({
        "revoke": { "repository_id": "/repository/id" }, "freeze": { "grant": ["deploy", "/grant"], "for": "2h" },
    }))) else {
        panic!("it stops")
    };
    assert_eq!((revoke.by, revoke.values.len()), (By::Claims, 1));
    assert_eq!((freeze.len(), span), (2, Some(Seconds::of(7_200))));
    for (way, by) in [
        (json!({ "lease": "/lease" }), By::Lease),
        (json!({ "owner": "client:ci" }), By::Owner),
        (json!({ "grant": "deploy" }), By::Grant),
        (json!({ "template": "cache-purge" }), By::Template),
        (json!({ "run": "/workflow_run/id" }), By::Run),
        (json!({ "all": true }), By::All),
    ] {
        let stop = action(github(&json!({ "revoke": way })));
        assert!(matches!(&stop, Action::Stop { revoke: Some(target), .. } if target.by == by), "{stop:?}");
    }
    let lift = action(standard(&json!({ "unfreeze": { "all": true } })));
    assert!(matches!(lift, Action::Lift(targets) if targets.len() == 1 && targets[0].by == By::All));
    for (more, deed) in [
        (
            json!({ "create": { "template": "cache-purge", "zone": "/zone", "ttl": "/ttl" } }),
            ReplyDeed::Create,
        ),
        (json!({ "create": { "template": "/t", "zone": ["shop.example"], "ttl": 600 } }), ReplyDeed::Create),
        (json!({ "verify": { "token": "/token" } }), ReplyDeed::Verify),
        (json!({ "roll": { "lease": "/lease" } }), ReplyDeed::Roll),
        (json!({ "revoke": { "lease": "/lease" } }), ReplyDeed::Revoke),
    ] {
        let mut hook = standard(&more);
        hook["reply"] = json!(true);
        assert!(matches!(action(hook), Action::Reply { deed: read, .. } if read == deed), "{more}");
    }
}

#[test]
fn refuses_hooks_that_do_nothing_or_several_things() {
    wrong(github(&json!({})), "/hook/x", HookProblem::NoAction);
    wrong(standard(&json!({ "reply": true })), "/hook/x", HookProblem::NoAction);
    let (all, lease) = (json!({ "all": true }), json!({ "lease": "/l" }));
    let create = json!({ "template": "cache-purge" });
    for more in [
        json!({ "create": create }),
        json!({ "verify": { "token": "/t" } }),
        json!({ "roll": lease }),
        json!({ "unfreeze": all, "freeze": all }),
        json!({ "unfreeze": all, "revoke": all }),
        json!({ "unfreeze": all, "reply": true }),
        json!({ "freeze": all, "reply": true }),
        json!({ "freeze": all, "revoke": lease, "reply": true }),
        json!({ "create": create, "roll": lease, "reply": true }),
        json!({ "create": create, "revoke": lease, "reply": true }),
    ] {
        wrong(standard(&more), "/hook/x", HookProblem::Actions);
    }
}

#[test]
fn refuses_to_answer_a_sender_that_signs_no_time() {
    let hook = github(&json!({ "reply": true, "create": { "template": "cache-purge" } }));
    wrong(hook, "/hook/x/scheme", HookProblem::ReplyWithoutTime);
}

#[test]
fn refuses_targets_that_could_be_read_in_two_ways_or_mean_more_than_they_say() {
    for (revoke, pointer) in [
        (json!({}), "/hook/x/revoke"),
        (json!({ "grant": "deploy", "run": "/run" }), "/hook/x/revoke"),
        (json!({ "grant": "deploy", "repository_id": "/id" }), "/hook/x/revoke"),
        (json!({ "all": false }), "/hook/x/revoke/all"),
    ] {
        wrong(github(&json!({ "revoke": revoke })), pointer, HookProblem::Target);
    }
    for freeze in [json!({}), json!({ "for": "1h" }), json!({ "grant": "deploy", "all": true })] {
        wrong(github(&json!({ "freeze": freeze })), "/hook/x/freeze", HookProblem::Target);
    }
}

#[test]
fn refuses_what_is_no_pointer_and_names_that_lead_nowhere() {
    for pointer in ["/a~", "/a~2", "/\n", &format!("/{}", "a".repeat(512))] {
        let hook = github(&json!({ "revoke": { "repository_id": pointer } }));
        wrong(hook, "/hook/x/revoke/repository_id", HookProblem::Pointer);
    }
    let hook =
        standard(&json!({ "when": [{ "/ok": 1 }, { "action": "created" }], "revoke": { "all": true } }));
    wrong(hook, "/hook/x/when/1/action", HookProblem::When);
    for (hook, pointer, section) in [
        (github(&json!({ "revoke": { "grant": "gone" } })), "/hook/x/revoke/grant", Section::Grant),
        (github(&json!({ "freeze": { "grant": ["gone"] } })), "/hook/x/freeze/grant/0", Section::Grant),
        (
            standard(&json!({ "reply": true, "create": { "template": "gone" } })),
            "/hook/x/create/template",
            Section::Template,
        ),
    ] {
        let found = refused(&with_hook(hook));
        let [(at, Problem::Dangling { section: told, name, .. })] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((at.as_str(), *told, name.as_str()), (pointer, section, "gone"));
    }
    let found = refused(&with("/grant/purge/from", json!({ "hook": "gone" })));
    assert!(
        matches!(&found[..], [(at, Problem::Dangling { section: Section::Hook, .. })] if at == "/grant/purge/from/hook")
    );
}

#[test]
fn takes_only_secrets_of_hooks_and_three_of_them_at_most() {
    for name in ["CLOUDFLARE_API_TOKEN", "BREVET_PEPPER", "HOOK_", "hook_x", "HOOK_x", "DEST_X", ""] {
        let mut hook = github(&json!({ "revoke": { "all": true } }));
        hook["secrets"] = json!([name]);
        let problem = Problem::SecretName { prefix: "HOOK_" };
        assert_eq!(refused(&with_hook(hook)), one("/hook/x/secrets/0", problem), "{name}");
    }
    let mut hook = github(&json!({ "revoke": { "all": true } }));
    hook["secrets"] = json!(["HOOK_A", "HOOK_B", "HOOK_C", "HOOK_D"]);
    assert_eq!(refused(&with_hook(hook)), one("/hook/x/secrets", Problem::TooMany { found: 4, most: 3 }));
}

#[test]
fn a_grant_to_a_hook_takes_no_when_and_warns_where_the_hook_makes_no_tokens() {
    let mut rules = with_hook(github(&json!({ "when": [{ "/a": 1 }], "revoke": { "all": true } })));
    set(&mut rules, "/grant/purge/from", json!({ "hook": "x" }));
    let (_, warnings) = compile(read(&rules).unwrap()).unwrap();
    let silent = |finding: &Finding| finding.problem == Problem::Hook(HookProblem::Silent);
    assert!(warnings.iter().any(|finding| silent(finding) && finding.pointer == "/grant/purge/from"));
    set(&mut rules, "/grant/purge/when", json!([{ "ref": "x" }]));
    assert_eq!(refused(&rules), one("/grant/purge/when", Problem::WhenWithoutClaims));
}

#[test]
fn warns_of_a_hook_that_goes_by_the_unsigned_name_of_an_event_alone() {
    let warned = |hook: Value| {
        let (_, warnings) = compile(read(&with_hook(hook)).unwrap()).unwrap();
        warnings.iter().any(|finding| finding.problem == Problem::Hook(HookProblem::EventUnsigned))
    };
    let revoke = json!({ "all": true });
    assert!(warned(github(&json!({ "revoke": revoke }))));
    assert!(warned(github(&json!({ "revoke": revoke, "when": [{ "/a": 1 }, { "event": "push" }] }))));
    assert!(!warned(github(&json!({ "revoke": revoke, "when": [{ "/a": 1, "event": "push" }] }))));
    assert!(!warned(standard(&json!({ "revoke": revoke, "when": [{ "event": "push" }] }))));
}

#[test]
fn leases_keep_the_claims_by_which_hooks_choose_and_two_ids_always() {
    let kept = |rules: &Value| compile(read(rules).unwrap()).unwrap().0.kept_claims;
    assert_eq!(kept(&rules()), ["repository_id", "project_id"]);
    let hook = github(&json!({ "revoke": { "actor_id": "/sender/id", "repository_id": "/repository/id" } }));
    assert_eq!(kept(&with_hook(hook)), ["repository_id", "project_id", "actor_id"]);
    assert!(Scheme::WORDS.iter().all(|word| Scheme::from_word(word).is_some()));
}
