//! The kill switch, over all ledgers: freeze, lift, revoke many leases, and see how far that is.

use crate::broker::fault::Fault;
use crate::broker::ports::{Ports, Unreachable};
use crate::broker::session::{Said, Session};
use crate::id::LeaseId;
use crate::ledger::freeze::{By, Freeze, Selection};
use crate::ledger::protocol::{Answer, Operation, Refusal};
use crate::policy::Account;
use crate::time::Seconds;

/// A wish to stop something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What.
    pub selection: Selection,
    /// Why, for those who meet it.
    pub reason: String,
    /// For how long; until it is lifted where that is not said.
    pub span: Option<Seconds>,
}

impl Stop {
    /// The freeze that this makes.
    pub fn freeze<P: Ports>(self, ports: &P, session: &Session) -> Freeze {
        let since = ports.now();
        Freeze {
            id: LeaseId::from_random(ports.random()),
            selection: self.selection,
            reason: self.reason,
            by: session.caller.label().to_owned(),
            since,
            until: self.span.map(|span| since.plus(span)),
        }
    }

    /// The order to revoke everything of it, after a freeze where that is wished.
    pub fn revoke<P: Ports>(self, ports: &P, session: &Session, freezes: bool) -> Operation {
        let job = LeaseId::from_random(ports.random());
        let selection = self.selection.clone();
        // A run is over when it is revoked; nothing can come after it.
        let freeze = (freezes && selection.by != By::Run).then(|| self.freeze(ports, session));
        Operation::RevokeMany { job, selection, freeze }
    }
}

/// Asks every ledger the same in the name of an operator who may revoke (or, to send to an endpoint again, change the rules), also when some of them do not
/// answer: whoever stops something wants it stopped wherever it can be. A ledger that has nothing of the
/// kind says so with [`Refusal::NotFound`].
///
/// # Errors
/// [`Fault::Power`], and [`Fault::PartlyDone`] where a ledger did not answer.
pub async fn everywhere<P: Ports>(
    ports: &P,
    session: &mut Session,
    operation: &Operation,
) -> Result<Vec<(Account, Answer)>, Fault> {
    let powers = session.caller.powers();
    let (may, power) = match operation {
        Operation::Resume(_) => (powers.config, "config"),
        _ => (powers.revoke, "revoke"),
    };
    if !(session.caller.is_operator() && may) {
        return Err(Fault::Power(power));
    }
    let accounts: Vec<Account> = session.in_force.policy.accounts().cloned().collect();
    let mut answers = Vec::new();
    let mut missed = Vec::new();
    for account in accounts {
        match session.ask(ports, account.owner(), operation.clone()).await {
            Ok(Said::Answer(answer)) => answers.push((account, answer)),
            Err(Fault::Ledger(Refusal::NotFound)) => {
                answers.push((account, Answer::Refused(Refusal::NotFound)));
            }
            Ok(Said::Again) | Err(_) => missed.push(account.name().to_owned()),
        }
    }
    if missed.is_empty() {
        return Ok(answers);
    }
    ports.log(&Unreachable { part: "ledger", reason: missed.join(", ") }.event("not_stopped"));
    Err(Fault::PartlyDone(missed))
}
