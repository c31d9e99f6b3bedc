//! The book: lists, pages, and ending what expired.

use brevet_core::id::LeaseId;
use brevet_core::ledger::book::{After, Filter, MOST_LISTED, MOST_LIVE, Page};
use brevet_core::ledger::lease::{End, Lease, State};
use brevet_core::ledger::sql::Sql;
use proptest::prelude::*;

use crate::support::{Bench, intent};

const OWNER: &str = "client:edge-purger";

/// Puts a lease into the book as if it had been made.
fn put(bench: &Bench, number: u32, edit: impl FnOnce(&mut Lease)) -> LeaseId {
    let mut bits = [0; 16];
    bits[12..].copy_from_slice(&number.to_be_bytes());
    let mut lease = intent(1, OWNER, bench.at(0));
    lease.id = LeaseId::from_random(bits);
    lease.token_id = Some(format!("{number:032x}").parse().unwrap());
    lease.issued_on = Some(bench.at(0));
    lease.state = State::Active;
    edit(&mut lease);
    bench.office.book().insert(&lease).unwrap();
    lease.id
}

fn ids(leases: &[Lease]) -> Vec<LeaseId> {
    leases.iter().map(|lease| lease.id).collect()
}

#[test]
fn a_name_made_of_sql_is_only_a_name() {
    let bench = Bench::new();
    let hostile = [
        "' OR 1=1 --",
        "'; DROP TABLE lease; --",
        "\" OR \"\"=\"",
        "%",
        "_",
        "?",
        "?1",
        ":a",
        "\u{0}",
        "ü\\",
        "null",
    ];
    let mut made = Vec::new();
    for (number, name) in (1..).zip(hostile) {
        made.push(put(&bench, number, |lease| {
            lease.owner = name.to_owned();
            lease.grant = Some(name.to_owned());
            lease.template = Some(name.to_owned());
            lease.run = Some(name.to_owned());
        }));
    }
    let book = bench.office.book();
    for (text, id) in hostile.into_iter().zip(&made) {
        let name = Some(text.to_owned());
        for filter in [
            Filter { owner: name.clone(), ..Filter::default() },
            Filter { grant: name.clone(), ..Filter::default() },
            Filter { template: name.clone(), ..Filter::default() },
            Filter { run: name.clone(), ..Filter::default() },
        ] {
            assert_eq!(ids(&book.list(&filter, None, 100).unwrap()), [*id], "{name:?}");
        }
        let page =
            Page { owner: name.clone(), offset: 0, limit: 100, descending: true, include_expired: true };
        let (leases, total) = book.page(&page).unwrap();
        assert_eq!((ids(&leases), total), (vec![*id], 1));
        let names = [text.to_owned()];
        assert_eq!(ids(&book.live_of(&names, &[], 9).unwrap()), [*id]);
        assert_eq!(ids(&book.live_of(&[], &names, 9).unwrap()), [*id]);
    }
}

#[test]
fn filters_hold_together() {
    let bench = Bench::new();
    let one = put(&bench, 1, |lease| lease.run = Some("7".to_owned()));
    let two = put(&bench, 2, |lease| lease.expires_on = bench.at(60));
    put(&bench, 3, |lease| lease.finish(End::Revoked, bench.at(0)));
    let list = |filter: Filter| ids(&bench.office.book().list(&filter, None, 100).unwrap());
    assert_eq!(list(Filter { run: Some("7".to_owned()), ..Filter::default() }), [one]);
    assert_eq!(list(Filter { expiring_before: Some(bench.at(61)), ..Filter::default() }), [two]);
    assert!(list(Filter { expiring_before: Some(bench.at(60)), ..Filter::default() }).is_empty());
    assert_eq!(list(Filter { state: Some(State::Active), ..Filter::default() }), [two, one]);
    let both = Filter { run: Some("7".to_owned()), expiring_before: Some(bench.at(61)), ..Filter::default() };
    assert!(list(both).is_empty());
    assert!(list(Filter { grant: Some("edge".to_owned()), ..Filter::default() }).is_empty());
}

