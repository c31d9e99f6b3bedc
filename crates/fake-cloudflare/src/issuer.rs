//! The stand-in as an issuer of identity tokens: one shaped like GitHub's, one like GitLab's, under `/issuer/github` and
//! `/issuer/gitlab`, or with a word after it, `/issuer/github-slow`: another issuer of the same shape. Tokens, new keys and faults are asked for under `/__admin/issuer/{shape}/…`.
//!
//! It signs with P-256 (`ES256`) or Ed25519 (`EdDSA`). The real ones sign with RSA, whose keys take a native debug build
//! seconds to make; the tests that need RSA sign for themselves.

use std::collections::BTreeMap;
use std::io::Write as _;

use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Request, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::envelope::{Answer, body_answer, json_answer};
use crate::fake::{Outcome, Reply};

/// Where the issuers are.
pub(crate) const ROOT: &str = "/issuer/";

/// How long a token lives where nothing else is asked, in seconds: GitHub's.
const LIFETIME: i64 = 300;

/// The most issuers of one run.
const MOST_ISSUERS: usize = 64;

/// The size of a document that is far too large, in bytes.
const HUGE: usize = 10 * 1024 * 1024;

/// What a token is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wish {
    /// Claims that are set or, with null, taken out.
    claims: Map<String, Value>,
    /// Members of the header, likewise.
    header: Map<String, Value>,
    /// `ES256` or `EdDSA`.
    algorithm: Option<String>,
    /// Seconds until its end.
    seconds: Option<i64>,
    /// GitHub's subject with the ids in it, as repositories made since July 2026 have it.
    ids_in_sub: bool,
    /// Whether somebody else's key signs it, under the name of this one's.
    forged: bool,
}

/// What goes wrong with a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
enum Fault {
    /// A page of HTML.
    Html,
    /// Good, but behind ten megabytes of blanks.
    Huge,
    /// The same, packed to ten kilobytes, as its length says.
    Packed,
    /// It is said to be elsewhere.
    Redirect { to: String },
    /// It comes after so many milliseconds.
    Slow { ms: u64 },
    /// A bare status.
    Status { status: u16 },
    /// This text.
    Text { text: String },
}

/// A fault and the document that has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faulty {
    /// `keys` or `discovery`.
    at: String,
    /// None: it is well again.
    fault: Option<Fault>,
}

/// An issuer: its keys by number, its faults by document, what it was asked for.
#[derive(Debug)]
struct Issuer {
    first: u32,
    last: u32,
    faults: BTreeMap<String, Fault>,
    asked: Vec<String>,
    made: u64,
}

impl Default for Issuer {
    fn default() -> Self {
        Self { first: 1, last: 1, faults: BTreeMap::new(), asked: Vec::new(), made: 0 }
    }
}

/// The issuers.
#[derive(Debug, Default)]
pub(crate) struct Issuers(BTreeMap<String, Issuer>);

fn seed(shape: &str, number: u32, kind: &str) -> [u8; 32] {
    Sha256::digest(format!("fake-cloudflare issuer {shape} {kind} {number}")).into()
}

fn p256(shape: &str, number: u32) -> Option<p256::ecdsa::SigningKey> {
    // Of some 2^32 texts one has a digest beyond the order of the curve.
    p256::ecdsa::SigningKey::from_slice(&seed(shape, number, "ES256")).ok()
}

fn ed25519(shape: &str, number: u32) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&seed(shape, number, "EdDSA"))
}

fn keys(shape: &str, number: u32) -> Vec<Value> {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let mut keys = vec![json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": format!("EdDSA-{number}"),
        "x": encode(ed25519(shape, number).verifying_key().as_bytes()),
    })];
    if let Some(key) = p256(shape, number) {
        let point = key.verifying_key().to_encoded_point(false);
        keys.push(json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": format!("ES256-{number}"),
            "x": point.x().map(|x| encode(x)), "y": point.y().map(|y| encode(y)),
        }));
    }
    keys
}

