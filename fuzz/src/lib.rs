//! What must hold of everything that strangers send. Each function takes any bytes and panics where it
//! does not hold. The fuzz targets call them, and so does `tests/hostile.rs` with changed seeds.

mod federation;

pub use federation::{form, jwks, jwt, passes};

use std::sync::OnceLock;

use brevet_core::access::{Access, Strangers};
use brevet_core::bearer::{Bearer, CLIENT_PREFIX, OPERATOR_PREFIX, SECRET_LENGTH};
use brevet_core::catalogue::{Catalogue, Class};
use brevet_core::json::{self, DEEPEST, JsonError};
use brevet_core::policy::{Ask, AskedAccess, Caller, Lifetime, Policy, Surface};
use brevet_core::rules::{self, Severity, SourceMap};
use brevet_core::time::{Seconds, Timestamp};
use cloudflare_tokens::{
    ApiError, Call, CreateToken, DeleteToken, Family, GetToken, Headers, ListPermissionGroups, ListTokens,
    ListZones, NewToken, Paging, Repeat, RollToken, VerifyToken,
};
use serde_json::Value;

/// The most bytes of an input: what is longer says nothing new.
const MOST: usize = 64 * 1024;

/// 2026-11-01T00:00:00Z.
const NOW: i64 = 1_793_491_200;

/// The account, the zone and the two groups that the client of [`RULES`] may use.
const APPS: &str = "8c1d2e3f405162738495a6b7c8d9e0f1";
const SHOP: &str = "2222333344445555bbbbccccddddeeee";
const CACHE_PURGE: &str = "e17beae8b8cb423a99b1730f21238bed";
const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";

/// Rules in which a client may do two things to one zone, for an hour.
const RULES: &str = r#"{
  "version": 1,
  "brevet": { "url": "https://brevet.example.org", "install": "fuzz" },
  "account": {
    "main": { "id": "5f2b0c9d7e8a41639b0d2c4e6f8a1b3c", "family": "account", "parent": "CLOUDFLARE_API_TOKEN" },
    "apps": { "id": "8c1d2e3f405162738495a6b7c8d9e0f1", "family": "account", "parent": "CLOUDFLARE_APPS_TOKEN", "hosts_brevet": false },
    "me": { "id": "0a9b8c7d6e5f40312213243546576879", "family": "user", "parent": "CLOUDFLARE_USER_TOKEN" }
  },
  "zone": {
    "example.org": { "id": "1111222233334444aaaabbbbccccdddd", "account": "main" },
    "shop.example": { "id": "2222333344445555bbbbccccddddeeee", "account": "apps" }
  },
  "template": {
    "shop": { "permissions": [{ "name": "Cache Purge", "scope": "zone" }, { "name": "DNS Write", "scope": "zone" }], "max_ttl": "1h" }
  },
  "client": { "ci": { "secret_sha256": ["7b1c5d0e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4"] } },
  "grant": {
    "shop": { "from": { "client": "ci" }, "allow": [{ "template": "shop", "zone": ["shop.example"], "raw": true }],
              "condition": { "in": ["203.0.113.0/24"] } }
  }
}"#;

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let rules: Value = serde_json::from_str(RULES).expect("JSON");
        let document = rules::read(&rules).expect("good rules");
        rules::compile(document).expect("good rules").0
    })
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW).expect("a moment")
}

/// How many levels of lists and objects a value has.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The strict reader of JSON takes a part of what serde_json takes, reads the same there, and writes it
/// so that it reads back.
pub fn json(data: &[u8]) {
    let loose = serde_json::from_slice::<Value>(data);
    match json::read_value(data) {
        Ok(value) => {
            assert!(depth(&value) <= DEEPEST, "too deep");
            assert_eq!(loose.expect("strict is stricter"), value);
            let text = json::to_text(&value);
            assert_eq!(json::read_value(text.as_bytes()), Ok(value.clone()));
            assert_eq!(json::read_object(data).is_ok(), value.is_object());
        }
        Err(error) => {
            let refused_for_more = matches!(error, JsonError::Duplicate { .. } | JsonError::Deep);
            assert!(refused_for_more || loose.is_err(), "{error}");
            assert_eq!(json::read_object(data), Err(error));
        }
    }
}

