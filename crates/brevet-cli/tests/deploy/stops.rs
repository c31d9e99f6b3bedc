//! What else stops a deployment, each with one sentence and before anything is made.

use crate::stage::Stage;

fn refused(stage: &Stage, arguments: &[&str], code: i32, said: &str) {
    let run = stage.deploy(arguments);
    assert_eq!(run.code, Some(code), "{}", run.err);
    assert!(run.err.contains(said), "{said} is not in:\n{}", run.err);
    assert!(stage.is_untouched());
    assert!(!run.err.contains("Done"), "{}", run.err);
}

#[test]
fn refuses_the_example_rules() {
    let stage = Stage::new();
    stage.write("brevet.toml", include_str!("../../../../brevet.toml"));
    for arguments in [&["--dry-run"][..], &[]] {
        refused(&stage, arguments, 1, "brevet.toml holds what is for development only; nothing was done.");
    }
    assert!(stage.calls().is_empty());
}

#[test]
fn refuses_rules_with_errors_and_names_the_line() {
    let stage = Stage::new();
    let rules = stage.read("brevet.toml");
    stage.write("brevet.toml", &rules.replace("client = \"purger\"", "client = \"nobody\""));
    refused(&stage, &[], 1, "brevet.toml:19:");
    assert!(stage.calls().is_empty());
}

#[test]
fn refuses_a_configuration_that_nothing_leads_to() {
    let stage = Stage::new();
    stage.write("wrangler.toml", include_str!("../../../../wrangler.toml"));
    refused(&stage, &[], 2, "routes = [{ pattern = \"brevet.example.org\", custom_domain = true }]");
    assert!(stage.calls().is_empty());
}

#[test]
fn refuses_development_mode_wherever_it_stands() {
    let stage = Stage::new();
    let config = stage.read("wrangler.toml");
    stage.write("wrangler.toml", &format!("{config}\n[vars]\nBREVET_DEV = \"1\"\n"));
    refused(&stage, &["--dry-run"], 2, "wrangler.toml sets BREVET_DEV, which is for development only");
    refused(&stage, &[], 2, "wrangler.toml sets BREVET_DEV, which is for development only");
    stage.write("wrangler.toml", &config);
    stage.write("state/secrets/BREVET_DEV", "1");
    stage.write("state/worker", "");
    let run = stage.deploy(&[]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("wrangler secret delete BREVET_DEV"), "{}", run.err);
    assert_eq!(stage.secrets().len(), 1);
}

#[test]
fn refuses_a_parent_that_is_nowhere() {
    let mut stage = Stage::new();
    stage.environment.clear();
    refused(&stage, &[], 2, "the Worker lacks CLOUDFLARE_API_TOKEN, and the environment has no value.");
}

#[test]
fn refuses_without_a_log_in_and_says_which_variable_wrangler_did_not_get() {
    let mut stage = Stage::new();
    stage.write("state/logged_out", "");
    refused(
        &stage,
        &[],
        3,
        "CLOUDFLARE_API_TOKEN is a parent token by the rules and is not given to it. Run `wrangler login`, or set WRANGLER_API_TOKEN",
    );
    stage.set("WRANGLER_API_TOKEN", "wranglers-own-token");
    refused(&stage, &[], 3, "wrangler is not logged in. Run `wrangler login`");
}

#[test]
fn refuses_an_account_that_wrangler_may_not_work_on() {
    let mut stage = Stage::new();
    stage.set("CLOUDFLARE_ACCOUNT_ID", "abababababababababababababababab");
    refused(&stage, &[], 2, "wrangler's log-in may not work on account abababababababababababababababab.");
}

#[test]
fn refuses_another_api_than_cloudflares() {
    let mut stage = Stage::new();
    stage.set("CLOUDFLARE_API_BASE", "https://api.example.com/client/v4");
    refused(&stage, &[], 2, "CLOUDFLARE_API_BASE cannot be used");
    assert!(stage.calls().is_empty());
}

#[test]
fn says_how_to_go_on_where_the_deployed_worker_does_not_answer() {
    let mut stage = Stage::new();
    // A port that nobody listens at.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.set("BREVET_URL", &format!("http://{free}"));
    let run = stage.deploy(&["--wait", "0"]);
    assert_eq!(run.code, Some(3), "{}", run.err);
    for said in [
        "Worker \"brevet\": deployed",
        "the Worker is deployed, but after 0 s it does not answer as it should",
        "nobody listens there",
        "then run brevet deploy again, or brevet config push",
    ] {
        assert!(run.err.contains(said), "{said} is not in:\n{}", run.err);
    }
    assert!(run.out.starts_with("brvo_"), "the secret is in the Worker, so it was shown");
}
