//! The sweep: Cloudflare's complete list and the books, compared both ways.
//!
//! A sweep that is wrong deletes what somebody works with. So it deletes only what this installation
//! surely made and surely does not know, only what is old, and only a little at a time; and a book that
//! may have been lost or set back does not sweep at all.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents, TokenView};
use crate::id::LeaseId;
use crate::ledger::book::{LeaseKey, MOST_LIVE};
use crate::ledger::journal::Entry;
use crate::ledger::lease::{Lease, State};
use crate::ledger::name::{Pepper, lease_of_name};
use crate::ledger::office::revoke::CREATE_SETTLES;
use crate::ledger::office::{BY_ITSELF, Clock, Hand, Hold, Notice, drift};
use crate::ledger::sql::{Sql, SqlError};
use crate::time::Seconds;

/// The shortest time between two sweeps of one object: a list of 500 tokens costs eleven calls.
const BETWEEN: Seconds = Seconds::of(14 * 60);

/// So many tokens a sweep deletes, or puts right, at most. More than that is a sign that the books are
/// wrong and not Cloudflare.
const MOST_A_RUN: usize = 20;

/// The name under which it is kept that this ledger may sweep: once, every token with a name of this
/// installation was in its books.
pub(super) const MAY_SWEEP: &str = "may_sweep";

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Compares the list with the books, unless that was done a moment ago.
    pub(super) async fn sweep(&self, install: &str, parents: &Parents) -> Result<(), SqlError> {
        let Some(pepper) = &self.pepper else { return Ok(()) };
        let begun = self.clock.now();
        if self.swept.get().is_some_and(|at| begun.since(at) < i64::from(BETWEEN.get())) {
            return Ok(());
        }
        // What lives must be in the list that is read after this, not the other way round.
        self.settle()?;
        let live = self.book.live_of(&[], &[], MOST_LIVE)?;
        let listed = match self.cloudflare.list(self.owner, parents).await {
            Ok(listed) => listed,
            Err(failure) => return self.not_swept(&failure),
        };
        self.swept.set(Some(begun));
        if self.is_set_back().await? {
            return Ok(());
        }
        let mut strays = Vec::new();
        for view in &listed {
            if self.is_stray(pepper, install, view)? {
                strays.push(view);
            }
        }
        if self.book.note(MAY_SWEEP)?.is_some() {
            self.delete_strays(pepper, install, &strays, parents).await?;
        } else if strays.is_empty() {
            self.book.keep_note(MAY_SWEEP, "1")?;
        } else {
            self.notice(Notice::LostBooks { tokens: strays.len() });
        }
        self.put_right(&live, &listed, parents).await
    }

    fn not_swept(&self, failure: &Failure) -> Result<(), SqlError> {
        self.notice(Notice::NotSwept { cause: failure.cause.clone() });
        Ok(())
    }

    /// Whether a token was made by this installation and is in no book.
    fn is_stray(&self, pepper: &Pepper, install: &str, view: &TokenView) -> Result<bool, SqlError> {
        let Some(lease) = lease_of_name(pepper, install, &view.name) else { return Ok(false) };
        if self.book.find(LeaseKey::Token(view.id))?.is_some() {
            return Ok(false);
        }
        // It may be the one of an intent whose answer is still to come.
        let intent = self.book.find(LeaseKey::Lease(lease))?;
        Ok(intent.is_none_or(|lease| lease.token_id.is_some() || lease.state == State::Ended))
    }

    async fn delete_strays(
        &self,
        pepper: &Pepper,
        install: &str,
        strays: &[&TokenView],
        parents: &Parents,
    ) -> Result<(), SqlError> {
        let now = self.clock.now();
        let is_old = |view: &&&TokenView| {
            view.issued_on.is_some_and(|issued| now.since(issued) > i64::from(CREATE_SETTLES.get()))
        };
        let old: Vec<&TokenView> = strays.iter().filter(is_old).copied().collect();
        for view in old.iter().take(MOST_A_RUN) {
            // Others were at work during the deletion before this one.
            if !self.is_stray(pepper, install, view)? {
                continue;
            }
            if let Err(failure) = self.cloudflare.delete(self.owner, parents, view.id).await {
                return self.not_swept(&failure);
            }
            self.append(&Entry {
                token_id: Some(view.id),
                lease: lease_of_name(pepper, install, &view.name),
                detail: Some(view.name.clone()),
                ..Entry::of(self.clock.now(), "swept", BY_ITSELF)
            })?;
        }
        if old.len() > MOST_A_RUN {
            self.notice(Notice::ManyStrays { tokens: old.len() });
        }
        Ok(())
    }

    /// Puts right what differs of the leases that live: tokens that are gone, and tokens that somebody
    /// changed.
    async fn put_right(
        &self,
        live: &[Lease],
        listed: &[TokenView],
        parents: &Parents,
    ) -> Result<(), SqlError> {
        let now = self.clock.now();
        let old = |lease: &&Lease| {
            lease.state == State::Active && now.since(lease.created) > i64::from(CREATE_SETTLES.get())
        };
        let mut done = 0;
        for lease in live.iter().filter(old) {
            let Some(token) = lease.token_id else { continue };
            let shown = listed.iter().find(|view| view.id == token);
            let right = shown.is_some_and(|view| !is_revoked(view) && !drift::has_drifted(lease, view));
            if right || self.present(lease.id)?.revision != lease.revision {
                continue;
            }
            done += 1;
            if done > MOST_A_RUN {
                return Ok(());
            }
            // A list may leave something out; the token itself does not.
            match self.cloudflare.read(self.owner, parents, token).await {
                Ok(view) => self.take_note(lease, view.as_ref(), parents).await?,
                Err(failure) => return self.not_swept(&failure),
            };
        }
        Ok(())
    }

    /// Brings a lease and its token together again, after Cloudflare showed the token. Gives the token as
    /// it is then; none where it is dead.
    pub(super) async fn take_note(
        &self,
        seen: &Lease,
        view: Option<&TokenView>,
        parents: &Parents,
    ) -> Result<Option<Box<TokenView>>, SqlError> {
        // Leak detection ends a token without deleting it.
        let Some(view) = view.filter(|view| !is_revoked(view)) else {
            self.found_dead(seen.id)?;
            return Ok(None);
        };
        let lease = self.present(seen.id)?;
        // What Cloudflare showed is compared only with the books of the same moment.
        let comparable = lease.state == State::Active
            && lease.revision == seen.revision
            && !self.busy.borrow().contains(&lease.id);
        if comparable && drift::has_drifted(&lease, view) {
            return self.put_back(lease.id, parents).await;
        }
        Ok((lease.state != State::Ended).then(|| Box::new(view.clone())))
    }

    /// Undoes a change at Cloudflare that nobody here made.
    async fn put_back(&self, id: LeaseId, parents: &Parents) -> Result<Option<Box<TokenView>>, SqlError> {
        let Some(_hold) = Hold::take(&self.busy, id) else { return Ok(None) };
        let lease = self.present(id)?;
        let Some(token) = lease.token_id else { return Ok(None) };
        self.notice(Notice::Drifted { lease: id });
        self.append(&Entry::about(&lease, self.clock.now(), "drifted", BY_ITSELF))?;
        match self.cloudflare.update(self.owner, parents, token, &lease.spec()).await {
            Ok(view) => {
                if self.present(id)?.state == State::Active {
                    let lease = self.amend(id, &|lease, now| lease.take_view(&view, now))?;
                    self.append(&Entry::about(&lease, self.clock.now(), "put_back", BY_ITSELF))?;
                }
                Ok(Some(Box::new(view)))
            }
            Err(failure) if failure.kind == FailureKind::NotFound => {
                self.found_dead(id)?;
                Ok(None)
            }
            Err(failure) => {
                self.not_swept(&failure)?;
                Ok(None)
            }
        }
    }
}

fn is_revoked(view: &TokenView) -> bool {
    view.status.starts_with("revoked")
}
