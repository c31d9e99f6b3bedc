//! The ledger at work: it answers one request, and alone sends a parent token to Cloudflare for
//! create, change, roll and delete.
//!
//! Two requests interleave wherever this waits for Cloudflare. So each of them writes down what it is
//! about to do before the call and looks again after it, and a lease that is being worked on is
//! marked as busy in memory: there is one live object, and its memory dies with it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents, TokenOwner};
use crate::id::LeaseId;
use crate::ledger::book::{Book, LeaseKey};
use crate::ledger::lease::{AsAsked, End, Lease, State};
use crate::ledger::protocol::{Answer, Change, Operation, PROTOCOL, ParentHealth, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
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
    busy: &'a RefCell<BTreeSet<LeaseId>>,
    lease: LeaseId,
}

impl<'a> Hold<'a> {
    fn take(busy: &'a RefCell<BTreeSet<LeaseId>>, lease: LeaseId) -> Option<Self> {
        busy.borrow_mut().insert(lease).then_some(Self { busy, lease })
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
    busy: RefCell<BTreeSet<LeaseId>>,
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

    async fn answer(&self, request: Request) -> Result<Answer, SqlError> {
        let owner = request.owner.as_deref();
        match request.operation {
            Operation::Create { lease, parents } => self.create(*lease, &parents).await,
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
                self.book.settle_expired(self.clock.now())?;
                Ok(Answer::Leases { leases: self.book.list(&filter, after, limit)?, total: None })
            }
            Operation::Page(mut page) => {
                page.owner = owner.map(str::to_owned);
                self.book.settle_expired(self.clock.now())?;
                let (leases, total) = self.book.page(&page)?;
                Ok(Answer::Leases { leases, total: Some(total) })
            }
            Operation::Live { grants, owners, limit } => {
                if owner.is_some() {
                    return Ok(Answer::Refused(Refusal::NotFound));
                }
                self.book.settle_expired(self.clock.now())?;
                Ok(Answer::Leases { leases: self.book.live_of(&grants, &owners, limit)?, total: None })
            }
            Operation::TakeRules { json } => {
                self.book.take_rules(&request.rules, &json)?;
                Ok(Answer::Done)
            }
            Operation::CheckParents(parents) => self.check_parents(&parents).await,
            Operation::Health => {
                let text = self.book.note(HEALTH)?;
                let health = text.map(|text| serde_json::from_str(&text).map_err(|_| SqlError::Row("meta"))).transpose()?;
                Ok(Answer::Health(health))
            }
        }
    }

    async fn create(&self, mut lease: Lease, parents: &Parents) -> Result<Answer, SqlError> {
        let Some(_hold) = Hold::take(&self.busy, lease.id) else { return Ok(Answer::Refused(Refusal::Busy)) };
        lease.state = State::Pending;
        lease.created = self.clock.now();
        self.book.insert(&lease)?;
        match self.cloudflare.create(self.owner, parents, &lease.spec()).await {
            Ok(minted) => {
                lease.take_view(&minted.view, self.clock.now());
                lease.state = State::Active;
                self.book.replace(&lease)?;
                Ok(Answer::Valued { lease: Box::new(lease), value: minted.value })
            }
            Err(failure) if failure.kind == FailureKind::Uncertain => self.clean_up(lease, parents, failure).await,
            Err(failure) => {
                lease.finish(End::NeverCreated, self.clock.now());
                self.book.replace(&lease)?;
                Ok(Answer::Failed(failure))
            }
        }
    }

    /// The answer to a create was lost. The token, if it is there, has a value that nobody knows:
    /// it is found by its name, which no other token has, and deleted.
    async fn clean_up(&self, mut lease: Lease, parents: &Parents, failure: Failure) -> Result<Answer, SqlError> {
        let found = self.cloudflare.find_by_name(self.owner, parents, &lease.name).await.unwrap_or_default();
        let mut deleted = !found.is_empty();
        for token in found {
            lease.token_id = Some(token);
            lease.state = State::Revoking;
            deleted &= self.cloudflare.delete(self.owner, parents, token).await.is_ok();
        }
        if deleted {
            lease.finish(End::NeverCreated, self.clock.now());
        } else {
            // The create may yet be carried out; the lease stays in the books until that is known.
            self.notice(Notice::Unresolved { lease: lease.id });
        }
        self.book.replace(&lease)?;
        Ok(Answer::Failed(failure))
    }

