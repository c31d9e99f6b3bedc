//! Creating a token: the intent first, then the call, then the outcome.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Minted, Parents};
use crate::id::LeaseId;
use crate::ledger::claim::{Claim, MOST_REPLAYS, OneUse, VALUE_FOR};
use crate::ledger::due::Errand;
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::office::alarm::FIRST_PAUSE;
use crate::ledger::office::revoke::Settled;
use crate::ledger::office::{CREATE_TAKES, Clock, Hand, Hold, Notice, drift};
use crate::ledger::protocol::{Answer, Refusal, ShownOnce};
use crate::ledger::sql::{Sql, SqlError};

/// What a search for the tokens of a lease's name came to.
pub(super) enum Search {
    /// They were found and deleted.
    Deleted,
    /// There is none.
    Nothing,
    /// Cloudflare failed; there may be one.
    Failed(Failure),
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    pub(super) async fn create(
        &self,
        owner: Option<&str>,
        mut lease: Box<Lease>,
        parents: &Parents,
        claim: Option<Claim>,
        one_use: Option<OneUse>,
    ) -> Result<Answer, SqlError> {
        // Nobody writes a lease into somebody else's name.
        if owner.is_some_and(|owner| owner != lease.owner) {
            return Ok(Answer::Refused(Refusal::NotFound));
        }
        let Some(_hold) = Hold::take(&self.busy, lease.id) else { return Ok(Answer::Refused(Refusal::Busy)) };
        let mut reclaimed = false;
        loop {
            if let Some(freeze) = self.book.frozen(&lease, self.clock.now())? {
                return Ok(Answer::Frozen(Box::new(freeze)));
            }
            if let Some(claim) = &claim
                && let Some(answer) = self.again(claim, &lease, parents).await?
            {
                return Ok(answer);
            }
            match self.no_room(&lease)? {
                None => break,
                // Everything is looked at again after that wait: others came and went meanwhile.
                Some((_, true)) if !reclaimed => self.reclaim(parents).await?,
                Some((failure, _)) => return Ok(Answer::Failed(failure)),
            }
            reclaimed = true;
        }
        // Before the mint, in the turn that writes the intent: of two with the same credential one comes first.
        if let Some(once) = &one_use
            && !self.book.use_up(once, claim.as_ref().map(|claim| claim.key.as_str()))?
        {
            let known = self.book.holds(lease.id)?;
            return Ok(Answer::Refused(if known { Refusal::Moved } else { Refusal::Used }));
        }
        self.remember(parents)?;
        lease.begin(self.clock.now());
        // The same request delivered twice makes one token.
        if !self.book.insert(&lease)? {
            return Ok(Answer::Refused(Refusal::Moved));
        }
        if let Some(claim) = &claim {
            self.book.claim(claim, lease.id, lease.created)?;
        }
        self.schedule(lease.id, Errand::Reconcile, lease.created.plus(CREATE_TAKES))?;
        match self.cloudflare.create(self.owner, parents, &lease.spec()).await {
            Ok(minted) => self.complete(lease, minted, parents).await,
            Err(failure) if failure.kind == FailureKind::Uncertain => {
                self.clean_up(&lease, parents, failure).await
            }
            Err(failure) => {
                self.finish(lease, End::NeverCreated)?;
                Ok(Answer::Failed(failure))
            }
        }
    }

    /// The answer to a request that came before with this key; none where nothing is left of it.
    async fn again(
        &self,
        claim: &Claim,
        asked: &Lease,
        parents: &Parents,
    ) -> Result<Option<Answer>, SqlError> {
        let Some(claimed) = self.book.claimed(&claim.key, self.clock.now())? else { return Ok(None) };
        if claimed.lease == asked.id {
            return Ok(Some(Answer::Refused(Refusal::Moved)));
        }
        let lease = self.present(claimed.lease)?;
        // The key's hash has the caller in it; that is looked at once more, for this gives out a value.
        if claimed.body != claim.body || lease.owner != asked.owner {
            return Ok(Some(Answer::Refused(Refusal::KeyReused)));
        }
        let Some(_hold) = Hold::take(&self.busy, lease.id) else {
            return Ok(Some(Answer::Refused(Refusal::InFlight)));
        };
        match (lease.state, lease.token_id) {
            (State::Ended, _) if lease.end == Some(End::NeverCreated) => Ok(None),
            // Its answer was lost: what there is of it goes before it is made anew.
            (State::Pending, _) => Ok(match self.settle_create(&lease, parents).await? {
                Settled::Ended(_) => None,
                Settled::Open => Some(Answer::Refused(Refusal::InFlight)),
                Settled::Failed(failure) => Some(Answer::Failed(failure)),
            }),
            // No value is kept, so there is a new one, as long as somebody may still wait for it.
            (State::Active, Some(token))
                if claimed.replays < MOST_REPLAYS
                    && self.clock.now().since(lease.created) <= i64::from(VALUE_FOR.get()) =>
            {
                self.book.count_replay(&claim.key)?;
                self.roll(lease.id, token, parents).await.map(Some)
            }
            _ => Ok(Some(Answer::Lease { lease, view: None })),
        }
    }

