//! What a ledger has yet to do by itself, and when: the table behind its one alarm.
//!
//! A lease has at most one errand. It is written with the change that makes it necessary and goes when
//! Cloudflare has confirmed that nothing is left to do, so that neither a crash nor an outage loses it.

use crate::id::LeaseId;
use crate::json::words;
use crate::ledger::book::Book;
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue};
use crate::time::Timestamp;

/// The most errands in one answer; an alarm takes what is left the next time.
pub const MOST_DUE: u32 = 100;

/// What is to be done for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// Delete its token at Cloudflare.
    Delete,
    /// Find out what became of its create.
    Reconcile,
    /// Carry out what a hook ordered; the key is its receipt's id.
    Order,
}

words!(Errand { Delete = "delete", Reconcile = "reconcile", Order = "order" });

/// One errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// What.
    pub errand: Errand,
    /// For which lease or receipt.
    pub lease: LeaseId,
    /// How often it was tried in vain.
    pub tries: u32,
}

impl<S: Sql> Book<S> {
    /// Writes an errand in place of the one that the lease had.
    ///
    /// # Errors
    /// The database's.
    pub fn expect(&self, lease: LeaseId, errand: Errand, at: Timestamp) -> Result<(), SqlError> {
        self.sql()
            .run(
                "INSERT INTO due (key, kind, at, tries) VALUES (?, ?, ?, 0)
                 ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, at = excluded.at, tries = 0",
                &[lease.as_str().into(), errand.as_str().into(), at.unix().into()],
            )
            .map(drop)
    }

    /// Puts an errand off; `tried` counts the attempt.
    ///
    /// # Errors
    /// The database's.
    pub fn put_off(&self, lease: LeaseId, at: Timestamp, tried: bool) -> Result<(), SqlError> {
        self.sql()
            .run(
                "UPDATE due SET at = ?, tries = tries + ? WHERE key = ?",
                &[at.unix().into(), u32::from(tried).into(), lease.as_str().into()],
            )
            .map(drop)
    }

    /// Puts off everything that is due at this moment and has to do with Cloudflare.
    ///
    /// # Errors
    /// The database's.
    pub fn put_all_off(&self, now: Timestamp, at: Timestamp) -> Result<(), SqlError> {
        self.sql()
            .run(
                "UPDATE due SET at = ? WHERE at <= ? AND kind <> 'order'",
                &[at.unix().into(), now.unix().into()],
            )
            .map(drop)
    }

    /// Strikes the errand of a lease off.
    ///
    /// # Errors
    /// The database's.
    pub fn strike(&self, lease: LeaseId) -> Result<(), SqlError> {
        self.sql().run("DELETE FROM due WHERE key = ?", &[lease.as_str().into()]).map(drop)
    }

    /// What is due at this moment, orders and deletions first, then the oldest first; at most [`MOST_DUE`].
    ///
    /// # Errors
    /// The database's.
    pub fn due(&self, now: Timestamp) -> Result<Vec<Due>, SqlError> {
        let rows = self.sql().run(
            "SELECT at, kind, key, tries FROM due WHERE at <= ? AND kind IN ('delete', 'reconcile', 'order')
             ORDER BY kind <> 'order', kind <> 'delete', at, key LIMIT ?",
            &[now.unix().into(), MOST_DUE.into()],
        )?;
        // What a later build wrote is left to it.
        Ok(rows.iter().filter_map(due_of).collect())
    }

    /// When something is next due.
    ///
    /// # Errors
    /// The database's.
    pub fn next_due(&self) -> Result<Option<Timestamp>, SqlError> {
        let rows = self.sql().run(
            "SELECT at FROM due WHERE kind IN ('delete', 'reconcile', 'order') ORDER BY at LIMIT 1",
            &[],
        )?;
        Ok(rows.first().and_then(|row| moment(row.first())))
    }
}

fn moment(value: Option<&SqlValue>) -> Option<Timestamp> {
    match value {
        Some(SqlValue::Integer(unix)) => Timestamp::from_unix(*unix).ok(),
        _ => None,
    }
}

fn due_of(row: &Row) -> Option<Due> {
    let [at, SqlValue::Text(errand), SqlValue::Text(lease), SqlValue::Integer(tries)] = row.as_slice() else {
        return None;
    };
    Some(Due {
        at: moment(Some(at))?,
        errand: Errand::from_word(errand)?,
        lease: lease.parse().ok()?,
        tries: u32::try_from(*tries).ok()?,
    })
}
