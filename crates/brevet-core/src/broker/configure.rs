//! Reading and replacing the rules.

use serde_json::Value;

use crate::bearer::Bearer;
use crate::broker::difference::{self, Removed};
use crate::broker::fault::{BadRules, Fault, LeftLeases, NoRules};
use crate::broker::in_force;
use crate::broker::mint::parents_of;
use crate::broker::ports::{Ports, Visitor};
use crate::broker::session::Session;
use crate::cloudflare::TokenOwner;
use crate::json::to_text;
use crate::ledger::book::LeaseKey;
use crate::ledger::freeze::Freeze;
use crate::ledger::lease::Lease;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Request};
use crate::policy::{Account, Caller, Policy, authenticate_root};
use crate::rulebook::{Kept, PushRefusal, RulebookAnswer, RulebookRequest, RulesMark};
use crate::rules::{self, Finding, SourceMap};
use crate::sorted::distinct;

/// The most leases that a push with `revoke` ends by itself: each costs a call to Cloudflare, and a
/// request may make 50 on the free plan.
pub(super) const MOST_REVOKED: u32 = 30;

/// What shall happen to live leases that rest on what a push removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Not said: the push is refused if there are any.
    Ask,
    /// They end.
    Revoke,
    /// They run out.
    Keep,
}

/// Rules that were pushed.
#[derive(Debug)]
pub struct Pushed {
    /// Their version.
    pub mark: RulesMark,
    /// The ledgers that do not have them yet.
    pub missing: Vec<String>,
    /// What they warn of.
    pub warnings: Vec<Finding>,
    /// The leases that ended.
    pub revoked: Vec<String>,
}

/// Somebody who may read and replace the rules.
#[derive(Debug)]
pub struct Configurer {
    caller: Caller,
    /// None where no rules are in force: then there is the root operator alone.
    session: Option<Session>,
}

/// Finds out whether the caller may read and replace the rules: an operator with the power, or the
/// root operator where no rules are in force yet.
///
/// # Errors
/// Who may not, and [`Fault::Unreachable`].
pub async fn configurer<P: Ports>(ports: &P, bearer: Bearer, visitor: &Visitor) -> Result<Configurer, Fault> {
    let settings = ports.settings();
    match Session::open(ports, bearer.clone(), visitor).await {
        Ok(session) if session.caller.powers().config => {
            Ok(Configurer { caller: session.caller.clone(), session: Some(session) })
        }
        Ok(_) => Err(Fault::Power("config")),
        // Without usable rules there is the root operator alone. Development elsewhere stays closed.
        Err(fault @ Fault::NoRules(NoRules::DevelopmentElsewhere)) => Err(fault),
        Err(Fault::NoRules(_)) => authenticate_root(&bearer, settings.development, settings.root.as_ref())
            .map(|caller| Configurer { caller, session: None })
            .map_err(Fault::from),
        Err(fault) => Err(fault),
    }
}

/// Asks the register for its versions: one ([`RulebookRequest::Get`]) or the list of them.
///
/// # Errors
/// [`Fault::Unreachable`].
pub async fn versions<P: Ports>(
    ports: &P,
    _: &Configurer,
    request: &RulebookRequest,
) -> Result<Vec<Kept>, Fault> {
    match ports.rulebook(request).await.map_err(Fault::from)? {
        RulebookAnswer::Version(kept) => Ok(kept.into_iter().collect()),
        RulebookAnswer::History(versions) => Ok(versions),
        _ => Err(misunderstood()),
    }
}

/// Looks rules over without putting them in force, and tells the errors and warnings.
///
/// # Errors
/// [`Fault::ExampleRules`].
pub fn lint<P: Ports>(
    ports: &P,
    _: &Configurer,
    rules: &Value,
    places: &SourceMap,
) -> Result<Vec<Finding>, Fault> {
    match compile(ports, rules) {
        Ok((_, findings)) | Err(Unfit::Findings(findings)) => Ok(findings),
        Err(unfit @ Unfit::Example) => Err(unfit.fault(places)),
    }
}

