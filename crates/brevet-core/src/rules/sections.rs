//! Reads every section of the rules but the grants.

use crate::sorted::SortedMap;
use crate::sorted::distinct;

use serde_json::Value;

use super::document::{
    AccountRule, ClientRule, Document, Installation, IssuerRule, MAX_ACCOUNTS, MAX_CLIENTS, MAX_DIGESTS,
    MAX_ENDPOINTS, MAX_GRANTS, MAX_GROUPS, MAX_HOOKS, MAX_INSTALL_BYTES, MAX_ISSUERS, MAX_LIFETIME,
    MAX_OPERATORS, MAX_TEMPLATES, MAX_ZONES, OperatorRule, Pattern, Powers, TemplateRule, VERSION, ZoneRule,
};
use super::endpoints;
use super::finding::{Finding, Problem, Section};
use super::grants;
use super::hooks;
use super::names::Names;
use super::reader::{Field, Findings, Table};
use super::words;
use crate::access::Family;
use crate::catalogue::{CatalogueError, Group, Scope};
use crate::cloudflare::TokenOwner;
use crate::condition::networks;
use crate::id::GroupId;
use crate::oidc::{Algorithm, DEFAULT_LIFETIME, LONGEST_LIFETIME};
use crate::secret::SecretDigest;
use crate::template::{MAX_ROWS, Parameter};

/// The sections there are.
const SECTIONS: &[&str] = &[
    "version", "brevet", "account", "zone", "group", "template", "operator", "issuer", "client", "hook",
    "grant", "endpoint",
];

/// The sections of later versions.
const RESERVED_SECTIONS: &[&str] = &["rotation", "destination"];

/// The words for the two families.
const FAMILIES: &[&str] = &["account", "user"];

/// The words for scopes, in the order of [`Scope::ALL`].
const SCOPES: &[&str] = &["account", "zone", "user", "bucket"];

/// Issuers known to sign for everybody who has an account there. Without a pinned `*_id` claim such an
/// issuer's grants would be open to strangers.
const SHARED_ISSUERS: &[&str] = &[
    "token.actions.githubusercontent.com",
    "gitlab.com",
    "accounts.google.com",
    "api.bitbucket.org",
    "agent.buildkite.com",
    "app.terraform.io",
    "oidc.vercel.com",
];

/// The fields of an issuer.
const ISSUER_FIELDS: &[&str] = &["url", "audience", "algorithms", "pin", "jwks_uri", "typ", "max_lifetime"];

/// How identities may be signed.
const ALGORITHMS: &[&str] = &["RS256", "ES256", "Ed25519"];

/// The most audiences of an issuer: a name of Brevet each.
const MAX_AUDIENCES: usize = 8;

/// The bootstrap operator, whose secret is a Worker secret.
const ROOT: &str = "root";

/// Reads the rules: every field known, every value of its form and within its bounds, every name
/// resolved.
///
/// # Errors
/// All that is wrong, errors first.
pub fn read(value: &Value) -> Result<Document, Vec<Finding>> {
    let mut findings = Findings::default();
    let root = Field::new(String::new(), value);
    match document(&root, &mut findings) {
        Some(document) if !findings.has_errors() => Ok(document),
        _ => Err(findings.sorted()),
    }
}

