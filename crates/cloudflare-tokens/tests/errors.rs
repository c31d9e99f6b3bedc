//! What each refusal is read as: a row for everything Cloudflare is known to say, from bodies as it sends them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod calls;

use calls::*;
use cloudflare_tokens::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

macro_rules! assert_refused {
    ($error:expr, $variant:pat, $status:expr, $code:expr, $message:expr) => {
        let error = $error;
        assert!(matches!(error, $variant), "{error:?}");
        assert_eq!(evidence(&error), ($status, Some($code), $message));
        assert_eq!(error.kind(), Kind::Definite);
        assert!(error.surely_refused());
        assert_eq!(error.to_string(), format!("{}/{}: {}", $status, $code, $message));
    };
}

#[test]
fn a_malformed_authorization_header() {
    let body = failure(json!([{
        "code": 6003,
        "message": "Invalid request headers",
        "error_chain": [{"code": 6111, "message": "Invalid format for Authorization header"}],
    }]));
    let error = error(&list(), 400, &body);
    assert!(error.refusal().unwrap().has(6111));
    assert_eq!(error.refusal().unwrap().entries.len(), 2);
    assert_refused!(error, ApiError::MalformedAuthorization(_), 400, 6003, "Invalid request headers");
    let text = "Invalid format for Authorization header";
    assert_refused!(
        self::error(&list(), 400, &one(6111, text)),
        ApiError::MalformedAuthorization(_),
        400,
        6111,
        text
    );
}

#[test]
fn a_failed_authentication() {
    assert_refused!(
        error(&list(), 400, &one(9106, "Authentication failed")),
        ApiError::AuthenticationFailed(_),
        400,
        9106,
        "Authentication failed"
    );
}

