//! Nobody sees or touches a lease of somebody else, nor learns that it is there.

use brevet_core::ledger::book::{Filter, LeaseKey, Page};
use brevet_core::ledger::lease::State;
use brevet_core::ledger::protocol::{Answer, Change, Operation, Refusal};

use crate::support::{Bench, Verb, lease_id, parents, renewal, update};

const ALICE: &str = "client:alice";
const BOB: &str = "client:bob";

#[track_caller]
fn listed(answer: Answer) -> (Vec<u8>, Option<u32>) {
    let Answer::Leases { leases, total } = answer else { panic!("{answer:?}") };
    let number = |id| (0..=u8::MAX).find(|number| lease_id(*number) == id).unwrap();
    (leases.into_iter().map(|lease| number(lease.id)).collect(), total)
}

#[test]
fn refuses_every_operation_on_anothers_lease_as_if_there_were_none() {
    let bench = Bench::new();
    let lease = bench.minted(1, ALICE);
    let token = lease.token_id.unwrap();
    let keys = [LeaseKey::Lease(lease.id), LeaseKey::Token(token)];
    for stranger in
        [BOB, "client:alic", "client:alice2", "client:ALICE", "client:alice ", "client:%", "", "oidc:alice"]
    {
        for key in keys {
            bench.refuses(Some(stranger), Operation::Revoke { key, parents: parents() }, Refusal::NotFound);
            for ask_cloudflare in [None, Some(parents())] {
                bench.refuses(Some(stranger), Operation::Read { key, ask_cloudflare }, Refusal::NotFound);
            }
        }
        for change in [Change::Roll, renewal(bench.at(7200)), update(&lease, |wanted| wanted.disabled = true)]
        {
            bench.refuses(Some(stranger), bench.change(&lease, change), Refusal::NotFound);
        }
    }
    // The very answer that a lease which was never there gets.
    bench.refuses(Some(BOB), bench.revoke(lease_id(9)), Refusal::NotFound);
    bench.refuses(Some(BOB), bench.read(lease_id(9)), Refusal::NotFound);
    assert_eq!(bench.cloud.tokens().len(), 1);
}

#[test]
fn refuses_to_write_a_lease_into_anothers_name() {
    let bench = Bench::new();
    bench.refuses(Some(BOB), bench.create(1, ALICE), Refusal::NotFound);
    bench.refuses(Some(""), bench.create(1, ALICE), Refusal::NotFound);
    assert!(bench.cloud.tokens().is_empty());
}

#[test]
fn does_not_say_whether_anothers_lease_has_ended() {
    let bench = Bench::new();
    let lease = bench.minted(1, ALICE);
    bench.ask(Some(ALICE), bench.revoke(lease.id));
    bench.cloud.take_calls();
    bench.refuses(Some(BOB), bench.revoke(lease.id), Refusal::NotFound);
    bench.refuses(Some(BOB), bench.read(lease.id), Refusal::NotFound);
    bench.refuses(Some(BOB), bench.change(&lease, Change::Roll), Refusal::NotFound);
}

#[test]
fn refuses_an_owner_what_only_operators_and_the_installation_do() {
    let bench = Bench::new();
    bench.minted(1, ALICE);
    for operation in [
        Operation::Live { grants: Vec::new(), owners: vec![ALICE.to_owned()], limit: 10 },
        Operation::TakeRules { json: "{}".to_owned() },
        Operation::CheckParents(parents()),
        Operation::Deliveries {
            endpoint: None,
            state: None,
            event: None,
            before: None,
            after: None,
            limit: 10,
        },
        Operation::Replay { endpoint: "siem".to_owned(), seq: 1, mac: String::new() },
        Operation::Resume("siem".to_owned()),
    ] {
        bench.refuses(Some(ALICE), operation, Refusal::NotFound);
    }
}

#[test]
fn an_owners_lists_hold_its_own_whatever_it_asks_for() {
    let bench = Bench::new();
    for (number, owner) in [(1, ALICE), (2, BOB), (3, ALICE), (4, BOB)] {
        bench.minted(number, owner);
        bench.clock.pass(1);
    }
    let list = |owner: Option<&str>, filter: Filter| {
        listed(bench.ask(owner, Operation::List { filter, after: None, limit: 100 })).0
    };
    let of = |owner: &str| Filter { owner: Some(owner.to_owned()), ..Filter::default() };
    assert!(list(Some(ALICE), of(BOB)).is_empty());
    assert!(list(Some("client:%"), Filter::default()).is_empty());
    assert!(list(Some("' OR 1=1 --"), Filter::default()).is_empty());
    assert_eq!(list(Some(ALICE), Filter::default()), [3, 1]);
    assert_eq!(list(Some(ALICE), of(ALICE)), [3, 1]);
    assert_eq!(list(Some(BOB), Filter { state: Some(State::Active), ..Filter::default() }), [4, 2]);
    assert_eq!(list(None, Filter::default()), [4, 3, 2, 1]);
    assert_eq!(list(None, of(BOB)), [4, 2]);

    let page = |owner: Option<&str>, asked: Option<&str>| {
        let asked = asked.map(str::to_owned);
        let page = Page { owner: asked, offset: 0, limit: 20, descending: false, include_expired: true };
        listed(bench.ask(owner, Operation::Page(page)))
    };
    assert_eq!(page(Some(ALICE), Some(BOB)), (vec![1, 3], Some(2)));
    assert_eq!(page(Some(ALICE), None), (vec![1, 3], Some(2)));
    assert_eq!(page(None, None), (vec![1, 2, 3, 4], Some(4)));
    assert_eq!(bench.cloud.take_verbs(), [], "a list comes from the books");
}

#[test]
fn an_operator_revokes_what_others_own() {
    let bench = Bench::new();
    let lease = bench.minted(1, ALICE);
    let answer = bench.ask(None, bench.revoke(lease.id));
    assert!(matches!(&answer, Answer::Lease { lease, .. } if lease.state == State::Ended), "{answer:?}");
    assert_eq!(bench.cloud.take_verbs(), [Verb::Delete]);
}
