//! The ledger at work: it answers one request, and alone sends a parent token to Cloudflare for
//! create, change, roll and delete.
//!
//! Two requests interleave wherever this waits for Cloudflare. So each of them writes down what it is
//! about to do before the call and looks again after it, and a lease that is being worked on is
//! marked as busy in memory: there is one live object, and its memory dies with it.

mod change;
mod create;
mod drift;
mod revoke;

use crate::sorted::SortedSet;
use std::cell::RefCell;

use crate::cloudflare::{Cloudflare, Parents, TokenOwner};
use crate::id::LeaseId;
use crate::json::{from_text, to_text};
use crate::ledger::book::{Book, LeaseKey};
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, ParentHealth, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::{RulesDigest, RulesMark};
use crate::time::Timestamp;

/// The name under which the last check of the parent token is kept.
const HEALTH: &str = "parent_health";

/// Says the time.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;
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
}

impl<S: Sql, C: Cloudflare, K: Clock> Office<S, C, K> {
    /// An office for one owner's ledger.
    pub fn new(owner: TokenOwner, book: Book<S>, cloudflare: C, clock: K) -> Self {
        Self { owner, book, cloudflare, clock, busy: RefCell::default(), notices: RefCell::default() }
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
            Operation::Create { lease, parents } => self.create(owner, lease, &parents).await,
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
            // These two are the installation's own; no caller's request leads here.
            Operation::TakeRules { .. } | Operation::CheckParents(_) if owner.is_some() => {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            Operation::TakeRules { json } => self.take_rules(&request.rules, &json),
            Operation::CheckParents(parents) => self.check_parents(&parents).await,
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
        amend(&mut lease, self.clock.now());
        lease.revision = lease.revision.saturating_add(1);
        self.book.replace(&lease)?;
        Ok(lease)
    }

    /// Ends a lease. One that has ended meanwhile stays as it ended.
    fn finish(&self, id: LeaseId, end: End) -> Result<Box<Lease>, SqlError> {
        let lease = self.present(id)?;
        if lease.state == State::Ended {
            Ok(lease)
        } else {
            self.amend(id, &|lease, now| lease.finish(end, now))
        }
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
