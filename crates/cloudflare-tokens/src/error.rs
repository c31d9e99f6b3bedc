//! What went wrong upstream, exactly.

use crate::id::TokenId;
use crate::message::Message;
use std::fmt;

/// Why a call has no result.
///
/// One variant for each thing that Cloudflare is known to say. [`hint`](Self::hint) tells in one sentence what to do,
/// [`kind`](Self::kind) whether trying again can help, and [`surely_refused`](Self::surely_refused) whether it is certain
/// that nothing was changed. The evidence is boxed, so that a result with such an error in it stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// 6003 or 6111: the `Authorization` header is malformed.
    MalformedAuthorization(Box<Refusal>),
    /// 9106: authentication failed, or an account-owned token on an endpoint that takes none.
    AuthenticationFailed(Box<Refusal>),
    /// 1001 on a create or update: this token may not grant one of the permission groups on the resources.
    PolicyRefused {
        /// The group's name, where the message tells it.
        group: Option<Message>,
        /// What was answered.
        refusal: Box<Refusal>,
    },
    /// 1001 elsewhere: the endpoint does not take account-owned tokens.
    NotForAccountTokens(Box<Refusal>),
    /// 401 with 1001: there were no credentials.
    MissingCredentials(Box<Refusal>),
    /// A bare code 400: the request did not validate.
    Invalid(Box<Refusal>),
    /// 1000: verify knows no such live token in this family.
    InvalidToken(Box<Refusal>),
    /// 9109, which has four meanings.
    AccessDenied {
        /// What the message says. Texts change: good for a hint, never for a decision.
        meaning: AccessMeaning,
        /// What was answered.
        refusal: Box<Refusal>,
    },
    /// 10000: authentication error. Also what a new or widened token gets for up to a minute.
    AuthenticationError(Box<Refusal>),
    /// 405 with 10000: this method takes no API tokens.
    TokensUnsupported(Box<Refusal>),
    /// 7003: there is no such path.
    NoRoute(Box<Refusal>),
    /// 7001: the path has no such method.
    NoMethod(Box<Refusal>),
    /// 404, whatever the code, on a call that names a token: there is no such token any more.
    Gone(Box<Refusal>),
    /// 429 or 971: too many calls. Cloudflare then refuses everything for up to five minutes.
    RateLimited {
        /// How many seconds to wait, where the headers tell it.
        after: Option<u32>,
        /// What was answered.
        refusal: Box<Refusal>,
    },
    /// 1005 on a create: no more tokens fit. The code is not confirmed by Cloudflare's documents.
    Quota(Box<Refusal>),
    /// 408 or 5xx, in any form: whether the work was done is unknown.
    Unavailable {
        /// How many seconds to wait, where the headers tell it.
        after: Option<u32>,
        /// What was answered; without a code when the body was not the API's.
        refusal: Box<Refusal>,
    },
    /// A refusal with a code, or a combination, that is not known.
    Other(Box<Refusal>),
    /// The answer is not what the API sends.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        why: Misread,
    },
    /// The answer is larger than [`MAX_ANSWER_BYTES`](crate::MAX_ANSWER_BYTES).
    TooLarge {
        /// The HTTP status.
        status: u16,
        /// How many bytes were given.
        bytes: usize,
    },
    /// A redirect. Never followed: it would carry the token elsewhere.
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The token was made, but the answer holds no usable value: nobody can ever use it, so it should be deleted.
    ValueMissing {
        /// The token that was made.
        id: TokenId,
    },
}

/// What Cloudflare said when it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error code that decided, if there was one.
    pub code: Option<i64>,
    /// Its message, fit to be shown.
    pub message: Message,
    /// All errors of the answer, those nested in an `error_chain` behind their parent; at most
    /// [`MAX_ENTRIES`](Self::MAX_ENTRIES).
    pub entries: Vec<Entry>,
}

impl Refusal {
    /// The most errors kept of one answer.
    pub const MAX_ENTRIES: usize = 8;

    /// A refusal without any error in it.
    pub(crate) fn bare(status: u16) -> Box<Self> {
        Box::new(Self { status, code: None, message: Message::default(), entries: Vec::new() })
    }

    /// Whether any error of the answer has this code.
    #[must_use]
    pub fn has(&self, code: i64) -> bool {
        self.entries.iter().any(|entry| entry.code == Some(code))
    }
}

/// One error of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its code, if there was one.
    pub code: Option<i64>,
    /// Its message, fit to be shown.
    pub message: Message,
    /// Which member of the request it is about (`source.pointer`).
    pub pointer: Option<Message>,
}