fn document(root: &Field<'_>, out: &mut Findings) -> Option<Document> {
    let table = root.table(SECTIONS, RESERVED_SECTIONS, out)?;
    version(&table, out);
    let names = Names::of(root.value);
    let brevet = installation(&table, out);
    let accounts = entries(&table, "account", MAX_ACCOUNTS, words::common_name, out, account);
    one_of_each(&accounts, out);
    let zones = zones(&table, &accounts, &names, out);
    let groups =
        entries(&table, "group", MAX_GROUPS, words::common_name, out, |_, field, out| group(field, out));
    let templates = entries(&table, "template", MAX_TEMPLATES, words::common_name, out, template);
    let operators = entries(&table, "operator", MAX_OPERATORS, words::common_name, out, operator);
    let clients =
        entries(&table, "client", MAX_CLIENTS, words::common_name, out, |_, field, out| client(field, out));
    distinct_secrets(&operators, &clients, out);
    let issuers =
        entries(&table, "issuer", MAX_ISSUERS, words::common_name, out, |_, field, out| issuer(field, out));
    let read_hook = |_: &str, field: &Field<'_>, out: &mut Findings| hooks::hook(field, &names, out);
    let hooks = entries(&table, "hook", MAX_HOOKS, words::common_name, out, read_hook);
    let read_grant = |_: &str, field: &Field<'_>, out: &mut Findings| grants::grant(field, &names, out);
    let grants = entries(&table, "grant", MAX_GRANTS, words::common_name, out, read_grant);
    let own = brevet.as_ref().and_then(|brevet| brevet.url.as_ref());
    let mut endpoints = Vec::new();
    for (name, _, field) in named_fields(&table, "endpoint", MAX_ENDPOINTS, words::common_name, out) {
        endpoints.extend(endpoints::endpoint(name, &field, root.value, own, &names, out));
    }
    Some(Document {
        brevet: brevet?,
        accounts,
        zones,
        groups,
        templates,
        operators,
        clients,
        issuers,
        hooks,
        grants,
        endpoints,
    })
}

fn version(table: &Table<'_>, out: &mut Findings) {
    let Some(field) = table.need("version", out) else { return };
    if let Some(found) = field.whole_number(out).filter(|found| *found != VERSION) {
        out.error(field.pointer, Problem::Version { found });
    }
}

/// The named entries of a section; one that cannot be read has left its findings and is left out.
fn entries<T>(
    table: &Table<'_>,
    section: &str,
    most: usize,
    name: fn(&str) -> Result<String, Problem>,
    out: &mut Findings,
    mut read: impl FnMut(&str, &Field<'_>, &mut Findings) -> Option<T>,
) -> SortedMap<String, T> {
    let mut known = SortedMap::new();
    for (key, named, field) in named_fields(table, section, most, name, out) {
        if let (Some(entry), Some(name)) = (read(key, &field, out), named) {
            known.insert(name, entry);
        }
    }
    known
}

/// The entries of a section with their names, before their kinds part their ways.
fn named_fields<'a>(
    table: &Table<'a>,
    section: &str,
    most: usize,
    name: fn(&str) -> Result<String, Problem>,
    out: &mut Findings,
) -> Vec<(&'a str, Option<String>, Field<'a>)> {
    let Some(section) = table.get(section) else { return Vec::new() };
    let mut found = Vec::new();
    for (key, field) in section.entries(most, out) {
        found.push((key, field.checked(name(key), out), field));
    }
    found
}

fn installation(table: &Table<'_>, out: &mut Findings) -> Option<Installation> {
    let field = table.need("brevet", out)?;
    let table = field.table(&["url", "install", "open_verify"], &[], out)?;
    let url = table.get("url").map(|field| {
        let text = field.text(out)?;
        field.checked(words::origin(text), out)
    });
    let install = table.need("install", out).and_then(|field| {
        let text = field.text(out)?;
        field.checked(words::name(text, MAX_INSTALL_BYTES), out)
    });
    let open_verify = table.get("open_verify").map_or(Some(true), |field| field.flag(out));
    let url = match url {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Installation { url, install: install?, open_verify: open_verify? })
}

