//! `brevet deploy`, the program itself: with a wrangler that writes down what it is called with, the
//! stand-in of Cloudflare's API for the parent tokens, and a Worker that takes the rules.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

mod brevet;
mod dry_run;
mod parents;
mod rerun;
mod serving;
mod stage;
mod stops;

use stage::{ACCOUNT, NAMESPACE, Stage, TITLE};

/// What a first run asks of wrangler, in order.
const LOOKS: [&str; 4] = [
    "--version",
    "whoami --json --config wrangler.toml",
    "kv namespace list --config wrangler.toml",
    "secret list --format json --config wrangler.toml",
];
const CHANGES: [&str; 5] = [
    "kv namespace create brevet-state --config wrangler.toml",
    "secret put BREVET_PEPPER --config wrangler.toml",
    "secret put BREVET_OPERATOR_SECRET --config wrangler.toml",
    "secret put CLOUDFLARE_API_TOKEN --config wrangler.toml",
    "deploy --config wrangler.toml",
];

fn arguments(calls: &[stage::Call]) -> Vec<&str> {
    calls.iter().map(|call| call.arguments.as_str()).collect()
}

#[test]
fn a_first_run_creates_everything_in_order_and_says_what_it_did() {
    let stage = Stage::new();
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!(run.code, Some(0), "{}", run.err);

    let calls = stage.calls();
    assert_eq!(arguments(&calls), [&LOOKS[..], &CHANGES[..]].concat());
    assert_eq!(
        stage.namespaces().into_iter().collect::<Vec<_>>(),
        [(NAMESPACE.to_owned(), TITLE.to_owned())]
    );
    assert!(stage.read("wrangler.toml").contains(&format!("binding = \"STATE\"\nid = \"{NAMESPACE}\"\n")));

    // The operator's secret is the only thing on standard output, and it is the Worker's.
    let operator = run.out.trim_end().to_owned();
    assert!(operator.starts_with("brvo_") && operator.len() == 48, "{operator}");
    let secrets = stage.secrets();
    assert_eq!(secrets["BREVET_OPERATOR_SECRET"], operator);
    assert_eq!(secrets["CLOUDFLARE_API_TOKEN"], stage.parent("account"));
    assert_eq!(secrets["BREVET_PEPPER"].len(), 43);
    assert_eq!(secrets.len(), 3);

    stage.brevet.look(|seen| {
        assert_eq!(seen.requests, ["GET /healthz", "GET /v1/config", "PUT /v1/config"]);
        assert_eq!(seen.bearer.as_deref(), Some(operator.as_str()));
        assert_eq!(seen.versions[0]["account"]["ours"]["id"], ACCOUNT);
    });
    for said in [
        "wrangler 4.164.0, logged in as ops@example.org",
        "CLOUDFLARE_API_TOKEN: Cloudflare takes it for account \"ours\"",
        "Done:",
        &format!("KV namespace {NAMESPACE}: created; its id is in wrangler.toml"),
        "secret BREVET_PEPPER: put",
        "secret CLOUDFLARE_API_TOKEN: put",
        "Worker \"brevet\": deployed",
        "rules: Version 1 is in force.",
    ] {
        assert!(run.err.contains(said), "{said} is not in:\n{}", run.err);
    }
    assert!(stage.cloudflare.violations().is_empty());
}

#[test]
fn secrets_reach_wrangler_by_standard_input_and_by_no_other_way() {
    let mut stage = Stage::new();
    let pepper = "pepper-of-the-environment-0123456789-abcdef";
    let operator = format!("brvo_{}", "Op3r".repeat(11).get(..43).unwrap());
    stage.set("BREVET_PEPPER", pepper);
    stage.set("BREVET_OPERATOR_SECRET", &operator);
    stage.set("WRANGLER_API_TOKEN", "wranglers-own-token");
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.err);

    let parent = stage.parent("account");
    let calls = stage.calls();
    assert_eq!(calls.len(), LOOKS.len() + CHANGES.len());
    let mut inputs = Vec::new();
    for call in &calls {
        for secret in [pepper, &operator, parent] {
            assert!(!call.arguments.contains(secret), "{}", call.arguments);
            for (name, value) in &call.environment {
                assert!(!value.contains(secret), "{name} of `{}` holds a secret", call.arguments);
            }
        }
        assert!(!call.environment.keys().any(|name| name.starts_with("BREVET_") && name != "BREVET_URL"));
        // The parent's variable is wrangler's too: it gets its own token there.
        assert_eq!(call.environment["CLOUDFLARE_API_TOKEN"], "wranglers-own-token");
        assert!(!call.environment.contains_key("WRANGLER_API_TOKEN"));
        if !call.input.is_empty() {
            inputs.push((call.arguments.split(' ').nth(2).unwrap(), call.input.as_str()));
        }
    }
    assert_eq!(
        inputs,
        [
            ("BREVET_PEPPER", pepper),
            ("BREVET_OPERATOR_SECRET", operator.as_str()),
            ("CLOUDFLARE_API_TOKEN", parent)
        ]
    );
    for secret in [pepper, &operator, parent, "wranglers-own-token"] {
        assert!(!run.err.contains(secret), "a secret was said");
    }
}

#[test]
fn what_is_changed_is_changed_in_the_account_that_was_looked_at() {
    let stage = Stage::new();
    assert_eq!(stage.deploy(&["--wait", "5"]).code, Some(0));
    let calls = stage.calls();
    let (asked, later) = calls.split_at(2);
    assert!(asked.iter().all(|call| !call.environment.contains_key("CLOUDFLARE_ACCOUNT_ID")));
    assert!(later.iter().all(|call| call.environment["CLOUDFLARE_ACCOUNT_ID"] == ACCOUNT));
    assert!(calls.iter().all(|call| call.folder == calls[0].folder));
}
