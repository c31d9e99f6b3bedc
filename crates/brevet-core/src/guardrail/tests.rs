use super::*;
use crate::access::fixture::{
    APPS, APPS_ZONE, BILLING_READ, CACHE_PURGE, DNS_WRITE, FOREIGN, MAIN, Rules, SCRIPTS_WRITE, STRAY_ZONE,
    UNKNOWN_GROUP, USER, ZONE, account_key, id, policy, zone_key,
};
use crate::access::{Family, Strangers};
use crate::catalogue::Scope;
use crate::id::{GroupId, UserId};
use crate::template::{Holder, Permission, Target, Template, Zones};
use serde_json::{Value, json};

const TOKENS_WRITE: &str = "5bc3f8b21c554832afc660159ab75fa4";

/// The first account hosts Brevet on its zone; the second does not.
struct Installation {
    zone: BrevetZone,
    rules: Rules,
}

impl Default for Installation {
    fn default() -> Self {
        Self { zone: BrevetZone::This(id(ZONE)), rules: Rules::default() }
    }
}

impl Places for Installation {
    fn account_of_zone(&self, zone: ZoneId) -> Option<AccountId> {
        self.rules.account_of_zone(zone)
    }
    fn knows_account(&self, account: AccountId) -> bool {
        self.rules.knows_account(account)
    }
    fn user(&self) -> Option<UserId> {
        self.rules.user()
    }
}

impl Host for Installation {
    fn hosts_brevet(&self, account: AccountId) -> bool {
        account.as_str() != APPS
    }
    fn brevet_zone(&self) -> BrevetZone {
        self.zone
    }
}

const CLIENT: Facts = Facts {
    operator_mint: false,
    lifetime: Some(Seconds::of(600)),
    has_ip_condition: true,
    accepts_takeover: false,
};
const ACCEPTING: Facts = Facts { accepts_takeover: true, ..CLIENT };
const OPERATOR: Facts = Facts { operator_mint: true, ..CLIENT };

const NOTHING: Marks = Marks { escapes_books: false, takeover: false };
const TAKEOVER: Marks = Marks { escapes_books: false, takeover: true };
const ESCAPES: Marks = Marks { escapes_books: true, takeover: false };

fn access(resources: Value, groups: &[&str]) -> Access {
    read(&json!([policy(resources, groups)]))
}

fn read(policies: &Value) -> Access {
    let (rules, catalogue) = (Rules::default(), Catalogue::built_in());
    Access::parse_with(policies, &rules, &catalogue, Strangers::Keep).unwrap()
}

fn checked(access: &Access, facts: &Facts) -> Result<Marks, Breach> {
    check(access, &Catalogue::built_in(), &Installation::default(), facts)
}

/// The access of one pair, made without reading, so that nothing is refused before the guardrails.
fn raw(group: &str, resource: Resource) -> Access {
    Access::from_parts([(resource.scope(), vec![id(group)], vec![resource])]).unwrap()
}

fn zone(zone: &str, account: &str) -> Resource {
    Resource::Zone { zone: id(zone), account: id(account) }
}

/// What the rules of the house say of a class on a resource, written down a second time: the marks an
/// operator gets, and whether a client is refused for good, or unless takeover is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Takeover,
    Managing,
}

fn verdict(class: Class, hosting: bool, brevet_zone: bool) -> Verdict {
    match class {
        Class::Managing => Verdict::Managing,
        Class::HostAccount | Class::Unclassified if hosting => Verdict::Takeover,
        Class::HostZone if brevet_zone => Verdict::Takeover,
        _ => Verdict::Fine,
    }
}

