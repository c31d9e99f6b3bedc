use super::tests::{account, one_zone, template};
use super::*;
use crate::json::to_value;

use crate::catalogue::NameError;
use serde_json::json;

fn dns_write() -> Permission<'static> {
    Permission { name: "DNS Write", scope: Some(Scope::Zone) }
}

fn custom(
    permissions: &[Permission<'_>],
    declared: Option<&[Parameter]>,
) -> Result<Template, Vec<TemplateError>> {
    Template::new("own", permissions, declared, Seconds::of(900), Seconds::of(3600), &Catalogue::built_in())
}

#[test]
fn a_template_of_the_rules_renders_like_a_built_in_one() {
    let own = custom(&[dns_write()], Some(&[Parameter::Zone])).unwrap();
    assert_eq!((own.name(), own.title(), own.is_built_in(), own.operator_only()), ("own", "", false, false));
    assert_eq!((own.ttl(), own.max_ttl()), (Seconds::of(900), Seconds::of(3600)));
    assert_eq!(own.render(&account(one_zone())), template("zone-dns-edit").render(&account(one_zone())));
}

#[test]
fn refuses_a_template_with_every_reason_at_once() {
    let name = |name| Permission { name, scope: None };
    let errors = Template::new(
        "own",
        &[
            name("DNS Edit"),
            name("Logs Read"),
            name("Workers R2 Storage Bucket Item Read"),
            dns_write(),
            dns_write(),
        ],
        Some(&[]),
        Seconds::of(3601),
        Seconds::of(3600),
        &Catalogue::built_in(),
    )
    .unwrap_err();
    let pointers: Vec<_> = errors.iter().map(TemplateError::pointer).collect();
    assert_eq!(pointers, ["/permissions/0", "/permissions/1", "/permissions/2", "/permissions/4", "/ttl"]);
    assert!(matches!(
        &errors[0],
        TemplateError::Permission { index: 0, error: NameError::Unknown { suggestions } }
            if suggestions[0] == ("DNS Write".to_owned(), Scope::Zone)
    ));
    let ambiguous = NameError::Ambiguous { scopes: vec![Scope::Account, Scope::Zone] };
    assert_eq!(errors[1], TemplateError::Permission { index: 1, error: ambiguous });
    assert!(matches!(errors[2], TemplateError::BucketScope { index: 2, .. }));
    assert_eq!(errors[3], TemplateError::Twice { index: 4, name: "DNS Write".to_owned() });
    let (ttl, max_ttl) = (Seconds::of(3601), Seconds::of(3600));
    assert_eq!(errors[4], TemplateError::TtlOverMaximum { ttl, max_ttl });
    assert!(errors.iter().all(|error| !error.to_string().is_empty()));
}

#[test]
fn refuses_a_template_whose_resources_do_not_fit_its_groups() {
    let billing = Permission { name: "Billing Read", scope: None };
    assert_eq!(custom(&[], None), Err(vec![TemplateError::NoPermissions]));
    assert_eq!(
        custom(&[dns_write()], Some(&[Parameter::Account])),
        Err(vec![TemplateError::ZoneNotDeclared])
    );
    assert_eq!(custom(&[dns_write()], Some(&[])), Err(vec![TemplateError::ZoneNotDeclared]));
    assert_eq!(
        custom(&[billing], Some(&[Parameter::Account, Parameter::Zone])),
        Err(vec![TemplateError::ZoneUnused])
    );
    for declared in [None, Some(&[][..]), Some(&[Parameter::Account])] {
        assert!(custom(&[billing], declared).is_ok());
    }
    assert_eq!(TemplateError::ZoneNotDeclared.pointer(), "/resources");
    assert_eq!(TemplateError::ZoneUnused.pointer(), "/resources/zone");
    assert_eq!(TemplateError::NoPermissions.pointer(), "/permissions");
    // A ttl that is exactly the longest fits.
    let hour = Seconds::of(3600);
    assert!(Template::new("own", &[billing], None, hour, hour, &Catalogue::built_in()).is_ok());
}

#[test]
fn refuses_more_groups_than_its_bound_and_takes_the_bound() {
    let catalogue = Catalogue::built_in();
    let permissions: Vec<_> = catalogue
        .iter()
        .filter(|group| group.scope() != Scope::Bucket)
        .map(|group| Permission { name: group.name(), scope: Some(group.scope()) })
        .take(MAX_ROWS + 1)
        .collect();
    assert_eq!(custom(&permissions, None), Err(vec![TemplateError::TooManyPermissions(MAX_ROWS + 1)]));
    assert_eq!(custom(&permissions[..MAX_ROWS], None).unwrap().rows().len(), MAX_ROWS);
}

#[test]
fn its_summary_has_no_title_and_is_not_built_in() {
    let own = to_value(&custom(&[dns_write()], None).unwrap().summary());
    assert_eq!((own.get("title"), &own["built_in"]), (None, &json!(false)));
    assert_eq!(own["parameters"][1]["required"], true);
}