#[test]
fn no_answer_holds_more_than_its_bound() {
    let bench = Bench::new();
    for number in 0..MOST_LIVE + 20 {
        put(&bench, number, |_| {});
    }
    let book = bench.office.book();
    let most = usize::try_from(MOST_LISTED).unwrap();
    assert_eq!(book.list(&Filter::default(), None, u32::MAX).unwrap().len(), most);
    assert!(book.list(&Filter::default(), None, 0).unwrap().is_empty());
    let page = Page { owner: None, offset: 0, limit: u32::MAX, descending: false, include_expired: false };
    let (leases, total) = book.page(&page).unwrap();
    assert_eq!((leases.len(), total), (most, MOST_LIVE + 20));
    let (leases, _) = book.page(&Page { offset: u32::MAX, ..page }).unwrap();
    assert!(leases.is_empty());
    assert_eq!(book.live_of(&[], &[], u32::MAX).unwrap().len(), usize::try_from(MOST_LIVE).unwrap());
    assert_eq!(book.live_of(&[], &[], 3).unwrap().len(), 3);
}

#[test]
fn the_live_leases_of_more_grants_and_owners_than_a_statement_takes_values() {
    let bench = Bench::new();
    let by_grant = put(&bench, 1, |lease| lease.grant = Some("grant-150".to_owned()));
    let by_owner = put(&bench, 2, |lease| lease.owner = "client:150".to_owned());
    let both = put(&bench, 3, |lease| {
        lease.grant = Some("grant-1".to_owned());
        lease.owner = "client:1".to_owned();
    });
    put(&bench, 4, |lease| lease.grant = None);
    put(&bench, 5, |lease| {
        lease.grant = Some("grant-2".to_owned());
        lease.finish(End::Expired, bench.at(0));
    });
    let grants: Vec<String> = (0..200).map(|number| format!("grant-{number}")).collect();
    let owners: Vec<String> = (0..200).map(|number| format!("client:{number}")).collect();
    let book = bench.office.book();
    assert_eq!(ids(&book.live_of(&grants, &owners, 100).unwrap()), [by_grant, by_owner, both]);
    assert_eq!(ids(&book.live_of(&grants, &[], 100).unwrap()), [by_grant, both]);
    assert_eq!(ids(&book.live_of(&[], &owners, 100).unwrap()), [by_owner, both]);
    assert_eq!(book.live_of(&[], &[], 100).unwrap().len(), 4);
}

#[test]
fn a_page_holds_the_tokens_that_are_at_cloudflare() {
    let bench = Bench::new();
    let end = |end: End| move |lease: &mut Lease| lease.finish(end, lease.created);
    let active = put(&bench, 1, |lease| lease.issued_on = Some(bench.at(3)));
    let revoking = put(&bench, 2, |lease| {
        lease.state = State::Revoking;
        lease.issued_on = Some(bench.at(1));
    });
    put(&bench, 3, |lease| {
        lease.state = State::Pending;
        lease.token_id = None;
    });
    put(&bench, 4, end(End::Revoked));
    put(&bench, 5, end(End::FoundDead));
    put(&bench, 6, end(End::NeverCreated));
    let expired = put(&bench, 7, |lease| {
        lease.issued_on = Some(bench.at(2));
        lease.finish(End::Expired, bench.at(9));
    });
    let page = |descending, include_expired| {
        let page = Page { owner: Some(OWNER.to_owned()), offset: 0, limit: 20, descending, include_expired };
        let (leases, total) = bench.office.book().page(&page).unwrap();
        assert_eq!(leases.len(), usize::try_from(total).unwrap());
        ids(&leases)
    };
    assert_eq!(page(false, false), [revoking, active]);
    assert_eq!(page(true, false), [active, revoking]);
    assert_eq!(page(false, true), [revoking, expired, active]);
}

