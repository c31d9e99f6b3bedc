use serde_json::{Value, json};

use super::*;
use crate::access::fixture::{
    APPS, APPS_ZONE, FOREIGN, MAIN, Rules, STRAY_ZONE, USER, ZONE, account_key, id, zone_key,
};
use crate::access::{Access, Places, Resource};
use crate::id::AccountId;
use crate::json::to_value;
use crate::sorted::SortedSet;

pub(super) fn account(zones: Zones) -> Target {
    Target { holder: Holder::Account(id(MAIN)), zones }
}

fn user(accounts: &[&str], zones: Zones) -> Target {
    let accounts = accounts.iter().map(|account| id(account)).collect();
    Target { holder: Holder::User { user: id(USER), accounts }, zones }
}

pub(super) fn one_zone() -> Zones {
    Zones::These(vec![(id(ZONE), id(MAIN))])
}

fn two_zones() -> Zones {
    Zones::These(vec![(id(STRAY_ZONE), id(MAIN)), (id(ZONE), id(MAIN)), (id(ZONE), id(MAIN))])
}

pub(super) fn template(name: &str) -> Template {
    built_in(name, &Catalogue::built_in()).unwrap()
}

fn ids(rows: &[(&str, &str)]) -> Value {
    rows.iter().map(|(id, _)| json!({ "id": id })).collect()
}

fn policy(resources: Value, rows: &[(&str, &str)]) -> Value {
    json!({ "effect": "allow", "resources": resources, "permission_groups": ids(rows) })
}

