//! Deciding again about a lease.

use super::*;
use crate::access::AccessFault;

/// A lease of `ci`, made from `dns-acme` for `shop.example` 100 seconds ago, for ten minutes.
struct Lease {
    account: TokenOwner,
    owner: &'static str,
    grant: Option<&'static str>,
    template: Option<&'static str>,
    created: Timestamp,
    expires_on: Timestamp,
    policies: Value,
    condition: Option<Value>,
}

fn lease() -> Lease {
    Lease {
        account: TokenOwner::Account(APPS.parse().unwrap()),
        owner: "client:ci",
        grant: Some("g"),
        template: Some("dns-acme"),
        created: at(-100),
        expires_on: at(500),
        policies: json!([raw(&[DNS_WRITE], zone_resource(SHOP, APPS))]),
        condition: None,
    }
}

impl Lease {
    fn held(&self) -> Held<'_> {
        Held {
            account: self.account,
            owner: self.owner,
            grant: self.grant,
            template: self.template,
            created: self.created,
            not_before: Some(at(-100)),
            expires_on: self.expires_on,
            policies: &self.policies,
            condition: self.condition.as_ref(),
            name: Some("mine"),
        }
    }
}

const ALL: [&str; 5] = ["create", "update", "renew", "roll", "revoke"];

fn rules_with(fields: Value) -> Value {
    let mut all = json!({ "operations": ALL });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    rules(
        json!({ "g": grant_with(json!([{ "template": "dns-acme", "zone": ["shop.example", "blog.example"] }]), all) }),
    )
}

fn policy_with(fields: Value) -> Policy {
    compiled(&rules_with(fields))
}

fn renew(seconds: i64) -> Change {
    Change::Renew { lifetime: Lifetime::Ttl(Seconds::from_number(seconds).unwrap()) }
}

fn nothing() -> Change {
    Change::Update { policies: None, expires_on: None, not_before: None, condition: None, name: None }
}

fn update_policies(policies: Value) -> Change {
    Change::Update {
        policies: Some(policies),
        expires_on: None,
        not_before: None,
        condition: None,
        name: None,
    }
}

fn update_end(end: i64) -> Change {
    Change::Update {
        policies: None,
        expires_on: Some(at(end)),
        not_before: None,
        condition: None,
        name: None,
    }
}

fn every_change() -> [Change; 3] {
    [renew(600), Change::Roll, nothing()]
}

fn redecide(policy: &Policy, lease: &Lease, change: &Change) -> Result<Grant, Denial> {
    policy.redecide(&ci(), &lease.held(), change, now())
}

#[test]
fn refuses_to_touch_somebody_elses_lease_as_if_there_were_none() {
    let policy = policy_with(json!({}));
    for owner in ["client:other", "operator:root", "client:c", "operator:ci", ""] {
        let lease = Lease { owner: Box::leak(owner.to_owned().into_boxed_str()), ..lease() };
        for change in every_change() {
            assert_eq!(redecide(&policy, &lease, &change), Err(Denial::NotTheOwner), "{owner}");
        }
    }
    assert_eq!(redecide(&policy, &Lease { grant: None, ..lease() }, &Change::Roll), Err(Denial::NotTheOwner));
}

#[test]
fn refuses_when_the_grant_is_gone_or_somebody_elses() {
    let policy = policy_with(json!({}));
    let gone = Lease { grant: Some("old"), ..lease() };
    let mut rules = rules_with(json!({}));
    rules["grant"]["g"]["from"] = json!({ "client": "other" });
    for change in every_change() {
        assert_eq!(redecide(&policy, &gone, &change), Err(Denial::GrantGone { grant: "old".to_owned() }));
        let theirs = redecide(&compiled(&rules), &lease(), &change);
        assert_eq!(theirs, Err(Denial::GrantGone { grant: "g".to_owned() }));
    }
}

#[test]
fn refuses_when_the_account_is_gone() {
    let policy = policy_with(json!({}));
    let gone = Lease { account: TokenOwner::Account(FOREIGN.parse().unwrap()), ..lease() };
    for change in every_change() {
        assert_eq!(redecide(&policy, &gone, &change), Err(Denial::AccountGone));
    }
    // The same id of the other family is another ledger.
    let user = Lease { account: TokenOwner::User(APPS.parse().unwrap()), ..lease() };
    assert_eq!(redecide(&policy, &user, &Change::Roll), Err(Denial::AccountGone));
}

