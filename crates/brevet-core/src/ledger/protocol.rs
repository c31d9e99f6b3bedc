//! What the Worker asks a ledger and what it answers, as JSON between the two.
//!
//! Worker and object are rolled out minutes apart: every message carries a protocol version, and an
//! object answers the version before its own too.

use crate::cloudflare::{Allowance, Failure, Parents, TokenView};
use crate::id::LeaseId;
use crate::json::{FromJson, ToJson, Tree, record, variants, words};
use crate::ledger::book::{After, Filter, LeaseKey, Page};
use crate::ledger::claim::{Claim, OneUse};
use crate::ledger::delivery::DeliveryState;
use crate::ledger::freeze::{Freeze, JobLease, Selection};
use crate::ledger::journal::{EntryFilter, Kept};
use crate::ledger::lease::{AsAsked, Lease};
use crate::ledger::receipt::{Order, Receipt, ReceiptFilter};
use crate::rulebook::RulesMark;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The protocol this build speaks.
pub const PROTOCOL: u16 = 1;

/// The protocol of a create that uses a credential up. An object that knows the other one alone would pass over the member that says so,
/// and one stolen credential would make tokens as long as a build is rolled out: so it has to refuse.
pub const ONE_USE_PROTOCOL: u16 = 2;

/// A question to a ledger.
#[derive(Clone, Debug)]
pub struct Request {
    /// The protocol of the Worker that asks.
    pub protocol: u16,
    /// The rules under which the Worker decided.
    pub rules: RulesMark,
    /// Whose leases the caller may touch: an owner, or all of them where there is none (an operator).
    pub owner: Option<String>,
    /// Who asks, for the journal; the installation itself where there is none.
    pub by: Option<String>,
    /// What is asked.
    pub operation: Operation,
}

/// What is asked of a ledger.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Write the intent, create the token, complete the lease.
    Create {
        /// The lease, pending.
        lease: Box<Lease>,
        /// The parent token's secret.
        parents: Parents,
        /// With a claim, the same request sent again makes no second token.
        claim: Option<Claim>,
        /// A credential that is good for one create.
        one_use: Option<OneUse>,
    },
    /// Change a lease that was read before.
    Change {
        /// Which one.
        lease: LeaseId,
        /// The revision the decision was made on.
        revision: u32,
        /// The parent token's secret.
        parents: Parents,
        /// What changes.
        change: Box<Change>,
    },
    /// Delete the token.
    Revoke {
        /// Which one.
        key: LeaseKey,
        /// The parent token's secret.
        parents: Parents,
    },
    /// Read one lease.
    Read {
        /// Which one.
        key: LeaseKey,
        /// With a parent, Cloudflare is asked too and the books are put right by its answer.
        ask_cloudflare: Option<Parents>,
    },
    /// Read leases, newest first.
    List {
        /// Which ones.
        filter: Filter,
        /// Those after this one.
        after: Option<After>,
        /// How many at most.
        limit: u32,
    },
    /// Read a page as Cloudflare's own list would give it.
    Page(Page),
    /// Read the live leases of some grants and owners (with both empty: of all), at most `limit`.
    Live {
        /// Grants.
        grants: Vec<String>,
        /// Owners.
        owners: Vec<String>,
        /// How many at most.
        limit: u32,
    },
    /// Take rules that were pushed.
    TakeRules {
        /// Their JSON.
        json: String,
    },
    /// Ask Cloudflare whether the parent token lives, and keep the answer.
    CheckParents(Parents),
    /// Compare the books with Cloudflare's list and copy the journal, when nothing else is due.
    Tend {
        /// The installation's name, part of every token's name.
        install: String,
    },
    /// Take the tokens of this installation that are in no book into this one.
    Rebuild {
        /// The installation's name, part of every token's name.
        install: String,
        /// The parent token's secret.
        parents: Parents,
    },
    /// Write down that a known caller was refused.
    Refused(Refused),
    /// Count those whose credential is not good.
    Strangers(Vec<Strangers>),
    /// Read the last such answer.
    Health,
    /// Freeze.
    Freeze(Freeze),
    /// Take a freeze away.
    Lift(LeaseId),
    /// Read the freezes.
    Freezes,
    /// Revoke many leases.
    RevokeMany {
        /// The job's id.
        job: LeaseId,
        /// Which leases.
        selection: Selection,
        /// A freeze that is set before.
        freeze: Option<Freeze>,
    },
    /// Read how far such a job is.
    Job(LeaseId),
    /// Write a message's receipt, unless there is one of the same message.
    Receive(Box<Receipt>),
    /// Carry out what a hook ordered, once.
    Order(Box<Order>),
    /// Read receipts, newest first.
    Receipts(ReceiptFilter),
    /// Read how far endpoints have been told, and what could not be delivered at once.
    Deliveries {
        /// Only to this endpoint. For what the members mean see
        /// [`DeliveryFilter`](crate::ledger::delivery::DeliveryFilter).
        endpoint: Option<String>,
        /// Only those in this state.
        state: Option<DeliveryState>,
        /// Only of entries with this word.
        event: Option<String>,
        /// Only what comes after this entry in the list.
        before: Option<u64>,
        /// The endpoint at that place.
        after: Option<String>,
        /// How many at most.
        limit: u32,
    },
    /// Send an event once more.
    Replay {
        /// To this endpoint.
        endpoint: String,
        /// The entry's number.
        seq: u64,
        /// The beginning of what authenticates the entry.
        mac: String,
    },
    /// Send to an endpoint again that is paused.
    Resume(String),
    /// Read the journal, newest first.
    Journal {
        /// Which entries.
        filter: EntryFilter,
        /// How many at most.
        limit: u32,
    },
}

