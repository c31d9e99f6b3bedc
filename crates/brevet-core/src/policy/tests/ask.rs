use super::*;
use crate::policy::ask::{MAX_PARAMETERS, MAX_VALUES, MAX_WORD_BYTES};
use crate::time::TimeError;
use std::collections::BTreeMap;

fn refused(body: Value) -> (String, AskFault) {
    let error = Ask::from_json(&body).unwrap_err();
    (error.pointer().to_owned(), error.fault().clone())
}

fn at_pointer(pointer: &str, fault: AskFault) -> (String, AskFault) {
    (pointer.to_owned(), fault)
}

#[test]
fn refuses_bodies_that_ask_for_nothing() {
    for body in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(refused(body), at_pointer("", AskFault::NotAnObject));
    }
    assert_eq!(refused(json!({})), at_pointer("", AskFault::Nothing));
    assert_eq!(refused(json!({ "template": null, "policies": null })), at_pointer("", AskFault::Nothing));
}

#[test]
fn refuses_members_that_it_does_not_know_by_name() {
    let fault = AskFault::UnknownMember { suggestion: Some("template") };
    assert_eq!(refused(json!({ "tempalte": "x" })), at_pointer("/tempalte", fault));
    let fault = AskFault::UnknownMember { suggestion: None };
    assert_eq!(refused(json!({ "template": "x", "a/b~c": 1 })), at_pointer("/a~1b~0c", fault));
    let long = "z".repeat(5000);
    let (pointer, _) = refused(json!({ "template": "x", long: 1 }));
    assert_eq!(pointer.len(), 1 + MAX_WORD_BYTES);
}

#[test]
fn refuses_members_that_contradict_each_other() {
    let together = |other| AskFault::Together { other };
    assert_eq!(
        refused(json!({ "template": "x", "policies": [] })),
        at_pointer("/policies", together("template"))
    );
    assert_eq!(
        refused(json!({ "template": "x", "account": "main" })),
        at_pointer("/account", together("template"))
    );
    assert_eq!(refused(json!({ "policies": [], "params": {} })), at_pointer("/params", together("policies")));
    let both = json!({ "template": "x", "ttl": 60, "expires_on": "2027-01-01T00:00:00Z" });
    assert_eq!(refused(both), at_pointer("/expires_on", together("ttl")));
}

#[test]
fn refuses_texts_that_are_none_or_too_long() {
    for name in ["template", "grant", "name", "expires_on", "not_before"] {
        let body = |value: Value| {
            let mut body = json!({ "template": "x" });
            body[name] = value;
            body
        };
        let pointer = format!("/{name}");
        for value in [json!(1), json!([]), json!({}), json!(true)] {
            assert_eq!(refused(body(value)), at_pointer(&pointer, AskFault::NotText), "{name}");
        }
        assert_eq!(refused(body(json!(""))), at_pointer(&pointer, AskFault::Empty), "{name}");
        assert_eq!(refused(body(json!("a\nb"))), at_pointer(&pointer, AskFault::Unprintable), "{name}");
        let most = if name == "name" { MAX_NAME } else { MAX_WORD_BYTES };
        let too_long = AskFault::TooLong { most };
        assert_eq!(refused(body(json!("a".repeat(most + 1)))), at_pointer(&pointer, too_long), "{name}");
    }
    assert_eq!(refused(json!({ "policies": [], "account": 1 })), at_pointer("/account", AskFault::NotText));
}

#[test]
fn refuses_times_that_are_none() {
    let body = |name: &str, value: Value| {
        let mut body = json!({ "template": "x" });
        body[name] = value;
        refused(body)
    };
    for (value, error) in [
        (json!(0), TimeError::NotPositive),
        (json!(-1), TimeError::NotPositive),
        (json!(9_223_372_036_854_775_808_u64), TimeError::OutOfRange),
        (json!("soon"), TimeError::NotADuration),
        (json!(1.5), TimeError::NotADuration),
        (json!([]), TimeError::NotADuration),
    ] {
        assert_eq!(body("ttl", value), at_pointer("/ttl", AskFault::Time(error)));
    }
    for name in ["expires_on", "not_before"] {
        let pointer = format!("/{name}");
        let fault = AskFault::Time(TimeError::NotRfc3339Utc);
        assert_eq!(body(name, json!("tomorrow")), at_pointer(&pointer, fault));
    }
}

