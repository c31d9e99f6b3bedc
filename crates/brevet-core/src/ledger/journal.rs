//! The journal: one ordered record of what became of leases and who did it, chained under the pepper.
//!
//! An entry is appended in the turn that makes the change, so that neither stands without the other. Each
//! is authenticated together with the one before: an entry that is altered, taken out or put in breaks the
//! chain for whoever has the pepper.

use serde_json::Value;

use crate::hex;
use crate::id::{LeaseId, TokenId};
use crate::json::{from_text, record, to_text};
use crate::ledger::book::Book;
use crate::ledger::lease::Lease;
use crate::ledger::name::Pepper;
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue};
use crate::time::{Seconds, Timestamp};

/// How long entries are kept.
pub const KEPT: Seconds = Seconds::of(90 * 86_400);

/// The name under which the head is kept behind which a book that was made anew goes on.
const BEGUN: &str = "journal_begun";

/// The most entries in one answer.
pub const MOST_ENTRIES: u32 = 100;

/// What happened. It never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What: `created`, `renewed`, `updated`, `rolled`, `revoking`, `stuck`, the word of a lease's end,
    /// `frozen`, `lifted`, `revoked_many`, `hook_received`, `hook_done`, `rules_taken`, `quota_near`,
    /// `parent_unhealthy`, `parent_healthy`, `endpoint_paused`, `endpoint_resumed`, `delivery_dead`,
    /// `delivery_replayed`, `events_dropped`.
    pub event: String,
    /// Who did it: an owner, an operator, or `brevet` by itself.
    pub by: String,
    /// The lease.
    pub lease: Option<LeaseId>,
    /// Its token.
    pub token_id: Option<TokenId>,
    /// Its owner.
    pub owner: Option<String>,
    /// Who asked for it, as people read it: a client's name, a workload's subject.
    pub caller: Option<String>,
    /// The grant that allowed it.
    pub grant: Option<String>,
    /// The template it was made from.
    pub template: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The version of the rules that decided.
    pub rules_version: Option<u64>,
    /// When its token ends.
    pub expires_on: Option<Timestamp>,
    /// The claims kept of its owner.
    pub claims: Option<Value>,
    /// What else there is to say, for people.
    pub detail: Option<String>,
}

record!(Entry {
    at,
    event,
    by,
    lease,
    token_id,
    owner,
    caller,
    grant,
    template,
    rule,
    rules_version,
    expires_on,
    claims,
    detail
});

impl Entry {
    /// Something that is about no single lease.
    pub fn of(at: Timestamp, event: &str, by: &str) -> Self {
        Self {
            at,
            event: event.to_owned(),
            by: by.to_owned(),
            lease: None,
            token_id: None,
            owner: None,
            caller: None,
            grant: None,
            template: None,
            rule: None,
            rules_version: None,
            expires_on: None,
            claims: None,
            detail: None,
        }
    }

    /// Something that became of a lease.
    pub fn about(lease: &Lease, at: Timestamp, event: &str, by: &str) -> Self {
        Self {
            lease: Some(lease.id),
            token_id: lease.token_id,
            owner: Some(lease.owner.clone()),
            caller: Some(lease.caller.clone()),
            grant: lease.grant.clone(),
            template: lease.template.clone(),
            rule: lease.rule.clone(),
            rules_version: Some(lease.rules_version),
            expires_on: Some(lease.expires_on),
            claims: lease.claims.clone(),
            ..Self::of(at, event, by)
        }
    }
}

/// The end of the chain: the number of the last entry and what authenticates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its number, from 1.
    pub seq: u64,
    /// Its authenticator, in hexadecimal digits; empty before the first entry.
    pub mac: String,
}

/// What a chain of this version is keyed for.
const CHAIN: &str = "brevet journal v1";

impl Head {
    /// The head after an entry of this text.
    pub fn after(&self, pepper: &Pepper, body: &str) -> Self {
        let seq = self.seq.saturating_add(1);
        let parts = [self.mac.as_bytes(), &seq.to_be_bytes(), body.as_bytes()];
        Self { seq, mac: hex::encode(&pepper.keyed_hash(CHAIN, &parts)) }
    }

