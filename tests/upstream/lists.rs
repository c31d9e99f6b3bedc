//! The complete list.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use brevet::upstream::{MAX_PAGES, MAX_PASSES};
use brevet_core::cloudflare::{Cloudflare, FailureKind};
use fake_cloudflare::{Effect, MAIN_ACCOUNT, Owner};
use pollster::block_on;
use serde_json::{Value, json};

use crate::stage::{Stage, account, assert_told, of_user, one, user};

#[test]
fn finds_the_one_token_among_500_and_both_where_there_are_two() {
    let stage = Stage::new();
    // Two parents of this account count, too.
    let ids: Vec<_> = (0..498).map(|n| stage.seed_token(&format!("t{n}"))).collect();
    for wanted in [0, 250, 497] {
        let found =
            block_on(stage.upstream().find_by_name(account(), &one(), &format!("t{wanted}"))).unwrap();
        assert_eq!(found, [ids[wanted]]);
    }
    assert_eq!(stage.count("GET"), 30);
    assert!(stage.lines().iter().all(|line| line.contains("per_page=50")));
    stage.fake.remove_token(ids[3].as_str());
    let twin = stage.seed_token("t400");
    let mut found = block_on(stage.upstream().find_by_name(account(), &one(), "t400")).unwrap();
    found.sort();
    let mut both = vec![ids[400], twin];
    both.sort();
    assert_eq!(found, both);
}

#[test]
fn a_name_is_compared_whole() {
    let stage = Stage::new();
    stage.seed_token("brevet:test:ABC");
    for name in ["brevet:test:AB", "brevet:test:ABCD", "brevet:test:abc", ""] {
        assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), name)).unwrap(), [], "{name}");
    }
}

#[test]
fn a_users_list_has_no_tokens_of_the_account() {
    let stage = Stage::new();
    stage.seed_token("a");
    assert_eq!(block_on(stage.upstream().find_by_name(user(), &of_user(), "a")).unwrap(), []);
}

#[test]
fn a_page_that_fails_is_read_again_and_the_walk_goes_on() {
    let stage = Stage::new();
    let ids: Vec<_> = (0..120).map(|n| stage.seed_token(&format!("t{n}"))).collect();
    stage.fault("GET", "/tokens", 1, Effect::Reset);
    stage.fault("GET", "/tokens", 1, Effect::RateLimited { retry_after: 2 });
    let found = block_on(stage.upstream().find_by_name(account(), &one(), "t119")).unwrap();
    assert_eq!(found, [ids[119]]);
    assert_eq!(stage.count("GET"), 3 + 2);
}

#[test]
fn an_incomplete_list_is_never_taken_for_complete() {
    let stage = Stage::new();
    for n in 0..60 {
        stage.seed_token(&format!("t{n}"));
    }
    stage.fake.add_fault(fake_cloudflare::Fault {
        skip: 1,
        ..fake_cloudflare::Fault::always(
            fake_cloudflare::Matcher::default(),
            Effect::Html { status: 502, when: fake_cloudflare::When::Before },
        )
    });
    let failure = block_on(stage.upstream().find_by_name(account(), &one(), "t59")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert_told(&failure);
}

/// A full page of tokens named `x`, with what it says of the whole.
fn page(from: u32, info: &Value) -> Effect {
    page_of(from..from + 50, info)
}

fn page_of(ids: Range<u32>, info: &Value) -> Effect {
    let tokens: Vec<Value> = ids.map(|n| json!({"id": format!("{n:032x}"), "name": "x"})).collect();
    let body = json!({"success": true, "errors": [], "messages": [], "result": tokens, "result_info": info});
    Effect::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_string(),
        headers: [].into(),
        when: fake_cloudflare::When::Before,
    }
}

#[test]
fn a_list_without_end_is_given_up_after_its_bound() {
    for info in [Value::Null, json!({"total_count": 1_000_000})] {
        let stage = Stage::new();
        for n in 0..MAX_PAGES {
            stage.fault("GET", "/tokens", 1, page(n * 50, &info));
        }
        let failure = block_on(stage.upstream().find_by_name(account(), &one(), "y")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Protocol);
        assert_told(&failure);
        assert_eq!(stage.count("GET"), usize::try_from(MAX_PAGES).unwrap());
    }
}

