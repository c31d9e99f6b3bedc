//! Reads the hooks.

use serde_json::Value;

use super::document::{MAX_CLAIMS, MAX_LIFETIME, MAX_VALUES};
use super::finding::{HookProblem, Kind, Problem, Section};
use super::grants;
use super::names::Names;
use super::reader::{Field, Findings, Table, below};
use super::sections::flat;
use super::words;
use crate::hook::{Action, Hook, MOST_SECRETS, ReplyDeed, Scheme, Target};
use crate::ledger::freeze::By;
use crate::time::Seconds;

/// The fields of a hook.
const FIELDS: &[&str] =
    &["scheme", "secrets", "when", "reply", "revoke", "freeze", "unfreeze", "verify", "create", "roll"];

/// By what leases are chosen, besides claims.
const CHOICES: [By; 6] = [By::Lease, By::Owner, By::Grant, By::Template, By::Run, By::All];

/// What a create is told.
const CREATE: &[(&str, Option<Section>)] = &[
    ("template", Some(Section::Template)),
    ("grant", Some(Section::Grant)),
    ("account", Some(Section::Account)),
    ("zone", Some(Section::Zone)),
    ("ttl", None),
    ("name", None),
];

/// What a verification is told.
const VERIFY: &[(&str, Option<Section>)] = &[("token", None), ("account", Some(Section::Account))];

/// What is told where it is about one lease.
const ONE_LEASE: &[(&str, Option<Section>)] = &[("lease", None)];

/// The parameters of a create with a lifetime for a value.
const TTL: &str = "ttl";

pub(super) fn hook(field: &Field<'_>, names: &Names<'_>, out: &mut Findings) -> Option<Hook> {
    let table = field.table(FIELDS, &[], out)?;
    let scheme = table.need("scheme", out).and_then(|field| {
        let at = field.word(Scheme::WORDS, out)?;
        Scheme::WORDS.get(at).and_then(|word| Scheme::from_word(word))
    });
    let secrets = table.need("secrets", out).and_then(|field| {
        texts(&field, MOST_SECRETS, out, &|field, out| {
            let text = field.text(out)?;
            field.checked(words::hook_secret(text), out)
        })
    });
    let when = table.get("when").map(|field| {
        let sets = grants::sets(&field, out)?;
        let mut good = true;
        for (number, set) in sets.iter().enumerate() {
            for name in set.keys().filter(|name| *name != "event" && !words::is_pointer(name)) {
                let at = below(&format!("{}/{number}", field.pointer), name);
                out.error(at, Problem::Hook(HookProblem::When));
                good = false;
            }
        }
        good.then_some(sets)
    });
    let replies = flat(table.get("reply").map(|field| field.flag(out)))?.unwrap_or(false);
    let action = action(&table, replies, names, out);
    if replies && scheme == Some(Scheme::Github) {
        out.error(table.at("scheme"), Problem::Hook(HookProblem::ReplyWithoutTime));
    }
    Some(Hook { scheme: scheme?, secrets: secrets?, when: flat(when)?.unwrap_or_default(), action: action? })
}

fn action(table: &Table<'_>, replies: bool, names: &Names<'_>, out: &mut Findings) -> Option<Action> {
    let there = |name: &str| table.get(name).is_some();
    let mut others = 0;
    for name in ["verify", "create", "roll", "unfreeze"] {
        others += u8::from(there(name));
    }
    let stops = there("revoke") || there("freeze");
    let problem = match (others, stops) {
        (0, false) => Some(HookProblem::NoAction),
        (0, true) if replies && there("freeze") => Some(HookProblem::Actions),
        (1, false) if replies == there("unfreeze") => Some(HookProblem::Actions),
        (0, true) | (1, false) => None,
        _ => Some(HookProblem::Actions),
    };
    if let Some(problem) = problem {
        out.error(&*table.pointer, Problem::Hook(problem));
        return None;
    }
    if replies {
        let (deed, parts) = if there("create") {
            (ReplyDeed::Create, CREATE)
        } else if there("verify") {
            (ReplyDeed::Verify, VERIFY)
        } else if there("roll") {
            (ReplyDeed::Roll, ONE_LEASE)
        } else {
            (ReplyDeed::Revoke, ONE_LEASE)
        };
        let params = parameters(&table.get(deed.as_str())?, parts, names, out)?;
        return Some(Action::Reply { deed, params });
    }
    if let Some(field) = table.get("unfreeze") {
        return frozen(&field, &["grant", "all"], names, out).map(|(targets, _)| Action::Lift(targets));
    }
    let revoke = table.get("revoke").map(|field| chosen(&field, names, out));
    let freeze = table.get("freeze").map(|field| frozen(&field, &["grant", "all", "for"], names, out));
    let (freeze, span) = flat(freeze)?.unwrap_or_default();
    Some(Action::Stop { revoke: flat(revoke)?, freeze, span })
}

