//! Having a lost ledger make its book anew.

use crate::broker::fault::Fault;
use crate::broker::mint::parents_of;
use crate::broker::ports::Ports;
use crate::broker::session::{Said, Session};
use crate::ledger::lease::Lease;
use crate::ledger::protocol::{Answer, Operation, Refusal};
use crate::policy::Account;

/// Has the ledger of an account take in what lives at Cloudflare and is in no book, in the name of an
/// operator who may change the rules: whose the leases are is decided here as much as there.
///
/// # Errors
/// [`Fault::Power`], and what Cloudflare or the ledger refuse.
pub async fn rebuild<P: Ports>(
    ports: &P,
    session: &mut Session,
    account: &Account,
) -> Result<Vec<Lease>, Fault> {
    if !(session.caller.is_operator() && session.caller.powers().config) {
        return Err(Fault::Power("config"));
    }
    let install = session.in_force.policy.install().to_owned();
    let operation = Operation::Rebuild { install, parents: parents_of(account) };
    match session.ask(ports, account.owner(), operation).await? {
        Said::Answer(Answer::Leases { leases, .. }) => Ok(leases),
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}
