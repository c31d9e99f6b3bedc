//! `/v1/config`: the rules in force.

use brevet_core::broker::{self, Fault, Ports, Removal, RequestError};
use brevet_core::json::read_object;
use brevet_core::rules::{Finding, Severity, SourceMap};
use serde_json::{Map, Value, json};

use super::answer::{Reply, of_json, tagged};
use super::{Inbound, MOST_BODY_BYTES};

/// `GET /v1/config`, `GET /v1/config/versions/{version}`.
pub(super) async fn read<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    version: Option<&str>,
) -> Result<Reply, Fault> {
    let number = version
        .map(|text| {
            text.parse::<u64>().map_err(|_| Fault::Request(RequestError::Id("the number of a version")))
        })
        .transpose()?;
    let kept = broker::version(ports, inbound.bearer(ports)?, &inbound.visitor, number).await?;
    let Some(kept) = kept else {
        if number.is_some() {
            return Err(Fault::Request(RequestError::Id(
                "the number of a version that is kept; see /v1/config/history",
            )));
        }
        let example: Option<Value> = if ports.settings().development {
            serde_json::from_str(ports.example_rules()).ok()
        } else {
            None
        };
        let body = json!({ "version": 0, "digest": null, "rules": example, "example": example.is_some() });
        return Ok(tagged(of_json(200, &body), 0));
    };
    let rules: Value =
        kept.json.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let body = json!({
        "version": kept.mark.version,
        "digest": kept.mark.digest,
        "rules": rules,
        "pushed_at": kept.pushed_at.to_string(),
        "pushed_by": kept.pushed_by,
    });
    Ok(tagged(of_json(200, &body), kept.mark.version))
}

/// `GET /v1/config/history`.
pub(super) async fn history<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let versions = broker::history(ports, inbound.bearer(ports)?, &inbound.visitor).await?;
    let versions: Vec<Value> = versions
        .iter()
        .map(|kept| {
            json!({
                "version": kept.mark.version,
                "digest": kept.mark.digest,
                "pushed_at": kept.pushed_at.to_string(),
                "pushed_by": kept.pushed_by,
            })
        })
        .collect();
    Ok(of_json(200, &json!({ "versions": versions })))
}

/// The body: `{"rules": {…}, "source_map": {…}}`.
fn body(inbound: &Inbound) -> Result<(Value, SourceMap), Fault> {
    let mut body: Map<String, Value> = read_object(inbound.bytes(MOST_BODY_BYTES)?).map_err(Fault::Json)?;
    let rules = body
        .remove("rules")
        .ok_or(Fault::Request(RequestError::Member("/rules", "the rules, as an object")))?;
    let places = match body.remove("source_map") {
        None | Some(Value::Null) => SourceMap::default(),
        Some(value) => SourceMap::from_json(&value).map_err(|_| {
            Fault::Request(RequestError::Member("/source_map", "an object of pointers with [line, column]"))
        })?,
    };
    if body.is_empty() {
        Ok((rules, places))
    } else {
        Err(Fault::Request(RequestError::Member(
            "the body",
            "{\"rules\": …, \"source_map\": …} and nothing else",
        )))
    }
}

fn findings(findings: &[Finding], places: &SourceMap) -> Value {
    findings.iter().map(|finding| finding.to_json(Some(places))).collect()
}

/// `POST /v1/config/lint`.
pub(super) async fn lint<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let bearer = inbound.bearer(ports)?;
    let (rules, places) = body(inbound)?;
    let found = broker::lint(ports, bearer, &inbound.visitor, &rules, &places).await?;
    let good = !found.iter().any(|finding| finding.severity == Severity::Error);
    Ok(of_json(200, &json!({ "ok": good, "findings": findings(&found, &places) })))
}

/// `PUT /v1/config`, with `If-Match` and perhaps `?revoke=true` or `?keep=true`.
pub(super) async fn push<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let bearer = inbound.bearer(ports)?;
    let (rules, places) = body(inbound)?;
    let expected = inbound.if_match.as_deref().map(version_of_tag).transpose()?;
    let asked = |name| inbound.parameter(name).as_deref() == Some("true");
    let removal = match (asked("revoke"), asked("keep")) {
        (false, false) => Removal::Ask,
        (true, false) => Removal::Revoke,
        (false, true) => Removal::Keep,
        (true, true) => {
            return Err(Fault::Request(RequestError::Query("revoke", "left out where keep=true is given")));
        }
    };
    let pushed = broker::push(ports, bearer, &inbound.visitor, expected, &rules, &places, removal).await?;
    let body = json!({
        "version": pushed.mark.version,
        "digest": pushed.mark.digest,
        "missing": pushed.missing,
        "revoked": pushed.revoked,
        "warnings": findings(&pushed.warnings, &places),
    });
    // In force, but a ledger does not have it yet: accepted.
    let status = if pushed.missing.is_empty() { 200 } else { 202 };
    Ok(tagged(of_json(status, &body), pushed.mark.version))
}

fn version_of_tag(tag: &str) -> Result<u64, Fault> {
    let number =
        tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    number.ok_or(Fault::Request(RequestError::Query(
        "If-Match",
        "the version in force in double quotes, like \"3\"",
    )))
}
