//! `/v1/deliveries`: what endpoints were told and what could not be delivered; replaying and resuming.

use brevet_core::announce::EventId;
use brevet_core::broker::{Fault, RequestError, Session};
use brevet_core::json::{List, Object};
use brevet_core::ledger::delivery::{DeliveryState, MOST_DELIVERIES};
use brevet_core::ledger::protocol::{Answer, Operation};
use brevet_core::policy::Account;
use serde_json::Value;

use super::answer::{Reply, of_json, of_text};
use super::shape;
use super::task::Task;
use super::{Inbound, audit, nothing_else};

/// How many deliveries a page holds where nothing else is asked.
const PAGE: u32 = 50;

/// What of the deliveries a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deliveries<'a> {
    /// `/v1/deliveries`.
    All,
    /// `/v1/deliveries/{id}/replay`.
    Replay(&'a str),
    /// `/v1/deliveries/resume`.
    Resume,
}

/// What is asked of one ledger or of all.
pub(super) fn order(session: &Session, inbound: &Inbound, what: Deliveries<'_>) -> Result<Task, Fault> {
    match what {
        Deliveries::All => list(session, inbound),
        Deliveries::Replay(id) => {
            nothing_else(&inbound.object_or_none()?, "no members at all")?;
            may_configure(session)?;
            let id = EventId::read(id).ok_or_else(unknown_event)?;
            let account = session.in_force.policy.account_of(id.ledger).ok_or_else(unknown_event)?;
            let operation = Operation::Replay { endpoint: id.endpoint, seq: id.seq, mac: id.mac };
            Ok(Task::Ask { account: Box::new(account.clone()), operation: Box::new(operation), then: None })
        }
        Deliveries::Resume => {
            may_configure(session)?;
            let mut body = inbound.object()?;
            let Some(Value::String(endpoint)) = body.remove("endpoint") else {
                return Err(Fault::from(RequestError::Member(
                    "/endpoint",
                    "the name of an endpoint of the rules",
                )));
            };
            nothing_else(&body, "endpoint")?;
            Ok(Task::Everywhere(Box::new(Operation::Resume(endpoint))))
        }
    }
}

fn may_configure(session: &Session) -> Result<(), Fault> {
    let may = session.caller.is_operator() && session.caller.powers().config;
    if may { Ok(()) } else { Err(Fault::Power("config")) }
}

/// There is no such event in the journal of an account of the rules.
pub(super) fn unknown_event() -> Fault {
    Fault::from(RequestError::Id("the id of an event that is in the journal, as its receiver got it"))
}

fn list(session: &Session, inbound: &Inbound) -> Result<Task, Fault> {
    inbound.refuse_other_parameters(
        &["account", "endpoint", "state", "event", "cursor", "limit"],
        "account, endpoint, state, event, cursor and limit",
    )?;
    if !(session.caller.is_operator() && session.caller.powers().read) {
        return Err(Fault::Power("read"));
    }
    let text = |name: &str| inbound.parameter(name).filter(|value| !value.is_empty());
    let wrong = |name, wanted| Fault::from(RequestError::Query(name, wanted));
    let account = audit::account(session, inbound)?;
    let state = text("state")
        .map(|word| DeliveryState::from_word(&word).ok_or(wrong("state", "waiting, dead or delivered")));
    let cursor = text("cursor").map(|cursor| {
        let parts = cursor.split_once('.').and_then(|(seq, endpoint)| Some((seq.parse().ok()?, endpoint)));
        let parts = parts.map(|(seq, endpoint): (u64, &str)| (seq, endpoint.to_owned()));
        parts.ok_or(wrong("cursor", "the next_cursor of the page before"))
    });
    let (before, after) = cursor.transpose()?.unzip();
    let limit = text("limit").map_or(Ok(PAGE), |limit| {
        let limit = limit.parse().ok().filter(|limit| (1..=MOST_DELIVERIES).contains(limit));
        limit.ok_or(wrong("limit", "a number from 1 to 100"))
    })?;
    let operation = Operation::Deliveries {
        endpoint: text("endpoint"),
        state: state.transpose()?,
        event: text("event"),
        before,
        after,
        limit,
    };
    Ok(Task::Ask { account: Box::new(account.clone()), operation: Box::new(operation), then: None })
}

/// The answer to the list: the members that the ledger gave, and the account.
pub(super) fn listed(account: &Account, members: &str) -> Reply {
    let mut told = Object::new();
    told.put("account", &shape::account(account));
    let mut body = told.finish();
    // Both are objects with members.
    body.pop();
    body.push(',');
    body.push_str(members.get(1..).unwrap_or_default());
    of_text(200, body)
}

/// The answer to a replay: it is on its way.
pub(super) fn replayed(what: Deliveries<'_>) -> Reply {
    let id = if let Deliveries::Replay(id) = what { id } else { "" };
    let mut told = Object::saying("id", id);
    told.text("state", DeliveryState::Waiting.as_str());
    of_json(202, told)
}

/// The answer to a resumption.
pub(super) fn resumed(endpoint: &str, answers: &[(Account, Answer)]) -> Result<Reply, Fault> {
    let mut accounts = List::new();
    let mut any = false;
    for (account, _) in answers.iter().filter(|(_, answer)| matches!(answer, Answer::Done)) {
        accounts.push(account.name());
        any = true;
    }
    if !any {
        return Err(Fault::from(RequestError::Member(
            "/endpoint",
            "the name of an endpoint of the rules that is enabled",
        )));
    }
    let mut told = Object::saying("endpoint", endpoint);
    told.put("resumed", &accounts);
    Ok(of_json(200, told))
}
