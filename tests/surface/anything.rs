//! Whatever strangers send: no panic, no failure of ours, and nothing at Cloudflare.

use brevet::routes::Body;
use proptest::prelude::*;

use crate::hook_sender::{github, hooked, message, now, standard};
use crate::installation::{CI, Installation, READER, ROOT, request};

const ROUTES: [(&str, &str); 10] = [
    ("POST", "/v1/freezes"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/plan"),
    ("POST", "/v1/tokens/verify"),
    ("POST", "/v1/leases/0123456789ABCDEFGHJKMNPQRS/renew"),
    ("POST", "/v1/config/lint"),
    ("PUT", "/v1/config"),
    ("POST", "/client/v4/user/tokens"),
    ("PUT", "/client/v4/user/tokens/0123456789abcdef0123456789abcdef"),
    ("PUT", "/client/v4/user/tokens/0123456789abcdef0123456789abcdef/value"),
];

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z_*./ ]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = prop_oneof![
            Just("policies"),
            Just("template"),
            Just("params"),
            Just("ttl"),
            Just("expires_on"),
            Just("condition"),
            Just("name"),
            Just("rules"),
            Just("token"),
            Just("grant"),
            Just("resources"),
            Just("permission_groups"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((names, inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_body_of_any_bytes_or_any_json_fails_nothing(
        route in prop::sample::select(&ROUTES[..]),
        root in any::<bool>(),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), json_text().prop_map(String::into_bytes)],
    ) {
        thread_local! {
            static HERE: &'static Installation = Installation::new();
        }
        let here = HERE.with(|here| *here);
        let mut call = request(if root { ROOT } else { CI }, route.0, route.1, None);
        call.if_match = Some("\"1\"".to_owned());
        call.body = Body::Whole(bytes);
        here.steps();
        let answer = here.send(call);
        prop_assert!(answer.status < 500, "{}", answer.text);
        if answer.status >= 400 {
            prop_assert_eq!(here.steps().upstream, 0);
        }
    }

    #[test]
    fn a_path_query_or_credential_of_any_characters_fails_nothing(
        path in "(/[a-z0-9%._~-]{0,10}){0,9}",
        query in "[ -~]{0,40}",
        credential in "[ -~]{0,60}",
        method in "[A-Z]{1,8}",
    ) {
        thread_local! {
            static HERE: &'static Installation = Installation::new();
        }
        let here = HERE.with(|here| *here);
        let mut call = request("", &method, &path, None);
        call.query = query;
        call.authorization = Some(credential);
        let answer = here.send(call);
        prop_assert!(answer.status < 500, "{}", answer.text);
    }

    #[test]
    fn a_message_that_nobody_signed_does_nothing_whatever_is_in_it(
        hook in prop_oneof![Just("leak".to_owned()), Just("edge".to_owned()), Just("end".to_owned()), "[a-z-]{1,9}"],
        id in "[ -~]{0,30}",
        time in prop_oneof!["[0-9]{0,12}", "[ -~]{0,12}"],
        signature in prop_oneof!["v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/=]{0,50}){0,3}", "[ -~]{0,60}"],
        hub in prop_oneof!["sha256=[0-9a-f]{64}", "[ -~]{0,80}"],
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), json_text().prop_map(String::into_bytes)],
    ) {
        thread_local! {
            static HERE: &'static Installation = hooked();
        }
        let here = HERE.with(|here| *here);
        let headers = [
            ("webhook-id", &*id),
            ("webhook-timestamp", &*time),
            ("webhook-signature", &*signature),
            ("x-hub-signature-256", &*hub),
        ];
        let answer = here.send(message(&hook, &headers, &body));
        prop_assert_eq!(answer.status, 401, "{}", answer.text);
        prop_assert_eq!(here.get(READER, "/v1/hooks").body["receipts"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn a_signed_message_of_any_json_fails_nothing_of_ours(
        hook in prop::sample::select(&["leak", "firing", "end", "edge", "edge-roll", "edge-end", "look"][..]),
        body in json_text(),
    ) {
        thread_local! {
            static HERE: &'static Installation = hooked();
        }
        let here = HERE.with(|here| *here);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let call = if hook == "leak" {
            github(hook, "secret_scanning_alert", &body)
        } else {
            standard(hook, "msg", now(here), &body)
        };
        here.steps();
        let answer = here.send(call);
        prop_assert!(answer.status < 500, "{}", answer.text);
        prop_assert_eq!(here.steps().upstream, 0);
    }
}
