//! What a caller's request comes down to, and the one place where that waits.
//!
//! A route reads its request into a task and words the outcome; neither waits. That keeps the one
//! state machine that does small: it is this file's.

use brevet_core::broker::{self, Deed, Done, Fault, Found, Issued, Once, Ports, Said, Session};
use brevet_core::cloudflare::{Parents, TokenOwner};
use brevet_core::ledger::book::{After, Filter, LeaseKey, Page};
use brevet_core::ledger::lease::{AsAsked, Lease};
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};
use brevet_core::policy::{Account, Ask};
use serde_json::Value;

use super::answer::Reply;
use super::deliveries;

/// What is to be done for a caller.
pub(super) enum Task {
    /// Nothing that waits: this is the answer.
    Say(Reply),
    /// Make a token.
    Mint {
        /// What is asked for.
        ask: Box<Ask>,
        /// What the caller wrote.
        asked: AsAsked,
        /// The request, where it may be sent again.
        once: Option<Box<Once>>,
    },
    /// Do something with a lease.
    Act {
        /// In this ledger alone.
        within: Option<TokenOwner>,
        /// Which lease.
        key: LeaseKey,
        /// What.
        deed: Deed,
    },
    /// List leases.
    List {
        /// Which.
        filter: Box<Filter>,
        /// Of this account alone.
        account: Option<String>,
        /// After this place.
        cursor: Option<(String, After)>,
        /// How many.
        limit: u32,
    },
    /// Give a page of one account's tokens.
    Page {
        /// The account.
        account: Box<Account>,
        /// Which page.
        page: Page,
    },
    /// Ask the ledger of one account.
    Ask {
        /// The account.
        account: Box<Account>,
        /// What.
        operation: Box<Operation>,
        /// What is done where that was the receipt of a message that did not come before.
        then: Option<Box<Self>>,
    },
    /// Make the book of one account anew.
    Rebuild {
        /// The account.
        account: Box<Account>,
    },
    /// Ask every ledger the same.
    Everywhere(Box<Operation>),
    /// Ask Cloudflare for its permission groups.
    Groups {
        /// For this account.
        account: Box<Account>,
    },
}

/// What came of a task.
pub(super) enum Outcome {
    /// See [`Task::Say`].
    Said(Reply),
    /// See [`Task::Mint`].
    Minted(Box<Issued>, Box<Account>),
    /// See [`Task::Act`].
    Done(Box<Done>),
    /// See [`Task::List`].
    Listed(Vec<Found>, Option<(String, After)>),
    /// See [`Task::Page`].
    Paged(Vec<Lease>, u32, Page),
    /// See [`Task::Ask`].
    Answered(Box<Account>, Answer),
    /// See [`Task::Rebuild`].
    Rebuilt(Box<Account>, Vec<Lease>),
    /// See [`Task::Everywhere`].
    Everywhere(Box<Operation>, Vec<(Account, Answer)>),
    /// See [`Task::Groups`].
    Groups(Value),
}

/// Does it.
pub(super) async fn perform<P: Ports>(
    ports: &P,
    session: &mut Session,
    mut task: Task,
) -> Result<Outcome, Fault> {
    let mut again = true;
    while let Task::Ask { account, operation, then } = task {
        let receipt = match &*operation {
            Operation::Receive(receipt) if again => Some(receipt.clone()),
            _ => None,
        };
        let replays = matches!(*operation, Operation::Replay { .. });
        let said = session.ask(ports, account.owner(), *operation).await;
        if replays && matches!(said, Err(Fault::Ledger(Refusal::NotFound))) {
            return Err(deliveries::unknown_event());
        }
        let answer = match (said?, receipt) {
            (Said::Answer(answer), _) => answer,
            // The rules moved, and what was heard holds under those too.
            (Said::Again, Some(receipt)) => {
                again = false;
                let operation = Box::new(Operation::Receive(receipt));
                task = Task::Ask { account, operation, then };
                continue;
            }
            (Said::Again, None) => return Err(Fault::Ledger(Refusal::RulesDiffer)),
        };
        match then {
            None => return Ok(Outcome::Answered(account, answer)),
            Some(_) if matches!(answer, Answer::Receipt { fresh: false, .. }) => return Err(Fault::Repeated),
            Some(next) => task = *next,
        }
    }
    Ok(match task {
        Task::Say(reply) => Outcome::Said(reply),
        Task::Mint { ask, asked, once } => {
            let (issued, account) = broker::mint(ports, session, &ask, asked, once.as_deref()).await?;
            Outcome::Minted(Box::new(issued), Box::new(account))
        }
        Task::Act { within, key, deed } => {
            Outcome::Done(Box::new(broker::act(ports, session, within, key, &deed).await?))
        }
        Task::List { filter, account, cursor, limit } => {
            let (found, next) =
                broker::list(ports, session, &filter, account.as_deref(), cursor, limit).await?;
            Outcome::Listed(found, next)
        }
        Task::Page { account, page } => {
            let (leases, total) = broker::page(ports, session, &account, page.clone()).await?;
            Outcome::Paged(leases, total, page)
        }
        Task::Ask { .. } => return Err(Fault::Ledger(Refusal::Protocol)),
        Task::Rebuild { account } => {
            let leases = broker::rebuild(ports, session, &account).await?;
            Outcome::Rebuilt(account, leases)
        }
        Task::Everywhere(operation) => {
            let answers = broker::everywhere(ports, session, &operation).await?;
            Outcome::Everywhere(operation, answers)
        }
        Task::Groups { account } => {
            let parents = Parents {
                parent: account.parent().to_owned(),
                parent_next: account.parent_next().map(str::to_owned),
            };
            Outcome::Groups(
                ports.permission_groups(account.owner(), &parents).await.map_err(Fault::Upstream)?,
            )
        }
    })
}