#[test]
fn a_list_that_shrank_while_it_was_read_is_read_again() {
    let stage = Rc::new(Stage::new());
    let ids: Vec<_> = (0..70).map(|n| stage.seed_token(&format!("t{n}"))).collect();
    // The last token of all is looked for; before the second page is read, one of the first page goes,
    // and the first token of the second page moves onto the page already read.
    let calls = Rc::new(Cell::new(0));
    let (inner, counter, victim) = (Rc::downgrade(&stage), Rc::clone(&calls), ids[0]);
    *stage.before_call.borrow_mut() = Some(Box::new(move || {
        counter.set(counter.get() + 1);
        if counter.get() == 2 {
            inner.upgrade().unwrap().fake.remove_token(victim.as_str());
        }
    }));
    let found = block_on(stage.upstream().find_by_name(account(), &one(), "none of them")).unwrap();
    assert_eq!(found, []);
    assert_eq!(calls.get(), 4, "read twice");
    *stage.before_call.borrow_mut() = None;
}

#[test]
fn every_token_that_stays_is_found_although_another_goes_meanwhile() {
    // Whatever the order of the list is, one of these sits where the second page begins.
    for wanted in (1..70).step_by(4).chain([49, 50, 51]) {
        let stage = Rc::new(Stage::new());
        let ids: Vec<_> = (0..70).map(|n| stage.seed_token(&format!("t{n}"))).collect();
        let calls = Rc::new(Cell::new(0));
        let (inner, counter, victim) = (Rc::downgrade(&stage), Rc::clone(&calls), ids[0]);
        *stage.before_call.borrow_mut() = Some(Box::new(move || {
            counter.set(counter.get() + 1);
            if counter.get() == 2 {
                inner.upgrade().unwrap().fake.remove_token(victim.as_str());
            }
        }));
        let found =
            block_on(stage.upstream().find_by_name(account(), &one(), &format!("t{wanted}"))).unwrap();
        assert_eq!(found, [ids[wanted]]);
        *stage.before_call.borrow_mut() = None;
    }
}

#[test]
fn a_token_seen_twice_does_not_hide_one_that_was_missed() {
    let stage = Stage::new();
    let id = stage.seed_token("y");
    // One was put in front of the list and one taken from it: the count stays, a token was missed.
    let info = json!({"total_count": 52, "per_page": 50});
    stage.fault("GET", "/tokens", 1, page(0, &info));
    stage.fault("GET", "/tokens", 1, page_of(49..51, &info));
    assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), "y")).unwrap(), [id]);
    assert_eq!(stage.count("GET"), 3);
}

#[test]
fn what_was_found_in_a_moving_list_is_not_looked_for_again() {
    let stage = Stage::new();
    stage.fault("GET", "/tokens", 1, page(0, &json!({"total_count": 60, "total_pages": 1})));
    assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), "x")).unwrap().len(), 50);
    assert_eq!(stage.count("GET"), 1);
}

#[test]
fn a_count_that_is_just_wrong_is_believed_no_more_the_second_time() {
    let stage = Stage::new();
    for _ in 0..2 {
        stage.fault("GET", "/tokens", 1, page(0, &json!({"total_count": 51, "total_pages": 1})));
    }
    assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), "y")).unwrap(), []);
    assert_eq!(stage.count("GET"), 2);
}

#[test]
fn a_list_that_never_comes_to_rest_is_no_proof_of_absence() {
    let stage = Stage::new();
    for n in 0..MAX_PASSES {
        stage.fault("GET", "/tokens", 1, page(0, &json!({"total_count": 51 + n, "total_pages": 1})));
    }
    let failure = block_on(stage.upstream().find_by_name(account(), &one(), "y")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert_told(&failure);
}

#[test]
fn the_groups_come_as_cloudflare_lists_them() {
    let stage = Stage::new();
    let groups = block_on(stage.upstream().permission_groups(account(), &one())).unwrap();
    let for_user = block_on(stage.upstream().permission_groups(user(), &of_user())).unwrap();
    let (groups, for_user) = (groups.as_array().unwrap(), for_user.as_array().unwrap());
    assert_eq!((groups.len(), for_user.len()), (306, 312));
    let dns = groups.iter().find(|group| group["id"] == crate::stage::DNS_WRITE).unwrap();
    assert_eq!(
        (&dns["name"], &dns["scopes"]),
        (&json!("DNS Write"), &json!(["com.cloudflare.api.account.zone"]))
    );
}

#[test]
fn expired_tokens_do_not_make_the_list_endless() {
    let stage = Stage::new();
    stage.fake.change_settings(|settings| settings.quota_account = 10_000);
    let owner = Owner::Account(MAIN_ACCOUNT.to_owned());
    for n in 0..600 {
        stage.seed_for(&owner, &format!("old{n}"));
    }
    stage.pass_ms(4_000_000);
    let id = stage.seed_token("young");
    assert_eq!(block_on(stage.upstream().find_by_name(account(), &one(), "young")).unwrap(), [id]);
}
