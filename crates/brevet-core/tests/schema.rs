//! `docs/brevet.schema.json`, by which editors complete the rules, says the same as the reader.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets the unexpected should stop there")]
#![allow(
    clippy::indexing_slicing,
    clippy::only_used_in_recursion,
    reason = "a test that meets the unexpected should stop there"
)]

use std::collections::BTreeSet;

use brevet_core::rules::{self, example};
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/brevet.schema.json")).unwrap()
}

/// The example, with every optional field that it does not show.
fn complete() -> Value {
    let mut rules: Value = serde_json::from_str(example::RULES_JSON).unwrap();
    rules["brevet"]["open_verify"] = json!(false);
    rules["account"]["main"]["parent_next"] = json!("CLOUDFLARE_API_TOKEN_2");
    rules["account"]["main"]["max_ttl"] = json!(86_400);
    rules["group"]["new-thing"] =
        json!({ "name": "New Thing Write", "scope": "account", "id": "abababababababababababababababab" });
    rules["template"]["dns-acme"]["resources"]["account"] = json!("{account}");
    rules["client"]["edge-purger"]["not_after"] = json!("2099-01-31T00:00:00Z");
    rules["client"]["edge-purger"]["from_ip"] = json!(["203.0.113.0/24", "2001:db8::1"]);
    rules["endpoint"]["siem"] = json!({
        "url": "https://siem.example.com/brevet", "secrets": ["HOOK_SIEM", "HOOK_SIEM_NEXT"],
        "events": ["lease.granted", "leak.reflex"], "grants": ["edge-purge"], "templates": ["cache-purge"],
        "accounts": ["main"], "enabled": true,
    });
    rules["endpoint"]["local"] = json!({ "url": "http://127.0.0.1:9999/in", "secrets": ["HOOK_LOCAL"] });
    rules["grant"]["edge-purge"]["default_ttl"] = json!(true);
    rules["grant"]["edge-purge"]["condition"] =
        json!({ "in": ["203.0.113.0/24"], "not_in": ["203.0.113.9"] });
    rules["grant"]["edge-purge"]["accept_takeover"] = json!("a reason");
    rules["grant"]["edge-purge"]["allow"][0]["account"] = json!("main");
    rules["grant"]["edge-purge"]["allow"][0]["raw"] = json!(true);
    rules["grant"]["app-deploy"]["allow"][0]["account"] =
        json!({ "claim": "environment", "map": { "prod": "apps" } });
    let hook = |scheme: &str, more: Value| {
        let mut hook = json!({ "scheme": scheme, "secrets": ["HOOK_A", "HOOK_B"] });
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hook
    };
    let reply = |more: Value| {
        let mut hook = hook("standard-webhooks", more);
        hook["reply"] = json!(true);
        hook
    };
    rules["hook"] = json!({
        "leak": hook("github", json!({
            "when": [{ "event": "secret_scanning_alert", "/action": "created" }],
            "revoke": { "repository_id": "/repository/id" },
            "freeze": { "grant": ["app-deploy", "/grant"], "for": "1h" },
        })),
        "stop": hook("standard-webhooks", json!({ "freeze": { "all": true } })),
        "calm": hook("standard-webhooks", json!({ "unfreeze": { "all": true } })),
        "go-on": hook("standard-webhooks", json!({ "unfreeze": { "grant": "edge-purge" } })),
        "end": hook("standard-webhooks", json!({ "revoke": { "all": true } })),
        "buy": reply(json!({ "create": {
            "template": "cache-purge", "grant": "edge-bought", "account": "main", "zone": ["example.com"],
            "ttl": "10m", "name": "/name",
        } })),
        "look": reply(json!({ "verify": { "token": "/token", "account": "main" } })),
        "turn": reply(json!({ "roll": { "lease": "/lease" } })),
        "drop": reply(json!({ "revoke": { "lease": "/lease" } })),
    });
    rules["grant"]["edge-bought"] = json!({
        "from": { "hook": "buy" },
        "allow": [{ "template": "cache-purge", "zone": ["example.com"] }],
    });
    rules
}

fn with(pointer: &str, value: &Value) -> Value {
    let mut rules = complete();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = rules.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value.clone(),
        _ => parent[member.replace("~1", "/")] = value.clone(),
    }
    rules
}

fn without(pointer: &str) -> Value {
    let mut rules = complete();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    rules.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    rules
}

