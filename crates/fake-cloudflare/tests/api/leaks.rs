//! What must never leave Brevet fails the run.

use fake_cloudflare::Reply;
use serde_json::json;

use crate::desk::*;

fn secret() -> String {
    format!("brvc_{}", "aB3-_".repeat(9).chars().take(43).collect::<String>())
}

#[track_caller]
fn leaked(desk: &Desk, request: http::Request<Vec<u8>>, place: &str) {
    let outcome = desk.send(request);
    let Reply::Answer(answer) = outcome.reply else { panic!("no answer") };
    assert_eq!(answer.status().as_u16(), 500);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(text.contains("this run has failed"), "{text}");
    let violations = desk.fake.violations();
    assert_eq!(violations.last().map(|violation| violation.place.as_str()), Some(place));
    let kept = format!("{text} {violations:?} {:?}", desk.fake.calls());
    assert!(!kept.contains(&secret()) && !kept.contains("eyJhbGciOiJub25lIn0"), "what is kept is redacted");
}

#[test]
fn a_brevet_secret_anywhere_is_a_violation_and_the_work_is_not_done() {
    let desk = Desk::new();
    let parent = desk.main_parent();
    let mut asked = harmless();
    asked["name"] = json!(format!("named {}", secret()));
    leaked(&desk, request("POST", &main_path(""), &parent, Some(asked)), "body");
    leaked(&desk, request("GET", &format!("/zones?name={}", secret()), &parent, None), "url");
    leaked(&desk, request("GET", &main_path(&format!("/{}", secret())), &parent, None), "url");
    leaked(&desk, request("GET", "/zones", &secret(), None), "header authorization");
    let mut stray = request("GET", "/zones", &parent, None);
    stray.headers_mut().insert("x-brevet", secret().parse().expect("a header"));
    leaked(&desk, stray, "header x-brevet");
    assert_eq!((desk.fake.violations().len(), desk.fake.tokens().len()), (5, 3));
}

#[test]
fn a_jwt_is_a_violation() {
    let desk = Desk::new();
    leaked(
        &desk,
        request("GET", "/zones", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", None),
        "header authorization",
    );
}

#[test]
fn the_parent_in_a_body_is_a_violation() {
    let desk = Desk::new();
    let mut asked = harmless();
    asked["name"] = json!(desk.main_parent());
    leaked(&desk, request("POST", &main_path(""), &desk.main_parent(), Some(asked)), "body");
}

#[test]
fn a_forbidden_text_is_a_violation() {
    let desk = Desk::with(|settings| settings.forbidden = vec!["correct horse".to_owned()]);
    leaked(
        &desk,
        request("POST", &main_path(""), &desk.main_parent(), Some(json!({ "x": "correct horse" }))),
        "body",
    );
}

#[test]
fn a_violation_is_found_before_a_fault_strikes() {
    let desk = Desk::new();
    let everything = fake_cloudflare::Matcher::default();
    desk.fake.add_fault(fake_cloudflare::Fault::always(everything, fake_cloudflare::Effect::Reset));
    leaked(&desk, request("GET", "/zones", &secret(), None), "header authorization");
}

#[test]
fn violations_outlive_a_reset() {
    let desk = Desk::new();
    leaked(&desk, request("GET", "/zones", &secret(), None), "header authorization");
    desk.fake.reset();
    assert_eq!(desk.fake.violations().len(), 1);
}
