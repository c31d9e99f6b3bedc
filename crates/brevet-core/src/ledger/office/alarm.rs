//! What a ledger does by itself: end tokens in time, finish revocations that failed, and find out what
//! became of creates without an outcome.
//!
//! Alarms come at least once, may be late, and may be lost: everything here can be done twice, and the
//! table of errands is the only thing it goes by.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents};
use crate::json::from_text;
use crate::ledger::book::LeaseKey;
use crate::ledger::due::{Due, Errand};
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::office::revoke::{LOOK_AGAIN, Settled};
use crate::ledger::office::{BY_ITSELF, Clock, Hand, Hold, Notice, Office, PARENTS, flush};
use crate::ledger::sql::{Sql, SqlError};
use crate::time::{Seconds, Timestamp};

/// How long the alarm waits after the first failure, and leaves a request alone that is deleting a token
/// itself. Doubled with every failure.
pub(super) const FIRST_PAUSE: Seconds = Seconds::of(60);

/// The longest wait between two attempts: within an hour after Cloudflare is back, everything is done.
const LONGEST_PAUSE: u32 = 3600;

/// After so many failures, an hour of them, people should know.
const STUCK_AFTER: u32 = 6;

/// Calls to Cloudflare at once. An object has six connections in all, and requests need some.
const AT_ONCE: usize = 4;

/// An alarm begins nothing new after so many seconds. What is left is next, after requests had their turn.
pub(super) const WORKS_FOR: i64 = 20;

