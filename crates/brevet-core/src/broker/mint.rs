//! Making a token.

use crate::broker::fault::Fault;
use crate::broker::ports::Ports;
use crate::broker::session::{Said, Session};
use crate::cloudflare::Parents;
use crate::hex;
use crate::id::LeaseId;
use crate::ledger::claim::{Claim, OneUse};
use crate::ledger::lease::{AsAsked, Lease, State};
use crate::ledger::name::{Pepper, token_name};
use crate::ledger::protocol::{Answer, Operation, Refusal};
use crate::policy::{Account, Ask, Caller, Grant};
use crate::secret::Secret;

/// How often a request is decided: once more where the ledger has later rules, and never a third time.
pub(super) const MOST_DECISIONS: usize = 2;

/// A request to make a token that may be sent again.
#[derive(Debug)]
pub struct Once {
    /// The route it came by: the same key on another route is another.
    pub route: &'static str,
    /// The caller's key, 1 to 255 visible characters.
    pub key: String,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Once {
    fn claim(&self, pepper: &Pepper, owner: &str) -> Claim {
        let (route, key) = (self.route.as_bytes(), self.key.as_bytes());
        Claim {
            key: hex::encode(
                &pepper.keyed_hash("brevet idempotency key v1", &[owner.as_bytes(), route, key]),
            ),
            body: hex::encode(&pepper.keyed_hash("brevet idempotency body v1", &[&self.body])),
        }
    }
}

/// A token made or rolled, with its value.
#[derive(Debug)]
pub struct Issued {
    /// The lease.
    pub lease: Box<Lease>,
    /// The value, for the only time; none where the request came too late to get one again.
    pub value: Option<Secret>,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
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
    once: Option<&Once>,
) -> Result<(Issued, Account), Fault> {
    for _ in 0..MOST_DECISIONS {
        let grant = plan(ports, session, ask)?;
        let lease = intent(ports, session, &grant, asked.clone())?;
        let id = lease.id;
        let parents = parents_of(grant.account());
        let owner = session.caller.owner();
        let claim =
            once.zip(ports.settings().pepper.as_ref()).map(|(once, pepper)| once.claim(pepper, &owner));
        let operation = Operation::Create { lease, parents, claim, one_use: one_use(ports, session) };
        let said = session.ask(ports, grant.account().owner(), operation).await;
        let (lease, value) = match said.map_err(|fault| repeatable(fault, once.is_some()))? {
            Said::Answer(Answer::Valued { lease, value }) => (lease, Some(value.0)),
            Said::Answer(Answer::Lease { lease, .. }) if once.is_some() => (lease, None),
            Said::Answer(_) => return Err(Fault::Ledger(Refusal::Protocol)),
            Said::Again => continue,
        };
        let notes = grant.notes().iter().map(ToString::to_string).collect();
        let replayed = lease.id != id;
        return Ok((Issued { lease, value, replayed, notes }, grant.account().clone()));
    }
    Err(Fault::Ledger(Refusal::RulesDiffer))
}

/// A workload's token makes one token.
fn one_use<P: Ports>(ports: &P, session: &Session) -> Option<OneUse> {
    let Caller::Workload(workload) = &session.caller else { return None };
    let identity = workload.identity();
    let parts = [identity.issuer().as_bytes(), identity.once().as_bytes()].map(<[u8]>::to_vec);
    let [issuer, once] = &parts;
    let hash = ports.settings().pepper.as_ref()?.keyed_hash("brevet one use v1", &[issuer, once]);
    Some(OneUse { key: hex::encode(&hash), until: identity.until() })
}

/// With a key, a create whose outcome is unknown may be sent again.
fn repeatable(fault: Fault, keyed: bool) -> Fault {
    match fault {
        Fault::OutcomeUnknown { failure, .. } => Fault::OutcomeUnknown { failure, keyed },
        fault => fault,
    }
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
        run: session.caller.run().map(str::to_owned),
        claims: session.caller.claims(&policy.kept_claims),
        revision: 0,
    }))
}
