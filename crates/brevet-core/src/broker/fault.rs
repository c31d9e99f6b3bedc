//! Everything that can stop a request. How it is told is in `face`.
//!
//! Rich inside, poor outside: a [`Fault`] holds the evidence, its [`Face`](crate::broker::Face) what a caller may see.

use crate::bearer::BearerError;
use crate::broker::ports::Unreachable;
use crate::cloudflare::Failure;
use crate::form::FormError;
use crate::json::{JsonError, List, Object};
use crate::ledger::freeze::Freeze;
use crate::ledger::protocol::Refusal;
use crate::oidc::{IdentityError, JwtError};
use crate::policy::{AskError, AuthError, Denial};

/// What stops a request. Evidence of any size is behind a pointer: a fault passes through many hands
/// that only pass it on.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The Authorization header is missing or malformed.
    Bearer(BearerError),
    /// The credential is not good. Why is for the log only.
    Auth(Box<AuthError>),
    /// The signature of a webhook is not good, or there is no hook of this name.
    Unsigned,
    /// The signed time of a webhook is too far from the present, by so many seconds.
    Stale(i64),
    /// A message whose sender is answered came before.
    Repeated,
    /// A signed message does not have what the rules look for, at this place.
    Unfit(String),
    /// The identity token of a workload is not good.
    Identity(Box<IdentityFault>),
    /// Cloudflare does not know the token that was to be verified there.
    UnknownToken,
    /// The rules or the guardrails refuse.
    Denied(Box<Denial>),
    /// The request's body does not say what it should.
    Ask(Box<AskError>),
    /// The body is not the JSON it should be.
    Json(JsonError),
    /// The request itself is wrong.
    Request(Box<RequestError>),
    /// No rules are in force.
    NoRules(NoRules),
    /// The operator lacks this power.
    Power(&'static str),
    /// The ledger's books refuse.
    Ledger(Refusal),
    /// A freeze holds what is asked for.
    Frozen(Box<Freeze>),
    /// The ledgers of these accounts did not answer what all of them were asked.
    PartlyDone(Vec<String>),
    /// Cloudflare failed.
    Upstream(Failure),
    /// The outcome of a create is unknown.
    OutcomeUnknown {
        /// What is known.
        failure: Failure,
        /// Whether it came with an idempotency key: then it may be sent again.
        keyed: bool,
    },
    /// A part of this installation cannot be reached.
    Unreachable(Box<Unreachable>),
    /// The address asks too often; it may come again after so many seconds.
    TooOften(u32),
    /// The installation is not set up: which secret is missing or unusable, and why.
    NotSetUp(String),
    /// The rules pushed are not good.
    Rules(Box<BadRules>),
    /// The rules pushed hold an id or digest of the example.
    ExampleRules,
    /// A push was made on another version than the one in force.
    RulesMoved {
        /// The version in force.
        present: u64,
    },
    /// A push needs the version it was made on.
    NoIfMatch,
    /// A push that widens who may do what needs the root operator.
    NeedsRoot(Vec<String>),
    /// A push takes away what live leases rest on.
    LeavesLeases(Box<LeftLeases>),
    /// A push removes an account that has live leases.
    AccountHasLeases {
        /// The accounts.
        accounts: Vec<String>,
    },
}

/// What is wrong with rules that were pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct BadRules {
    /// What was found.
    pub findings: Vec<crate::rules::Finding>,
    /// Where each part of them stands in the operator's file.
    pub places: crate::rules::SourceMap,
}

/// What live leases a push would leave without their grant or client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftLeases {
    /// What is removed.
    pub removed: Vec<String>,
    /// The leases concerned, at most a page of them.
    pub leases: Vec<String>,
}

macro_rules! stops {
    ($($kind:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$kind> for Fault {
            fn from(evidence: $kind) -> Self {
                Self::$variant(Box::new(evidence))
            }
        })+
    };
}

