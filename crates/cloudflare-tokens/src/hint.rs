//! One sentence for every error: what it means and what to do next.

use crate::error::{AccessMeaning, ApiError};

impl ApiError {
    /// What this means and what to do next, in one sentence that holds nothing from the answer.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MalformedAuthorization(_) => {
                "Cloudflare could not read the Authorization header: check that the token is complete and that nothing else was copied with it."
            }
            Self::AuthenticationFailed(_) => {
                "Cloudflare could not authenticate the call: check the token, and that this endpoint takes tokens of its family."
            }
            Self::PolicyRefused { group: Some(_), .. } => {
                "The parent token may not grant this permission group on these resources: name other resources, or let the token's creator hold a role that has the group there."
            }
            Self::PolicyRefused { group: None, .. } => {
                "Cloudflare refused the policies: give each scope a policy of its own, nest zones under their account, and grant only what the parent token's creator may do there."
            }
            Self::NotForAccountTokens(_) => {
                "This endpoint takes no account-owned tokens: use a user-owned one."
            }
            Self::MissingCredentials(_) => "The call carried no credentials: check that the token is set.",
            Self::Invalid(_) => {
                "Cloudflare found the request invalid: correct the member that its message names."
            }
            Self::InvalidToken(_) => {
                "Cloudflare knows no such live token in this family: it was revoked, rolled, mistyped, or belongs to the other family."
            }
            Self::AccessDenied { meaning, .. } => match meaning {
                AccessMeaning::MissingPermission => {
                    "The token lacks a permission group: add API Tokens Write (user tokens) or Account API Tokens Write (account tokens), or what the endpoint needs."
                }
                AccessMeaning::WrongFamily => {
                    "An account-owned token cannot use a user's endpoint: use a user-owned token, or the account's endpoint."
                }
                AccessMeaning::Address => {
                    "The token's IP condition refuses the address that the call came from: widen the condition or call from an allowed address."
                }
                AccessMeaning::DeadToken => {
                    "The token is dead: it was revoked, rolled, disabled or has expired, so put a live one in its place."
                }
                AccessMeaning::Unknown => {
                    "Cloudflare denied access: check that the token is live, of the right family, holds the needed permission group and may be used from this address."
                }
            },
            Self::AuthenticationError(_) => {
                "Cloudflare did not accept the token for this: a new or changed token can need a minute, otherwise it lacks the permission group or is dead."
            }
            Self::TokensUnsupported(_) => {
                "Cloudflare takes no API tokens for this method: there is no way to do it with one."
            }
            Self::NoRoute(_) => {
                "Cloudflare knows no such path: check the API base, the account id and the token id."
            }
            Self::NoMethod(_) => {
                "Cloudflare has no such method on this path: check the API base and the endpoint."
            }
            Self::Gone(_) => "There is no such token at Cloudflare any more: it was deleted.",
            Self::RateLimited { .. } => {
                "Cloudflare limits the number of calls and refuses all of them for up to five minutes: wait, then call less often."
            }
            Self::Quota(_) => {
                "Cloudflare's quota of tokens (50 for a user, 500 for an account) seems full: delete tokens that are not needed."
            }
            Self::Unavailable { .. } => {
                "Cloudflare's API failed: try again later, and first find out whether a change was made."
            }
            Self::Other(_) => "Cloudflare refused with a code that is not known here: its message says why.",
            Self::Unreadable { .. } => {
                "The answer is not the Cloudflare API's: check the API base and what stands between, and first find out whether a change was made."
            }
            Self::TooLarge { .. } => {
                "The answer is too large to be the Cloudflare API's: check the API base."
            }
            Self::Redirected { .. } => {
                "The API answered with a redirect, which is never followed because the token would go with it: correct the API base."
            }
            Self::ValueMissing { .. } => {
                "Cloudflare made the token but did not show its value: delete it and create another."
            }
        }
    }
}