/// The groups of the dashboard's templates, by scope: (account, zone, user), each (id, name).
type Groups = [&'static [(&'static str, &'static str)]; 3];

const EXPECTED: [(&str, Groups); 9] = [
    ("zone-dns-edit", [&[], &[("4755a26eedb94da69e1066d98aa820be", "DNS Write")], &[]]),
    ("billing-read", [&[("7cf72faf220841aabcfdfab81c43c4f6", "Billing Read")], &[], &[]]),
    (
        "analytics-logs-read",
        [
            &[],
            &[
                ("9c88f9c5bce24ce7af9a958ba9c504db", "Analytics Read"),
                ("c4a30cd58c5d42619c86a3c36c441e2d", "Logs Read"),
            ],
            &[],
        ],
    ),
    (
        "workers-deploy",
        [
            &[
                ("e086da7e2179491d91ee5f35b3ca210a", "Workers Scripts Write"),
                ("f7f0eda5697f475c90846e879bab8666", "Workers KV Storage Write"),
                ("05880cd1bdc24d8bae0be2136972816b", "Workers Tail Read"),
                ("bf7481a1826f439697cb59a20b22293e", "Workers R2 Storage Write"),
                ("c1fde68c7bcc44588cbb6ddbc16d6480", "Account Settings Read"),
            ],
            &[("28f4b596e7d643029c524985477ae49a", "Workers Routes Write")],
            &[
                ("8acbe5bb0d54464ab867149d7f7cf8ac", "User Details Read"),
                ("3518d0f75557482e952c6762d3e64903", "Memberships Read"),
            ],
        ],
    ),
    (
        "load-balancing-edit",
        [
            &[("d2a1802cc9a34e30852f8b33869b2f3c", "Load Balancing: Monitors and Pools Write")],
            &[("6d7f2f5f5b1d4a0e9081fdc98d432fd1", "Load Balancers Write")],
            &[],
        ],
    ),
    (
        "wordpress",
        [
            &[("c1fde68c7bcc44588cbb6ddbc16d6480", "Account Settings Read")],
            &[
                ("9c88f9c5bce24ce7af9a958ba9c504db", "Analytics Read"),
                ("c8fed203ed3043cba015a93ad1616f1f", "Zone Read"),
                ("3030687196b94b638145a3953da2b699", "Zone Settings Write"),
                ("82e64a83756745bbbb1c9c2701bf816b", "DNS Read"),
                ("e17beae8b8cb423a99b1730f21238bed", "Cache Purge"),
            ],
            &[],
        ],
    ),
    ("page-rules-edit", [&[], &[("ed07f6c337da4195b4e72a1fb2c6bcae", "Page Rules Write")], &[]]),
    ("cache-purge", [&[], &[("e17beae8b8cb423a99b1730f21238bed", "Cache Purge")], &[]]),
    ("zone-read", [&[], &[("c8fed203ed3043cba015a93ad1616f1f", "Zone Read")], &[]]),
];

#[test]
fn each_built_in_template_holds_exactly_the_groups_of_the_dashboard() {
    for (name, [accounts, zones, users]) in EXPECTED {
        let template = template(name);
        for (scope, expected) in [(Scope::Account, accounts), (Scope::Zone, zones), (Scope::User, users)] {
            let rows = template.rows().iter().filter(|row| row.scope() == scope);
            let rows: Vec<_> = rows.map(|row| (row.id().to_string(), row.name().to_owned())).collect();
            let expected: Vec<_> =
                expected.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
            assert_eq!(rows, expected, "{name} {scope}");
        }
        assert!(!template.operator_only(), "{name}");
        assert!(template.is_built_in());
        assert!(!template.title().is_empty());
    }
}

/// What a target makes of a template's groups: the policies and the words of the notes.
fn expected(groups: &Groups, target: &Target) -> Option<(Vec<Value>, Vec<&'static str>)> {
    let [accounts, zones, users] = *groups;
    let names: Vec<&str> = match &target.holder {
        Holder::Account(_) => vec![MAIN],
        Holder::User { accounts, .. } => accounts.iter().map(AccountId::as_str).collect(),
    };
    let mut policies = Vec::new();
    let mut notes = Vec::new();
    if !accounts.is_empty() {
        let keys: serde_json::Map<_, _> = names.iter().map(|name| (account_key(name), json!("*"))).collect();
        policies.push(policy(Value::Object(keys), accounts));
    }
    if !zones.is_empty() {
        let nested: Vec<(&str, Vec<&str>)> = match &target.zones {
            Zones::None => Vec::new(),
            Zones::All => names.iter().map(|name| (*name, vec!["*"])).collect(),
            Zones::These(these) => names
                .iter()
                .map(|name| {
                    (
                        *name,
                        these
                            .iter()
                            .filter(|(_, of)| of.as_str() == *name)
                            .map(|(zone, _)| zone.as_str())
                            .collect(),
                    )
                })
                .collect(),
        };
        let nested = nested.iter().filter(|(_, zones)| !zones.is_empty());
        let keys: serde_json::Map<_, _> = nested
            .map(|(name, zones)| {
                let zones: serde_json::Map<_, _> =
                    zones.iter().map(|zone| (zone_key(zone), json!("*"))).collect();
                (account_key(name), Value::Object(zones))
            })
            .collect();
        if keys.is_empty() {
            notes.push("no-zone-policy");
        } else {
            policies.push(policy(Value::Object(keys), zones));
        }
    }
    if !users.is_empty() {
        if target.holder.family() == Family::User {
            policies.push(policy(json!({ format!("com.cloudflare.api.user.{USER}"): "*" }), users));
        } else {
            notes.push("user-rows-dropped");
        }
    }
    (!policies.is_empty()).then_some((policies, notes))
}

fn targets() -> Vec<Target> {
    let across = Zones::These(vec![(id(ZONE), id(MAIN)), (id(APPS_ZONE), id(APPS))]);
    vec![
        account(Zones::None),
        account(Zones::All),
        account(one_zone()),
        account(two_zones()),
        user(&[MAIN], Zones::None),
        user(&[MAIN], Zones::All),
        user(&[MAIN], one_zone()),
        user(&[MAIN, APPS], Zones::None),
        user(&[MAIN, APPS], Zones::All),
        user(&[MAIN, APPS], two_zones()),
        user(&[MAIN, APPS], across),
    ]
}

#[test]
fn each_built_in_template_renders_for_every_scope_and_both_families() {
    let catalogue = Catalogue::built_in();
    let mut rendered = 0;
    for (name, groups) in EXPECTED {
        let template = template(name);
        for target in targets() {
            let place = format!("{name} {target:?}");
            let found = template.render(&target);
            if groups[1].is_empty() && target.zones != Zones::None {
                assert_eq!(found, Err(RenderError::ZoneUnused), "{place}");
                continue;
            }
            match expected(&groups, &target) {
                None => assert_eq!(found, Err(RenderError::ZoneNeeded), "{place}"),
                Some((policies, notes)) => {
                    let found = found.expect(&place);
                    assert_eq!(found.access.to_json(), Value::Array(policies), "{place}");
                    let codes: Vec<_> = found.notes.iter().map(Note::code).collect();
                    assert_eq!(codes, notes, "{place}");
                    let read =
                        Access::parse(&found.access.to_json(), &Rules::default(), &catalogue).expect(&place);
                    assert!(read.same(&found.access), "{place}");
                    if target.holder.family() == Family::Account {
                        assert_eq!(found.access.fits_account(id(MAIN)), Ok(()), "{place}");
                    }
                    rendered += 1;
                }
            }
        }
    }
    // 9 templates for 11 targets, less the five of zones alone without a zone (3 targets each) and
    // the one without zones for the 8 targets with them.
    assert_eq!(rendered, 99 - 15 - 8);
}

#[test]
fn create_additional_tokens_holds_the_group_of_its_family() {
    let template = template("create-additional-tokens");
    assert!(template.operator_only());
    assert_eq!(template.max_ttl(), Seconds::of(3600));
    let by_account = template.render(&account(Zones::None)).unwrap();
    let group = [("5bc3f8b21c554832afc660159ab75fa4", "")];
    assert_eq!(by_account.access.to_json(), json!([policy(json!({ account_key(MAIN): "*" }), &group)]));
    assert_eq!(by_account.notes, []);
    let by_user = template.render(&user(&[], Zones::None)).unwrap();
    let group = [("686d18d5ac6c441c867cbf6771e58a0a", "")];
    let resources = json!({ format!("com.cloudflare.api.user.{USER}"): "*" });
    assert_eq!(by_user.access.to_json(), json!([policy(resources, &group)]));
    assert_eq!(by_user.notes, []);
    assert_eq!(template.render(&account(Zones::All)), Err(RenderError::ZoneUnused));
    assert_eq!(template.families().len(), 2);
}

#[test]
fn read_all_resources_holds_every_group_that_is_called_read_and_no_other() {
    let catalogue = Catalogue::built_in();
    let template = template("read-all-resources");
    assert!(template.operator_only());
    assert_eq!(template.max_ttl(), Seconds::of(3600));
    let reads = |scope| {
        catalogue.iter().filter(move |group| group.scope() == scope && group.name().ends_with(" Read"))
    };
    for (scope, count) in [(Scope::Account, 103), (Scope::Zone, 41), (Scope::User, 3), (Scope::Bucket, 0)] {
        let rows: SortedSet<_> =
            template.rows().iter().filter(|row| row.scope() == scope).map(Row::id).collect();
        assert_eq!(rows.len(), count, "{scope}");
        if scope != Scope::Bucket {
            assert_eq!(rows, reads(scope).map(Group::id).collect(), "{scope}");
        }
    }
    let everything = template.render(&user(&[MAIN, APPS], Zones::All)).unwrap();
    assert_eq!(everything.access.pairs().count(), 2 * 103 + 2 * 41 + 3);
    assert_eq!(everything.notes, []);
    let of_account = template.render(&account(Zones::All)).unwrap();
    assert_eq!(of_account.access.pairs().count(), 103 + 41);
    let [Note::UserRowsDropped { groups }] = of_account.notes.as_slice() else {
        panic!("{:?}", of_account.notes)
    };
    assert_eq!(groups.len(), 3);
    let without_zones = template.render(&account(Zones::None)).unwrap();
    assert_eq!(without_zones.access.pairs().count(), 103);
    let codes: Vec<_> = without_zones.notes.iter().map(Note::code).collect();
    assert_eq!(codes, ["no-zone-policy", "user-rows-dropped"]);
}

#[test]
fn renders_no_bucket_and_no_wildcard_over_accounts() {
    for template in built_ins(&Catalogue::built_in()) {
        for target in targets() {
            let Ok(rendered) = template.render(&target) else { continue };
            let mut accounts = vec![id(MAIN)];
            if let Holder::User { accounts: named, .. } = &target.holder {
                accounts.clone_from(named);
            }
            for (_, resource) in rendered.access.pairs() {
                assert!(!matches!(resource, Resource::Bucket(_)), "{}", template.name());
                assert!(
                    resource.account().is_none_or(|account| accounts.contains(&account)),
                    "{}",
                    template.name()
                );
                assert!(resource.account().is_none_or(|account| Rules::default().knows_account(account)));
            }
            assert!(!rendered.access.to_json().to_string().contains("account.*"));
        }
    }
}

#[test]
fn refuses_a_zone_of_an_account_that_the_token_is_not_for() {
    let template = template("cache-purge");
    let foreign = || Zones::These(vec![(id(ZONE), id(MAIN)), (id(STRAY_ZONE), id(FOREIGN))]);
    let error = RenderError::ZoneElsewhere { zone: id(STRAY_ZONE), account: id(FOREIGN) };
    assert_eq!(template.render(&account(foreign())), Err(error.clone()));
    assert_eq!(template.render(&user(&[MAIN, APPS], foreign())), Err(error));
}

#[test]
fn refuses_an_empty_list_of_zones_and_one_past_the_bound() {
    let template = template("wordpress");
    assert_eq!(template.render(&account(Zones::These(Vec::new()))), Err(RenderError::NoZones));
    let zones =
        |count: usize| Zones::These((0..count).map(|n| (id(&format!("{n:032x}")), id(MAIN))).collect());
    let bound = crate::access::MAX_RESOURCES;
    assert_eq!(template.render(&account(zones(bound + 1))), Err(RenderError::TooManyZones(bound + 1)));
    // With the account of its other policy this is one resource more than fits.
    let over = RenderError::Access(crate::access::AccessFault::TooManyResources(bound + 1));
    assert_eq!(template.render(&account(zones(bound))), Err(over));
    assert!(template.render(&account(zones(bound - 1))).is_ok());
}

#[test]
fn a_user_token_needs_an_account_where_a_group_acts_on_one() {
    for zones in [Zones::None, Zones::All] {
        assert_eq!(template("workers-deploy").render(&user(&[], zones)), Err(RenderError::NoAccount));
    }
    assert_eq!(template("zone-read").render(&user(&[], Zones::All)), Err(RenderError::NoAccount));
}

#[test]
fn a_template_of_user_groups_alone_renders_for_users_alone() {
    let permission = Permission { name: "User Details Read", scope: None };
    let hour = Seconds::of(3600);
    let template = Template::new("me", &[permission], None, hour, hour, &Catalogue::built_in()).unwrap();
    assert_eq!(template.render(&account(Zones::None)), Err(RenderError::NothingLeft(Family::Account)));
    assert!(template.render(&user(&[], Zones::None)).is_ok());
    assert_eq!(template.families(), [Family::User].into());
    assert!(!template.needs_zone());
}

#[test]
fn notes_name_the_groups_that_were_left_out() {
    let rendered = template("workers-deploy").render(&account(Zones::None)).unwrap();
    let notes: Vec<_> = rendered.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "left out, for no zone is named (params.zone): Workers Routes Write",
            "left out, for account-owned tokens cannot hold user-scoped groups: User Details Read, Memberships Read"
        ]
    );
}

