//! Answers that are not the API's: HTML, redirects, floods, garbage.

use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, When};
use pollster::block_on;

use crate::stage::{Stage, account, assert_told, one, spec, two};

#[test]
fn a_redirect_is_a_failure_and_the_parent_goes_nowhere_else() {
    for location in
        ["http://127.0.0.1:9999/client/v4/steal", "https://evil.example/", "/client/v4/user/tokens"]
    {
        for status in [301, 302, 303, 307, 308] {
            let stage = Stage::new();
            let id = stage.seed_token("a");
            for method in ["GET", "PUT", "POST", "DELETE"] {
                stage.fault(method, "", 1, Effect::Redirect { status, location: location.to_owned() });
            }
            let cloudflare = stage.upstream();
            let failures = [
                (block_on(cloudflare.read(account(), &two(), id)).unwrap_err(), FailureKind::Protocol),
                (
                    block_on(cloudflare.create(account(), &two(), &spec("b"))).unwrap_err(),
                    FailureKind::Uncertain,
                ),
                (block_on(cloudflare.roll(account(), &two(), id)).unwrap_err(), FailureKind::Uncertain),
                (block_on(cloudflare.delete(account(), &two(), id)).unwrap_err(), FailureKind::Uncertain),
            ];
            for (failure, kind) in failures {
                assert_eq!((failure.kind, failure.status), (kind, Some(status)), "{failure}");
                assert!(failure.cause.contains("redirect"), "{failure}");
                assert!(!failure.to_string().contains("evil"), "{failure}");
                assert_told(&failure);
            }
            // One exchange for each, and all of them with the API.
            assert_eq!(stage.sent.borrow().len(), 4);
            stage.assert_clean();
        }
    }
}

#[test]
fn a_presented_value_does_not_follow_a_redirect_either() {
    let stage = Stage::new();
    let value = brevet_core::secret::Secret::new(stage.value_of(crate::stage::PARENT));
    stage.fault("GET", "", 1, Effect::Redirect { status: 302, location: "https://evil.example/".to_owned() });
    let failure = block_on(stage.upstream().verify(account(), &value)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert_eq!(stage.sent.borrow().len(), 1);
    stage.assert_clean();
}

#[test]
fn an_html_page_with_a_server_error_is_a_server_error() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, Effect::Html { status: 521, when: When::Before });
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.status, failure.code), (FailureKind::Unavailable, Some(521), None));
    assert!(!failure.to_string().contains('<'), "{failure}");
    assert_told(&failure);
}

#[test]
fn an_html_page_with_a_success_is_no_success() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, Effect::Html { status: 200, when: When::Before });
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Protocol, Some(200)));
    assert_told(&failure);
}

#[test]
fn an_html_404_is_a_wrong_address_and_not_a_missing_token() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 1, Effect::Html { status: 404, when: When::Before });
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::WrongEndpoint, Some(404)));
    assert_told(&failure);
    stage.fault("DELETE", "", 1, Effect::Html { status: 404, when: When::Before });
    let failure = block_on(stage.upstream().delete(account(), &one(), id)).unwrap_err();
    assert_ne!(
        failure.kind,
        FailureKind::NotFound,
        "a page of some proxy does not say that the token is gone"
    );
    assert_eq!(stage.minted().len(), 1);
}

#[test]
fn an_answer_that_is_too_large_is_cut_off_and_not_asked_for_again() {
    let stage = Stage::new();
    let id = stage.seed_token("a");
    stage.fault("GET", "", 100, Effect::Huge { bytes: 5 << 20 });
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.cause.contains("larger"), "{failure}");
    assert_told(&failure);
    assert_eq!(stage.count("GET"), 1);
}

#[test]
fn garbage_is_told_apart_from_everything_else() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"success\":\"yes\"}",
        "{\"success\":true,\"result\":[]}",
        "\u{0}\u{1}",
        &"[".repeat(100_000),
    ] {
        let stage = Stage::new();
        let id = stage.seed_token("a");
        stage.fault(
            "GET",
            "",
            100,
            Effect::Raw {
                status: 200,
                content_type: "application/json".to_owned(),
                body: body.to_owned(),
                headers: [].into(),
                when: When::Before,
            },
        );
        let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
        assert_eq!((failure.kind, failure.status), (FailureKind::Protocol, Some(200)), "{failure}");
        assert_told(&failure);
    }
}

#[test]
fn an_answer_about_another_token_is_not_believed() {
    let stage = Stage::new();
    let (id, other) = (stage.seed_token("a"), stage.seed_token("b"));
    let body = format!(
        "{{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{{\"id\":\"{other}\",\"name\":\"b\"}}}}"
    );
    for method in ["GET", "DELETE"] {
        let effect = Effect::Raw {
            status: 200,
            content_type: "application/json".to_owned(),
            body: body.clone(),
            headers: [].into(),
            when: When::Before,
        };
        stage.fault(method, "", 100, effect);
    }
    let failure = block_on(stage.upstream().read(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    let failure = block_on(stage.upstream().delete(account(), &one(), id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
}