/// Every way to say that a group is granted on a resource: flat, nested, both under the account and by
/// a template, for both families.
fn encodings(group: &Group, resource: &Resource, catalogue: &Catalogue) -> Vec<(&'static str, Access)> {
    let group_id = group.id().to_string();
    let mut ways = vec![("pair", raw(&group_id, resource.clone()))];
    let read = |resources: Value| {
        Access::parse(&json!([policy(resources, &[&group_id])]), &Rules::default(), catalogue).unwrap()
    };
    match resource {
        Resource::Account(account) => {
            ways.push(("flat", read(json!({ account_key(account.as_str()): "*" }))));
        }
        Resource::Zone { zone, account } => {
            if Rules::default().account_of_zone(*zone).is_some() {
                ways.push(("flat", read(json!({ zone_key(zone.as_str()): "*" }))));
            }
            let nested = json!({ account_key(account.as_str()): { zone_key(zone.as_str()): "*" } });
            ways.push(("nested", read(nested)));
        }
        Resource::AllZones(account) => {
            let nested = json!({ account_key(account.as_str()): { zone_key("*"): "*" } });
            ways.push(("nested", read(nested)));
        }
        Resource::User(user) => {
            ways.push(("flat", read(json!({ format!("com.cloudflare.api.user.{user}"): "*" }))));
        }
        Resource::Bucket(bucket) => {
            let (account, name) = (bucket.account(), bucket.name());
            let key = format!("com.cloudflare.edge.r2.bucket.{account}_{}_{name}", bucket.jurisdiction());
            ways.push(("flat", read(json!({ key: "*" }))));
            return ways;
        }
    }
    let permission = Permission { name: group.name(), scope: Some(group.scope()) };
    let hour = Seconds::of(3600);
    let template = Template::new("own", &[permission], None, hour, hour, catalogue).unwrap();
    let zones = match resource {
        Resource::AllZones(_) => Zones::All,
        Resource::Zone { zone, account } => Zones::These(vec![(*zone, *account)]),
        _ => Zones::None,
    };
    let accounts: Vec<_> = resource.account().into_iter().collect();
    let mut holders = vec![Holder::User { user: id(USER), accounts: accounts.clone() }];
    holders.extend(accounts.into_iter().map(Holder::Account));
    for holder in holders {
        let way = if holder.family() == Family::User { "template, user" } else { "template, account" };
        let rendered = template.render(&Target { holder, zones: zones.clone() }).unwrap();
        ways.push((way, rendered.access));
    }
    ways
}

/// Every resource of each scope, with whether its account hosts Brevet and whether it holds its zone.
fn places() -> Vec<(Resource, bool, bool)> {
    let bucket = |account: &str| {
        let key = format!("com.cloudflare.edge.r2.bucket.{account}_default_my-bucket");
        let access = access(json!({ key: "*" }), &["6a018a9f2fc74eb6b293b0c548f38b39"]);
        access.policies()[0].resources()[0].clone()
    };
    vec![
        (Resource::Account(id(MAIN)), true, false),
        (Resource::Account(id(APPS)), false, false),
        (Resource::AllZones(id(MAIN)), true, true),
        (Resource::AllZones(id(APPS)), false, false),
        (zone(ZONE, MAIN), true, true),
        (zone(STRAY_ZONE, MAIN), true, false),
        (zone(APPS_ZONE, APPS), false, false),
        (Resource::User(id(USER)), true, false),
        (bucket(MAIN), true, false),
        (bucket(APPS), false, false),
    ]
}

#[test]
fn every_group_on_every_resource_for_every_caller_in_every_encoding() {
    let unclassified: Vec<_> = Scope::ALL
        .into_iter()
        .enumerate()
        .map(|(n, scope)| Group::named_by_rules(id(&format!("{n:032x}")), "Fresh Write", scope).unwrap())
        .collect();
    let catalogue = Catalogue::built_in().with(unclassified).unwrap();
    let installation = Installation::default();
    let anywhere = Facts { has_ip_condition: false, ..OPERATOR };
    let long = Facts { lifetime: Some(Seconds::of(3601)), ..OPERATOR };
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for group in catalogue.iter() {
        for (resource, hosting, brevet_zone) in places() {
            if resource.scope() != group.scope() {
                continue;
            }
            let verdict = verdict(group.class(), hosting, brevet_zone);
            *seen.entry(format!("{verdict:?}")).or_default() += 1;
            let on = Offence {
                policy: 0,
                group: group.id(),
                name: Some(group.name().to_owned()),
                resource: resource.clone(),
            };
            for (way, access) in encodings(group, &resource, &catalogue) {
                let place = format!("{} on {resource}, {way}", group.name());
                let found = |facts: &Facts| check(&access, &catalogue, &installation, facts);
                let on = || Box::new(on.clone());
                match verdict {
                    Verdict::Fine => {
                        for facts in [CLIENT, ACCEPTING, OPERATOR, anywhere, long] {
                            assert_eq!(found(&facts), Ok(NOTHING), "{place}");
                        }
                    }
                    Verdict::Takeover => {
                        let breach = Breach::Takeover { on: on(), class: group.class() };
                        assert_eq!(found(&CLIENT), Err(breach), "{place}");
                        for facts in [ACCEPTING, OPERATOR, anywhere, long] {
                            assert_eq!(found(&facts), Ok(TAKEOVER), "{place}");
                        }
                    }
                    Verdict::Managing => {
                        for facts in [CLIENT, ACCEPTING] {
                            assert_eq!(found(&facts), Err(Breach::ManagingWithoutOperator(on())), "{place}");
                        }
                        assert_eq!(found(&OPERATOR), Ok(ESCAPES), "{place}");
                        assert_eq!(found(&anywhere), Err(Breach::ManagingFromAnywhere(on())), "{place}");
                        let breach = Breach::ManagingTooLong { on: on(), lifetime: Seconds::of(3601) };
                        assert_eq!(found(&long), Err(breach), "{place}");
                    }
                }
            }
        }
    }
    // 21 host-account groups and 1 unclassified on 1 hosting account; 17 host-zone groups on 2 places
    // and 1 unclassified on 3; unclassified ones on the user and on a bucket. Managing: 7 on 2
    // accounts, 3 on the user.
    assert_eq!((seen["Takeover"], seen["Managing"]), (21 + 1 + 17 * 2 + 3 + 1 + 1, 7 * 2 + 3));
}

