//! The rules file of the benchmark, compiled once into maps, and looked up.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::answers::Refused;
use crate::document::{Account, Document, Hook, IssuerText, Several, Zone};

const HOUR: i64 = 3_600;

#[derive(Clone, Debug, Serialize)]
struct Line {
    template: String,
    account: Vec<String>,
    zone: Vec<String>,
    raw: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    name: String,
    allow: Vec<Line>,
    when: Vec<HashMap<String, String>>,
    operations: Vec<String>,
    ttl: i64,
    max_ttl: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    name: String,
    pub(crate) url: String,
    pub(crate) audience: Vec<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) jwks_uri: String,
    pin: HashMap<String, String>,
}

#[derive(Clone, Debug)]
struct Template {
    groups: Vec<&'static str>,
    ttl: i64,
    max_ttl: i64,
}

#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) install: String,
    clients: HashMap<String, String>,
    by_client: HashMap<String, Vec<Grant>>,
    by_issuer: HashMap<String, Vec<Grant>>,
    issuers: HashMap<String, Issuer>,
    templates: HashMap<String, Template>,
    pub(crate) accounts: BTreeMap<String, Account>,
    zones: HashMap<String, Zone>,
    pub(crate) hooks: HashMap<String, Hook>,
}

#[derive(Clone, Debug)]
pub(crate) struct Caller<'a> {
    kind: &'static str,
    pub(crate) label: String,
    pub(crate) owner: String,
    grants: Vec<&'a Grant>,
    issuer: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) once: Option<(String, i64)>,
    /// What a hook may end leases by.
    pub(crate) claims: Option<Map<String, Value>>,
    near: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) account: &'a Account,
    pub(crate) grant: String,
    pub(crate) template: String,
    pub(crate) rule: String,
    pub(crate) policies: Value,
    pub(crate) expires_on: i64,
}

fn group(name: &str) -> Option<&'static str> {
    Some(match name {
        "Zone Read" => "c8fed203ed3043cba015a93ad1616f1f",
        "DNS Write" => "4755a26eedb94da69e1066d98aa820be",
        "Cache Purge" => "e17beae8b8cb423a99b1730f21238bed",
        _ => return None,
    })
}

/// What could rewrite the broker itself, in the account that runs it.
const REFUSED_AT_HOME: [&str; 2] = ["e086da7e2179491d91ee5f35b3ca210a", "f7f0eda5697f475c90846e879bab8666"];

fn wrong(why: &str) -> Refused {
    Refused::new("invalid-request", 400, why)
}

fn seconds(text: &str) -> Result<i64, Refused> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => HOUR,
        "d" => 86_400,
        _ => return Err(wrong("A duration is like \"15m\".")),
    };
    number.parse::<i64>().map(|number| number * unit).map_err(|_| wrong("A duration is like \"15m\"."))
}

pub(crate) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

const WHO: [&str; 16] = [
    "repository_id",
    "ref",
    "ref_type",
    "environment",
    "event_name",
    "workflow_ref",
    "job_workflow_ref",
    "run_id",
    "run_attempt",
    "project_id",
    "namespace_id",
    "pipeline_id",
    "pipeline_source",
    "ref_protected",
    "job_id",
    "common_name",
];
const PRIVILEGED: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

