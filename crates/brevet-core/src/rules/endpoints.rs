//! Reads `[endpoint.NAME]`: who is told of what becomes of leases.

use serde_json::Value;

use super::document::{EndpointRule, MAX_FILTER, MAX_SIGNING, Origin};
use super::finding::{Problem, Section, UrlProblem};
use super::hooks::texts;
use super::names::Names;
use super::reader::{Field, Findings, Table, below};
use super::words;
use crate::announce::TYPES;

/// The fields of an endpoint.
const FIELDS: &[&str] = &["url", "secrets", "events", "grants", "templates", "accounts", "enabled"];

/// Reads one endpoint. `root` is the whole file: a key that signs events is nobody else's.
pub(super) fn endpoint(
    name: &str,
    field: &Field<'_>,
    root: &Value,
    own: Option<&Origin>,
    names: &Names<'_>,
    out: &mut Findings,
) -> Option<EndpointRule> {
    let table = field.table(FIELDS, &[], out)?;
    let url = table.need("url", out).and_then(|field| {
        let text = field.text(out)?;
        let (url, plain, host) = field.checked(words::endpoint_url(text), out)?;
        // What it announces must not come back to it as somebody else's word.
        if own.is_some_and(|own| own.host == host && own.plain == plain && !plain) {
            out.error(&*field.pointer, Problem::Url(UrlProblem::Own));
        }
        Some((url, plain))
    });
    let secrets = table.need("secrets", out).and_then(|field| {
        texts(&field, MAX_SIGNING, out, &|field, out| {
            let secret = field.checked(words::hook_secret(field.text(out)?), out)?;
            if let Some(first) = elsewhere(root, name, &secret) {
                out.error(&*field.pointer, Problem::SharedSecret { first });
            }
            Some(secret)
        })
    });
    let events = texts_or_none(&table, "events", out, &|field, out| {
        field.word(TYPES, out).and_then(|at| TYPES.get(at)).map(|kind| (*kind).to_owned())
    });
    let mut named =
        [("grants", Section::Grant), ("templates", Section::Template), ("accounts", Section::Account)].map(
            |(name, section)| {
                texts_or_none(&table, name, out, &|field, out| {
                    names.resolve(section, field, out).map(str::to_owned)
                })
            },
        );
    let [grants, templates, accounts] = &mut named;
    let enabled = table.get("enabled").map_or(Some(true), |field| field.flag(out));
    let (url, plain) = url?;
    Some(EndpointRule {
        name: name.to_owned(),
        url,
        plain,
        secrets: secrets?,
        events: events?,
        grants: grants.take()?,
        templates: templates.take()?,
        accounts: accounts.take()?,
        enabled: enabled?,
    })
}

type ReadText<'a> = &'a dyn Fn(&Field<'_>, &mut Findings) -> Option<String>;

/// The texts of a list that may be left out.
fn texts_or_none(
    table: &Table<'_>,
    name: &str,
    out: &mut Findings,
    read: ReadText<'_>,
) -> Option<Vec<String>> {
    match table.get(name) {
        None => Some(Vec::new()),
        Some(field) => texts(&field, MAX_FILTER, out, read),
    }
}

/// Where another endpoint or a hook names the same secret. Whoever has the key of an endpoint, as each of its
/// receivers does, could else sign what another one believes.
fn elsewhere(root: &Value, endpoint: &str, secret: &str) -> Option<String> {
    for section in ["hook", "endpoint"] {
        for (name, entry) in root.get(section).and_then(Value::as_object).into_iter().flatten() {
            let listed = entry.get("secrets").and_then(Value::as_array).into_iter().flatten();
            let at = listed.enumerate().find(|(_, listed)| listed.as_str() == Some(secret));
            if let Some((at, _)) = at.filter(|_| section == "hook" || name != endpoint) {
                return Some(format!("{}/secrets/{at}", below(&below("", section), name)));
            }
        }
    }
    None
}