#[test]
fn what_expired_ends_at_its_own_time_and_only_then() {
    let bench = Bench::new();
    let mut made = Vec::new();
    for (number, state) in (1..).zip([State::Active, State::Revoking, State::Stuck, State::Pending]) {
        made.push(put(&bench, number, |lease| {
            lease.state = state;
            lease.token_id = lease.token_id.filter(|_| state != State::Pending);
        }));
    }
    let revoked = put(&bench, 9, |lease| lease.finish(End::Revoked, bench.at(1)));
    let later = put(&bench, 10, |lease| lease.expires_on = bench.at(3601));
    let book = bench.office.book();
    assert_eq!(book.settle_expired(bench.at(3599)).map(|ended| ended.len()), Ok(0));
    assert_eq!(book.settle_expired(bench.at(3600)).map(|ended| ended.len()), Ok(4));
    assert_eq!(book.settle_expired(bench.at(3600)).map(|ended| ended.len()), Ok(0));
    for (id, end) in made.into_iter().zip([End::Expired, End::Expired, End::Expired, End::NeverCreated]) {
        let lease = bench.row(id).unwrap();
        assert_eq!((lease.state, lease.end, lease.ended_on), (State::Ended, Some(end), Some(bench.at(3600))));
        assert_eq!(lease.revision, 1);
    }
    assert_eq!(bench.row(revoked).unwrap().end, Some(End::Revoked));
    assert_eq!(bench.row(later).unwrap().state, State::Active);
}

#[test]
fn a_row_that_cannot_be_read_keeps_no_other_lease_from_ending() {
    let bench = Bench::new();
    let unreadable = put(&bench, 1, |_| {});
    let good = put(&bench, 2, |_| {});
    bench
        .sql
        .run(
            "UPDATE lease SET revision = 1, body = json_set(body, '$.state', 'something_later') WHERE id = ?",
            &[unreadable.as_str().into()],
        )
        .unwrap();
    let book = bench.office.book();
    assert_eq!(book.settle_expired(bench.at(3600)).map(|ended| ended.len()), Ok(1));
    assert_eq!(bench.row(good).unwrap().state, State::Ended);
    assert!(book.find(brevet_core::ledger::book::LeaseKey::Lease(unreadable)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Many leases share a second, and others are made while the list is read: page by page, each
    /// lease that was there comes once and in order.
    #[test]
    fn page_by_page_every_lease_comes_once(
        moments in proptest::collection::vec(0_i64..4, 0..40),
        sizes in proptest::collection::vec(1_u32..7, 40),
    ) {
        let bench = Bench::new();
        let mut expected: Vec<_> = (0..).zip(&moments).map(|(number, moment)| {
            (*moment, put(&bench, number, |lease| lease.created = bench.at(*moment)))
        }).collect();
        expected.sort();
        expected.reverse();
        let (mut found, mut after) = (Vec::new(), None);
        for (number, size) in (1000..).zip(sizes) {
            let leases = bench.office.book().list(&Filter::default(), after, size).unwrap();
            let Some(last) = leases.last() else { break };
            after = Some(After { created: last.created, id: last.id });
            found.extend(ids(&leases));
            put(&bench, number, |lease| lease.created = bench.at(5));
        }
        prop_assert_eq!(found, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());

        let (mut found, mut offset) = (Vec::new(), 0);
        loop {
            let page = Page { owner: Some(OWNER.to_owned()), offset, limit: 5, descending: false, include_expired: false };
            let (leases, total) = bench.office.book().page(&page).unwrap();
            offset += 5;
            found.extend(ids(&leases));
            if leases.is_empty() {
                prop_assert_eq!(found.len(), usize::try_from(total).unwrap());
                break;
            }
        }
        let mut once = found.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), found.len());
    }
}
