//! A parent token that will not do stops a deployment before anything is made.

use fake_cloudflare::{Effect, Fault, Matcher, When};
use serde_json::json;

use crate::stage::{Stage, rules};

/// Runs it and gives what it said last; nothing may have been touched.
fn stopped(stage: &Stage, code: i32) -> String {
    let run = stage.deploy(&["--wait", "5"]);
    assert_eq!(run.code, Some(code), "{}", run.err);
    assert_eq!(run.out, "", "no secret was made for nothing");
    assert!(stage.is_untouched(), "something was changed:\n{}", run.err);
    assert!(
        stage
            .calls()
            .iter()
            .all(|call| !call.arguments.contains("create") && !call.arguments.contains("put"))
    );
    let last = run.err.lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("brevet: CLOUDFLARE_API_TOKEN, the parent token of account \"ours\", will not do: "),
        "{last}"
    );
    assert!(last.ends_with("Nothing was changed."), "{last}");
    assert!(!run.err.contains(&stage.environment["CLOUDFLARE_API_TOKEN"]), "the token was said");
    last
}

#[test]
fn refuses_an_accounts_token_where_the_rules_mean_a_users() {
    let stage = Stage::new();
    // None of the example's ids: those are refused before.
    stage.write("brevet.toml", &rules("user", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"));
    let said = stopped(&stage, 1);
    assert!(said.contains("it is owned by an account, and the rules say family = \"user\"."), "{said}");
    assert!(said.contains("Put a token of the user's there."), "{said}");
    assert!(stage.cloudflare.calls().is_empty(), "its prefix says it");
}

#[test]
fn refuses_a_users_token_that_may_not_make_the_accounts() {
    let mut stage = Stage::new();
    let user = stage.parent("user").to_owned();
    stage.set("CLOUDFLARE_API_TOKEN", &user);
    let said = stopped(&stage, 1);
    assert!(said.contains("it is alive, but may not see the permission groups of the account"), "{said}");
    assert!(said.contains("Account API Tokens Write"), "{said}");
}

#[test]
fn refuses_a_token_of_another_account() {
    let mut stage = Stage::new();
    let apps = stage.parent("apps").to_owned();
    stage.set("CLOUDFLARE_API_TOKEN", &apps);
    let said = stopped(&stage, 1);
    assert!(said.contains("Cloudflare refuses it"), "{said}");
}

#[test]
fn refuses_a_dead_token() {
    let mut stage = Stage::new();
    let dead = format!("cfat_{}", "Dead".repeat(12));
    stage.set("CLOUDFLARE_API_TOKEN", &dead);
    let said = stopped(&stage, 1);
    assert!(said.contains("Cloudflare refuses it (401/1000: Invalid API Token)."), "{said}");
    assert!(said.contains("it was revoked, rolled, mistyped"), "{said}");
    assert!(
        said.contains("Put a live one there, and check the account's id and family in the rules."),
        "{said}"
    );
}

#[test]
fn refuses_a_disabled_token() {
    let stage = Stage::new();
    let ours = stage.cloudflare.tokens().into_iter().find(|token| token.name.contains("OURS")).unwrap();
    stage.cloudflare.alter(&ours.id, &json!({"status": "disabled"}), 1_782_864_000).unwrap();
    let said = stopped(&stage, 1);
    assert!(said.contains("Cloudflare says that it is disabled. Put a live one there."), "{said}");
}

#[test]
fn refuses_what_cannot_be_a_token() {
    let mut stage = Stage::new();
    for (text, why) in [
        ("too-short", "Copy it again, whole."),
        (
            &format!("cfk_{}", "Glob".repeat(12)),
            "it is a global API key. Make an API token and put that there.",
        ),
        (
            &format!("cfoat_{}", "Oaut".repeat(12)),
            "it is wrangler's log-in. Make an API token and put that there.",
        ),
    ] {
        stage.set("CLOUDFLARE_API_TOKEN", text);
        let said = stopped(&stage, 1);
        assert!(said.contains(why), "{said}");
    }
    assert!(stage.cloudflare.calls().is_empty());
}

#[test]
fn stops_while_cloudflare_is_down_and_says_that_it_is() {
    let stage = Stage::new();
    let down = || Matcher::default();
    for (effect, why, next) in [
        (
            Effect::Html { status: 520, when: When::Before },
            "Cloudflare's API fails",
            "Try again in a minute.",
        ),
        (
            Effect::RateLimited { retry_after: 7 },
            "Cloudflare limits the number of calls",
            "wait, then call less often.",
        ),
        (Effect::Drop { when: When::Before }, "Cloudflare's API cannot be reached", "Try again in a minute."),
    ] {
        stage.cloudflare.set_faults([Fault::always(down(), effect)]);
        let said = stopped(&stage, 3);
        assert!(said.contains(why) && said.contains(next), "{said}");
    }
}
