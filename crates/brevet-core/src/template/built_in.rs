//! The templates that come with Brevet: the eight of Cloudflare's dashboard and three more.

use super::{Row, Template};
use crate::access::Family;
use crate::catalogue::{Catalogue, Scope};
use crate::sorted::in_order;
use crate::time::Seconds;

/// How long a token of a built-in template lives where nobody says: long enough for a job's step.
const TTL: Seconds = Seconds::of(15 * 60);

/// The longest for ordinary ones: a day's work. Grants and accounts lower it.
const MAX_TTL: Seconds = Seconds::of(24 * 60 * 60);

/// The longest for those that only an operator may mint; the guardrails allow token-managing groups
/// no longer either.
const OPERATOR_MAX_TTL: Seconds = crate::guardrail::MAX_MANAGING_LIFETIME;

/// The names of the built-in templates.
pub const BUILT_IN_NAMES: [&str; 11] = [
    "zone-dns-edit",
    "billing-read",
    "analytics-logs-read",
    "workers-deploy",
    "load-balancing-edit",
    "wordpress",
    "create-additional-tokens",
    "read-all-resources",
    "page-rules-edit",
    "cache-purge",
    "zone-read",
];

/// A group by name and scope, with the only family in which it counts where that is one.
type Entry = (&'static str, Scope, Option<Family>);

const fn account(name: &'static str) -> Entry {
    (name, Scope::Account, None)
}

const fn zone(name: &'static str) -> Entry {
    (name, Scope::Zone, None)
}

const fn user(name: &'static str) -> Entry {
    (name, Scope::User, None)
}

/// The dashboard's title and the groups of a built-in template; no groups for `read-all-resources`,
/// whose groups follow the catalogue.
fn contents(name: &str) -> Option<(&'static str, &'static [Entry])> {
    Some(match name {
        "zone-dns-edit" => ("Edit zone DNS", const { &[zone("DNS Write")] }),
        "billing-read" => ("Read billing info", const { &[account("Billing Read")] }),
        "analytics-logs-read" => {
            ("Read analytics and logs", const { &[zone("Analytics Read"), zone("Logs Read")] })
        }
        "workers-deploy" => (
            "Edit Cloudflare Workers",
            const {
                &[
                    zone("Workers Routes Write"),
                    account("Workers Scripts Write"),
                    account("Workers KV Storage Write"),
                    account("Workers Tail Read"),
                    account("Workers R2 Storage Write"),
                    account("Account Settings Read"),
                    user("User Details Read"),
                    user("Memberships Read"),
                ]
            },
        ),
        "load-balancing-edit" => (
            "Edit load balancing configuration",
            const { &[account("Load Balancing: Monitors and Pools Write"), zone("Load Balancers Write")] },
        ),
        "wordpress" => (
            "WordPress",
            const {
                &[
                    zone("Analytics Read"),
                    zone("Zone Read"),
                    zone("Zone Settings Write"),
                    zone("DNS Read"),
                    zone("Cache Purge"),
                    account("Account Settings Read"),
                ]
            },
        ),
        // An account-owned token cannot hold the user's group; the account has one of its own.
        "create-additional-tokens" => (
            "Create additional tokens",
            const {
                &[
                    ("API Tokens Write", Scope::User, Some(Family::User)),
                    ("Account API Tokens Write", Scope::Account, Some(Family::Account)),
                ]
            },
        ),
        "read-all-resources" => ("Read all resources", &[]),
        "page-rules-edit" => ("Edit page rules", const { &[zone("Page Rules Write")] }),
        "cache-purge" => ("Purge cache", const { &[zone("Cache Purge")] }),
        "zone-read" => ("Read zones", const { &[zone("Zone Read")] }),
        _ => return None,
    })
}

/// The built-in template of this name.
pub fn built_in(name: &str, catalogue: &Catalogue) -> Option<Template> {
    let (title, entries) = contents(name)?;
    let operator_only = matches!(name, "create-additional-tokens" | "read-all-resources");
    let rows: Vec<Row> = if name == "read-all-resources" {
        // Templates cannot name buckets; the account's R2 group reads them all.
        let reads = catalogue.iter().filter(|group| group.name().ends_with(" Read"));
        let rows =
            reads.filter(|group| group.scope() != Scope::Bucket).map(|group| Row::of(group, None)).collect();
        in_order(rows, |a, b| (a.scope, &a.name) < (b.scope, &b.name))
    } else {
        let row = |(name, scope, family): &Entry| Some(Row::of(catalogue.find(name, *scope)?, *family));
        entries.iter().filter_map(row).collect()
    };
    Some(Template {
        name: name.into(),
        title: title.into(),
        rows,
        ttl: TTL,
        max_ttl: if operator_only { OPERATOR_MAX_TTL } else { MAX_TTL },
        operator_only,
        built_in: true,
    })
}

/// Every built-in template, in the order of [`BUILT_IN_NAMES`].
pub fn built_ins(catalogue: &Catalogue) -> Vec<Template> {
    BUILT_IN_NAMES.iter().filter_map(|name| built_in(name, catalogue)).collect()
}