    /// Whether an entry follows on this head as it was written: under any of the peppers, for they
    /// rotate.
    pub fn leads_to(&self, pepper: &Pepper, kept: &Kept) -> bool {
        let seq = self.seq.saturating_add(1);
        let parts = [self.mac.as_bytes(), &seq.to_be_bytes(), kept.body.as_bytes()];
        let said = kept.mac.as_bytes();
        kept.seq == seq
            && pepper
                .keyed_hashes(CHAIN, &parts)
                .any(|hash| subtle::ConstantTimeEq::ct_eq(hex::encode(&hash).as_bytes(), said).into())
    }
}

/// Which entries a list shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only of this owner's leases.
    pub owner: Option<String>,
    /// Only of this lease.
    pub lease: Option<LeaseId>,
    /// Only of this kind.
    pub event: Option<String>,
    /// Only older ones than this number.
    pub before: Option<u64>,
}

/// An entry as it stands in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub seq: u64,
    /// Its text, as it is authenticated.
    pub body: String,
    /// What authenticates it and all before it.
    pub mac: String,
}

impl Kept {
    /// The head that it makes.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, mac: self.mac.clone() }
    }
}

/// A part of the journal as it lies in KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What authenticates the entry before the first.
    pub after: String,
    /// The entries, oldest first.
    pub entries: Vec<Kept>,
}

/// What the keys of a ledger's segments begin with.
pub fn segment_prefix(ledger: &str) -> String {
    format!("journal/{ledger}/")
}

/// Where the segment that begins with this entry lies in KV. Keys sort as the entries do.
pub fn segment_key(ledger: &str, first: u64) -> String {
    format!("journal/{ledger}/{first:016}")
}

record!(Head { seq, mac });
record!(Segment { after, entries });
record!(EntryFilter { owner, lease, event, before });
record!(Kept { seq, body, mac });

impl<S: Sql> Book<S> {
    /// The end of the chain.
    ///
    /// # Errors
    /// The database's.
    pub fn head(&self) -> Result<Head, SqlError> {
        let rows = self.sql().run("SELECT seq, '', mac FROM journal ORDER BY seq DESC LIMIT 1", &[])?;
        let last = rows.first().map(kept).transpose()?;
        let last = last.map(|kept| kept.head()).unwrap_or_default();
        // A book that was made anew goes on where the journal in KV ended.
        let begun = self.note(BEGUN)?.and_then(|text| from_text::<Head>(&text)).unwrap_or_default();
        Ok(if begun.seq > last.seq { begun } else { last })
    }

