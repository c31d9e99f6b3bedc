//! Receipts of signed messages in the books: a message is known again by its key, and what it ordered is
//! carried out once, whatever breaks off on the way.

use crate::id::LeaseId;
use crate::json::{from_text, record, to_text, words};
use crate::ledger::book::{Book, MOST_LISTED};
use crate::ledger::freeze::{Freeze, Selection};
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue};
use crate::time::{Seconds, Timestamp};

/// How long a message that ordered something is known again. GitHub, which signs no time, delivers
/// again for three days; whoever kept a message longer than this can have it act a second time.
pub const KNOWN: Seconds = Seconds::of(30 * 86_400);

/// How long a message whose sender was answered is known again: six times as long as its signed time is
/// taken.
pub const KNOWN_ANSWERED: Seconds = Seconds::of(3_600);

/// Where a receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its order is being carried out.
    Waiting,
    /// Its order was carried out.
    Done,
    /// Its sender was answered.
    Answered,
}

words!(Stage { Waiting = "waiting", Done = "done", Answered = "answered" });

/// What a hook ordered. It is carried out once in every ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The receipt, which is the id of the job too.
    pub receipt: LeaseId,
    /// What is frozen, before anything is revoked.
    pub freezes: Vec<Freeze>,
    /// What is revoked.
    pub revoke: Option<Selection>,
    /// Of what the freezes that hooks set are lifted.
    pub lift: Vec<Selection>,
}

/// The receipt of a message whose signature was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id, of a lease's form.
    pub id: LeaseId,
    /// Its number, which the ledger gives.
    pub seq: u64,
    /// What the message is known by: a hash of the hook's name and of the signed id, or of the body where
    /// no id is signed.
    pub key: String,
    /// The hook.
    pub hook: String,
    /// The kind of event.
    pub event: String,
    /// When it came.
    pub at: Timestamp,
    /// How long the message is known again.
    pub until: Timestamp,
    /// Where it stands.
    pub stage: Stage,
    /// What it asked for, as people read it.
    pub what: String,
    /// The version of the rules by which it was read.
    pub rules_version: u64,
    /// What it ordered.
    pub order: Option<Box<Order>>,
    /// The ledgers where that is still to be carried out.
    pub left: Vec<String>,
    /// How many leases were revoked by it.
    pub leases: u32,
    /// When its order was carried out everywhere.
    pub done_on: Option<Timestamp>,
}

/// Which receipts a list shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptFilter {
    /// The one of this id.
    pub id: Option<LeaseId>,
    /// Only this hook's.
    pub hook: Option<String>,
    /// Only older ones than this number.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

record!(Order { receipt, freezes, revoke, lift });
record!(ReceiptFilter { id, hook, before, limit });
record!(Receipt {
    id,
    seq,
    key,
    hook,
    event,
    at,
    until,
    stage,
    what,
    rules_version,
    order,
    left,
    leases,
    done_on,
});

impl<S: Sql> Book<S> {
    /// The receipt of the message that is known by this key.
    ///
    /// # Errors
    /// The database's.
    pub fn receipt_of(&self, key: &str, now: Timestamp) -> Result<Option<Receipt>, SqlError> {
        let bound = [key.into(), now.unix().into()];
        let rows = self.sql().run("SELECT body, seq FROM receipt WHERE key = ? AND until > ?", &bound)?;
        rows.first().map(receipt).transpose()
    }

    /// Writes a receipt. Those of messages that are known no longer go.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_receipt(&self, receipt: &Receipt) -> Result<(), SqlError> {
        self.sql().run("DELETE FROM receipt WHERE until <= ?", &[receipt.at.unix().into()])?;
        self.sql()
            .run(
                "INSERT INTO receipt (id, key, hook, until, body) VALUES (?, ?, ?, ?, ?)",
                &[
                    receipt.id.as_str().into(),
                    receipt.key.as_str().into(),
                    receipt.hook.as_str().into(),
                    receipt.until.unix().into(),
                    SqlValue::Text(to_text(receipt)),
                ],
            )
            .map(drop)
    }

    /// Writes a receipt over itself.
    ///
    /// # Errors
    /// The database's.
    pub fn amend_receipt(&self, receipt: &Receipt) -> Result<(), SqlError> {
        let bound = [SqlValue::Text(to_text(receipt)), receipt.id.as_str().into()];
        self.sql().run("UPDATE receipt SET body = ? WHERE id = ?", &bound).map(drop)
    }

    /// Receipts, newest first, at most [`MOST_LISTED`].
    ///
    /// # Errors
    /// The database's.
    pub fn receipts(&self, filter: &ReceiptFilter) -> Result<Vec<Receipt>, SqlError> {
        let rows = self.sql().run(
            "SELECT body, seq FROM receipt
             WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR hook = ?2) AND (?3 IS NULL OR seq < ?3)
             ORDER BY seq DESC LIMIT ?4",
            &[
                SqlValue::text(filter.id.as_ref().map(LeaseId::as_str)),
                SqlValue::text(filter.hook.as_deref()),
                SqlValue::integer(filter.before.and_then(|seq| i64::try_from(seq).ok())),
                filter.limit.min(MOST_LISTED).into(),
            ],
        )?;
        rows.iter().map(receipt).collect()
    }
}

fn receipt(row: &Row) -> Result<Receipt, SqlError> {
    let [SqlValue::Text(body), SqlValue::Integer(seq)] = row.as_slice() else {
        return Err(SqlError::Row("receipt"));
    };
    let mut receipt: Receipt = from_text(body).ok_or(SqlError::Row("receipt"))?;
    receipt.seq = u64::try_from(*seq).map_err(|_| SqlError::Row("receipt"))?;
    Ok(receipt)
}
