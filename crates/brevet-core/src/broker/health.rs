//! Whether the installation can do its work.

use crate::broker::fault::Fault;
use crate::broker::in_force::{self, InForce};
use crate::broker::mint::parents_of;
use crate::broker::ports::{Ports, Visitor};
use crate::cloudflare::TokenOwner;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, ParentHealth, Request, Told};

/// What is known of one account's parent token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountHealth {
    /// The account's name in the rules.
    pub account: String,
    /// The last check; none where none was made or the ledger cannot be asked.
    pub parent: Option<ParentHealth>,
}

fn question(in_force: &InForce, operation: Operation) -> Request {
    Request { protocol: PROTOCOL, rules: in_force.mark.clone(), owner: None, by: None, operation }
}

async fn health_of<P: Ports>(ports: &P, owner: TokenOwner, request: &Request) -> Option<ParentHealth> {
    match ports.ledger(owner, request).await {
        Ok(Told { answer: Answer::Health(health), .. }) => health,
        _ => None,
    }
}

/// What is known of every account's parent token. Cloudflare is not asked.
///
/// # Errors
/// [`Fault::NoRules`] where there are no rules.
pub async fn readiness<P: Ports>(ports: &P, visitor: &Visitor) -> Result<Vec<AccountHealth>, Fault> {
    let in_force = in_force::load(ports, visitor).await?;
    let mut accounts = Vec::new();
    for account in in_force.policy.accounts() {
        let parent = health_of(ports, account.owner(), &question(&in_force, Operation::Health)).await;
        accounts.push(AccountHealth { account: account.name().to_owned(), parent });
    }
    Ok(accounts)
}

/// Has every ledger ask Cloudflare whether its parent token lives, and then look its tokens over.
///
/// # Errors
/// [`Fault::NoRules`] where there are no rules.
pub async fn check_parents<P: Ports>(ports: &P) -> Result<Vec<AccountHealth>, Fault> {
    // The cron event comes from the runtime, not from a host.
    let in_force = in_force::load(ports, &Visitor { address: None, loopback: true }).await?;
    let mut accounts = Vec::new();
    for account in in_force.policy.accounts() {
        let operation = Operation::CheckParents(parents_of(account));
        let parent = health_of(ports, account.owner(), &question(&in_force, operation)).await;
        accounts.push(AccountHealth { account: account.name().to_owned(), parent });
        // It is done by the ledger's alarm; nobody waits for it, and the next tick asks again.
        let tend = Operation::Tend { install: in_force.policy.install().to_owned() };
        let told = ports.ledger(account.owner(), &question(&in_force, tend)).await;
        // A push reaches every ledger; this is for one that was lost, or that no push was for. What is not
        // pushed, as the example in development, is nobody's rules of record.
        if let Ok(Told { answer: Answer::RulesOlder, .. }) = told
            && in_force.mark.version > 0
        {
            let take = Operation::TakeRules { json: in_force.json.clone() };
            drop(ports.ledger(account.owner(), &question(&in_force, take)).await);
        }
    }
    Ok(accounts)
}