    /// The lease of this key, if it is there and the caller may touch it.
    fn owned(&self, owner: Option<&str>, key: LeaseKey) -> Result<Option<Lease>, SqlError> {
        self.book.settle_expired(self.clock.now())?;
        Ok(self.book.find(key)?.filter(|lease| owner.is_none_or(|owner| owner == lease.owner)))
    }

    async fn change(
        &self,
        owner: Option<&str>,
        id: LeaseId,
        revision: u32,
        parents: &Parents,
        change: Change,
    ) -> Result<Answer, SqlError> {
        let Some(lease) = self.owned(owner, LeaseKey::Lease(id))? else {
            return Ok(Answer::Refused(Refusal::NotFound));
        };
        let refusal = match lease.state {
            State::Ended => Some(Refusal::Ended),
            State::Pending | State::Revoking | State::Stuck => Some(Refusal::NotActive),
            State::Active if lease.revision != revision => Some(Refusal::Moved),
            State::Active => None,
        };
        if let Some(refusal) = refusal {
            return Ok(Answer::Refused(refusal));
        }
        let Some(token) = lease.token_id else { return Ok(Answer::Refused(Refusal::NotActive)) };
        let Some(_hold) = Hold::take(&self.busy, id) else { return Ok(Answer::Refused(Refusal::Busy)) };
        if matches!(change, Change::Roll) {
            return match self.cloudflare.roll(self.owner, parents, token).await {
                Ok(value) => {
                    let lease = self.amend(id, |lease, now| lease.modified_on = Some(now))?;
                    Ok(lease.map_or(Answer::Refused(Refusal::Ended), |lease| Answer::Valued { lease: Box::new(lease), value }))
                }
                Err(failure) => self.failed_change(id, failure),
            };
        }
        let mut wanted = lease.clone();
        apply(&mut wanted, change);
        match self.cloudflare.update(self.owner, parents, token, &wanted.spec()).await {
            Ok(view) => {
                let lease = self.amend(id, |lease, now| {
                    let state = (lease.state, lease.end, lease.ended_on, lease.revision);
                    *lease = wanted;
                    (lease.state, lease.end, lease.ended_on, lease.revision) = state;
                    lease.take_view(&view, now);
                })?;
                Ok(lease.map_or(Answer::Refused(Refusal::Ended), |lease| Answer::Lease { lease: Box::new(lease), view: None }))
            }
            Err(failure) => self.failed_change(id, failure),
        }
    }

    /// Writes a change down, on the lease as it is now: it may have been revoked meanwhile, and then
    /// it stays so.
    fn amend(&self, id: LeaseId, amend: impl FnOnce(&mut Lease, Timestamp)) -> Result<Option<Lease>, SqlError> {
        let Some(mut lease) = self.book.find(LeaseKey::Lease(id))? else { return Ok(None) };
        amend(&mut lease, self.clock.now());
        lease.revision = lease.revision.saturating_add(1);
        self.book.replace(&lease)?;
        Ok((lease.state == State::Active).then_some(lease))
    }

    fn failed_change(&self, id: LeaseId, failure: Failure) -> Result<Answer, SqlError> {
        if failure.kind == FailureKind::NotFound {
            self.found_dead(id)?;
            return Ok(Answer::Refused(Refusal::Ended));
        }
        Ok(Answer::Failed(failure))
    }

    fn found_dead(&self, id: LeaseId) -> Result<(), SqlError> {
        if let Some(mut lease) = self.book.find(LeaseKey::Lease(id))?
            && lease.state != State::Ended
        {
            lease.finish(End::FoundDead, self.clock.now());
            lease.revision = lease.revision.saturating_add(1);
            self.book.replace(&lease)?;
            self.notice(Notice::FoundDead { lease: id });
        }
        Ok(())
    }

