//! What only the whole of the rules tells.

use super::*;
use crate::catalogue::{CatalogueError, NameError};
use crate::guardrail::{Breach, BrevetZone, Host};
use crate::policy::Policy;
use crate::template::TemplateError;
use crate::time::Seconds;

const ZONE: &str = "c0000000000000000000000000000001";

fn policy(rules: &Value) -> Policy {
    compile(read(rules).unwrap_or_else(|findings| panic!("{findings:#?}")))
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
        .0
}

fn line(line: Value) -> Vec<(String, Problem)> {
    wrong(&with("/grant/purge/allow", json!([line])))
}

fn at_line(problem: Problem) -> Vec<(String, Problem)> {
    one("/grant/purge/allow/0", problem)
}

#[test]
fn rules_with_one_of_everything_are_good() {
    assert_eq!(warnings(&rules()), Vec::new());
}

#[test]
fn refuses_groups_that_the_table_has() {
    let dns = "4755a26eedb94da69e1066d98aa820be";
    let told = wrong(&with("/group/new/id", json!(dns)));
    let known = CatalogueError::KnownId { id: dns.parse().unwrap(), name: "DNS Write".to_owned() };
    assert_eq!(told, one("/group/new", Problem::Group(known)));
    let mut rules = with("/group/new/name", json!("DNS Write"));
    set(&mut rules, "/group/new/scope", json!("zone"));
    assert!(matches!(wrong(&rules).as_slice(), [(_, Problem::Group(CatalogueError::KnownName { .. }))]));
    let twin = json!({ "name": "Another", "scope": "account", "id": "d0000000000000000000000000000001" });
    let told = wrong(&with("/group/twin", twin));
    assert!(
        matches!(told.as_slice(), [(at, Problem::Group(CatalogueError::KnownId { .. }))] if at == "/group/twin")
    );
}

#[test]
fn refuses_templates_whose_groups_are_unknown() {
    let mut rules = with("/template/dns/permissions/0", json!({ "name": "DNS Wriet" }));
    let told = wrong(&rules);
    let [(at, Problem::Template(TemplateError::Permission { index: 0, error }))] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(at, "/template/dns/permissions/0");
    assert!(
        matches!(error, NameError::Unknown { suggestions } if suggestions.iter().any(|(name, _)| name == "DNS Write"))
    );
    set(&mut rules, "/template/dns/permissions/0", json!({ "name": "Logs Read" }));
    let told = wrong(&rules);
    assert!(matches!(
        told.as_slice(),
        [(_, Problem::Template(TemplateError::Permission { error: NameError::Ambiguous { .. }, .. }))]
    ));
    // All of them at once.
    set(&mut rules, "/template/dns/permissions", json!([{ "name": "X1" }, { "name": "X2" }]));
    assert_eq!(wrong(&rules).len(), 2);
}

#[test]
fn refuses_templates_that_declare_other_parameters() {
    let unused = json!({ "permissions": [{ "name": "Billing Read" }], "resources": { "zone": "{zone}" } });
    let told = wrong(&with("/template/bills", unused));
    assert_eq!(told, one("/template/bills/resources/zone", Problem::Template(TemplateError::ZoneUnused)));
    let undeclared = with("/template/dns/resources", json!({ "account": "{account}" }));
    assert_eq!(
        wrong(&undeclared),
        one("/template/dns/resources", Problem::Template(TemplateError::ZoneNotDeclared))
    );
    assert_eq!(wrong(&without("/template/dns/resources")), []);
}

