//! Asks Cloudflare whether it takes the parent tokens, before they are put anywhere.

use std::fmt;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::secret::Secret;
use cloudflare_tokens::{
    ApiBase, ApiError, ApiToken, Call, Family, ListPermissionGroups, TokenForm, TokenStatus, TokenTextError,
    Verified, VerifyToken, WriteError,
};

use crate::exchange::{Exchange, Unreachable};

/// Why a parent token will not do.
#[derive(Debug)]
pub(crate) enum ParentError {
    /// It cannot be a token.
    Malformed(TokenTextError),
    /// It is another kind of credential.
    OtherCredential(&'static str),
    /// It belongs to the other family.
    WrongFamily(&'static str),
    /// Cloudflare knows it, and it does not work.
    Inactive(String),
    /// Cloudflare refuses it.
    Refused(ApiError),
    /// It is alive and may not see the permission groups of its account, so it cannot make tokens.
    CannotMint(ApiError),
    /// Cloudflare cannot be reached.
    Unreachable(Unreachable),
    /// The request could not be written.
    Request(WriteError),
}

impl fmt::Display for ParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}. Copy it again, whole."),
            Self::OtherCredential(what) => write!(f, "it is {what}. Make an API token and put that there."),
            Self::WrongFamily(hint) => f.write_str(hint),
            Self::Inactive(status) => write!(f, "Cloudflare says that it is {status}. Put a live one there."),
            Self::Refused(error @ ApiError::Unavailable { .. }) => {
                write!(f, "Cloudflare's API fails ({error}). Try again in a minute.")
            }
            Self::Refused(error @ ApiError::InvalidToken(_)) => write!(
                f,
                "Cloudflare refuses it ({error}). {} Put a live one there, and check the account's id and family in the rules.",
                error.hint()
            ),
            Self::Refused(error) => write!(f, "Cloudflare refuses it ({error}). {}", error.hint()),
            Self::CannotMint(error) => write!(
                f,
                "it is alive, but may not see the permission groups of the account that the rules name ({error}). Give it API Tokens Write (a user's) or Account API Tokens Write (an account's) there, and check the account's id."
            ),
            Self::Unreachable(why) => {
                write!(f, "Cloudflare's API cannot be reached: {why}. Try again in a minute.")
            }
            Self::Request(error) => write!(f, "the request cannot be written: {error}"),
        }
    }
}

impl ParentError {
    /// Whether it is not about the token but about reaching Cloudflare.
    pub(crate) fn is_outside(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Request(_) => true,
            Self::Refused(error) | Self::CannotMint(error) => {
                matches!(
                    error,
                    ApiError::Unavailable { .. }
                        | ApiError::RateLimited { .. }
                        | ApiError::Unreadable { .. }
                        | ApiError::TooLarge { .. }
                        | ApiError::Redirected { .. }
                )
            }
            _ => false,
        }
    }
}

/// A call that a check makes: for whoever runs it and for whoever only wants to see it.
pub(super) fn requests(owner: TokenOwner) -> [String; 2] {
    let tokens = match owner {
        TokenOwner::Account(id) => format!("/accounts/{id}/tokens"),
        TokenOwner::User(_) => "/user/tokens".to_owned(),
    };
    [format!("{tokens}/verify"), format!("{tokens}/permission_groups")]
}

/// Checks parent tokens at Cloudflare.
#[derive(Debug)]
pub(super) struct Checker {
    base: ApiBase,
    exchange: Exchange,
}

impl Checker {
    /// At this API.
    pub(super) fn new(base: ApiBase) -> Self {
        let exchange = Exchange::new(base.as_str().starts_with("http://"));
        Self { base, exchange }
    }

    /// Whether Cloudflare takes the token for this owner, and lets it see what tokens can be made of.
    ///
    /// # Errors
    /// [`ParentError`].
    pub(super) fn check(&self, owner: TokenOwner, value: &Secret) -> Result<Verified, ParentError> {
        let token: ApiToken = value.expose().parse().map_err(ParentError::Malformed)?;
        let own = family(owner);
        // A user's token with the right group may make an account's tokens, but is verified as the user's.
        let families: &[Family] = match (own, token.form()) {
            (_, TokenForm::GlobalKey) => return Err(ParentError::OtherCredential("a global API key")),
            (_, TokenForm::OAuth) => return Err(ParentError::OtherCredential("wrangler's log-in")),
            (Family::User, TokenForm::Account) => {
                return Err(ParentError::WrongFamily(
                    "it is owned by an account, and the rules say family = \"user\". Put a token of the user's there.",
                ));
            }
            (Family::User, _) | (Family::Account(_), TokenForm::User) => &[Family::User],
            (Family::Account(_), TokenForm::Account) => &[own],
            (Family::Account(_), _) => &[own, Family::User],
        };
        let verified = self.verify(families, &token)?;
        if verified.status != TokenStatus::Active {
            return Err(ParentError::Inactive(verified.status.as_str().to_owned()));
        }
        let groups = ListPermissionGroups { family: own, name: None, scope: None };
        match self.ask(&groups, &token)? {
            Ok(_) => Ok(verified),
            Err(error) => Err(ParentError::CannotMint(error)),
        }
    }

    fn verify(&self, families: &[Family], token: &ApiToken) -> Result<Verified, ParentError> {
        let mut refused = None;
        for family in families {
            match self.ask(&VerifyToken { family: *family }, token)? {
                Ok(verified) => return Ok(verified),
                // Of the other family, perhaps.
                Err(error @ ApiError::InvalidToken(_)) => refused = Some(error),
                Err(error) => return Err(ParentError::Refused(error)),
            }
        }
        Err(refused.map_or(ParentError::Inactive("unknown".to_owned()), ParentError::Refused))
    }

    fn ask<C: Call>(&self, call: &C, token: &ApiToken) -> Result<Result<C::Output, ApiError>, ParentError> {
        let request = call.request(&self.base, token).map_err(ParentError::Request)?;
        let answer = self.exchange.call(&request).map_err(ParentError::Unreachable)?;
        Ok(call.read(answer.status, &answer.headers, &answer.body))
    }
}

fn family(owner: TokenOwner) -> Family {
    match owner {
        // Both are 32 lower-case hexadecimal digits; what one type took the other takes.
        TokenOwner::Account(id) => id.as_str().parse().map_or(Family::User, Family::Account),
        TokenOwner::User(_) => Family::User,
    }
}
