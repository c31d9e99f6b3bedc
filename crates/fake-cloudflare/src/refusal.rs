//! Every refusal the API has, with its status, codes and message.

use std::net::IpAddr;

use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No credentials at all.
    NoCredentials,
    /// No credentials on the account family's verify.
    NoCredentialsToVerify,
    /// The `Authorization` header has no known form.
    MalformedBearer,
    /// verify: unknown, dead or of the other family.
    InvalidApiToken,
    /// Well-formed but dead, on endpoints other than verify.
    DeadToken,
    /// An account token where a user is needed.
    NoUser,
    /// Right family, but the token lacks the permission group.
    Unauthorized,
    /// The condition on the caller's address does not hold.
    Location(IpAddr),
    /// What most product APIs say to a token that may not.
    NotAuthenticated {
        /// 401 or 403.
        status: u16,
    },
    /// `/memberships` with an account token.
    NoMemberships,
    /// `GET /accounts` with an account token, as it was answered until 2025.
    NoAccountsForAccountTokens,
    /// A method that API tokens cannot use here.
    MethodNeedsUser(String),
    /// No such path, or an id in it is malformed.
    NoRoute(String),
    /// The path is known, the method is not.
    NoMethod(String),
    /// No token has this id.
    NoToken,
    /// The body is not JSON.
    BrokenJson,
    /// A member of the body or query is out of its bounds.
    Invalid {
        /// What is wrong.
        message: String,
        /// JSON pointer to the member, where it is one of the body.
        pointer: Option<String>,
    },
    /// A policy is refused.
    Policy(String),
    /// The family's quota of tokens is used up.
    Quota {
        /// How many tokens there may be.
        limit: u32,
        /// The status the settings choose.
        status: u16,
        /// The code the settings choose.
        code: i64,
    },
    /// Too many calls.
    RateLimited {
        /// Seconds until calls are answered again.
        retry_after: i64,
    },
    /// Something that must never leave Brevet is in the request.
    Leak(String),
}

impl Refusal {
    /// A refused member of a body.
    pub fn body(pointer: &str, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), pointer: Some(pointer.to_owned()) }
    }

    /// A refused member of a query.
    pub fn query(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), pointer: None }
    }

    /// The answer's status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoCredentials
            | Self::MalformedBearer
            | Self::NoMemberships
            | Self::NoAccountsForAccountTokens
            | Self::BrokenJson
            | Self::Invalid { .. }
            | Self::Policy(_) => 400,
            Self::NoCredentialsToVerify | Self::InvalidApiToken => 401,
            Self::DeadToken | Self::NoUser | Self::Unauthorized | Self::Location(_) => 403,
            Self::NotAuthenticated { status } | Self::Quota { status, .. } => *status,
            Self::NoRoute(_) | Self::NoToken => 404,
            Self::MethodNeedsUser(_) | Self::NoMethod(_) => 405,
            Self::RateLimited { .. } => 429,
            Self::Leak(_) => 500,
        }
    }

    /// The code of the first error.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::NoCredentials | Self::NoMemberships => 9106,
            Self::MalformedBearer => 6003,
            Self::InvalidApiToken => 1000,
            Self::DeadToken | Self::NoUser | Self::Unauthorized | Self::Location(_) => 9109,
            Self::NotAuthenticated { .. } | Self::MethodNeedsUser(_) => 10000,
            Self::NoCredentialsToVerify | Self::NoAccountsForAccountTokens | Self::Policy(_) => 1001,
            Self::NoRoute(_) => 7003,
            Self::NoMethod(_) => 7001,
            Self::NoToken => 1003,
            Self::BrokenJson => 6007,
            Self::Invalid { .. } => 400,
            Self::Quota { code, .. } => *code,
            Self::RateLimited { .. } => 971,
            Self::Leak(_) => 5990,
        }
    }

    /// The message of the first error.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::NoCredentials => "Missing X-Auth-Key, X-Auth-Email or Authorization headers".to_owned(),
            Self::NoCredentialsToVerify => "missing authentication token".to_owned(),
            Self::MalformedBearer => "Invalid request headers".to_owned(),
            Self::InvalidApiToken => "Invalid API Token".to_owned(),
            Self::DeadToken => "Invalid access token".to_owned(),
            Self::NoUser => "Valid user-level authentication not found".to_owned(),
            Self::Unauthorized => "Unauthorized to access requested resource".to_owned(),
            Self::Location(ip) => format!("Cannot use the access token from location: {ip}"),
            Self::NotAuthenticated { .. } => "Authentication error".to_owned(),
            Self::NoMemberships => "Authentication failed".to_owned(),
            Self::NoAccountsForAccountTokens => {
                "List accounts endpoint does not support account owned tokens.".to_owned()
            }
            Self::MethodNeedsUser(method) => {
                format!("{method} method with API Tokens is not supported by this API")
            }
            Self::NoRoute(path) => {
                format!("Could not route to {path}, perhaps your object identifier is invalid?")
            }
            Self::NoMethod(method) => format!("Method {method} not available for that URI."),
            Self::NoToken => "Token not found".to_owned(),
            Self::BrokenJson => "Malformed JSON in request body".to_owned(),
            Self::Invalid { message, .. } | Self::Policy(message) => message.clone(),
            Self::Quota { limit, .. } => format!("You have reached the maximum of {limit} API tokens"),
            Self::RateLimited { .. } => "Please wait and consider throttling your request speed".to_owned(),
            Self::Leak(what) => format!("fake-cloudflare: {what} reached Cloudflare; this run has failed"),
        }
    }

    /// The members of `errors`.
    #[must_use]
    pub fn errors(&self) -> Value {
        let mut entry = json!({ "code": self.code(), "message": self.message() });
        if let Some(members) = entry.as_object_mut() {
            if matches!(self, Self::MalformedBearer) {
                let chain = json!([{ "code": 6111, "message": "Invalid format for Authorization header" }]);
                members.insert("error_chain".to_owned(), chain);
            }
            if let Self::Invalid { pointer: Some(pointer), .. } = self {
                members.insert("source".to_owned(), json!({ "pointer": pointer }));
            }
        }
        json!([entry])
    }
}