#[test]
fn the_lifetimes_of_a_template_have_defaults_that_give_way() {
    let times = |fields: Value| {
        let mut template = json!({ "permissions": [{ "name": "Billing Read" }] });
        for (name, value) in fields.as_object().unwrap() {
            template[name] = value.clone();
        }
        let policy = policy(&with("/template/bills", template));
        let template = policy.template("bills").unwrap();
        (template.ttl().get(), template.max_ttl().get())
    };
    assert_eq!(times(json!({})), (900, 86_400));
    assert_eq!(times(json!({ "ttl": "1h" })), (3600, 86_400));
    assert_eq!(times(json!({ "ttl": "2days" })), (172_800, 172_800));
    assert_eq!(times(json!({ "max_ttl": "1h" })), (900, 3600));
    assert_eq!(times(json!({ "max_ttl": "5m" })), (300, 300));
    assert_eq!(times(json!({ "ttl": "5m", "max_ttl": "10m" })), (300, 600));
    let mut rules = with("/template/dns/ttl", json!("2h"));
    set(&mut rules, "/template/dns/max_ttl", json!("1h"));
    let told = wrong(&rules);
    assert!(
        matches!(told.as_slice(), [(at, Problem::Template(TemplateError::TtlOverMaximum { .. }))] if at == "/template/dns/ttl")
    );
}

#[test]
fn knows_the_zone_that_serves_brevet() {
    let zone = |url: Value| policy(&with("/brevet/url", url)).brevet_zone();
    let this = BrevetZone::This(ZONE.parse().unwrap());
    assert_eq!(zone(json!("https://zone.example")), this);
    assert_eq!(zone(json!("https://a.b.zone.example:8443")), this);
    assert_eq!(zone(json!("https://brevet.acme.workers.dev")), BrevetZone::None);
    assert_eq!(zone(json!("http://127.0.0.1:8787")), BrevetZone::None);
    assert_eq!(policy(&without("/brevet/url")).brevet_zone(), BrevetZone::None);
    // A name that only ends alike is another domain.
    for url in ["https://evilzone.example", "https://brevet.other.example", "https://workers.dev.example.org"]
    {
        assert_eq!(zone(json!(url)), BrevetZone::Unnamed, "{url}");
        let host = url.trim_start_matches("https://").to_owned();
        let told = warnings(&with("/brevet/url", json!(url)));
        assert!(told.contains(&("/brevet/url".to_owned(), Problem::UnknownBrevetZone { host })), "{told:?}");
    }
    // The longest name that fits.
    let inner = json!({ "id": "c0000000000000000000000000000009", "account": "main" });
    let nested = with("/zone/brevet.zone.example", inner);
    assert_eq!(
        policy(&nested).brevet_zone(),
        BrevetZone::This("c0000000000000000000000000000009".parse().unwrap())
    );
}

#[test]
fn refuses_to_believe_that_the_account_of_its_zone_does_not_host_it() {
    let problem = Problem::HostsBrevet { zone: "zone.example".to_owned(), account: "main".to_owned() };
    assert_eq!(
        wrong(&with("/account/main/hosts_brevet", json!(false))),
        one("/account/main/hosts_brevet", problem)
    );
    assert_eq!(wrong(&with("/account/main/hosts_brevet", json!(true))), []);
}

#[test]
fn refuses_lines_without_the_zone_they_need_or_with_one_they_cannot_use() {
    let purge = "cache-purge".to_owned();
    let told = line(json!({ "template": "cache-purge", "account": "apps" }));
    assert_eq!(told, at_line(Problem::ZoneNeeded { template: purge }));
    for zone in [json!("*"), json!(["shop.example"]), json!("shop.example")] {
        let told = line(json!({ "template": "billing-read", "account": "apps", "zone": zone }));
        assert_eq!(
            told,
            one("/grant/purge/allow/0/zone", Problem::NoZoneScope { template: "billing-read".to_owned() })
        );
    }
    assert_eq!(line(json!({ "template": "load-balancing-edit", "account": "apps" })), []);
    assert_eq!(line(json!({ "template": "load-balancing-edit", "account": "apps", "zone": "*" })), []);
}

