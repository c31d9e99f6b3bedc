//! The kill switch in the books: freezes, and jobs that revoke many leases.

use crate::id::{LeaseId, TokenId};
use crate::json::{from_text, record, to_text, words};
use crate::ledger::book::Book;
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue};
use crate::time::{Seconds, Timestamp};

/// How long a job can be read.
const JOB_KEPT: Seconds = Seconds::of(7 * 86_400);

/// By what leases are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// All of them.
    All,
    /// Those of one owner.
    Owner,
    /// Those that one grant allowed.
    Grant,
    /// Those made from one template.
    Template,
    /// Those made for one run.
    Run,
    /// One, by its id or its token's.
    Lease,
    /// Those whose owner had all of these claims: a JSON object of texts.
    Claims,
}

words!(By {
    All = "all",
    Owner = "owner",
    Grant = "grant",
    Template = "template",
    Run = "run",
    Lease = "lease",
    Claims = "claims",
});

impl By {
    const fn condition(self) -> &'static str {
        match self {
            Self::All => "? IS NOT NULL",
            Self::Owner => "owner = ?",
            Self::Grant => "grant_name = ?",
            Self::Template => "template = ?",
            Self::Run => "run = ?",
            Self::Lease => "?1 IN (id, token_id)",
            // One claim at least, and none that the lease does not have.
            Self::Claims => {
                "?1 <> '{}' AND NOT EXISTS (SELECT 1 FROM json_each(?1) AS wanted WHERE NOT EXISTS (
                     SELECT 1 FROM json_each(lease.body, '$.claims') AS had
                     WHERE had.key = wanted.key AND had.value = wanted.value))"
            }
        }
    }
}

/// Which leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// By what they are chosen.
    pub by: By,
    /// Which one; empty where all are chosen.
    pub value: String,
}

/// Until it is lifted or over, nothing that it selects is made, renewed, rolled or changed. Revoking is
/// never frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its id, of a lease's form.
    pub id: LeaseId,
    /// What it holds.
    pub selection: Selection,
    /// Why, for those who meet it.
    pub reason: String,
    /// Which operator set it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is lifted where there is none.
    pub until: Option<Timestamp>,
}

/// A lease in a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLease {
    /// The lease.
    pub id: LeaseId,
    /// Its token.
    pub token_id: Option<TokenId>,
    /// Where it stands now.
    pub state: State,
    /// How it ended.
    pub end: Option<End>,
}

record!(Selection { by, value });
record!(Freeze { id, selection, reason, by, since, until });
record!(JobLease { id, token_id, state, end });

impl<S: Sql> Book<S> {
    /// Writes a freeze. Those that are over go.
    ///
    /// # Errors
    /// The database's.
    pub fn freeze(&self, freeze: &Freeze) -> Result<(), SqlError> {
        self.note_freezes(true);
        self.sql().run("DELETE FROM freeze WHERE until <= ?", &[freeze.since.unix().into()])?;
        self.sql()
            .run(
                "INSERT OR REPLACE INTO freeze (id, kind, value, until, body) VALUES (?, ?, ?, ?, ?)",
                &[
                    freeze.id.as_str().into(),
                    freeze.selection.by.as_str().into(),
                    freeze.selection.value.as_str().into(),
                    SqlValue::integer(freeze.until.map(Timestamp::unix)),
                    SqlValue::Text(to_text(freeze)),
                ],
            )
            .map(drop)
    }

    /// Takes a freeze away; whether it was there.
    ///
    /// # Errors
    /// The database's.
    pub fn lift(&self, id: LeaseId) -> Result<bool, SqlError> {
        let gone = self.sql().run("DELETE FROM freeze WHERE id = ? RETURNING id", &[id.as_str().into()])?;
        Ok(!gone.is_empty())
    }

    /// The freezes of a selection that hooks set.
    ///
    /// # Errors
    /// The database's.
    pub fn frozen_by_hooks(&self, selection: &Selection) -> Result<Vec<LeaseId>, SqlError> {
        let rows = self.sql().run(
            "SELECT id FROM freeze WHERE kind = ? AND value = ? AND json_extract(body, '$.by') LIKE 'hook:%' ORDER BY id",
            &[selection.by.as_str().into(), selection.value.as_str().into()],
        )?;
        rows.iter().map(|row| id_of(row.first())).collect()
    }