    /// The token is there. Its value is given out only if the books now say that it lives; else
    /// nobody has the value, and the token is deleted.
    async fn complete(
        &self,
        lease: Box<Lease>,
        minted: Minted,
        parents: &Parents,
    ) -> Result<Answer, SqlError> {
        let Minted { view, value } = minted;
        // The end is the one bound that holds even if all of Brevet is lost.
        let outlives = view.expires_on.is_none_or(|end| end > lease.expires_on);
        let written = self.amend_known(lease, &|lease, now| {
            lease.take_view(&view, now);
            match lease.state {
                State::Pending if outlives => lease.state = State::Revoking,
                State::Pending => lease.state = State::Active,
                // Its time ran out while Cloudflare was at work.
                State::Ended => lease.end = Some(End::Expired),
                State::Active | State::Revoking | State::Stuck => {}
            }
        });
        let lease = match written {
            Ok(lease) => lease,
            Err(error) => {
                // A token that cannot be written down must not live. If this fails too, its end still
                // ends it, and the intent tells of it.
                drop(self.cloudflare.delete(self.owner, parents, view.id).await);
                return Err(error);
            }
        };
        if outlives || drift::has_drifted(&lease, &view) {
            self.notice(Notice::Drifted { lease: lease.id });
        }
        if lease.state == State::Active {
            return Ok(Answer::Valued { lease, value: ShownOnce(value) });
        }
        // One that has ended on the way has left its token behind.
        self.schedule(lease.id, Errand::Delete, self.clock.now().plus(FIRST_PAUSE))?;
        let deleted = self.cloudflare.delete(self.owner, parents, view.id).await;
        if deleted.is_ok() {
            self.finish(lease, End::Revoked)?;
        }
        if outlives {
            return Ok(Answer::Failed(Failure::new(
                FailureKind::Protocol,
                "Cloudflare made the token with another end than was asked for; nobody was given its value."
                    .to_owned(),
                "Check the API base and what stands between.".to_owned(),
            )));
        }
        Ok(Answer::Refused(if deleted.is_ok() { Refusal::Ended } else { Refusal::NotActive }))
    }

    /// The answer to a create was lost. The token, if it is there, has a value that nobody knows.
    async fn clean_up(&self, lease: &Lease, parents: &Parents, failure: Failure) -> Result<Answer, SqlError> {
        match self.delete_by_name(lease, parents).await? {
            Search::Deleted => {
                self.finish(self.present(lease.id)?, End::NeverCreated)?;
            }
            // The create may yet be carried out; the lease stays in the books until that is known.
            Search::Nothing | Search::Failed(_) => self.notice(Notice::Unresolved { lease: lease.id }),
        }
        Ok(Answer::Failed(failure))
    }

    /// Finds the tokens of a lease's name, which nothing else has, and deletes them. The lease does
    /// not learn their ids before all are gone: until then only its name leads to all of them.
    pub(super) async fn delete_by_name(&self, lease: &Lease, parents: &Parents) -> Result<Search, SqlError> {
        let found = match self.cloudflare.find_by_name(self.owner, parents, &lease.name).await {
            Ok(found) => found,
            Err(failure) => return Ok(Search::Failed(failure)),
        };
        let Some(first) = found.first().copied() else { return Ok(Search::Nothing) };
        self.wish_gone(lease.id)?;
        for token in found {
            if let Err(failure) = self.cloudflare.delete(self.owner, parents, token).await {
                return Ok(Search::Failed(failure));
            }
        }
        self.amend(lease.id, &|lease, _| {
            lease.token_id.get_or_insert(first);
        })?;
        Ok(Search::Deleted)
    }

    /// Notes that a lease which has no token yet shall have none.
    pub(super) fn wish_gone(&self, id: LeaseId) -> Result<(), SqlError> {
        if self.present(id)?.state == State::Pending {
            self.amend(id, &|lease, _| lease.state = State::Revoking)?;
        }
        Ok(())
    }
}
