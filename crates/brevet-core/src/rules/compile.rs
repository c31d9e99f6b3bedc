//! Works out what the rules mean, and refuses those that could never do what they say.

use crate::sorted::{SortedMap, SortedSet};

use serde_json::Value;

use super::document::{
    Choice, ClientRule, DEFAULT_TEMPLATE_MAX_TTL, DEFAULT_TEMPLATE_TTL, Document, GrantRule, IssuerRule,
    LineRule, Pattern, Source, TemplateRule, ZoneChoice,
};
use super::finding::{Finding, HookProblem, Problem};
use super::reader::Findings;
use super::traps;
use super::{example, words};
use crate::catalogue::Catalogue;
use crate::cloudflare::TokenOwner;
use crate::guardrail::{self, BrevetZone, Facts};
use crate::hook::Scheme;
use crate::oidc::IssuerSpec;
use crate::policy::{
    Account, Bounds, Client, GrantEntry, GrantIndex, Holder, Line, Policy, Secrets, ZoneBounds, ZoneRef,
};
use crate::template::{self, Permission, RenderError, Template};
use crate::time::Seconds;

/// GitHub's issuer. Its names of owners and repositories can be given up and registered by others.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// The domain under which Cloudflare serves Workers that have no zone of their own.
const SHARED_DOMAIN: &str = ".workers.dev";

/// Reads and compiles: everything there is to say about some rules.
pub fn lint(value: &Value) -> Vec<Finding> {
    match super::read(value) {
        Err(findings) => findings,
        Ok(document) => {
            let example = development_only(&document);
            match compile(document) {
                Err(findings) => findings,
                Ok((_, mut warnings)) => {
                    warnings.extend(example);
                    warnings
                }
            }
        }
    }
}

/// Works out what the rules mean. The second value holds the warnings.
///
/// # Errors
/// All that is wrong, errors first.
pub fn compile(mut document: Document) -> Result<(Policy, Vec<Finding>), Vec<Finding>> {
    let mut out = Findings::default();
    let catalogue = catalogue(&document, &mut out);
    let templates = templates(&document, &catalogue, &mut out);
    let mut policy = skeleton(&document, catalogue, templates, &mut out);
    hooks(&mut policy, &mut document, &mut out);
    for (name, rule) in document.grants {
        let entry = grant(&policy, &name, rule, &mut out);
        let at = policy.grants.len();
        match &entry.from {
            Source::Client(client) => {
                if let Some(client) = policy.clients.get_mut(client) {
                    client.grants.push(at);
                }
            }
            Source::Issuer(_) => {}
            Source::Hook(hook) => {
                if policy.hooks.get(hook).is_none_or(|hook| !hook.replies()) {
                    out.warning(format!("/grant/{name}/from"), Problem::Hook(HookProblem::Silent));
                }
            }
        }
        policy.grants.push(entry);
    }
    if out.has_errors() {
        return Err(out.sorted());
    }
    let index = |issuer: &IssuerSpec| (issuer.name.clone(), GrantIndex::of(&policy.grants, &issuer.name));
    policy.grants_of_issuers = policy.issuers.iter().map(index).collect();
    Ok((policy, out.sorted()))
}

/// What in the rules holds in development mode only, and is refused elsewhere.
pub fn development_only(document: &Document) -> Vec<Finding> {
    let mut out = Findings::default();
    match &document.brevet.url {
        None => out.warning("/brevet", Problem::NoUrl),
        Some(url) if url.plain => out.warning("/brevet/url", Problem::PlainHttp),
        Some(_) => {}
    }
    for (name, issuer) in &document.issuers {
        if issuer.plain {
            out.warning(format!("/issuer/{name}/url"), Problem::PlainHttp);
        }
    }
    for endpoint in &document.endpoints {
        if endpoint.plain {
            out.warning(format!("/endpoint/{}/url", endpoint.name), Problem::PlainHttp);
        }
    }
    for pointer in example::traces(document) {
        out.warning(pointer, Problem::Example);
    }
    out.sorted()
}

