//! What a ledger gives out at most: tokens, so that Cloudflare's limit meets nobody by surprise, and calls,
//! so that no caller uses up those of all others.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, TokenOwner};
use crate::ledger::lease::Lease;
use crate::ledger::office::{Clock, Hand};
use crate::ledger::sql::{Sql, SqlError, SqlValue};
use crate::sorted::SortedMap;
use crate::time::Timestamp;

/// The tokens that Cloudflare lets an account have.
pub const OF_AN_ACCOUNT: u32 = 500;

/// The tokens that Cloudflare lets a user have.
pub const OF_A_USER: u32 = 50;

/// One part in so many is head-room: what is left when grants get no more, for operators.
const OPERATORS_PART: u32 = 10;

/// One part in so many is what a single grant leaves to the others, operators' head-room included.
const OTHERS_PART: u32 = 5;

/// The quota is near when fewer than one part in so many is left, and no longer when twice as much is.
const NEAR: u32 = 5;

/// The name under which it is kept that the quota was said to be near.
const TOLD_NEAR: &str = "quota_near";

/// The window in which a caller's operations are counted, in seconds; Cloudflare's own is as long.
const WINDOW: i64 = 300;

/// The operations with calls to Cloudflare that one caller gets in a window: less than half of the calls that
/// Cloudflare takes beside deletions.
pub const MOST_OPERATIONS: u32 = 400;

/// The callers counted apart. More at once share one count.
const MOST_CALLERS: usize = 256;

/// The caller that all share who come when there are [`MOST_CALLERS`].
const OTHERS: &str = "";

/// How many tokens there are, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// All tokens of this book that are at Cloudflare, or may be.
    all: u32,
    /// Those among them whose time is up, and which are still to be deleted.
    expired: u32,
    /// Those of the grant that asks.
    of_grant: u32,
    /// Those of the grant that has most.
    of_busiest: u32,
    most: u32,
}

impl Room {
    /// For how many more nothing has to be counted, whatever their grants are: each of them may be the busiest's. One
    /// count falls on the moment when the quota becomes near, for that is told.
    fn surely_for(&self) -> u32 {
        let Self { all, of_busiest, most, .. } = *self;
        let far = (most - most / NEAR).saturating_sub(all);
        let for_grants = (most - most / OPERATORS_PART).saturating_sub(all);
        let for_one = (most - most / OTHERS_PART).saturating_sub(of_busiest);
        if far > 0 { far.min(for_one) } else { for_grants.min(for_one) }
    }

    /// Why there is no room for one more, if so.
    fn refusal(&self, grant: Option<&str>) -> Option<String> {
        let Self { all, of_grant, most, .. } = *self;
        let for_grants = most - most / OPERATORS_PART;
        let for_one = most - most / OTHERS_PART;
        let Some(grant) = grant else {
            return (all >= most)
                .then(|| format!("{all} of the {most} tokens that may be at Cloudflare are there."));
        };
        if of_grant >= for_one {
            return Some(format!(
                "The grant {grant} has {of_grant} live tokens; of the {most} that may be at Cloudflare one grant gets {for_one}."
            ));
        }
        (all >= for_grants).then(|| {
            format!("{all} of the {most} tokens that may be at Cloudflare are there; grants get {for_grants} of them.")
        })
    }
}

/// Who called how often in the present window.
#[derive(Debug, Default)]
pub(super) struct Callers(SortedMap<String, (i64, u32)>);

impl Callers {
    /// Counts an operation. Where the caller has had all of its own, tells for how many seconds.
    fn count(&mut self, by: &str, now: Timestamp) -> Option<u32> {
        let window = now.unix().div_euclid(WINDOW);
        if self.0.len() >= MOST_CALLERS && self.0.get(by).is_none() {
            self.0.retain(|(begun, _)| *begun == window);
        }
        let crowded = self.0.len() >= MOST_CALLERS && self.0.get(by).is_none();
        let by = if crowded { OTHERS } else { whom(by) };
        let (_, calls) = self.0.get(by).copied().filter(|(begun, _)| *begun == window).unwrap_or((window, 0));
        if calls >= MOST_OPERATIONS {
            let left = window.saturating_add(1).saturating_mul(WINDOW).saturating_sub(now.unix());
            return Some(u32::try_from(left.max(1)).unwrap_or(1));
        }
        self.0.insert(by.to_owned(), (window, calls + 1));
        None
    }
}