#[test]
fn a_group_that_the_parent_may_not_grant_is_named() {
    let text = "Failed common permission check against resources. (Permission group: \"DNS Write\")";
    for error in [error(&create(), 400, &one(1001, text)), error(&update(), 400, &one(1001, text))] {
        let ApiError::PolicyRefused { group, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(group.as_ref().unwrap().as_str(), "DNS Write");
        assert_refused!(error, ApiError::PolicyRefused { .. }, 400, 1001, text);
    }
}

#[test]
fn a_refused_policy_without_a_group_names_none() {
    for text in [
        "Must specify a zone for account owned tokens, or nest zone under specific account resource",
        "Failed (Permission group: \"\")",
        "Failed (Permission group: \"DNS",
        "Permission group: \"DNS Write\"",
    ] {
        let error = error(&create(), 400, &one(1001, text));
        assert!(matches!(error, ApiError::PolicyRefused { group: None, .. }), "{error:?}");
    }
}

#[test]
fn an_endpoint_that_takes_no_account_tokens() {
    let text = "List accounts endpoint does not support account owned tokens.";
    assert_refused!(
        error(&ListAccounts::default(), 400, &one(1001, text)),
        ApiError::NotForAccountTokens(_),
        400,
        1001,
        text
    );
}

#[test]
fn a_request_that_does_not_validate() {
    for text in [
        "name must have a length between 1 and 120",
        "These rules must pass for policies: id must be present",
    ] {
        assert_refused!(error(&create(), 400, &one(400, text)), ApiError::Invalid(_), 400, 400, text);
    }
}

#[test]
fn an_unknown_dead_or_other_family_s_token_at_verify() {
    assert_refused!(
        error(&VERIFY, 401, &one(1000, "Invalid API Token")),
        ApiError::InvalidToken(_),
        401,
        1000,
        "Invalid API Token"
    );
}

#[test]
fn a_verify_without_credentials() {
    assert_refused!(
        error(&VERIFY, 401, &one(1001, "missing authentication token")),
        ApiError::MissingCredentials(_),
        401,
        1001,
        "missing authentication token"
    );
}

#[test]
fn the_four_meanings_of_9109_differ_in_nothing_but_the_hint() {
    let mut hints = BTreeSet::new();
    for (text, meaning) in [
        ("Unauthorized to access requested resource", AccessMeaning::MissingPermission),
        ("Valid user-level authentication not found", AccessMeaning::WrongFamily),
        ("Cannot use the access token from location: 198.51.100.7", AccessMeaning::Address),
        ("Invalid access token", AccessMeaning::DeadToken),
        ("Something new", AccessMeaning::Unknown),
    ] {
        let error = error(&list(), 403, &one(9109, text));
        let ApiError::AccessDenied { meaning: read, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*read, meaning);
        assert!(hints.insert(error.hint()), "{meaning:?} has a hint of another");
        assert_refused!(error, ApiError::AccessDenied { .. }, 403, 9109, text);
    }
}

#[test]
fn an_authentication_error_of_a_product_api() {
    for status in [401, 403] {
        assert_refused!(
            error(&ListZones::default(), status, &one(10000, "Authentication error")),
            ApiError::AuthenticationError(_),
            status,
            10000,
            "Authentication error"
        );
    }
}

#[test]
fn a_method_that_takes_no_api_tokens() {
    let text = "POST method with API Tokens is not supported by this API";
    assert_refused!(
        error(&create(), 405, &one(10000, text)),
        ApiError::TokensUnsupported(_),
        405,
        10000,
        text
    );
}

#[test]
fn a_path_that_is_not_there() {
    let text = "Could not route to /client/v4/accounts/x/tokens, perhaps your object identifier is invalid?";
    assert_refused!(error(&list(), 404, &one(7003, text)), ApiError::NoRoute(_), 404, 7003, text);
    assert_refused!(error(&get(), 400, &one(7003, text)), ApiError::NoRoute(_), 400, 7003, text);
}

#[test]
fn a_method_that_is_not_there() {
    let text = "PUT method not allowed for the requested path";
    assert_refused!(error(&list(), 405, &one(7001, text)), ApiError::NoMethod(_), 405, 7001, text);
}

#[test]
fn a_404_on_a_token_means_gone_whatever_the_code() {
    for (code, text) in
        [(1003, "Token not found"), (7003, "No route"), (10000, "Authentication error"), (1, "not found")]
    {
        let body = one(code, text);
        assert_refused!(error(&get(), 404, &body), ApiError::Gone(_), 404, code, text);
        assert_refused!(error(&update(), 404, &body), ApiError::Gone(_), 404, code, text);
        assert_refused!(error(&roll(), 404, &body), ApiError::Gone(_), 404, code, text);
        assert_eq!(read(&delete(), 404, &body), Ok(Deleted::Before));
    }
    let codeless = error(&get(), 404, &failure(json!([])));
    assert!(matches!(codeless, ApiError::Gone(refusal) if refusal.code.is_none()));
}

#[test]
fn a_404_where_no_token_is_named_is_not_gone() {
    for error in [
        error(&list(), 404, &one(1003, "not found")),
        error(&create(), 404, &one(1003, "not found")),
        error(&VERIFY, 404, &one(1003, "not found")),
    ] {
        assert!(matches!(error, ApiError::Other(_)), "{error:?}");
    }
}

#[test]
fn a_rate_limit_tells_how_long_to_wait() {
    let text = "Please wait and consider throttling your request speed";
    let limited = |status, body: &str, headers: &[(&'static str, &'static str)]| {
        let mut told = Headers::new();
        headers.iter().for_each(|(name, value)| told.add(name, value));
        create().read(status, &told, body.as_bytes()).unwrap_err()
    };
    for (headers, after) in [
        (&[("retry-after", "120"), ("ratelimit", "\"default\";r=0;t=30")][..], Some(120)),
        (&[("ratelimit", "\"default\";r=0;t=30"), ("ratelimit-policy", "\"burst\";q=100;w=60")], Some(30)),
        (&[("ratelimit-policy", "\"burst\";q=100;w=60")], Some(60)),
        (&[("retry-after", "soon")], None),
        (&[], None),
    ] {
        for (status, body) in [
            (429, one(971, text)),
            (429, one(10429, text)),
            (429, "<html>1015</html>".to_owned()),
            (429, String::new()),
            (403, one(971, text)),
            (200, one(971, text)),
        ] {
            let error = limited(status, &body, headers);
            assert!(matches!(error, ApiError::RateLimited { .. }), "{status} {body} {error:?}");
            assert_eq!(error.kind(), Kind::RateLimited { after });
            assert_eq!(error.retry_after(), after);
            assert!(error.surely_refused());
            assert!(Repeat::OnlyIfNotSent.allows(&error));
        }
    }
    let error = limited(429, &one(971, text), &[]);
    assert_eq!(evidence(&error), (429, Some(971), text));
}

#[test]
fn a_full_quota_counts_for_creates_alone() {
    let text = "Maximum number of tokens reached";
    assert_refused!(error(&create(), 400, &one(1005, text)), ApiError::Quota(_), 400, 1005, text);
    assert_refused!(error(&list(), 400, &one(1005, text)), ApiError::Other(_), 400, 1005, text);
}

#[test]
fn an_unknown_code_keeps_its_evidence() {
    assert_refused!(
        error(&create(), 409, &one(1337, "Something else")),
        ApiError::Other(_),
        409,
        1337,
        "Something else"
    );
    let bare = error(&create(), 418, &failure(Value::Null));
    assert_eq!(bare, ApiError::Other(Box::new(bare.refusal().unwrap().clone())));
    assert_eq!(evidence(&bare), (418, None, ""));
    assert_eq!(bare.to_string(), "418");
    let zero = error(&create(), 400, &one(0, "old service"));
    assert_eq!(evidence(&zero), (400, Some(0), "old service"));
}

#[test]
fn a_2xx_with_success_false_is_a_refusal() {
    assert_refused!(
        error(&create(), 200, &one(9109, "Invalid access token")),
        ApiError::AccessDenied { .. },
        200,
        9109,
        "Invalid access token"
    );
    assert_eq!(evidence(&error(&list(), 200, "{\"success\":false}")), (200, None, ""));
    assert!(read(&delete(), 200, &failure(json!([]))).is_err());
}

#[test]
fn a_4xx_with_success_true_is_a_failure() {
    let body = json!({"success": true, "errors": [], "messages": [], "result": {"id": TOKEN}}).to_string();
    assert_eq!(evidence(&error(&delete(), 403, &body)), (403, None, ""));
    assert!(matches!(error(&list(), 400, &body), ApiError::Other(_)));
}

#[test]
fn errors_are_read_in_every_form_they_come_in() {
    for (errors, code, message, entries) in [
        (json!([{"code": "1000", "message": "m"}]), Some(1000), "m", 1),
        (json!([{"code": 1000.5, "message": "m"}]), None, "m", 1),
        (json!([{"code": null, "message": null}]), None, "", 1),
        (json!([{}]), None, "", 1),
        (json!(["plain text"]), None, "plain text", 1),
        (json!("plain text"), None, "plain text", 1),
        (json!({"code": 1000, "message": "m"}), Some(1000), "m", 1),
        (json!([null, 3, true, [{"code": 1}]]), None, "", 0),
        (json!([{"code": 5, "message": "a"}, {"code": 9109, "message": "b"}]), Some(9109), "b", 2),
        (
            json!([{"code": 5, "message": "a", "error_chain": [{"code": 1000, "message": "b"}]}]),
            Some(1000),
            "b",
            2,
        ),
        (json!([{"code": 5, "message": "a", "error_chain": null}]), Some(5), "a", 1),
        (json!([{"code": 5, "message": "a", "error_chain": "why"}]), Some(5), "a", 2),
        (json!([]), None, "", 0),
        (json!({}), None, "", 1),
        (json!(7), None, "", 0),
    ] {
        let error = error(&VERIFY, 401, &failure(errors.clone()));
        assert_eq!(evidence(&error), (401, code, message), "{errors}");
        assert_eq!(error.refusal().unwrap().entries.len(), entries, "{errors}");
    }
}

#[test]
fn errors_without_success_are_a_refusal_too() {
    let body = json!({"errors": [{"code": 10000, "message": "Authentication error"}]}).to_string();
    assert!(matches!(error(&list(), 403, &body), ApiError::AuthenticationError(_)));
    assert!(matches!(error(&list(), 200, &body), ApiError::AuthenticationError(_)));
}

#[test]
fn the_pointer_to_the_member_is_kept() {
    let body = failure(json!([
        {"code": 400, "message": "bad", "source": {"pointer": "/policies/0/id"}},
        {"code": 400, "message": "worse", "source": null},
    ]));
    let error = error(&create(), 400, &body);
    let entries = &error.refusal().unwrap().entries;
    let pointers: Vec<_> = entries.iter().map(|entry| entry.pointer.as_ref().map(Message::as_str)).collect();
    assert_eq!(pointers, [Some("/policies/0/id"), None]);
}

#[test]
fn a_flood_of_errors_is_cut() {
    let chain =
        (0..20).fold(json!([]), |inner, code| json!([{"code": code, "message": "m", "error_chain": inner}]));
    assert_eq!(error(&list(), 400, &failure(chain)).refusal().unwrap().entries.len(), 5);
    let many: Vec<_> = (0..1000).map(|_| json!({"code": 1, "message": "m ".repeat(1000)})).collect();
    let error = error(&list(), 400, &failure(Value::Array(many)));
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.entries.len(), Refusal::MAX_ENTRIES);
    assert_eq!(refusal.message.as_str().chars().count(), MAX_MESSAGE_CHARS);
}