#[test]
fn every_built_in_name_is_a_template_and_no_other_is() {
    let catalogue = Catalogue::built_in();
    let templates = built_ins(&catalogue);
    let names: Vec<_> = templates.iter().map(Template::name).collect();
    assert_eq!(names, BUILT_IN_NAMES);
    assert!(templates.iter().all(|template| template.ttl() == Seconds::of(900)));
    assert!(templates.iter().all(|template| template.ttl() <= template.max_ttl()));
    for name in ["", "zone-dns", "ZONE-READ", "dns-acme"] {
        assert_eq!(built_in(name, &catalogue), None, "{name}");
    }
}

#[test]
fn asks_for_zones_only_where_a_group_acts_on_them() {
    for (name, parameters, needs_zone) in [
        ("zone-read", &[Parameter::Account, Parameter::Zone][..], true),
        ("wordpress", &[Parameter::Account, Parameter::Zone], false),
        ("billing-read", &[Parameter::Account], false),
        ("create-additional-tokens", &[Parameter::Account], false),
    ] {
        assert_eq!(
            (template(name).parameters(), template(name).needs_zone()),
            (parameters, needs_zone),
            "{name}"
        );
    }
    for parameter in [Parameter::Account, Parameter::Zone] {
        assert_eq!(Parameter::read(parameter.word()), Some(parameter));
    }
    assert_eq!(Parameter::read("zones"), None);
}

