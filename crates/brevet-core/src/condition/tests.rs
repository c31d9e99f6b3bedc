use serde_json::json;

use super::*;
use proptest::prelude::*;

fn read(value: Value) -> Condition {
    Condition::parse(&value).unwrap()
}

fn fault(value: Value) -> (String, ConditionFault) {
    let error = Condition::parse(&value).unwrap_err();
    (error.pointer, error.fault)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn reads_both_spellings_and_the_bare_lists_and_sends_one() {
    let lists = json!({ "in": ["203.0.113.0/24"], "not_in": ["203.0.113.7"] });
    let sent = json!({ "request_ip": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.7/32"] } });
    for value in [lists.clone(), json!({ "request_ip": lists }), json!({ "request.ip": lists })] {
        assert_eq!(read(value.clone()).to_json(), Some(sent.clone()), "{value}");
    }
}

#[test]
fn gives_a_bare_address_its_mask_and_drops_doubles() {
    let condition = read(json!({ "in": ["2001:db8::1", "198.51.100.1", "198.51.100.1/32"] }));
    assert_eq!(condition.allow(), [net("2001:db8::1/128"), net("198.51.100.1/32")]);
}

#[test]
fn drops_empty_lists_so_that_nobody_is_locked_out() {
    for value in [
        json!(null),
        json!({}),
        json!({ "in": [] }),
        json!({ "in": null, "not_in": [] }),
        json!({ "request_ip": {} }),
        json!({ "request_ip": null }),
        json!({ "request.ip": { "in": [], "not_in": [] } }),
    ] {
        let condition = read(value.clone());
        assert!(condition.is_empty(), "{value}");
        assert_eq!(condition.to_json(), None, "{value}");
    }
    let only_deny = read(json!({ "in": [], "not_in": ["203.0.113.0/24"] }));
    assert!(!only_deny.is_empty());
    assert_eq!(only_deny.to_json(), Some(json!({ "request_ip": { "not_in": ["203.0.113.0/24"] } })));
    assert!(!read(json!({ "in": ["203.0.113.0/24"] })).is_empty());
}

#[test]
fn refuses_what_it_does_not_know_with_the_place() {
    let unknown = |name: &str| ConditionFault::UnknownMember(name.to_owned());
    for (value, pointer, expected) in [
        (json!([]), "", ConditionFault::NotAnObject),
        (json!("203.0.113.0/24"), "", ConditionFault::NotAnObject),
        (json!({ "request_ip": [] }), "/request_ip", ConditionFault::NotAnObject),
        (json!({ "request.ip": 1 }), "/request.ip", ConditionFault::NotAnObject),
        (json!({ "country": "NL" }), "", unknown("country")),
        (json!({ "request_ip": {}, "country": "NL" }), "", unknown("country")),
        (json!({ "request_ip": { "In": [] } }), "/request_ip", unknown("In")),
        (json!({ "request_ip": {}, "request.ip": {} }), "", ConditionFault::SpeltTwice),
        (json!({ "request_ip": {}, "in": [] }), "", ConditionFault::SpeltTwice),
        (json!({ "request.ip": {}, "not_in": [] }), "", ConditionFault::SpeltTwice),
        (json!({ "in": "203.0.113.0/24" }), "/in", ConditionFault::NotAList),
        (json!({ "request_ip": { "not_in": {} } }), "/request_ip/not_in", ConditionFault::NotAList),
        (json!({ "in": ["x"] }), "/in/0", ConditionFault::NotANetwork("x".to_owned())),
        (json!({ "in": [7] }), "/in/0", ConditionFault::NotANetwork("7".to_owned())),
        (
            json!({ "request.ip": { "in": ["10.0.0.0/8", "10.0.0.1/33"] } }),
            "/request.ip/in/1",
            ConditionFault::NotANetwork("10.0.0.1/33".to_owned()),
        ),
        (
            json!({ "not_in": ["203.0.113.5/24"] }),
            "/not_in/0",
            ConditionFault::HostBits { network: net("203.0.113.0/24") },
        ),
    ] {
        assert_eq!(fault(value.clone()), (pointer.to_owned(), expected), "{value}");
    }
}

#[test]
fn refuses_more_networks_than_its_bound_and_takes_the_bound() {
    let list = |count: usize| Value::Array((0..count).map(|n| json!(format!("10.0.{n}.0/24"))).collect());
    assert_eq!(read(json!({ "in": list(MAX_NETWORKS) })).allow().len(), MAX_NETWORKS);
    let (pointer, found) = fault(json!({ "in": list(MAX_NETWORKS + 1) }));
    assert_eq!((pointer.as_str(), found), ("/in", ConditionFault::TooMany(MAX_NETWORKS + 1)));
}

#[test]
fn shows_only_the_beginning_of_a_long_text() {
    let (_, found) = fault(json!({ "in": ["9".repeat(10_000)] }));
    assert_eq!(found, ConditionFault::NotANetwork("9".repeat(MAX_NETWORK_TEXT)));
    let longest = "2001:0db8:0000:0000:0000:0000:0000:0001/128";
    assert_eq!(longest.len(), MAX_NETWORK_TEXT);
    assert_eq!(read(json!({ "in": [longest] })).allow(), [net("2001:db8::1/128")]);
}

#[test]
fn refuses_a_condition_that_nobody_can_meet() {
    let denied = json!({ "in": ["203.0.113.0/25", "203.0.113.128/25"], "not_in": ["203.0.113.0/24"] });
    assert_eq!(fault(denied), (String::new(), ConditionFault::NothingLeft));
    let half = json!({ "in": ["203.0.113.0/25", "203.0.113.128/25"], "not_in": ["203.0.113.0/25"] });
    assert!(Condition::parse(&half).is_ok());
}

#[test]
fn a_caller_cannot_widen_what_the_grant_lets_in() {
    let grant = read(json!({ "in": ["203.0.113.0/24", "2001:db8::/32"] }));
    for asked in ["203.0.112.0/23", "0.0.0.0/0", "198.51.100.0/24", "::/0", "2001:db9::/48"] {
        let error = grant.narrowed_by(&read(json!({ "in": ["203.0.113.9", asked] }))).unwrap_err();
        assert_eq!(error.fault, ConditionFault::Wider { network: net(asked) }, "{asked}");
        assert_eq!(error.pointer, "/in/1");
    }
}

#[test]
fn a_caller_may_narrow_and_the_grant_is_always_added() {
    let grant = read(json!({ "in": ["203.0.113.0/24"], "not_in": ["203.0.113.7"] }));
    let nothing = grant.narrowed_by(&Condition::default()).unwrap();
    assert_eq!(nothing, grant);
    let narrowed = grant
        .narrowed_by(&read(
            json!({ "in": ["203.0.113.0/28", "203.0.113.0/24"], "not_in": ["203.0.113.8", "203.0.113.7"] }),
        ))
        .unwrap();
    assert_eq!(narrowed.allow(), [net("203.0.113.0/28"), net("203.0.113.0/24")]);
    assert_eq!(narrowed.deny(), [net("203.0.113.7/32"), net("203.0.113.8/32")]);
    let from_nothing = Condition::default().narrowed_by(&grant).unwrap();
    assert_eq!(from_nothing, grant);
}

#[test]
fn what_the_grant_denies_cannot_be_all_that_the_caller_asks_for() {
    let grant = read(json!({ "not_in": ["203.0.113.0/24"] }));
    let error = grant.narrowed_by(&read(json!({ "in": ["203.0.113.9"] }))).unwrap_err();
    assert_eq!(error.fault, ConditionFault::NothingLeft);
}

#[test]
fn two_deny_lists_together_stay_within_the_bound() {
    let list = |from: usize, count: usize| {
        let networks: Vec<_> = (from..from + count).map(|n| format!("10.0.{n}.0/24")).collect();
        read(json!({ "not_in": networks }))
    };
    let full = list(0, MAX_NETWORKS);
    assert_eq!(full.narrowed_by(&list(0, MAX_NETWORKS)).unwrap(), full);
    let error = full.narrowed_by(&list(100, 1)).unwrap_err();
    assert_eq!((error.pointer.as_str(), error.fault), ("/not_in", ConditionFault::TooMany(MAX_NETWORKS + 1)));
}

#[test]
fn only_an_in_list_short_of_everything_bounds_the_addresses() {
    for (lists, expected) in [
        (json!({}), false),
        (json!({ "not_in": ["203.0.113.0/24"] }), false),
        (json!({ "in": ["203.0.113.0/24"] }), true),
        (json!({ "in": ["2001:db8::1"] }), true),
        (json!({ "in": ["2001:db8::1", "203.0.113.0/24"] }), true),
        (json!({ "in": ["0.0.0.0/0"] }), false),
        (json!({ "in": ["::/0"] }), false),
        (json!({ "in": ["203.0.113.0/24", "::/0"] }), false),
        (json!({ "in": ["2001:db8::1", "0.0.0.0/0"] }), false),
        (json!({ "in": ["0.0.0.0/1", "128.0.0.0/1"] }), false),
        (json!({ "in": ["0.0.0.0/1", "128.0.0.0/2"] }), true),
        (json!({ "in": ["::/1", "8000::/1"] }), false),
        (json!({ "in": ["::/1", "0.0.0.0/1"] }), true),
    ] {
        assert_eq!(read(lists.clone()).bounds_addresses(), expected, "{lists}");
    }
}

#[test]
fn admits_what_is_let_in_and_not_kept_out() {
    let condition = read(json!({ "in": ["203.0.113.0/24"], "not_in": ["203.0.113.7"] }));
    for (address, expected) in
        [("203.0.113.1", true), ("203.0.113.7", false), ("198.51.100.1", false), ("2001:db8::1", false)]
    {
        assert_eq!(condition.admits(address.parse().unwrap()), expected, "{address}");
    }
    assert!(Condition::default().admits("2001:db8::1".parse().unwrap()));
    assert!(!read(json!({ "not_in": ["::/0"] })).admits("2001:db8::1".parse().unwrap()));
}

#[test]
fn its_sentences_name_the_place_and_the_remedy() {
    let error = Condition::parse(&json!({ "in": ["10.1.0.0/8"] })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the condition is refused at /in/0: the address has bits below its mask; the network would be 10.0.0.0/8"
    );
    let error = Condition::parse(&json!(1)).unwrap_err();
    assert!(error.to_string().starts_with("the condition is refused: it must be an object"), "{error}");
}

fn any_network() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<u32>(), 0_u8..=32).prop_map(|(bits, prefix)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask))
        }),
        (any::<u128>(), 0_u8..=128).prop_map(|(bits, prefix)| {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            format!("{}/{prefix}", std::net::Ipv6Addr::from(bits & mask))
        }),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("request_ip"), Just("request.ip"), Just("in"), Just("not_in"), Just("x")];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        any_network().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((name.clone().prop_map(str::to_owned), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_any_json_without_panicking(value in any_json()) {
        if let Ok(condition) = Condition::parse(&value) {
            let written = condition.to_json().unwrap_or(Value::Null);
            prop_assert_eq!(Condition::parse(&written), Ok(condition));
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same(
        allow in prop::collection::vec(any_network(), 0..8),
        deny in prop::collection::vec(any_network(), 0..8),
    ) {
        if let Ok(condition) = Condition::parse(&json!({ "in": allow, "not_in": deny })) {
            let written = condition.to_json().unwrap_or(Value::Null);
            prop_assert_eq!(Condition::parse(&written), Ok(condition));
        }
    }

    #[test]
    fn a_narrowed_condition_admits_nobody_whom_the_grant_keeps_out(
        grant in prop::collection::vec(any_network(), 0..4),
        grant_deny in prop::collection::vec(any_network(), 0..2),
        asked in prop::collection::vec(any_network(), 0..4),
        address in any::<u32>(),
    ) {
        let Ok(grant) = Condition::parse(&json!({ "in": grant, "not_in": grant_deny })) else { return Ok(()) };
        let Ok(asked) = Condition::parse(&json!({ "in": asked })) else { return Ok(()) };
        let address = IpAddr::from(std::net::Ipv4Addr::from(address));
        if let Ok(narrowed) = grant.narrowed_by(&asked) {
            prop_assert!(!narrowed.admits(address) || (grant.admits(address) && asked.admits(address)));
        }
    }
}
