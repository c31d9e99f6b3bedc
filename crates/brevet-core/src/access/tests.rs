use super::fixture::*;
use super::*;
use crate::catalogue::{Catalogue, Group};
use crate::sorted::SortedSet;
use serde_json::{Value, json};

pub(super) fn parse(policies: &Value) -> Result<Access, AccessError> {
    Access::parse(policies, &Rules::default(), &Catalogue::built_in())
}

fn refusal(policies: Value) -> (String, AccessFault) {
    let error = parse(&policies).expect_err(&policies.to_string());
    (error.pointer, error.fault)
}

/// The refusal of one policy on these resources.
fn resource_refusal(resources: Value, group: &str) -> (String, AccessFault) {
    refusal(json!([policy(resources, &[group])]))
}

#[test]
fn refuses_every_account_and_the_zones_of_every_account() {
    for (key, group, fault) in [
        (account_key("*"), BILLING_READ, AccessFault::EveryAccount),
        (zone_key("*"), DNS_WRITE, AccessFault::EveryZone),
    ] {
        let (pointer, found) = resource_refusal(json!({ &key: "*" }), group);
        assert_eq!((pointer, found), (format!("/0/resources/{key}"), fault));
    }
    let nested = json!({ account_key("*"): { zone_key("*"): "*" } });
    assert_eq!(resource_refusal(nested, DNS_WRITE).1, AccessFault::EveryAccount);
}

#[test]
fn refuses_accounts_zones_and_users_that_the_rules_do_not_name() {
    for (resources, group, fault) in [
        (json!({ account_key(FOREIGN): "*" }), BILLING_READ, AccessFault::ForeignAccount(id(FOREIGN))),
        (
            json!({ account_key(FOREIGN): { zone_key("*"): "*" } }),
            DNS_WRITE,
            AccessFault::ForeignAccount(id(FOREIGN)),
        ),
        (json!({ zone_key(STRAY_ZONE): "*" }), DNS_WRITE, AccessFault::UnknownZone(id(STRAY_ZONE))),
        (
            json!({ account_key(APPS): { zone_key(ZONE): "*" } }),
            DNS_WRITE,
            AccessFault::ZoneElsewhere { zone: id(ZONE), account: id(MAIN) },
        ),
        (
            json!({ format!("com.cloudflare.api.user.{FOREIGN}"): "*" }),
            USER_READ,
            AccessFault::ForeignUser(id(FOREIGN)),
        ),
        (
            json!({ bucket_key(&format!("{FOREIGN}_default_my-bucket")): "*" }),
            BUCKET_READ,
            AccessFault::ForeignAccount(id(FOREIGN)),
        ),
    ] {
        assert_eq!(resource_refusal(resources.clone(), group).1, fault, "{resources}");
    }
    let nobody = Rules { user: None };
    let own = json!([policy(json!({ format!("com.cloudflare.api.user.{USER}"): "*" }), &[USER_READ])]);
    let error = Access::parse(&own, &nobody, &Catalogue::built_in()).unwrap_err();
    assert_eq!(error.fault, AccessFault::ForeignUser(id(USER)));
}

/// Rules that place a zone in an account which they do not name.
struct Broken;

impl Places for Broken {
    fn account_of_zone(&self, _: ZoneId) -> Option<AccountId> {
        Some(id(FOREIGN))
    }
    fn knows_account(&self, _: AccountId) -> bool {
        false
    }
    fn user(&self) -> Option<UserId> {
        None
    }
}

#[test]
fn refuses_a_zone_whose_account_is_not_in_the_rules() {
    let policies = json!([policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE])]);
    let error = Access::parse(&policies, &Broken, &Catalogue::built_in()).unwrap_err();
    assert_eq!(error.fault, AccessFault::ForeignAccount(id(FOREIGN)));
}

