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
mod hand;
mod revoke;
mod switch;

use crate::sorted::SortedSet;
use std::cell::{Cell, RefCell};

use crate::cloudflare::{Cloudflare, Parents, TokenOwner};
use crate::id::LeaseId;
use crate::json::to_text;
use crate::ledger::book::{Book, LeaseKey};
use crate::ledger::due::Errand;
use crate::ledger::journal::{Entry, Head};
use crate::ledger::lease::{End, Lease};
use crate::ledger::name::Pepper;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::time::{Seconds, Timestamp};
use hand::Hand;

/// The name under which the last check of the parent token is kept.
const HEALTH: &str = "parent_health";

/// The name under which the parent token's secrets are kept for the alarm, which no request goes with.
const PARENTS: &str = "parents";

/// So long after its intent a create without an outcome is looked into: longer than the call and the
/// clean-up after it may take, 25 s each.
const CREATE_TAKES: Seconds = Seconds::of(60);

/// The shortest wait between two alarms: requests have their turn in between.
const AT_LEAST: Seconds = Seconds::of(1);

/// Who does what nobody asked for, in the journal.
const BY_ITSELF: &str = "brevet";

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
    pepper: Option<Pepper>,
    /// The end of the journal, as far as this object knows.
    head: RefCell<Option<Head>>,
    busy: RefCell<SortedSet<LeaseId>>,
    notices: RefCell<Vec<Notice>>,
    /// When the alarm goes off, as far as this object knows.
    armed: Cell<Option<Timestamp>>,
    /// The parents last kept for the alarm.
    parents: RefCell<Option<Parents>>,
}

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// An office for one owner's ledger. An alarm that was lost is set again.
    pub fn new(owner: TokenOwner, book: Book<S>, cloudflare: C, clock: K, pepper: Option<Pepper>) -> Self {
        let office = Self {
            owner,
            book,
            cloudflare,
            clock,
            pepper,
            head: RefCell::default(),
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
            Ok(None) => {
                let by = request.by.clone();
                let hand = Hand { office: self, by: by.as_deref().unwrap_or(BY_ITSELF) };
                hand.answer(request).await
            }
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

    /// Ends the leases whose time is up.
    fn settle(&self) -> Result<(), SqlError> {
        for lease in self.book.settle_expired(self.clock.now())? {
            let event = lease.end.map_or("ended", End::as_str);
            self.append(&Entry::about(&lease, self.clock.now(), event, BY_ITSELF))?;
        }
        Ok(())
    }

    /// Appends to the journal. Without a pepper nothing is minted either, and nothing is recorded.
    fn append(&self, entry: &Entry) -> Result<(), SqlError> {
        let Some(pepper) = &self.pepper else { return Ok(()) };
        let head = match self.head.take() {
            Some(head) => head,
            None => self.book.head()?,
        };
        // Where this fails the head is read again the next time.
        let head = self.book.append(pepper, &head, entry)?;
        self.head.replace(Some(head));
        Ok(())
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
}
