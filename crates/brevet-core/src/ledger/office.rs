//! The ledger at work: it answers one request, and alone sends a parent token to Cloudflare for
//! create, change, roll and delete.
//!
//! Two requests interleave wherever this waits for Cloudflare. So each of them writes down what it is
//! about to do before the call and looks again after it, and a lease that is being worked on is
//! marked as busy in memory: there is one live object, and its memory dies with it.

mod alarm;
mod change;
mod create;
mod drift;
mod revoke;
mod switch;

use crate::sorted::SortedSet;
use std::cell::{Cell, RefCell};

use crate::cloudflare::{Cloudflare, Parents, TokenOwner};
use crate::id::LeaseId;
use crate::json::{from_text, to_text};
use crate::ledger::book::{Book, LeaseKey};
use crate::ledger::due::Errand;
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, ParentHealth, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::{RulesDigest, RulesMark};
use crate::time::{Seconds, Timestamp};

/// The name under which the last check of the parent token is kept.
const HEALTH: &str = "parent_health";

/// The name under which the parent token's secrets are kept for the alarm, which no request goes with.
const PARENTS: &str = "parents";

/// So long after its intent a create without an outcome is looked into: longer than the call and the
/// clean-up after it may take, 25 s each.
const CREATE_TAKES: Seconds = Seconds::of(60);

/// The shortest wait between two alarms: requests have their turn in between.
const AT_LEAST: Seconds = Seconds::of(1);

/// Says the time and wakes.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Has [`Office::wake`] called at this moment, in place of the one it was asked for before. The wish
    /// must be as durable as what was written just before.
    fn wake_at(&self, at: Timestamp);
}

/// Something that the operator must hear of, for the log. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The database failed.
    Database(SqlError),
    /// Rules of the same version and other contents were presented: KV or an isolate was tampered with.
    RulesDiffer {
        /// The version.
        version: u64,
    },
    /// The outcome of a create is unknown, and the token, if there is one, could not be found and
    /// deleted yet.
    Unresolved {
        /// The lease.
        lease: LeaseId,
    },
    /// A token could not be deleted for a while. It is tried again and again.
    Stuck {
        /// The lease.
        lease: LeaseId,
        /// How often it was tried.
        tries: u32,
    },
    /// A token of ours was found dead at Cloudflare.
    FoundDead {
        /// The lease.
        lease: LeaseId,
    },
    /// A token of ours was changed at Cloudflare by somebody else.
    Drifted {
        /// The lease.
        lease: LeaseId,
    },
}

/// Marks a lease as busy for as long as it lives.
struct Hold<'a> {
    busy: &'a RefCell<SortedSet<LeaseId>>,
    lease: LeaseId,
}

impl<'a> Hold<'a> {
    fn take(busy: &'a RefCell<SortedSet<LeaseId>>, lease: LeaseId) -> Option<Self> {
        // A hold that was not taken must not come into being: dropping it would free the lease.
        let taken = busy.borrow_mut().insert(lease);
        taken.then(|| Self { busy, lease })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.busy.borrow_mut().remove(&self.lease);
    }
}