#[test]
fn refuses_when_the_grant_is_off_or_only_records() {
    for change in every_change() {
        let disabled = redecide(&policy_with(json!({ "enabled": false })), &lease(), &change);
        assert_eq!(disabled, Err(Denial::GrantDisabled { grant: "g".to_owned() }));
        let audit = redecide(&policy_with(json!({ "mode": "audit" })), &lease(), &change);
        assert_eq!(audit, Err(Denial::AuditOnly { grant: "g".to_owned() }));
    }
}

#[test]
fn refuses_operations_that_the_grant_does_not_list() {
    for (change, operation) in [
        (renew(600), Operation::Renew),
        (Change::Roll, Operation::Roll),
        (nothing(), Operation::Update),
        (update_end(400), Operation::Update),
    ] {
        let others: Vec<_> = ALL.into_iter().filter(|word| *word != operation.word()).collect();
        let denied = redecide(&policy_with(json!({ "operations": others })), &lease(), &change);
        assert_eq!(denied, Err(Denial::OperationNotListed { grant: "g".to_owned(), operation }));
        let alone = redecide(&policy_with(json!({ "operations": [operation.word()] })), &lease(), &change);
        assert!(alone.is_ok(), "{operation:?}: {alone:?}");
    }
}

#[test]
fn an_update_moves_the_end_later_only_with_renew() {
    let policy = policy_with(json!({ "operations": ["update"] }));
    let denied = Denial::OperationNotListed { grant: "g".to_owned(), operation: Operation::Renew };
    assert_eq!(redecide(&policy, &lease(), &update_end(501)), Err(denied));
    for end in [500, 499, 1] {
        assert_eq!(redecide(&policy, &lease(), &update_end(end)).unwrap().expires_on(), at(end));
    }
    assert_eq!(redecide(&policy, &lease(), &update_end(0)), Err(Denial::EndPast { expires_on: at(0) }));
    let both = policy_with(json!({ "operations": ["update", "renew"] }));
    assert_eq!(redecide(&both, &lease(), &update_end(501)).unwrap().expires_on(), at(501));
}

#[test]
fn every_lifetime_counts_from_the_creation() {
    let policy = policy_with(json!({}));
    // The template allows an hour, 100 seconds of which have passed.
    let late = Denial::EndTooLate {
        expires_on: at(3501),
        latest: at(3500),
        max_ttl: Seconds::of(3600),
        limit: Limit::Template("dns-acme".to_owned()),
    };
    assert_eq!(redecide(&policy, &lease(), &renew(3501)), Err(late.clone()));
    assert_eq!(redecide(&policy, &lease(), &update_end(3501)), Err(late));
    assert_eq!(redecide(&policy, &lease(), &renew(3500)).unwrap().expires_on(), at(3500));
    let granted = redecide(&policy, &lease(), &update_end(3500)).unwrap();
    assert_eq!((granted.expires_on(), granted.latest_allowed()), (at(3500), at(3500)));
}

#[test]
fn a_renewal_without_a_lifetime_gets_the_usual_one_from_now() {
    let usual = Change::Renew { lifetime: Lifetime::Default };
    assert_eq!(redecide(&policy_with(json!({})), &lease(), &usual).unwrap().expires_on(), at(900));
    assert_eq!(
        redecide(&policy_with(json!({ "ttl": "7m" })), &lease(), &usual).unwrap().expires_on(),
        at(420)
    );
    let until = Change::Renew { lifetime: Lifetime::Until(at(1000)) };
    assert_eq!(redecide(&policy_with(json!({})), &lease(), &until).unwrap().expires_on(), at(1000));
}

#[test]
fn a_lowered_cap_binds_a_roll_of_a_longer_lease() {
    let policy = policy_with(json!({ "ttl": "5m", "max_ttl": "9m" }));
    let denied = redecide(&policy, &lease(), &Change::Roll);
    assert!(matches!(denied, Err(Denial::EndTooLate { limit: Limit::Grant(_), .. })), "{denied:?}");
}