#[test]
fn a_token_value_in_a_message_does_not_get_out() {
    let text = format!("Invalid token {VALUE} in header Authorization: Bearer {VALUE}\u{0}");
    let body = failure(json!([{
        "code": 9109, "message": text, "source": {"pointer": VALUE},
        "error_chain": [{"code": 1, "message": VALUE}],
    }]));
    let error = error(&list(), 403, &body);
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(!shown.contains("8M7wS6"), "{shown}");
    assert_eq!(evidence(&error).2, "Invalid token [redacted] in header Authorization: Bearer [redacted]");
    let group = format!("(Permission group: \"{VALUE}\")");
    let error = self::error(&create(), 400, &one(1001, &group));
    assert!(!format!("{error:?}").contains("8M7wS6"));
}

#[test]
fn every_error_has_a_hint_that_is_one_sentence_and_its_own() {
    let refusal = error(&list(), 409, &one(1, "m")).refusal().unwrap().clone();
    let r = || Box::new(refusal.clone());
    let group = Some(Message::of("DNS Write"));
    let denied = |meaning| ApiError::AccessDenied { meaning, refusal: r() };
    let all = [
        ApiError::MalformedAuthorization(r()),
        ApiError::AuthenticationFailed(r()),
        ApiError::PolicyRefused { group, refusal: r() },
        ApiError::PolicyRefused { group: None, refusal: r() },
        ApiError::NotForAccountTokens(r()),
        ApiError::MissingCredentials(r()),
        ApiError::Invalid(r()),
        ApiError::InvalidToken(r()),
        denied(AccessMeaning::MissingPermission),
        denied(AccessMeaning::WrongFamily),
        denied(AccessMeaning::Address),
        denied(AccessMeaning::DeadToken),
        denied(AccessMeaning::Unknown),
        ApiError::AuthenticationError(r()),
        ApiError::TokensUnsupported(r()),
        ApiError::NoRoute(r()),
        ApiError::NoMethod(r()),
        ApiError::Gone(r()),
        ApiError::RateLimited { after: None, refusal: r() },
        ApiError::Quota(r()),
        ApiError::Unavailable { after: None, refusal: r() },
        ApiError::Other(r()),
        ApiError::Unreadable { status: 200, why: Misread::Empty },
        ApiError::TooLarge { status: 200, bytes: 1 },
        ApiError::Redirected { status: 302 },
        ApiError::ValueMissing { id: id() },
    ];
    let hints: BTreeSet<_> = all.iter().map(ApiError::hint).collect();
    assert_eq!(hints.len(), all.len());
    for hint in hints {
        assert!(hint.ends_with('.') && !hint.contains(". "), "{hint}");
    }
    for error in all {
        assert!(!error.to_string().is_empty());
    }
}
