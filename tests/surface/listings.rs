//! `/v1/whoami`, `/v1/templates`, `/v1/permission-groups` and paths that are none.

use serde_json::json;

use crate::denial::refused;
use crate::installation::{APPS, CI, IDLE, Installation, READER, request};

const PATHS: [&str; 3] = ["/v1/whoami", "/v1/templates", "/v1/permission-groups"];

#[test]
fn refuses_strangers_and_other_methods() {
    let here = Installation::new();
    for path in PATHS {
        refused(here, request("", "GET", path, None), 401, "missing-credential");
        refused(here, request("brvc_stranger", "GET", path, None), 401, "invalid-credential");
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = refused(here, request(CI, method, path, None), 405, "method-not-allowed");
            assert_eq!(answer.headers["allow"], "GET");
        }
    }
}

#[test]
fn refuses_paths_that_are_none_without_asking_who_calls() {
    let here = Installation::new();
    for path in
        ["/", "/v1", "/v1/token", "/v1/whoami/", "/v2/tokens", "/admin", "//v1/whoami", "/v1/..", "/dev"]
    {
        refused(here, request("", "GET", path, None), 404, "no-such-path");
    }
    assert_eq!(here.steps().register, 0);
}

#[test]
fn tells_each_caller_of_its_own_grants_alone() {
    let here = Installation::new();
    let told = here.get(CI, "/v1/whoami");
    assert_eq!(told.body["owner"], "client:ci");
    assert_eq!(told.body["grants"].as_array().unwrap().len(), 1);
    assert!(!told.text.contains("apps-deploy"));
    assert!(!here.get(APPS, "/v1/whoami").text.contains("ci-zone"));
    assert_eq!(here.get(IDLE, "/v1/whoami").body["grants"], json!([]));
    assert_eq!(here.get(READER, "/v1/whoami").body["powers"], json!(["read"]));
}

#[test]
fn lists_every_group_and_finds_by_a_part_of_the_name() {
    let here = Installation::new();
    let all = here.get(CI, "/v1/permission-groups").body["permission_groups"].as_array().unwrap().len();
    assert_eq!(all, 312);
    let dns = here.get(CI, "/v1/permission-groups?name=dns&scope=zone");
    let names: Vec<&str> = dns.body["permission_groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"DNS Write") && names.iter().all(|name| name.to_lowercase().contains("dns")));
    assert_eq!(here.get(CI, "/v1/permission-groups?name=nothing").body["permission_groups"], json!([]));
    refused(here, request(CI, "GET", "/v1/permission-groups?scope=galaxy", None), 400, "invalid-query");
    refused(here, request(CI, "GET", "/v1/permission-groups?nmae=dns", None), 400, "invalid-query");
    let templates = here.get(CI, "/v1/templates");
    assert!(
        templates.body["templates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|template| template["name"] == "zone-read")
    );
}
