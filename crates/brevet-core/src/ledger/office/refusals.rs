//! Refusals in the journal: of known callers one by one, up to a bound, and of strangers as numbers. So a
//! flood of either costs next to nothing.

use crate::cloudflare::Cloudflare;
use crate::ledger::journal::Entry;
use crate::ledger::office::{Clock, Hand};
use crate::ledger::protocol::{Refused, Strangers};
use crate::ledger::sql::{Sql, SqlError};
use crate::sorted::SortedMap;
use crate::time::Timestamp;

/// A caller's refusals that are written out in a minute; the others are counted.
pub const MOST_WRITTEN: u32 = 30;

/// The minute, in seconds.
const MINUTE: i64 = 60;

/// The callers, and the reasons, that are counted apart. More at once share one count.
const MOST_APART: usize = 64;

/// What all share who come when there are [`MOST_APART`].
const OTHERS: &str = "others";

/// What was counted of somebody.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    minute: i64,
    written: u32,
    unwritten: u32,
}

/// The refusals of the present minute.
#[derive(Debug, Default)]
pub(super) struct Refusals(SortedMap<String, Count>, Count);

impl Refusals {
    /// The count of somebody, and what of an earlier minute is still to be written.
    fn of(&mut self, whom: &str, now: Timestamp) -> (&mut Count, u32) {
        let minute = now.unix().div_euclid(MINUTE);
        let crowded = self.0.len() >= MOST_APART && !self.0.contains_key(whom);
        let whom = if crowded { OTHERS } else { whom };
        if !self.0.contains_key(whom) {
            self.0.insert(whom.to_owned(), Count { minute, ..Count::default() });
        }
        let Some(count) = self.0.get_mut(whom) else { return (&mut self.1, 0) };
        let mut over = 0;
        if count.minute != minute {
            over = count.unwritten;
            *count = Count { minute, ..Count::default() };
        }
        (count, over)
    }

    /// What is still to be written of minutes that are over, all taken out.
    fn take_over(&mut self, now: Timestamp) -> Vec<(String, u32)> {
        let minute = now.unix().div_euclid(MINUTE);
        let is_over = |count: &Count| count.minute != minute;
        let old = self.0.iter().filter(|(_, count)| is_over(count) && count.unwritten > 0);
        let over = old.map(|(whom, count)| (whom.clone(), count.unwritten)).collect();
        self.0.retain(|count| !is_over(count));
        over
    }
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Writes down that a known caller was refused.
    pub(super) fn refused(&self, refused: Refused) -> Result<(), SqlError> {
        let now = self.clock.now();
        let (writes, over) = {
            let mut refusals = self.refusals.borrow_mut();
            let (count, over) = refusals.of(self.by, now);
            let writes = count.written < MOST_WRITTEN;
            if writes {
                count.written += 1;
            } else {
                count.unwritten = count.unwritten.saturating_add(1);
            }
            (writes, over)
        };
        self.write_count(self.by, over)?;
        if !writes {
            return Ok(());
        }
        let told = format!("{}: {}", refused.kind, refused.detail);
        self.append(&Entry {
            owner: refused.evidence.is_none().then(|| self.by.to_owned()),
            grant: refused.grant,
            rule: refused.rule,
            rules_version: Some(refused.rules_version),
            detail: Some(match refused.evidence {
                Some(evidence) => format!("{told} [{evidence}]"),
                None => told,
            }),
            ..Entry::of(now, "refused", self.by)
        })
    }

    /// Counts those who did not say who they are, or not rightly: one row a minute for each reason.
    pub(super) fn strangers(&self, strangers: Vec<Strangers>) -> Result<(), SqlError> {
        let now = self.clock.now();
        for Strangers { reason, count: more } in strangers.into_iter().take(MOST_APART) {
            let whom = format!("?{reason}");
            let number = {
                let mut refusals = self.refusals.borrow_mut();
                let (count, over) = refusals.of(&whom, now);
                let number = over.saturating_add(more);
                if count.written == 0 {
                    count.written = 1;
                    number
                } else {
                    count.unwritten = count.unwritten.saturating_add(number);
                    0
                }
            };
            self.write_count(&whom, number)?;
        }
        Ok(())
    }

    /// Writes what was counted in minutes that are over.
    pub(super) fn write_counts(&self) -> Result<(), SqlError> {
        let over = self.refusals.borrow_mut().take_over(self.clock.now());
        over.iter().try_for_each(|(whom, count)| self.write_count(whom, *count))
    }

    fn write_count(&self, whom: &str, count: u32) -> Result<(), SqlError> {
        if count == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let entry = match whom.strip_prefix('?') {
            Some(reason) => {
                Entry { detail: Some(format!("{reason}: {count}")), ..Entry::of(now, "refused_unknown", "?") }
            }
            None => Entry {
                owner: Some(whom.to_owned()),
                detail: Some(format!("{count} more in a minute")),
                ..Entry::of(now, "refused", whom)
            },
        };
        self.append(&entry)
    }
}
