//! The ledger's hand: what it does, in the name of whoever asked for it.

use std::ops::Deref;

use crate::cloudflare::{Cloudflare, Parents};
use crate::id::LeaseId;
use crate::json::{from_text, to_text};
use crate::ledger::book::{Columns, LeaseKey};
use crate::ledger::delivery::DeliveryFilter;
use crate::ledger::due::Errand;
use crate::ledger::journal::Entry;
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::office::{Clock, HEALTH, Notice, Office, UNHEALTHY, alarm};
use crate::ledger::protocol::{Answer, Operation, ParentHealth, Refusal, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::{RulesDigest, RulesMark};
use crate::time::Timestamp;

/// The office at work for somebody.
pub(super) struct Hand<'a, S, C, K> {
    pub(super) office: &'a Office<S, C, K>,
    /// For whom, as the journal has it.
    pub(super) by: &'a str,
}

impl<S, C, K> Deref for Hand<'_, S, C, K> {
    type Target = Office<S, C, K>;

    fn deref(&self) -> &Self::Target {
        self.office
    }
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Writes into the journal what became of a lease.
    pub(super) fn record(&self, event: &str, lease: &Lease) -> Result<(), SqlError> {
        self.append(&Entry::about(lease, self.clock.now(), event, self.by))
    }

    /// Writes into the journal what is about no single lease.
    pub(super) fn record_deed(&self, event: &str, detail: String) -> Result<(), SqlError> {
        let entry = Entry { detail: Some(detail), ..Entry::of(self.clock.now(), event, self.by) };
        self.append(&entry)
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
            present.as_ref().is_some_and(|(present, _)| present.version == mark.version && present != mark);
        if same_version_other_text || RulesDigest::of(json) != mark.digest {
            self.notice(Notice::RulesDiffer { version: mark.version });
            return Ok(Answer::Refused(Refusal::RulesDiffer));
        }
        self.rules.replace(None);
        self.book.take_rules(mark, json)?;
        self.announcing.forget();
        if present.is_none_or(|(present, _)| present != *mark) {
            self.record_deed("rules_taken", format!("version {}, {}", mark.version, mark.digest.as_str()))?;
        }
        Ok(Answer::Done)
    }

    pub(super) async fn answer(&self, request: Request) -> Result<Answer, SqlError> {
        let owner = request.owner.as_deref();
        let costs = match &request.operation {
            Operation::Create { .. } | Operation::Change { .. } => true,
            Operation::Read { ask_cloudflare, .. } => ask_cloudflare.is_some(),
            _ => false,
        };
        if costs && let Some(failure) = self.too_often() {
            return Ok(Answer::Failed(failure));
        }
        match request.operation {
            Operation::Create { lease, parents, claim, one_use } => {
                self.create(owner, lease, &parents, claim, one_use).await
            }
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
            Operation::TakeRules { .. }
            | Operation::CheckParents(_)
            | Operation::Tend { .. }
            | Operation::Rebuild { .. }
            | Operation::Refused(_)
            | Operation::Strangers(_)
            | Operation::Order(_)
            | Operation::Receipts(_)
                if owner.is_some() =>
            {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            // And these an operator's.
            Operation::Journal { mut filter, limit } => {
                // An owner's journal is that of its own leases.
                if let Some(owner) = owner {
                    if filter.owner.as_deref().is_some_and(|asked| asked != owner) {
                        return Ok(Answer::Journal(Vec::new()));
                    }
                    filter.owner = Some(owner.to_owned());
                }
                self.settle()?;
                Ok(Answer::Journal(self.book.entries(&filter, limit)?))
            }
            Operation::Deliveries { .. }
            | Operation::Replay { .. }
            | Operation::Resume(_)
            | Operation::Freeze(_)
            | Operation::Lift(_)
            | Operation::Freezes
            | Operation::RevokeMany { .. }
            | Operation::Job(_)
                if owner.is_some() =>
            {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            Operation::Deliveries { endpoint, state, event, before, after, limit } => {
                self.announces()?;
                let filter = DeliveryFilter { endpoint, state, event, before, after };
                self.book.deliveries(self.owner, &filter, limit).map(Answer::Deliveries)
            }
            Operation::Replay { endpoint, seq, mac } => self.replay(&endpoint, seq, &mac),
            Operation::Resume(endpoint) => self.resume(&endpoint),
            Operation::Freeze(freeze) => self.freeze(&freeze),
            Operation::Lift(freeze) => self.lift(freeze),
            Operation::Freezes => self.book.freezes(self.clock.now()).map(Answer::Freezes),
            Operation::RevokeMany { job, selection, freeze } => {
                self.revoke_many(job, &selection, freeze.as_ref())
            }
            Operation::Job(job) => self.job(job),
            // A hook has receipts of its own only.
            Operation::Receive(receipt) if owner != Some(&*format!("hook:{}", receipt.hook)) => {
                Ok(Answer::Refused(Refusal::NotFound))
            }
            Operation::Receive(receipt) => self.receive(receipt),
            Operation::Order(order) => self.order(&order),
            Operation::Receipts(filter) => self.receipts(&filter),
            Operation::TakeRules { json } => self.take_rules(&request.rules, &json),
            Operation::CheckParents(parents) => {
                // This comes with every tick of the cron: a lost alarm is lost for so long at most.
                self.remember(&parents)?;
                self.forget_entries()?;
                self.book.forget_claims(self.clock.now())?;
                self.armed.set(None);
                self.rearm();
                self.check_parents(&parents).await
            }
            Operation::Rebuild { install, parents } => self.rebuild(&install, &parents).await,
            Operation::Refused(refused) => self.refused(refused).map(|()| Answer::Done),
            Operation::Strangers(strangers) => self.strangers(strangers).map(|()| Answer::Done),
            Operation::Tend { install } => {
                self.to_tend.replace(Some(install));
                self.arm(self.clock.now());
                // A ledger that was lost has none until somebody sends them, and tells nobody of anything.
                let version = self.book.rules_mark()?.map_or(0, |mark| mark.version);
                Ok(if version < request.rules.version { Answer::RulesOlder } else { Answer::Done })
            }
            Operation::Health => {
                let text = self.book.note(HEALTH)?;
                let health = text.map(|text| from_text(&text).ok_or(SqlError::Row("meta"))).transpose()?;
                Ok(Answer::Health(health))
            }
        }
    }

    /// Writes a change down, on the lease as it is now and not as it was before a wait.
    pub(super) fn amend(
        &self,
        id: LeaseId,
        amend: &dyn Fn(&mut Lease, Timestamp),
    ) -> Result<Box<Lease>, SqlError> {
        self.write(self.present(id)?, amend, false)?.ok_or(SqlError::Row("lease"))
    }

    /// Writes a change down on a lease as it was before a wait, where it is that still; else on the lease as
    /// it is now.
    pub(super) fn amend_known(
        &self,
        known: Box<Lease>,
        amend: &dyn Fn(&mut Lease, Timestamp),
    ) -> Result<Box<Lease>, SqlError> {
        let id = known.id;
        match self.write(known, amend, true)? {
            Some(lease) => Ok(lease),
            None => self.amend(id, amend),
        }
    }

    /// Changes a lease and writes it with all that goes with it; none, and nothing written, where it had to
    /// be `unmoved` and is not.
    fn write(
        &self,
        mut lease: Box<Lease>,
        amend: &dyn Fn(&mut Lease, Timestamp),
        unmoved: bool,
    ) -> Result<Option<Box<Lease>>, SqlError> {
        let id = lease.id;
        let (before, columns) = ((lease.state, lease.expires_on), Columns::of(&lease));
        let now = self.clock.now();
        amend(&mut lease, now);
        lease.revision = lease.revision.saturating_add(1);
        if !self.book.replace(&columns, &lease, unmoved)? {
            return Ok(None);
        }
        if before.0 != lease.state {
            let event = match (lease.state, lease.end) {
                (State::Active, _) => "created",
                (State::Ended, Some(end)) => end.as_str(),
                (state, _) => state.as_str(),
            };
            self.record(event, &lease)?;
        }
        if before != (lease.state, lease.expires_on) {
            match lease.state {
                State::Active => self.schedule(id, Errand::Delete, lease.expires_on)?,
                // Whoever wishes it gone tries it at once; the alarm comes after that.
                State::Revoking => self.schedule(id, Errand::Delete, now.plus(alarm::FIRST_PAUSE))?,
                State::Pending | State::Stuck | State::Ended => {}
            }
        }
        Ok(Some(lease))
    }

    /// Ends a lease of which nothing is left at Cloudflare, and which may have been read before a wait. One
    /// that has ended meanwhile stays as it ended.
    pub(super) fn finish(&self, known: Box<Lease>, end: End) -> Result<Box<Lease>, SqlError> {
        let id = known.id;
        let amend = |lease: &mut Lease, now| lease.finish(end, now);
        let written = if known.state == State::Ended { None } else { self.write(known, &amend, true)? };
        let lease = match written {
            Some(lease) => lease,
            None => {
                let present = self.present(id)?;
                if present.state == State::Ended { present } else { self.amend_known(present, &amend)? }
            }
        };
        self.book.strike(id)?;
        Ok(lease)
    }

    /// Cloudflare says that a token is gone. One that we were deleting is gone by our own hand.
    pub(super) fn found_dead(&self, id: LeaseId) -> Result<Box<Lease>, SqlError> {
        let lease = self.present(id)?;
        match lease.state {
            State::Revoking | State::Stuck => self.finish(lease, End::Revoked),
            State::Ended => Ok(lease),
            State::Pending | State::Active => {
                self.notice(Notice::FoundDead { lease: id });
                self.finish(lease, End::FoundDead)
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
        let view = self.take_note(&lease, view.as_ref(), parents).await?;
        Ok(Answer::Lease { lease: self.present(lease.id)?, view })
    }

    /// Writes down that the parent token died or that its spare is in use, and when that is over: once each.
    /// While Cloudflare cannot be asked nothing is known of it.
    fn tell_of_parents(&self, parents: &Parents, health: &ParentHealth) -> Result<(), SqlError> {
        use crate::cloudflare::FailureKind::{RateLimited, Unavailable, Uncertain};
        let told = self.book.note(UNHEALTHY)?;
        let trouble = match (&health.failure, &health.secret) {
            (Some(failure), _) if matches!(failure.kind, RateLimited | Unavailable | Uncertain) => {
                return Ok(());
            }
            (Some(failure), _) => Some(failure.cause.clone()),
            (None, Some(secret)) if *secret != parents.parent => {
                Some(format!("{} is not accepted; {secret} is in use.", parents.parent))
            }
            _ => None,
        };
        match trouble {
            Some(trouble) if told.as_ref() != Some(&trouble) => {
                self.book.keep_note(UNHEALTHY, &trouble)?;
                self.record_deed("parent_unhealthy", trouble)
            }
            None if told.is_some() => {
                self.book.drop_note(UNHEALTHY)?;
                self.record_deed("parent_healthy", format!("{} is accepted.", parents.parent))
            }
            _ => Ok(()),
        }
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
        self.tell_of_parents(parents, &health)?;
        Ok(Answer::Health(Some(health)))
    }
}