/// A refusal of a known caller, for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The problem's name.
    pub kind: String,
    /// What the caller was told.
    pub detail: String,
    /// The grant that was asked for.
    pub grant: Option<String>,
    /// The rule or the field that decided.
    pub rule: Option<String>,
    /// The version of the rules that decided.
    pub rules_version: u64,
    /// What operators alone may read of it: with it, the entry is in no owner's journal.
    pub evidence: Option<String>,
}

/// How many came with a credential that is not good, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strangers {
    /// Why it is not good; no word of the credential.
    pub reason: String,
    /// How many.
    pub count: u32,
}

record!(Refused { kind, detail, grant, rule, rules_version, evidence });
record!(Strangers { reason, count });

/// A change of a lease.
#[derive(Clone, Debug)]
pub enum Change {
    /// The token ends at another moment.
    Renew {
        /// The new end.
        expires_on: Timestamp,
        /// The caller's spelling of it.
        asked: Option<String>,
    },
    /// The token gets a new value.
    Roll,
    /// Everything of the token that its owner may set.
    Update {
        /// The policies, in Cloudflare's form.
        policies: serde_json::Value,
        /// The condition, in Cloudflare's form.
        condition: Option<serde_json::Value>,
        /// From when it works.
        not_before: Option<Timestamp>,
        /// From when it no longer works.
        expires_on: Timestamp,
        /// Whether it is switched off.
        disabled: bool,
        /// What the caller wrote.
        asked: AsAsked,
        /// Whether the token escapes these books from now on.
        escapes_books: bool,
        /// The reason for an accepted takeover.
        takeover: Option<String>,
        /// The rule that decided.
        rule: Option<String>,
    },
}

/// What a ledger answers.
#[derive(Debug)]
pub enum Answer {
    /// A value, for the only time.
    Valued {
        /// The lease.
        lease: Box<Lease>,
        /// The value.
        value: ShownOnce,
    },
    /// A lease, and the token as Cloudflare shows it where that was asked.
    Lease {
        /// The lease.
        lease: Box<Lease>,
        /// The token.
        view: Option<Box<TokenView>>,
    },
    /// Leases, and how many there are in all where that was asked.
    Leases {
        /// The leases.
        leases: Vec<Lease>,
        /// How many there are in all.
        total: Option<u32>,
    },
    /// Done, with nothing to show.
    Done,
    /// What is known of the parent token.
    Health(Option<ParentHealth>),
    /// The ledger has later rules: decide again under these.
    RulesNewer {
        /// Which.
        mark: RulesMark,
        /// Their JSON.
        json: String,
    },
    /// A freeze holds it.
    Frozen(Box<Freeze>),
    /// The freezes that hold.
    Freezes(Vec<Freeze>),
    /// The leases of a job.
    Job(Vec<JobLease>),
    /// The receipt of a message.
    Receipt {
        /// The receipt.
        receipt: Box<Receipt>,
        /// Whether it was written now.
        fresh: bool,
    },
    /// Receipts.
    Receipts(Vec<Receipt>),
    /// Endpoints and deliveries to them, as the operator gets them: the members of an object.
    Deliveries(String),
    /// The ledger has older rules than the Worker, or none.
    RulesOlder,
    /// Entries of the journal.
    Journal(Vec<Kept>),
    /// Refused by the books.
    Refused(Refusal),
    /// Cloudflare failed.
    Failed(Failure),
}

/// Why the books refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such lease, or not the caller's. The two are not told apart: nobody learns of another's
    /// leases by asking.
    NotFound,
    /// The lease has ended.
    Ended,
    /// Another operation on this lease is under way.
    Busy,
    /// The lease was changed since it was read.
    Moved,
    /// The idempotency key came with another body before.
    KeyReused,
    /// The request that first came with this idempotency key is not settled yet.
    InFlight,
    /// The credential is good for one create, and that was made.
    Used,
    /// The lease is in a state in which it cannot be changed.
    NotActive,
    /// The Worker's rules have this ledger's version and other contents: one of them was tampered with.
    RulesDiffer,
    /// The Worker speaks a protocol that this object does not.
    Protocol,
    /// The database failed.
    Database,
}