#[test]
fn kv_write_on_the_hosting_account_is_refused_to_a_user_token_too() {
    let target = Target {
        holder: Holder::User { user: id(USER), accounts: vec![id(APPS), id(MAIN)] },
        zones: Zones::None,
    };
    let permission = Permission { name: "Workers KV Storage Write", scope: None };
    let hour = Seconds::of(3600);
    let template = Template::new("kv", &[permission], None, hour, hour, &Catalogue::built_in()).unwrap();
    let rendered = template.render(&target).unwrap();
    let breach = checked(&rendered.access, &CLIENT).unwrap_err();
    assert_eq!(breach.offence().unwrap().resource, Resource::Account(id(MAIN)));
    assert!(matches!(breach, Breach::Takeover { class: Class::HostAccount, .. }), "{breach}");
}

#[test]
fn a_token_without_an_end_is_refused_to_everybody() {
    let harmless = access(json!({ zone_key(APPS_ZONE): "*" }), &[CACHE_PURGE]);
    for facts in [CLIENT, ACCEPTING, OPERATOR] {
        assert_eq!(checked(&harmless, &Facts { lifetime: None, ..facts }), Err(Breach::NoEnd));
    }
}

#[test]
fn a_managing_token_lives_an_hour_at_most() {
    let managing = access(json!({ account_key(APPS): "*" }), &[TOKENS_WRITE]);
    let lives = |seconds| Facts { lifetime: Some(Seconds::of(seconds)), ..OPERATOR };
    assert_eq!(MAX_MANAGING_LIFETIME, Seconds::of(3600));
    assert_eq!(checked(&managing, &lives(3600)), Ok(ESCAPES));
    assert!(matches!(checked(&managing, &lives(3601)), Err(Breach::ManagingTooLong { .. })));
}

#[test]
fn places_outside_the_rules_are_refused_to_everybody() {
    let other_user: UserId = id(FOREIGN);
    for (group, resource) in [
        (BILLING_READ, Resource::Account(id(FOREIGN))),
        (CACHE_PURGE, Resource::AllZones(id(FOREIGN))),
        (CACHE_PURGE, zone(STRAY_ZONE, FOREIGN)),
        ("8acbe5bb0d54464ab867149d7f7cf8ac", Resource::User(other_user)),
    ] {
        for facts in [CLIENT, ACCEPTING, OPERATOR] {
            let breach = Breach::OutsideRules { policy: 0, resource: resource.clone() };
            assert_eq!(breach.policy(), Some(0));
            assert_eq!(checked(&raw(group, resource.clone()), &facts), Err(breach));
        }
    }
    let nobody = Installation { rules: Rules { user: None }, ..Installation::default() };
    let own = raw("8acbe5bb0d54464ab867149d7f7cf8ac", Resource::User(id(USER)));
    let found = check(&own, &Catalogue::built_in(), &nobody, &OPERATOR);
    assert!(matches!(found, Err(Breach::OutsideRules { .. })), "{found:?}");
}