/// The caller as it is counted: of a workload its issuer and grant, for every run is a caller of its own.
fn whom(by: &str) -> &str {
    if by.starts_with("oidc:") { by.rsplit_once(':').map_or(by, |(whom, _)| whom) } else { by }
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Why this caller gets no operation with calls to Cloudflare now, if so.
    pub(super) fn too_often(&self) -> Option<Failure> {
        let wait = self.callers.borrow_mut().count(self.by, self.clock.now())?;
        let mut failure = Failure::new(
            FailureKind::RateLimited,
            format!(
                "This caller has had the {MOST_OPERATIONS} operations that one caller gets in five minutes, so that others get theirs."
            ),
            format!("Try again after {wait} s. Revoking is not limited."),
        );
        failure.retry_after = Some(wait);
        Some(failure)
    }

    /// Why there is no room for this lease's token, if so, and whether deleting tokens whose time is up
    /// may make some.
    pub(super) fn no_room(&self, lease: &Lease) -> Result<Option<(Failure, bool)>, SqlError> {
        // Counting reads every live lease, so it is done when it may matter.
        if let Some(left) = self.surely_room_for.get().checked_sub(1) {
            self.surely_room_for.set(left);
            return Ok(None);
        }
        let grant = lease.grant.as_deref();
        let room = self.room(grant)?;
        let Some(cause) = room.refusal(grant) else {
            self.surely_room_for.set(room.surely_for().saturating_sub(1));
            self.tell_of_quota(&room)?;
            return Ok(None);
        };
        let mut failure = Failure::new(
            FailureKind::Quota,
            cause,
            "Revoke tokens that are no longer needed, or wait until some end.".to_owned(),
        );
        failure.retry_after = self.next_end()?;
        Ok(Some((failure, room.expired > 0)))
    }

    /// Writes down, once, that few tokens are left: before there are none. Below that nothing is counted, so
    /// the next count after it shows when that is over.
    fn tell_of_quota(&self, room: &Room) -> Result<(), SqlError> {
        let Room { all, most, .. } = *room;
        let left = most.saturating_sub(all.saturating_add(1));
        let told = self.book.note(TOLD_NEAR)?.is_some();
        if left < most / NEAR && !told {
            self.book.keep_note(TOLD_NEAR, "1")?;
            return self.record_deed(
                "quota_near",
                format!("{all} of the {most} tokens that may be at Cloudflare are there."),
            );
        }
        if told && left >= most / NEAR * 2 {
            self.book.drop_note(TOLD_NEAR)?;
        }
        Ok(())
    }

    fn room(&self, grant: Option<&str>) -> Result<Room, SqlError> {
        self.settle()?;
        let rows = self.book.sql().run(
            "SELECT count(*), live, grant_name FROM lease WHERE live IS NOT NULL GROUP BY grant_name
             UNION ALL
             SELECT count(*), lease.live, NULL FROM due JOIN lease ON lease.id = due.key WHERE lease.live IS NULL",
            &[],
        )?;
        let most = match self.owner {
            TokenOwner::Account(_) => OF_AN_ACCOUNT,
            TokenOwner::User(_) => OF_A_USER,
        };
        let mut room = Room { all: 0, expired: 0, of_grant: 0, of_busiest: 0, most };
        for row in &rows {
            let [SqlValue::Integer(count), live, of] = row.as_slice() else {
                return Err(SqlError::Row("lease"));
            };
            let count = u32::try_from(*count).unwrap_or(u32::MAX);
            room.all = room.all.saturating_add(count);
            match (live, of) {
                (SqlValue::Null, _) => room.expired = count,
                (_, SqlValue::Text(name)) => {
                    room.of_busiest = room.of_busiest.max(count);
                    if grant == Some(name) {
                        room.of_grant = count;
                    }
                }
                _ => {}
            }
        }
        Ok(room)
    }

    /// Seconds until the first of the live tokens ends, an hour at most.
    fn next_end(&self) -> Result<Option<u32>, SqlError> {
        let rows = self.book.sql().run("SELECT min(expires_on) FROM lease WHERE live IS NOT NULL", &[])?;
        let Some(SqlValue::Integer(end)) = rows.first().and_then(|row| row.first()) else { return Ok(None) };
        let wait = end.saturating_sub(self.clock.now().unix()).clamp(1, 3600);
        Ok(u32::try_from(wait).ok())
    }
}