/// What is known of a parent token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentHealth {
    /// When it was checked.
    pub checked_at: Timestamp,
    /// The secret in use, where one lives.
    pub secret: Option<String>,
    /// When its token ends.
    pub expires_on: Option<Timestamp>,
    /// Why none lives.
    pub failure: Option<Failure>,
}

/// A value crosses from the object to the Worker once, inside the installation. This is the only
/// form in which a secret is written into a message.
#[derive(Debug)]
pub struct ShownOnce(pub Secret);

impl ToJson for ShownOnce {
    fn write(&self, text: &mut String) {
        self.0.expose().write(text);
    }
}

impl FromJson for ShownOnce {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        Self(Secret::new(String::read(value, sound)))
    }
}

/// An answer as it is told to the Worker: beside it stands what the parent token has left. A Worker from
/// before this member reads the answer all the same.
#[derive(Debug)]
pub struct Told {
    /// The answer.
    pub answer: Answer,
    /// What is left; none where the object is from before this member.
    pub allowance: Option<Allowance>,
}

const ALLOWANCE: &str = "allowance";

impl ToJson for Told {
    fn write(&self, text: &mut String) {
        self.answer.write(text);
        // Every answer is an object with a member at least.
        if let Some(allowance) = &self.allowance
            && text.pop() == Some('}')
        {
            text.push_str(",\"");
            text.push_str(ALLOWANCE);
            text.push_str("\":");
            allowance.write(text);
            text.push('}');
        }
    }
}

impl FromJson for Told {
    fn read(mut value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        let allowance = match &mut value {
            Some(Tree::Object(members)) => {
                let at = members.iter().position(|(name, _)| name == ALLOWANCE);
                at.map(|at| members.swap_remove(at).1)
            }
            _ => None,
        };
        Self { allowance: Option::read(allowance, sound), answer: Answer::read(value, sound) }
    }
}

record!(Request { protocol, rules, owner, by, operation });
variants!(Operation {
    "health" => Health {},
    "create" => Create { lease: lease, parents: parents, claim: claim, one_use: one_use },
    "change" => Change { lease: lease, revision: revision, parents: parents, change: change },
    "revoke" => Revoke { key: key, parents: parents },
    "read" => Read { key: key, ask_cloudflare: ask_cloudflare },
    "list" => List { filter: filter, after: after, limit: limit },
    "page" => Page { 0: page },
    "live" => Live { grants: grants, owners: owners, limit: limit },
    "take_rules" => TakeRules { json: json },
    "check_parents" => CheckParents { 0: parents },
    "tend" => Tend { install: install },
    "rebuild" => Rebuild { install: install, parents: parents },
    "refuse" => Refused { 0: refused },
    "strangers" => Strangers { 0: strangers },
    "freeze" => Freeze { 0: freeze },
    "lift" => Lift { 0: freeze },
    "freezes" => Freezes {},
    "revoke_many" => RevokeMany { job: job, selection: selection, freeze: freeze },
    "job" => Job { 0: job },
    "receive" => Receive { 0: receipt },
    "order" => Order { 0: order },
    "receipts" => Receipts { 0: filter },
    "deliveries" => Deliveries {
        endpoint: endpoint,
        state: state,
        event: event,
        before: before,
        after: after,
        limit: limit
    },
    "replay" => Replay { endpoint: endpoint, seq: seq, mac: mac },
    "resume" => Resume { 0: endpoint },
    "journal" => Journal { filter: filter, limit: limit },
});
variants!(Change {
    "roll" => Roll {},
    "renew" => Renew { expires_on: expires_on, asked: asked },
    "update" => Update {
        policies: policies,
        condition: condition,
        not_before: not_before,
        expires_on: expires_on,
        disabled: disabled,
        asked: asked,
        escapes_books: escapes_books,
        takeover: takeover,
        rule: rule
    },
});
variants!(Answer {
    "done" => Done {},
    "valued" => Valued { lease: lease, value: value },
    "lease" => Lease { lease: lease, view: view },
    "leases" => Leases { leases: leases, total: total },
    "health" => Health { 0: health },
    "rules_newer" => RulesNewer { mark: mark, json: json },
    "frozen" => Frozen { 0: freeze },
    "freezes" => Freezes { 0: freezes },
    "job" => Job { 0: leases },
    "receipt" => Receipt { receipt: receipt, fresh: fresh },
    "receipts" => Receipts { 0: receipts },
    "deliveries" => Deliveries { 0: page },
    "rules_older" => RulesOlder {},
    "journal" => Journal { 0: entries },
    "refused" => Refused { 0: why },
    "failed" => Failed { 0: failure },
});
words!(Refusal {
    NotFound = "not_found",
    Ended = "ended",
    Busy = "busy",
    Moved = "moved",
    KeyReused = "key_reused",
    InFlight = "in_flight",
    Used = "used",
    NotActive = "not_active",
    RulesDiffer = "rules_differ",
    Protocol = "protocol",
    Database = "database",
});
record!(ParentHealth { checked_at, secret, expires_on, failure });