#[test]
fn refuses_resource_keys_that_are_not_exactly_one_it_knows() {
    for key in [
        "",
        "*",
        "com.cloudflare.*",
        "com.cloudflare.api.account",
        "com.cloudflare.api.account.",
        "com.cloudflare.api.account.zone",
        "com.cloudflare.api.account.zone.",
        "com.cloudflare.api.account.zone.zone.*",
        "com.cloudflare.api.user.*",
        "com.cloudflare.api.user.",
        "com.cloudflare.api.zone.023e105f4ecef8ad9ca31a8372d0c353",
        "com.cloudflare.edge.r2.bucket.*",
        "com.cloudflare.edge.worker.script.*",
        &account_key("**"),
        &account_key("0123456789ABCDEF0123456789ABCDEF"),
        &account_key(&format!("{MAIN} ")),
        &account_key(&format!("{MAIN}.*")),
        &format!(" {}", account_key(MAIN)),
        &zone_key("../x"),
        &zone_key(&format!("{ZONE}/x")),
        &zone_key("%2e%2e"),
    ] {
        let (_, fault) = resource_refusal(json!({ key: "*" }), DNS_WRITE);
        assert_eq!(fault, AccessFault::ResourceKey(key.to_owned()), "{key}");
    }
}

#[test]
fn refuses_buckets_that_could_not_exist() {
    let long_name = format!("{MAIN}_default_{}", "a".repeat(64));
    let long_jurisdiction = format!("{MAIN}_{}_bucket", "a".repeat(33));
    for rest in [
        format!("{MAIN}_default_*"),
        format!("{MAIN}_default_ab"),
        format!("{MAIN}_default_"),
        format!("{MAIN}__bucket"),
        format!("{MAIN}_default"),
        MAIN.to_owned(),
        format!("{MAIN}_*_bucket"),
        format!("{MAIN}_Default_bucket"),
        format!("{MAIN}_default_Bucket"),
        format!("{MAIN}_default_my_bucket"),
        format!("{MAIN}_default_-bucket"),
        format!("{MAIN}_default_bucket-"),
        "*_default_bucket".to_owned(),
        long_name,
        long_jurisdiction,
    ] {
        let key = bucket_key(&rest);
        let (_, fault) = resource_refusal(json!({ &key: "*" }), BUCKET_READ);
        assert_eq!(fault, AccessFault::ResourceKey(key.chars().take(MAX_SHOWN).collect()), "{rest}");
    }
    for rest in [
        format!("{MAIN}_eu_abc"),
        format!("{APPS}_{}_{}", "a".repeat(32), "b".repeat(63)),
        format!("{APPS}_d_0-0"),
    ] {
        let resources = json!({ bucket_key(&rest): "*" });
        let access = parse(&json!([policy(resources.clone(), &[BUCKET_READ])])).unwrap();
        assert_eq!(access.to_json()[0]["resources"], resources);
    }
}

#[test]
fn refuses_values_other_than_the_star_and_zones_under_an_account() {
    let account = account_key(MAIN);
    for value in [json!(""), json!("**"), json!("read"), json!(null), json!(true), json!(["*"]), json!(1)] {
        let found = resource_refusal(json!({ &account: value }), BILLING_READ);
        assert_eq!(found, (format!("/0/resources/{account}"), AccessFault::ResourceValue), "{value}");
        let nested = json!({ &account: { zone_key(ZONE): value } });
        let found = resource_refusal(nested, DNS_WRITE);
        let pointer = format!("/0/resources/{account}/{}", zone_key(ZONE));
        assert_eq!(found, (pointer, AccessFault::ResourceValue), "{value}");
    }
    // Nothing but an account has something under it.
    for key in [zone_key(ZONE), zone_key("*"), format!("com.cloudflare.api.user.{USER}"), "x".to_owned()] {
        let found = resource_refusal(json!({ &key: { zone_key(ZONE): "*" } }), DNS_WRITE);
        assert_eq!(found, (format!("/0/resources/{key}"), AccessFault::ResourceValue));
    }
    // And an account has zones under it only.
    for key in [account_key(MAIN), "com.cloudflare.api.user.x".to_owned(), "*".to_owned(), zone_key("x")] {
        let (_, fault) = resource_refusal(json!({ &account: { &key: "*" } }), DNS_WRITE);
        assert_eq!(fault, AccessFault::ResourceKey(key));
    }
    let empty = resource_refusal(json!({ &account: {} }), DNS_WRITE);
    assert_eq!(empty, (format!("/0/resources/{account}"), AccessFault::NoResources));
    // Objects may be nested once.
    let deep = json!({ &account: { zone_key(ZONE): { zone_key(ZONE): "*" } } });
    assert_eq!(resource_refusal(deep, DNS_WRITE).1, AccessFault::ResourceValue);
}

