//! Making a token.

use crate::broker::fault::Fault;
use crate::broker::ports::Ports;
use crate::broker::session::{Said, Session};
use crate::cloudflare::Parents;
use crate::id::LeaseId;
use crate::ledger::lease::{AsAsked, Lease, State};
use crate::ledger::name::token_name;
use crate::ledger::protocol::{Answer, Operation, Refusal};
use crate::policy::{Account, Ask, Grant};
use crate::secret::Secret;

/// How often a request is decided: once more where the ledger has later rules, and never a third time.
pub(super) const MOST_DECISIONS: usize = 2;

/// A token made or rolled, with its value.
#[derive(Debug)]
pub struct Issued {
    /// The lease.
    pub lease: Box<Lease>,
    /// The value, for the only time.
    pub value: Secret,
    /// What the caller should know of how it was decided, for people.
    pub notes: Vec<String>,
}

/// The secrets with the parent token of an account.
pub(super) fn parents_of(account: &Account) -> Parents {
    Parents { parent: account.parent().to_owned(), parent_next: account.parent_next().map(str::to_owned) }
}

/// Decides what a request would be granted; nothing is made.
///
/// # Errors
/// The rule or guardrail that refuses.
pub fn plan<P: Ports>(ports: &P, session: &Session, ask: &Ask) -> Result<Grant, Fault> {
    session.in_force.policy.decide(&session.caller, ask, ports.now()).map_err(Fault::from)
}

/// Makes a token: decides, then has the ledger write the intent down, create the token, and complete
/// the lease. `asked` is what the caller wrote, to be given back as it was written.
///
/// # Errors
/// The rule or guardrail that refuses, what the books or Cloudflare refuse, [`Fault::NotSetUp`]
/// without a pepper.
pub async fn mint<P: Ports>(
    ports: &P,
    session: &mut Session,
    ask: &Ask,
    asked: AsAsked,
) -> Result<(Issued, Account), Fault> {
    for _ in 0..MOST_DECISIONS {
        let grant = plan(ports, session, ask)?;
        let lease = intent(ports, session, &grant, asked.clone())?;
        let parents = parents_of(grant.account());
        let operation = Operation::Create { lease, parents };
        match session.ask(ports, grant.account().owner(), operation).await? {
            Said::Answer(Answer::Valued { lease, value }) => {
                let notes = grant.notes().iter().map(ToString::to_string).collect();
                return Ok((Issued { lease, value: value.0, notes }, grant.account().clone()));
            }
            Said::Answer(_) => return Err(Fault::Ledger(Refusal::Protocol)),
            Said::Again => {}
        }
    }
    Err(Fault::Ledger(Refusal::RulesDiffer))
}

/// A name as the token would have it at Cloudflare. The id in it is drawn anew for every create.
///
/// # Errors
/// [`Fault::NotSetUp`] without a pepper.
pub fn planned_name<P: Ports>(ports: &P, session: &Session, grant: &Grant) -> Result<String, Fault> {
    intent(ports, session, grant, AsAsked::default()).map(|lease| lease.name)
}

/// The lease as it is written before the token is created.
fn intent<P: Ports>(
    ports: &P,
    session: &Session,
    grant: &Grant,
    asked: AsAsked,
) -> Result<Box<Lease>, Fault> {
    let settings = ports.settings();
    let Some(pepper) = &settings.pepper else {
        return Err(Fault::NotSetUp(settings.pepper_problem.clone().unwrap_or_default()));
    };
    let id = LeaseId::from_random(ports.random());
    let policy = &session.in_force.policy;
    let owner = session.caller.owner();
    Ok(Box::new(Lease {
        id,
        token_id: None,
        name: token_name(pepper, policy.install(), id, grant.grant(), &owner),
        owner,
        caller: session.caller.label().to_owned(),
        grant: grant.grant().map(str::to_owned),
        template: grant.template().map(str::to_owned),
        rule: grant.rule().map(str::to_owned),
        rules_version: session.in_force.mark.version,
        state: State::Pending,
        end: None,
        disabled: false,
        created: ports.now(),
        issued_on: None,
        modified_on: None,
        not_before: grant.not_before(),
        expires_on: grant.expires_on(),
        ended_on: None,
        policies: grant.policies_json(),
        shown_policies: None,
        condition: grant.condition_json(),
        asked,
        escapes_books: grant.marks().escapes_books,
        takeover: grant.takeover_reason().map(str::to_owned),
        run: None,
        revision: 0,
    }))
}