fn account(_: &str, field: &Field<'_>, out: &mut Findings) -> Option<AccountRule> {
    let known = &["id", "family", "parent", "parent_next", "hosts_brevet", "max_ttl"];
    let table = field.table(known, &[], out)?;
    let family = table.need("family", out).and_then(|field| field.word(FAMILIES, out));
    let family = family.map(|place| if place == 0 { Family::Account } else { Family::User });
    let owner = table.need("id", out).and_then(|field| {
        let text = field.text(out)?;
        // Of an unknown family the id is still read, for what may be wrong with it.
        let owner = match family {
            Some(Family::User) => text.parse().map(TokenOwner::User),
            _ => text.parse().map(TokenOwner::Account),
        };
        field.checked(owner.map_err(Problem::Id), out)
    });
    let secret = |field: Field<'_>, out: &mut Findings| {
        let text = field.text(out)?;
        field.checked(words::parent_secret(text), out)
    };
    let parent = table.need("parent", out).and_then(|field| secret(field, out));
    let parent_next = table.get("parent_next").map(|field| secret(field, out));
    if let (Some(first), Some(Some(next))) = (&parent, &parent_next)
        && first == next
    {
        out.error(table.at("parent_next"), Problem::Duplicate { first: table.at("parent") });
    }
    let hosts_brevet = table.get("hosts_brevet").map(|field| {
        if family == Some(Family::User) {
            out.error(&*field.pointer, Problem::UserHostsNothing);
        }
        field.flag(out)
    });
    let max_ttl = table.get("max_ttl").map(|field| field.span(MAX_LIFETIME, out));
    Some(AccountRule {
        owner: owner?,
        parent: parent?,
        parent_next: flat(parent_next)?,
        hosts_brevet: family? == Family::Account && hosts_brevet.unwrap_or(Some(true))?,
        max_ttl: flat(max_ttl)?,
    })
}

/// An optional field: absent is fine, present and wrong is not.
pub(super) fn flat<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

/// No id twice, and one user at most.
fn one_of_each(accounts: &SortedMap<String, AccountRule>, out: &mut Findings) {
    let mut user: Option<&str> = None;
    for (at, (name, rule)) in accounts.iter().enumerate() {
        let earlier = accounts.iter().take(at).find(|(_, other)| other.owner == rule.owner);
        if let Some((first, _)) = earlier {
            let first = format!("/account/{first}/id");
            out.error(format!("/account/{name}/id"), Problem::Duplicate { first });
        } else if let TokenOwner::User(_) = rule.owner {
            match user {
                Some(first) => {
                    out.error(
                        format!("/account/{name}/family"),
                        Problem::SecondUser { first: first.to_owned() },
                    );
                }
                None => user = Some(name),
            }
        }
    }
}

fn zones(
    table: &Table<'_>,
    accounts: &SortedMap<String, AccountRule>,
    names: &Names<'_>,
    out: &mut Findings,
) -> SortedMap<String, ZoneRule> {
    let zones = entries(table, "zone", MAX_ZONES, words::zone_name, out, |_, field, out| {
        let table = field.table(&["id", "account"], &[], out)?;
        let id = table.need("id", out).and_then(|field| {
            let text = field.text(out)?;
            field.checked(text.parse().map_err(Problem::Id), out)
        });
        let account = table.need("account", out).and_then(|field| {
            let name = names.resolve(Section::Account, &field, out)?;
            match accounts.get(name).map(|rule| rule.owner) {
                Some(TokenOwner::Account(id)) => Some((name.to_owned(), id)),
                Some(TokenOwner::User(_)) => {
                    out.error(field.pointer, Problem::ZoneOfUser);
                    None
                }
                // What is wrong with that account has been said where it stands.
                None => None,
            }
        });
        let (account, account_id) = account?;
        Some(ZoneRule { id: id?, account, account_id })
    });
    let ids = distinct(zones.iter().map(|(name, rule)| (rule.id, name)).collect());
    for pair in ids.windows(2) {
        if let [(first, one), (second, other)] = pair
            && first == second
        {
            let first = format!("/zone/{one}/id");
            out.error(format!("/zone/{other}/id"), Problem::Duplicate { first });
        }
    }
    zones
}

fn scope(field: &Field<'_>, out: &mut Findings) -> Option<Scope> {
    field.word(SCOPES, out).and_then(|place| Scope::ALL.get(place).copied())
}

