//! What each denial tells: its name and status are what programs rely on.

use super::*;
use crate::access::{AccessError, AccessFault, Misfit, Resource};
use crate::condition::{ConditionError, ConditionFault};
use crate::guardrail::Breach;
use crate::template::RenderError;
use std::collections::BTreeSet;

/// Denial, name, status, pointer, a part of the detail, a part of the hint.
type Row = (Denial, &'static str, u16, Option<&'static str>, &'static str, &'static str);

fn text(value: &str) -> String {
    value.to_owned()
}

fn out_of_reach(name: Option<&str>) -> Denial {
    Denial::OutOfReach {
        policy: 2,
        group: DNS_WRITE.parse().unwrap(),
        name: name.map(str::to_owned),
        resource: Resource::Account(APPS.parse().unwrap()),
    }
}

fn every_denial() -> Vec<Row> {
    let grant = || text("g");
    let roll = Denial::OperationNotListed { grant: grant(), operation: Operation::Roll };
    let several = Denial::SeveralLines { grant: grant(), lines: vec![text("/grant/g/allow/0")] };
    let unknown = |suggestion: Option<&str>| Denial::UnknownTemplate {
        name: text("x"),
        suggestion: suggestion.map(str::to_owned),
    };
    let zone = Denial::ZoneElsewhere { zone: text("a.example"), account: text("apps") };
    let policies = AccessError { pointer: text("/1/effect"), fault: AccessFault::Deny };
    let condition = ConditionError { pointer: text("/in/0"), fault: ConditionFault::NotAList };
    let late = Denial::EndTooLate {
        expires_on: at(2),
        latest: at(1),
        max_ttl: Seconds::of(60),
        limit: Limit::Brevet,
    };
    let never = Denial::NeverValid { not_before: at(2), expires_on: at(1) };
    let misfit = Denial::Misfit(Misfit::UserResource { policy: 4 });
    vec![
        (Denial::NoGrant, "no-grant", 403, None, "no grant is for this caller", "Ask an operator"),
        (
            Denial::UnknownGrant { name: grant() },
            "unknown-grant",
            403,
            Some("/grant"),
            "no grant \"g\"",
            "/v1/whoami",
        ),
        (
            Denial::GrantForOperator,
            "grant-for-operator",
            422,
            Some("/grant"),
            "not bound by a grant",
            "Leave \"grant\" out",
        ),
        (
            Denial::GrantDisabled { grant: grant() },
            "grant-disabled",
            403,
            Some("/rules/grant/g/enabled"),
            "switched off",
            "switch the grant on",
        ),
        (
            Denial::AuditOnly { grant: grant() },
            "audit-only",
            403,
            Some("/rules/grant/g/mode"),
            "would have allowed",
            "\"enforce\"",
        ),
        (
            roll,
            "operation-not-listed",
            403,
            Some("/rules/grant/g/operations"),
            "operation \"roll\"",
            "list the operation",
        ),
        (
            Denial::PowerMissing { power: "mint" },
            "power-missing",
            403,
            None,
            "power \"mint\"",
            "has \"mint\" in `may`",
        ),
        (
            Denial::SeveralGrants { grants: vec![text("a"), text("b")] },
            "several-grants",
            422,
            Some("/grant"),
            "a, b allow it",
            "one of a, b",
        ),
        (
            several,
            "several-lines",
            422,
            Some("/params"),
            "several lines of grant \"g\"",
            "only one of the lines",
        ),
        (
            unknown(Some("y")),
            "unknown-template",
            422,
            Some("/template"),
            "no template \"x\"",
            "Did you mean \"y\"?",
        ),
        (unknown(None), "unknown-template", 422, Some("/template"), "no template \"x\"", "/v1/templates"),
        (
            Denial::TemplateNotAllowed { template: text("x") },
            "template-not-allowed",
            403,
            Some("/template"),
            "allows template \"x\"",
            "/v1/whoami",
        ),
        (
            Denial::PoliciesNotAllowed,
            "policies-not-allowed",
            403,
            Some("/policies"),
            "takes policies",
            "raw = true",
        ),
        (
            Denial::UnknownParameter { name: text("a/b~") },
            "unknown-parameter",
            422,
            Some("/params/a~1b~0"),
            "parameter \"a/b~\"",
            "\"account\" and \"zone\"",
        ),
        (
            Denial::UnknownAccount { value: text("x") },
            "unknown-account",
            422,
            Some("/params/account"),
            "no account \"x\"",
            "name or id of an account",
        ),
        (
            Denial::UnknownZone { value: text("x") },
            "unknown-zone",
            422,
            Some("/params/zone"),
            "no zone \"x\"",
            "[zone]",
        ),
        (
            Denial::AllZonesAndMore,
            "all-zones-and-more",
            422,
            Some("/params/zone"),
            "stands for all zones",
            "\"*\" alone",
        ),
        (
            Denial::ParameterNeeded { name: "zone", choices: vec![text("a.example")] },
            "parameter-needed",
            422,
            Some("/params/zone"),
            "\"zone\" is needed",
            "one of a.example",
        ),
        (
            Denial::ParameterNeeded { name: "account", choices: vec![] },
            "parameter-needed",
            422,
            Some("/params/account"),
            "\"account\" is needed",
            "Give params.account.",
        ),
        (
            Denial::ParameterRefused { name: "zone", value: text("x") },
            "parameter-refused",
            403,
            Some("/params/zone"),
            "\"x\" is not allowed as zone",
            "/v1/whoami",
        ),
        (
            Denial::SeveralAccounts,
            "several-accounts",
            422,
            Some("/params/account"),
            "one account",
            "one token per account",
        ),
        (
            zone,
            "zone-elsewhere",
            422,
            Some("/params/zone"),
            "lies in account \"apps\"",
            "one token per account",
        ),
        (
            Denial::Render(RenderError::NoZones),
            "not-renderable",
            422,
            Some("/params"),
            "list of zones is empty",
            "/v1/templates",
        ),
        (
            Denial::Policies(policies),
            "invalid-policies",
            422,
            Some("/policies/1/effect"),
            "deny policies",
            "allow policies only",
        ),
        (misfit, "wrong-family", 422, Some("/policies/4"), "user", "where its resource belongs"),
        (
            out_of_reach(Some("DNS Write")),
            "out-of-reach",
            403,
            Some("/policies/2"),
            "reaches \"DNS Write\" on account",
            "/v1/whoami",
        ),
        (out_of_reach(None), "out-of-reach", 403, Some("/policies/2"), "permission group 4755", "/v1/whoami"),
        (
            Denial::Condition(condition),
            "invalid-condition",
            422,
            Some("/condition/in/0"),
            "list of networks",
            "203.0.113.0/24",
        ),
        (
            Denial::EndNeeded { latest: at(9) },
            "end-needed",
            422,
            Some("/expires_on"),
            "does not say when",
            "2026-11-01T00:00:09Z or earlier",
        ),
        (
            Denial::EndPast { expires_on: at(1) },
            "end-past",
            422,
            Some("/expires_on"),
            "not in the future",
            "in the future",
        ),
        (
            late,
            "end-too-late",
            403,
            Some("/expires_on"),
            "as the account sets no max_ttl, allows 1m",
            "2026-11-01T00:00:01Z or earlier",
        ),
        (
            never,
            "never-valid",
            422,
            Some("/not_before"),
            "begin at 2026-11-01T00:00:02Z and end",
            "before the end",
        ),
        (Denial::Guardrail(Breach::NoEnd), "no-expiry", 403, None, "must have an end", "expires_on"),
        (
            Denial::Guardrail(Breach::OutsideRules {
                policy: 5,
                resource: Resource::Account(FOREIGN.parse().unwrap()),
            }),
            "outside-rules",
            403,
            Some("/policies/5"),
            "the rules do not name account",
            "an account in the rules",
        ),
        (Denial::NotTheOwner, "no-such-lease", 404, None, "or it is not yours", "List your leases"),
        (
            Denial::AccountGone,
            "account-gone",
            403,
            None,
            "no longer have the account",
            "under the rules as they are now",
        ),
        (
            Denial::GrantGone { grant: grant() },
            "grant-gone",
            403,
            Some("/rules/grant/g"),
            "no longer yours",
            "under the rules as they are now",
        ),
        (
            Denial::Ended { at: at(1) },
            "lease-ended",
            404,
            None,
            "ended at 2026-11-01T00:00:01Z",
            "Ask for a new token",
        ),
        (
            Denial::ConditionTightened { grant: grant() },
            "condition-tightened",
            403,
            Some("/rules/grant/g/condition"),
            "narrower now",
            "Renew the lease",
        ),
    ]
}