#[test]
fn refuses_parameters_that_are_no_values() {
    let params = |params: Value| refused(json!({ "template": "x", "params": params }));
    for value in [json!([]), json!("x"), json!(1)] {
        assert_eq!(params(value), at_pointer("/params", AskFault::NotParameters));
    }
    for value in [json!(1), json!(null), json!({}), json!(true)] {
        assert_eq!(params(json!({ "zone": value })), at_pointer("/params/zone", AskFault::NotValues));
    }
    assert_eq!(params(json!({ "zone": [] })), at_pointer("/params/zone", AskFault::Empty));
    assert_eq!(params(json!({ "zone": "" })), at_pointer("/params/zone", AskFault::Empty));
    assert_eq!(params(json!({ "zone": ["a", 1] })), at_pointer("/params/zone/1", AskFault::NotText));
    assert_eq!(params(json!({ "zone": ["a\u{7}"] })), at_pointer("/params/zone/0", AskFault::Unprintable));
    assert_eq!(params(json!({ "a/b~c": 1 })), at_pointer("/params/a~1b~0c", AskFault::NotValues));
    let too_long = AskFault::TooLong { most: MAX_WORD_BYTES };
    assert_eq!(
        params(json!({ "zone": "a".repeat(MAX_WORD_BYTES + 1) })),
        at_pointer("/params/zone", too_long.clone())
    );
    assert_eq!(params(json!({ "z".repeat(MAX_WORD_BYTES + 1): "a" })), at_pointer("/params", too_long));
    let many: Value = (0..=MAX_PARAMETERS).map(|n| (format!("p{n}"), json!("a"))).collect();
    assert_eq!(params(many), at_pointer("/params", AskFault::TooLong { most: MAX_PARAMETERS }));
    let values = json!({ "zone": vec!["a"; MAX_VALUES + 1] });
    assert_eq!(params(values), at_pointer("/params/zone", AskFault::TooLong { most: MAX_VALUES }));
}

#[test]
fn takes_what_lies_within_the_bounds() {
    let mut params: BTreeMap<String, Value> =
        (1..MAX_PARAMETERS).map(|n| (format!("p{n}"), json!("a".repeat(MAX_WORD_BYTES)))).collect();
    params.insert("zone".to_owned(), json!(vec!["a"; MAX_VALUES]));
    let name = "ü".repeat(MAX_NAME);
    let ask = Ask::from_json(&json!({ "template": "x", "params": params, "name": name })).unwrap();
    assert_eq!(ask.name.as_deref(), Some(&*name));
    let AskedAccess::Template { params, .. } = ask.access else { panic!("a template was asked for") };
    assert_eq!((params.len(), params.get("zone").unwrap().len()), (MAX_PARAMETERS, MAX_VALUES));
}

#[test]
fn reads_everything_that_a_template_request_may_hold() {
    let body = json!({
        "template": "cache-purge", "params": { "zone": "example.com", "account": ["main", "apps"] }, "grant": "g",
        "ttl": "1h", "not_before": "2026-11-02T00:00:00Z", "name": "purge", "condition": { "in": [] },
    });
    let params = [("zone", vec!["example.com"]), ("account", vec!["main", "apps"])];
    let params =
        params.map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()));
    let expected = Ask {
        access: AskedAccess::Template { name: "cache-purge".to_owned(), params: params.into() },
        grant: Some("g".to_owned()),
        lifetime: Lifetime::Ttl(Seconds::of(3600)),
        not_before: Some(at(86_400)),
        name: Some("purge".to_owned()),
        condition: Some(json!({ "in": [] })),
        surface: Surface::Native,
    };
    assert_eq!(Ask::from_json(&body), Ok(expected));
}

#[test]
fn reads_everything_that_a_request_with_policies_may_hold() {
    let body = json!({ "policies": [1], "account": "main", "expires_on": "2026-11-02T00:00:00Z", "params": null, "ttl": null });
    let ask = Ask::from_json(&body).unwrap();
    assert_eq!(ask.access, AskedAccess::Raw { policies: json!([1]), account: Some("main".to_owned()) });
    assert_eq!(ask.lifetime, Lifetime::Until(at(86_400)));
    let plain = Ask::from_json(&json!({ "policies": [] })).unwrap();
    assert_eq!((plain.lifetime, plain.name, plain.not_before), (Lifetime::Default, None, None));
}

#[test]
fn says_what_is_wrong_where_and_what_to_do() {
    let told = |body: Value| {
        let error = Ask::from_json(&body).unwrap_err();
        (error.to_string(), error.hint())
    };
    let (text, hint) = told(json!({ "tempalte": "x" }));
    assert_eq!((&*text, &*hint), ("/tempalte: there is no such member", "Did you mean \"template\"?"));
    let (_, hint) = told(json!({ "qqqqqqqq": "x" }));
    assert!(hint.starts_with("Known members: template, params"), "{hint}");
    assert_eq!(told(json!([])).0, "the body: a JSON object belongs here");
    let (text, hint) = told(json!({}));
    assert!(text.contains("neither \"template\" nor \"policies\"") && hint.contains("cache-purge"));
    let (text, hint) = told(json!({ "template": "x", "policies": [] }));
    assert!(text.contains("does not go together with \"template\"") && hint.contains("Leave one"));
    let (text, hint) = told(json!({ "template": "x", "ttl": 0 }));
    assert!(text.contains("not more than zero") && hint.contains("15m"));
    let (text, hint) = told(json!({ "template": "" }));
    assert!(text.contains("empty") && hint.contains("leave it out"));
    assert!(told(json!({ "template": 1 })).0.contains("a string belongs here"));
    assert!(told(json!({ "template": "x", "params": 1 })).0.contains("an object like"));
    assert!(told(json!({ "template": "x", "params": { "a": 1 } })).0.contains("list of strings"));
    assert!(told(json!({ "template": "a\n" })).0.contains("cannot be printed"));
    let (text, hint) = told(json!({ "template": "a".repeat(300) }));
    assert!(text.contains("longer than 253") && hint.contains("Shorten"));
}