fn group(field: &Field<'_>, out: &mut Findings) -> Option<Group> {
    let table = field.table(&["name", "scope", "id"], &[], out)?;
    let name = table.need("name", out).and_then(|field| field.text(out));
    let scope = table.need("scope", out).and_then(|field| scope(&field, out));
    let id = table.need("id", out).and_then(|field| {
        let text = field.text(out)?;
        field.checked(text.parse::<GroupId>().map_err(Problem::Id), out)
    });
    let group = Group::named_by_rules(id?, name?, scope?);
    field.checked(group.map_err(|error: CatalogueError| Problem::Group(error)), out)
}

fn template(name: &str, field: &Field<'_>, out: &mut Findings) -> Option<TemplateRule> {
    if Names::is_built_in(name) {
        out.error(&*field.pointer, Problem::Taken { section: Section::Template });
    }
    let table = field.table(&["permissions", "resources", "ttl", "max_ttl"], &[], out)?;
    let permissions = table.need("permissions", out).and_then(|field| {
        field.distinct(MAX_ROWS, out, |field, out| {
            let table = field.table(&["name", "scope"], &[], out)?;
            let name = table.need("name", out).and_then(|field| field.text(out));
            let scope = flat(table.get("scope").map(|field| scope(&field, out)));
            Some((name?.to_owned(), scope?))
        })
    });
    let declared = table.get("resources").map(|resources| placeholders(&resources, out));
    let ttl = table.get("ttl").map(|field| field.span(MAX_LIFETIME, out));
    let max_ttl = table.get("max_ttl").map(|field| field.span(MAX_LIFETIME, out));
    Some(TemplateRule {
        permissions: permissions?,
        declared: flat(declared)?,
        ttl: flat(ttl)?,
        max_ttl: flat(max_ttl)?,
    })
}

/// `resources` only states which parameters a template has: values come from a grant or a caller, so
/// that one template serves many.
fn placeholders(field: &Field<'_>, out: &mut Findings) -> Option<Vec<Parameter>> {
    let table = field.table(&["account", "zone"], &[], out)?;
    let mut declared = Vec::new();
    for (parameter, expected) in [(Parameter::Account, "{account}"), (Parameter::Zone, "{zone}")] {
        if let Some(field) = table.get(parameter.word()) {
            if field.text(out)? != expected {
                out.error(field.pointer, Problem::Placeholder { expected });
                return None;
            }
            declared.push(parameter);
        }
    }
    Some(declared)
}

fn secrets(table: &Table<'_>, out: &mut Findings) -> Option<Vec<SecretDigest>> {
    table.need("secret_sha256", out)?.distinct(MAX_DIGESTS, out, |field, out| {
        let text = field.text(out)?;
        field.checked(SecretDigest::from_hex(text).ok_or(Problem::Digest), out)
    })
}

/// A secret is somebody's alone: with two owners it would not be known who called.
fn distinct_secrets(
    operators: &SortedMap<String, OperatorRule>,
    clients: &SortedMap<String, ClientRule>,
    out: &mut Findings,
) {
    let of = |section: &'static str, name: &String, secrets: &[SecretDigest]| {
        let place = |(at, digest): (usize, &SecretDigest)| {
            (*digest.as_bytes(), format!("/{section}/{name}/secret_sha256/{at}"))
        };
        secrets.iter().enumerate().map(place).collect::<Vec<_>>()
    };
    let operators = operators.iter().flat_map(|(name, rule)| of("operator", name, &rule.secrets));
    let clients = clients.iter().flat_map(|(name, rule)| of("client", name, &rule.secrets));
    let mut seen = SortedMap::new();
    for (digest, pointer) in operators.chain(clients) {
        match seen.get(&digest) {
            Some(first) => out.error(pointer, Problem::Duplicate { first: String::clone(first) }),
            None => {
                seen.insert(digest, pointer);
            }
        }
    }
}