stops!(
    RequestError => Request,
    AskError => Ask,
    AuthError => Auth,
    Unreachable => Unreachable,
    Denial => Denied,
    BadRules => Rules,
    LeftLeases => LeavesLeases,
    IdentityFault => Identity,
);

/// What is wrong with an identity token. Its bearer may know: the token is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityFault {
    /// It is no token that could be looked at.
    Jwt(JwtError),
    /// The rules have no issuer of this URL.
    UnknownIssuer,
    /// Its signature or its claims are not good.
    Identity(IdentityError),
    /// Its issuer's keys cannot be had.
    NoKeys,
}

impl IdentityFault {
    /// What is wrong, in a sentence's part. It holds no value of the token.
    pub fn cause(&self) -> String {
        match self {
            Self::Jwt(error) => error.to_string(),
            Self::UnknownIssuer => "its issuer is none of the rules'".to_owned(),
            Self::Identity(error) => error.to_string(),
            Self::NoKeys => "its issuer's keys cannot be had".to_owned(),
        }
    }
}

/// What is wrong with a request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There is no such path.
    NoSuchPath,
    /// The path takes other methods: these.
    Method(&'static str),
    /// The body is longer than this many bytes.
    BodyTooLong(usize),
    /// The body is compressed.
    Encoded,
    /// A header is wrong: which one, and what it should be.
    Header(&'static str, &'static str),
    /// A query parameter is wrong: which one, and what it should be.
    Query(&'static str, &'static str),
    /// An id in the path is none: what it should be.
    Id(&'static str),
    /// A member of the body is wrong: its JSON pointer, and what it should be.
    Member(&'static str, &'static str),
    /// The body has a member that there is not: its name, and those that there are.
    UnknownMember(String, &'static str),
    /// The query has a parameter that there is not: its name, and those that there are.
    UnknownParameter(String, &'static str),
    /// The query has this parameter twice.
    ParameterTwice(String),
    /// The account is none of the rules'.
    UnknownAccount,
    /// The rules know several accounts and the request names none.
    AmbiguousAccount,
    /// The drop-in surface serves the token endpoints only.
    NotATokenEndpoint,
    /// The token to verify is not of a Cloudflare token's form.
    NotACloudflareToken,
    /// The token to revoke works from some addresses only, and Brevet's is none of them.
    BoundToAddresses,
    /// The body is no form.
    Form(FormError),
    /// A field of the form is wrong: the OAuth error, its name, and what it should be.
    Field(&'static str, &'static str, &'static str),
}

/// Why no rules are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRules {
    /// None were pushed yet.
    NeverPushed,
    /// Those in force cannot be used by this build.
    Unusable(String),
    /// Development mode is on and the request came to another host than loopback.
    DevelopmentElsewhere,
    /// They hold an id of the example, outside development mode.
    Example,
}

impl Fault {
    /// Adds the facts that a program may use, as members of the problem.
    pub fn tell_facts(&self, into: &mut Object) {
        match self {
            Self::Denied(denial) => denial.tell_evidence(into),
            Self::Rules(bad) => {
                let mut list = List::new();
                bad.findings.iter().for_each(|finding| list.push(&finding.to_json(Some(&bad.places))));
                into.put("findings", &list);
            }
            Self::Frozen(freeze) => {
                into.put("freeze", &freeze.id);
            }
            Self::PartlyDone(missed) => {
                into.put("missed", missed);
            }
            Self::RulesMoved { present } => {
                into.put("present", present);
            }
            Self::NeedsRoot(widened) => {
                into.put("widened", widened);
            }
            Self::LeavesLeases(left) => {
                into.put("removed", &left.removed).put("leases", &left.leases);
            }
            Self::Upstream(failure) => {
                if let Some(status) = failure.status {
                    into.put("upstream_status", &status);
                }
                if let Some(code) = failure.code {
                    into.put("upstream_code", &code);
                }
            }
            _ => {}
        }
    }
}