/// Whether the rules hold an id or a digest of the published example. Everybody knows the secrets
/// behind those digests.
pub fn is_example(document: &Document) -> bool {
    !example::traces(document).is_empty()
}

fn catalogue(document: &Document, out: &mut Findings) -> Catalogue {
    let mut catalogue = Catalogue::built_in();
    for (name, group) in &document.groups {
        match catalogue.clone().with([group.clone()]) {
            Ok(grown) => catalogue = grown,
            Err(error) => out.error(format!("/group/{name}"), Problem::Group(error)),
        }
    }
    catalogue
}

fn templates(document: &Document, catalogue: &Catalogue, out: &mut Findings) -> SortedMap<String, Template> {
    let mut templates: SortedMap<_, _> = template::built_ins(catalogue)
        .into_iter()
        .map(|template| (template.name().to_owned(), template))
        .collect();
    for (name, rule) in &document.templates {
        match custom(name, rule, catalogue) {
            Ok(template) => {
                templates.insert(name.clone(), template);
            }
            Err(errors) => {
                for error in errors {
                    let pointer = format!("/template/{name}{}", error.pointer());
                    out.error(pointer, Problem::Template(error));
                }
            }
        }
    }
    templates
}

fn custom(
    name: &str,
    rule: &TemplateRule,
    catalogue: &Catalogue,
) -> Result<Template, Vec<template::TemplateError>> {
    let permissions: Vec<_> =
        rule.permissions.iter().map(|(name, scope)| Permission { name, scope: *scope }).collect();
    let (ttl, max_ttl) = match (rule.ttl, rule.max_ttl) {
        (Some(ttl), Some(max_ttl)) => (ttl, max_ttl),
        // Where one is said, the other's default gives way to it.
        (Some(ttl), None) => (ttl, DEFAULT_TEMPLATE_MAX_TTL.max(ttl)),
        (None, Some(max_ttl)) => (DEFAULT_TEMPLATE_TTL.min(max_ttl), max_ttl),
        (None, None) => (DEFAULT_TEMPLATE_TTL, DEFAULT_TEMPLATE_MAX_TTL),
    };
    Template::new(name, &permissions, rule.declared.as_deref(), ttl, max_ttl, catalogue)
}

/// Everything but the grants.
fn skeleton(
    document: &Document,
    catalogue: Catalogue,
    templates: SortedMap<String, Template>,
    out: &mut Findings,
) -> Policy {
    let accounts = document.accounts.iter().map(|(name, rule)| Account {
        name: name.clone(),
        owner: rule.owner,
        parent: rule.parent.clone(),
        parent_next: rule.parent_next.clone(),
        hosts_brevet: rule.hosts_brevet,
        max_ttl: rule.max_ttl,
    });
    let zones: SortedMap<_, _> = document
        .zones
        .iter()
        .map(|(name, rule)| {
            (name.clone(), ZoneRef { name: name.clone(), id: rule.id, account: rule.account_id })
        })
        .collect();
    let client = |rule: &ClientRule| Client {
        not_after: rule.not_after,
        from_ip: rule.from_ip.clone(),
        grants: Vec::new(),
    };
    Policy {
        url: document.brevet.url.as_ref().map(|url| url.text.clone()),
        install: document.brevet.install.clone(),
        open_verify: document.brevet.open_verify,
        accounts: accounts.collect(),
        zone_names: zones.values().map(|zone| (zone.id, zone.name.clone())).collect(),
        zones,
        brevet_zone: brevet_zone(document, out),
        catalogue,
        templates,
        secrets: secrets(document),
        clients: document.clients.iter().map(|(name, rule)| (name.clone(), client(rule))).collect(),
        grants: Vec::with_capacity(document.grants.len()),
        issuers: issuers(document),
        grants_of_issuers: SortedMap::new(),
        kept_claims: Vec::new(),
        hooks: SortedMap::new(),
    }
}

