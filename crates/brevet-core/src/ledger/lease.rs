//! A lease: one minted token in the books.

use serde_json::Value;

use crate::cloudflare::{TokenSpec, TokenView};
use crate::id::{LeaseId, TokenId};
use crate::json::{record, words};
use crate::time::Timestamp;

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Written before the create; not known yet to be at Cloudflare.
    Pending,
    /// The token lives.
    Active,
    /// It is to be deleted and may still live.
    Revoking,
    /// Deleting it keeps failing.
    Stuck,
    /// It lives no more.
    Ended,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Its time was up.
    Expired,
    /// Somebody revoked it.
    Revoked,
    /// Its value was replaced by that of another lease.
    RolledAway,
    /// Cloudflare had removed it, or marked it as leaked.
    FoundDead,
    /// The create failed.
    NeverCreated,
}

words!(State { Pending = "pending", Active = "active", Revoking = "revoking", Stuck = "stuck", Ended = "ended" });
words!(End {
    Expired = "expired",
    Revoked = "revoked",
    RolledAway = "rolled_away",
    FoundDead = "found_dead",
    NeverCreated = "never_created",
});

/// What the caller wrote, to be given back as it was written: clients that compare what they sent
/// with what they read would else see a difference for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AsAsked {
    /// The name the caller chose.
    pub name: Option<String>,
    /// `expires_on` in the caller's spelling.
    pub expires_on: Option<String>,
    /// `not_before` in the caller's spelling.
    pub not_before: Option<String>,
}

/// One minted token in the books. It never holds the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Its id for ever.
    pub id: LeaseId,
    /// The token's id at Cloudflare, once it is known.
    pub token_id: Option<TokenId>,
    /// The token's name at Cloudflare.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// Who asked, as people read it.
    pub caller: String,
    /// The grant that allowed it; none for an operator.
    pub grant: Option<String>,
    /// The template it was made from; none where the caller gave policies.
    pub template: Option<String>,
    /// The rule that decided, as a JSON pointer into the rules.
    pub rule: Option<String>,
    /// The version of the rules that decided.
    pub rules_version: u64,
    /// Where it stands.
    pub state: State,
    /// How it ended.
    pub end: Option<End>,
    /// Whether its owner switched it off.
    pub disabled: bool,
    /// When the intent was written. `expires_on` is bounded from here.
    pub created: Timestamp,
    /// When Cloudflare made the token.
    pub issued_on: Option<Timestamp>,
    /// When it was last changed.
    pub modified_on: Option<Timestamp>,
    /// From when it works.
    pub not_before: Option<Timestamp>,
    /// From when it no longer works.
    pub expires_on: Timestamp,
    /// When it ended.
    pub ended_on: Option<Timestamp>,
    /// The policies sent to Cloudflare.
    pub policies: Value,
    /// The policies as Cloudflare answered them, with its ids, names and order.
    pub shown_policies: Option<Value>,
    /// The condition sent to Cloudflare.
    pub condition: Option<Value>,
    /// What the caller wrote.
    pub asked: AsAsked,
    /// Set where the token can make or change other credentials, which these books cannot see.
    pub escapes_books: bool,
    /// The reason given in the rules where a grant accepts that the token can rewrite Brevet.
    pub takeover: Option<String>,
    /// The run (of a CI job) it was made for.
    pub run: Option<String>,
    /// The verified claims by which leases are chosen, as an object of texts.
    pub claims: Option<Value>,
    /// Counts its changes, so that a decision made on an older state is noticed.
    pub revision: u32,
}

record!(AsAsked { name, expires_on, not_before });
record!(Lease {
    id,
    token_id,
    name,
    owner,
    caller,
    grant,
    template,
    rule,
    rules_version,
    state,
    end,
    disabled,
    created,
    issued_on,
    modified_on,
    not_before,
    expires_on,
    ended_on,
    policies,
    shown_policies,
    condition,
    asked,
    escapes_books,
    takeover,
    run,
    claims,
    revision,
});

impl Lease {
    /// The token as it should be at Cloudflare.
    pub fn spec(&self) -> TokenSpec {
        TokenSpec {
            name: self.name.clone(),
            policies: self.policies.clone(),
            condition: self.condition.clone(),
            not_before: self.not_before,
            expires_on: self.expires_on,
            disabled: self.disabled,
        }
    }

    /// Whether the token may still work at Cloudflare at this moment.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !matches!(self.state, State::Ended) && now < self.expires_on
    }

    /// Makes it an intent: nothing is known yet of its token. What the lease allows was decided
    /// elsewhere; where it stands is for the ledger alone to say.
    pub fn begin(&mut self, now: Timestamp) {
        self.token_id = None;
        self.state = State::Pending;
        self.end = None;
        self.created = now;
        self.issued_on = None;
        self.modified_on = None;
        self.ended_on = None;
        self.shown_policies = None;
    }

    /// Takes over what Cloudflare answered to a create or a change. A lease keeps its token for ever:
    /// an answer that names another one does not exchange it.
    pub fn take_view(&mut self, view: &TokenView, now: Timestamp) {
        self.token_id.get_or_insert(view.id);
        self.issued_on = view.issued_on.or(self.issued_on).or(Some(now));
        self.modified_on = view.modified_on.or(Some(now));
        self.shown_policies = Some(view.policies.clone());
    }

    /// Marks it as ended.
    pub fn finish(&mut self, end: End, now: Timestamp) {
        self.state = State::Ended;
        self.end = Some(end);
        self.ended_on = Some(now);
    }
}
