//! No failure holds a secret, whatever Cloudflare or something in between says.

use std::fmt::Write as _;

use brevet_core::cloudflare::{Cloudflare, Failure};
use brevet_core::secret::Secret;
use fake_cloudflare::{Effect, MAIN_ACCOUNT, Owner, When};
use pollster::block_on;

use crate::stage::{PARENT, Stage, account, one, spec};

/// Every way in which a failure can be shown.
fn shown(failure: &Failure) -> String {
    format!("{failure} {failure:?} {}", brevet_core::json::to_text(failure))
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn assert_silent(failure: &Failure, secret: &str) {
    let shown = shown(failure);
    for from in 0..=secret.len() - 20 {
        assert!(!shown.contains(&secret[from..from + 20]), "{from}: {shown}");
    }
    assert!(!shown.contains(&hex(secret)));
}

#[test]
fn the_search_finds_what_is_there() {
    let secret = "cfat_0123456789012345678901234567890123456789";
    let failure = Failure::new(
        brevet_core::cloudflare::FailureKind::Invalid,
        format!("it was {}", &secret[7..30]),
        String::new(),
    );
    assert!(std::panic::catch_unwind(|| assert_silent(&failure, secret)).is_err());
}

#[test]
fn a_server_that_repeats_the_bearer_teaches_nobody() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    let parent = stage.value_of(PARENT);
    let bare = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";
    for secret in [parent.as_str(), bare] {
        stage.put_secret(PARENT, secret);
        for (status, code) in [
            (400, 400),
            (400, 1001),
            (400, 1005),
            (400, 4_711),
            (401, 1000),
            (403, 9109),
            (403, 10_000),
            (404, 7003),
            (404, 1003),
            (405, 7001),
            (429, 971),
            (500, 10_001),
        ] {
            for message in [
                format!("bad token {secret}"),
                format!("Authorization: Bearer {secret}, sorry"),
                format!("(Permission group: \"{secret}\")"),
                format!("{}{secret}", "a ".repeat(140)),
                format!("Cannot use the access token from location: {secret}"),
            ] {
                let stage = Stage::new();
                stage.put_secret(PARENT, secret);
                let effect = Effect::Status { status, code, message, headers: [].into(), when: When::Before };
                for method in ["GET", "POST", "PUT", "DELETE"] {
                    stage.fault(method, "", 100, effect.clone());
                }
                let cloudflare = stage.upstream();
                let mut failures = vec![
                    block_on(cloudflare.create(account(), &one(), &spec("a"))).err(),
                    block_on(cloudflare.update(account(), &one(), id, &spec("a"))).err(),
                    block_on(cloudflare.roll(account(), &one(), id)).err(),
                    block_on(cloudflare.delete(account(), &one(), id)).err(),
                    block_on(cloudflare.read(account(), &one(), id)).err(),
                    block_on(cloudflare.find_by_name(account(), &one(), "a")).err(),
                    block_on(cloudflare.check_parents(account(), &one())).err(),
                    block_on(cloudflare.permission_groups(account(), &one())).err(),
                ];
                failures.push(block_on(cloudflare.verify(account(), &Secret::new(secret.to_owned()))).err());
                for failure in failures.iter().flatten() {
                    assert_silent(failure, secret);
                }
                assert!(failures.iter().flatten().count() >= 4);
            }
        }
    }
}

#[test]
fn a_minted_value_in_a_broken_answer_is_not_shown() {
    let stage = Stage::new();
    let (_, value) = stage.seed_for(&Owner::Account(MAIN_ACCOUNT.to_owned()), "a");
    for body in [
        format!("{{\"success\":true,\"result\":{{\"id\":\"x\",\"value\":\"{}\"}}}}", value.expose()),
        format!(
            "{{\"success\":false,\"errors\":[{{\"code\":500,\"message\":\"made {}\"}}]}}",
            value.expose()
        ),
        format!("<html>{}</html>", value.expose()),
    ] {
        for status in [200, 400, 500] {
            let effect = Effect::Raw {
                status,
                content_type: "application/json".to_owned(),
                body: body.clone(),
                headers: [].into(),
                when: When::After,
            };
            stage.fault("POST", "", 1, effect);
            let failure = block_on(stage.upstream().create(account(), &one(), &spec("b"))).unwrap_err();
            assert_silent(&failure, value.expose());
        }
    }
}

#[test]
fn nothing_but_the_authorization_header_carries_the_parent() {
    let stage = Stage::new();
    let minted = block_on(stage.upstream().create(account(), &one(), &spec("a"))).unwrap();
    block_on(stage.upstream().roll(account(), &one(), minted.view.id)).unwrap();
    block_on(stage.upstream().delete(account(), &one(), minted.view.id)).unwrap();
    // The stand-in looks for token values everywhere but there.
    stage.assert_clean();
    for call in stage.fake.calls() {
        assert!(stage.secret_values().iter().all(|secret| !format!("{call:?}").contains(secret)));
    }
    assert!(!format!("{:?}", stage.circuits).contains("cfat_"));
}