    /// Goes on behind this head; entries after `known` are let go.
    ///
    /// # Errors
    /// The database's.
    pub fn begin_journal(&self, head: &Head, known: u64) -> Result<(), SqlError> {
        self.sql().run("DELETE FROM journal WHERE seq > ?", &[number(known)])?;
        // What was sent of those is sent again, under the new numbers.
        self.sql().run("DELETE FROM delivery WHERE seq > ?", &[number(known)])?;
        self.sql().run("UPDATE endpoint SET seq = ?1 WHERE seq > ?1", &[number(known)])?;
        self.keep_note(BEGUN, &to_text(head))
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// The database's, among them that of a number that is taken.
    pub fn append(&self, pepper: &Pepper, head: &Head, entry: &Entry) -> Result<Kept, SqlError> {
        let body = to_text(entry);
        let next = head.after(pepper, &body);
        self.sql().run(
            "INSERT INTO journal (seq, at, event, owner, lease, body, mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
            &[
                SqlValue::integer(i64::try_from(next.seq).ok()),
                entry.at.unix().into(),
                entry.event.as_str().into(),
                SqlValue::text(entry.owner.as_deref()),
                SqlValue::text(entry.lease.as_ref().map(LeaseId::as_str)),
                body.as_str().into(),
                next.mac.as_str().into(),
            ],
        )?;
        Ok(Kept { seq: next.seq, body, mac: next.mac })
    }

    /// The first entry that is younger than [`KEPT`], where there are older ones to let go.
    ///
    /// # Errors
    /// The database's.
    pub fn kept_from(&self, now: Timestamp) -> Result<Option<u64>, SqlError> {
        let old = now.unix().saturating_sub(i64::from(KEPT.get()));
        let rows = self.sql().run(
            "SELECT seq FROM journal WHERE at >= ? AND seq > (SELECT min(seq) FROM journal) ORDER BY seq LIMIT 1",
            &[old.into()],
        )?;
        let first = self.sql().run("SELECT at FROM journal ORDER BY seq LIMIT 1", &[])?;
        let is_old = matches!(first.first().map(Vec::as_slice), Some([SqlValue::Integer(at)]) if *at < old);
        Ok(match rows.first().map(Vec::as_slice) {
            Some([SqlValue::Integer(seq)]) if is_old => u64::try_from(*seq).ok(),
            _ => None,
        })
    }

    /// The entry of this number, or the first one after it.
    ///
    /// # Errors
    /// The database's.
    pub fn entry_from(&self, seq: u64) -> Result<Option<Kept>, SqlError> {
        let rows = self
            .sql()
            .run("SELECT seq, body, mac FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1", &[number(seq)])?;
        rows.first().map(kept).transpose()
    }

    /// Lets go of what is older than [`KEPT`].
    ///
    /// # Errors
    /// The database's.
    pub fn forget_entries(&self, now: Timestamp) -> Result<(), SqlError> {
        let old = now.unix().saturating_sub(i64::from(KEPT.get()));
        self.sql()
            .run(
                "DELETE FROM journal WHERE seq < (SELECT seq FROM journal WHERE at >= ? ORDER BY seq LIMIT 1)",
                &[old.into()],
            )
            .map(drop)
    }

    /// When the first entry after this one was made; none where there is none.
    ///
    /// # Errors
    /// The database's.
    pub fn oldest_after(&self, seq: u64) -> Result<Option<Timestamp>, SqlError> {
        let rows =
            self.sql().run("SELECT at FROM journal WHERE seq > ? ORDER BY seq LIMIT 1", &[number(seq)])?;
        Ok(match rows.first().map(Vec::as_slice) {
            Some([SqlValue::Integer(at)]) => Timestamp::from_unix(*at).ok(),
            _ => None,
        })
    }

    /// The entries after this one, oldest first, as many as have together about `bytes`.
    ///
    /// # Errors
    /// The database's.
    pub fn entries_after(&self, seq: u64, bytes: usize) -> Result<Vec<Kept>, SqlError> {
        let (mut entries, mut length, mut last) = (Vec::new(), 0, seq);
        while length < bytes {
            let rows = self.sql().run(
                "SELECT seq, body, mac FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
                &[number(last), MOST_ENTRIES.into()],
            )?;
            let page = rows.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
            let Some(end) = page.last() else { break };
            last = end.seq;
            for entry in page {
                length = length.saturating_add(entry.body.len());
                entries.push(entry);
                if length >= bytes {
                    break;
                }
            }
        }
        Ok(entries)
    }

    /// What authenticates an entry.
    ///
    /// # Errors
    /// The database's.
    pub fn mac_of(&self, seq: u64) -> Result<Option<String>, SqlError> {
        let rows = self.sql().run("SELECT mac FROM journal WHERE seq = ?", &[number(seq)])?;
        Ok(match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
            Some(SqlValue::Text(mac)) => Some(mac),
            _ => None,
        })
    }

    /// Entries, newest first, at most `limit` and at most [`MOST_ENTRIES`].
    ///
    /// # Errors
    /// The database's.
    pub fn entries(&self, filter: &EntryFilter, limit: u32) -> Result<Vec<Kept>, SqlError> {
        let rows = self.sql().run(
            "SELECT seq, body, mac FROM journal
             WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR lease = ?2) AND (?3 IS NULL OR event = ?3)
               AND (?4 IS NULL OR seq < ?4)
             ORDER BY seq DESC LIMIT ?5",
            &[
                SqlValue::text(filter.owner.as_deref()),
                SqlValue::text(filter.lease.as_ref().map(LeaseId::as_str)),
                SqlValue::text(filter.event.as_deref()),
                SqlValue::integer(filter.before.and_then(|seq| i64::try_from(seq).ok())),
                limit.min(MOST_ENTRIES).into(),
            ],
        )?;
        rows.iter().map(kept).collect()
    }
}

fn number(seq: u64) -> SqlValue {
    SqlValue::integer(i64::try_from(seq).ok())
}

fn kept(row: &Row) -> Result<Kept, SqlError> {
    match row.as_slice() {
        [SqlValue::Integer(seq), SqlValue::Text(body), SqlValue::Text(mac)] => {
            let seq = u64::try_from(*seq).map_err(|_| SqlError::Row("journal"))?;
            Ok(Kept { seq, body: body.clone(), mac: mac.clone() })
        }
        _ => Err(SqlError::Row("journal")),
    }
}