#[test]
fn an_ended_lease_is_not_brought_back() {
    let policy = policy_with(json!({}));
    for end in [0, -1] {
        let ended = Lease { expires_on: at(end), ..lease() };
        for change in every_change() {
            assert_eq!(redecide(&policy, &ended, &change), Err(Denial::Ended { at: at(end) }));
        }
    }
    assert!(redecide(&policy, &Lease { expires_on: at(1), ..lease() }, &Change::Roll).is_ok());
}

#[test]
fn a_narrowed_reach_binds_old_leases() {
    let mut rules = rules_with(json!({}));
    rules["grant"]["g"]["allow"] = json!([{ "template": "dns-acme", "zone": ["blog.example"] }]);
    let narrowed = compiled(&rules);
    rules["grant"]["g"]["allow"] = json!([{ "template": "cache-purge", "zone": ["shop.example"] }]);
    let other = compiled(&rules);
    for change in every_change() {
        let denied = redecide(&narrowed, &lease(), &change);
        assert!(matches!(denied, Err(Denial::OutOfReach { .. })), "{denied:?}");
        let denied = redecide(&other, &lease(), &change);
        assert_eq!(denied, Err(Denial::TemplateNotAllowed { template: "dns-acme".to_owned() }));
    }
}

#[test]
fn a_lease_of_policies_needs_a_line_that_takes_policies() {
    let lease = Lease { template: None, ..lease() };
    for change in every_change() {
        assert_eq!(redecide(&policy_with(json!({})), &lease, &change), Err(Denial::PoliciesNotAllowed));
    }
    let mut rules = rules_with(json!({}));
    rules["grant"]["g"]["allow"][0]["raw"] = json!(true);
    for change in every_change() {
        let granted = redecide(&compiled(&rules), &lease, &change).unwrap();
        assert_eq!((granted.template(), granted.rule()), (None, Some("/grant/g/allow/0")));
    }
}

#[test]
fn new_policies_are_policies_unless_they_are_the_old_ones() {
    let policy = policy_with(json!({}));
    let both =
        json!([raw(&[DNS_WRITE], zone_resource(SHOP, APPS)), raw(&[DNS_WRITE], zone_resource(BLOG, APPS))]);
    // The template could render this, but the caller wrote it.
    assert_eq!(redecide(&policy, &lease(), &update_policies(both.clone())), Err(Denial::PoliciesNotAllowed));
    let flat = json!([raw(&[DNS_WRITE], json!({ format!("com.cloudflare.api.account.zone.{SHOP}"): "*" }))]);
    let same = redecide(&policy, &lease(), &update_policies(flat)).unwrap();
    assert_eq!(same.template(), Some("dns-acme"));
    let mut rules = rules_with(json!({}));
    rules["grant"]["g"]["allow"][0]["raw"] = json!(true);
    let granted = redecide(&compiled(&rules), &lease(), &update_policies(both)).unwrap();
    assert_eq!((granted.template(), pairs(&granted).len()), (None, 2));
    let wider = json!([raw(&[DNS_WRITE], zones_resource(APPS))]);
    let denied = redecide(&compiled(&rules), &lease(), &update_policies(wider));
    assert!(matches!(denied, Err(Denial::OutOfReach { .. })), "{denied:?}");
    let bad = redecide(&compiled(&rules), &lease(), &update_policies(json!([])));
    assert!(matches!(&bad, Err(Denial::Policies(error)) if error.fault == AccessFault::NoPolicies));
}

#[test]
fn a_lease_whose_policies_no_longer_read_can_get_new_ones_only() {
    let mut rules = rules_with(json!({}));
    rules["grant"]["g"]["allow"][0]["raw"] = json!(true);
    let policy = compiled(&rules);
    let broken = Lease { policies: json!([raw(&[DNS_WRITE], zones_resource(FOREIGN))]), ..lease() };
    for change in every_change() {
        assert!(matches!(redecide(&policy, &broken, &change), Err(Denial::Policies(_))));
    }
    let good = update_policies(json!([raw(&[DNS_WRITE], zone_resource(SHOP, APPS))]));
    assert_eq!(redecide(&policy, &broken, &good).unwrap().template(), None);
}