/// What a job on the main branch of a repository says.
fn github(change: &Map<String, Value>, ids_in_sub: bool) -> Map<String, Value> {
    let mut claims = object(json!({
        "aud": "https://github.com/octo-org", "repository": "octo-org/app", "repository_id": "200000003",
        "repository_owner": "octo-org", "repository_owner_id": "100000001", "repository_visibility": "private",
        "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "sha": "0123456789abcdef0123456789abcdef01234567",
        "head_ref": "", "base_ref": "", "event_name": "push", "workflow": "deploy",
        "workflow_ref": "octo-org/app/.github/workflows/deploy.yml@refs/heads/main",
        "job_workflow_ref": "octo-org/app/.github/workflows/deploy.yml@refs/heads/main",
        "actor": "octocat", "actor_id": "12", "run_id": "1234", "run_number": "10", "run_attempt": "1",
        "runner_environment": "github-hosted",
    }));
    put(&mut claims, change);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let repository = text("repository");
    let place = match (ids_in_sub, repository.split_once('/')) {
        (true, Some((owner, name))) => {
            format!("{owner}@{}/{name}@{}", text("repository_owner_id"), text("repository_id"))
        }
        _ => repository.to_owned(),
    };
    let what = match (text("environment"), text("event_name")) {
        ("", "pull_request") => "pull_request".to_owned(),
        ("", _) => format!("ref:{}", text("ref")),
        (environment, _) => format!("environment:{}", environment.replace(':', "%3A")),
    };
    claims.entry("sub").or_insert_with(|| format!("repo:{place}:{what}").into());
    claims
}