#[test]
fn refuses_lines_whose_account_is_not_clear() {
    assert_eq!(line(json!({ "template": "billing-read" })), at_line(Problem::LineAccount));
    assert_eq!(line(json!({ "template": "cache-purge", "zone": "*" })), at_line(Problem::LineAccount));
    assert_eq!(line(json!({ "template": "cache-purge", "zone": "shop.example" })), []);
    // With one account it is.
    let mut rules = with("/grant/purge/allow", json!([{ "template": "billing-read" }]));
    for name in ["main", "me"] {
        rules["account"].as_object_mut().unwrap().remove(name);
    }
    rules["zone"].as_object_mut().unwrap().remove("zone.example");
    assert_eq!(wrong(&rules), []);
}

#[test]
fn refuses_lines_whose_zones_lie_elsewhere() {
    let elsewhere = |zone: &str, account: &str| {
        let problem = Problem::ZoneElsewhere { zone: zone.to_owned(), account: account.to_owned() };
        one("/grant/purge/allow/0/zone", problem)
    };
    let told = line(
        json!({ "template": "cache-purge", "account": "apps", "zone": ["shop.example", "zone.example"] }),
    );
    assert_eq!(told, elsewhere("zone.example", "main"));
    let told =
        line(json!({ "template": "cache-purge", "account": ["me", "apps"], "zone": ["zone.example"] }));
    assert_eq!(told, elsewhere("zone.example", "main"));
    for account in [json!(["apps", "main"]), json!("me"), json!(["me"])] {
        let told = line(
            json!({ "template": "cache-purge", "account": account, "zone": ["shop.example", "zone.example"] }),
        );
        assert_eq!(told, [], "{account}");
    }
}

#[test]
fn refuses_templates_that_only_an_operator_may_use() {
    for template in ["create-additional-tokens", "read-all-resources"] {
        let told = line(json!({ "template": template, "account": "apps" }));
        let problem = Problem::OperatorOnly { template: template.to_owned() };
        assert_eq!(told, one("/grant/purge/allow/0/template", problem));
    }
}

#[test]
fn refuses_lines_that_render_nothing() {
    let user = json!({ "permissions": [{ "name": "User Details Read" }] });
    let mut rules = with("/template/whoami", user);
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "whoami", "account": "apps" }]));
    assert!(matches!(wrong(&rules).as_slice(), [(at, Problem::Render(_))] if at == "/grant/purge/allow/0"));
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "whoami", "account": "me" }]));
    assert_eq!(wrong(&rules), []);
}

#[test]
fn refuses_lines_whose_tokens_would_break_a_guardrail() {
    let takeover = |told: &[(String, Problem)]| matches!(told, [(at, Problem::Guardrail(Breach::Takeover { .. }))] if at == "/grant/purge/allow/0");
    for account in [json!("main"), json!(["apps", "main"]), json!("me")] {
        let told = line(json!({ "template": "workers-deploy", "account": account }));
        assert!(takeover(&told), "{account}: {told:?}");
    }
    assert_eq!(line(json!({ "template": "workers-deploy", "account": "apps" })), []);
    // The zone that serves Brevet.
    let told = line(json!({ "template": "dns", "zone": "zone.example" }));
    assert!(takeover(&told), "{told:?}");
    assert_eq!(line(json!({ "template": "dns", "zone": "shop.example" })), []);
    // A group that makes tokens, anywhere.
    let tokens = json!({ "permissions": [{ "name": "Account API Tokens Write" }] });
    let mut rules = with("/template/tokens", tokens);
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "tokens", "account": "apps" }]));
    set(&mut rules, "/grant/purge/condition", json!({ "in": ["203.0.113.0/24"] }));
    set(&mut rules, "/grant/purge/accept_takeover", json!("a reason"));
    assert!(matches!(
        wrong(&rules).as_slice(),
        [(_, Problem::Guardrail(Breach::ManagingWithoutOperator(_)))]
    ));
    // A group that nobody has reviewed, where Brevet runs.
    let mut rules = with("/template/new", json!({ "permissions": [{ "name": "New Thing Write" }] }));
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "new", "account": "main" }]));
    assert!(takeover(&wrong(&rules)));
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "new", "account": "apps" }]));
    assert_eq!(wrong(&rules), []);
}