#[test]
fn each_denial_names_its_reason_and_the_next_step() {
    for (denial, code, status, pointer, detail, hint) in every_denial() {
        assert_eq!((denial.code(), denial.status()), (code, status), "{denial:?}");
        assert_eq!(denial.pointer().as_deref(), pointer, "{denial:?}");
        assert!(denial.detail().contains(detail), "{}", denial.detail());
        assert!(denial.detail().ends_with('.') && !denial.detail().ends_with(".."), "{}", denial.detail());
        assert!(denial.hint().contains(hint), "{}", denial.hint());
        assert!(denial.hint().ends_with(['.', '?']), "{}", denial.hint());
        assert!(!denial.title().is_empty() && !denial.title().ends_with('.'), "{}", denial.title());
    }
}

#[test]
fn names_are_in_kebab_case_and_belong_to_one_kind_each() {
    let mut seen = std::collections::BTreeMap::new();
    for (denial, code, ..) in every_denial() {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        let kind = std::mem::discriminant(&denial);
        assert_eq!(*seen.entry(code).or_insert(kind), kind, "{code}");
    }
}

#[test]
fn titles_are_few_and_say_which_part_refused() {
    let titles: BTreeSet<_> = every_denial().iter().map(|(denial, ..)| denial.title()).collect();
    assert_eq!(
        titles.into_iter().collect::<Vec<_>>(),
        [
            "A guardrail forbids this",
            "An operator needs no grant",
            "No grant allows this",
            "Several rules allow this",
            "The condition is refused",
            "The lease has ended",
            "The lifetime is refused",
            "The operator lacks a power",
            "The parameters do not fit the template",
            "The policies are refused",
            "The token needs an end",
            "There is no such lease",
            "There is no such template",
        ]
    );
}

