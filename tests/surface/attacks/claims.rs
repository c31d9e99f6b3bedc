//! Attacks by what a token says: times, audiences, issuers, names, events, and the same token again.

use brevet_core::ledger::office::MOST_WRITTEN;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::exchange::{asking, fields};
use crate::federation::{claims_of, federated, token};
use crate::installation::{Installation, ROOT};
use crate::issuer::{AUDIENCE, URL, header, signed, signed_text};

use super::{has_no_grant, is_no_identity, journal, journal_of};

#[test]
fn row_6_times_at_every_edge_and_of_every_kind() {
    let moved = |name: &'static str, offset: i64| {
        move |here: &Installation| {
            let now = brevet_core::broker::Ports::now(here).unix();
            let mut change = vec![(name, json!(now + offset))];
            if name == "exp" {
                change.push(("iat", json!(now + offset - 300)));
            }
            token(here, &change)
        }
    };
    is_no_identity("expired", &moved("exp", -60), "its time is up");
    is_no_identity("not yet", &moved("nbf", 61), "not valid yet");
    is_no_identity("from the future", &moved("iat", 61), "issued in the future");
    is_no_identity("eternal", &|here| token(here, &[("exp", json!(4_000_000_000_i64))]), "lives longer");
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1795392000"),
            json!(1_795_392_000.5),
            json!(1e300),
            json!(-1e300),
            json!(true),
            json!([1]),
            json!({}),
            Value::Null,
        ] {
            is_no_identity(
                name,
                &|here| token(here, &[(name, value.clone())]),
                &format!("its claim {name} is missing or not of its kind"),
            );
        }
    }
    for name in ["exp", "iat"] {
        let without = |here: &Installation| {
            let mut claims = claims_of(here, &[]);
            claims.as_object_mut().unwrap().remove(name);
            signed(&header(), &claims)
        };
        is_no_identity("missing", &without, &format!("its claim {name} is missing"));
    }
    // One second on the good side of each edge.
    for (name, offset) in [("exp", -59), ("nbf", 60), ("iat", 60)] {
        let here = federated();
        assert_eq!(here.get(&moved(name, offset)(here), "/v1/whoami").status, 200, "{name}");
    }
}

#[test]
fn row_7_tokens_for_somebody_else() {
    for audience in [
        json!("https://github.com/octo-org"),
        json!(format!("{AUDIENCE}/")),
        json!("https://brevet.example.co"),
        json!("https://BREVET.example.com"),
        json!([AUDIENCE, "https://other.example"]),
        json!(["https://other.example"]),
        json!([AUDIENCE, AUDIENCE]),
        json!([]),
    ] {
        is_no_identity(&audience.to_string(), &|here| token(here, &[("aud", audience.clone())]), "aud");
    }
    for audience in [json!(null), json!(7), json!({})] {
        is_no_identity(
            "no audience",
            &|here| token(here, &[("aud", audience.clone())]),
            "claim aud is missing",
        );
    }
}

#[test]
fn row_8_issuers_that_look_like_one_of_the_rules() {
    for issuer in [
        format!("{URL}/"),
        format!("{URL}.evil.example"),
        format!("{URL}/other-enterprise"),
        URL.to_uppercase(),
        format!(" {URL}"),
        String::new(),
    ] {
        is_no_identity(
            &issuer,
            &|here| token(here, &[("iss", json!(issuer))]),
            "its issuer is none of the rules'",
        );
    }
    for issuer in [json!([URL]), json!(1), json!(null), json!({ "url": URL })] {
        is_no_identity("no text", &|here| token(here, &[("iss", issuer.clone())]), "no iss that is a text");
    }
    // Two readers must not see two issuers.
    let twice = |here: &Installation| {
        let text = claims_of(here, &[]).to_string().replacen('{', "{\"iss\":\"https://evil.example\",", 1);
        signed_text(
            &BASE64URL_NOPAD.encode(header().to_string().as_bytes()),
            &BASE64URL_NOPAD.encode(text.as_bytes()),
        )
    };
    is_no_identity("twice", &twice, "each member once");
    // One issuer's key is no other's.
    let here = federated();
    let mut rules = crate::installation::rules();
    rules["issuer"]["github"] = json!({ "url": URL, "audience": AUDIENCE, "algorithms": ["Ed25519"], "pin": { "repository_owner_id": "100000001" } });
    rules["issuer"]["lab"] =
        json!({ "url": "https://lab.example", "audience": AUDIENCE, "algorithms": ["Ed25519"] });
    assert_eq!(here.push(ROOT, 1, &rules).status, 200);
    let lab = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": BASE64URL_NOPAD.encode(lab.verifying_key().as_bytes()) });
    let mut documents = here.documents.borrow_mut();
    documents.insert(
        "https://lab.example/.well-known/openid-configuration".to_owned(),
        json!({ "issuer": "https://lab.example", "jwks_uri": "https://lab.example/keys" }).to_string(),
    );
    documents.insert("https://lab.example/keys".to_owned(), json!({ "keys": [jwk] }).to_string());
    drop(documents);
    let answer = here.get(&token(here, &[("iss", json!("https://lab.example"))]), "/v1/whoami");
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(answer.text.contains("signature"), "{}", answer.text);
}

