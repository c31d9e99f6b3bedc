//! Answers that are not the API's, or not of the call: none passes for a success, and none for a sure refusal.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod calls;

use calls::*;
use cloudflare_tokens::*;
use serde_json::json;

#[test]
fn a_404_that_is_not_the_api_s_does_not_count_as_deleted() {
    for body in ["", "<html>404</html>", "[]", "{}", "{\"error\":\"no such host\"}", "null"] {
        let error = error(&delete(), 404, body);
        assert!(matches!(error, ApiError::Unreadable { status: 404, .. }), "{body} {error:?}");
        assert_eq!(error.kind(), Kind::Definite);
        assert!(!error.surely_refused());
    }
}

#[test]
fn a_failing_server_leaves_the_outcome_open_in_every_form() {
    for status in [408, 500, 502, 503, 504, 520, 522, 599] {
        for body in [
            "",
            "<!DOCTYPE html><title>520: Web server is returning an unknown error</title>",
            "error code: 502",
            "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{}}",
            "{",
            &one(9109, "Invalid access token"),
            &one(971, "slow down"),
        ] {
            let error = error(&create(), status, body);
            assert!(matches!(error, ApiError::Unavailable { .. }), "{status} {body} {error:?}");
            assert_eq!(error.refusal().unwrap().status, status);
            assert_eq!(error.kind(), Kind::Retryable);
            assert!(!error.surely_refused(), "{status} {body}");
            assert!(!Repeat::OnlyIfNotSent.allows(&error));
            for repeat in [Repeat::Safe, Repeat::LastWins, Repeat::AbsentIsDone] {
                assert!(repeat.allows(&error));
            }
        }
    }
    let mut headers = Headers::new();
    headers.add("retry-after", "9");
    let later = list().read(503, &headers, b"").unwrap_err();
    assert_eq!(later.retry_after(), Some(9));
    assert_eq!(evidence(&error(&list(), 500, &one(10001, "Internal"))), (500, Some(10001), "Internal"));
}

#[test]
fn a_success_that_is_not_the_api_s_leaves_the_outcome_open() {
    for (body, why) in [
        ("", Misread::Empty),
        (" \r\n", Misread::Empty),
        ("<html>hello</html>", Misread::NotJson),
        ("{\"success\":true", Misread::NotJson),
        ("[]", Misread::NotAnEnvelope),
        ("null", Misread::NotAnEnvelope),
        ("\"ok\"", Misread::NotAnEnvelope),
        ("{}", Misread::NotAnEnvelope),
        ("{\"success\":\"true\",\"result\":{}}", Misread::NotAnEnvelope),
        ("{\"success\":1,\"result\":{}}", Misread::NotAnEnvelope),
        ("{\"success\":true}", Misread::Member("result")),
        ("{\"success\":true,\"result\":null}", Misread::Member("result")),
        ("{\"success\":true,\"result\":{}}", Misread::Member("result.id")),
        ("{\"success\":true,\"result\":{\"id\":\"../x\",\"value\":\"x\"}}", Misread::Member("result.id")),
    ] {
        let error = error(&create(), 200, body);
        assert_eq!(error, ApiError::Unreadable { status: 200, why }, "{body}");
        assert_eq!(error.kind(), Kind::Retryable);
        assert!(!error.surely_refused());
        assert!(!Repeat::OnlyIfNotSent.allows(&error));
        assert!(Repeat::Safe.allows(&error));
    }
}

#[test]
fn a_4xx_of_something_else_is_unreadable_and_final() {
    let challenge = error(&list(), 403, "<!DOCTYPE html><title>Just a moment...</title>");
    assert_eq!(challenge, ApiError::Unreadable { status: 403, why: Misread::NotJson });
    assert_eq!(challenge.kind(), Kind::Definite);
    assert_eq!(challenge.to_string(), "403: an answer that is not JSON");
}

#[test]
fn a_redirect_is_a_failure() {
    for status in [301, 302, 303, 304, 307, 308] {
        let error = error(&list(), status, "{\"success\":true,\"result\":[]}");
        assert_eq!(error, ApiError::Redirected { status });
        assert_eq!(error.kind(), Kind::Definite);
        assert!(!error.surely_refused());
    }
}