#[test]
fn its_summary_names_parameters_groups_and_times() {
    assert_eq!(
        to_value(&template("load-balancing-edit").summary()),
        json!({
            "name": "load-balancing-edit",
            "title": "Edit load balancing configuration",
            "built_in": true,
            "operator_only": false,
            "families": ["account", "user"],
            "parameters": [
                { "name": "account", "required": false, "several": false },
                { "name": "zone", "required": false, "several": true },
            ],
            "permission_groups": [
                { "id": "d2a1802cc9a34e30852f8b33869b2f3c", "name": "Load Balancing: Monitors and Pools Write", "scope": "account" },
                { "id": "6d7f2f5f5b1d4a0e9081fdc98d432fd1", "name": "Load Balancers Write", "scope": "zone" },
            ],
            "ttl": 900,
            "max_ttl": 86400,
        })
    );
    let only = to_value(&template("create-additional-tokens").summary());
    let families: Vec<_> =
        only["permission_groups"].as_array().unwrap().iter().map(|group| group["family"].clone()).collect();
    assert_eq!(families, ["user", "account"]);
}

#[test]
fn every_refusal_to_render_says_what_to_do() {
    let faults = [
        (RenderError::ZoneNeeded, "give params.zone"),
        (RenderError::ZoneUnused, "leave params.zone out"),
        (RenderError::NoZones, "name one"),
        (RenderError::TooManyZones(501), "at most 500"),
        (RenderError::ZoneElsewhere { zone: id(ZONE), account: id(MAIN) }, ZONE),
        (RenderError::NoAccount, "give params.account"),
        (RenderError::NothingLeft(Family::Account), "ask for a user token"),
        (RenderError::NothingLeft(Family::User), "ask for an account-owned one"),
    ];
    for (error, words) in faults {
        assert!(error.to_string().contains(words), "{error}");
    }
}
