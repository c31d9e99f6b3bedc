//! Idempotency keys in the books (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent
//! again makes no second token.

use crate::id::LeaseId;
use crate::json::record;
use crate::ledger::book::Book;
use crate::ledger::sql::{Sql, SqlError, SqlValue};
use crate::time::{Seconds, Timestamp};

/// How long a key is remembered. Clients give up within minutes; a day is for jobs that start again.
pub const REMEMBERED: Seconds = Seconds::of(86_400);

/// So long after its create a repeated request still gets a value.
pub const VALUE_FOR: Seconds = Seconds::of(600);

/// So often a repeated request gets a value. Each costs the token its value before.
pub const MOST_REPLAYS: u32 = 3;

/// A request that may be sent again, by keyed hashes: the books hold neither key nor body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Of caller, route and key.
    pub key: String,
    /// Of the body.
    pub body: String,
}

record!(Claim { key, body });

/// A credential that is good for one create: a JWT by its `jti`, a webhook by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneUse {
    /// A keyed hash of issuer and id.
    pub key: String,
    /// From when the credential is no longer good anyway, and need not be remembered.
    pub until: Timestamp,
}

record!(OneUse { key, until });

/// A claim in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The hash of the body it came with.
    pub body: String,
    /// The lease it made.
    pub lease: LeaseId,
    /// How often it was answered again with a value.
    pub replays: u32,
}

impl<S: Sql> Book<S> {
    /// What this key made, if it is remembered.
    ///
    /// # Errors
    /// The database's.
    pub fn claimed(&self, key: &str, now: Timestamp) -> Result<Option<Claimed>, SqlError> {
        let rows = self.sql().run(
            "SELECT body, lease, replays FROM claim WHERE key = ? AND at > ?",
            &[key.into(), forgotten(now)],
        )?;
        let Some(row) = rows.first() else { return Ok(None) };
        let [SqlValue::Text(body), SqlValue::Text(lease), SqlValue::Integer(replays)] = row.as_slice() else {
            return Err(SqlError::Row("claim"));
        };
        let lease = lease.parse().map_err(|_| SqlError::Row("claim"))?;
        let replays = u32::try_from(*replays).map_err(|_| SqlError::Row("claim"))?;
        Ok(Some(Claimed { body: body.clone(), lease, replays }))
    }

    /// Writes down which lease a key makes, in place of what is forgotten.
    ///
    /// # Errors
    /// The database's.
    pub fn claim(&self, claim: &Claim, lease: LeaseId, now: Timestamp) -> Result<(), SqlError> {
        self.sql()
            .run(
                "INSERT OR REPLACE INTO claim (key, body, lease, replays, at) VALUES (?, ?, ?, 0, ?)",
                &[
                    claim.key.as_str().into(),
                    claim.body.as_str().into(),
                    lease.as_str().into(),
                    now.unix().into(),
                ],
            )
            .map(drop)
    }

    /// Uses a credential up; tells whether it was good for this request. One that was used up is good for
    /// the same request again, as its idempotency key tells.
    ///
    /// # Errors
    /// The database's.
    pub fn use_up(&self, once: &OneUse, claim: Option<&str>) -> Result<bool, SqlError> {
        let key = || SqlValue::from(once.key.as_str());
        let written = self.sql().run(
            "INSERT INTO used (key, until, claim) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING RETURNING 1",
            &[key(), once.until.unix().into(), SqlValue::text(claim)],
        )?;
        if !written.is_empty() {
            return Ok(true);
        }
        let rows = self.sql().run("SELECT claim FROM used WHERE key = ?", &[key()])?;
        let before = rows.first().and_then(|row| row.first());
        Ok(matches!(before, Some(SqlValue::Text(same)) if claim == Some(same)))
    }

    /// Lets go of claims that are too old, and of credentials that are no longer good anyway. The cron does
    /// this: it reads all of them.
    ///
    /// # Errors
    /// The database's.
    pub fn forget_claims(&self, now: Timestamp) -> Result<(), SqlError> {
        self.sql().run("DELETE FROM used WHERE until < ?", &[now.unix().into()])?;
        self.sql().run("DELETE FROM claim WHERE at <= ?", &[forgotten(now)]).map(drop)
    }

    /// Counts an answer with a value.
    ///
    /// # Errors
    /// The database's.
    pub fn count_replay(&self, key: &str) -> Result<(), SqlError> {
        self.sql().run("UPDATE claim SET replays = replays + 1 WHERE key = ?", &[key.into()]).map(drop)
    }
}

fn forgotten(now: Timestamp) -> SqlValue {
    now.unix().saturating_sub(i64::from(REMEMBERED.get())).into()
}