/// Takes the hooks over. Leases keep the claims by which hooks choose, and the two ids of the place that code
/// comes from, so that a hook that is written later finds the leases from before it.
fn hooks(policy: &mut Policy, document: &mut Document, out: &mut Findings) {
    policy.hooks = std::mem::take(&mut document.hooks);
    let mut kept = vec!["repository_id".to_owned(), "project_id".to_owned()];
    for (name, hook) in policy.hooks.iter() {
        let mut unsigned = hook.when.is_empty();
        for set in &hook.when {
            unsigned |= !set.keys().any(|name| name.starts_with('/'));
        }
        if unsigned && hook.scheme == Scheme::Github {
            out.warning(format!("/hook/{name}"), Problem::Hook(HookProblem::EventUnsigned));
        }
        hook.add_claims(&mut kept);
    }
    policy.kept_claims = kept;
}

fn issuers(document: &Document) -> Vec<IssuerSpec> {
    let own = document.brevet.url.as_ref().map(|url| url.text.clone());
    let spec = |(name, rule): (&String, &IssuerRule)| IssuerSpec {
        name: name.clone(),
        url: rule.url.clone(),
        plain: rule.plain,
        audiences: match rule.audiences.as_slice() {
            [] => own.iter().cloned().collect(),
            said => said.to_vec(),
        },
        algorithms: rule.algorithms.clone(),
        jwks_uri: rule.jwks_uri.clone(),
        typ: rule.typ.clone(),
        max_lifetime: rule.max_lifetime,
        pin: rule.pin.clone(),
    };
    document.issuers.iter().map(spec).collect()
}

fn secrets(document: &Document) -> Secrets {
    let clients = document.clients.iter().flat_map(|(name, rule)| {
        rule.secrets.iter().map(move |digest| (*digest, Holder::Client(name.clone())))
    });
    let operators = document.operators.iter().flat_map(|(name, rule)| {
        let holder = move |digest: &_| (*digest, Holder::Operator { name: name.clone(), powers: rule.may });
        rule.secrets.iter().map(holder)
    });
    Secrets::new(clients.chain(operators).collect())
}

/// The zone that serves `[brevet] url`: the longest name of a zone that the host ends with.
fn brevet_zone(document: &Document, out: &mut Findings) -> BrevetZone {
    let Some(url) = &document.brevet.url else { return BrevetZone::None };
    let host = url.host.as_str();
    if words::loopback(host) || host.ends_with(SHARED_DOMAIN) {
        return BrevetZone::None;
    }
    let serves =
        |zone: &str| host.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let zone = document.zones.iter().filter(|(name, _)| serves(name)).max_by_key(|(name, _)| name.len());
    let Some((name, rule)) = zone else {
        out.warning("/brevet/url", Problem::UnknownBrevetZone { host: host.to_owned() });
        return BrevetZone::Unnamed;
    };
    if document.accounts.get(&rule.account).is_some_and(|account| !account.hosts_brevet) {
        let problem = Problem::HostsBrevet { zone: name.clone(), account: rule.account.clone() };
        out.error(format!("/account/{}/hosts_brevet", rule.account), problem);
    }
    BrevetZone::This(rule.id)
}

