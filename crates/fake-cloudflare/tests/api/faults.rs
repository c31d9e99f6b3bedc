//! Faults and barriers, in process.

use std::collections::BTreeMap;

use fake_cloudflare::{Barrier, Effect, Fault, Matcher, Outcome, Reply, When};
use http::Response;
use serde_json::{Value, json};

use crate::desk::*;

fn creates() -> Matcher {
    Matcher { suffix: Some("/tokens".to_owned()), ..Matcher::new("POST", "/accounts/") }
}

fn create(desk: &Desk) -> Outcome {
    desk.send(request("POST", &main_path(""), &desk.main_parent(), Some(harmless())))
}

fn made(desk: &Desk) -> usize {
    desk.fake.tokens().len() - 3
}

fn answered(outcome: Outcome) -> Response<Vec<u8>> {
    outcome.reply.answer().expect("an answer")
}

#[test]
fn a_failure_before_the_work_leaves_it_undone_and_one_after_does_not() {
    let desk = Desk::new();
    for (when, made_then) in [(When::Before, 0), (When::After, 1)] {
        let effect = Effect::Status {
            status: 502,
            code: 10001,
            message: "bad gateway".to_owned(),
            headers: BTreeMap::from([("x-any".to_owned(), "thing".to_owned())]),
            when,
        };
        desk.fake.add_fault(Fault::next(1, creates(), effect));
        let answer = answered(create(&desk));
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["x-any"].as_bytes()),
            (502, b"thing".as_slice())
        );
        let envelope: Value = serde_json::from_slice(answer.body()).expect("JSON");
        assert_eq!(envelope["errors"], json!([{ "code": 10001, "message": "bad gateway" }]));
        assert_eq!(made(&desk), made_then);
    }
    assert_eq!(answered(create(&desk)).status().as_u16(), 200, "the faults are spent");
}

#[test]
fn html_comes_as_html() {
    let desk = Desk::new();
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Html { status: 503, when: When::After }));
    let answer = answered(create(&desk));
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().ok()),
        (503, Some("text/html; charset=UTF-8"))
    );
    assert!(answer.body().starts_with(b"<!DOCTYPE html>"));
    assert_eq!(made(&desk), 1);
}

#[test]
fn a_raw_answer_is_as_it_was_given() {
    let desk = Desk::new();
    let effect = Effect::Raw {
        status: 200,
        content_type: "text/plain".to_owned(),
        body: "{\"success\":tr".to_owned(),
        headers: BTreeMap::new(),
        when: When::Before,
    };
    desk.fake.add_fault(Fault::next(1, creates(), effect));
    assert_eq!(answered(create(&desk)).body(), b"{\"success\":tr");
}

#[test]
fn a_rate_limit_out_of_the_blue_carries_retry_after() {
    let desk = Desk::new();
    desk.fake.add_fault(Fault::next(1, creates(), Effect::RateLimited { retry_after: 17 }));
    let got = desk.post(&main_path(""), &desk.main_parent(), harmless());
    got.refused(429, 971);
    assert_eq!(got.header("retry-after"), "17");
    assert_eq!(made(&desk), 0);
}

#[test]
fn an_answer_can_be_dropped_after_the_work_is_done() {
    let desk = Desk::new();
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Drop { when: When::After }));
    assert!(matches!(create(&desk).reply, Reply::DropConnection));
    assert_eq!(made(&desk), 1);
    assert_eq!(desk.fake.calls().last().map(|call| call.status), Some(None));
}

#[test]
fn a_connection_can_end_before_the_work() {
    let desk = Desk::new();
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Drop { when: When::Before }));
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Reset));
    assert!(matches!(create(&desk).reply, Reply::DropConnection));
    assert!(matches!(create(&desk).reply, Reply::ResetConnection));
    assert_eq!(made(&desk), 0);
}

#[test]
fn a_redirect_leads_where_it_was_told() {
    let desk = Desk::new();
    let location = "http://127.0.0.1:9/elsewhere".to_owned();
    desk.fake.add_fault(Fault::next(
        1,
        creates(),
        Effect::Redirect { status: 307, location: location.clone() },
    ));
    let answer = answered(create(&desk));
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().ok()),
        (307, Some(location.as_str()))
    );
    assert_eq!(made(&desk), 0);
}