#[test]
fn refuses_policies_that_are_no_allow_policies() {
    let good = policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE]);
    let with = |member: &str, value: Value| {
        let mut changed = good.clone();
        changed[member] = value;
        json!([good, changed])
    };
    let without = |member: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(member);
        json!([good, changed])
    };
    for (policies, pointer, fault) in [
        (json!(null), "", AccessFault::NotAList),
        (json!({}), "", AccessFault::NotAList),
        (json!([]), "", AccessFault::NoPolicies),
        (json!(["x"]), "/0", AccessFault::NotAnObject),
        (json!([good, []]), "/1", AccessFault::NotAnObject),
        (without("effect"), "/1", AccessFault::Missing("effect")),
        (without("resources"), "/1", AccessFault::Missing("resources")),
        (without("permission_groups"), "/1", AccessFault::Missing("permission_groups")),
        (with("effect", json!("deny")), "/1/effect", AccessFault::Deny),
        (with("effect", json!("Allow")), "/1/effect", AccessFault::Effect),
        (with("effect", json!(null)), "/1/effect", AccessFault::Effect),
        (with("effect", json!(["allow"])), "/1/effect", AccessFault::Effect),
        (with("resources", json!({})), "/1/resources", AccessFault::NoResources),
        (with("resources", json!([])), "/1/resources", AccessFault::NoResources),
        (with("resources", json!("*")), "/1/resources", AccessFault::NoResources),
        (with("permission_groups", json!([])), "/1/permission_groups", AccessFault::NoGroups),
        (with("permission_groups", json!({})), "/1/permission_groups", AccessFault::NoGroups),
        (with("conditions", json!({})), "/1", AccessFault::UnknownMember("conditions".to_owned())),
        (with("Effect", json!("deny")), "/1", AccessFault::UnknownMember("Effect".to_owned())),
    ] {
        assert_eq!(refusal(policies.clone()), (pointer.to_owned(), fault), "{policies}");
    }
}

#[test]
fn refuses_groups_that_are_not_known_or_act_on_something_else() {
    let zone = json!({ zone_key(ZONE): "*" });
    let with = |group: Value| json!([{ "effect": "allow", "resources": zone, "permission_groups": [{ "id": DNS_WRITE }, group] }]);
    let at = "/0/permission_groups/1";
    for (group, pointer, fault) in [
        (json!(DNS_WRITE), at.to_owned(), AccessFault::NotAnObject),
        (json!({}), at.to_owned(), AccessFault::Missing("id")),
        (json!({ "name": "DNS Write" }), at.to_owned(), AccessFault::Missing("id")),
        (
            json!({ "id": DNS_WRITE, "scopes": [] }),
            at.to_owned(),
            AccessFault::UnknownMember("scopes".to_owned()),
        ),
        (json!({ "id": "*" }), format!("{at}/id"), AccessFault::GroupId("*".to_owned())),
        (json!({ "id": null }), format!("{at}/id"), AccessFault::GroupId("null".to_owned())),
        (
            json!({ "id": DNS_WRITE.to_uppercase() }),
            format!("{at}/id"),
            AccessFault::GroupId(DNS_WRITE.to_uppercase()),
        ),
        (json!({ "id": UNKNOWN_GROUP }), format!("{at}/id"), AccessFault::UnknownGroup(id(UNKNOWN_GROUP))),
        (
            json!({ "id": SCRIPTS_WRITE }),
            format!("{at}/id"),
            AccessFault::WrongScope {
                id: id(SCRIPTS_WRITE),
                name: "Workers Scripts Write".to_owned(),
                scope: Scope::Account,
            },
        ),
    ] {
        assert_eq!(refusal(with(group.clone())), (pointer, fault), "{group}");
    }
    // A zone-scoped group does not reach zones through the account alone.
    let (_, fault) = resource_refusal(json!({ account_key(MAIN): "*" }), DNS_WRITE);
    assert!(matches!(fault, AccessFault::WrongScope { scope: Scope::Zone, .. }), "{fault:?}");
}