    async fn revoke(&self, owner: Option<&str>, key: LeaseKey, parents: &Parents) -> Result<Answer, SqlError> {
        let Some(mut lease) = self.owned(owner, key)? else { return Ok(Answer::Refused(Refusal::NotFound)) };
        if lease.state == State::Ended {
            return Ok(Answer::Refused(Refusal::Ended));
        }
        // A create under way has no token to delete yet. Any other work on the lease is overtaken: to
        // end a token is never refused because of something less urgent.
        let Some(token) = lease.token_id else { return Ok(Answer::Refused(Refusal::Busy)) };
        if lease.state == State::Active {
            lease.state = State::Revoking;
            lease.revision = lease.revision.saturating_add(1);
            self.book.replace(&lease)?;
        }
        match self.cloudflare.delete(self.owner, parents, token).await {
            Ok(()) => {
                if let Some(mut lease) = self.book.find(LeaseKey::Lease(lease.id))? {
                    if lease.state != State::Ended {
                        lease.finish(End::Revoked, self.clock.now());
                        self.book.replace(&lease)?;
                    }
                    return Ok(Answer::Lease { lease: Box::new(lease), view: None });
                }
                Ok(Answer::Refused(Refusal::NotFound))
            }
            // The lease stays `revoking`, so that it is seen and asked for again.
            Err(failure) => Ok(Answer::Failed(failure)),
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
            return Ok(Answer::Lease { lease: Box::new(lease), view: None });
        };
        if lease.state == State::Ended {
            return Ok(Answer::Lease { lease: Box::new(lease), view: None });
        }
        let view = match self.cloudflare.read(self.owner, parents, token).await {
            Ok(view) => view,
            Err(failure) => return Ok(Answer::Failed(failure)),
        };
        match view {
            // Leak detection ends a token without deleting it.
            Some(view) if !view.status.starts_with("revoked") => {
                if self.has_drifted(&lease, &view) {
                    self.notice(Notice::Drifted { lease: lease.id });
                }
                Ok(Answer::Lease { lease: Box::new(lease), view: Some(Box::new(view)) })
            }
            _ => {
                self.found_dead(lease.id)?;
                let lease = self.book.find(LeaseKey::Lease(lease.id))?.unwrap_or(lease);
                Ok(Answer::Lease { lease: Box::new(lease), view: None })
            }
        }
    }

    fn has_drifted(&self, lease: &Lease, view: &crate::cloudflare::TokenView) -> bool {
        view.name != lease.name
            || view.expires_on != Some(lease.expires_on)
            || view.not_before != lease.not_before
            || (view.status == "disabled") != lease.disabled
    }

    async fn check_parents(&self, parents: &Parents) -> Result<Answer, SqlError> {
        let checked = self.cloudflare.check_parents(self.owner, parents).await;
        let checked_at = self.clock.now();
        let health = match checked {
            Ok((secret, verified)) => {
                ParentHealth { checked_at, secret: Some(secret), expires_on: verified.expires_on, failure: None }
            }
            Err(failure) => ParentHealth { checked_at, secret: None, expires_on: None, failure: Some(failure) },
        };
        let text = serde_json::to_string(&health).map_err(|_| SqlError::Row("meta"))?;
        self.book.keep_note(HEALTH, &text)?;
        Ok(Answer::Health(Some(health)))
    }
}

/// Puts a change into a lease.
fn apply(lease: &mut Lease, change: Change) {
    match change {
        Change::Roll => {}
        Change::Renew { expires_on, asked } => {
            lease.expires_on = expires_on;
            lease.asked.expires_on = asked;
        }
        Change::Update {
            policies,
            condition,
            not_before,
            expires_on,
            disabled,
            asked: AsAsked { name, expires_on: asked_end, not_before: asked_start },
            escapes_books,
            takeover,
            rule,
        } => {
            lease.policies = policies;
            lease.condition = condition;
            lease.not_before = not_before;
            lease.expires_on = expires_on;
            lease.disabled = disabled;
            lease.asked = AsAsked { name, expires_on: asked_end, not_before: asked_start };
            lease.escapes_books |= escapes_books;
            lease.takeover = takeover;
            lease.rule = rule;
        }
    }
}