/// Why rules cannot be put in force.
enum Unfit {
    Findings(Vec<Finding>),
    Example,
}

impl Unfit {
    fn fault(self, places: &SourceMap) -> Fault {
        match self {
            Self::Findings(findings) => BadRules { findings, places: places.clone() }.into(),
            Self::Example => Fault::ExampleRules,
        }
    }
}

fn compile<P: Ports>(ports: &P, value: &Value) -> Result<(Policy, Vec<Finding>), Unfit> {
    let document = rules::read(value).map_err(Unfit::Findings)?;
    if !ports.settings().development {
        if rules::is_example(&document) {
            return Err(Unfit::Example);
        }
        let findings = rules::development_only(&document);
        if !findings.is_empty() {
            return Err(Unfit::Findings(findings));
        }
    }
    rules::compile(document).map_err(Unfit::Findings)
}

/// Puts rules in force.
///
/// # Errors
/// Who may not, what is wrong with them, and what live leases rest on.
pub async fn push<P: Ports>(
    ports: &P,
    configurer: &Configurer,
    expected: Option<u64>,
    rules: &Value,
    places: &SourceMap,
    removal: Removal,
) -> Result<Pushed, Fault> {
    let Configurer { caller, session } = configurer;
    let expected = expected.ok_or(Fault::NoIfMatch)?;
    let (policy, warnings) = compile(ports, rules).map_err(|reason| reason.fault(places))?;
    let present = session.as_ref().map(|session| session.in_force.as_ref());
    if let Some(present) = present.filter(|present| present.mark.version != expected) {
        return Err(Fault::RulesMoved { present: present.mark.version });
    }
    // In development the example is in force until the first push, and nothing rests on it.
    let old = present.map(|present| &present.policy);
    let old_rules = present
        .and_then(|present| serde_json::from_slice::<Value>(present.json.as_bytes()).ok())
        .unwrap_or_default();
    let widened = difference::widened(&old_rules, rules);
    if !widened.is_empty() && !caller.is_root() {
        return Err(Fault::NeedsRoot(widened));
    }
    let revoked = match (old, session) {
        (Some(old), Some(session)) => {
            let removed = Removed::between(&old_rules, rules);
            clear(ports, session, old, &policy, &removed, removal).await?
        }
        _ => Vec::new(),
    };
    if let (Some(old), Some(session)) = (old, session) {
        carry_freezes(ports, session, old, &policy).await?;
    }
    let ledgers: Vec<String> = old
        .into_iter()
        .chain([&policy])
        .flat_map(Policy::accounts)
        .map(|account| account.owner().ledger_name())
        .collect();
    let ledgers = distinct(ledgers);
    let source_map = Some(to_text(&places.to_json()));
    let request =
        RulebookRequest::Push { expected, json: to_text(&rules), source_map, ledgers, by: caller.owner() };
    match ports.rulebook(&request).await.map_err(Fault::from)? {
        RulebookAnswer::Pushed { mark, missing } => {
            in_force::take(ports, mark.clone(), to_text(&rules))?;
            Ok(Pushed { mark, missing, warnings, revoked })
        }
        RulebookAnswer::Refused(PushRefusal::Moved { present }) => Err(Fault::RulesMoved { present }),
        _ => Err(misunderstood()),
    }
}