#[test]
fn what_an_update_does_not_give_stays() {
    let policy = policy_with(json!({}));
    let held = Lease { condition: Some(json!({ "request_ip": { "in": ["203.0.113.0/24"] } })), ..lease() };
    let kept = redecide(&policy, &held, &nothing()).unwrap();
    assert_eq!((kept.expires_on(), kept.not_before(), kept.name()), (at(500), Some(at(-100)), Some("mine")));
    assert_eq!((kept.condition_json(), kept.owner()), (held.condition.clone(), "client:ci"));
    assert_eq!((kept.grant(), kept.template(), kept.caller()), (Some("g"), Some("dns-acme"), "ci"));
    let change = Change::Update {
        policies: None,
        expires_on: Some(at(400)),
        not_before: Some(at(10)),
        condition: Some(json!({ "in": ["198.51.100.0/24"] })),
        name: Some("new".to_owned()),
    };
    let changed = redecide(&policy, &held, &change).unwrap();
    assert_eq!(
        (changed.expires_on(), changed.not_before(), changed.name()),
        (at(400), Some(at(10)), Some("new"))
    );
    assert_eq!(changed.condition_json(), Some(json!({ "request_ip": { "in": ["198.51.100.0/24"] } })));
    for change in [renew(900), Change::Roll] {
        let kept = redecide(&policy, &held, &change).unwrap();
        assert_eq!((kept.not_before(), kept.name()), (Some(at(-100)), Some("mine")));
        assert_eq!(kept.condition_json(), held.condition);
    }
    assert_eq!(redecide(&policy, &held, &Change::Roll).unwrap().expires_on(), at(500));
}