/// A place in the rules, and values that do not belong there.
fn bad_values() -> Vec<(&'static str, Vec<Value>)> {
    let wrong_text = || json!(["an", "unwanted", 1]);
    let span =
        || vec![json!(0), json!(-1), json!("soon"), json!(""), json!(true), json!(31_622_401), json!(1.5)];
    let id = || {
        vec![
            json!("0123"),
            json!("0123456789ABCDEF0123456789ABCDEF"),
            json!(1),
            json!("../../../../../../../../../../../.."),
        ]
    };
    let flag = || vec![json!("true"), json!(1), json!(null)];
    let digest = || vec![json!([]), json!("aa"), json!(["aa"]), json!([1]), json!(null)];
    let networks = || vec![json!([]), json!("203.0.113.0/24"), json!(["localhost"]), json!([1])];
    let choice = || vec![json!([]), json!(1), json!([1]), json!(""), json!({}), json!(["main", "main"])];
    let text = |extra: Value| vec![extra, json!(1), wrong_text(), json!(null)];
    vec![
        ("/version", vec![json!(0), json!(2), json!("1"), json!(null)]),
        ("/brevet", vec![json!([]), json!("x")]),
        (
            "/brevet/url",
            vec![
                json!("brevet.example.com"),
                json!("ftp://a.example"),
                json!("https://a.example/x"),
                json!("https://u:p@a.example"),
                json!(1),
            ],
        ),
        ("/brevet/install", text(json!("Upper"))),
        ("/brevet/install", vec![json!(""), json!("a".repeat(17))]),
        ("/brevet/open_verify", flag()),
        ("/brevet/unknown", vec![json!(1)]),
        ("/account", vec![json!([]), json!("x")]),
        ("/account/main", vec![json!([]), json!("x")]),
        ("/account/Main", vec![complete()["account"]["me"].clone()]),
        ("/account/main/id", id()),
        ("/account/main/family", vec![json!("zone"), json!(1), json!("Account")]),
        (
            "/account/main/parent",
            vec![json!("BREVET_PEPPER"), json!("CLOUDFLARE_"), json!("CLOUDFLARE_API_BASE"), json!(1)],
        ),
        ("/account/main/parent_next", vec![json!("HOOK_SECRET"), json!("cfat_aaaa"), json!(1)]),
        ("/account/main/hosts_brevet", flag()),
        ("/account/me/hosts_brevet", vec![json!(true), json!(false)]),
        ("/account/main/max_ttl", span()),
        ("/zone", vec![json!([])]),
        ("/zone/example", vec![complete()["zone"]["example.com"].clone()]),
        ("/zone/UPPER.example", vec![complete()["zone"]["example.com"].clone()]),
        ("/zone/example.com/id", id()),
        ("/zone/example.com/account", text(json!(""))),
        ("/zone/example.com/other", vec![json!(1)]),
        ("/group", vec![json!([])]),
        ("/group/new-thing/name", text(json!(""))),
        ("/group/new-thing/scope", vec![json!("com.cloudflare.api.account"), json!("world"), json!(1)]),
        ("/group/new-thing/id", id()),
        ("/group/new-thing/class", vec![json!("read")]),
        ("/template", vec![json!([])]),
        (
            "/template/dns-acme/permissions",
            vec![json!([]), json!("DNS Write"), json!(["DNS Write"]), json!([{}])],
        ),
        ("/template/dns-acme/permissions/0/name", vec![json!(1), json!(null)]),
        ("/template/dns-acme/permissions/0/scope", vec![json!("zones"), json!(1)]),
        ("/template/dns-acme/permissions/0/id", vec![json!("4755a26eedb94da69e1066d98aa820be")]),
        ("/template/dns-acme/resources", vec![json!([]), json!("zone")]),
        ("/template/dns-acme/resources/account", vec![json!("main"), json!("{zone}"), json!(1)]),
        ("/template/dns-acme/resources/zone", vec![json!("example.com"), json!("*"), json!(1)]),
        ("/template/dns-acme/resources/bucket", vec![json!("{bucket}")]),
        ("/template/dns-acme/ttl", span()),
        ("/template/dns-acme/max_ttl", span()),
        ("/operator", vec![json!([])]),
        ("/operator/alice/secret_sha256", digest()),
        (
            "/operator/alice/may",
            vec![json!([]), json!(["everything"]), json!("read"), json!(["read", "read"]), json!([1])],
        ),
        ("/operator/alice/secret", vec![json!("brvo_x")]),
        ("/issuer", vec![json!([])]),
        (
            "/issuer/github/url",
            vec![json!("token.actions.githubusercontent.com"), json!("https://a.example/?x"), json!(1)],
        ),
        (
            "/issuer/github/pin",
            vec![
                json!({}),
                json!([]),
                json!({ "repository_owner_id": "1*" }),
                json!({ "repository_owner_id": null }),
            ],
        ),
        ("/issuer/github/client_id", vec![json!("x")]),
        ("/issuer/github/audience", vec![json!(""), json!([]), json!([""]), json!(["a", "a"]), json!(1)]),
        (
            "/issuer/github/algorithms",
            vec![json!([]), json!("RS256"), json!(["HS256"]), json!(["none"]), json!(["RS256", "RS256"])],
        ),
        ("/issuer/github/jwks_uri", vec![json!("keys"), json!("ftp://a.example/keys"), json!(1)]),
        ("/issuer/github/typ", vec![json!(""), json!(1)]),
        ("/issuer/github/max_lifetime", vec![json!("-1m"), json!(0), json!([])]),
        ("/client", vec![json!([])]),
        ("/client/edge-purger/secret_sha256", digest()),
        (
            "/client/edge-purger/not_after",
            vec![json!("tomorrow"), json!("2099-01-31"), json!("2099-01-31T00:00:00+01:00"), json!(1)],
        ),
        ("/client/edge-purger/from_ip", networks()),
        ("/client/edge-purger/expires", vec![json!("2099-01-31T00:00:00Z")]),
        ("/grant", vec![json!([])]),
        (
            "/grant/edge-purge/from",
            vec![json!({}), json!("edge-purger"), json!({ "client": 1 }), json!({ "operator": "alice" })],
        ),
        ("/grant/edge-purge/from", vec![json!({ "client": "edge-purger", "issuer": "github" })]),
        ("/grant/app-deploy/from/issuer", vec![json!(1), json!("")]),
        ("/grant/edge-purge/from/client", vec![json!(1), json!("")]),
        (
            "/grant/app-deploy/when",
            vec![
                json!([]),
                json!({}),
                json!([{}]),
                json!([{ "ref": "*" }]),
                json!([{ "ref": "a*b" }]),
                json!([{ "run_id": "1*" }]),
                json!([{ "ref": [] }]),
            ],
        ),
        ("/grant/edge-purge/allow", vec![json!([]), json!({}), json!(["cache-purge"])]),
        ("/grant/edge-purge/allow/0/template", vec![json!(""), json!(1), json!("Cache Purge")]),
        ("/grant/edge-purge/allow/0/account", choice()),
        (
            "/grant/app-deploy/allow/0/account",
            vec![
                json!({ "claim": "environment" }),
                json!({ "claim": "environment", "map": {} }),
                json!({ "claim": "environment", "map": { "prod": 1 } }),
                json!({ "claim": "environment", "map": { "pro*": "apps" } }),
                json!({ "claim": "environment", "map": { "": "apps" } }),
                json!({ "claim": "", "map": { "prod": "apps" } }),
                json!({ "claim": "environment", "map": { "prod": "apps" }, "default": "apps" }),
            ],
        ),
        ("/grant/edge-purge/allow/0/zone", choice()),
        ("/grant/edge-purge/allow/0/raw", flag()),
        ("/grant/edge-purge/allow/0/bucket", vec![json!("x")]),
        ("/grant/edge-purge/ttl", span()),
        ("/grant/edge-purge/max_ttl", span()),
        ("/grant/edge-purge/default_ttl", flag()),
        (
            "/grant/edge-purge/operations",
            vec![json!([]), json!(["delete"]), json!("create"), json!(["create", "create"])],
        ),
        ("/grant/edge-purge/mode", vec![json!("dry-run"), json!(1)]),
        ("/grant/edge-purge/enabled", flag()),
        ("/grant/edge-purge/condition", vec![json!({}), json!([]), json!({ "request_ip": {} })]),
        ("/grant/edge-purge/condition/in", networks()),
        ("/grant/edge-purge/condition/not_in", networks()),
        (
            "/grant/edge-purge/accept_takeover",
            vec![json!(""), json!("  "), json!(true), json!("a\u{7}"), json!("a".repeat(401))],
        ),
        ("/grant/edge-purge/audience", vec![json!("x")]),
        ("/hook", vec![json!([]), json!({ "Upper": complete()["hook"]["leak"] })]),
        ("/hook/leak", vec![json!([]), json!({ "scheme": "github", "secrets": ["HOOK_A"] })]),
        ("/hook/leak/scheme", vec![json!("gitlab"), json!(1), json!("GitHub")]),
        (
            "/hook/leak/secrets",
            vec![
                json!([]),
                json!("HOOK_A"),
                json!(["CLOUDFLARE_API_TOKEN"]),
                json!(["HOOK_"]),
                json!(["HOOK_A", "HOOK_A"]),
            ],
        ),
        (
            "/hook/leak/when",
            vec![
                json!([]),
                json!({}),
                json!([{}]),
                json!([{ "action": "created" }]),
                json!([{ "/action": "*" }]),
            ],
        ),
        ("/hook/buy/reply", flag()),
        (
            "/hook/leak/revoke",
            vec![json!({}), json!("all"), json!({ "a b": "/x" }), json!({ "x": "" }), json!({ "x": "/~2" })],
        ),
        ("/hook/end/revoke/all", flag()),
        ("/hook/leak/freeze", vec![json!({}), json!([]), json!({ "grant": "app-deploy", "all": true })]),
        ("/hook/leak/freeze/grant", vec![json!([]), json!(1), json!("")]),
        ("/hook/stop/freeze/all", vec![json!(false), json!("true")]),
        ("/hook/leak/freeze/for", span()),
        ("/hook/calm/unfreeze", vec![json!({}), json!([]), json!({ "all": true, "for": "1h" })]),
        ("/hook/calm/unfreeze/all", vec![json!(false), json!(1)]),
        ("/hook/go-on/unfreeze/grant", vec![json!([]), json!(1), json!("")]),
        ("/hook/look/verify", vec![json!({}), json!([]), json!({ "token": "/t", "zone": "x" })]),
        ("/hook/look/verify/token", vec![json!(1), json!(""), json!("/~")]),
        ("/hook/look/verify/account", vec![json!(1), json!("")]),
        ("/hook/buy/create", vec![json!({}), json!([]), json!({ "template": "/t", "policies": "/p" })]),
        ("/hook/buy/create/template", vec![json!(1), json!(""), json!("a*")]),
        ("/hook/buy/create/grant", vec![json!(1), json!("")]),
        ("/hook/buy/create/account", vec![json!([]), json!("")]),
        ("/hook/buy/create/zone", vec![json!([]), json!(1), json!("")]),
        ("/hook/buy/create/ttl", span()),
        ("/hook/buy/create/name", vec![json!(1), json!("")]),
        ("/hook/turn/roll", vec![json!({}), json!([]), json!({ "lease": "/l", "ttl": "1h" })]),
        ("/hook/turn/roll/lease", vec![json!(1), json!("")]),
        ("/grant/edge-bought/from/hook", vec![json!(1), json!("")]),
        ("/rotation", vec![json!({})]),
        ("/endpoint", vec![json!([])]),
        ("/endpoint/Siem", vec![complete()["endpoint"]["siem"].clone()]),
        (
            "/endpoint/siem/url",
            vec![
                json!("siem.example.com"),
                json!("http://siem.example.com"),
                json!("https://siem.example.com:8443/"),
                json!("https://10.0.0.1/"),
                json!("https://[fd00::1]/"),
                json!("https://localhost/"),
                json!("https://siem/"),
                json!("https://siem.internal/"),
                json!("https://u:p@siem.example.com"),
                json!("https://siem.example.com/?x"),
                json!(1),
            ],
        ),
        (
            "/endpoint/siem/secrets",
            vec![
                json!([]),
                json!("HOOK_SIEM"),
                json!(["CLOUDFLARE_API_TOKEN"]),
                json!(["BREVET_PEPPER"]),
                json!(["HOOK_A", "HOOK_A"]),
                json!(["HOOK_A", "HOOK_B", "HOOK_C", "HOOK_D"]),
            ],
        ),
        (
            "/endpoint/siem/events",
            vec![
                json!([]),
                json!("lease.granted"),
                json!(["created"]),
                json!(["lease.ended", "lease.ended"]),
            ],
        ),
        ("/endpoint/siem/grants", vec![json!([]), json!("edge-purge"), json!([1]), json!([""])]),
        ("/endpoint/siem/templates", vec![json!([]), json!("cache-purge"), json!([1]), json!([""])]),
        ("/endpoint/siem/accounts", vec![json!([]), json!("main"), json!([1]), json!([""])]),
        ("/endpoint/siem/enabled", flag()),
        ("/endpoint/siem/secret", vec![json!("HOOK_SIEM")]),
        ("/destination", vec![json!({})]),
        ("/grants", vec![json!({})]),
    ]
}

