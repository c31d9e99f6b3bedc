//! Who asks: credentials become callers.

use std::fmt;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{Policy, Workload};
use crate::bearer::Bearer;
use crate::hook::MOST_TEXT;
use crate::rules::document::Powers;
use crate::secret::{Secret, SecretDigest};
use crate::sorted::in_order;
use crate::time::Timestamp;

/// The bootstrap operator, whose secret is the Worker secret `BREVET_OPERATOR_SECRET`.
pub const ROOT: &str = "root";

/// Somebody whose credential was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An operator.
    Operator {
        /// Its name in the rules, or [`ROOT`].
        name: String,
        /// What it may do.
        powers: Powers,
    },
    /// A client of the rules.
    Client {
        /// Its name.
        name: String,
    },
    /// A hook of the rules, by a message that it signed.
    Hook {
        /// Its name.
        name: String,
    },
    /// A workload that an issuer of the rules vouches for.
    Workload(Box<Workload>),
}

impl Caller {
    /// The operator whose secret is a Worker secret.
    pub fn root() -> Self {
        Self::Operator { name: ROOT.to_owned(), powers: Powers::ALL }
    }

    /// Whose its leases are: `operator:<name>`, `client:<name>`, `hook:<name>` or what [`Workload::owner`] says.
    pub fn owner(&self) -> String {
        match self {
            Self::Operator { name, .. } => format!("operator:{name}"),
            Self::Client { name } => format!("client:{name}"),
            Self::Hook { name } => format!("hook:{name}"),
            Self::Workload(workload) => workload.owner().to_owned(),
        }
    }

    /// Its name, for people.
    pub fn label(&self) -> &str {
        match self {
            Self::Operator { name, .. } | Self::Client { name } | Self::Hook { name } => name,
            Self::Workload(workload) => workload.identity().subject(),
        }
    }

    /// Whether it is an operator.
    pub fn is_operator(&self) -> bool {
        matches!(self, Self::Operator { .. })
    }

    /// Whether it is the bootstrap operator.
    pub fn is_root(&self) -> bool {
        matches!(self, Self::Operator { name, .. } if name == ROOT)
    }

    /// What it may do as an operator; nothing, where it is none.
    pub fn powers(&self) -> Powers {
        match self {
            Self::Operator { powers, .. } => *powers,
            Self::Client { .. } | Self::Hook { .. } | Self::Workload(_) => Powers::default(),
        }
    }

    /// The run it is a job of.
    pub fn run(&self) -> Option<&str> {
        match self {
            Self::Workload(workload) => workload.run(),
            Self::Operator { .. } | Self::Client { .. } | Self::Hook { .. } => None,
        }
    }

    /// Of these claims those that it has, as an object of texts; none where it has none of them.
    pub fn claims(&self, names: &[String]) -> Option<Value> {
        let Self::Workload(workload) = self else { return None };
        let claims = workload.identity().claims();
        let mut kept = Map::new();
        for name in names {
            // What is longer no hook can name.
            if let Some(text) = claims.text(name).filter(|text| text.len() <= MOST_TEXT) {
                kept.insert(name.clone(), Value::from(text));
            }
        }
        (!kept.is_empty()).then_some(Value::Object(kept))
    }
}

/// What comes with a credential.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// The caller's address, where it is known.
    pub address: Option<IpAddr>,
    /// The present moment.
    pub now: Timestamp,
    /// Whether this is development mode.
    pub development: bool,
}

/// Why a credential is not good. The log gets the reason; a caller gets one answer for all of them,
/// so that nobody learns which secrets exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No client has this secret.
    UnknownClient,
    /// No operator has this secret.
    UnknownOperator,
    /// The client's secrets are past their end.
    Expired {
        /// The client.
        client: String,
        /// Their end.
        not_after: Timestamp,
    },
    /// The client may not call from this address, or the address is not known.
    Address {
        /// The client.
        client: String,
        /// The address.
        address: Option<IpAddr>,
    },
    /// A workload's identity, which its issuer's keys check, where a secret is compared: as long as there are no rules, for one.
    Workload,
    /// A Cloudflare token is no credential of Brevet.
    CloudflareToken,
    /// A text of no known form that is not the root operator's secret. In development mode only.
    Unknown,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownClient => f.write_str("no client has this secret"),
            Self::UnknownOperator => f.write_str("no operator has this secret"),
            Self::Expired { client, not_after } => {
                write!(f, "the secrets of client {client} ended at {not_after}")
            }
            Self::Address { client, address: Some(address) } => {
                write!(f, "client {client} may not call from {address}")
            }
            Self::Address { client, address: None } => {
                write!(f, "client {client} may call from some addresses only, and this call's is not known")
            }
            Self::Workload => f.write_str("a workload's identity is no secret of a client or an operator"),
            Self::CloudflareToken => f.write_str("a Cloudflare token is no credential of Brevet"),
            Self::Unknown => f.write_str("the credential has no known form and is not the root operator's"),
        }
    }
}