fn grant(policy: &Policy, name: &str, rule: GrantRule, out: &mut Findings) -> GrantEntry {
    let at = format!("/grant/{name}");
    if matches!(rule.from, Source::Issuer(_)) && rule.when.is_empty() {
        out.warning(&*at, Problem::EveryWorkload);
    }
    if let Source::Issuer(issuer) = &rule.from
        && policy.issuers.iter().any(|spec| spec.name == *issuer && spec.url == GITHUB)
    {
        for (number, set) in rule.when.iter().enumerate() {
            if !set.keys().any(|claim| claim.ends_with("_id")) {
                out.error(format!("{at}/when/{number}"), Problem::NameOnly);
            }
        }
    }
    for (number, set) in rule.when.iter().enumerate() {
        traps::of(set).into_iter().for_each(|trap| out.warning(format!("{at}/when/{number}"), trap));
    }
    let mut lines = Vec::new();
    let mut complete = true;
    for (number, line) in rule.allow.iter().enumerate() {
        let at = format!("{at}/allow/{number}");
        for (only, line) in by_claim(line) {
            match self::line(policy, &at, &line, out) {
                Some(line) => lines.push(Line { only, ..line }),
                None => {
                    // The others would say the same.
                    complete = false;
                    break;
                }
            }
        }
    }
    let entry = GrantEntry {
        name: name.to_owned(),
        from: rule.from,
        when: rule.when,
        lines,
        ttl: rule.ttl,
        max_ttl: rule.max_ttl,
        default_ttl: rule.default_ttl,
        operations: rule.operations,
        audit: rule.audit,
        enabled: rule.enabled,
        condition: rule.condition,
        accept_takeover: rule.accept_takeover,
    };
    let mut takes_over = false;
    for line in &entry.lines {
        match try_out(policy, &entry, line, out) {
            Some(takeover) => takes_over |= takeover,
            None => complete = false,
        }
    }
    if entry.accept_takeover.is_some() && complete && !takes_over {
        out.warning(format!("{at}/accept_takeover"), Problem::NeedlessTakeover);
    }
    entry
}

/// A line for each value that a claim may have; the line itself where it looks nothing up.
fn by_claim(rule: &LineRule) -> Vec<(Option<(String, Pattern)>, LineRule)> {
    let looked_up = match (&rule.account, &rule.zone) {
        (Choice::ByClaim(map), _) | (_, ZoneChoice::Named(Choice::ByClaim(map))) => map,
        _ => return vec![(None, rule.clone())],
    };
    let zones = matches!(rule.zone, ZoneChoice::Named(Choice::ByClaim(_)));
    let line = |(said, name): (&String, &String)| {
        let only = (looked_up.claim.clone(), Pattern::Exactly(said.clone()));
        let fixed = Choice::Fixed(name.clone());
        let mut line = rule.clone();
        if zones {
            line.zone = ZoneChoice::Named(fixed);
        } else {
            line.account = fixed;
        }
        (Some(only), line)
    };
    looked_up.map.iter().map(line).collect()
}

/// A line with its accounts and zones found.
fn line(policy: &Policy, at: &str, rule: &LineRule, out: &mut Findings) -> Option<Line> {
    let template = policy.template(&rule.template)?;
    let zones = match &rule.zone {
        ZoneChoice::All => ZoneBounds::All,
        ZoneChoice::Named(choice) => {
            let zones: Vec<_> = values(choice).iter().filter_map(|name| policy.zone_named(name)).collect();
            if zones.is_empty() { ZoneBounds::None } else { ZoneBounds::From(zones) }
        }
    };
    if template.operator_only() {
        out.error(format!("{at}/template"), Problem::OperatorOnly { template: rule.template.clone() });
        return None;
    }
    if zones != ZoneBounds::None && !template.has(crate::catalogue::Scope::Zone) {
        out.error(format!("{at}/zone"), Problem::NoZoneScope { template: rule.template.clone() });
        return None;
    }
    if zones == ZoneBounds::None && template.needs_zone() {
        out.error(at, Problem::ZoneNeeded { template: rule.template.clone() });
        return None;
    }
    let said: Vec<_> = values(&rule.account).iter().filter_map(|name| policy.account_index(name)).collect();
    let accounts: Vec<usize> = match (&zones, said.is_empty()) {
        (_, false) => said.clone(),
        (ZoneBounds::From(zones), true) => {
            let of = |zone: &ZoneRef| policy.account_index(zone.account.as_str());
            zones.iter().filter_map(of).collect::<SortedSet<_>>().into_iter().collect()
        }
        _ if policy.accounts.len() == 1 => vec![0],
        _ => Vec::new(),
    };
    if accounts.is_empty() {
        out.error(at, Problem::LineAccount);
        return None;
    }
    let bounds = Bounds { accounts, zones };
    check_zones(policy, at, &bounds, out)?;
    Some(Line { template: rule.template.clone(), bounds, raw: rule.raw, pointer: at.to_owned(), only: None })
}