/// A bearer is sorted by its shape alone; only the Cloudflare shape is called one, and no secret is shown.
pub fn bearer(data: &[u8]) {
    for development in [false, true] {
        let Ok(bearer) = Bearer::read(Some(data), development) else { continue };
        let text = bearer.secret().expose();
        let plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let ours = |prefix: &str| {
            text.strip_prefix(prefix).is_some_and(|rest| rest.len() == SECRET_LENGTH && plain(rest))
        };
        match &bearer {
            Bearer::Client(_) => assert!(ours(CLIENT_PREFIX), "a client's"),
            Bearer::Operator(_) => assert!(ours(OPERATOR_PREFIX), "an operator's"),
            Bearer::Cloudflare(..) => {
                let body = text.strip_prefix("cfut_").or_else(|| text.strip_prefix("cfat_"));
                assert!(
                    body.map_or(text.len() == 40, |body| (40..=75).contains(&body.len())),
                    "Cloudflare's"
                );
                assert!(
                    plain(text) && !text.starts_with(CLIENT_PREFIX) && !text.starts_with(OPERATOR_PREFIX)
                );
            }
            Bearer::Jwt(_) => assert_eq!(text.matches('.').count(), 2),
            Bearer::Free(_) => assert!(development, "outside development mode"),
        }
        let shown = format!("{bearer:?}");
        assert!(text.len() < 20 || !shown.contains(text), "shown");
        // The header carries it whole.
        assert!(data.windows(text.len().max(1)).any(|part| part == text.as_bytes()) || text.is_empty());
    }
}

/// Any rules are read, compiled or refused with findings that say where and what; what compiles has no
/// errors.
pub fn rules(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let Ok(value) = json::read_value(data) else { return };
    let findings = rules::lint(&value);
    for finding in &findings {
        assert!(finding.pointer.is_empty() || finding.pointer.starts_with('/'), "{}", finding.pointer);
        assert!(!finding.message().is_empty() && !finding.help().is_empty());
        let told = finding.to_json(Some(&SourceMap::default())).finish();
        assert!(json::read_object(told.as_bytes()).is_ok(), "{told}");
    }
    let good = !findings.iter().any(|finding| finding.severity == Severity::Error);
    let compiled = rules::read(&value).and_then(rules::compile);
    assert_eq!(good, compiled.is_ok());
    // A map of places is read from strangers, too.
    if let Ok(map) = SourceMap::from_json(&value) {
        let again = SourceMap::from_json(&map.to_json());
        assert!(again.is_ok_and(|again| again.to_json() == map.to_json()));
    }
    if let Ok((policy, _)) = compiled {
        for caller in [Caller::root(), Caller::Client { name: "ci".to_owned() }] {
            let told = policy.whoami(&caller).finish();
            assert!(json::read_value(told.as_bytes()).is_ok());
        }
    }
}

