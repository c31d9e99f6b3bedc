//! What the domain asks of Cloudflare's token API, and how a call can fail.
//!
//! This is a port: the words are the domain's. How a request looks on the wire, which answers may be
//! tried again and how long to wait is the business of the adapter behind it.

use std::fmt;
use std::future::Future;

use serde_json::Value;

use crate::id::{AccountId, TokenId, UserId};
use crate::json::{FromJson, ToJson, Tree, record, words};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Whose tokens an endpoint serves. The two families of tokens do not mix: a token of one is unknown
/// to the endpoints of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenOwner {
    /// Account-owned tokens, `/accounts/{id}/tokens`.
    Account(AccountId),
    /// User-owned tokens, `/user/tokens`. The id is the one the rules name; Cloudflare takes the user
    /// from the credential.
    User(UserId),
}

impl TokenOwner {
    /// The name of this owner's ledger: `account:<id>` or `user:<id>`.
    pub fn ledger_name(&self) -> String {
        match self {
            Self::Account(id) => format!("account:{id}"),
            Self::User(id) => format!("user:{id}"),
        }
    }

    /// Reads [`TokenOwner::ledger_name`] back.
    pub fn from_ledger_name(name: &str) -> Option<Self> {
        match name.split_once(':')? {
            ("account", id) => id.parse().ok().map(Self::Account),
            ("user", id) => id.parse().ok().map(Self::User),
            _ => None,
        }
    }
}

/// A token as Brevet wants it at Cloudflare. Every member is sent on create and on update, for an
/// update there replaces the whole token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSpec {
    /// The name at Cloudflare: Brevet's own, 1 to 120 characters.
    pub name: String,
    /// The policies, in Cloudflare's form.
    pub policies: Value,
    /// The condition, in Cloudflare's form; never an empty object.
    pub condition: Option<Value>,
    /// From when the token works.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it no longer works. Always there: a token without an end is one that
    /// nobody surely ends.
    pub expires_on: Timestamp,
    /// Whether the token is switched off.
    pub disabled: bool,
}

/// A token as Cloudflare shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// Its name at Cloudflare.
    pub name: String,
    /// Its status, as Cloudflare writes it: an open list (`active`, `disabled`, `expired`,
    /// `revoked (exposed)`, and whatever comes).
    pub status: String,
    /// When it was made.
    pub issued_on: Option<Timestamp>,
    /// When it was last changed.
    pub modified_on: Option<Timestamp>,
    /// When it was last used, as far as Cloudflare knows.
    pub last_used_on: Option<Timestamp>,
    /// From when it works.
    pub not_before: Option<Timestamp>,
    /// From when it no longer works.
    pub expires_on: Option<Timestamp>,
    /// Its condition, in Cloudflare's form.
    pub condition: Option<Value>,
    /// Its policies, in Cloudflare's form and order.
    pub policies: Value,
}

record!(TokenView {
    id,
    name,
    status,
    issued_on,
    modified_on,
    last_used_on,
    not_before,
    expires_on,
    condition,
    policies,
});

/// A token just made, with the value that is shown only now.
#[derive(Debug)]
pub struct Minted {
    /// The token.
    pub view: TokenView,
    /// Its value.
    pub value: Secret,
}

/// What Cloudflare says of a presented value.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The token's id.
    pub id: TokenId,
    /// Its status; only `active` is good.
    pub status: String,
    /// From when it works.
    pub not_before: Option<Timestamp>,
    /// From when it no longer works.
    pub expires_on: Option<Timestamp>,
}

/// What kind of failure a call met. Decides the status of Brevet's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The credential is unknown, revoked, rolled, expired or disabled.
    DeadCredential,
    /// The credential belongs to the other family of tokens.
    WrongFamily,
    /// The credential lacks a permission group for this call.
    MissingPermission,
    /// The credential's IP condition does not hold where the Worker runs.
    IpCondition,
    /// Cloudflare refuses to grant a permission group on a resource.
    PolicyRefused,
    /// The owner already has as many tokens as it may have.
    Quota,
    /// Too many calls; wait.
    RateLimited,
    /// Cloudflare found the request itself wrong.
    Invalid,
    /// The token is gone.
    NotFound,
    /// There is no such endpoint or method: the base URL or an id is wrong.
    WrongEndpoint,
    /// Cloudflare cannot be reached, is too slow, or answers with a server error; nothing was done.
    Unavailable,
    /// The call may or may not have been carried out: its answer was lost.
    Uncertain,
    /// The answer makes no sense (a redirect, a body too long, no JSON where JSON was promised).
    Protocol,
    /// The Worker secret with the parent token is missing or malformed.
    NoParent,
}

