//! What every refusal has in common.

use brevet_core::ledger::office::MOST_WRITTEN;
use serde_json::Value;

use crate::installation::{Answer, Installation};
use brevet::routes::{Call, PROBLEM_BASE};

/// Members that a problem may have.
const MEMBERS: [&str; 16] = [
    "type",
    "title",
    "status",
    "detail",
    "hint",
    "pointer",
    "retry_after",
    "findings",
    "present",
    "widened",
    "removed",
    "leases",
    "upstream_status",
    "upstream_code",
    "latest_expires_on",
    "max_ttl",
];

/// Further members, of single reasons.
const MORE: [&str; 9] = [
    "freeze",
    "would_have_allowed",
    "claim",
    "found",
    "choices",
    "grants",
    "lines",
    "permission_group",
    "resource",
];

/// Sends a request that must be refused with this status and reason before anything reaches Cloudflare, and
/// gives the answer.
#[track_caller]
pub(crate) fn refused(installation: &Installation, call: Call, status: u16, reason: &str) -> Answer {
    let tokens = installation.stage.fake.tokens().len();
    installation.steps();
    installation.logged();
    let what = format!("{} {}", call.method, call.path);
    let drop_in = call.path.starts_with("/client/v4");
    let decides = call.method != "GET"
        && !["/v1/plan", "/v1/simulate"].contains(&call.path.as_str())
        && !call.path.starts_with("/v1/config");
    let refusals = installation.refusals().len();
    let answer = installation.send(call);
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    if drop_in {
        check_envelope(&answer, reason, &what);
    } else {
        check_problem(&answer, reason, &what);
    }
    assert_eq!(installation.steps().upstream, 0, "{what}: Cloudflare was asked");
    assert_eq!(installation.stage.fake.tokens().len(), tokens, "{what}: a token came about");
    check_signals(&answer);
    check_journal(installation, &answer, decides, refusals);
    let expected = match reason {
        "invalid-credential" | "1000" => vec!["credential_refused".to_owned()],
        "upstream-rate-limited" | "quota" => vec!["upstream".to_owned()],
        "invalid-signature" | "stale-message" | "unfit-message" => vec!["webhook_refused".to_owned()],
        _ => Vec::new(),
    };
    let logged: Vec<String> =
        installation.logged().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logged, expected, "{what}");
    answer
}

/// What the rules refuse somebody who is known is in the journal; what a stranger wants is not.
fn check_journal(installation: &Installation, answer: &Answer, decides: bool, before: usize) {
    let refusals = installation.refusals();
    if answer.status == 403 && decides && before < usize::try_from(MOST_WRITTEN).unwrap() {
        assert_eq!(refusals.len(), before + 1, "{}", answer.text);
    }
    if answer.status == 401 || !decides {
        assert_eq!(refusals.len(), before, "{}", answer.text);
    }
}

fn check_problem(answer: &Answer, reason: &str, what: &str) {
    let body = answer.body.as_object().unwrap();
    assert_eq!(body["type"], format!("{PROBLEM_BASE}{reason}"), "{what}: {}", answer.text);
    assert_eq!(body["status"], answer.status);
    for name in ["title", "detail", "hint"] {
        assert_sentence(&body[name], name == "title", what);
    }
    for name in body.keys() {
        assert!(MEMBERS.contains(&name.as_str()) || MORE.contains(&name.as_str()), "{what}: {name}");
    }
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

/// On the drop-in surface the reason is Cloudflare's code.
fn check_envelope(answer: &Answer, code: &str, what: &str) {
    let body = &answer.body;
    assert_eq!(body["success"], false);
    assert_eq!(body["result"], Value::Null);
    let error = &body["errors"][0];
    assert_eq!(error["code"].to_string(), code, "{what}: {}", answer.text);
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert_eq!(answer.headers["content-type"], "application/json");
}

fn check_signals(answer: &Answer) {
    assert_eq!(answer.headers["cache-control"], "no-store");
    let later = answer.body["type"] == "urn:brevet:problem:upstream-rate-limited";
    assert_eq!(answer.headers["x-should-retry"], later.to_string());
    assert_eq!(answer.headers.contains_key("www-authenticate"), answer.status == 401);
}

fn assert_sentence(text: &Value, title: bool, what: &str) {
    let text = text.as_str().unwrap_or_default();
    assert!(text.len() > 5, "{what}: {text:?}");
    assert!(text.starts_with(|first: char| first.is_uppercase() || !first.is_alphabetic()), "{what}: {text}");
    assert!(title || text.ends_with(['.', '?', '!', '"']), "{what}: {text}");
}
