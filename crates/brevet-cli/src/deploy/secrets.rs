//! Which secrets the Worker needs, and where each of them comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use brevet_core::bearer::OPERATOR_PREFIX;
use brevet_core::ledger::name::{Pepper, PepperError};
use brevet_core::rules::Document;
use brevet_core::secret::Secret;
use zeroize::Zeroizing;

use crate::credential::{self, CredentialError, OPERATOR_SECRET};

/// The Worker secret for keyed hashes.
pub(super) const PEPPER: &str = "BREVET_PEPPER";

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// [`PEPPER`].
    Pepper,
    /// [`OPERATOR_SECRET`].
    Operator,
    /// A parent token; Brevet mints nothing without it.
    Parent,
    /// A parent token's successor, which may come later.
    Successor,
    /// The key of a hook or an endpoint, which may come later: until then a hook hears nothing, and an endpoint
    /// is told nothing.
    Hook,
}

/// Where a secret's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The Worker has it already.
    Kept,
    /// The environment variable of its name.
    Environment(Secret),
    /// Somebody typed it.
    Asked(Secret),
    /// It was made here.
    Made(Secret),
    /// A successor that is not there yet.
    Later,
}

impl Source {
    /// The value, where it is at hand.
    pub(super) fn value(&self) -> Option<&Secret> {
        match self {
            Self::Environment(secret) | Self::Asked(secret) | Self::Made(secret) => Some(secret),
            Self::Kept | Self::Later => None,
        }
    }
}

/// Why the secrets are not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretsError {
    /// These are neither in the Worker nor in the environment.
    Missing(Vec<String>),
    /// The operator's secret is in the Worker, and the push of the rules needs it.
    OperatorUnknown,
    /// The operator's secret is of the wrong form, or could not be made.
    Operator(CredentialError),
    /// The pepper of the environment cannot be used.
    Pepper(PepperError),
    /// A new pepper is to replace the old one, and is not given.
    PepperNotGiven,
    /// `--replace` names what is no secret of this installation.
    NoSuchSecret(String, Vec<String>),
}

impl fmt::Display for SecretsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(names) => write!(
                f,
                "the Worker lacks {}, and the environment has no value. Set {} to the parent token that the rules mean (it is given to the Worker and to Cloudflare's verify only), and run brevet deploy again.",
                names.join(", "),
                if names.len() == 1 { "this variable" } else { "each of these variables" }
            ),
            Self::OperatorUnknown => write!(
                f,
                "the Worker has {OPERATOR_SECRET} already, and the rules are pushed with it. Set the variable {OPERATOR_SECRET} to it, or make a new one with --replace {OPERATOR_SECRET}."
            ),
            Self::Operator(error) => error.fmt(f),
            Self::Pepper(error) => write!(
                f,
                "{error}. Unset the variable to have one made, or give one of 43 random characters."
            ),
            Self::PepperNotGiven => write!(
                f,
                "--replace {PEPPER} needs the variable {PEPPER}: the new pepper, a comma, and the old one, by which the names of living tokens are known."
            ),
            Self::NoSuchSecret(name, names) => {
                write!(f, "--replace {name}: there is no such secret. These are: {}.", names.join(", "))
            }
        }
    }
}

impl std::error::Error for SecretsError {}

/// The secrets that the rules need, in the order in which they are put.
pub(super) fn needed(rules: &Document) -> Vec<(String, Purpose)> {
    let mut parents = BTreeMap::new();
    for account in rules.accounts.values() {
        parents.insert(account.parent.clone(), Purpose::Parent);
    }
    for next in rules.accounts.values().filter_map(|account| account.parent_next.clone()) {
        parents.entry(next).or_insert(Purpose::Successor);
    }
    let hooks = rules.hooks.values().flat_map(|hook| &hook.secrets);
    for secret in hooks.chain(rules.endpoints.iter().flat_map(|endpoint| &endpoint.secrets)) {
        parents.entry(secret.clone()).or_insert(Purpose::Hook);
    }
    let ours = [(PEPPER.to_owned(), Purpose::Pepper), (OPERATOR_SECRET.to_owned(), Purpose::Operator)];
    ours.into_iter().chain(parents).collect()
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<Secret> {
    let text = Zeroizing::new(env::var(name).ok()?);
    let text = text.trim();
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}

/// Asks for a secret on the terminal; `None` without one, or where nothing was typed.
fn ask(name: &str) -> Option<Secret> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let typed = Zeroizing::new(rpassword::prompt_password(format!("{name}: ")).ok()?);
    let text = typed.trim();
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}

/// Finds a source for each secret. `present` are the Worker's.
///
/// # Errors
/// [`SecretsError`]; nothing was changed then.
pub(super) fn sources(
    needed: &[(String, Purpose)],
    present: &BTreeSet<String>,
    replace: &[String],
) -> Result<Vec<(String, Purpose, Source)>, SecretsError> {
    if let Some(unknown) = replace.iter().find(|name| !needed.iter().any(|(known, _)| known == *name)) {
        let names = needed.iter().map(|(name, _)| name.clone()).collect();
        return Err(SecretsError::NoSuchSecret(unknown.clone(), names));
    }
    let mut sources = Vec::with_capacity(needed.len());
    let mut missing = Vec::new();
    for (name, purpose) in needed {
        let replaced = replace.contains(name);
        let kept = present.contains(name) && !replaced;
        let source = match purpose {
            _ if kept => Source::Kept,
            Purpose::Pepper => pepper(replaced)?,
            Purpose::Operator => operator(replaced)?,
            Purpose::Parent | Purpose::Successor | Purpose::Hook => match variable(name) {
                Some(value) => Source::Environment(value),
                None if *purpose != Purpose::Parent && !replaced => Source::Later,
                None => match ask(name) {
                    Some(value) => Source::Asked(value),
                    None => {
                        missing.push(name.clone());
                        continue;
                    }
                },
            },
        };
        sources.push((name.clone(), *purpose, source));
    }
    if missing.is_empty() { Ok(sources) } else { Err(SecretsError::Missing(missing)) }
}

fn pepper(replaced: bool) -> Result<Source, SecretsError> {
    match variable(PEPPER) {
        Some(given) => match Pepper::read(&given) {
            Ok(_) => Ok(Source::Environment(given)),
            Err(error) => Err(SecretsError::Pepper(error)),
        },
        None if replaced => Err(SecretsError::PepperNotGiven),
        None => credential::new("").map(Source::Made).map_err(SecretsError::Operator),
    }
}

fn operator(replaced: bool) -> Result<Source, SecretsError> {
    match variable(OPERATOR_SECRET) {
        // The one in the environment is the one to be replaced.
        Some(given) if !replaced => {
            credential::checked(given, false).map(Source::Environment).map_err(SecretsError::Operator)
        }
        _ => credential::new(OPERATOR_PREFIX).map(Source::Made).map_err(SecretsError::Operator),
    }
}

/// The operator's secret that the rules are pushed with: the one that was put, else the environment's.
///
/// # Errors
/// [`SecretsError::OperatorUnknown`], [`SecretsError::Operator`].
pub(super) fn pusher(sources: &[(String, Purpose, Source)]) -> Result<Secret, SecretsError> {
    let put = sources.iter().find(|(_, purpose, _)| *purpose == Purpose::Operator);
    if let Some(secret) = put.and_then(|(_, _, source)| source.value()) {
        return Ok(secret.clone());
    }
    let given =
        variable(OPERATOR_SECRET).or_else(|| ask(OPERATOR_SECRET)).ok_or(SecretsError::OperatorUnknown)?;
    credential::checked(given, false).map_err(SecretsError::Operator)
}
