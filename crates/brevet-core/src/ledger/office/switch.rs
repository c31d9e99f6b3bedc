//! The kill switch: freezes, and revoking many leases at once.

use crate::cloudflare::Cloudflare;
use crate::id::LeaseId;
use crate::ledger::due::Errand;
use crate::ledger::freeze::{Freeze, Selection};
use crate::ledger::lease::{Lease, State};
use crate::ledger::office::{Clock, Office};
use crate::ledger::protocol::{Answer, Refusal};
use crate::ledger::sql::{Sql, SqlError};

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// Why nothing may be made or changed for this lease now, if so.
    pub(super) fn frozen(&self, lease: &Lease) -> Result<Option<Answer>, SqlError> {
        let freeze = self.book.frozen(lease, self.clock.now())?;
        Ok(freeze.map(|freeze| Answer::Frozen(Box::new(freeze))))
    }

    /// Freezes, if that is wished; then marks every lease of a selection to be deleted and has the alarm
    /// begin at once. Nothing here waits: when this is answered, no lease of the selection can be changed
    /// any more, and with the freeze none comes after it.
    pub(super) fn revoke_many(
        &self,
        job: LeaseId,
        selection: &Selection,
        freeze: Option<&Freeze>,
    ) -> Result<Answer, SqlError> {
        if let Some(freeze) = freeze {
            self.book.freeze(freeze)?;
        }
        self.settle()?;
        let leases = self.book.selected(selection)?;
        let now = self.clock.now();
        for lease in &leases {
            let present = self.present(*lease)?;
            if matches!(present.state, State::Pending | State::Active) {
                self.amend(*lease, &|lease, _| lease.state = State::Revoking)?;
            }
            self.book.expect(*lease, Errand::Delete, now)?;
        }
        self.book.keep_job(job, &leases, now)?;
        if !leases.is_empty() {
            self.arm(now);
        }
        self.job(job)
    }

    pub(super) fn job(&self, job: LeaseId) -> Result<Answer, SqlError> {
        Ok(Answer::Job(self.book.job(job)?))
    }

    pub(super) fn lift(&self, freeze: LeaseId) -> Result<Answer, SqlError> {
        Ok(if self.book.lift(freeze)? { Answer::Done } else { Answer::Refused(Refusal::NotFound) })
    }
}
