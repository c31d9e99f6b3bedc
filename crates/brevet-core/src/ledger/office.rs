//! The ledger at work: it answers one request, and alone sends a parent token to Cloudflare for
//! create, change, roll and delete.
//!
//! Two requests interleave wherever this waits for Cloudflare. So each of them writes down what it is
//! about to do before the call and looks again after it, and a lease that is being worked on is
//! marked as busy in memory: there is one live object, and its memory dies with it.

mod alarm;
mod change;
mod create;
mod deliver;
mod drift;
mod flush;
mod hand;
mod orders;
mod quota;
mod rebuild;
mod refusals;
mod revoke;
mod sweep;
mod switch;

use crate::sorted::SortedSet;
use std::cell::{Cell, RefCell};

use crate::cloudflare::{Allowance, Cloudflare, Parents, TokenOwner};
use crate::id::LeaseId;
use crate::json::to_text;
use crate::ledger::book::{Book, LeaseKey};
use crate::ledger::due::Errand;
use crate::ledger::journal::{Entry, Head, Kept};
use crate::ledger::lease::{End, Lease};
use crate::ledger::name::Pepper;
use crate::ledger::protocol::{Answer, ONE_USE_PROTOCOL, Operation, PROTOCOL, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::RulesMark;
use crate::secret::Secret;
use crate::time::{Seconds, Timestamp};
use deliver::Announcing;
use hand::Hand;
use quota::Callers;
use refusals::Refusals;

pub use flush::{SEGMENT_AFTER, SHORTEST_SEGMENT};
pub use quota::{MOST_OPERATIONS, OF_A_USER, OF_AN_ACCOUNT};
pub use refusals::MOST_WRITTEN;

/// The name under which the last check of the parent token is kept.
const HEALTH: &str = "parent_health";

/// The name under which it is kept what was last written of a parent token that is not well.
const UNHEALTHY: &str = "parent_unhealthy";

/// The name under which the parent token's secrets are kept for the alarm, which no request goes with.
const PARENTS: &str = "parents";

/// So long after its intent a create without an outcome is looked into: longer than the call and the
/// clean-up after it may take, 25 s each.
const CREATE_TAKES: Seconds = Seconds::of(60);

/// The shortest wait between two alarms: requests have their turn in between.
const AT_LEAST: Seconds = Seconds::of(1);

/// Who does what nobody asked for, in the journal.
const BY_ITSELF: &str = "brevet";

/// Nobody can say whether it is there: the store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRead;

/// What is around a ledger: it says the time, wakes it, and keeps what must outlive it.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Has [`Office::wake`] called at this moment, in place of the one it was asked for before. The wish
    /// must be as durable as what was written just before.
    fn wake_at(&self, at: Timestamp);

    /// Reads a segment of the journal.
    fn segment(&self, key: &str) -> impl Future<Output = Result<Option<String>, NotRead>>;

    /// How old an entry of the journal gets before its segment is written.
    fn segment_after(&self) -> Seconds {
        flush::SEGMENT_AFTER
    }

    /// Where segments of the journal lie: all keys that begin so, in order.
    fn segment_keys(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, NotRead>>;

    /// Asks another ledger of this installation, by its name; none where it did not answer.
    fn ask_ledger(&self, _ledger: &str, _request: &Request) -> impl Future<Output = Option<Answer>> {
        async { None }
    }

    /// Writes a segment of the journal; tells whether that was done.
    fn keep_segment(&self, key: &str, text: &str) -> impl Future<Output = bool>;

    /// The Worker secret of this name, one of a webhook's keys.
    fn hook_secret(&self, name: &str) -> Option<Secret>;

    /// Sends a body to somebody, with headers in lines (a name, its value, the next name), and gives the
    /// status of the answer or why there is none. It follows no redirect, and it ends.
    fn post(&self, url: &str, headers: &str, body: &str) -> impl Future<Output = Result<u16, &'static str>>;
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
    /// What a hook ordered could not be carried out in every ledger yet. It is tried again and again.
    OrderWaits {
        /// The receipt.
        receipt: LeaseId,
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
    /// An entry of the journal.
    Entry(Kept),
    /// A segment of the journal is in KV.
    Flushed {
        /// Its first entry.
        first: u64,
        /// Its last.
        head: Head,
    },
    /// A segment of the journal could not be put into KV; the next tick of the cron tries again.
    NotFlushed,
    /// The sweep broke off.
    NotSwept {
        /// Cloudflare's cause.
        cause: String,
    },
    /// More tokens of this installation are in no book than one sweep deletes.
    ManyStrays {
        /// How many.
        tokens: usize,
    },
    /// Tokens of this installation are there, and this ledger, which is new, does not know them.
    LostBooks {
        /// How many.
        tokens: usize,
    },
    /// The journal in KV has entries that this ledger does not know: it was set back.
    SetBack,
    /// An endpoint got nothing for a day, and gets nothing until an operator resumes it.
    Paused {
        /// The endpoint.
        endpoint: String,
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
    /// The rules in the book, as far as this object has read them; forgotten before others are written.
    rules: RefCell<Option<RulesMark>>,
    /// The end of the journal, as far as this object knows.
    head: RefCell<Option<Head>>,
    busy: RefCell<SortedSet<LeaseId>>,
    notices: RefCell<Vec<Notice>>,
    /// When the alarm goes off, as far as this object knows.
    armed: Cell<Option<Timestamp>>,
    /// The parents last kept for the alarm.
    parents: RefCell<Option<Parents>>,
    /// Who called how often.
    callers: RefCell<Callers>,
    /// Who was refused how often.
    refusals: RefCell<Refusals>,
    /// For how many more tokens there surely is room, without counting. Only creates use it up.
    surely_room_for: Cell<u32>,
    /// The installation whose tokens are to be looked over, and the journal to be flushed, when nothing
    /// else is due.
    to_tend: RefCell<Option<String>>,
    /// When the list was last compared with the books.
    swept: Cell<Option<Timestamp>>,
    /// Bytes of the journal since the last segment.
    unflushed: Cell<usize>,
    /// Who is told of what is written into the journal.
    announcing: Announcing,
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
            rules: RefCell::default(),
            head: RefCell::default(),
            busy: RefCell::default(),
            notices: RefCell::default(),
            armed: Cell::default(),
            parents: RefCell::default(),
            callers: RefCell::default(),
            refusals: RefCell::default(),
            surely_room_for: Cell::default(),
            to_tend: RefCell::default(),
            swept: Cell::default(),
            unflushed: Cell::default(),
            announcing: Announcing::default(),
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

    /// What the parent token has left.
    pub fn allowance(&self) -> Allowance {
        self.cloudflare.allowance(self.owner)
    }

    /// Answers one request.
    pub async fn serve(&self, request: Request) -> Answer {
        if !matches!(request.protocol, PROTOCOL | ONE_USE_PROTOCOL) {
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

    /// What grants, widens or stops anything must be decided under the rules in force. Ending a token and
    /// reading need no rules: liveness never depends on them.
    fn differing_rules(&self, request: &Request) -> Result<Option<Answer>, SqlError> {
        if !matches!(
            request.operation,
            Operation::Create { .. } | Operation::Change { .. } | Operation::Receive(_)
        ) {
            return Ok(None);
        }
        if self.rules.borrow().as_ref() == Some(&request.rules) {
            return Ok(None);
        }
        let Some(mark) = self.book.rules_mark()? else { return Ok(None) };
        self.rules.replace(Some(mark.clone()));
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
        // Before it is written: an endpoint that is new hears of it.
        let announces = self.announces()?;
        let head = match self.head.take() {
            Some(head) => head,
            None => self.book.head()?,
        };
        // Where this fails the head is read again the next time.
        let kept = self.book.append(pepper, &head, entry)?;
        self.head.replace(Some(kept.head()));
        let unflushed = self.unflushed.get().saturating_add(kept.body.len());
        self.unflushed.set(unflushed);
        if unflushed >= flush::SEGMENT_BYTES {
            self.arm(self.clock.now().plus(AT_LEAST));
        }
        self.notice(Notice::Entry(kept));
        if announces && let Some(at) = self.book.next_delivery()? {
            self.arm(at.max(self.clock.now().plus(AT_LEAST)));
        }
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
        let next = self.book.next_due().and_then(|due| {
            let delivery = if self.announcing.has_none() { None } else { self.book.next_delivery()? };
            Ok(due.map_or(delivery, |due| Some(delivery.map_or(due, |delivery| due.min(delivery)))))
        });
        match next {
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