#[test]
fn refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (pointer, values) in bad_values() {
        for value in values {
            let rules = with(pointer, &value);
            assert!(!validator.is_valid(&rules), "the schema takes {value} at {pointer}");
            assert!(rules::read(&rules).is_err(), "the reader takes {value} at {pointer}");
        }
    }
}

#[test]
fn refuses_a_missing_field_as_the_reader_does() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for pointer in [
        "/version",
        "/brevet",
        "/brevet/install",
        "/account/main/id",
        "/account/main/family",
        "/account/main/parent",
        "/zone/example.com/id",
        "/zone/example.com/account",
        "/group/new-thing/name",
        "/group/new-thing/scope",
        "/group/new-thing/id",
        "/template/dns-acme/permissions",
        "/template/dns-acme/permissions/0/name",
        "/operator/alice/secret_sha256",
        "/operator/alice/may",
        "/issuer/github/url",
        "/client/edge-purger/secret_sha256",
        "/hook/leak/scheme",
        "/hook/leak/secrets",
        "/hook/look/verify/token",
        "/hook/buy/create/template",
        "/hook/turn/roll/lease",
        "/endpoint/siem/url",
        "/endpoint/siem/secrets",
        "/grant/edge-purge/from",
        "/grant/edge-purge/from/client",
        "/grant/edge-purge/allow",
        "/grant/edge-purge/allow/0/template",
    ] {
        let rules = without(pointer);
        assert!(!validator.is_valid(&rules), "the schema does without {pointer}");
        assert!(rules::read(&rules).is_err(), "the reader does without {pointer}");
    }
}