fn operator(name: &str, field: &Field<'_>, out: &mut Findings) -> Option<OperatorRule> {
    if name == ROOT {
        out.error(&*field.pointer, Problem::Taken { section: Section::Operator });
    }
    let table = field.table(&["secret_sha256", "may"], &[], out)?;
    let secrets = secrets(&table, out);
    let may = table.need("may", out).and_then(|field| {
        field.distinct(Powers::WORDS.len(), out, |field, out| field.word(Powers::WORDS, out))
    });
    let has = |may: &[usize], word: &str| may.iter().any(|place| Powers::WORDS.get(*place) == Some(&word));
    let powers = |may: Vec<usize>| Powers {
        read: has(&may, "read"),
        revoke: has(&may, "revoke"),
        mint: has(&may, "mint"),
        config: has(&may, "config"),
    };
    Some(OperatorRule { secrets: secrets?, may: powers(may?) })
}

fn client(field: &Field<'_>, out: &mut Findings) -> Option<ClientRule> {
    let table = field.table(&["secret_sha256", "not_after", "from_ip"], &[], out)?;
    let secrets = secrets(&table, out);
    let not_after = table.get("not_after").map(|field| field.moment(out));
    let from_ip = table.get("from_ip").map(|field| match networks(field.value) {
        Ok(list) if list.is_empty() => {
            out.error(field.pointer, Problem::Empty);
            None
        }
        Ok(list) => Some(list),
        Err(error) => {
            out.error(format!("{}{}", field.pointer, error.pointer), Problem::Condition(error.fault));
            None
        }
    });
    Some(ClientRule {
        secrets: secrets?,
        not_after: flat(not_after)?,
        from_ip: flat(from_ip)?.unwrap_or_default(),
    })
}

fn issuer(field: &Field<'_>, out: &mut Findings) -> Option<IssuerRule> {
    let table = field.table(ISSUER_FIELDS, &["client_id"], out)?;
    let url = table.need("url", out).and_then(|field| {
        let text = field.text(out)?;
        field.checked(words::issuer_url(text), out)
    });
    let pin = match table.get("pin") {
        Some(field) => Some(grants::claims(&field, out)?),
        None => None,
    };
    let audiences = table.get("audience").map(|field| match field.value {
        Value::String(_) => word(&field, out).map(|only| vec![only]),
        _ => field.distinct(MAX_AUDIENCES, out, word),
    });
    let algorithms = table.get("algorithms").map(|field| {
        let places = field.distinct(ALGORITHMS.len(), out, |field, out| field.word(ALGORITHMS, out))?;
        Some(places.iter().filter_map(|at| Algorithm::from_word(ALGORITHMS.get(*at)?)).collect::<Vec<_>>())
    });
    let jwks_uri = table.get("jwks_uri").map(|field| {
        let text = field.text(out)?;
        field.checked(words::issuer_url(text), out).map(|(url, ..)| url)
    });
    let typ = table.get("typ").map(|field| word(&field, out));
    let max_lifetime = table.get("max_lifetime").map(|field| field.span(LONGEST_LIFETIME, out));
    let (url, plain, host) = url?;
    let shared = SHARED_ISSUERS.contains(&host.as_str());
    let names_id = |pin: &SortedMap<_, _>| pin.keys().any(|claim: &String| claim.ends_with("_id"));
    match &pin {
        Some(pin) if !names_id(pin) => out.error(table.at("pin"), Problem::Unpinned { shared }),
        None if shared => out.error(&*table.pointer, Problem::Unpinned { shared }),
        _ => {}
    }
    Some(IssuerRule {
        url,
        plain,
        pin: pin.unwrap_or_default(),
        audiences: flat(audiences)?.unwrap_or_default(),
        algorithms: flat(algorithms)?.unwrap_or_else(|| vec![Algorithm::Rs256]),
        jwks_uri: flat(jwks_uri)?,
        typ: flat(typ)?,
        max_lifetime: flat(max_lifetime)?.unwrap_or(DEFAULT_LIFETIME),
    })
}

/// A text that is compared as it is.
fn word(field: &Field<'_>, out: &mut Findings) -> Option<String> {
    let text = field.text(out)?;
    // As what is compared with a claim, and without a star: there is none here.
    match field.checked(words::pattern("_id", text), out)? {
        Pattern::Exactly(text) => Some(text),
        Pattern::Prefix(_) => None,
    }
}
