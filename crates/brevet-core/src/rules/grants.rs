//! Reads the grants.

use crate::oidc::text_of;
use crate::sorted::SortedMap;

use serde_json::Value;

use super::document::{
    Choice, ClaimMap, GrantRule, LineRule, MAX_CLAIMS, MAX_LIFETIME, MAX_LINES, MAX_MAPPED, MAX_REASON_BYTES,
    MAX_VALUES, Operations, Pattern, Source, ZoneChoice,
};
use super::finding::{Kind, PatternProblem, Problem, Section};
use super::names::Names;
use super::reader::{Field, Findings};
use super::sections::flat;
use super::words;
use crate::condition::Condition;

/// The fields of a grant.
const FIELDS: &[&str] = &[
    "from",
    "when",
    "allow",
    "ttl",
    "max_ttl",
    "default_ttl",
    "operations",
    "mode",
    "enabled",
    "condition",
    "accept_takeover",
];

/// The fields that later versions give a grant.
const RESERVED_FIELDS: &[&str] = &["audience", "bucket"];

/// The words of `mode`.
const MODES: &[&str] = &["enforce", "audit"];

/// All zones of the account.
const ALL_ZONES: &str = "*";

pub(super) fn grant(field: &Field<'_>, names: &Names<'_>, out: &mut Findings) -> Option<GrantRule> {
    let table = field.table(FIELDS, RESERVED_FIELDS, out)?;
    let from = table.need("from", out).and_then(|field| source(&field, names, out));
    let when = table.get("when").map(|field| sets(&field, out));
    let lines = table.need("allow", out).and_then(|field| {
        let fields = field.list(MAX_LINES, out)?;
        let count = fields.len();
        let lines: Vec<_> = fields.iter().filter_map(|field| line(field, names, out)).collect();
        (lines.len() == count).then_some(lines)
    });
    let ttl = table.get("ttl").map(|field| field.span(MAX_LIFETIME, out));
    let max_ttl = table.get("max_ttl").map(|field| field.span(MAX_LIFETIME, out));
    let default_ttl = table.get("default_ttl").map(|field| field.flag(out));
    let operations = table.get("operations").map(|field| operations(&field, out));
    let mode = table.get("mode").map(|field| field.word(MODES, out));
    let enabled = table.get("enabled").map(|field| field.flag(out));
    let condition = table.get("condition").map(|field| condition(&field, out));
    let accept_takeover = table.get("accept_takeover").map(|field| {
        let text = field.text(out)?;
        let reason = text.trim();
        let good =
            !reason.is_empty() && reason.len() <= MAX_REASON_BYTES && !reason.chars().any(char::is_control);
        field.checked(good.then(|| reason.to_owned()).ok_or(Problem::Reason), out)
    });
    let when = flat(when)?.unwrap_or_default();
    if let (Some(Source::Client(_) | Source::Hook(_)), Some(lines)) = (&from, &lines)
        && lines.iter().any(|line| is_map(&line.account) || is_map_of_zones(&line.zone))
    {
        out.error(table.at("allow"), Problem::MapWithoutClaims);
    }
    match (&from, when.is_empty()) {
        (Some(Source::Client(_) | Source::Hook(_)), false) => {
            out.error(table.at("when"), Problem::WhenWithoutClaims)
        }
        // Told beside errors here; where there are none, it is told when the rules are compiled.
        (Some(Source::Issuer(_)), true) => out.warning(&*table.pointer, Problem::EveryWorkload),
        _ => {}
    }
    Some(GrantRule {
        from: from?,
        when,
        allow: lines?,
        ttl: flat(ttl)?,
        max_ttl: flat(max_ttl)?,
        default_ttl: flat(default_ttl)?.unwrap_or(false),
        operations: flat(operations)?.unwrap_or(Operations::DEFAULT),
        audit: flat(mode)?.is_some_and(|place| place == 1),
        enabled: flat(enabled)?.unwrap_or(true),
        condition: flat(condition)?.unwrap_or_default(),
        accept_takeover: flat(accept_takeover)?,
    })
}

fn source(field: &Field<'_>, names: &Names<'_>, out: &mut Findings) -> Option<Source> {
    let table = field.table(&["client", "issuer", "hook"], &[], out)?;
    match (table.get("client"), table.get("issuer"), table.get("hook")) {
        (Some(field), None, None) => {
            names.resolve(Section::Client, &field, out).map(|name| Source::Client(name.to_owned()))
        }
        (None, Some(field), None) => {
            names.resolve(Section::Issuer, &field, out).map(|name| Source::Issuer(name.to_owned()))
        }
        (None, None, Some(field)) => {
            names.resolve(Section::Hook, &field, out).map(|name| Source::Hook(name.to_owned()))
        }
        _ => {
            out.error(&*field.pointer, Problem::From);
            None
        }
    }
}

pub(super) fn sets(field: &Field<'_>, out: &mut Findings) -> Option<Vec<SortedMap<String, Pattern>>> {
    let fields = field.list(MAX_CLAIMS, out)?;
    let count = fields.len();
    let sets: Vec<_> = fields.iter().filter_map(|field| claims(field, out)).collect();
    (sets.len() == count).then_some(sets)
}