#[test]
fn row_9_names_that_begin_like_the_right_ones() {
    let here = federated();
    for (name, value) in [
        ("ref", "refs/heads/main/../feature"),
        ("ref", "refs/heads/main\u{0}"),
        ("ref", "refs/heads/mainx"),
        ("ref", "refs/heads/Main"),
    ] {
        let job = token(here, &[(name, json!(value))]);
        has_no_grant(value, here, &job, "claims-do-not-fit", "app-deploy misses ref");
    }
    let other =
        token(here, &[("repository_id", json!("2000000030")), ("repository", json!("octo-org-evil/app"))]);
    let answer = here.post(&other, "/v1/tokens", json!({ "template": "zone-read" }));
    assert_eq!(answer.body["type"], "urn:brevet:problem:no-grant", "{}", answer.text);
    is_no_identity(
        "a subject of ten kilobytes",
        &|here| token(here, &[("sub", json!("x".repeat(4_000)))]),
        "its claim sub",
    );
    let here = federated();
    let answer = here.get(&token(here, &[("sub", json!("x".repeat(10_000)))]), "/v1/whoami");
    assert_eq!(answer.status, 400, "longer than any credential: {}", answer.text);
}

#[test]
fn row_10_events_that_run_on_what_strangers_send() {
    let here = federated();
    for event in ["pull_request_target", "workflow_run", "issue_comment"] {
        // Subject and branch are those of the base branch.
        let job = token(here, &[("event_name", json!(event))]);
        has_no_grant(event, here, &job, "claims-do-not-fit", "app-deploy misses event_name");
    }
    let fork = token(
        here,
        &[
            ("sub", json!("repo:octo-org/app:pull_request")),
            ("ref", json!("refs/pull/7/merge")),
            ("event_name", json!("pull_request")),
        ],
    );
    has_no_grant("a fork's pull request", here, &fork, "claims-do-not-fit", "event_name=pull_request");
}

#[test]
fn row_11_a_name_that_was_given_up_and_registered_anew() {
    let owner = |here: &Installation| token(here, &[("repository_owner_id", json!("100000009"))]);
    is_no_identity("another owner of the name", &owner, "its claim repository_owner_id is not the one");
    let here = federated();
    let job = token(here, &[("repository_id", json!("200000009"))]);
    let answer = here.post(&job, "/v1/tokens", json!({ "template": "zone-read" }));
    assert_eq!(
        (answer.status, &answer.body["type"]),
        (403, &json!("urn:brevet:problem:no-grant")),
        "{}",
        answer.text
    );
    assert!(journal(here, "refused")[0].contains("app-deploy misses repository_id"));
    // Both forms of the subject are the same job where ids decide.
    for sub in
        ["repo:octo-org/app:ref:refs/heads/main", "repo:octo-org@100000001/app@200000003:ref:refs/heads/main"]
    {
        let answer = here.post(
            &token(here, &[("sub", json!(sub)), ("jti", json!(sub))]),
            "/v1/tokens",
            json!({ "template": "zone-read" }),
        );
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

#[test]
fn row_12_another_version_of_the_workflow() {
    let here = federated();
    let mut rules: Value = here.get(ROOT, "/v1/config").body["rules"].clone();
    let workflow = "octo-org/workflows/.github/workflows/deploy.yml";
    rules["grant"]["app-deploy"]["when"][0]["job_workflow_ref"] =
        json!(format!("{workflow}@refs/heads/main"));
    assert_eq!(here.push(ROOT, 1, &rules).status, 200);
    for other in [
        Value::Null,
        json!(workflow),
        json!(format!("{workflow}@refs/heads/feature")),
        json!(format!("{workflow}@refs/tags/main")),
        json!("octo-org/workflows/.github/workflows/other.yml@refs/heads/main"),
        json!("evil/workflows/.github/workflows/deploy.yml@refs/heads/main"),
    ] {
        let job = token(here, &[("job_workflow_ref", other.clone())]);
        has_no_grant(
            &other.to_string(),
            here,
            &job,
            "claims-do-not-fit",
            "app-deploy misses job_workflow_ref",
        );
    }
    let good = token(here, &[("job_workflow_ref", json!(format!("{workflow}@refs/heads/main")))]);
    assert_eq!(here.post(&good, "/v1/tokens", json!({ "template": "zone-read" })).status, 201);
}

#[test]
fn row_13_the_same_token_again_by_either_door() {
    for first_exchanged in [false, true] {
        let here = federated();
        let job = token(here, &[]);
        let wish = json!({ "template": "zone-read" });
        let first = if first_exchanged {
            here.send(asking(&fields(&job)))
        } else {
            here.post(&job, "/v1/tokens", wish.clone())
        };
        assert!(first.status < 300, "{}", first.text);
        let before = here.tokens();
        for _ in 0..25 {
            let again = here.post(&job, "/v1/tokens", wish.clone());
            assert_eq!(
                (again.status, again.body["type"].as_str()),
                (409, Some("urn:brevet:problem:credential-used"))
            );
            let again = here.send(asking(&fields(&job)));
            assert_eq!(
                (again.status, again.body["error"].as_str()),
                (400, Some("invalid_request")),
                "{}",
                again.text
            );
            assert_eq!(again.body["type"], "urn:brevet:problem:credential-used");
        }
        assert_eq!(here.tokens(), before);
        // The journal tells of each, as far as one caller may fill it.
        let told = journal_of(here, "main", "refused");
        assert_eq!(told.len(), usize::try_from(MOST_WRITTEN).unwrap(), "{told:?}");
        assert!(told.iter().all(|entry| entry.starts_with("credential-used: ")), "{told:?}");
        // There is one lease of it.
        assert_eq!(here.get(ROOT, "/v1/leases?run=1234").body["leases"].as_array().unwrap().len(), 1);
        // As long as clocks may differ it stays used, also for a fresh instance.
        here.restart();
        here.pass(355);
        assert_eq!(here.send(asking(&fields(&job))).body["type"], "urn:brevet:problem:credential-used");
        here.pass(10);
        assert!(
            here.send(asking(&fields(&job))).body["error_description"]
                .as_str()
                .unwrap()
                .contains("its time is up")
        );
    }
}
