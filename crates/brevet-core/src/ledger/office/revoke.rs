//! Revoking a lease. Of all that is done to a lease this comes first: it is never refused because of
//! something less urgent.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents};
use crate::ledger::book::LeaseKey;
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::office::create::Search;
use crate::ledger::office::{Clock, Hand, Hold};
use crate::ledger::protocol::{Answer, Refusal};
use crate::ledger::sql::{Sql, SqlError};
use crate::time::Seconds;

/// So long after the intent, a create whose answer was lost has either been carried out or never will
/// be: many times what a call may take, and what Cloudflare takes to show its outcome everywhere.
pub(super) const CREATE_SETTLES: Seconds = Seconds::of(15 * 60);

/// How soon an unsettled create is worth another look, in seconds.
pub(super) const LOOK_AGAIN: u32 = 60;

/// What became of a create without an outcome.
pub(super) enum Settled {
    /// Nothing of it is left at Cloudflare.
    Ended(Box<Lease>),
    /// There is no token yet; there may be one.
    Open,
    /// Cloudflare could not be asked.
    Failed(Failure),
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    pub(super) async fn revoke(
        &self,
        owner: Option<&str>,
        key: LeaseKey,
        parents: &Parents,
    ) -> Result<Answer, SqlError> {
        let Some(mut lease) = self.owned(owner, key)? else { return Ok(Answer::Refused(Refusal::NotFound)) };
        if lease.state == State::Ended {
            return Ok(Answer::Refused(Refusal::Ended));
        }
        let Some(token) = lease.token_id else { return self.revoke_unsettled(lease, parents).await };
        // Work under way on the lease is overtaken; it looks again when it is done.
        if lease.state == State::Active {
            lease = self.amend_known(lease, &|lease, _| lease.state = State::Revoking)?;
        }
        match self.cloudflare.delete(self.owner, parents, token).await {
            Ok(()) => Ok(Answer::Lease { lease: self.finish(lease, End::Revoked)?, view: None }),
            // The lease stays `revoking`, and the alarm goes on.
            Err(failure) => Ok(Answer::Failed(failure)),
        }
    }

    /// Revokes a lease whose token is not known: its create is under way, or its answer was lost.
    async fn revoke_unsettled(&self, lease: Box<Lease>, parents: &Parents) -> Result<Answer, SqlError> {
        self.wish_gone(lease.id)?;
        let lease = self.present(lease.id)?;
        // A create under way deletes its token when it finds the wish.
        let Some(_hold) = Hold::take(&self.busy, lease.id) else { return Ok(Answer::Refused(Refusal::Busy)) };
        Ok(match self.settle_create(&lease, parents).await? {
            Settled::Ended(lease) => Answer::Lease { lease, view: None },
            Settled::Open => {
                let mut failure = Failure::new(
                    FailureKind::Uncertain,
                    "Whether Cloudflare made this token is not known yet; none of its name is there."
                        .to_owned(),
                    "Nobody was given its value, and Brevet goes on looking for it: read the lease in a while."
                        .to_owned(),
                );
                failure.retry_after = Some(LOOK_AGAIN);
                Answer::Failed(failure)
            }
            Settled::Failed(failure) => Answer::Failed(failure),
        })
    }

    /// Finds out what became of a create without an outcome, and ends its lease: whoever holds the lease
    /// and finds its token deletes it, for nobody has the value.
    pub(super) async fn settle_create(&self, lease: &Lease, parents: &Parents) -> Result<Settled, SqlError> {
        // What counts is the age at which Cloudflare was asked, not the one at which its answer came.
        let age = self.clock.now().since(lease.created);
        let end = match self.delete_by_name(lease, parents).await? {
            Search::Deleted if lease.state == State::Pending => End::NeverCreated,
            Search::Deleted => End::Revoked,
            Search::Nothing if age >= i64::from(CREATE_SETTLES.get()) => End::NeverCreated,
            Search::Nothing => return Ok(Settled::Open),
            Search::Failed(failure) => return Ok(Settled::Failed(failure)),
        };
        Ok(Settled::Ended(self.finish(self.present(lease.id)?, end)?))
    }
}
