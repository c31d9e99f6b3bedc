//! Making a lost or set-back book anew, from Cloudflare's list and the journal in KV.
//!
//! The list says which tokens of this installation live; the journal says whose they are. A token that no
//! entry of the journal tells of becomes nobody's: operators see and end it, and no caller does, for a
//! name at Cloudflare can be changed by others.

use crate::cloudflare::{Cloudflare, Failure, FailureKind, Parents, TokenView};
use crate::id::LeaseId;
use crate::json::{from_text, to_text};
use crate::ledger::book::LeaseKey;
use crate::ledger::due::Errand;
use crate::ledger::journal::{Entry, Head, Segment, segment_prefix};
use crate::ledger::lease::{AsAsked, Lease, State};
use crate::ledger::name::{Pepper, lease_of_name};
use crate::ledger::office::{BY_ITSELF, Clock, Hand, drift, flush, sweep};
use crate::ledger::protocol::Answer;
use crate::ledger::sql::{Sql, SqlError};
use crate::sorted::SortedMap;
use crate::time::Seconds;

/// The segments read, the latest ones: two days of a busy account, and far within the calls that one
/// request of an object may make.
const MOST_SEGMENTS: usize = 200;

/// Whose a token is that no journal tells of.
const NOBODY: &str = "brevet:found";

/// How Cloudflare calls a token that is switched off.
const DISABLED: &str = "disabled";

/// So long a token without an end of its own is kept in the books before it is ended.
const WITHOUT_END: Seconds = Seconds::of(3600);

