//! Holds every answer against Cloudflare's published response schemas (feature `check-answers`).
//!
//! The excerpt in `tests/schemas` says where it comes from and where the live API departs from it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::envelope::Answer;
use crate::route::{Route, TokenRoute};

const EXCERPT: &str = include_str!("../tests/schemas/cloudflare-api.json");

/// One validator for each component that an answer can be.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let excerpt: Value = serde_json::from_str(EXCERPT).unwrap_or_default();
    let components = excerpt.get("$defs").and_then(Value::as_object);
    let names = components.into_iter().flat_map(|components| components.keys());
    let build = |name: &String| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/$defs/{name}"),
            "$defs": components,
        });
        jsonschema::options().should_validate_formats(true).build(&schema).ok()
    };
    names.filter_map(|name| build(name).map(|validator| (name.clone(), validator))).collect()
});

/// The component that an answer must be.
const fn component(route: Option<Route<'_>>, write: bool, failed: bool) -> &'static str {
    if failed {
        return match route {
            Some(Route::Zones | Route::Zone(_) | Route::DnsRecords(_) | Route::PurgeCache(_)) => {
                "zones_api-response-common-failure"
            }
            _ => "iam_api-response-common-failure",
        };
    }
    match route {
        None => "iam_api-response-common-failure",
        Some(Route::Tokens(_, TokenRoute::All)) if write => "iam_single_token_create_response",
        Some(Route::Tokens(_, TokenRoute::All | TokenRoute::EmptyId)) => "iam_collection_tokens_response",
        Some(Route::Tokens(_, TokenRoute::Verify)) => "iam_token_verify_response_single_segment",
        Some(Route::Tokens(_, TokenRoute::Groups)) => "iam_permissions_group_response_collection",
        Some(Route::Tokens(_, TokenRoute::One(_))) => "iam_single_token_response",
        Some(Route::Tokens(_, TokenRoute::Value(_))) => "iam_response_single_value",
        Some(Route::Zones) => "zones_collection_response",
        Some(Route::Zone(_)) => "zones_single_response",
        Some(Route::DnsRecords(_)) if write => "published_dns_record_response",
        Some(Route::DnsRecords(_)) => "published_dns_records_response",
        Some(Route::PurgeCache(_)) => "published_purge_response",
        Some(Route::User) => "published_user_response",
        Some(Route::Memberships) => "published_memberships_response",
        Some(Route::Accounts) => "published_accounts_response",
        Some(Route::Account(_)) => "published_account_response",
        Some(Route::Scripts(_)) => "published_scripts_response",
    }
}

/// What breaks the schema in an answer to a call; `None` where nothing does. `path` is without
/// `/client/v4`.
pub(crate) fn broken(method: &Method, path: &str, answer: &Answer) -> Option<String> {
    let failed = !answer.status().is_success();
    let route = Route::parse(path);
    let deleted = *method == Method::DELETE && !failed;
    let name = if deleted {
        "iam_api-response-single-id"
    } else {
        component(route, *method == Method::POST, failed)
    };
    let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else {
        return Some("it is not JSON".to_owned());
    };
    let Some(validator) = VALIDATORS.get(name) else {
        return Some(format!("there is no schema {name}"));
    };
    let error = validator.iter_errors(&body).next()?;
    Some(format!("{name}{}: {}", error.instance_path(), error.masked()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{json_answer, success};

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn check(method: &Method, path: &str, status: u16, body: &Value) -> Option<String> {
        broken(method, path, &json_answer(status, body))
    }

    #[test]
    fn every_component_has_a_validator() {
        let excerpt: Value = serde_json::from_str(EXCERPT).expect("JSON");
        assert_eq!(VALIDATORS.len(), excerpt["$defs"].as_object().expect("components").len());
    }

    #[test]
    fn takes_what_the_schema_shows() {
        let verified = success(json!({ "id": ID, "status": "active" }));
        assert_eq!(check(&Method::GET, "/user/tokens/verify", 200, &verified), None);
        assert_eq!(
            check(&Method::PUT, &format!("/user/tokens/{ID}/value"), 200, &success(json!("x".repeat(40)))),
            None
        );
    }

    #[test]
    fn finds_what_the_schema_does_not_show() {
        let one = format!("/user/tokens/{ID}");
        let verify = "/user/tokens/verify";
        let token = json!({
            "id": ID, "name": "n", "status": "active", "policies": [],
            "issued_on": "2026-07-01T00:00:00Z", "modified_on": "2026-07-01T00:00:00Z",
        });
        assert_eq!(check(&Method::GET, &one, 200, &success(token.clone())), None);
        let with = |name: &str, value: Value| {
            let mut changed = token.clone();
            changed[name] = value;
            success(changed)
        };
        for (method, path, status, body) in [
            (Method::GET, verify, 200, success(json!({ "id": ID }))),
            (Method::GET, verify, 200, success(json!({ "id": "short", "status": "active" }))),
            (Method::GET, verify, 200, success(json!({ "id": ID, "status": "odd" }))),
            (
                Method::GET,
                verify,
                200,
                json!({ "success": true, "result": { "id": ID, "status": "active" } }),
            ),
            (
                Method::GET,
                verify,
                401,
                json!({ "success": false, "errors": [], "messages": [], "result": null }),
            ),
            (Method::GET, verify, 401, success(json!({}))),
            (Method::GET, &one, 200, with("value", json!("x".repeat(40)))),
            (Method::GET, &one, 200, with("issued_on", json!("yesterday"))),
            (Method::GET, &one, 200, with("expires_on", Value::Null)),
            (Method::GET, &one, 200, with("policies", json!([{ "effect": "allow" }]))),
            (Method::GET, &one, 200, with("name", json!("x".repeat(121)))),
            (Method::POST, "/user/tokens", 200, success(token.clone())),
            (Method::PUT, &one, 200, with("id", json!("x"))),
            (Method::DELETE, &one, 200, success(json!({}))),
            (Method::GET, "/zones", 200, success(json!([]))),
        ] {
            assert!(check(&method, path, status, &body).is_some(), "{method} {path} {body}");
        }
        assert!(broken(&Method::GET, verify, &Answer::new(b"<html>".to_vec())).is_some());
    }
}
