//! What each refusal is read as: a row for everything Cloudflare is known to say, from bodies as it sends them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

use cloudflare_tokens::*;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
const VALUE: &str = "cfat_8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T12345678";

fn id() -> TokenId {
    TOKEN.parse().unwrap()
}

fn create() -> CreateToken {
    let policy = Policy { id: None, effect: Effect::Allow, resources: BTreeMap::new(), groups: Vec::new() };
    let token = NewToken {
        name: "x".to_owned(),
        policies: vec![policy],
        condition: None,
        not_before: None,
        expires_on: None,
    };
    CreateToken { family: Family::User, token }
}

fn update() -> UpdateToken {
    let NewToken { name, policies, condition, not_before, expires_on } = create().token;
    let token = TokenUpdate { name, policies, status: None, condition, not_before, expires_on };
    UpdateToken { family: Family::User, id: id(), token }
}

fn list() -> ListTokens {
    ListTokens { family: Family::User, paging: Paging::default(), direction: None, include_expired: false }
}

const VERIFY: VerifyToken = VerifyToken { family: Family::User };

fn get() -> GetToken {
    GetToken { family: Family::User, id: id() }
}

fn delete() -> DeleteToken {
    DeleteToken { family: Family::User, id: id() }
}

fn roll() -> RollToken {
    RollToken { family: Family::User, id: id() }
}

fn failure(errors: Value) -> String {
    json!({"success": false, "errors": errors, "messages": [], "result": null}).to_string()
}

fn one(code: i64, message: &str) -> String {
    failure(json!([{"code": code, "message": message}]))
}

fn read<C: Call>(call: &C, status: u16, body: &str) -> Result<C::Output, ApiError> {
    call.read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

fn error<C: Call>(call: &C, status: u16, body: &str) -> ApiError {
    match read(call, status, body) {
        Ok(_) => panic!("{status} {body} is no failure"),
        Err(error) => error,
    }
}

/// The parts of an error's evidence.
fn evidence(error: &ApiError) -> (u16, Option<i64>, &str) {
    let refusal = error.refusal().unwrap();
    (refusal.status, refusal.code, refusal.message.as_str())
}

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
fn a_404_that_is_not_the_api_s_does_not_count_as_deleted() {
    for body in ["", "<html>404</html>", "[]", "{}", "{\"error\":\"no such host\"}", "null"] {
        let error = error(&delete(), 404, body);
        assert!(matches!(error, ApiError::Unreadable { status: 404, .. }), "{body} {error:?}");
        assert_eq!(error.kind(), Kind::Definite);
        assert!(!error.surely_refused());
    }
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
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        create().read(status, &headers, body.as_bytes()).unwrap_err()
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
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("9"));
    let later = list().read(StatusCode::SERVICE_UNAVAILABLE, &headers, b"").unwrap_err();
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
fn deep_nesting_is_not_json() {
    let body = format!("{{\"success\":true,\"result\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(error(&list(), 200, &body), ApiError::Unreadable { status: 200, why: Misread::NotJson });
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