/// Policies read back as they were written, name places of the rules only, and no client gets more than
/// its one line: whatever it sends.
pub fn policies(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let Ok(value) = json::read_value(data) else { return };
    let policy = policy();
    let catalogue = Catalogue::built_in();
    for strangers in [Strangers::Refuse, Strangers::Keep] {
        let Ok(access) = Access::parse_with(&value, policy, &catalogue, strangers) else { continue };
        let written = access.to_json();
        let again = Access::parse_with(&written, policy, &catalogue, strangers).expect("what was written");
        assert!(again.same(&access) && again.to_json() == written);
        assert!(!written.to_string().contains("account.*"));
        for (group, resource) in access.pairs() {
            match catalogue.get(group) {
                Some(group) => assert_eq!(group.scope(), resource.scope()),
                None => assert!(matches!(strangers, Strangers::Keep)),
            }
        }
    }
    let client = Caller::Client { name: "ci".to_owned() };
    let raw = |surface| Ask {
        access: AskedAccess::Raw { policies: value.clone(), account: Some("apps".to_owned()) },
        grant: None,
        lifetime: Lifetime::Ttl(Seconds::of(600)),
        not_before: None,
        name: None,
        condition: None,
        surface,
    };
    let asks = [
        Some(raw(Surface::Native)),
        Some(raw(Surface::DropIn { account: "apps".to_owned() })),
        Ask::from_json(&value).ok(),
    ];
    for ask in asks.into_iter().flatten() {
        if let Ok(grant) = policy.decide(&client, &ask, now()) {
            for (group, resource) in grant.access().pairs() {
                assert!([CACHE_PURGE, DNS_WRITE].contains(&group.as_str()), "{group}");
                let place = resource.to_string();
                assert!(place.contains(SHOP) && place.contains(APPS), "{place}");
            }
            assert!((1..=3600).contains(&grant.expires_on().since(now())));
            assert!(grant.condition().bounds_addresses());
        }
        if let Ok(grant) = policy.decide(&Caller::root(), &ask, now()) {
            let marks = grant.marks();
            let manages = grant
                .access()
                .pairs()
                .any(|(group, _)| catalogue.get(group).is_none_or(|group| group.class() == Class::Managing));
            assert_eq!(marks.escapes_books, manages);
            assert!(grant.expires_on() > now());
        }
    }
}

/// Whether policies can be read at all: a seed that cannot leads nowhere.
pub fn reads(policies: &Value) -> bool {
    Access::parse_with(policies, policy(), &Catalogue::built_in(), Strangers::Refuse).is_ok()
}

/// Whether the client gets what it asks for.
pub fn grants(body: &Value) -> bool {
    let client = Caller::Client { name: "ci".to_owned() };
    Ask::from_json(body).is_ok_and(|ask| policy().decide(&client, &ask, now()).is_ok())
}

/// No answer makes a reader panic or shows a value; a create is repeated after a rate limit only. The
/// first byte chooses the status, the second the header.
pub fn answers(data: &[u8]) {
    let [status, header, body @ ..] = data else { return };
    const STATUSES: [u16; 16] =
        [200, 201, 204, 301, 400, 401, 403, 404, 405, 408, 409, 429, 500, 502, 520, 503];
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    const TEXTS: [&str; 7] = [
        "7",
        "-1",
        "99999999999999999999",
        "\"default\";r=50;t=30",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "",
        "1.5",
    ];
    let mut headers = Headers::new();
    headers.add("retry-after", TEXTS[usize::from(*header) % TEXTS.len()]);
    headers.add("ratelimit", TEXTS[usize::from(*header / 7) % TEXTS.len()]);
    let family = Family::User;
    let id = "ed17574386854bf78a67040be0a770b0".parse().expect("an id");
    let token = NewToken {
        name: "x".to_owned(),
        policies: Vec::new(),
        condition: None,
        not_before: None,
        expires_on: None,
    };
    let paging = Paging::default();
    heard(&ListTokens { family, paging, direction: None, include_expired: true }, status, &headers, body);
    heard(&CreateToken { family, token }, status, &headers, body);
    heard(&GetToken { family, id }, status, &headers, body);
    heard(&DeleteToken { family, id }, status, &headers, body);
    heard(&RollToken { family, id }, status, &headers, body);
    heard(&VerifyToken { family }, status, &headers, body);
    heard(&ListPermissionGroups { family, name: None, scope: None }, status, &headers, body);
    heard(&ListZones::default(), status, &headers, body);
}

fn heard<C: Call>(call: &C, status: u16, headers: &Headers, body: &[u8]) {
    match call.read(status, headers, body) {
        Ok(_) => assert!(matches!(status, 200..=299 | 404), "{status}"),
        Err(error) => {
            assert!(!error.hint().is_empty());
            let shown = format!("{error}{error:?}");
            assert!(!shown.contains("8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T"), "a value is shown");
            assert!(!shown.chars().any(|c| c.is_control()), "{shown:?}");
            let again = Repeat::OnlyIfNotSent.allows(&error);
            assert_eq!(again, matches!(error, ApiError::RateLimited { .. }));
        }
    }
}
