//! What was allowed.

use serde_json::Value;

use super::Account;
use crate::access::Access;
use crate::condition::Condition;
use crate::guardrail::Marks;
use crate::template::Note;
use crate::time::Timestamp;

/// A token that the rules allow. Only [`super::Policy`] makes one, and minting takes nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub(super) account: Account,
    pub(super) access: Access,
    pub(super) condition: Condition,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires_on: Timestamp,
    pub(super) latest_allowed: Timestamp,
    pub(super) grant: Option<String>,
    pub(super) template: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) owner: String,
    pub(super) caller: String,
    pub(super) name: Option<String>,
    pub(super) marks: Marks,
    pub(super) takeover_reason: Option<String>,
    pub(super) notes: Vec<Note>,
}

impl Grant {
    /// The account or user that will own the token.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the token may do.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The policies as Cloudflare is sent them.
    pub fn policies_json(&self) -> Value {
        self.access.to_json()
    }

    /// From which addresses it may be used.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// The condition as Cloudflare is sent it; none where it says nothing.
    pub fn condition_json(&self) -> Option<Value> {
        self.condition.to_json()
    }

    /// From when the token works.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// From when it no longer works.
    pub fn expires_on(&self) -> Timestamp {
        self.expires_on
    }

    /// The latest end that it may ever get, renewals included.
    pub fn latest_allowed(&self) -> Timestamp {
        self.latest_allowed
    }

    /// The grant that allows it; none for an operator's.
    pub fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }

    /// The template it is made from; none where the caller gave policies.
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// The rule that decided, as a JSON pointer into the rules: `/grant/NAME/allow/0`. None for an
    /// operator.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// Whose lease it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Who asked, for people.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The name that the caller gave it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What answer and journal must say of it.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// The reason given in the rules where the token can take Brevet over.
    pub fn takeover_reason(&self) -> Option<&str> {
        self.takeover_reason.as_deref()
    }

    /// What of the template was left out, and why.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}