#[test]
fn a_tightened_condition_binds_old_leases() {
    let policy = policy_with(json!({ "condition": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.9"] } }));
    let present = json!({ "request_ip": { "in": ["203.0.113.0/24"], "not_in": ["203.0.113.9/32"] } });
    // A roll sends no condition, so it cannot bring the new one.
    assert_eq!(
        redecide(&policy, &lease(), &Change::Roll),
        Err(Denial::ConditionTightened { grant: "g".to_owned() })
    );
    for change in [renew(600), nothing()] {
        assert_eq!(redecide(&policy, &lease(), &change).unwrap().condition_json(), Some(present.clone()));
    }
    let bound = Lease { condition: Some(present.clone()), ..lease() };
    assert_eq!(redecide(&policy, &bound, &Change::Roll).unwrap().condition_json(), Some(present));
    let outside =
        Lease { condition: Some(json!({ "request_ip": { "in": ["198.51.100.0/24"] } })), ..lease() };
    for change in every_change() {
        assert!(matches!(redecide(&policy, &outside, &change), Err(Denial::Condition(_))));
    }
}

#[test]
fn guardrails_hold_for_what_is_already_minted() {
    let lines = json!([{ "template": "workers-deploy", "account": "main" }]);
    let accepted = json!({ "operations": ALL, "accept_takeover": "deploys Brevet" });
    let mut rules = rules(json!({ "g": grant_with(lines, accepted) }));
    let held = Lease {
        account: TokenOwner::Account(MAIN.parse().unwrap()),
        template: Some("workers-deploy"),
        policies: json!([raw(&[SCRIPTS_WRITE], account_resource(MAIN))]),
        ..lease()
    };
    let granted = redecide(&compiled(&rules), &held, &Change::Roll).unwrap();
    assert_eq!(granted.takeover_reason(), Some("deploys Brevet"));
    // Of another account the same template is harmless, and the reason is gone.
    rules["grant"]["g"]["allow"] = json!([{ "template": "workers-deploy", "account": "apps" }]);
    rules["grant"]["g"].as_object_mut().unwrap().remove("accept_takeover");
    let denied = redecide(&compiled(&rules), &held, &Change::Roll);
    assert_eq!(denied, Err(Denial::ParameterRefused { name: "account", value: "main".to_owned() }));
}

#[test]
fn an_operator_changes_any_lease_within_the_bounds() {
    let policy = policy_with(json!({ "operations": ["create"] }));
    let by = |caller: &Caller, lease: &Lease, change: &Change| {
        policy.redecide(caller, &lease.held(), change, now())
    };
    let rita = Caller::Operator { name: "rita".to_owned(), powers: Powers { mint: false, ..Powers::ALL } };
    let theirs = Lease { owner: "client:other", grant: Some("old"), ..lease() };
    for change in every_change() {
        assert_eq!(by(&rita, &theirs, &change), Err(Denial::PowerMissing { power: "mint" }));
        let granted = by(&Caller::root(), &theirs, &change).unwrap();
        // The lease stays whose it is.
        assert_eq!(
            (granted.owner(), granted.grant(), granted.caller()),
            ("client:other", Some("old"), "root")
        );
        assert_eq!((granted.rule(), granted.template()), (None, Some("dns-acme")));
    }
    let late = by(&Caller::root(), &theirs, &renew(3501));
    assert!(matches!(late, Err(Denial::EndTooLate { limit: Limit::Template(_), .. })), "{late:?}");
    let policies = Lease { template: None, ..theirs };
    let late = by(&Caller::root(), &policies, &renew(43_101));
    assert!(matches!(late, Err(Denial::EndTooLate { limit: Limit::Account(_), .. })), "{late:?}");
    assert_eq!(by(&Caller::root(), &policies, &renew(43_100)).unwrap().expires_on(), at(43_100));
}

#[test]
fn an_operator_may_hold_groups_that_nobody_knows() {
    let policy = policy_with(json!({}));
    let unknown = json!([raw(&["abababababababababababababababab"], account_resource(APPS))]);
    let held = Lease { owner: "operator:root", grant: None, template: None, policies: unknown, ..lease() };
    assert!(policy.redecide(&Caller::root(), &held.held(), &Change::Roll, now()).is_ok());
    let mine = Lease { owner: "client:ci", grant: Some("g"), ..held };
    assert!(matches!(redecide(&policy, &mine, &Change::Roll), Err(Denial::Policies(_))));
}

#[test]
fn a_template_that_is_gone_bounds_nothing_and_the_account_still_does() {
    let policy = policy_with(json!({}));
    let held = Lease { template: Some("retired"), ..lease() };
    assert!(policy.redecide(&Caller::root(), &held.held(), &renew(43_100), now()).is_ok());
    let late = policy.redecide(&Caller::root(), &held.held(), &renew(43_101), now());
    assert!(matches!(late, Err(Denial::EndTooLate { limit: Limit::Account(_), .. })));
}

#[test]
fn reading_and_ending_need_ownership_or_a_power() {
    let policy = policy_with(json!({ "enabled": false, "operations": ["create"] }));
    let other = Caller::Client { name: "other".to_owned() };
    let operator = |powers: Powers| Caller::Operator { name: "rita".to_owned(), powers };
    let none = operator(Powers::default());
    for (touch, power) in [(Touch::Read, "read"), (Touch::Revoke, "revoke")] {
        assert_eq!(policy.permit(&other, "client:ci", touch), Err(Denial::NotTheOwner));
        assert_eq!(policy.permit(&none, "client:ci", touch), Err(Denial::PowerMissing { power }));
        assert!(policy.permit(&ci(), "client:ci", touch).is_ok());
        assert!(policy.permit(&none, "operator:rita", touch).is_ok());
        assert!(policy.permit(&Caller::root(), "client:ci", touch).is_ok());
    }
    let reader = operator(Powers { read: true, ..Powers::default() });
    assert!(policy.permit(&reader, "client:ci", Touch::Read).is_ok());
    assert_eq!(
        policy.permit(&reader, "client:ci", Touch::Revoke),
        Err(Denial::PowerMissing { power: "revoke" })
    );
    let revoker = operator(Powers { revoke: true, ..Powers::default() });
    assert!(policy.permit(&revoker, "client:ci", Touch::Revoke).is_ok());
    assert_eq!(
        policy.permit(&revoker, "client:ci", Touch::Read),
        Err(Denial::PowerMissing { power: "read" })
    );
}