/// The parameters of a reply; the first of them must be there.
fn parameters(
    field: &Field<'_>,
    parts: &'static [(&'static str, Option<Section>)],
    names: &Names<'_>,
    out: &mut Findings,
) -> Option<Vec<(String, Value)>> {
    let mut known: Vec<&'static str> = Vec::new();
    for (name, _) in parts {
        known.push(name);
    }
    let table = field.table(&known, &[], out)?;
    if let Some(first) = known.first() {
        table.need(first, out)?;
    }
    let mut params = Vec::new();
    for (name, section) in parts {
        let Some(field) = table.get(name) else { continue };
        let value = match field.value {
            Value::Array(_) if *name == "zone" => {
                let fixed = |field: &Field<'_>, out: &mut Findings| fixed(field, *section, names, out);
                texts(&field, MAX_VALUES, out, &fixed).map(|_| field.value.clone())
            }
            Value::Number(_) if *name == TTL => field.span(MAX_LIFETIME, out).map(|_| field.value.clone()),
            _ => {
                let value = part(&field, *section, names, out);
                if *name == TTL && value.as_deref().is_some_and(|text| !text.starts_with('/')) {
                    field.span(MAX_LIFETIME, out)?;
                }
                value.map(Value::String)
            }
        };
        params.push(((*name).to_owned(), value?));
    }
    Some(params)
}

/// A list of texts, none of them twice.
pub(super) fn texts(
    field: &Field<'_>,
    most: usize,
    out: &mut Findings,
    read: &dyn Fn(&Field<'_>, &mut Findings) -> Option<String>,
) -> Option<Vec<String>> {
    field.distinct(most, out, read)
}

/// A pointer into the body, or a fixed text: a name of the rules where there is a section.
fn part(
    field: &Field<'_>,
    section: Option<Section>,
    names: &Names<'_>,
    out: &mut Findings,
) -> Option<String> {
    let text = field.text(out)?;
    if !text.starts_with('/') {
        return fixed(field, section, names, out);
    }
    let pointer = words::is_pointer(text).then(|| text.to_owned());
    field.checked(pointer.ok_or(Problem::Hook(HookProblem::Pointer)), out)
}

fn fixed(
    field: &Field<'_>,
    section: Option<Section>,
    names: &Names<'_>,
    out: &mut Findings,
) -> Option<String> {
    match section {
        Some(section) => names.resolve(section, field, out).map(str::to_owned),
        None => {
            let text = field.text(out)?;
            // Of the form of what a claim is compared with; there is no star here.
            field.checked(words::pattern("_id", text), out).map(|_| text.to_owned())
        }
    }
}

/// What is revoked: by claims, or in one other way.
fn chosen(field: &Field<'_>, names: &Names<'_>, out: &mut Findings) -> Option<Target> {
    let entries = field.entries(MAX_CLAIMS, out);
    let way = entries.iter().find_map(|(name, _)| CHOICES.into_iter().find(|by| by.as_str() == *name));
    if entries.is_empty() || (way.is_some() && entries.len() != 1) {
        out.error(&*field.pointer, Problem::Hook(HookProblem::Target));
        return None;
    }
    let mut values = Vec::new();
    for (name, field) in &entries {
        if way == Some(By::All) {
            all(field, out)?;
            continue;
        }
        let section = match way {
            Some(By::Grant) => Some(Section::Grant),
            Some(By::Template) => Some(Section::Template),
            _ => None,
        };
        let claim = if way.is_none() { field.checked(words::claim(name), out)? } else { String::new() };
        values.push((claim, Value::String(part(field, section, names, out)?)));
    }
    Some(Target { by: way.unwrap_or(By::Claims), values })
}

/// What is frozen or lifted, and for how long.
fn frozen(
    field: &Field<'_>,
    known: &[&'static str],
    names: &Names<'_>,
    out: &mut Findings,
) -> Option<(Vec<Target>, Option<Seconds>)> {
    let table = field.table(known, &[], out)?;
    let span = flat(table.get("for").map(|field| field.span(MAX_LIFETIME, out)));
    let read = |field: &Field<'_>, out: &mut Findings| part(field, Some(Section::Grant), names, out);
    let targets = match (table.get("grant"), table.get("all")) {
        (Some(field), None) => {
            let grants = match field.value {
                Value::Array(_) => texts(&field, MAX_CLAIMS, out, &read)?,
                Value::String(_) => vec![read(&field, out)?],
                other => {
                    let found = Kind::of(other);
                    out.error(&*field.pointer, Problem::WrongKind { expected: Kind::TextOrList, found });
                    return None;
                }
            };
            let mut targets = Vec::new();
            for grant in grants {
                let values = vec![(String::new(), Value::String(grant))];
                targets.push(Target { by: By::Grant, values });
            }
            targets
        }
        (None, Some(field)) => {
            all(&field, out)?;
            vec![Target { by: By::All, values: Vec::new() }]
        }
        _ => {
            out.error(&*field.pointer, Problem::Hook(HookProblem::Target));
            return None;
        }
    };
    Some((targets, span?))
}

/// `all = true`, and nothing else that could be taken for it.
fn all(field: &Field<'_>, out: &mut Findings) -> Option<()> {
    let problem = Problem::Hook(HookProblem::Target);
    let flag = field.flag(out)?;
    field.checked(flag.then_some(()).ok_or(problem), out)
}