#[test]
fn an_answer_over_the_bound_is_not_parsed() {
    let filler = " ".repeat(MAX_ANSWER_BYTES);
    let good = "{\"success\":true,\"result\":[]}";
    let body = format!("{good}{filler}");
    let over = ApiError::TooLarge { status: 200, bytes: body.len() };
    assert_eq!(error(&list(), 200, &body), over);
    assert_eq!(over.kind(), Kind::Definite);
    assert!(matches!(error(&list(), 502, &body), ApiError::Unavailable { .. }));
    assert!(matches!(error(&list(), 429, &body), ApiError::RateLimited { .. }));
    let fits = format!("{good}{}", " ".repeat(MAX_ANSWER_BYTES - good.len()));
    assert!(read(&list(), 200, &fits).is_ok());
}

#[test]
fn deep_nesting_is_not_json() {
    let body = format!("{{\"success\":true,\"result\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(error(&list(), 200, &body), ApiError::Unreadable { status: 200, why: Misread::NotJson });
}

#[test]
fn a_create_without_a_usable_value_names_the_token_to_delete() {
    for value in [json!(null), json!(""), json!("short"), json!(7), json!(format!("{VALUE}\r\n"))] {
        let body = json!({"success": true, "result": {"id": TOKEN, "value": value}}).to_string();
        let error = error(&create(), 200, &body);
        assert_eq!(error, ApiError::ValueMissing { id: id() });
        assert_eq!(error.kind(), Kind::Definite);
        assert!(!error.surely_refused());
    }
}

#[test]
fn an_answer_about_another_token_is_not_taken() {
    let other = json!({"success": true, "result": {"id": "00000000000000000000000000000000"}}).to_string();
    let why = ApiError::Unreadable { status: 200, why: Misread::Member("result.id") };
    assert_eq!(error(&get(), 200, &other), why);
    assert_eq!(error(&update(), 200, &other), why);
    assert_eq!(error(&delete(), 200, &other), why);
}

#[test]
fn a_roll_takes_nothing_but_a_value() {
    for result in [json!(null), json!({"value": VALUE}), json!(""), json!(format!("{VALUE} "))] {
        let body = json!({"success": true, "result": result}).to_string();
        let why = ApiError::Unreadable { status: 200, why: Misread::Member("result") };
        assert_eq!(error(&roll(), 200, &body), why);
        assert!(roll().repeat().allows(&why));
    }
}

#[test]
fn a_bound_of_a_life_that_cannot_be_read_is_not_taken_for_none() {
    for (member, value) in [
        ("expires_on", json!("soon")),
        ("expires_on", json!(1_577_836_800)),
        ("not_before", json!("2018-13-01T00:00:00Z")),
        ("not_before", json!({})),
    ] {
        let body = json!({"success": true, "result": {"id": TOKEN, "status": "active", member: value}});
        let why = ApiError::Unreadable { status: 200, why: Misread::Member(member) };
        assert_eq!(error(&get(), 200, &body.to_string()), why);
        assert_eq!(error(&VERIFY, 200, &body.to_string()), why);
    }
}

#[test]
fn policies_and_conditions_that_cannot_be_read_are_not_taken_for_none() {
    let group = json!({"id": "c8fed203ed3043cba015a93ad1616f1f"});
    for (token, member) in [
        (json!({"policies": {}}), "policies"),
        (json!({"policies": ["x"]}), "policies"),
        (json!({"policies": [{"permission_groups": "x"}]}), "permission_groups"),
        (json!({"policies": [{"permission_groups": ["x"]}]}), "permission_groups"),
        (json!({"policies": [{"permission_groups": [group, {"id": "X"}]}]}), "permission_groups.id"),
        (json!({"policies": [{"effect": 1}]}), "effect"),
        (json!({"policies": [{"resources": []}]}), "resources"),
        (json!({"policies": [{"resources": {"a": 1}}]}), "resources"),
        (json!({"policies": [{"resources": {"a": {"b": {}}}}]}), "resources"),
        (json!({"condition": []}), "condition"),
        (json!({"condition": {"request_ip": "10.0.0.0/8"}}), "condition.request_ip"),
        (json!({"condition": {"request_ip": {"in": "10.0.0.0/8"}}}), "condition.request_ip"),
        (json!({"condition": {"request.ip": {"not_in": [7]}}}), "condition.request_ip"),
    ] {
        let mut result = token.clone();
        result.as_object_mut().unwrap().insert("id".to_owned(), TOKEN.into());
        let body = json!({"success": true, "result": result}).to_string();
        let why = ApiError::Unreadable { status: 200, why: Misread::Member(member) };
        assert_eq!(error(&get(), 200, &body), why, "{token}");
    }
}