#[test]
fn refuses_a_resource_on_which_no_group_acts() {
    let resources = json!({ account_key(APPS): "*", zone_key(ZONE): "*" });
    assert_eq!(
        resource_refusal(resources, DNS_WRITE),
        ("/0/resources".to_owned(), AccessFault::IdleResource { scope: Scope::Account })
    );
}

#[test]
fn only_who_asks_for_it_keeps_groups_that_nobody_knows() {
    let (rules, catalogue) = (Rules::default(), Catalogue::built_in());
    let keep = |policies: Value| Access::parse_with(&policies, &rules, &catalogue, Strangers::Keep);
    let zone = json!({ zone_key(ZONE): "*", account_key(APPS): { zone_key("*"): "*" } });
    let access = keep(json!([policy(zone, &[UNKNOWN_GROUP])])).unwrap();
    assert_eq!(access.policies()[0].scope(), Scope::Zone);
    assert_eq!(access.pairs().count(), 2);
    // With resources of two scopes it is not clear on which it acts.
    let mixed = json!({ zone_key(ZONE): "*", account_key(APPS): "*" });
    let error = keep(json!([policy(mixed, &[UNKNOWN_GROUP, DNS_WRITE])])).unwrap_err();
    assert_eq!(error.fault, AccessFault::UnknownGroup(id(UNKNOWN_GROUP)));
}

#[test]
fn takes_a_group_that_the_rules_name() {
    let group = Group::named_by_rules(id(UNKNOWN_GROUP), "Fresh Write", Scope::Zone).unwrap();
    let catalogue = Catalogue::built_in().with([group]).unwrap();
    let policies = json!([policy(json!({ zone_key(ZONE): "*" }), &[UNKNOWN_GROUP])]);
    assert!(Access::parse(&policies, &Rules::default(), &catalogue).is_ok());
}

#[test]
fn counts_before_it_reads() {
    let one = policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE]);
    let policies = |count: usize| Value::Array(vec![one.clone(); count]);
    assert_eq!(parse(&policies(MAX_POLICIES)).unwrap().policies().len(), MAX_POLICIES);
    let too_many = AccessFault::TooManyPolicies(MAX_POLICIES + 1);
    assert_eq!(refusal(policies(MAX_POLICIES + 1)), (String::new(), too_many));

    let groups = |first: usize, second: usize| {
        let zone = json!({ zone_key(ZONE): "*" });
        json!([policy(zone.clone(), &vec![DNS_WRITE; first]), policy(zone, &vec![CACHE_PURGE; second])])
    };
    assert!(parse(&groups(MAX_GROUPS - 1, 1)).is_ok());
    let too_many = AccessFault::TooManyGroups(MAX_GROUPS + 1);
    assert_eq!(refusal(groups(MAX_GROUPS, 1)), (String::new(), too_many));

    // A policy that splits counts for each of its scopes.
    let mixed = policy(json!({ zone_key(ZONE): "*", account_key(APPS): "*" }), &[DNS_WRITE, BILLING_READ]);
    let half = MAX_POLICIES / 2;
    assert!(parse(&Value::Array(vec![mixed.clone(); half])).is_ok());
    let too_many = AccessFault::TooManyPolicies(MAX_POLICIES + 2);
    assert_eq!(refusal(Value::Array(vec![mixed; half + 1])), (String::new(), too_many));
}

fn zones(count: usize) -> Value {
    let zones: serde_json::Map<_, _> =
        (0..count).map(|n| (zone_key(&format!("{n:032x}")), json!("*"))).collect();
    json!({ account_key(MAIN): zones })
}

#[test]
fn refuses_more_resources_than_its_bound_and_takes_the_bound() {
    let one = |count: usize| json!([policy(zones(count), &[DNS_WRITE])]);
    assert_eq!(parse(&one(MAX_RESOURCES)).unwrap().pairs().count(), MAX_RESOURCES);
    for count in [MAX_RESOURCES + 1, MAX_RESOURCES + 100] {
        let fault = AccessFault::TooManyResources(MAX_RESOURCES + 1);
        assert_eq!(refusal(one(count)), ("/0/resources".to_owned(), fault));
    }
    let two = json!([policy(zones(MAX_RESOURCES), &[DNS_WRITE]), policy(zones(1), &[DNS_WRITE])]);
    assert_eq!(refusal(two), (String::new(), AccessFault::TooManyResources(MAX_RESOURCES + 1)));
}