#[test]
fn the_evidence_is_for_programs() {
    let evidence = |denial: Denial| {
        let mut told = crate::json::Object::new();
        denial.tell_evidence(&mut told);
        crate::json::to_value(&told)
    };
    assert_eq!(
        evidence(Denial::EndNeeded { latest: at(9) }),
        json!({ "latest_expires_on": "2026-11-01T00:00:09Z" })
    );
    let late = Denial::EndTooLate {
        expires_on: at(2),
        latest: at(1),
        max_ttl: Seconds::of(60),
        limit: Limit::Brevet,
    };
    assert_eq!(evidence(late), json!({ "latest_expires_on": "2026-11-01T00:00:01Z", "max_ttl": 60 }));
    let choices = Denial::ParameterNeeded { name: "zone", choices: vec![text("a")] };
    assert_eq!(evidence(choices), json!({ "choices": ["a"] }));
    assert_eq!(evidence(Denial::SeveralGrants { grants: vec![text("a")] }), json!({ "grants": ["a"] }));
    let lines = Denial::SeveralLines { grant: text("g"), lines: vec![text("/grant/g/allow/0")] };
    assert_eq!(evidence(lines), json!({ "lines": ["/grant/g/allow/0"] }));
    let reach = json!({ "permission_group": DNS_WRITE, "resource": format!("account {APPS}") });
    assert_eq!(evidence(out_of_reach(None)), reach);
    assert_eq!(evidence(Denial::NoGrant), json!({}));
}

#[test]
fn a_long_list_is_cut() {
    let many = |count: usize| Denial::SeveralGrants { grants: (0..count).map(|n| format!("g{n}")).collect() };
    assert!(many(10).hint().ends_with("g9."), "{}", many(10).hint());
    assert!(many(11).hint().ends_with("g9, …."), "{}", many(11).hint());
}

#[test]
fn limits_and_operations_have_words() {
    let limits = [Limit::Template(text("t")), Limit::Grant(text("g")), Limit::Account(text("a"))];
    assert_eq!(limits.map(|limit| limit.to_string()), ["template \"t\"", "grant \"g\"", "account \"a\""]);
    let operations =
        [Operation::Create, Operation::Update, Operation::Renew, Operation::Roll, Operation::Revoke];
    assert_eq!(operations.map(Operation::word), ["create", "update", "renew", "roll", "revoke"]);
}

#[test]
fn a_later_step_counts_as_nearer() {
    // From far to near: each of these beats all before it.
    let steps = [
        vec!["no-grant", "unknown-grant", "unknown-template", "template-not-allowed", "policies-not-allowed"],
        vec!["grant-disabled"],
        vec!["operation-not-listed"],
        vec!["parameter-needed", "parameter-refused", "several-accounts", "zone-elsewhere"],
        vec!["out-of-reach", "not-renderable", "wrong-family"],
        vec!["several-lines"],
        vec!["invalid-condition"],
        vec!["end-needed", "end-past", "end-too-late", "never-valid"],
        vec!["no-expiry", "outside-rules"],
        vec!["audit-only"],
    ];
    for (step, codes) in steps.iter().enumerate() {
        for (denial, code, ..) in every_denial() {
            if codes.contains(&code) {
                assert_eq!(usize::from(denial.progress()), step, "{code}");
            }
        }
    }
}
