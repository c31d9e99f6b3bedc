//! What the journal gets to know of refusals.
//!
//! Most refusals are decided before any ledger is asked. So each costs a call of its own, which a flood could be
//! made of: a ledger writes a known caller's refusals out up to a bound, and strangers are counted here
//! and told once a minute. Whatever becomes of the telling, the refusal stands.

use crate::broker::fault::Fault;
use crate::broker::in_force::{self, InForce};
use crate::broker::ports::{Ports, Visitor};
use crate::broker::session::Session;
use crate::cloudflare::{FailureKind, TokenOwner};
use crate::ledger::protocol::{Operation, PROTOCOL, Refusal, Refused, Request};
use crate::policy::Caller;
use crate::sorted::SortedMap;
use crate::time::{Seconds, Timestamp};

/// How often an instance tells of strangers.
pub const TELL_OF_STRANGERS: Seconds = Seconds::of(60);

/// The reasons that are counted apart. There are fewer, but for pins and clients; more at once share one count.
const MOST_REASONS: usize = 48;

/// What they share.
const OTHERS: &str = "others";

/// Those who came without a credential that is good, since they were last told of.
#[derive(Debug, Default)]
pub(super) struct Counted {
    told: Option<Timestamp>,
    counts: SortedMap<String, u32>,
}

/// The journal that tells what concerns no account alone: the first account's.
pub(super) fn home(in_force: &InForce) -> Option<TokenOwner> {
    in_force.policy.accounts().next().map(crate::policy::Account::owner)
}

async fn tell<P: Ports>(
    ports: &P,
    in_force: &InForce,
    by: Option<String>,
    to: Option<TokenOwner>,
    operation: Operation,
) {
    let Some(ledger) = to.or_else(|| home(in_force)) else { return };
    let request = Request { protocol: PROTOCOL, rules: in_force.mark.clone(), owner: None, by, operation };
    drop(ports.ledger(ledger, &request).await);
}

/// Tells the journal that a known caller was refused by the rules, a freeze or a limit, or came with a credential that had
/// made its token: whoever holds a copy of it is seen by that.
pub async fn tell_of_refusal<P: Ports>(ports: &P, session: &Session, fault: &Fault) {
    let decided = match fault {
        Fault::Denied(_) | Fault::Power(_) | Fault::Frozen(_) | Fault::Ledger(Refusal::Used) => true,
        Fault::Upstream(failure) => matches!(failure.kind, FailureKind::Quota | FailureKind::RateLimited),
        _ => false,
    };
    if !decided {
        return;
    }
    let face = fault.face();
    let refused = Refused {
        kind: face.kind.to_owned(),
        detail: face.detail,
        grant: None,
        rule: face.pointer,
        rules_version: session.in_force.mark.version,
        evidence: match &session.caller {
            Caller::Workload(workload) => Some(session.in_force.policy.evidence(workload)),
            Caller::Operator { .. } | Caller::Client { .. } | Caller::Hook { .. } => None,
        },
    };
    let by = Some(session.caller.owner());
    tell(ports, &session.in_force, by, session.asked, Operation::Refused(refused)).await;
}

/// Counts somebody whose credential is not good, and tells the journal of all such once a minute.
pub async fn tell_of_stranger<P: Ports>(ports: &P, visitor: &Visitor, fault: &Fault) {
    let reason = match fault {
        Fault::Auth(reason) => reason.to_string(),
        Fault::Bearer(_) => fault.face().kind.to_owned(),
        Fault::Identity(fault) => format!("invalid-identity: {}", fault.cause()),
        Fault::Unsigned => "no hook of this name has this signature".to_owned(),
        _ => return,
    };
    let now = ports.now();
    let counts = {
        let mut counted = ports.memory().strangers.borrow_mut();
        let known = counted.counts.len() < MOST_REASONS || counted.counts.contains_key(&reason);
        let reason = if known { reason } else { OTHERS.to_owned() };
        if let Some(count) = counted.counts.get_mut(&reason) {
            *count = count.saturating_add(1);
        } else {
            counted.counts.insert(reason, 1);
        }
        let soon = counted.told.is_some_and(|told| now.since(told) < i64::from(TELL_OF_STRANGERS.get()));
        if soon {
            return;
        }
        counted.told = Some(now);
        std::mem::take(&mut counted.counts)
    };
    let Ok(in_force) = in_force::load(ports, visitor).await else { return };
    let strangers = counts
        .iter()
        .map(|(reason, count)| crate::ledger::protocol::Strangers { reason: reason.clone(), count: *count })
        .collect();
    tell(ports, &in_force, None, None, Operation::Strangers(strangers)).await;
}
