//! Whatever is sent, the answer is one of the API's, and nothing breaks.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::desk::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
        Just(json!("*")),
        Just(json!("allow")),
        Just(json!("2027-01-01T00:00:00Z")),
        Just(json!(ZONE_READ)),
    ];
    let key = prop_oneof![
        "[a-z_.]{0,12}".boxed(),
        Just("effect".to_owned()).boxed(),
        Just("resources".to_owned()).boxed(),
        Just("permission_groups".to_owned()).boxed(),
        Just("id".to_owned()).boxed(),
        Just("request_ip".to_owned()).boxed(),
        Just("in".to_owned()).boxed(),
        Just("com.cloudflare.api.account.zone.*".to_owned()).boxed(),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_is_taken_or_refused(name in any_json(), policies in any_json(), condition in any_json(), expires_on in any_json()) {
        let desk = Desk::new();
        let asked = json!({ "name": name, "policies": policies, "condition": condition, "expires_on": expires_on });
        let got = desk.post(&main_path(""), &desk.main_parent(), asked);
        prop_assert!(matches!(got.status, 200 | 400), "{}", got.body);
    }

    #[test]
    fn any_bytes_are_taken_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let desk = Desk::new();
        let mut request = request("POST", &main_path(""), &desk.main_parent(), Some(json!({})));
        *request.body_mut() = body;
        prop_assert!(matches!(desk.read(request).status, 200 | 400));
    }

    #[test]
    fn any_path_has_an_answer_of_the_api(path in "(/[a-z0-9_.%-]{0,40}){1,6}", query in "[a-z0-9_.=&%+-]{0,40}") {
        let desk = Desk::new();
        let Ok(uri) = format!("/client/v4{path}?{query}").parse::<http::Uri>() else { return Ok(()) };
        let mut request = request("GET", "/", &desk.main_parent(), None);
        *request.uri_mut() = uri;
        prop_assert!(matches!(desk.read(request).status, 200 | 400 | 403 | 404 | 405));
    }

    #[test]
    fn any_credential_is_refused(value in "[ -~]{0,90}") {
        let desk = Desk::new();
        let Ok(header) = value.parse::<http::HeaderValue>() else { return Ok(()) };
        let mut request = request("GET", "/zones", "", None);
        request.headers_mut().insert("authorization", header);
        let got = desk.read(request);
        prop_assert!(matches!(got.status, 400 | 403), "{}", got.body);
    }

    #[test]
    fn the_order_of_policies_and_groups_never_matters(order in Just(vec![ZONE_READ, DNS_WRITE, DNS_READ, CACHE_PURGE, ZONE_WRITE]).prop_shuffle()) {
        let desk = Desk::new();
        let token = desk.mint(body(vec![allow(all_main_zones(), &[ZONE_READ])]));
        let path = main_path(&format!("/{}", token.id));
        let update = |groups: &[&str]| {
            desk.put(&path, &desk.main_parent(), body(vec![allow(all_main_zones(), groups)])).result()["policies"].clone()
        };
        prop_assert_eq!(update(&order), update(&[ZONE_WRITE, ZONE_READ, CACHE_PURGE, DNS_READ, DNS_WRITE]));
    }
}