fn claim(claims: &Map<String, Value>, name: &str) -> Option<String> {
    match claims.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn fits(claims: &Map<String, Value>, name: &str, pattern: &str) -> bool {
    let Some(text) = claim(claims, name) else { return false };
    match pattern.strip_suffix('*') {
        Some(start) => text.strip_prefix(start).is_some_and(|rest| !rest.contains(['/', ':'])),
        None => text == pattern,
    }
}

fn takes(set: &HashMap<String, String>, claims: &Map<String, Value>) -> bool {
    set.iter().all(|(name, pattern)| fits(claims, name, pattern))
}

fn denied() -> Refused {
    Refused::new("invalid-identity", 401, "The identity token is not taken.")
}

impl Policy {
    pub(crate) fn compile(text: &str) -> Result<Self, Refused> {
        let document: Document = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let mut templates = HashMap::new();
        for (name, permission) in [("zone-read", "Zone Read"), ("cache-purge", "Cache Purge")] {
            templates.insert(
                name.to_owned(),
                Template { groups: group(permission).into_iter().collect(), ttl: 900, max_ttl: 24 * HOUR },
            );
        }
        for (name, template) in document.template {
            let groups = template.permissions.iter().filter_map(|row| group(&row.name)).collect();
            templates.insert(
                name,
                Template { groups, ttl: seconds(&template.ttl)?, max_ttl: seconds(&template.max_ttl)? },
            );
        }
        let mut policy = Self {
            install: document.brevet.install,
            clients: HashMap::new(),
            by_client: HashMap::new(),
            by_issuer: HashMap::new(),
            issuers: HashMap::new(),
            templates,
            accounts: document
                .account
                .into_iter()
                .map(|(name, account)| (name.clone(), Account { name, ..account }))
                .collect(),
            zones: document.zone,
            hooks: document.hook,
        };
        for (name, client) in document.client {
            for digest in client.secret_sha256 {
                policy.clients.insert(digest, name.clone());
            }
        }
        for (name, IssuerText { url, audience, algorithms, jwks_uri, pin }) in document.issuer {
            policy.issuers.insert(
                url.clone(),
                Issuer { name, url, audience: audience.list(), algorithms, jwks_uri, pin },
            );
        }
        for (name, grant) in document.grant {
            let list = |several: Option<Several>| several.map(Several::list).unwrap_or_default();
            let allow = grant.allow.into_iter();
            let allow = allow
                .map(|line| Line {
                    template: line.template,
                    account: list(line.account),
                    zone: list(line.zone),
                    raw: false,
                })
                .collect();
            let (ttl, max_ttl) =
                (seconds(&grant.ttl)?, grant.max_ttl.as_deref().map_or(Ok(24 * HOUR), seconds)?);
            let compiled =
                Grant { name, allow, when: grant.when, operations: grant.operations, ttl, max_ttl };
            let (map, key) = match (grant.from.client, grant.from.issuer) {
                (Some(client), _) => (&mut policy.by_client, client),
                (None, issuer) => (&mut policy.by_issuer, issuer.unwrap_or_default()),
            };
            map.entry(key).or_default().push(compiled);
        }
        Ok(policy)
    }

    pub(crate) fn issuer(&self, url: &str) -> Result<&Issuer, Refused> {
        self.issuers.get(url).ok_or_else(denied)
    }

    pub(crate) fn client(&self, secret: &str) -> Result<Caller<'_>, Refused> {
        let name = self.clients.get(&sha256(secret)).ok_or_else(|| {
            Refused::new("invalid-credential", 401, "Brevet does not accept this credential.")
        })?;
        let grants = self.by_client.get(name).into_iter().flatten().collect();
        Ok(Caller {
            kind: "client",
            label: name.clone(),
            owner: format!("client:{name}"),
            grants,
            issuer: None,
            run: None,
            once: None,
            claims: None,
            near: false,
        })
    }

    /// The caller that a verified token's claims make.
    pub(crate) fn workload(
        &self,
        issuer: &Issuer,
        claims: &Map<String, Value>,
        now: i64,
    ) -> Result<Caller<'_>, Refused> {
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let (issued, until) = number("iat").zip(number("exp")).ok_or_else(denied)?;
        let subject = claims.get("sub").and_then(Value::as_str).ok_or_else(denied)?;
        let audience = match claims.get("aud") {
            Some(Value::String(text)) => text.as_str(),
            Some(Value::Array(list)) if list.len() == 1 => list[0].as_str().unwrap_or_default(),
            _ => return Err(denied()),
        };
        let early = number("nbf").is_some_and(|from| from - now > 60);
        let lifetime = until - issued;
        if !issuer.audience.iter().any(|wanted| wanted == audience)
            || now - until >= 60
            || issued - now > 60
            || early
            || lifetime <= 0
            || lifetime > HOUR
        {
            return Err(denied());
        }
        if !takes(&issuer.pin, claims) {
            return Err(denied());
        }
        let mut text = format!("{}:{subject}", subject.len());
        for name in WHO {
            text.push_str(
                &claim(claims, name)
                    .map_or_else(|| format!("{name}-"), |value| format!("{name}+{}:{value}", value.len())),
            );
        }
        let place = claim(claims, "repository_id")
            .or_else(|| claim(claims, "project_id"))
            .unwrap_or_else(|| "-".to_owned());
        let owner = format!("oidc:{}:{place}:{}", issuer.name, &sha256(&text)[..32]);
        let privileged =
            claim(claims, "event_name").is_some_and(|event| PRIVILEGED.contains(&event.as_str()));
        let fitting = |grant: &&Grant| {
            grant
                .when
                .iter()
                .any(|set| takes(set, claims) && !(privileged && !set.contains_key("event_name")))
        };
        let grants = self.by_issuer.get(&issuer.name).into_iter().flatten().filter(fitting).collect();
        let near = |grant: &Grant| {
            grant
                .when
                .iter()
                .filter_map(|set| set.get("repository_id"))
                .any(|wanted| fits(claims, "repository_id", wanted))
        };
        let near = self.by_issuer.get(&issuer.name).into_iter().flatten().any(near);
        let kept = ["repository_id", "project_id"].into_iter();
        let kept =
            kept.filter_map(|name| Some((name.to_owned(), Value::String(claim(claims, name)?)))).collect();
        let once = sha256(&format!("{}\0jti:{}", issuer.name, claim(claims, "jti").unwrap_or_default()));
        Ok(Caller {
            kind: "workload",
            label: subject.to_owned(),
            owner,
            grants,
            issuer: Some(issuer.name.clone()),
            run: claim(claims, "run_id"),
            once: Some((once, until + 60)),
            claims: Some(kept),
            near,
        })
    }

    /// Exactly one line of one of the caller's grants must allow it.
    pub(crate) fn decide(
        &self,
        caller: &Caller<'_>,
        ask: &Map<String, Value>,
        now: i64,
    ) -> Result<Decided<'_>, Refused> {
        if let Some(name) =
            ask.keys().find(|name| !["template", "params", "grant", "ttl", "name"].contains(&name.as_str()))
        {
            return Err(wrong(&format!("There is no member {name}.")));
        }
        let wanted =
            ask.get("template").and_then(Value::as_str).ok_or_else(|| wrong("The body needs a template."))?;
        let empty = Map::new();
        let params = ask.get("params").map_or(Ok(&empty), |params| {
            params.as_object().ok_or_else(|| wrong("Parameters are an object."))
        })?;
        if let Some(name) = params.keys().find(|name| !["account", "zone"].contains(&name.as_str())) {
            return Err(wrong(&format!("There is no parameter {name}.")));
        }
        let named = ask.get("grant").and_then(Value::as_str);
        let grants: Vec<&Grant> = caller
            .grants
            .iter()
            .copied()
            .filter(|grant| named.is_none_or(|named| named == grant.name))
            .collect();
        if grants.is_empty() {
            let kind = if caller.near { "claims-do-not-fit" } else { "no-grant" };
            return Err(Refused::new(kind, 403, "No grant of the rules is for this caller."));
        }
        let template = self
            .templates
            .get(wanted)
            .ok_or_else(|| Refused::new("unknown-template", 422, "There is no such template."))?;
        let ttl = ask.get("ttl").and_then(Value::as_str).map(seconds).transpose()?;
        let mut found = Vec::new();
        for grant in
            grants.into_iter().filter(|grant| grant.operations.iter().any(|operation| operation == "create"))
        {
            let Some(at) =
                grant.allow.iter().position(|line| line.template == wanted && self.covers(line, params))
            else {
                continue;
            };
            let zones = zones(params)
                .filter(|zones| !zones.is_empty())
                .unwrap_or_else(|| grant.allow[at].zone.clone());
            let account = zones.first().and_then(|zone| self.accounts.get(&self.zones.get(zone)?.account));
            let account = account.ok_or_else(|| wrong("The zone has no account."))?;
            let most = template.max_ttl.min(grant.max_ttl).min(24 * HOUR);
            let span = ttl.unwrap_or(if grant.ttl > 0 { grant.ttl } else { template.ttl });
            if span <= 0 || span > most {
                return Err(Refused::new("end-too-late", 403, "It would live too long."));
            }
            let policies = self.render(template, account, &zones);
            found.push(Decided {
                account,
                grant: grant.name.clone(),
                template: wanted.to_owned(),
                rule: format!("/grant/{}/allow/{at}", grant.name),
                policies,
                expires_on: now + span,
            });
        }
        if found.len() > 1 {
            return Err(Refused::new("several-grants", 409, "Several grants allow it; name one."));
        }
        let decided = found
            .pop()
            .ok_or_else(|| Refused::new("parameter-refused", 403, "No grant of this caller allows it."))?;
        guard(&decided)?;
        Ok(decided)
    }

    fn covers(&self, line: &Line, params: &Map<String, Value>) -> bool {
        let Some(zones) = zones(params) else { return false };
        if zones.is_empty() && line.zone.len() != 1 {
            return false;
        }
        let asked = params.get("account").and_then(Value::as_str);
        zones.iter().all(|name| {
            let Some(zone) = self.zones.get(name) else { return false };
            line.zone.contains(name)
                && (line.account.is_empty() || line.account.contains(&zone.account))
                && asked.is_none_or(|asked| asked == zone.account)
        })
    }

    fn render(&self, template: &Template, account: &Account, zones: &[String]) -> Value {
        let mut within = Map::new();
        for zone in zones.iter().filter_map(|name| self.zones.get(name)) {
            within.insert(format!("com.cloudflare.api.account.zone.{}", zone.id), json!("*"));
        }
        let groups: Vec<Value> = template.groups.iter().map(|id| json!({ "id": id })).collect();
        json!([{ "effect": "allow", "permission_groups": groups, "resources": { format!("com.cloudflare.api.account.{}", account.id): within } }])
    }
}