fn values(choice: &Choice) -> &[String] {
    match choice {
        Choice::Unsaid => &[],
        Choice::Fixed(value) => std::slice::from_ref(value),
        Choice::From(values) => values,
        // Worked out before, a line for each.
        Choice::ByClaim(_) => &[],
    }
}

/// Every zone of a line must lie in an account that a token of it can reach.
fn check_zones(policy: &Policy, at: &str, bounds: &Bounds, out: &mut Findings) -> Option<()> {
    let ZoneBounds::From(zones) = &bounds.zones else { return Some(()) };
    let ids: Vec<_> = bounds.accounts.iter().filter_map(|at| policy.account_id_at(*at)).collect();
    // A line that names the user alone reaches every account of the rules.
    let outside = |zone: &&ZoneRef| !ids.is_empty() && !ids.contains(&zone.account);
    match zones.iter().find(outside) {
        None => Some(()),
        Some(zone) => {
            let account = policy.account_of(TokenOwner::Account(zone.account));
            let account = account.map(|account| account.name().to_owned()).unwrap_or_default();
            out.error(format!("{at}/zone"), Problem::ZoneElsewhere { zone: zone.name.clone(), account });
            None
        }
    }
}

/// Renders the whole of a line for each of its accounts, so that a line that could never be used, or
/// whose tokens the guardrails would always refuse, is found when the rules are loaded. Tells whether
/// its tokens could take Brevet over.
fn try_out(policy: &Policy, entry: &GrantEntry, line: &Line, out: &mut Findings) -> Option<bool> {
    let template = policy.template(&line.template)?;
    let mut takes_over = false;
    for at in &line.bounds.accounts {
        let target = line.bounds.whole(policy, *at)?;
        let rendered = match template.render(&target) {
            Ok(rendered) => rendered,
            Err(error) => {
                out.error(&*line.pointer, render_problem(error, template));
                return None;
            }
        };
        let facts = Facts {
            operator_mint: false,
            // The times are checked on their own; a guardrail here is about what the token can do.
            lifetime: Some(Seconds::of(1)),
            has_ip_condition: entry.condition.bounds_addresses(),
            accepts_takeover: entry.accept_takeover.is_some(),
        };
        match guardrail::check(&rendered.access, &policy.catalogue, policy, &facts) {
            Ok(marks) => takes_over |= marks.takeover,
            Err(breach) => {
                out.error(&*line.pointer, Problem::Guardrail(breach));
                return None;
            }
        }
        check_times(policy, entry, line, template, *at, out)?;
    }
    Some(takes_over)
}

fn render_problem(error: RenderError, template: &Template) -> Problem {
    match error {
        RenderError::ZoneNeeded => Problem::ZoneNeeded { template: template.name().to_owned() },
        other => Problem::Render(other),
    }
}

/// The lifetime where none is asked must be one that is allowed.
fn check_times(
    policy: &Policy,
    entry: &GrantEntry,
    line: &Line,
    template: &Template,
    account: usize,
    out: &mut Findings,
) -> Option<()> {
    let account = policy.accounts.get(account)?;
    let bounds = [
        Some((template.max_ttl(), format!("template \"{}\"", template.name()))),
        entry.max_ttl.map(|most| (most, format!("grant \"{}\"", entry.name))),
        account.max_ttl.map(|most| (most, format!("account \"{}\"", account.name))),
    ];
    let (max_ttl, from) = bounds.into_iter().flatten().min_by_key(|(most, _)| *most)?;
    let (ttl, pointer) = match entry.ttl {
        Some(ttl) => (ttl, format!("/grant/{}/ttl", entry.name)),
        None => (template.ttl(), line.pointer.clone()),
    };
    if ttl > max_ttl {
        out.error(pointer, Problem::OverMaxTtl { ttl, max_ttl, from });
        return None;
    }
    Some(())
}
