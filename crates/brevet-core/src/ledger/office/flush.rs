//! The journal's way out of the object: segments in KV, each written once.
//!
//! The object's database holds the journal; nothing depends on the copy but what must survive the object:
//! audit, and the books' own recovery. A segment in KV that this book does not know shows that the book
//! was set back.

use crate::cloudflare::Cloudflare;
use crate::json::{from_text, to_text};
use crate::ledger::journal::{Head, Segment, segment_key};
use crate::ledger::office::{Clock, Hand, Notice};
use crate::ledger::sql::{Sql, SqlError};
use crate::time::Seconds;

/// A segment is written when it has so many bytes.
pub(super) const SEGMENT_BYTES: usize = 256 * 1024;

/// Or when its first entry is so old, where the deployment says nothing else.
pub const SEGMENT_AFTER: Seconds = Seconds::of(15 * 60);

/// The shortest time that a deployment can set for that: KV takes a thousand writes a day on the free plan.
pub const SHORTEST_SEGMENT: Seconds = Seconds::of(60);

/// The most segments written in one turn; the next tick of the cron goes on.
const MOST_SEGMENTS: u32 = 8;

/// The name under which the last entry is kept that is in KV.
pub(super) const FLUSHED: &str = "journal_flushed";

/// The name under which it is kept that KV has entries which this book does not know.
pub(super) const SET_BACK: &str = "set_back";

/// What KV holds where the next segment would be written.
enum Ahead {
    Nothing,
    /// A segment that was written by a turn which broke off before it noted that.
    Ours(Head),
    /// Entries that this book does not have.
    Others,
    /// KV did not say.
    Unknown,
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Whether this book is older than its own journal in KV: it was restored from before. Where KV does
    /// not say, it is not taken for sound either.
    pub(super) async fn is_set_back(&self) -> Result<bool, SqlError> {
        if self.book.note(SET_BACK)?.is_some() {
            self.notice(Notice::SetBack);
            return Ok(true);
        }
        let flushed = self.flushed()?;
        Ok(match self.ahead(&flushed).await? {
            Ahead::Nothing | Ahead::Ours(_) => false,
            Ahead::Others => {
                self.book.keep_note(SET_BACK, "1")?;
                self.notice(Notice::SetBack);
                true
            }
            Ahead::Unknown => true,
        })
    }

    pub(super) fn flushed(&self) -> Result<Head, SqlError> {
        let known = self.book.note(FLUSHED)?;
        Ok(known.and_then(|text| from_text(&text)).unwrap_or_default())
    }

    async fn ahead(&self, flushed: &Head) -> Result<Ahead, SqlError> {
        let key = segment_key(&self.owner.ledger_name(), flushed.seq.saturating_add(1));
        let Ok(found) = self.clock.segment(&key).await else { return Ok(Ahead::Unknown) };
        let Some(text) = found else { return Ok(Ahead::Nothing) };
        let last = from_text::<Segment>(&text).and_then(|segment| segment.entries.into_iter().next_back());
        let Some(last) = last else { return Ok(Ahead::Others) };
        let ours = self.book.mac_of(last.seq)?.is_some_and(|mac| mac == last.mac);
        Ok(if ours { Ahead::Ours(last.head()) } else { Ahead::Others })
    }

    /// Writes the segments that are due.
    pub(super) async fn flush(&self) -> Result<(), SqlError> {
        if self.book.note(SET_BACK)?.is_some() {
            return Ok(());
        }
        for _ in 0..MOST_SEGMENTS {
            let flushed = self.flushed()?;
            let Some(since) = self.book.oldest_after(flushed.seq)? else { return Ok(()) };
            let entries = self.book.entries_after(flushed.seq, SEGMENT_BYTES)?;
            let bytes: usize = entries.iter().map(|entry| entry.body.len()).sum();
            let waited = self.clock.now().since(since) >= i64::from(self.clock.segment_after().get());
            let Some(last) = entries.last().map(crate::ledger::journal::Kept::head) else { return Ok(()) };
            if !waited && bytes < SEGMENT_BYTES {
                return Ok(());
            }
            let first = flushed.seq.saturating_add(1);
            let last = match self.ahead(&flushed).await? {
                Ahead::Ours(last) => last,
                // The sweep, which comes next, tells of it.
                Ahead::Others => return self.book.keep_note(SET_BACK, "1"),
                Ahead::Unknown => return self.not_flushed(),
                Ahead::Nothing => {
                    let key = segment_key(&self.owner.ledger_name(), first);
                    let segment = Segment { after: flushed.mac, entries };
                    if !self.clock.keep_segment(&key, &to_text(&segment)).await {
                        return self.not_flushed();
                    }
                    last
                }
            };
            self.book.keep_note(FLUSHED, &to_text(&last))?;
            self.unflushed.set(0);
            self.notice(Notice::Flushed { first, head: last });
        }
        Ok(())
    }

    fn not_flushed(&self) -> Result<(), SqlError> {
        self.notice(Notice::NotFlushed);
        Ok(())
    }
}