#[test]
fn a_takeover_is_accepted_where_it_is_needed_and_remarked_where_it_is_not() {
    let mut rules = with("/grant/purge/accept_takeover", json!("a reason"));
    let needless = ("/grant/purge/accept_takeover".to_owned(), Problem::NeedlessTakeover);
    assert!(warnings(&rules).contains(&needless));
    let mixed = json!([{ "template": "billing-read", "account": "apps" }, { "template": "workers-deploy", "account": "main" }]);
    for lines in [mixed, json!([{ "template": "workers-deploy", "account": ["main", "apps"] }])] {
        set(&mut rules, "/grant/purge/allow", lines);
        assert!(!warnings(&rules).contains(&needless));
    }
    // Where a line is wrong, it is not known.
    set(&mut rules, "/grant/purge/allow", json!([{ "template": "billing-read" }]));
    assert!(lint(&rules).iter().all(|finding| finding.problem != Problem::NeedlessTakeover));
}

#[test]
fn refuses_default_lifetimes_over_the_longest() {
    let over = |ttl: u32, max_ttl: u32, from: &str| Problem::OverMaxTtl {
        ttl: Seconds::of(ttl),
        max_ttl: Seconds::of(max_ttl),
        from: from.to_owned(),
    };
    // The grant's own, the template's, the account's.
    let mut rules = with("/grant/purge/ttl", json!("31m"));
    set(&mut rules, "/grant/purge/max_ttl", json!("30m"));
    assert_eq!(wrong(&rules), one("/grant/purge/ttl", over(1860, 1800, "grant \"purge\"")));
    set(&mut rules, "/grant/purge/ttl", json!("30m"));
    assert_eq!(wrong(&rules), []);
    let rules = with("/grant/purge/max_ttl", json!("14m"));
    assert_eq!(wrong(&rules), at_line(over(900, 840, "grant \"purge\"")));
    assert_eq!(wrong(&with("/grant/purge/max_ttl", json!("15m"))), []);
    let rules = with("/grant/purge/ttl", json!("25h"));
    assert_eq!(wrong(&rules), one("/grant/purge/ttl", over(90_000, 36_000, "account \"apps\"")));
    let mut rules = with("/grant/purge/ttl", json!("61m"));
    set(&mut rules, "/grant/purge/allow/0/template", json!("dns"));
    assert_eq!(wrong(&rules), one("/grant/purge/ttl", over(3660, 3600, "template \"dns\"")));
}

#[test]
fn a_thousand_grants_compile_in_a_blink() {
    let mut rules = rules();
    rules["grant"] = json!({});
    rules["client"] = json!({});
    for n in 0..document::MAX_GRANTS {
        rules["client"][format!("c{n}")] = json!({ "secret_sha256": [format!("{n:064x}")] });
        rules["grant"][format!("g{n}")] = json!({
            "from": { "client": format!("c{n}") },
            "allow": [{ "template": "cache-purge", "zone": ["shop.example"] }, { "template": "wordpress", "zone": "*", "account": "apps" }],
        });
    }
    let policy = policy(&rules);
    let client = crate::policy::Caller::Client { name: "c999".to_owned() };
    assert_eq!(crate::json::to_value(&policy.whoami(&client))["grants"].as_array().map(Vec::len), Some(1));
    // Counted rather than timed: every grant is found by its client, so a decision looks at one.
    let ask = crate::policy::Ask::from_json(&json!({ "template": "cache-purge" })).unwrap();
    let now = crate::time::Timestamp::from_unix(1_793_491_200).unwrap();
    assert_eq!(policy.decide(&client, &ask, now).unwrap().grant(), Some("g999"));
}