fn zones(params: &Map<String, Value>) -> Option<Vec<String>> {
    match params.get("zone") {
        None => Some(Vec::new()),
        Some(Value::String(zone)) => Some(vec![zone.clone()]),
        Some(Value::Array(list)) => list.iter().map(|zone| zone.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// On what was rendered, whatever the rules say.
fn guard(decided: &Decided<'_>) -> Result<(), Refused> {
    let policies = decided.policies.as_array().into_iter().flatten();
    for group_given in policies.filter_map(|policy| policy.get("permission_groups")?.as_array()).flatten() {
        let id = group_given.get("id").and_then(Value::as_str).unwrap_or_default();
        let known = ["Zone Read", "DNS Write", "Cache Purge"].iter().any(|name| group(name) == Some(id));
        if !known || (decided.account.hosts_brevet && REFUSED_AT_HOME.contains(&id)) {
            return Err(Refused::new("guardrail", 403, "This permission is not given out."));
        }
    }
    Ok(())
}

impl Caller<'_> {
    pub(crate) fn whoami(&self) -> Value {
        let grants: Vec<Value> = self.grants.iter().map(|grant| {
            json!({
                "name": grant.name, "enabled": true, "mode": "enforce", "allow": grant.allow, "operations": grant.operations, "ttl": grant.ttl, "max_ttl": grant.max_ttl,
                "default_ttl": false, "condition": null,
            })
        }).collect();
        match &self.issuer {
            None => json!({ "kind": self.kind, "name": self.label, "owner": self.owner, "grants": grants }),
            Some(issuer) => {
                json!({ "kind": self.kind, "issuer": issuer, "name": self.label, "owner": self.owner, "grants": grants })
            }
        }
    }
}

/// Why a signed message is not the hook's concern: the first condition of a set that does not fit.
pub(crate) fn misfit(hook: &Hook, event: &str, body: &Value) -> Option<String> {
    let mut first = None;
    for set in &hook.when {
        let wrong = set.iter().find(|(name, pattern)| {
            let value = if *name == "event" { Some(json!(event)) } else { body.pointer(name).cloned() };
            let claims = Map::from_iter(value.map(|value| ("value".to_owned(), value)));
            !fits(&claims, "value", pattern)
        });
        let Some((name, _)) = wrong else { return None };
        first.get_or_insert_with(|| name.clone());
    }
    first
}