/// What came of an errand.
enum Outcome {
    /// Nothing is left to do.
    Done,
    /// It is put off to this moment.
    Later(Timestamp),
    /// It failed.
    Failed(Failure),
}

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// Does what is due. Called by the alarm; never fails, for a failing alarm is dropped in the end.
    pub async fn wake(&self) {
        self.armed.set(None);
        let hand = Hand { office: self, by: BY_ITSELF };
        let begun = self.clock.now();
        let mut done = hand.work().await;
        if done.is_ok() {
            done = hand.tend().await;
        }
        if done.is_ok() {
            done = hand.deliver(begun).await;
        }
        if let Err(error) = done {
            self.notice(Notice::Database(error));
            self.arm(self.clock.now().plus(FIRST_PAUSE));
        }
        self.rearm();
    }
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    async fn work(&self) -> Result<(), SqlError> {
        self.settle()?;
        let begun = self.clock.now();
        let due = self.book.due(begun)?;
        if due.is_empty() {
            return Ok(());
        }
        let known = self.book.note(PARENTS)?;
        let parents: Option<Parents> = known.and_then(|text| from_text(&text));
        for some in due.chunks(AT_ONCE) {
            if self.clock.now().since(begun) >= WORKS_FOR {
                return Ok(());
            }
            let mut outcomes = Vec::new();
            together(some.iter().map(|due| self.run(due, parents.as_ref())).collect(), &mut outcomes).await;
            let mut limited = None;
            for outcome in outcomes {
                limited = limited.max(outcome?);
            }
            // Whoever goes on against a limit is blocked for longer.
            if let Some(pause) = limited {
                let now = self.clock.now();
                return self.book.put_all_off(now, now.plus(pause));
            }
        }
        Ok(())
    }

    /// What has no time of its own: the journal's copy and the sweep. Whatever is due goes before it.
    async fn tend(&self) -> Result<(), SqlError> {
        if self.unflushed.get() >= flush::SEGMENT_BYTES {
            self.flush().await?;
        }
        if self.to_tend.borrow().is_none() || !self.book.due(self.clock.now())?.is_empty() {
            return Ok(());
        }
        let Some(install) = self.to_tend.take() else { return Ok(()) };
        self.write_counts()?;
        self.flush().await?;
        let known = self.book.note(PARENTS)?;
        match known.and_then(|text| from_text::<Parents>(&text)) {
            Some(parents) => self.sweep(&install, &parents).await,
            None => Ok(()),
        }
    }

    /// Runs one errand and writes down what came of it. Where Cloudflare limits us, tells for how long.
    async fn run(&self, due: &Due, parents: Option<&Parents>) -> Result<Option<Seconds>, SqlError> {
        let lease = due.lease;
        if due.errand == Errand::Order {
            return self.carry_out(lease, due.tries).await.map(|()| None);
        }
        let outcome = match parents {
            Some(parents) => self.attempt(due, parents).await,
            // Every mint keeps them; a book from before that waits for the next tick of the cron.
            None => Ok(Outcome::Later(self.clock.now().plus(FIRST_PAUSE))),
        };
        // A row that cannot be read keeps nothing else from being done.
        let failure = match outcome {
            Ok(Outcome::Done) => return self.book.strike(lease).map(|()| None),
            Ok(Outcome::Later(at)) => return self.book.put_off(lease, at, false).map(|()| None),
            Ok(Outcome::Failed(failure)) => Some(failure),
            Err(error) => {
                self.notice(Notice::Database(error));
                None
            }
        };
        let tries = due.tries.saturating_add(1);
        let asked = failure.as_ref().and_then(|failure| failure.retry_after).unwrap_or(0);
        let pause = Seconds::of(pause(due.tries).max(asked.min(LONGEST_PAUSE)));
        self.book.put_off(lease, self.clock.now().plus(pause), true)?;
        if tries >= STUCK_AFTER {
            self.notice(Notice::Stuck { lease, tries });
            if failure.is_some() && self.present(lease)?.state == State::Revoking {
                self.amend(lease, &|lease, _| lease.state = State::Stuck)?;
            }
        }
        let limited = failure.is_some_and(|failure| failure.kind == FailureKind::RateLimited);
        Ok(limited.then_some(pause))
    }

    /// Deletes some of the tokens whose time is up, before a new one takes their place.
    pub(super) async fn reclaim(&self, parents: &Parents) -> Result<(), SqlError> {
        let due = self.book.due(self.clock.now())?;
        let some = due.iter().filter(|due| due.errand == Errand::Delete).take(AT_ONCE);
        let mut outcomes = Vec::new();
        together(some.map(|due| self.run(due, Some(parents))).collect(), &mut outcomes).await;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    async fn attempt(&self, due: &Due, parents: &Parents) -> Result<Outcome, SqlError> {
        let Some(lease) = self.book.find(LeaseKey::Lease(due.lease))? else { return Ok(Outcome::Done) };
        let now = self.clock.now();
        match (lease.token_id, due.errand) {
            // Renewed since it was written down.
            (Some(_), _) if lease.state == State::Active && now < lease.expires_on => {
                Ok(Outcome::Later(lease.expires_on))
            }
            (Some(token), _) => match self.cloudflare.delete(self.owner, parents, token).await {
                Ok(()) => self.finish(lease, End::Revoked).map(|_| Outcome::Done),
                Err(failure) => Ok(Outcome::Failed(failure)),
            },
            (None, _) => self.look_for(&lease, parents).await,
        }
    }

    async fn look_for(&self, lease: &Lease, parents: &Parents) -> Result<Outcome, SqlError> {
        let soon = self.clock.now().plus(Seconds::of(LOOK_AGAIN));
        // Its create is under way.
        let Some(_hold) = Hold::take(&self.busy, lease.id) else { return Ok(Outcome::Later(soon)) };
        Ok(match self.settle_create(lease, parents).await? {
            Settled::Ended(_) => Outcome::Done,
            Settled::Open => Outcome::Later(soon),
            Settled::Failed(failure) => Outcome::Failed(failure),
        })
    }
}

/// The wait after so many failures before this one, in seconds.
pub(super) fn pause_after(tries: u32) -> Seconds {
    Seconds::of(pause(tries))
}

fn pause(tries: u32) -> u32 {
    FIRST_PAUSE.get().saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

/// Runs some futures at once, to the end of the last.
async fn together<T>(futures: Vec<impl Future<Output = T>>, outcomes: &mut Vec<T>) {
    let mut waiting: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                outcomes.push(outcome);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