impl std::error::Error for AuthError {}

/// Whose secret a digest is of.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    Client(String),
    Operator { name: String, powers: Powers },
}

/// The digests of all secrets of the rules, sorted. The search takes as many steps for an unknown
/// digest as for a known one. That it branches on bytes of a digest tells nothing of use: a guesser
/// cannot choose the digest of a 256-bit random secret, and equality itself is compared in constant
/// time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<(SecretDigest, Holder)>);

impl Secrets {
    pub(crate) fn new(secrets: Vec<(SecretDigest, Holder)>) -> Self {
        Self(in_order(secrets, |(one, _), (other, _)| one.as_bytes() < other.as_bytes()))
    }

    fn holder(&self, digest: &SecretDigest) -> Option<&Holder> {
        let at = self.0.partition_point(|(known, _)| known.as_bytes() < digest.as_bytes());
        self.0.get(at).filter(|(known, _)| known == digest).map(|(_, holder)| holder)
    }
}

impl Policy {
    /// Finds out who calls. `root` is the bootstrap operator's secret.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn authenticate(
        &self,
        bearer: &Bearer,
        presented: &Presented,
        root: Option<&Secret>,
    ) -> Result<Caller, AuthError> {
        let refused = match authenticate_root(bearer, presented.development, root) {
            Ok(caller) => return Ok(caller),
            Err(refused) => refused,
        };
        // Both lookups are made for every credential of ours, whichever of the two it is.
        let holder = self.secrets.holder(&bearer.secret().digest());
        match (bearer, holder) {
            (Bearer::Operator(_), Some(Holder::Operator { name, powers })) => {
                Ok(Caller::Operator { name: name.clone(), powers: *powers })
            }
            (Bearer::Client(_), Some(Holder::Client(name))) => self.admit(name, presented),
            _ => Err(refused),
        }
    }

    fn admit(&self, name: &str, presented: &Presented) -> Result<Caller, AuthError> {
        let client = self.clients.get(name).ok_or(AuthError::UnknownClient)?;
        if let Some(not_after) = client.not_after.filter(|not_after| presented.now >= *not_after) {
            return Err(AuthError::Expired { client: name.to_owned(), not_after });
        }
        let from = |address: IpAddr| {
            // An IPv4 address may arrive in the dress of an IPv6 one.
            let address = address.to_canonical();
            client.from_ip.iter().any(|network| network.contains(&address))
        };
        if !client.from_ip.is_empty() && !presented.address.is_some_and(from) {
            return Err(AuthError::Address { client: name.to_owned(), address: presented.address });
        }
        Ok(Caller::Client { name: name.to_owned() })
    }
}

/// Takes the bootstrap operator only: what there is to do while no rules are loaded. In development
/// mode its secret may have any form, and is compared first.
///
/// # Errors
/// [`AuthError`].
pub fn authenticate_root(
    bearer: &Bearer,
    development: bool,
    root: Option<&Secret>,
) -> Result<Caller, AuthError> {
    let refused = match bearer {
        Bearer::Client(_) => AuthError::UnknownClient,
        Bearer::Operator(_) => AuthError::UnknownOperator,
        Bearer::Jwt(_) => AuthError::Workload,
        Bearer::Cloudflare(..) => AuthError::CloudflareToken,
        Bearer::Free(_) => AuthError::Unknown,
    };
    let comparable = development || matches!(bearer, Bearer::Operator(_));
    // An empty secret would be that of everybody whose configuration is incomplete.
    let root = root.filter(|root| !root.expose().is_empty());
    match root {
        Some(root) if comparable && root.digest() == bearer.secret().digest() => Ok(Caller::root()),
        _ => Err(refused),
    }
}