#[test]
fn an_answer_can_be_cut_or_blown_up_after_the_work() {
    let desk = Desk::new();
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Truncate { bytes: 10 }));
    let Reply::Truncated { answer, bytes: 10 } = create(&desk).reply else { panic!("it is whole") };
    assert!(serde_json::from_slice::<Value>(answer.body()).is_ok(), "the head announces the whole");
    desk.fake.add_fault(Fault::next(1, creates(), Effect::Huge { bytes: 3_000_000 }));
    let huge = answered(create(&desk));
    assert!(huge.body().len() > 3_000_000);
    let envelope: Value = serde_json::from_slice(huge.body()).expect("JSON");
    assert_eq!(envelope["success"], true);
    assert_eq!(made(&desk), 2);
}

#[test]
fn delays_are_told_apart_and_add_up() {
    let desk = Desk::new();
    let latency = |ms, when| Effect::Latency { ms, when };
    desk.fake.set_faults([
        Fault::always(Matcher::default(), latency(5, When::Before)),
        Fault::always(creates(), latency(70, When::After)),
        Fault::always(creates(), Effect::SlowBody { ms: 900 }),
    ]);
    let outcome = create(&desk);
    assert_eq!((outcome.delay_ms, outcome.body_delay_ms), (75, 900));
    assert_eq!(answered(outcome).status().as_u16(), 200, "a delay changes nothing else");
    let other = desk.send(request("GET", "/zones", &desk.main_parent(), None));
    assert_eq!((other.delay_ms, other.body_delay_ms), (5, 0));
}

#[test]
fn a_fault_hits_only_what_it_is_for() {
    let desk = Desk::new();
    let roll = Matcher { suffix: Some("/value".to_owned()), ..Matcher::new("PUT", "/client/v4/accounts") };
    desk.fake.add_fault(Fault::always(roll, Effect::Drop { when: When::After }));
    let token = desk.mint(harmless());
    let path = main_path(&format!("/{}", token.id));
    desk.put(&path, &desk.main_parent(), harmless()).result();
    let outcome = desk.send(request("PUT", &format!("{path}/value"), &desk.main_parent(), Some(json!({}))));
    assert!(matches!(outcome.reply, Reply::DropConnection));
    desk.get(&main_path("/verify"), &token.value).refused(401, 1000);
}

#[test]
fn a_fault_can_be_taken_away() {
    let desk = Desk::new();
    let number = desk.fake.add_fault(Fault::always(creates(), Effect::Reset));
    assert!(desk.fake.remove_fault(number));
    assert!(!desk.fake.remove_fault(number));
    desk.mint(harmless());
}

#[test]
fn a_barrier_holds_the_answer_of_work_that_is_done() {
    let desk = Desk::new();
    let number = desk.fake.add_barrier(Barrier { on: creates(), when: When::After, count: Some(1) });
    let held = create(&desk).hold.expect("held");
    assert_eq!((made(&desk), desk.fake.held(number)), (1, Some(1)));
    assert!(desk.fake.is_held(held));
    assert!(create(&desk).hold.is_none(), "the second passes");
    assert_eq!(desk.fake.release(number, None), Some(1));
    assert!(!desk.fake.is_held(held));
}

#[test]
fn a_barrier_can_hold_the_work_itself() {
    let desk = Desk::new();
    desk.fake.add_barrier(Barrier { on: creates(), when: When::Before, count: None });
    let request = request("POST", &main_path(""), &desk.main_parent(), Some(harmless()));
    let arrival = desk.fake.arrive(&request);
    assert!(arrival.hold.is_some());
    assert_eq!(made(&desk), 0);
    let outcome = desk.fake.finish(request, arrival, START);
    assert_eq!((made(&desk), answered(outcome).status().as_u16()), (1, 200));
}

#[test]
fn an_old_ticket_fits_no_barrier_made_after_a_reset() {
    let desk = Desk::new();
    desk.fake.add_barrier(Barrier { on: Matcher::default(), when: When::After, count: None });
    let old = create(&desk).hold.expect("held");
    desk.fake.reset();
    desk.fake.add_barrier(Barrier { on: Matcher::default(), when: When::After, count: None });
    let new = create(&desk).hold.expect("held");
    assert!(!desk.fake.is_held(old) && desk.fake.is_held(new));
}