/// What the journal in KV says.
#[derive(Default)]
struct Past {
    /// Of each lease the last entry that tells whose it is.
    leases: SortedMap<LeaseId, Entry>,
    /// Its end; none where there is no journal in KV.
    head: Option<Head>,
    /// What authenticates the entries that this book may not know to be in KV.
    macs: SortedMap<u64, String>,
}

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Takes every token of this installation that is in no book into this one, and goes on with the
    /// journal where the one in KV ends. Can be done again at any time: what is in the book stays.
    pub(super) async fn rebuild(&self, install: &str, parents: &Parents) -> Result<Answer, SqlError> {
        let Some(pepper) = &self.pepper else {
            return Ok(failed("Without BREVET_PEPPER nobody can tell which tokens are this installation's."));
        };
        let past = match self.past(pepper).await? {
            Ok(past) => past,
            Err(cause) => return Ok(failed(&cause)),
        };
        let listed = match self.cloudflare.list(self.owner, parents).await {
            Ok(listed) => listed,
            Err(failure) => return Ok(Answer::Failed(failure)),
        };
        // From here on nothing waits: the book is the old one or the new one.
        self.settle()?;
        self.remember(parents)?;
        let taken_up = self.take_up(&past)?;
        let mut found = Vec::new();
        for view in &listed {
            let Some(id) = lease_of_name(pepper, install, &view.name) else { continue };
            match self.book.find(LeaseKey::Token(view.id))? {
                Some(lease) => found.extend(self.catch_up(&lease, view)?),
                None if self.book.find(LeaseKey::Lease(id))?.is_none() => {
                    found.push(self.adopt(id, view, past.leases.get(&id))?);
                }
                // A second token of a lease that is known: the sweep ends it.
                None => {}
            }
        }
        self.book.keep_note(sweep::MAY_SWEEP, "1")?;
        self.book.drop_note(flush::SET_BACK)?;
        self.record_deed(
            "rebuilt",
            format!("{} leases found at Cloudflare, {taken_up} entries taken up", found.len()),
        )?;
        Ok(Answer::Leases { leases: found, total: None })
    }

    /// Reads the journal in KV, the latest segments of it.
    async fn past(&self, pepper: &Pepper) -> Result<Result<Past, String>, SqlError> {
        let prefix = segment_prefix(&self.owner.ledger_name());
        let Ok(keys) = self.clock.segment_keys(&prefix).await else {
            return Ok(Err("The journal's segments in KV cannot be listed.".to_owned()));
        };
        let flushed = self.flushed()?.seq;
        let mut past = Past::default();
        for key in keys.iter().skip(keys.len().saturating_sub(MOST_SEGMENTS)) {
            let text = self.clock.segment(key).await.ok().flatten();
            let Some(segment) = text.and_then(|text| from_text::<Segment>(&text)) else {
                return Ok(Err(format!("The journal's segment {key} in KV cannot be read.")));
            };
            for kept in &segment.entries {
                // Where the first of them begins is taken on trust: older ones may have been let go.
                let before = past
                    .head
                    .take()
                    .unwrap_or_else(|| Head { seq: kept.seq.saturating_sub(1), mac: segment.after.clone() });
                if !before.leads_to(pepper, kept) {
                    return Ok(Err(format!(
                        "The journal in KV does not hold together at entry {}: it was altered, or written under another pepper.",
                        kept.seq
                    )));
                }
                past.head = Some(kept.head());
                if kept.seq > flushed {
                    past.macs.insert(kept.seq, kept.mac.clone());
                }
                if let Some(entry) = from_text::<Entry>(&kept.body)
                    && let (Some(lease), Some(_)) = (entry.lease, &entry.owner)
                {
                    past.leases.insert(lease, entry);
                }
            }
        }
        Ok(Ok(past))
    }

    /// Goes on with the journal where the one in KV ends. What this book alone wrote follows on that.
    fn take_up(&self, past: &Past) -> Result<usize, SqlError> {
        let Some(head) = &past.head else { return Ok(0) };
        self.head.take();
        if self.book.mac_of(head.seq)?.is_some_and(|mac| mac == head.mac) {
            return Ok(0);
        }
        let flushed = self.flushed()?.seq;
        let mut own = self.book.entries_after(flushed, usize::MAX)?;
        own.retain(|kept| past.macs.get(&kept.seq).is_none_or(|mac| *mac != kept.mac));
        self.book.begin_journal(head, flushed)?;
        self.book.keep_note(flush::FLUSHED, &to_text(head))?;
        for kept in &own {
            if let Some(entry) = from_text::<Entry>(&kept.body) {
                self.append(&entry)?;
            }
        }
        Ok(own.len())
    }

    /// A lease that was changed after the moment to which the book was set back becomes what its token is.
    fn catch_up(&self, lease: &Lease, view: &TokenView) -> Result<Option<Lease>, SqlError> {
        if lease.state != State::Active || !drift::has_drifted(lease, view) {
            return Ok(None);
        }
        let lease = self.amend(lease.id, &|lease, now| {
            lease.expires_on = view.expires_on.unwrap_or(lease.expires_on);
            lease.not_before = view.not_before;
            lease.condition.clone_from(&view.condition);
            lease.policies.clone_from(&view.policies);
            lease.disabled = view.status == DISABLED;
            lease.take_view(view, now);
        })?;
        self.append(&Entry::about(&lease, self.clock.now(), "found", BY_ITSELF))?;
        Ok(Some(*lease))
    }

    fn adopt(&self, id: LeaseId, view: &TokenView, told: Option<&Entry>) -> Result<Lease, SqlError> {
        let now = self.clock.now();
        let owner = told.and_then(|entry| entry.owner.clone()).unwrap_or_else(|| NOBODY.to_owned());
        let mut lease = Lease {
            id,
            token_id: Some(view.id),
            name: view.name.clone(),
            caller: told.and_then(|entry| entry.caller.clone()).unwrap_or_else(|| owner.clone()),
            owner,
            grant: told.and_then(|entry| entry.grant.clone()),
            template: told.and_then(|entry| entry.template.clone()),
            rule: told.and_then(|entry| entry.rule.clone()),
            rules_version: told.and_then(|entry| entry.rules_version).unwrap_or(0),
            state: State::Active,
            end: None,
            disabled: view.status == DISABLED,
            created: view.issued_on.unwrap_or(now),
            issued_on: None,
            modified_on: None,
            not_before: view.not_before,
            expires_on: view.expires_on.unwrap_or_else(|| now.plus(WITHOUT_END)),
            ended_on: None,
            policies: view.policies.clone(),
            shown_policies: None,
            condition: view.condition.clone(),
            asked: AsAsked::default(),
            // What it may do is not looked at here; what cannot be ruled out is assumed.
            escapes_books: true,
            takeover: None,
            run: None,
            claims: told.and_then(|entry| entry.claims.clone()),
            revision: 0,
        };
        lease.take_view(view, now);
        if !self.book.insert(&lease)? {
            return Err(SqlError::Row("lease"));
        }
        self.append(&Entry::about(&lease, now, "found", BY_ITSELF))?;
        self.schedule(id, Errand::Delete, lease.expires_on)?;
        Ok(lease)
    }
}

fn failed(cause: &str) -> Answer {
    Answer::Failed(Failure::new(
        FailureKind::Unavailable,
        cause.to_owned(),
        "Nothing was changed. See docs/operations.md, \"A lost ledger\".".to_owned(),
    ))
}
