//! Changing a lease that lives: renew, update and roll.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents};
use crate::id::{LeaseId, TokenId};
use crate::ledger::book::LeaseKey;
use crate::ledger::lease::{Lease, State};
use crate::ledger::office::{Clock, Hand, Hold, Notice, drift};
use crate::ledger::protocol::{Answer, Change, Refusal, ShownOnce};
use crate::ledger::sql::{Sql, SqlError};

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    pub(super) async fn change(
        &self,
        owner: Option<&str>,
        id: LeaseId,
        revision: u32,
        parents: &Parents,
        change: Change,
    ) -> Result<Answer, SqlError> {
        let Some(lease) = self.owned(owner, LeaseKey::Lease(id))? else {
            return Ok(Answer::Refused(Refusal::NotFound));
        };
        let token = match (lease.state, lease.token_id) {
            (State::Active, Some(token)) => token,
            _ => return Ok(inactive(&lease)),
        };
        let Some(_hold) = Hold::take(&self.busy, id) else { return Ok(Answer::Refused(Refusal::Busy)) };
        if lease.revision != revision {
            return Ok(Answer::Refused(Refusal::Moved));
        }
        if let Some(frozen) = self.frozen(&lease)? {
            return Ok(frozen);
        }
        let event = if matches!(change, Change::Renew { .. }) { "renewed" } else { "updated" };
        match changed(&lease, change) {
            None => self.roll(id, token, parents).await,
            Some(wanted) => self.update(lease, token, wanted, event, parents).await,
        }
    }

    pub(super) async fn roll(
        &self,
        id: LeaseId,
        token: TokenId,
        parents: &Parents,
    ) -> Result<Answer, SqlError> {
        match self.cloudflare.roll(self.owner, parents, token).await {
            Ok(value) => {
                let mut lease = self.present(id)?;
                if lease.state == State::Active {
                    lease = self.amend_known(lease, &|lease, now| lease.modified_on = Some(now))?;
                    self.record("rolled", &lease)?;
                    return Ok(Answer::Valued { lease, value: ShownOnce(value) });
                }
                Ok(inactive(&lease))
            }
            Err(failure) => self.failed_change(id, failure),
        }
    }

    async fn update(
        &self,
        before: Box<Lease>,
        token: TokenId,
        wanted: Box<Lease>,
        event: &'static str,
        parents: &Parents,
    ) -> Result<Answer, SqlError> {
        let id = before.id;
        // The books never say less than what may hold at Cloudflare. A token that may live longer, or
        // escape the books, from the next moment on is written down as such before that moment: the
        // answer may be lost, or this object with it, or the old end may pass meanwhile.
        let raises = wanted.expires_on > before.expires_on || wanted.escapes_books != before.escapes_books;
        if raises {
            self.amend(id, &|lease, _| raise(lease, &wanted))?;
        }
        match self.cloudflare.update(self.owner, parents, token, &wanted.spec()).await {
            Ok(view) => {
                let lease = self.present(id)?;
                if lease.state == State::Ended {
                    return Ok(inactive(&lease));
                }
                let lease = self.amend_known(lease, &|lease, now| {
                    // It may have been revoked meanwhile, and then it stays so.
                    let (state, revision) = (lease.state, lease.revision);
                    lease.clone_from(&wanted);
                    (lease.state, lease.revision) = (state, revision);
                    lease.take_view(&view, now);
                })?;
                self.record(event, &lease)?;
                if lease.state != State::Active {
                    return Ok(inactive(&lease));
                }
                if drift::has_drifted(&lease, &view) {
                    self.notice(Notice::Drifted { lease: id });
                }
                Ok(Answer::Lease { lease, view: None })
            }
            Err(failure) => {
                let undone = raises && failure.kind != FailureKind::Uncertain;
                if undone && self.present(id)?.state != State::Ended {
                    self.amend(id, &|lease, _| lower(lease, &before))?;
                }
                self.failed_change(id, failure)
            }
        }
    }

    fn failed_change(&self, id: LeaseId, failure: Failure) -> Result<Answer, SqlError> {
        if failure.kind == FailureKind::NotFound {
            let lease = self.found_dead(id)?;
            return Ok(inactive(&lease));
        }
        Ok(Answer::Failed(failure))
    }
}

/// The answer about a lease that cannot be changed.
fn inactive(lease: &Lease) -> Answer {
    Answer::Refused(if lease.state == State::Ended { Refusal::Ended } else { Refusal::NotActive })
}

/// Notes what a change may bring.
fn raise(lease: &mut Lease, wanted: &Lease) {
    if wanted.expires_on > lease.expires_on {
        lease.expires_on = wanted.expires_on;
        lease.asked.expires_on.clone_from(&wanted.asked.expires_on);
    }
    lease.escapes_books |= wanted.escapes_books;
}

/// Takes that note back, for the change surely was not made.
fn lower(lease: &mut Lease, before: &Lease) {
    lease.expires_on = before.expires_on;
    lease.asked.expires_on.clone_from(&before.asked.expires_on);
    lease.escapes_books = before.escapes_books;
}

/// The lease with a change in it; none where the change is that of the value alone.
fn changed(lease: &Lease, change: Change) -> Option<Box<Lease>> {
    let mut lease = Box::new(lease.clone());
    match change {
        Change::Roll => return None,
        Change::Renew { expires_on, asked } => {
            lease.expires_on = expires_on;
            lease.asked.expires_on = asked;
        }
        Change::Update {
            policies,
            condition,
            not_before,
            expires_on,
            disabled,
            asked,
            escapes_books,
            takeover,
            rule,
        } => {
            lease.policies = policies;
            lease.condition = condition;
            lease.not_before = not_before;
            lease.expires_on = expires_on;
            lease.disabled = disabled;
            lease.asked = asked;
            lease.escapes_books |= escapes_books;
            lease.takeover = takeover;
            lease.rule = rule;
        }
    }
    Some(lease)
}