/// What a job on the main branch of a project says.
fn gitlab(change: &Map<String, Value>) -> Map<String, Value> {
    let mut claims = object(json!({
        "aud": "https://gitlab.example.com", "namespace_id": "72", "namespace_path": "group", "project_id": "20",
        "project_path": "group/project", "user_id": "1", "user_login": "sample-user", "pipeline_id": "574",
        "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
        "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "0123456789abcdef0123456789abcdef01234567", "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.example.com/group/project//.gitlab-ci.yml@refs/heads/main",
    }));
    put(&mut claims, change);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let subject =
        format!("project_path:{}:ref_type:{}:ref:{}", text("project_path"), text("ref_type"), text("ref"));
    claims.entry("sub").or_insert_with(|| subject.into());
    claims
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn put(into: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (name, value) in change {
        if value.is_null() {
            into.remove(name);
        } else {
            into.insert(name.clone(), value.clone());
        }
    }
}

impl Issuers {
    /// The issuer of this name: a shape, or a shape and a word of the test's own after a hyphen. Each has its own keys and faults.
    fn get(&mut self, name: &str) -> Option<&mut Issuer> {
        let (shape, word) = name.split_once('-').unwrap_or((name, ""));
        let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let known = self.0.contains_key(name) || self.0.len() < MOST_ISSUERS;
        let good = ["github", "gitlab"].contains(&shape) && plain && known;
        good.then(|| self.0.entry(name.to_owned()).or_default())
    }

    /// Answers what is asked of an issuer itself; none where there is no such.
    pub(crate) fn answer(&mut self, request: &Request<Vec<u8>>) -> Option<Outcome> {
        let rest = request.uri().path().strip_prefix(ROOT)?;
        let (shape, document) = rest.split_once('/')?;
        let issuer = self.get(shape)?;
        let url = url_of(request, shape);
        let (name, body) = match document {
            ".well-known/openid-configuration" => (
                "discovery",
                json!({ "issuer": url, "jwks_uri": format!("{url}/keys"), "response_types_supported": ["id_token"] }),
            ),
            "keys" => {
                let keys: Vec<Value> =
                    (issuer.first..=issuer.last).flat_map(|number| keys(shape, number)).collect();
                ("keys", json!({ "keys": keys }))
            }
            _ => return None,
        };
        issuer.asked.push(name.to_owned());
        let mut delay_ms = 0;
        let answer = match issuer.faults.get(name) {
            None => json_answer(200, &body),
            Some(Fault::Slow { ms }) => {
                delay_ms = *ms;
                json_answer(200, &body)
            }
            Some(Fault::Html) => {
                body_answer(200, "text/html", b"<!doctype html><title>Sign in</title>".to_vec())
            }
            Some(Fault::Huge) => body_answer(200, "application/json", swollen(&body)),
            Some(Fault::Packed) => {
                let mut answer = body_answer(200, "application/json", packed(&swollen(&body)));
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                answer
            }
            Some(Fault::Status { status }) => body_answer(*status, "text/plain", Vec::new()),
            Some(Fault::Text { text }) => body_answer(200, "application/json", text.clone().into_bytes()),
            Some(Fault::Redirect { to }) => {
                let mut answer = body_answer(302, "text/plain", Vec::new());
                if let Ok(value) = HeaderValue::from_str(to) {
                    answer.headers_mut().insert(header::LOCATION, value);
                }
                answer
            }
        };
        Some(Outcome { delay_ms, body_delay_ms: 0, hold: None, reply: Reply::Answer(answer) })
    }

    /// A switch of an issuer's: what it says, or why it is none.
    pub(crate) fn switch(
        &mut self,
        request: &Request<Vec<u8>>,
        shape: &str,
        what: &str,
        now: i64,
    ) -> Result<Value, String> {
        fn read<T: serde::de::DeserializeOwned>(request: &Request<Vec<u8>>) -> Result<T, String> {
            let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
            serde_json::from_slice(body).map_err(|error| error.to_string())
        }
        let Some(issuer) = self.get(shape) else {
            return Err(format!("there is no issuer {shape}"));
        };
        match (request.method().as_str(), what) {
            ("GET", "asked") => Ok(json!(issuer.asked)),
            ("DELETE", "asked") => {
                issuer.asked.clear();
                Ok(json!({}))
            }
            ("POST", "tokens") => issuer.token(shape, &url_of(request, shape), &read::<Wish>(request)?, now),
            ("POST", "rotate") => {
                // The key before stays for a while, as the real ones have it; the one before that goes.
                issuer.first = issuer.last;
                issuer.last += 1;
                Ok(json!({ "kid": format!("ES256-{}", issuer.last) }))
            }
            ("POST", "faults") => {
                let Faulty { at, fault } = read(request)?;
                if !["keys", "discovery"].contains(&at.as_str()) {
                    return Err(format!("{at} is neither keys nor discovery"));
                }
                match fault {
                    Some(fault) => issuer.faults.insert(at, fault),
                    None => issuer.faults.remove(&at),
                };
                Ok(json!({}))
            }
            (method, what) => Err(format!("an issuer has no switch {method} {what}")),
        }
    }
}

impl Issuer {
    fn token(&mut self, shape: &str, url: &str, wish: &Wish, now: i64) -> Result<Value, String> {
        use p256::ecdsa::signature::Signer as _;
        let algorithm = wish.algorithm.as_deref().unwrap_or("ES256");
        self.made += 1;
        let mut claims = if shape.starts_with("github") {
            github(&wish.claims, wish.ids_in_sub)
        } else {
            gitlab(&wish.claims)
        };
        let times = json!({
            "iss": url, "jti": format!("{shape}-{}", self.made), "iat": now, "nbf": now - 5,
            "exp": now + wish.seconds.unwrap_or(LIFETIME),
        });
        let mut all = object(times);
        all.append(&mut claims);
        put(&mut all, &wish.claims);
        let mut head =
            object(json!({ "typ": "JWT", "alg": algorithm, "kid": format!("{algorithm}-{}", self.last) }));
        put(&mut head, &wish.header);
        let encode =
            |members: &Map<String, Value>| BASE64URL_NOPAD.encode(json!(members).to_string().as_bytes());
        let text = format!("{}.{}", encode(&head), encode(&all));
        let number = if wish.forged { u32::MAX } else { self.last };
        let signature = match algorithm {
            "EdDSA" => ed25519(shape, number).sign(text.as_bytes()).to_bytes().to_vec(),
            "ES256" => {
                let key = p256(shape, number).ok_or("this key cannot be made; rotate once more")?;
                let signature: p256::ecdsa::Signature = key.sign(text.as_bytes());
                signature.to_bytes().to_vec()
            }
            other => return Err(format!("{other} is neither ES256 nor EdDSA")),
        };
        Ok(json!({ "token": format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)), "claims": all }))
    }
}

fn url_of(request: &Request<Vec<u8>>, shape: &str) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}{ROOT}{shape}")
}

/// An answer without a delay.
pub(crate) fn at_once(answer: Answer) -> Outcome {
    Outcome { delay_ms: 0, body_delay_ms: 0, hold: None, reply: Reply::Answer(answer) }
}

/// A document behind so many blanks that nobody should read on: whoever does gets it.
fn swollen(body: &Value) -> Vec<u8> {
    let mut text = vec![b' '; HUGE];
    text.extend(body.to_string().into_bytes());
    text
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