#[test]
fn takes_the_example_and_every_optional_field() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for rules in [serde_json::from_str(example::RULES_JSON).unwrap(), complete()] {
        if let Err(error) = validator.validate(&rules) {
            panic!("{}: {error}", error.instance_path());
        }
        rules::read(&rules).unwrap_or_else(|findings| panic!("{findings:#?}"));
    }
}

#[test]
fn every_field_of_the_schema_has_a_value_that_both_refuse() {
    let mut fields = BTreeSet::new();
    collect(&schema(), &schema()["properties"], "", &mut fields);
    let names = |pointer: &str| -> Vec<String> { pointer.split('/').skip(1).map(str::to_owned).collect() };
    let tried: Vec<_> = bad_values().iter().map(|(pointer, _)| names(pointer)).collect();
    for field in &fields {
        let field = names(field);
        let matches = |tried: &Vec<String>| {
            tried.len() == field.len()
                && tried.iter().zip(&field).all(|(one, other)| other == "*" || one == other)
        };
        assert!(tried.iter().any(matches), "no bad value is tried at {field:?}");
    }
    assert!(fields.len() > 50, "{}", fields.len());
}

/// Every field that the schema names; a name or place that is free is `*`.
fn collect(schema: &Value, properties: &Value, at: &str, fields: &mut BTreeSet<String>) {
    for (name, field) in properties.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        fields.insert(at.clone());
        let inner = |value: &Value, at: &str, fields: &mut BTreeSet<String>| {
            collect(schema, &value["properties"], at, fields);
        };
        inner(field, &at, fields);
        inner(&field["additionalProperties"], &format!("{at}/*"), fields);
        inner(&field["items"], &format!("{at}/*"), fields);
        // One level further down: the entries of a section hold tables and lists themselves.
        for (name, field) in field["additionalProperties"]["properties"].as_object().into_iter().flatten() {
            inner(field, &format!("{at}/*/{name}"), fields);
            inner(&field["items"], &format!("{at}/*/{name}/*"), fields);
            for way in field["oneOf"].as_array().into_iter().flatten() {
                inner(way, &format!("{at}/*/{name}"), fields);
            }
        }
    }
}

