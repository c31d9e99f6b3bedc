//! Running it again: after success nothing is done twice, after a failure it goes on.

use crate::stage::{NAMESPACE, Stage};
use crate::{CHANGES, LOOKS, arguments};

/// A first run; gives the operator's secret.
fn deployed(stage: &mut Stage) -> String {
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    stage.calls();
    let operator = run.out.trim_end().to_owned();
    stage.set("BREVET_OPERATOR_SECRET", &operator);
    operator
}

#[test]
fn a_second_run_only_deploys_the_worker() {
    let mut stage = Stage::new();
    deployed(&mut stage);
    let (secrets, config) = (stage.secrets(), stage.read("wrangler.toml"));
    let checked = stage.cloudflare.calls().len();
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.err);
    assert_eq!(arguments(&stage.calls()), [&LOOKS[..], &CHANGES[4..]].concat());
    assert_eq!((stage.secrets(), stage.read("wrangler.toml")), (secrets, config));
    assert_eq!(stage.cloudflare.calls().len(), checked, "a parent that stays is not asked about");
    assert_eq!(stage.brevet.look(|seen| seen.versions.len()), 1, "the same rules are not pushed twice");
    for said in [
        &format!("KV namespace {NAMESPACE}: was there"),
        "secrets that were there: BREVET_PEPPER, BREVET_OPERATOR_SECRET, CLOUDFLARE_API_TOKEN",
        "rules: version 1 says the same and stays in force",
    ] {
        assert!(run.err.contains(said), "{said} is not in:\n{}", run.err);
    }
}

#[test]
fn a_namespace_of_the_right_title_is_taken_and_none_is_created() {
    let stage = Stage::new();
    let there = "aaaabbbbccccdddd0000111122223333";
    stage.write(&format!("state/namespaces/{there}"), "brevet-state\n");
    stage.write("state/namespaces/ffffffffffffffffffffffffffffffff", "others\n");
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(arguments(&stage.calls()), [&LOOKS[..], &CHANGES[1..]].concat());
    assert!(stage.read("wrangler.toml").contains(&format!("binding = \"STATE\"\nid = \"{there}\"\n")));
    assert!(
        run.err.contains(&format!("KV namespace {there}: was there; its id is in wrangler.toml")),
        "{}",
        run.err
    );
}

#[test]
fn a_secret_is_put_again_only_where_that_is_asked_for() {
    let mut stage = Stage::new();
    let operator = deployed(&mut stage);
    let run = stage.deploy(&["--wait", "5", "--replace", "CLOUDFLARE_API_TOKEN"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(arguments(&stage.calls()), [&LOOKS[..], &CHANGES[3..]].concat());

    let run = stage.deploy(&["--wait", "5", "--replace", "BREVET_OPERATOR_SECRET"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let new = run.out.trim_end();
    assert!(new.starts_with("brvo_") && new != operator);
    assert_eq!(stage.secrets()["BREVET_OPERATOR_SECRET"], new);
    assert_eq!(
        stage.brevet.look(|seen| seen.bearer.clone()).as_deref(),
        Some(new),
        "the rules are read with it"
    );
}

#[test]
fn other_rules_are_pushed_on_top_of_those_in_force() {
    let mut stage = Stage::new();
    deployed(&mut stage);
    let rules = stage.read("brevet.toml");
    stage.write("brevet.toml", &format!("{rules}max_ttl = \"30m\"\n"));
    let run = stage.deploy(&["--wait", "5", "--keep"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    stage.brevet.look(|seen| {
        assert_eq!(seen.requests.last().map(String::as_str), Some("PUT /v1/config?keep=true"));
        assert_eq!(seen.versions[1]["grant"]["purge"]["max_ttl"], "30m");
    });
}

#[test]
fn wherever_wrangler_fails_it_says_what_was_done_and_a_second_run_goes_on_from_there() {
    for (at, failing) in CHANGES.iter().enumerate() {
        let mut stage = Stage::new();
        let command = failing.split(" --config").next().unwrap();
        stage.write("state/fail", command);
        let run = stage.deploy(&["--wait", "5"]);
        assert_eq!(run.code, Some(3), "{command}: {}", run.err);
        assert_eq!(
            arguments(&stage.calls()),
            [&LOOKS[..], &CHANGES[..=at]].concat(),
            "nothing after the failure"
        );
        assert!(stage.brevet.look(|seen| seen.requests.is_empty()), "nothing was pushed");

        let said = |text: &str| run.err.contains(text);
        assert!(said("run brevet deploy again"), "{}", run.err);
        if command == "deploy" {
            assert!(said("`wrangler deploy` failed: see above."), "{}", run.err);
        } else {
            assert!(
                said("A request to the Cloudflare API failed. Service unavailable [code: 10013]"),
                "{}",
                run.err
            );
        }
        assert_eq!(said("Done until then:"), at > 0, "{}", run.err);
        assert_eq!(said(&format!("KV namespace {NAMESPACE}: created")), at > 0, "{}", run.err);
        assert_eq!(said("secret BREVET_PEPPER: put"), at > 1, "{}", run.err);
        assert_eq!(said("secret BREVET_OPERATOR_SECRET: put"), at > 2, "{}", run.err);
        assert_eq!(said("secret CLOUDFLARE_API_TOKEN: put"), at > 3, "{}", run.err);
        // What was made is not lost: it is shown as soon as it is in the Worker.
        assert_eq!(run.out.starts_with("brvo_"), at > 2, "{}", run.err);
        if at > 2 {
            stage.set("BREVET_OPERATOR_SECRET", run.out.trim_end());
        }

        stage.remove("state/fail");
        let run = stage.deploy(&["--wait", "5"]);
        assert_eq!(run.code, Some(0), "{command}: {}", run.err);
        assert_eq!(arguments(&stage.calls()), [&LOOKS[..], &CHANGES[at..]].concat());
        assert_eq!(stage.secrets().len(), 3);
    }
}

#[test]
fn an_operators_secret_that_nobody_kept_is_asked_for_before_anything_is_done() {
    let mut stage = Stage::new();
    deployed(&mut stage);
    stage.environment.remove("BREVET_OPERATOR_SECRET");
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("or make a new one with --replace BREVET_OPERATOR_SECRET."), "{}", run.err);
    assert_eq!(arguments(&stage.calls()), LOOKS);
}
