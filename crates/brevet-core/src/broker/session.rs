//! A request whose caller is known, under the rules in force.

use std::rc::Rc;

use crate::bearer::Bearer;
use crate::broker::fault::Fault;
use crate::broker::identity;
use crate::broker::in_force::{self, InForce};
use crate::broker::ports::{Ports, Visitor};
use crate::cloudflare::{Allowance, FailureKind, TokenOwner};
use crate::ledger::protocol::{Answer, ONE_USE_PROTOCOL, Operation, PROTOCOL, Refusal, Request};
use crate::oidc::SignedJwt;
use crate::policy::{Caller, Presented};
use crate::rulebook::RulesMark;

/// A caller under the rules in force.
#[derive(Debug)]
pub struct Session {
    /// The rules.
    pub in_force: Rc<InForce>,
    /// Who calls.
    pub caller: Caller,
    /// What the parent token has left, of the ledgers asked the one that has least.
    pub allowance: Option<Allowance>,
    /// For how many seconds more Cloudflare blocks the calls of a ledger that was asked; the longest.
    pub blocked: Option<u32>,
    /// The ledger that was asked last.
    pub asked: Option<TokenOwner>,
    /// What it showed; none where it is a hook, whose message was checked.
    bearer: Option<Bearer>,
    /// The bearer's signed token, where it is one.
    signed: Option<Box<SignedJwt>>,
    address: Option<std::net::IpAddr>,
}

/// What a ledger said to an operation.
#[derive(Debug)]
pub enum Said {
    /// An answer.
    Answer(Answer),
    /// Decide again: the session is under later rules now.
    Again,
}

impl Session {
    /// Finds out who calls.
    ///
    /// # Errors
    /// [`Fault::NoRules`], or [`Fault::Auth`] whatever is wrong with the credential.
    pub async fn open<P: Ports>(ports: &P, bearer: Bearer, visitor: &Visitor) -> Result<Self, Fault> {
        let in_force = in_force::load(ports, visitor).await?;
        let address = visitor.address;
        let signed = match &bearer {
            Bearer::Jwt(token) => Some(Box::new(identity::signed(ports, &in_force, token).await?)),
            _ => None,
        };
        let caller = authenticate(ports, &in_force, &bearer, signed.as_deref(), address)?;
        let bearer = Some(bearer);
        Ok(Self { signed, in_force, caller, allowance: None, blocked: None, asked: None, bearer, address })
    }

    /// The session of a hook whose message was checked under these rules.
    pub(super) fn of_hook(in_force: Rc<InForce>, name: String) -> Self {
        Self {
            in_force,
            caller: Caller::Hook { name },
            allowance: None,
            blocked: None,
            asked: None,
            bearer: None,
            signed: None,
            address: None,
        }
    }

    /// Goes on under rules that a ledger says are in force: the caller must be one under them too.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn move_to<P: Ports>(&mut self, ports: &P, mark: RulesMark, json: String) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.in_force, in_force::take(ports, mark, json)?);
        let now = &self.in_force.policy;
        match (&self.bearer, &self.caller) {
            (Some(bearer), _) => {
                self.caller =
                    authenticate(ports, &self.in_force, bearer, self.signed.as_deref(), self.address)?;
            }
            // What was read of the message holds while its hook says the same.
            (None, Caller::Hook { name }) if now.hook(name) == before.policy.hook(name) => {}
            (None, _) => return Err(Fault::Ledger(Refusal::RulesDiffer)),
        }
        Ok(())
    }

    /// Whose leases the caller may touch; all of them where there is none.
    pub fn owner(&self) -> Option<String> {
        (!self.caller.is_operator()).then(|| self.caller.owner())
    }

    /// Asks a ledger in the caller's name.
    ///
    /// # Errors
    /// What the books or Cloudflare refuse, and [`Fault::Unreachable`].
    pub async fn ask<P: Ports>(
        &mut self,
        ports: &P,
        ledger: TokenOwner,
        operation: Operation,
    ) -> Result<Said, Fault> {
        let creates = matches!(operation, Operation::Create { .. });
        let uses_up = matches!(operation, Operation::Create { one_use: Some(_), .. });
        let request = Request {
            protocol: if uses_up { ONE_USE_PROTOCOL } else { PROTOCOL },
            rules: self.in_force.mark.clone(),
            owner: self.owner(),
            by: Some(self.caller.owner()),
            operation,
        };
        self.asked = Some(ledger);
        let told = ports.ledger(ledger, &request).await.map_err(Fault::from)?;
        // Where several ledgers are asked, what counts is the one that has least left.
        let least = self.allowance.into_iter().chain(told.allowance).min_by_key(|allowance| allowance.left);
        self.allowance = least;
        self.blocked = self.blocked.max(told.allowance.and_then(|allowance| allowance.blocked));
        match told.answer {
            Answer::RulesNewer { mark, json } => {
                self.move_to(ports, mark, json)?;
                Ok(Said::Again)
            }
            Answer::Refused(Refusal::RulesDiffer) => {
                in_force::forget(ports);
                Err(Fault::Ledger(Refusal::RulesDiffer))
            }
            Answer::Frozen(freeze) => Err(Fault::Frozen(freeze)),
            Answer::Refused(refusal) => Err(Fault::Ledger(refusal)),
            Answer::Failed(failure) if creates && failure.kind == FailureKind::Uncertain => {
                Err(Fault::OutcomeUnknown { failure, keyed: false })
            }
            Answer::Failed(failure) => Err(Fault::Upstream(failure)),
            answer => Ok(Said::Answer(answer)),
        }
    }
}

fn authenticate<P: Ports>(
    ports: &P,
    in_force: &InForce,
    bearer: &Bearer,
    signed: Option<&SignedJwt>,
    address: Option<std::net::IpAddr>,
) -> Result<Caller, Fault> {
    if let Some(signed) = signed {
        return identity::workload(ports, in_force, signed);
    }
    let settings = ports.settings();
    let presented = Presented { address, now: ports.now(), development: settings.development };
    in_force.policy.authenticate(bearer, &presented, settings.root.as_ref()).map_err(Fault::from)
}