    /// The freezes that hold now.
    ///
    /// # Errors
    /// The database's.
    pub fn freezes(&self, now: Timestamp) -> Result<Vec<Freeze>, SqlError> {
        let rows = self.sql().run(
            "SELECT body FROM freeze WHERE until IS NULL OR until > ? ORDER BY id",
            &[now.unix().into()],
        )?;
        rows.iter().map(freeze_of).collect()
    }

    /// The freeze that holds a lease, the longest of them.
    ///
    /// # Errors
    /// The database's.
    pub fn frozen(&self, lease: &Lease, now: Timestamp) -> Result<Option<Freeze>, SqlError> {
        // Most of the time there is none, and every create asks.
        if self.has_no_freeze() {
            return Ok(None);
        }
        let rows = self.sql().run(
            "SELECT body FROM freeze WHERE (until IS NULL OR until > ?)
             AND (kind = 'all' OR (kind = 'owner' AND value = ?) OR (kind = 'grant' AND value = ?)
                  OR (kind = 'template' AND value = ?))
             ORDER BY until IS NOT NULL, until DESC LIMIT 1",
            &[
                now.unix().into(),
                lease.owner.as_str().into(),
                SqlValue::text(lease.grant.as_deref()),
                SqlValue::text(lease.template.as_deref()),
            ],
        )?;
        if rows.is_empty() {
            let any = self.sql().run("SELECT 1 FROM freeze LIMIT 1", &[])?;
            self.note_freezes(!any.is_empty());
        }
        rows.first().map(freeze_of).transpose()
    }

    /// The leases of a selection that have not ended.
    ///
    /// # Errors
    /// The database's.
    pub fn selected(&self, selection: &Selection) -> Result<Vec<LeaseId>, SqlError> {
        let condition = selection.by.condition();
        let statement =
            format!("SELECT id FROM lease WHERE live IS NOT NULL AND {condition} ORDER BY created, id");
        let rows = self.sql().run(&statement, &[selection.value.as_str().into()])?;
        rows.iter().map(|row| id_of(row.first())).collect()
    }

    /// Writes a job down, with its leases. Old jobs go.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_job(&self, job: LeaseId, leases: &[LeaseId], now: Timestamp) -> Result<(), SqlError> {
        let old = now.unix().saturating_sub(i64::from(JOB_KEPT.get()));
        self.sql().run("DELETE FROM job WHERE at < ?", &[old.into()])?;
        self.sql()
            .run(
                "INSERT OR IGNORE INTO job (job, lease, at) SELECT ?, value, ? FROM json_each(?)",
                &[job.as_str().into(), now.unix().into(), SqlValue::Text(to_text(leases))],
            )
            .map(drop)
    }

    /// The leases of a job, as they stand now.
    ///
    /// # Errors
    /// The database's.
    pub fn job(&self, job: LeaseId) -> Result<Vec<JobLease>, SqlError> {
        let rows = self.sql().run(
            "SELECT lease.id, lease.token_id, lease.state, json_extract(lease.body, '$.end')
             FROM job JOIN lease ON lease.id = job.lease WHERE job.job = ? ORDER BY lease.created, lease.id",
            &[job.as_str().into()],
        )?;
        rows.iter().map(|row| job_lease(row).ok_or(SqlError::Row("job"))).collect()
    }
}

fn freeze_of(row: &Row) -> Result<Freeze, SqlError> {
    match row.first() {
        Some(SqlValue::Text(body)) => from_text(body).ok_or(SqlError::Row("freeze")),
        _ => Err(SqlError::Row("freeze")),
    }
}

fn id_of(value: Option<&SqlValue>) -> Result<LeaseId, SqlError> {
    match value {
        Some(SqlValue::Text(id)) => id.parse().map_err(|_| SqlError::Row("lease")),
        _ => Err(SqlError::Row("lease")),
    }
}

fn job_lease(row: &Row) -> Option<JobLease> {
    let [id, token, SqlValue::Text(state), end] = row.as_slice() else { return None };
    let text = |value: &SqlValue| match value {
        SqlValue::Text(text) => Some(text.clone()),
        SqlValue::Null | SqlValue::Integer(_) => None,
    };
    Some(JobLease {
        id: id_of(Some(id)).ok()?,
        token_id: text(token).and_then(|token| token.parse().ok()),
        state: State::from_word(state)?,
        end: text(end).and_then(|end| End::from_word(&end)),
    })
}