/// Has the ledgers of accounts that are added hold the freezes that all others hold, and no other, before the
/// rules name them.
async fn carry_freezes<P: Ports>(
    ports: &P,
    session: &Session,
    old: &Policy,
    new: &Policy,
) -> Result<(), Fault> {
    let is_old = |account: &&Account| old.account_of(account.owner()).is_some();
    let added: Vec<&Account> = new.accounts().filter(|account| !is_old(account)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let mut hold: Vec<Freeze> = Vec::new();
    for account in old.accounts() {
        for freeze in freezes(ports, session, account.owner()).await? {
            if hold.iter().all(|known| known.id != freeze.id) {
                hold.push(freeze);
            }
        }
    }
    for account in added {
        for stale in freezes(ports, session, account.owner()).await? {
            if hold.iter().all(|known| known.id != stale.id) {
                ask(ports, session, account.owner(), Operation::Lift(stale.id)).await?;
            }
        }
        for freeze in &hold {
            match ask(ports, session, account.owner(), Operation::Freeze(freeze.clone())).await? {
                Answer::Done => {}
                _ => return Err(misunderstood()),
            }
        }
    }
    Ok(())
}

async fn freezes<P: Ports>(ports: &P, session: &Session, owner: TokenOwner) -> Result<Vec<Freeze>, Fault> {
    match ask(ports, session, owner, Operation::Freezes).await? {
        Answer::Freezes(freezes) => Ok(freezes),
        Answer::Refused(refusal) => Err(Fault::Ledger(refusal)),
        _ => Err(misunderstood()),
    }
}

/// Looks at the live leases that rest on what is removed, and ends them where that was asked for.
async fn clear<P: Ports>(
    ports: &P,
    session: &Session,
    old: &Policy,
    new: &Policy,
    removed: &Removed,
    removal: Removal,
) -> Result<Vec<String>, Fault> {
    let gone: Vec<_> = old
        .accounts()
        .filter(|account| !new.accounts().any(|kept| kept.owner() == account.owner()))
        .collect();
    let mut occupied = Vec::new();
    for account in gone {
        if !live(ports, session, account.owner(), &[], &[]).await?.is_empty() {
            occupied.push(account.name().to_owned());
        }
    }
    if !occupied.is_empty() {
        return Err(Fault::AccountHasLeases { accounts: occupied });
    }
    if removed.is_empty() || removal == Removal::Keep {
        return Ok(Vec::new());
    }
    let owners: Vec<String> = removed.clients.iter().map(|name| format!("client:{name}")).collect();
    let mut resting = Vec::new();
    for account in old.accounts() {
        let leases = live(ports, session, account.owner(), &removed.grants, &owners).await?;
        resting.extend(leases.into_iter().map(|lease| (account, lease)));
    }
    let ids = || resting.iter().map(|(_, lease)| lease.id.to_string()).collect::<Vec<_>>();
    if resting.is_empty() {
        return Ok(Vec::new());
    }
    let most = usize::try_from(MOST_REVOKED).unwrap_or(usize::MAX);
    if removal == Removal::Ask || resting.len() > most {
        return Err(LeftLeases { removed: removed.words(), leases: ids() }.into());
    }
    for (account, lease) in &resting {
        let operation = Operation::Revoke { key: LeaseKey::Lease(lease.id), parents: parents_of(account) };
        match ask(ports, session, account.owner(), operation).await? {
            Answer::Failed(failure) => return Err(Fault::Upstream(failure)),
            Answer::Lease { .. } | Answer::Refused(_) => {}
            _ => return Err(misunderstood()),
        }
    }
    Ok(ids())
}

async fn live<P: Ports>(
    ports: &P,
    session: &Session,
    owner: TokenOwner,
    grants: &[String],
    owners: &[String],
) -> Result<Vec<Lease>, Fault> {
    let operation =
        Operation::Live { grants: grants.to_vec(), owners: owners.to_vec(), limit: MOST_REVOKED + 1 };
    match ask(ports, session, owner, operation).await? {
        Answer::Leases { leases, .. } => Ok(leases),
        Answer::Refused(refusal) => Err(Fault::Ledger(refusal)),
        _ => Err(misunderstood()),
    }
}

async fn ask<P: Ports>(
    ports: &P,
    session: &Session,
    owner: TokenOwner,
    operation: Operation,
) -> Result<Answer, Fault> {
    let request = Request {
        protocol: PROTOCOL,
        rules: session.in_force.mark.clone(),
        owner: None,
        by: Some(session.caller.owner()),
        operation,
    };
    ports.ledger(owner, &request).await.map(|told| told.answer).map_err(Fault::from)
}

fn misunderstood() -> Fault {
    Fault::from(crate::broker::Unreachable {
        part: "register of rules",
        reason: "it gave an answer to another question".to_owned(),
    })
}