#[test]
fn a_group_that_nobody_knows_is_an_operators_alone_and_marked_with_the_worst() {
    for resources in [
        json!({ account_key(APPS): "*" }),
        json!({ account_key(MAIN): "*" }),
        json!({ zone_key(APPS_ZONE): "*" }),
        json!({ format!("com.cloudflare.api.user.{USER}"): "*" }),
    ] {
        let access = access(resources, &[UNKNOWN_GROUP]);
        for facts in [CLIENT, ACCEPTING] {
            let breach = checked(&access, &facts).unwrap_err();
            let on = breach.offence().unwrap();
            assert!(matches!(breach, Breach::UnknownGroup(_)), "{breach}");
            assert_eq!((on.group, on.name.as_deref()), (id::<GroupId>(UNKNOWN_GROUP), None));
        }
        let worst = Marks { escapes_books: true, takeover: true };
        assert_eq!(checked(&access, &OPERATOR), Ok(worst));
    }
}

#[test]
fn a_group_on_a_resource_of_another_scope_is_refused_to_everybody() {
    for (group, resource, scope) in [
        (DNS_WRITE, Resource::Account(id(APPS)), Scope::Zone),
        (SCRIPTS_WRITE, Resource::AllZones(id(MAIN)), Scope::Account),
        (BILLING_READ, Resource::User(id(USER)), Scope::Account),
        (CACHE_PURGE, Resource::User(id(USER)), Scope::Zone),
    ] {
        for facts in [CLIENT, ACCEPTING, OPERATOR] {
            let found = checked(&raw(group, resource.clone()), &facts);
            assert!(matches!(&found, Err(Breach::WrongScope { scope: of, .. }) if *of == scope), "{found:?}");
        }
    }
}

#[test]
fn marks_add_up_over_policies_in_any_order() {
    let harmless = policy(json!({ zone_key(APPS_ZONE): "*" }), &[CACHE_PURGE]);
    let managing = policy(json!({ account_key(APPS): "*" }), &[TOKENS_WRITE]);
    let takeover = policy(json!({ zone_key(ZONE): "*" }), &[CACHE_PURGE, DNS_WRITE]);
    let both = Marks { escapes_books: true, takeover: true };
    for policies in [
        json!([managing, takeover, harmless]),
        json!([harmless, takeover, managing]),
        json!([takeover, managing]),
    ] {
        assert_eq!(checked(&read(&policies), &OPERATOR), Ok(both));
    }
    assert_eq!(checked(&read(&json!([takeover, harmless])), &OPERATOR), Ok(TAKEOVER));
    assert_eq!(checked(&read(&json!([managing, harmless])), &OPERATOR), Ok(ESCAPES));
}

#[test]
fn one_bad_pair_among_good_ones_is_found_and_named() {
    let good = policy(json!({ zone_key(APPS_ZONE): "*" }), &[CACHE_PURGE, DNS_WRITE]);
    let bad = policy(json!({ zone_key(APPS_ZONE): "*", zone_key(ZONE): "*" }), &[CACHE_PURGE, DNS_WRITE]);
    let breach = checked(&read(&json!([good, bad])), &CLIENT).unwrap_err();
    let on = Offence {
        policy: 1,
        group: id(DNS_WRITE),
        name: Some("DNS Write".to_owned()),
        resource: zone(ZONE, MAIN),
    };
    assert_eq!(breach, Breach::Takeover { on: Box::new(on), class: Class::HostZone });
    assert_eq!(breach.policy(), Some(1));
}

