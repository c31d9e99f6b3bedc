//! `/v1/config`: the rules in force.

use brevet_core::broker::{self, Configurer, Fault, Ports, Removal, RequestError};
use brevet_core::json::{List, Object, Raw, read_object};
use brevet_core::rulebook::{Kept, RulebookRequest, RulesMark};
use brevet_core::rules::{Finding, Severity, SourceMap};
use serde_json::{Map, Value};

use super::answer::{Reply, of_json};
use super::{Inbound, MOST_BODY_BYTES, nothing_else};

/// What of the rules a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Config<'a> {
    /// `/v1/config`.
    InForce,
    /// `/v1/config/history`.
    History,
    /// `/v1/config/versions/{version}`.
    Version(&'a str),
    /// `/v1/config/lint`.
    Lint,
}

/// Everything below `/v1/config`.
pub(super) async fn serve<P: Ports>(ports: &P, inbound: &Inbound, what: Config<'_>) -> Result<Reply, Fault> {
    let pushes = matches!(what, Config::InForce) && inbound.method == "PUT";
    let number = match what {
        Config::Version(text) => {
            Some(text.parse::<u64>().map_err(|_| Fault::from(RequestError::Id("the number of a version")))?)
        }
        _ => None,
    };
    if pushes {
        // What is widened is told by the rules that are in force now, not half a minute ago.
        broker::forget(ports);
    }
    // Two megabytes of JSON are read for those who may push them, and for nobody else.
    let configurer = broker::configurer(ports, inbound.bearer(ports)?, &inbound.visitor).await?;
    if pushes {
        return push(ports, inbound, &configurer).await;
    }
    let question = match what {
        Config::Lint => return lint(ports, inbound, &configurer),
        Config::History => RulebookRequest::History,
        Config::InForce | Config::Version(_) => RulebookRequest::Get { version: number },
    };
    let kept = broker::versions(ports, &configurer, &question).await?;
    if matches!(what, Config::History) {
        return Ok(history(&kept));
    }
    let Some(kept) = kept.first() else {
        if number.is_some() {
            return Err(Fault::from(RequestError::Id(
                "the number of a version that is kept; see /v1/config/history",
            )));
        }
        let example = ports.settings().development;
        let mut told = Object::new();
        told.put("version", &0_u64)
            .put("digest", &Raw("null"))
            .put("rules", &Raw(if example { ports.example_rules() } else { "null" }))
            .put("example", &example);
        return Ok(of_json(200, told).tagged(0));
    };
    let mut told = marked(&kept.mark);
    told.put("rules", &Raw(kept.json.as_deref().unwrap_or("null")));
    Ok(of_json(200, pushed_by(told, kept)).tagged(kept.mark.version))
}

fn marked(mark: &RulesMark) -> Object {
    let mut told = Object::new();
    told.put("version", &mark.version).put("digest", &mark.digest);
    told
}

fn pushed_by(mut told: Object, kept: &Kept) -> Object {
    told.text("pushed_at", &kept.pushed_at.to_string()).text("pushed_by", &kept.pushed_by);
    told
}

fn history(versions: &[Kept]) -> Reply {
    let mut list = List::new();
    versions.iter().for_each(|kept| list.push(&pushed_by(marked(&kept.mark), kept)));
    let mut told = Object::new();
    told.put("versions", &list);
    of_json(200, told)
}

/// The body: `{"rules": {…}, "source_map": {…}}`.
fn body(inbound: &Inbound) -> Result<(Value, SourceMap), Fault> {
    let mut body: Map<String, Value> = read_object(inbound.bytes(MOST_BODY_BYTES)?).map_err(Fault::Json)?;
    let rules =
        body.remove("rules").ok_or(Fault::from(RequestError::Member("/rules", "the rules, as an object")))?;
    let places = match body.remove("source_map") {
        None | Some(Value::Null) => SourceMap::default(),
        Some(value) => SourceMap::from_json(&value).map_err(|_| {
            Fault::from(RequestError::Member("/source_map", "an object of pointers with [line, column]"))
        })?,
    };
    nothing_else(&body, "rules and source_map")?;
    Ok((rules, places))
}

fn findings(findings: &[Finding], places: &SourceMap) -> List {
    let mut list = List::new();
    findings.iter().for_each(|finding| list.push(&finding.to_json(Some(places))));
    list
}

fn lint<P: Ports>(ports: &P, inbound: &Inbound, configurer: &Configurer) -> Result<Reply, Fault> {
    let (rules, places) = body(inbound)?;
    let found = broker::lint(ports, configurer, &rules, &places)?;
    let good = !found.iter().any(|finding| finding.severity == Severity::Error);
    let mut told = Object::new();
    told.put("ok", &good).put("findings", &findings(&found, &places));
    Ok(of_json(200, told))
}

/// `PUT /v1/config`, with `If-Match` and perhaps `?revoke=true` or `?keep=true`.
async fn push<P: Ports>(ports: &P, inbound: &Inbound, configurer: &Configurer) -> Result<Reply, Fault> {
    let (rules, places) = body(inbound)?;
    let expected = inbound.if_match.as_deref().map(version_of_tag).transpose()?;
    let asked = |name| inbound.parameter(name).as_deref() == Some("true");
    let removal = match (asked("revoke"), asked("keep")) {
        (false, false) => Removal::Ask,
        (true, false) => Removal::Revoke,
        (false, true) => Removal::Keep,
        (true, true) => {
            return Err(Fault::from(RequestError::Query("revoke", "left out where keep=true is given")));
        }
    };
    let pushed = broker::push(ports, configurer, expected, &rules, &places, removal).await?;
    let mut told = marked(&pushed.mark);
    told.put("missing", &pushed.missing)
        .put("revoked", &pushed.revoked)
        .put("warnings", &findings(&pushed.warnings, &places));
    // In force, but a ledger does not have it yet: accepted.
    let status = if pushed.missing.is_empty() { 200 } else { 202 };
    Ok(of_json(status, told).tagged(pushed.mark.version))
}

fn version_of_tag(tag: &str) -> Result<u64, Fault> {
    let number =
        tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    number.ok_or(Fault::from(RequestError::Query(
        "If-Match",
        "the version in force in double quotes, like \"3\"",
    )))
}