/// A ledger at work on its book.
#[derive(Debug)]
pub struct Office<S, C, K> {
    owner: TokenOwner,
    book: Book<S>,
    cloudflare: C,
    clock: K,
    busy: RefCell<SortedSet<LeaseId>>,
    notices: RefCell<Vec<Notice>>,
    /// When the alarm goes off, as far as this object knows.
    armed: Cell<Option<Timestamp>>,
    /// The parents last kept for the alarm.
    parents: RefCell<Option<Parents>>,
}

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// An office for one owner's ledger. An alarm that was lost is set again.
    pub fn new(owner: TokenOwner, book: Book<S>, cloudflare: C, clock: K) -> Self {
        let office = Self {
            owner,
            book,
            cloudflare,
            clock,
            busy: RefCell::default(),
            notices: RefCell::default(),
            armed: Cell::default(),
            parents: RefCell::default(),
        };
        office.rearm();
        office
    }

    /// What must be logged since the last time it was asked.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    /// The book.
    pub fn book(&self) -> &Book<S> {
        &self.book
    }

    /// The clock.
    pub fn clock(&self) -> &K {
        &self.clock
    }

    /// Answers one request.
    pub async fn serve(&self, request: Request) -> Answer {
        if request.protocol != PROTOCOL {
            return Answer::Refused(Refusal::Protocol);
        }
        let answer = match self.differing_rules(&request) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => self.answer(request).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            self.notice(Notice::Database(error));
            Answer::Refused(Refusal::Database)
        })
    }

    fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }

    /// What grants or widens anything must be decided under the rules in force. Ending a token and
    /// reading need no rules: liveness never depends on them.
    fn differing_rules(&self, request: &Request) -> Result<Option<Answer>, SqlError> {
        if !matches!(request.operation, Operation::Create { .. } | Operation::Change { .. }) {
            return Ok(None);
        }
        let Some(mark) = self.book.rules_mark()? else { return Ok(None) };
        if mark.version > request.rules.version {
            return Ok(self.book.rules()?.map(|(mark, json)| Answer::RulesNewer { mark, json }));
        }
        if mark.version == request.rules.version && mark != request.rules {
            self.notice(Notice::RulesDiffer { version: mark.version });
            return Ok(Some(Answer::Refused(Refusal::RulesDiffer)));
        }
        Ok(None)
    }

    /// Takes rules that were pushed. "Done" means that this ledger goes by them.
    fn take_rules(&self, mark: &RulesMark, json: &str) -> Result<Answer, SqlError> {
        let present = self.book.rules()?;
        if let Some((present, json)) = present.as_ref().filter(|(present, _)| present.version > mark.version)
        {
            // A register that was set back must not believe that its rules bind here.
            return Ok(Answer::RulesNewer { mark: present.clone(), json: json.clone() });
        }
        let same_version_other_text =
            present.is_some_and(|(present, _)| present.version == mark.version && present != *mark);
        if same_version_other_text || RulesDigest::of(json) != mark.digest {
            self.notice(Notice::RulesDiffer { version: mark.version });
            return Ok(Answer::Refused(Refusal::RulesDiffer));
        }
        self.book.take_rules(mark, json)?;
        Ok(Answer::Done)
    }

    async fn answer(&self, request: Request) -> Result<Answer, SqlError> {
        let owner = request.owner.as_deref();
        match request.operation {
            Operation::Create { lease, parents, claim } => self.create(owner, lease, &parents, claim).await,
            Operation::Change { lease, revision, parents, change } => {
                self.change(owner, lease, revision, &parents, *change).await
            }
            Operation::Revoke { key, parents } => self.revoke(owner, key, &parents).await,
            Operation::Read { key, ask_cloudflare } => self.read(owner, key, ask_cloudflare.as_ref()).await,
            Operation::List { mut filter, after, limit } => {
                // An owner's list is its own, whatever filter it asks for.
                if let Some(owner) = owner {
                    if filter.owner.as_deref().is_some_and(|asked| asked != owner) {
                        return Ok(Answer::Leases { leases: Vec::new(), total: None });
                    }
                    filter.owner = Some(owner.to_owned());
                }
                self.settle()?;
                Ok(Answer::Leases { leases: self.book.list(&filter, after, limit)?, total: None })
            }
            Operation::Page(mut page) => {
                page.owner = owner.map(str::to_owned);
                self.settle()?;
                let (leases, total) = self.book.page(&page)?;
                Ok(Answer::Leases { leases, total: Some(total) })
            }
            Operation::Live { grants, owners, limit } => {
                if owner.is_some() {
                    return Ok(Answer::Refused(Refusal::NotFound));
                }
                self.settle()?;
                Ok(Answer::Leases { leases: self.book.live_of(&grants, &owners, limit)?, total: None })
            }
            // These are the installation's own; no caller's request leads here.
            Operation::TakeRules { .. } | Operation::CheckParents(_) if owner.is_some() => {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            // And these an operator's.
            Operation::Freeze(_)
            | Operation::Lift(_)
            | Operation::Freezes
            | Operation::RevokeMany { .. }
            | Operation::Job(_)
                if owner.is_some() =>
            {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            Operation::Freeze(freeze) => self.book.freeze(&freeze).map(|()| Answer::Done),
            Operation::Lift(freeze) => self.lift(freeze),
            Operation::Freezes => self.book.freezes(self.clock.now()).map(Answer::Freezes),
            Operation::RevokeMany { job, selection, freeze } => {
                self.revoke_many(job, &selection, freeze.as_ref())
            }
            Operation::Job(job) => self.job(job),
            Operation::TakeRules { json } => self.take_rules(&request.rules, &json),
            Operation::CheckParents(parents) => {
                // This comes with every tick of the cron: a lost alarm is lost for so long at most.
                self.remember(&parents)?;
                self.armed.set(None);
                self.rearm();
                self.check_parents(&parents).await
            }
            Operation::Health => {
                let text = self.book.note(HEALTH)?;
                let health = text.map(|text| from_text(&text).ok_or(SqlError::Row("meta"))).transpose()?;
                Ok(Answer::Health(health))
            }
        }
    }

    /// Ends the leases whose time is up.
    fn settle(&self) -> Result<(), SqlError> {
        self.book.settle_expired(self.clock.now()).map(drop)
    }

    /// The lease of this key, if it is there and the caller may touch it.
    fn owned(&self, owner: Option<&str>, key: LeaseKey) -> Result<Option<Box<Lease>>, SqlError> {
        self.settle()?;
        Ok(self.book.find(key)?.filter(|lease| owner.is_none_or(|owner| owner == lease.owner)))
    }

    /// The lease as it is now. A lease that somebody works on stays in the book.
    fn present(&self, id: LeaseId) -> Result<Box<Lease>, SqlError> {
        self.book.find(LeaseKey::Lease(id))?.ok_or(SqlError::Row("lease"))
    }

    /// Writes a change down, on the lease as it is now and not as it was before a wait.
    fn amend(&self, id: LeaseId, amend: &dyn Fn(&mut Lease, Timestamp)) -> Result<Box<Lease>, SqlError> {
        let mut lease = self.present(id)?;
        let before = (lease.state, lease.expires_on);
        let now = self.clock.now();
        amend(&mut lease, now);
        lease.revision = lease.revision.saturating_add(1);
        self.book.replace(&lease)?;
        if before != (lease.state, lease.expires_on) {
            match lease.state {
                State::Active => self.schedule(id, Errand::Delete, lease.expires_on)?,
                // Whoever wishes it gone tries it at once; the alarm comes after that.
                State::Revoking => self.schedule(id, Errand::Delete, now.plus(alarm::FIRST_PAUSE))?,
                State::Pending | State::Stuck | State::Ended => {}
            }
        }
        Ok(lease)
    }

    /// Ends a lease of which nothing is left at Cloudflare. One that has ended meanwhile stays as it ended.
    fn finish(&self, id: LeaseId, end: End) -> Result<Box<Lease>, SqlError> {
        let mut lease = self.present(id)?;
        if lease.state != State::Ended {
            lease = self.amend(id, &|lease, now| lease.finish(end, now))?;
        }
        self.book.strike(id)?;
        Ok(lease)
    }

    /// Writes down what the alarm has to do for a lease.
    fn schedule(&self, lease: LeaseId, errand: Errand, at: Timestamp) -> Result<(), SqlError> {
        self.book.expect(lease, errand, at)?;
        self.arm(at);
        Ok(())
    }

    /// Has the alarm go off at this moment, if it does not go off before.
    fn arm(&self, at: Timestamp) {
        if self.armed.get().is_none_or(|armed| at < armed) {
            self.armed.set(Some(at));
            self.clock.wake_at(at);
        }
    }

    /// Sets the alarm to what is next due.
    fn rearm(&self) {
        match self.book.next_due() {
            // What is overdue waits for its next attempt a moment longer, whatever keeps it from being done.
            Ok(Some(at)) => self.arm(at.max(self.clock.now().plus(AT_LEAST))),
            Ok(None) => {}
            Err(error) => {
                self.notice(Notice::Database(error));
                self.arm(self.clock.now().plus(alarm::FIRST_PAUSE));
            }
        }
    }

    /// Keeps the names of the parent token's secrets for the alarm.
    fn remember(&self, parents: &Parents) -> Result<(), SqlError> {
        if self.parents.borrow().as_ref() != Some(parents) {
            self.book.keep_note(PARENTS, &to_text(parents))?;
            self.parents.replace(Some(parents.clone()));
        }
        Ok(())
    }

    /// Cloudflare says that a token is gone. One that we were deleting is gone by our own hand.
    fn found_dead(&self, id: LeaseId) -> Result<Box<Lease>, SqlError> {
        match self.present(id)?.state {
            State::Revoking | State::Stuck => self.finish(id, End::Revoked),
            State::Ended => self.present(id),
            State::Pending | State::Active => {
                self.notice(Notice::FoundDead { lease: id });
                self.finish(id, End::FoundDead)
            }
        }
    }

    async fn read(
        &self,
        owner: Option<&str>,
        key: LeaseKey,
        ask_cloudflare: Option<&Parents>,
    ) -> Result<Answer, SqlError> {
        let Some(lease) = self.owned(owner, key)? else { return Ok(Answer::Refused(Refusal::NotFound)) };
        let (Some(parents), Some(token)) = (ask_cloudflare, lease.token_id) else {
            return Ok(Answer::Lease { lease, view: None });
        };
        if lease.state == State::Ended {
            return Ok(Answer::Lease { lease, view: None });
        }
        let view = match self.cloudflare.read(self.owner, parents, token).await {
            Ok(view) => view,
            Err(failure) => return Ok(Answer::Failed(failure)),
        };
        // Leak detection ends a token without deleting it.
        let Some(view) = view.filter(|view| !view.status.starts_with("revoked")) else {
            let lease = self.found_dead(lease.id)?;
            return Ok(Answer::Lease { lease, view: None });
        };
        let seen = lease.revision;
        let lease = self.present(lease.id)?;
        // What Cloudflare showed is compared only with the books of the same moment.
        if lease.revision == seen
            && !self.busy.borrow().contains(&lease.id)
            && drift::has_drifted(&lease, &view)
        {
            self.notice(Notice::Drifted { lease: lease.id });
        }
        let view = (lease.state != State::Ended).then(|| Box::new(view));
        Ok(Answer::Lease { lease, view })
    }

    async fn check_parents(&self, parents: &Parents) -> Result<Answer, SqlError> {
        let checked = self.cloudflare.check_parents(self.owner, parents).await;
        let checked_at = self.clock.now();
        let health = match checked {
            Ok((secret, verified)) => ParentHealth {
                checked_at,
                secret: Some(secret),
                expires_on: verified.expires_on,
                failure: None,
            },
            Err(failure) => {
                ParentHealth { checked_at, secret: None, expires_on: None, failure: Some(failure) }
            }
        };
        let text = to_text(&health);
        self.book.keep_note(HEALTH, &text)?;
        Ok(Answer::Health(Some(health)))
    }
}