#[test]
fn bounds_what_templates_render_too() {
    let group = |n: usize| id::<GroupId>(&format!("{n:032x}"));
    let part = |groups: usize| {
        (Scope::Account, (0..groups).map(group).collect::<Vec<_>>(), vec![Resource::Account(id(MAIN))])
    };
    assert!(Access::from_parts([part(MAX_GROUPS)]).is_ok());
    assert_eq!(
        Access::from_parts([part(MAX_GROUPS), part(1)]),
        Err(AccessFault::TooManyGroups(MAX_GROUPS + 1))
    );
    assert_eq!(Access::from_parts([]), Err(AccessFault::NoPolicies));
}

#[test]
fn shows_only_the_beginning_of_a_callers_text_on_one_line() {
    let key = format!("a/b~c\n{}", "x".repeat(5000));
    let (pointer, fault) = resource_refusal(json!({ &key: "*" }), DNS_WRITE);
    let AccessFault::ResourceKey(shown) = fault else { panic!("{fault:?}") };
    assert_eq!(shown.chars().count(), MAX_SHOWN);
    assert!(shown.starts_with("a/b~c\u{fffd}xxx"), "{shown}");
    assert!(pointer.starts_with("/0/resources/a~1b~0c\u{fffd}xxx"), "{pointer}");
}

#[test]
fn splits_a_mixed_policy_by_scope_and_keeps_where_it_came_from() {
    let resources = json!({
        account_key(APPS): "*",
        account_key(MAIN): { zone_key("*"): "*" },
        format!("com.cloudflare.api.user.{USER}"): "*",
        bucket_key(&format!("{APPS}_eu_bucket")): "*",
    });
    let first = policy(json!({ zone_key(ZONE): "*" }), &[CACHE_PURGE]);
    let mixed = policy(resources, &[BUCKET_READ, USER_READ, DNS_WRITE, BILLING_READ]);
    let access = parse(&json!([first, mixed])).unwrap();
    let seen: Vec<_> = access.policies().iter().map(|policy| (policy.source(), policy.scope())).collect();
    assert_eq!(
        seen,
        [(0, Scope::Zone), (1, Scope::Account), (1, Scope::Zone), (1, Scope::User), (1, Scope::Bucket)]
    );
    for policy in access.policies() {
        assert_eq!((policy.groups().len(), policy.resources().len()), (1, 1));
    }
}

#[test]
fn reads_a_flat_zone_as_one_nested_under_its_account() {
    let flat = json!([policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE])]);
    let nested = json!([policy(json!({ account_key(MAIN): { zone_key(ZONE): "*" } }), &[DNS_WRITE])]);
    let access = parse(&flat).unwrap();
    assert_eq!(access, parse(&nested).unwrap());
    assert_eq!(access.to_json(), nested);
    let both = json!({ zone_key(ZONE): "*", account_key(MAIN): { zone_key(ZONE): "*" } });
    assert_eq!(parse(&json!([policy(both, &[DNS_WRITE])])).unwrap(), access);
}

#[test]
fn takes_a_zone_that_the_rules_do_not_name_under_an_account_that_they_do() {
    let nested = json!([policy(json!({ account_key(MAIN): { zone_key(STRAY_ZONE): "*" } }), &[DNS_WRITE])]);
    assert_eq!(parse(&nested).unwrap().to_json(), nested);
}

#[test]
fn ignores_what_cloudflare_ignores() {
    let mut answered = policy(json!({ zone_key(ZONE): "*" }), &[]);
    answered["id"] = json!("f267e341f3dd4697bd3b9f71dd96247f");
    answered["permission_groups"] = json!([{ "id": DNS_WRITE, "name": "anything", "meta": { "x": 1 } }]);
    let asked = json!([policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE])]);
    assert_eq!(parse(&json!([answered])).unwrap(), parse(&asked).unwrap());
}