#[test]
fn dns_on_the_zone_of_brevet_is_refused_however_its_place_is_known() {
    let dns = |resource: Resource, zone: BrevetZone| {
        let installation = Installation { zone, ..Installation::default() };
        check(&raw(DNS_WRITE, resource), &Catalogue::built_in(), &installation, &CLIENT).is_err()
    };
    let this = BrevetZone::This(id(ZONE));
    // (resource, refused with the zone named, with it not named, with none)
    for (resource, named, unnamed) in [
        (zone(ZONE, MAIN), true, false),
        (zone(STRAY_ZONE, MAIN), false, true),
        (zone(APPS_ZONE, APPS), false, false),
        (zone(STRAY_ZONE, APPS), false, false),
        // Nested under an account that does not host Brevet, it is the same zone.
        (zone(ZONE, APPS), true, false),
        (Resource::AllZones(id(MAIN)), true, true),
        (Resource::AllZones(id(APPS)), false, false),
    ] {
        assert_eq!(dns(resource.clone(), this), named, "{resource}");
        assert_eq!(dns(resource.clone(), BrevetZone::Unnamed), unnamed, "{resource}");
        assert!(!dns(resource.clone(), BrevetZone::None), "{resource}");
    }
    // Rules that put Brevet's zone into an account which they say does not host it.
    assert!(dns(Resource::AllZones(id(APPS)), BrevetZone::This(id(APPS_ZONE))));
}

#[test]
fn what_is_no_zone_counts_as_holding_brevets_zone_where_there_is_one() {
    let named = Installation::default();
    let unnamed = Installation { zone: BrevetZone::Unnamed, ..Installation::default() };
    let none = Installation { zone: BrevetZone::None, ..Installation::default() };
    for (resource, _, _) in places() {
        if resource.scope() != Scope::Zone {
            assert!(may_hold_brevet_zone(&resource, &named), "{resource}");
            assert!(may_hold_brevet_zone(&resource, &unnamed), "{resource}");
            assert!(!may_hold_brevet_zone(&resource, &none), "{resource}");
        }
    }
}

#[test]
fn every_breach_has_a_word_a_sentence_and_a_next_step() {
    let on = |name: Option<&str>| {
        Box::new(Offence {
            policy: 3,
            group: id(DNS_WRITE),
            name: name.map(str::to_owned),
            resource: zone(ZONE, MAIN),
        })
    };
    let dns = || on(Some("DNS Write"));
    let place = format!("\"DNS Write\" ({DNS_WRITE}) on zone {ZONE} of account {MAIN} is refused");
    let hour = Seconds::of(3601);
    let takeover = |class| Breach::Takeover { on: dns(), class };
    let cases = [
        (Breach::NoEnd, "no-expiry", "a token must have an end".to_owned(), "expires_on", None),
        (
            Breach::OutsideRules { policy: 3, resource: Resource::Account(id(FOREIGN)) },
            "outside-rules",
            format!("the rules do not name account {FOREIGN}"),
            "add the account",
            Some(3),
        ),
        (
            Breach::UnknownGroup(on(None)),
            "unknown-permission-group",
            format!(
                "permission group {DNS_WRITE} on zone {ZONE} of account {MAIN} is refused: nobody has said"
            ),
            "[group]",
            Some(3),
        ),
        (
            Breach::WrongScope { on: dns(), scope: Scope::Zone },
            "wrong-scope",
            format!("{place}: the group acts on resources of scope zone"),
            "its own scope",
            Some(3),
        ),
        (
            Breach::ManagingWithoutOperator(dns()),
            "managing-group",
            format!("{place}: it manages tokens"),
            "operator",
            Some(3),
        ),
        (
            Breach::ManagingTooLong { on: dns(), lifetime: hour },
            "managing-group-too-long",
            format!("{place} for 1h 1s: a token that manages tokens, members or identity lives at most 1h"),
            "one hour",
            Some(3),
        ),
        (
            Breach::ManagingFromAnywhere(dns()),
            "managing-group-without-ip-condition",
            format!("{place}: a token that manages"),
            "condition",
            Some(3),
        ),
        (
            takeover(Class::HostZone),
            "takeover",
            format!("{place}: it could rewrite, divert or overhear Brevet"),
            "accept_takeover",
            Some(3),
        ),
        (
            takeover(Class::Unclassified),
            "takeover",
            format!("{place}: nobody has reviewed this group"),
            "accept_takeover",
            Some(3),
        ),
    ];
    for (breach, code, sentence, hint, policy) in cases {
        assert_eq!(breach.code(), code);
        assert!(breach.to_string().starts_with(&sentence), "{breach}\n{sentence}");
        assert!(breach.hint().contains(hint), "{}", breach.hint());
        assert_eq!(breach.policy(), policy, "{breach}");
        let about_a_group = !matches!(breach, Breach::NoEnd | Breach::OutsideRules { .. });
        assert_eq!(breach.offence().is_some(), about_a_group, "{breach}");
    }
}