#[test]
fn the_schema_and_the_page_name_every_type_of_event() {
    let endpoint = schema()["properties"]["endpoint"]["additionalProperties"]["properties"].clone();
    assert_eq!(endpoint["events"]["items"]["enum"], json!(brevet_core::announce::TYPES));
    let page = include_str!("../../../docs/http.md");
    let missing: Vec<_> =
        brevet_core::announce::TYPES.iter().filter(|kind| !page.contains(&format!("`{kind}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_field_is_described() {
    let mut undescribed = Vec::new();
    describe(&schema()["properties"], "", &mut undescribed);
    // Their meaning is that of what stands around them.
    undescribed.retain(|at| !at.ends_with("/resources/account") && !at.ends_with("/resources/zone"));
    assert_eq!(undescribed, Vec::<String>::new());
}

fn describe(properties: &Value, at: &str, undescribed: &mut Vec<String>) {
    for (name, field) in properties.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        let shared =
            field["$ref"].as_str().and_then(|path| schema().pointer(path.trim_start_matches('#')).cloned());
        if field["description"].is_null() && shared.is_none_or(|shared| shared["description"].is_null()) {
            undescribed.push(at.clone());
        }
        describe(&field["properties"], &at, undescribed);
        describe(&field["additionalProperties"]["properties"], &at, undescribed);
        describe(&field["items"]["properties"], &at, undescribed);
    }
}
