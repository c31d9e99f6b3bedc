//! `brevet deploy --dry-run`: everything is shown, nothing is run.

use crate::stage::{ACCOUNT, NAMESPACE, Stage};
use crate::{CHANGES, LOOKS};

#[test]
fn prints_every_command_and_request_in_order_and_runs_none() {
    let stage = Stage::new();
    let run = stage.deploy(&["--dry-run"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(stage.calls().is_empty(), "wrangler was run");
    assert!(stage.cloudflare.calls().is_empty(), "Cloudflare was asked");
    assert!(stage.is_untouched());

    let lines: Vec<&str> = run.out.lines().filter(|line| !line.starts_with('#')).collect();
    let commands: Vec<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("wrangler "))
        .map(|line| line.split(" < ").next().unwrap().to_owned())
        .collect();
    assert_eq!(commands, [&LOOKS[..], &CHANGES[..]].concat());
    let requests: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts_with("wrangler "))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    let origin = stage.brevet.origin();
    assert_eq!(requests.len(), 5);
    assert!(requests[0].ends_with(&format!("/client/v4/accounts/{ACCOUNT}/tokens/verify")), "{requests:?}");
    assert!(requests[1].ends_with(&format!("/client/v4/accounts/{ACCOUNT}/tokens/permission_groups")));
    assert_eq!(requests[2], format!("GET {origin}/healthz"));
    assert_eq!(requests[3], format!("GET {origin}/v1/config"));
    assert_eq!(requests[4], format!("PUT {origin}/v1/config"));
    assert!(!run.out.contains(stage.parent("account")), "a secret was printed");
}

#[test]
fn what_it_printed_is_what_a_run_then_does() {
    let stage = Stage::new();
    let printed = stage.deploy(&["--dry-run"]).out;
    assert_eq!(stage.deploy(&["--wait", "5"]).code, Some(0));
    let ran: Vec<String> =
        stage.calls().into_iter().map(|call| format!("wrangler {}", call.arguments)).collect();
    let commands: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("wrangler "))
        .map(|line| line.split(" < ").next().unwrap())
        .collect();
    assert_eq!(commands, ran);
    let asked: Vec<String> =
        stage.cloudflare.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    for call in &asked {
        let (method, path) = call.split_once(' ').unwrap();
        assert!(
            printed.lines().any(|line| line.starts_with(method) && line.contains(path)),
            "{call} was made and not printed"
        );
    }
    assert_eq!(asked.len(), 2);
}

#[test]
fn says_that_a_namespace_of_the_configuration_is_not_created() {
    let stage = Stage::new();
    let config = stage.read("wrangler.toml");
    stage.write(
        "wrangler.toml",
        &config.replace("binding = \"STATE\"", &format!("binding = \"STATE\"\nid = \"{NAMESPACE}\"")),
    );
    let out = stage.deploy(&["--dry-run"]).out;
    assert!(!out.contains("namespace create"), "{out}");
    assert!(out.contains(&format!("KV namespace {NAMESPACE} is in wrangler.toml; nothing to create.")));
}

#[test]
fn quotes_what_a_shell_would_take_apart() {
    let stage = Stage::new();
    let config = stage.read("wrangler.toml");
    stage.write("my wrangler.toml", &config);
    let out = stage.deploy(&["--dry-run", "--config", "my wrangler.toml"]).out;
    assert!(out.contains("wrangler deploy --config 'my wrangler.toml'\n"), "{out}");
}

#[test]
fn puts_the_keys_of_endpoints_where_they_are_at_hand() {
    let stage = Stage::new();
    let rules = stage.read("brevet.toml");
    let endpoint = "[endpoint.siem]\nurl = \"https://siem.example.net/in\"\nsecrets = [\"HOOK_SIEM\"]\n";
    stage.write("brevet.toml", &format!("{rules}\n{endpoint}"));
    let out = stage.deploy(&["--dry-run"]).out;
    let line = "secret put HOOK_SIEM --config wrangler.toml < <from HOOK_SIEM, else left out>";
    assert!(out.contains(line), "{out}");
}
