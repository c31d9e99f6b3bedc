//! Ending a lease by its token's value (RFC 7009): whoever holds the value may give it up, and needs nothing else.
//!
//! No value and no hash of one is in the books. Cloudflare says which token a value is of, and the ledger
//! whether that token is in the books: so nothing is kept for this, and nobody ends what is in no book.

use crate::broker::fault::{Fault, RequestError};
use crate::broker::in_force;
use crate::broker::mint::parents_of;
use crate::broker::ports::{Ports, Visitor};
use crate::broker::verify::{Where, verify};
use crate::cloudflare::FailureKind;
use crate::ledger::book::LeaseKey;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Refusal, Request};
use crate::secret::Secret;

/// At most this many calls to Cloudflare to find out whose token a value is. Rules with more accounts need the
/// account named.
pub const MOST_ASKED: usize = 16;

/// Whoever holds a value, as the journal has it.
pub const HOLDER: &str = "holder";

/// Ends the lease whose token has this value. Where there is none it does nothing: RFC 7009 does not tell the two
/// apart, and the caller could do nothing about it. With `account` (a name or an id) that one alone is asked.
///
/// # Errors
/// [`Fault::TooOften`] for the address, [`Fault::Upstream`] and [`Fault::Unreachable`] where the value may live on,
/// [`Fault::Request`] where the account is unknown or must be named, or the token works from some addresses only.
pub async fn surrender<P: Ports>(
    ports: &P,
    visitor: &Visitor,
    value: Secret,
    account: Option<&str>,
) -> Result<(), Fault> {
    let in_force = in_force::load(ports, visitor).await?;
    let place = match account {
        None => Where::Anywhere(MOST_ASKED),
        Some(name) => {
            let account = in_force.policy.account(name);
            Where::At(account.ok_or(Fault::from(RequestError::UnknownAccount))?.owner())
        }
    };
    // Never by a remembered answer: a value that was rolled away gives no right to its successor.
    let validity = match verify(ports, &in_force, visitor, value, place, true).await {
        Err(Fault::Request(error)) if *error == RequestError::NotACloudflareToken => return Ok(()),
        // Its condition keeps Brevet's own address out, so nobody can say whose it is.
        Err(Fault::Upstream(failure)) if failure.kind == FailureKind::IpCondition => {
            return Err(Fault::from(RequestError::BoundToAddresses));
        }
        validity => validity?,
    };
    let account = validity.at.and_then(|at| in_force.policy.account_of(at));
    let (Some(account), Some(token)) = (account, validity.id) else { return Ok(()) };
    let request = Request {
        protocol: PROTOCOL,
        rules: in_force.mark.clone(),
        owner: None,
        by: Some(HOLDER.to_owned()),
        operation: Operation::Revoke { key: LeaseKey::Token(token), parents: parents_of(account) },
    };
    match ports.ledger(account.owner(), &request).await.map_err(Fault::from)?.answer {
        Answer::Lease { .. } | Answer::Refused(Refusal::NotFound | Refusal::Ended) => {
            ports.memory().forget_token(token);
            Ok(())
        }
        Answer::Refused(refusal) => Err(Fault::Ledger(refusal)),
        Answer::Failed(failure) => Err(Fault::Upstream(failure)),
        _ => Err(Fault::Ledger(Refusal::Protocol)),
    }
}
