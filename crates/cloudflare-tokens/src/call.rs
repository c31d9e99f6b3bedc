//! Calls: what each one sends, and how its answer is read.

pub(crate) mod directory;
pub(crate) mod token;

use crate::base::ApiBase;
use crate::error::{ApiError, Kind, Misread};
use crate::id::AccountId;
use crate::member;
use crate::page::Page;
use crate::secret::ApiToken;
use crate::wire::{Headers, Method, Request};
use crate::write::WriteError;
use serde_json::Value;

/// One call of the API: the request it sends and the answer it expects. A call holds no secret; the token is given when
/// the request is written.
pub trait Call {
    /// What a good answer holds.
    type Output;

    /// A name for logs and counters, such as `tokens.create`.
    fn name(&self) -> &'static str;

    /// The HTTP method.
    fn method(&self) -> Method;

    /// The request, ready to be sent. The `Authorization` header is marked as sensitive.
    ///
    /// # Errors
    /// [`WriteError`] when it would not be a good request; nothing is to be sent then.
    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError>;

    /// Reads the answer. `body` should have at most [`MAX_ANSWER_BYTES`](crate::MAX_ANSWER_BYTES); more is an error.
    ///
    /// # Errors
    /// [`ApiError`] when it is no success, or cannot be read as one.
    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Self::Output, ApiError>;

    /// When the same call may be sent again.
    fn repeat(&self) -> Repeat;
}

/// When a call may be sent again. The API has neither idempotency keys nor `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Always: it only reads.
    Safe,
    /// Only if it surely did not happen, that is after a rate limit or when it was never sent: each time it happens makes
    /// another token.
    OnlyIfNotSent,
    /// Always: doing it again replaces what it did before, and only the last answer counts. After a repeated roll every
    /// earlier value is dead.
    LastWins,
    /// Always: a token that is already gone counts as done.
    AbsentIsDone,
}

impl Repeat {
    /// Whether the call may be sent again, and that may help, after this error. A failure to get any answer is not an
    /// [`ApiError`]; treat it as retryable, except for [`OnlyIfNotSent`](Self::OnlyIfNotSent).
    #[must_use]
    pub fn allows(self, error: &ApiError) -> bool {
        match (self, error.kind()) {
            (_, Kind::RateLimited { .. }) => true,
            (Self::OnlyIfNotSent, _) | (_, Kind::Definite) => false,
            (Self::Safe | Self::LastWins | Self::AbsentIsDone, Kind::Retryable) => true,
        }
    }
}

/// Whose tokens a call is about. The families do not mix, but have the same shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Tokens that an account owns.
    Account(AccountId),
    /// Tokens that the user behind the calling token owns.
    User,
}

impl Family {
    /// The path of the family's tokens, with `rest` behind it.
    fn path(self, rest: &[&str]) -> String {
        let mut path = match self {
            Self::Account(id) => ["/accounts/", id.as_str(), "/tokens"].concat(),
            Self::User => "/user/tokens".to_owned(),
        };
        for part in rest {
            path.push('/');
            path.push_str(part);
        }
        path
    }
}

/// Gives a misread member of a good answer its status.
fn misread(status: u16) -> impl Fn(Misread) -> ApiError {
    move |why| ApiError::Unreadable { status, why }
}

/// Reads a page of items. `null` is an empty one.
fn read_page<T>(
    answer: crate::envelope::Answer,
    read: impl Fn(Value) -> Result<T, Misread>,
) -> Result<Page<T>, Misread> {
    let list = member::list(answer.result, "result")?;
    Ok(Page { items: member::each(list, read)?, info: answer.info })
}