words!(FailureKind {
    DeadCredential = "dead-credential",
    WrongFamily = "wrong-family",
    MissingPermission = "missing-permission",
    IpCondition = "ip-condition",
    PolicyRefused = "policy-refused",
    Quota = "quota",
    RateLimited = "rate-limited",
    Invalid = "invalid",
    NotFound = "not-found",
    WrongEndpoint = "wrong-endpoint",
    Unavailable = "unavailable",
    Uncertain = "uncertain",
    Protocol = "protocol",
    NoParent = "no-parent",
});

/// A failed call, in words that may be shown to a caller: they hold no secret and nothing of another
/// caller.
///
/// The facts are behind a pointer: a failure passes through many hands that only pass it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<FailureFacts>);

impl Failure {
    /// A failure of this kind, in these words.
    pub fn new(kind: FailureKind, cause: String, hint: String) -> Self {
        Self(Box::new(FailureFacts { kind, status: None, code: None, cause, hint, retry_after: None }))
    }
}

impl std::ops::Deref for Failure {
    type Target = FailureFacts;

    fn deref(&self) -> &FailureFacts {
        &self.0
    }
}

impl std::ops::DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut FailureFacts {
        &mut self.0
    }
}

impl ToJson for Failure {
    fn write(&self, text: &mut String) {
        self.0.write(text);
    }
}

impl FromJson for Failure {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        Self(Box::read(value, sound))
    }
}

/// What is known of a [`Failure`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureFacts {
    /// Its kind.
    pub kind: FailureKind,
    /// Cloudflare's HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Cloudflare's error code, where there was one.
    pub code: Option<i64>,
    /// One sentence: the cause. At most 400 characters.
    pub cause: String,
    /// One sentence: what to do next.
    pub hint: String,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
}

record!(FailureFacts { kind, status, code, cause, hint, retry_after });
record!(Parents { parent, parent_next });

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cause, self.hint)
    }
}

impl std::error::Error for Failure {}

/// The credential of a call that needs a parent token: the names of Worker secrets, tried in order.
/// The next one is tried only when Cloudflare says that the one before is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parents {
    /// The secret in use.
    pub parent: String,
    /// The one that takes over when it is dead.
    pub parent_next: Option<String>,
}

/// How many calls Cloudflare takes with a parent token before it would refuse them, those kept for
/// deletions left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls that are left.
    pub left: u32,
    /// Seconds until there are more; 0 where none was made of late.
    pub resets: u32,
    /// While Cloudflare blocks the calls: for how many seconds more.
    pub blocked: Option<u32>,
}

record!(Allowance { left, resets, blocked });

/// Cloudflare's token API, as the domain needs it. Every method has a deadline of its own and ends.
pub trait Cloudflare {
    /// Creates a token. Tried again only where it surely was not carried out; a lost answer is
    /// [`FailureKind::Uncertain`].
    fn create(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        spec: &TokenSpec,
    ) -> impl Future<Output = Result<Minted, Failure>>;

    /// Replaces everything of a token but its value.
    fn update(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
        spec: &TokenSpec,
    ) -> impl Future<Output = Result<TokenView, Failure>>;

    /// Gives the token a new value; the old one is dead from then on. May be repeated: only the last
    /// value counts.
    fn roll(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
    ) -> impl Future<Output = Result<Secret, Failure>>;

    /// Deletes a token. One that is gone already is done.
    fn delete(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
    ) -> impl Future<Output = Result<(), Failure>>;

    /// Reads a token; `None` where it is gone.
    fn read(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
    ) -> impl Future<Output = Result<Option<TokenView>, Failure>>;

    /// Finds the tokens of exactly this name, looking through the complete list.
    fn find_by_name(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> impl Future<Output = Result<Vec<TokenId>, Failure>>;

    /// All of an owner's tokens but the parents themselves. Never a part of them: a list that may not be
    /// complete is a failure.
    fn list(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> impl Future<Output = Result<Vec<TokenView>, Failure>>;

    /// Checks the parent token itself; answers which secret's token is alive, and its own id.
    fn check_parents(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> impl Future<Output = Result<(String, Verified), Failure>>;

    /// The permission groups that this owner's tokens can hold, as Cloudflare lists them.
    fn permission_groups(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> impl Future<Output = Result<Value, Failure>>;

    /// What the owner's parent token has left.
    fn allowance(&self, owner: TokenOwner) -> Allowance;

    /// Asks what a presented value is worth at this owner's endpoint; `None` where Cloudflare does
    /// not know it there (dead, or of the other family).
    fn verify(
        &self,
        owner: TokenOwner,
        value: &Secret,
    ) -> impl Future<Output = Result<Option<Verified>, Failure>>;
}
