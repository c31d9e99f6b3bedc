use super::*;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

fn reviewed() -> Vec<Value> {
    serde_json::from_str(include_str!("../../data/permission-groups.json")).unwrap()
}

/// The table as the reviewed file implies it.
fn table_of(reviewed: &[Value]) -> String {
    let mut lines: Vec<String> = reviewed
        .iter()
        .map(|entry| {
            let text = |member: &str| entry[member].as_str().unwrap();
            let scopes = entry["scopes"].as_array().unwrap();
            assert_eq!(scopes.len(), 1, "{entry}");
            let scope = match Scope::read(scopes[0].as_str().unwrap()).unwrap() {
                Scope::Account => 'a',
                Scope::Zone => 'z',
                Scope::User => 'u',
                Scope::Bucket => 'b',
            };
            let class = match text("class") {
                "read" => 'r',
                "write" => 'w',
                "managing" => 'm',
                "host-account" => 'h',
                "host-zone" => 'd',
                other => panic!("{entry} has the class {other}"),
            };
            format!("{}{scope}{class}{}\n", text("id"), text("name"))
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[test]
fn every_group_has_a_reviewed_class_and_is_compiled_in_with_it() {
    let reviewed = reviewed();
    let table = table_of(&reviewed);
    if std::env::var_os("BREVET_WRITE_CATALOGUE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/data/catalogue.txt"), &table).unwrap();
    }
    assert_eq!(table, TABLE, "run the tests once with BREVET_WRITE_CATALOGUE=1 to write the table anew");
    let catalogue = Catalogue::built_in();
    assert_eq!(catalogue.len(), 312);
    for entry in &reviewed {
        let group = catalogue.get(entry["id"].as_str().unwrap().parse().unwrap()).unwrap();
        assert_eq!(group.name(), entry["name"]);
        assert_eq!(group.scope().cloudflare(), entry["scopes"][0]);
        assert_eq!(group.class().word(), entry["class"]);
        assert_ne!(group.class(), Class::Unclassified);
    }
}

#[test]
fn a_table_line_that_cannot_be_read_is_no_group() {
    for line in [
        "",
        "4755a26eedb94da69e1066d98aa820be",
        "4755a26eedb94da69e1066d98aa820bez",
        "4755a26eedb94da69e1066d98aa820bexdDNS Write",
        "4755a26eedb94da69e1066d98aa820bezxDNS Write",
        "4755A26eedb94da69e1066d98aa820bezdDNS Write",
    ] {
        assert_eq!(Group::from_line(line), None, "{line}");
    }
}

#[test]
fn ids_are_sorted_and_unique_and_so_is_a_name_within_its_scope() {
    let catalogue = Catalogue::built_in();
    assert!(!catalogue.is_empty());
    let ids: Vec<_> = catalogue.iter().map(Group::id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let names: BTreeSet<_> = catalogue.iter().map(|group| (group.name(), group.scope())).collect();
    assert_eq!(names.len(), ids.len());
    for group in catalogue.iter() {
        assert_eq!(catalogue.find(group.name(), group.scope()), Some(group));
        assert!(group.name().len() <= MAX_GROUP_NAME);
    }
}

#[test]
fn what_only_reads_is_never_classed_as_a_write_and_the_other_way_round() {
    // Names that do not end in " Read" and yet only read are listed, so that the next one is looked at.
    let reading_by_another_name: BTreeSet<_> = [
        "Access: SCIM logs read",
        "Cloud Email Security: Read",
        "IP Prefixes: Read",
        "Magic Firewall Packet Captures - Read PCAPs API",
        "Zero Trust Report",
    ]
    .into();
    for group in Catalogue::built_in().iter() {
        let reads = group.name().ends_with(" Read") || reading_by_another_name.contains(group.name());
        // Tailing the Worker that is Brevet shows its requests.
        let expected = reads && group.name() != "Workers Tail Read";
        assert_eq!(group.class() == Class::Read, expected, "{}", group.name());
    }
}

#[test]
fn every_group_that_manages_tokens_members_roles_or_identity_is_classed_so() {
    let managing: BTreeSet<_> = Catalogue::built_in()
        .iter()
        .filter(|group| group.class() == Class::Managing)
        .map(|group| group.name().to_owned())
        .collect();
    let expected = [
        "API Tokens Write",
        "Access: Organizations, Identity Providers, and Groups Revoke",
        "Access: Organizations, Identity Providers, and Groups Write",
        "Access: Service Tokens Write",
        "Account API Tokens Write",
        "Account Settings Write",
        "Memberships Write",
        "SCIM Provisioning",
        "SSO Connector Write",
        "User Details Write",
    ];
    assert_eq!(managing, expected.map(str::to_owned).into());
}

#[test]
fn every_write_named_by_the_guardrails_is_classed_by_where_it_bites() {
    let catalogue = Catalogue::built_in();
    for name in [
        "Workers Scripts Write",
        "Workers KV Storage Write",
        "Secrets Store Write",
        "Workers Tail Read",
        "Workers CI Write",
        "Workers Containers Write",
        "Pages Write",
        "Logs Write",
        "Access: Apps and Policies Write",
        "Mass URL Redirects Write",
    ] {
        assert_eq!(catalogue.find(name, Scope::Account).unwrap().class(), Class::HostAccount, "{name}");
    }
    for name in [
        "DNS Write",
        "Workers Routes Write",
        "SSL and Certificates Write",
        "Access: Apps and Policies Write",
        "Access: Apps and Policies Revoke",
        "Logs Write",
        "Snippets Write",
    ] {
        assert_eq!(catalogue.find(name, Scope::Zone).unwrap().class(), Class::HostZone, "{name}");
    }
    for group in catalogue.iter() {
        match group.class() {
            Class::HostAccount => assert_eq!(group.scope(), Scope::Account, "{}", group.name()),
            Class::HostZone => assert_eq!(group.scope(), Scope::Zone, "{}", group.name()),
            _ => {}
        }
    }
}

#[test]
fn seven_names_are_ambiguous_without_a_scope() {
    let catalogue = Catalogue::built_in();
    let mut count = BTreeMap::<&str, usize>::new();
    for group in catalogue.iter() {
        *count.entry(group.name()).or_default() += 1;
    }
    let twice: Vec<_> = count.iter().filter(|(_, times)| **times > 1).map(|(name, _)| *name).collect();
    assert_eq!(twice.len(), 7);
    for name in twice {
        let error = NameError::Ambiguous { scopes: vec![Scope::Account, Scope::Zone] };
        assert_eq!(catalogue.find_by_name(name), Err(error.clone()));
        assert!(error.to_string().ends_with("give its scope: \"account\" or \"zone\""), "{error}");
        assert_eq!(catalogue.resolve(name, Some(Scope::Zone)).unwrap().scope(), Scope::Zone);
        assert_eq!(catalogue.resolve(name, Some(Scope::Account)).unwrap().scope(), Scope::Account);
    }
}

#[test]
fn an_unknown_name_is_answered_with_what_was_probably_meant() {
    let catalogue = Catalogue::built_in();
    let suggested = |name: &str, scope| match catalogue.resolve(name, scope) {
        Err(NameError::Unknown { suggestions }) => suggestions,
        other => panic!("{other:?}"),
    };
    assert_eq!(suggested("DNS Edit", None)[0], ("DNS Write".to_owned(), Scope::Zone));
    assert_eq!(suggested("dns write", None)[0], ("DNS Write".to_owned(), Scope::Zone));
    assert_eq!(suggested("DNS Write", Some(Scope::Account)), [("DNS Write".to_owned(), Scope::Zone)]);
    assert_eq!(suggested("Workers Script Write", None)[0].0, "Workers Scripts Write");
    assert_eq!(suggested("Teams Write", Some(Scope::Account))[0].0, "Zero Trust Write");
    assert_eq!(
        suggested("Log Read", None)[..2],
        [("Logs Read".to_owned(), Scope::Account), ("Logs Read".to_owned(), Scope::Zone)]
    );
    assert!(suggested("Access: Apps and Policies", None).len() <= MAX_SUGGESTIONS);
    assert!(suggested("nothing of the kind at all", None).is_empty());
    let error = catalogue.resolve("DNS Edit", Some(Scope::Zone)).unwrap_err().to_string();
    assert!(
        error.starts_with("no permission group has this name; did you mean \"DNS Write\" (zone)"),
        "{error}"
    );
}

#[test]
fn the_rules_cannot_reclassify_or_rename_a_known_group() {
    let catalogue = Catalogue::built_in();
    let id: GroupId = "e086da7e2179491d91ee5f35b3ca210a".parse().unwrap();
    let again = Group::named_by_rules(id, "Harmless", Scope::Account).unwrap();
    let known = CatalogueError::KnownId { id, name: "Workers Scripts Write".to_owned() };
    assert_eq!(catalogue.clone().with([again]).unwrap_err(), known);
    let same = Group::named_by_rules(id, "Workers Scripts Write", Scope::Account).unwrap();
    assert_eq!(catalogue.clone().with([same]).unwrap_err(), known);
    let other: GroupId = "00000000000000000000000000000001".parse().unwrap();
    let squatter = Group::named_by_rules(other, "Workers Scripts Write", Scope::Account).unwrap();
    assert_eq!(
        catalogue.clone().with([squatter]).unwrap_err(),
        CatalogueError::KnownName { name: "Workers Scripts Write".to_owned(), scope: Scope::Account, id }
    );
    let fresh = || Group::named_by_rules(other, "Fresh Write", Scope::Zone).unwrap();
    let twice = catalogue.clone().with([fresh(), fresh()]).unwrap_err();
    assert_eq!(twice, CatalogueError::KnownId { id: other, name: "Fresh Write".to_owned() });
}

#[test]
fn a_group_of_the_rules_is_found_and_unclassified() {
    let id: GroupId = "ffffffffffffffffffffffffffffffff".parse().unwrap();
    let low: GroupId = "00000000000000000000000000000000".parse().unwrap();
    let extra = [(id, "Fresh Write"), (low, "Fresh Read")]
        .map(|(id, name)| Group::named_by_rules(id, name, Scope::Account).unwrap());
    let catalogue = Catalogue::built_in().with(extra).unwrap();
    assert_eq!(catalogue.len(), 314);
    assert_eq!(catalogue.get(id).unwrap().class(), Class::Unclassified);
    assert_eq!(catalogue.get(low).unwrap().name(), "Fresh Read");
    assert_eq!(catalogue.find_by_name("Fresh Write").unwrap().id(), id);
    assert!(catalogue.iter().map(Group::id).is_sorted());
}

#[test]
fn a_group_needs_a_printable_name_of_bounded_length() {
    let id: GroupId = "00000000000000000000000000000001".parse().unwrap();
    let long = "x".repeat(MAX_GROUP_NAME);
    assert!(Group::named_by_rules(id, &long, Scope::Zone).is_ok());
    for name in ["", "a\nb", &format!("{long}x")] {
        assert_eq!(Group::named_by_rules(id, name, Scope::Zone), Err(CatalogueError::Name { id }), "{name}");
    }
}

#[test]
fn a_scope_reads_in_both_spellings_and_no_other() {
    for scope in Scope::ALL {
        assert_eq!(Scope::read(scope.word()), Some(scope));
        assert_eq!(Scope::read(scope.cloudflare()), Some(scope));
    }
    for text in ["", "Zone", "com.cloudflare", "com.cloudflare.api.account.zone.x"] {
        assert_eq!(Scope::read(text), None, "{text}");
    }
}
