//! The kill switch: freezes, and revoking many leases at once.

use crate::cloudflare::Cloudflare;
use crate::id::LeaseId;
use crate::ledger::due::Errand;
use crate::ledger::freeze::{Freeze, Selection};
use crate::ledger::lease::{Lease, State};
use crate::ledger::office::{Clock, Hand};
use crate::ledger::protocol::{Answer, Refusal};
use crate::ledger::sql::{Sql, SqlError};

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Why nothing may be changed of this lease now, if so.
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
            self.freeze(freeze)?;
        }
        self.settle()?;
        let leases = self.book.selected(selection)?;
        let now = self.clock.now();
        for lease in &leases {
            let present = self.present(*lease)?;
            if matches!(present.state, State::Pending | State::Active) {
                self.amend_known(present, &|lease, _| lease.state = State::Revoking)?;
            }
            self.book.expect(*lease, Errand::Delete, now)?;
        }
        self.book.keep_job(job, &leases, now)?;
        self.record_deed(
            "revoked_many",
            format!("{} leases by {}, job {job}", leases.len(), told(selection)),
        )?;
        if !leases.is_empty() {
            self.arm(now);
            // Whoever is being told of something waits.
            self.announcing.hurry();
        }
        self.job(job)
    }

    pub(super) fn job(&self, job: LeaseId) -> Result<Answer, SqlError> {
        Ok(Answer::Job(self.book.job(job)?))
    }

    pub(super) fn freeze(&self, freeze: &Freeze) -> Result<Answer, SqlError> {
        self.book.freeze(freeze)?;
        self.record_deed("frozen", format!("{}, {}: {}", freeze.id, told(&freeze.selection), freeze.reason))?;
        Ok(Answer::Done)
    }

    pub(super) fn lift(&self, freeze: LeaseId) -> Result<Answer, SqlError> {
        if !self.book.lift(freeze)? {
            return Ok(Answer::Refused(Refusal::NotFound));
        }
        self.record_deed("lifted", freeze.to_string())?;
        Ok(Answer::Done)
    }
}

/// A selection, for people.
fn told(selection: &Selection) -> String {
    format!("{} {}", selection.by.as_str(), selection.value).trim_end().to_owned()
}