/// The meanings of code 9109, told apart by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMeaning {
    /// "Unauthorized to access requested resource": the right family, but a permission group is missing.
    MissingPermission,
    /// "Valid user-level authentication not found": an account-owned token on a user's endpoint.
    WrongFamily,
    /// "Cannot use the access token from location": the token's condition refuses the address.
    Address,
    /// "Invalid access token": well formed, but dead or unknown.
    DeadToken,
    /// Another text.
    Unknown,
}

/// What is wrong with an answer that is not the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misread {
    /// The body is empty.
    Empty,
    /// It is not JSON: an HTML page, mostly.
    NotJson,
    /// It is JSON, but not the API's envelope.
    NotAnEnvelope,
    /// It is the envelope, but this member is missing or is not what it should be.
    Member(&'static str),
}

/// What a retry could change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The next try may go well. Whether there may be one is the call's [`Repeat`](crate::Repeat).
    Retryable,
    /// Too many calls; nothing was done.
    RateLimited {
        /// How many seconds to wait, where the headers tell it.
        after: Option<u32>,
    },
    /// The same call will get the same answer.
    Definite,
}

impl ApiError {
    /// Whether trying again can help.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::RateLimited { after, .. } => Kind::RateLimited { after: *after },
            Self::Unavailable { .. } => Kind::Retryable,
            // A damaged success may come whole the next time; a damaged refusal stays one.
            Self::Unreadable { status, .. } if (200..300).contains(status) => Kind::Retryable,
            _ => Kind::Definite,
        }
    }

    /// How many seconds to wait before another try, where the headers tell it.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RateLimited { after, .. } | Self::Unavailable { after, .. } => *after,
            _ => None,
        }
    }

    /// Whether it is certain that the call changed nothing: Cloudflare's API itself refused it. If this is `false`, a
    /// create may have made a token.
    #[must_use]
    pub fn surely_refused(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::ValueMissing { .. } => false,
            Self::MalformedAuthorization(_)
            | Self::AuthenticationFailed(_)
            | Self::PolicyRefused { .. }
            | Self::NotForAccountTokens(_)
            | Self::MissingCredentials(_)
            | Self::Invalid(_)
            | Self::InvalidToken(_)
            | Self::AccessDenied { .. }
            | Self::AuthenticationError(_)
            | Self::TokensUnsupported(_)
            | Self::NoRoute(_)
            | Self::NoMethod(_)
            | Self::Gone(_)
            | Self::RateLimited { .. }
            | Self::Quota(_)
            | Self::Other(_) => true,
        }
    }

    /// What Cloudflare said, if it said something.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::MalformedAuthorization(refusal)
            | Self::AuthenticationFailed(refusal)
            | Self::PolicyRefused { refusal, .. }
            | Self::NotForAccountTokens(refusal)
            | Self::MissingCredentials(refusal)
            | Self::Invalid(refusal)
            | Self::InvalidToken(refusal)
            | Self::AccessDenied { refusal, .. }
            | Self::AuthenticationError(refusal)
            | Self::TokensUnsupported(refusal)
            | Self::NoRoute(refusal)
            | Self::NoMethod(refusal)
            | Self::Gone(refusal)
            | Self::RateLimited { refusal, .. }
            | Self::Quota(refusal)
            | Self::Unavailable { refusal, .. }
            | Self::Other(refusal) => Some(refusal),
            Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::ValueMissing { .. } => None,
        }
    }
}

impl fmt::Display for ApiError {
    /// Status, code and message, without the hint: `403/9109: Invalid access token`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Refusal { status, code, message, .. }) = self.refusal() {
            write!(f, "{status}")?;
            if let Some(code) = code {
                write!(f, "/{code}")?;
            }
            return if message.as_str().is_empty() { Ok(()) } else { write!(f, ": {message}") };
        }
        match self {
            Self::Unreadable { status, why } => write!(f, "{status}: {why}"),
            Self::TooLarge { status, bytes } => write!(f, "{status}: an answer of {bytes} bytes"),
            Self::Redirected { status } => write!(f, "{status}: a redirect"),
            Self::ValueMissing { id } => write!(f, "token {id} was made, but its value is missing"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty answer"),
            Self::NotJson => f.write_str("an answer that is not JSON"),
            Self::NotAnEnvelope => f.write_str("an answer without the API's envelope"),
            Self::Member(member) => {
                f.write_str("an answer with an unusable ")?;
                f.write_str(member)
            }
        }
    }
}