#[test]
fn a_group_given_twice_counts_once() {
    let twice = json!([policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE, CACHE_PURGE, DNS_WRITE])]);
    let access = parse(&twice).unwrap();
    assert_eq!(access.policies()[0].groups(), [id::<GroupId>(DNS_WRITE), id(CACHE_PURGE)]);
}

#[test]
fn compares_as_sets() {
    let zone = json!({ zone_key(ZONE): "*" });
    let together = parse(&json!([policy(zone.clone(), &[DNS_WRITE, CACHE_PURGE])])).unwrap();
    let apart = [policy(zone.clone(), &[CACHE_PURGE]), policy(zone.clone(), &[DNS_WRITE, CACHE_PURGE])];
    assert!(together.same(&parse(&json!(apart)).unwrap()));
    assert!(!together.same(&parse(&json!([policy(zone, &[DNS_WRITE])])).unwrap()));
    let elsewhere = json!([policy(json!({ zone_key(APPS_ZONE): "*" }), &[DNS_WRITE, CACHE_PURGE])]);
    assert!(!together.same(&parse(&elsewhere).unwrap()));
}

#[test]
fn all_zones_of_an_account_cover_its_zones_and_nothing_else_covers_another() {
    let zone = |zone: &str, account: &str| Resource::Zone { zone: id(zone), account: id(account) };
    let everything = [
        Resource::Account(id(MAIN)),
        Resource::Account(id(APPS)),
        Resource::AllZones(id(MAIN)),
        Resource::AllZones(id(APPS)),
        zone(ZONE, MAIN),
        zone(STRAY_ZONE, MAIN),
        zone(APPS_ZONE, APPS),
        Resource::User(id(USER)),
        Resource::Bucket(Bucket { account: id(MAIN), jurisdiction: "eu".into(), name: "one".into() }),
        Resource::Bucket(Bucket { account: id(MAIN), jurisdiction: "eu".into(), name: "two".into() }),
    ];
    for one in &everything {
        for other in &everything {
            let zone_of_all = matches!((one, other), (Resource::AllZones(all), Resource::Zone { account, .. }) if all == account);
            assert_eq!(one.covers(other), one == other || zone_of_all, "{one} / {other}");
        }
    }
    assert!(everything[2].covers(&everything[4]) && !everything[4].covers(&everything[2]));
}

#[test]
fn an_account_owned_token_reaches_its_account_alone() {
    let both = json!([
        policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE]),
        policy(json!({ account_key(APPS): "*" }), &[BILLING_READ]),
    ]);
    let access = parse(&both).unwrap();
    assert_eq!(access.accounts(), [id(MAIN), id(APPS)].into());
    let misfit = Misfit::OtherAccount { policy: 1, account: id(APPS), owner: id(MAIN) };
    assert_eq!(access.fits_account(id(MAIN)), Err(misfit));
    assert_eq!(misfit.policy(), 1);
    assert!(misfit.to_string().contains(APPS), "{misfit}");
    let user = json!([policy(json!({ format!("com.cloudflare.api.user.{USER}"): "*" }), &[USER_READ])]);
    let access = parse(&user).unwrap();
    assert_eq!(access.accounts(), SortedSet::new());
    assert_eq!(access.fits_account(id(MAIN)), Err(Misfit::UserResource { policy: 0 }));
    let own = json!([policy(json!({ zone_key(ZONE): "*" }), &[DNS_WRITE])]);
    assert_eq!(parse(&own).unwrap().fits_account(id(MAIN)), Ok(()));
}

#[test]
fn its_sentences_name_the_place_and_the_remedy() {
    let error = parse(&json!([policy(json!({ zone_key("*"): "*" }), &[DNS_WRITE])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the policies are refused at /0/resources/com.cloudflare.api.account.zone.*: the zones of all accounts \
         at once are refused; nest com.cloudflare.api.account.zone.* under one account"
    );
    let error = parse(&json!(1)).unwrap_err().to_string();
    assert_eq!(error, "the policies are refused: policies must be a list");
}

#[test]
fn a_family_reads_as_it_is_written() {
    for family in [Family::Account, Family::User] {
        assert_eq!(Family::read(family.word()), Some(family));
    }
    assert_eq!(Family::read("Account"), None);
    assert_eq!([Family::Account, Family::User].map(|family| family.to_string()), ["account", "user"]);
}