/// A set of claims and what each is compared with; at least one.
pub(super) fn claims(field: &Field<'_>, out: &mut Findings) -> Option<SortedMap<String, Pattern>> {
    let wrong_before = out.count();
    let entries = field.entries(MAX_CLAIMS, out);
    if entries.is_empty() {
        if out.count() == wrong_before {
            out.error(&*field.pointer, Problem::Empty);
        }
        return None;
    }
    let count = entries.len();
    let claim = |(name, field): &(&str, Field<'_>), out: &mut Findings| {
        let claim = field.checked(words::claim(name), out)?;
        // Claims compare as text: an id may be a string in a JWT and a number in a webhook.
        let Some(text) = text_of(field.value) else {
            let found = Kind::of(field.value);
            out.error(&*field.pointer, Problem::WrongKind { expected: Kind::Scalar, found });
            return None;
        };
        let pattern = field.checked(words::pattern(&claim, &text), out)?;
        Some((claim, pattern))
    };
    let claims: SortedMap<_, _> = entries.iter().filter_map(|entry| claim(entry, out)).collect();
    (claims.len() == count).then_some(claims)
}

fn line(field: &Field<'_>, names: &Names<'_>, out: &mut Findings) -> Option<LineRule> {
    let table = field.table(&["template", "account", "zone", "raw"], &["bucket"], out)?;
    let template =
        table.need("template", out).and_then(|field| names.resolve(Section::Template, &field, out));
    let account = table.get("account").map(|field| choice(&field, Section::Account, names, out));
    let zone = table.get("zone").map(|field| match field.value.as_str() {
        Some(ALL_ZONES) => Some(ZoneChoice::All),
        _ => choice(&field, Section::Zone, names, out).map(ZoneChoice::Named),
    });
    let raw = table.get("raw").map(|field| field.flag(out));
    if let (Some(Some(account)), Some(Some(zone))) = (&account, &zone)
        && is_map(account)
        && is_map_of_zones(zone)
    {
        out.error(&*table.pointer, Problem::TwoMaps);
        return None;
    }
    Some(LineRule {
        template: template?.to_owned(),
        account: flat(account)?.unwrap_or(Choice::Unsaid),
        zone: flat(zone)?.unwrap_or(ZoneChoice::Named(Choice::Unsaid)),
        raw: flat(raw)?.unwrap_or(false),
    })
}

fn choice(field: &Field<'_>, section: Section, names: &Names<'_>, out: &mut Findings) -> Option<Choice> {
    match field.value {
        Value::String(_) => names.resolve(section, field, out).map(|name| Choice::Fixed(name.to_owned())),
        Value::Array(_) => {
            let read =
                |field: &Field<'_>, out: &mut Findings| names.resolve(section, field, out).map(str::to_owned);
            field.distinct(MAX_VALUES, out, read).map(Choice::From)
        }
        Value::Object(_) => claim_map(field, section, names, out).map(Choice::ByClaim),
        other => {
            let problem = Problem::WrongKind { expected: Kind::TextOrList, found: Kind::of(other) };
            out.error(&*field.pointer, problem);
            None
        }
    }
}

fn is_map(choice: &Choice) -> bool {
    matches!(choice, Choice::ByClaim(_))
}

fn is_map_of_zones(choice: &ZoneChoice) -> bool {
    matches!(choice, ZoneChoice::Named(choice) if is_map(choice))
}

/// `{ claim = "environment", map = { prod = "example.com" } }`.
fn claim_map(field: &Field<'_>, section: Section, names: &Names<'_>, out: &mut Findings) -> Option<ClaimMap> {
    let table = field.table(&["claim", "map"], &[], out)?;
    let claim = table.need("claim", out).and_then(|field| {
        let text = field.text(out)?;
        field.checked(words::claim(text), out)
    });
    let map = table.need("map", out).and_then(|field| {
        let wrong_before = out.count();
        let entries = field.entries(MAX_MAPPED, out);
        if entries.is_empty() && out.count() == wrong_before {
            out.error(&*field.pointer, Problem::Empty);
        }
        let entry = |(said, field): &(&str, Field<'_>), out: &mut Findings| {
            // Whole values only: what begins alike is another.
            if said.contains('*') {
                out.error(&*field.pointer, Problem::Pattern(PatternProblem::InnerStar));
                return None;
            }
            field.checked(words::pattern("", said), out)?;
            Some(((*said).to_owned(), names.resolve(section, field, out)?.to_owned()))
        };
        let count = entries.len();
        let map: SortedMap<_, _> = entries.iter().filter_map(|pair| entry(pair, out)).collect();
        (count > 0 && map.len() == count).then_some(map)
    });
    Some(ClaimMap { claim: claim?, map: map? })
}

fn operations(field: &Field<'_>, out: &mut Findings) -> Option<Operations> {
    let read = |field: &Field<'_>, out: &mut Findings| field.word(Operations::WORDS, out);
    let listed = field.distinct(Operations::WORDS.len(), out, read)?;
    let has = |word: &str| listed.iter().any(|place| Operations::WORDS.get(*place) == Some(&word));
    Some(Operations {
        create: has("create"),
        update: has("update"),
        renew: has("renew"),
        roll: has("roll"),
        revoke: has("revoke"),
    })
}

fn condition(field: &Field<'_>, out: &mut Findings) -> Option<Condition> {
    // Only the two lists: a grant has one spelling.
    let table = field.table(&["in", "not_in"], &[], out)?;
    for name in ["in", "not_in"] {
        if let Some(list) = table.get(name) {
            list.list(crate::condition::MAX_NETWORKS, out)?;
        }
    }
    match Condition::parse(field.value) {
        Ok(condition) if condition.is_empty() => {
            out.error(&*field.pointer, Problem::Empty);
            None
        }
        Ok(condition) => Some(condition),
        Err(error) => {
            out.error(format!("{}{}", field.pointer, error.pointer), Problem::Condition(error.fault));
            None
        }
    }
}
