//! What stops a deployment. Each says in one sentence what to do; then run it again.

use std::fmt;
use std::path::PathBuf;

use super::account::AccountError;
use super::parents::ParentError;
use super::secrets::SecretsError;
use super::wrangler::WranglerError;
use super::wrangler_config::ConfigError;
use crate::failure::Exit;
use crate::worker::WorkerError;

/// What stops a deployment.
#[derive(Debug)]
pub(crate) enum DeployError {
    /// The rules have errors, which were told.
    Rules(PathBuf),
    /// The rules hold what is for development only, which was told.
    ForDevelopment(PathBuf),
    /// Wrangler's configuration.
    Config(ConfigError),
    /// Wrangler.
    Wrangler(WranglerError),
    /// The account that the Worker would run in.
    Account(AccountError),
    /// The Worker has a secret that puts it into development mode.
    DevelopmentSecret(String),
    /// The namespace of the configuration is not in this account.
    NoSuchNamespace(PathBuf, String),
    /// The configuration has lost its binding while this ran.
    NoBinding(PathBuf),
    /// The secrets.
    Secrets(SecretsError),
    /// A parent token.
    Parent {
        /// The account's name in the rules.
        account: String,
        /// The secret's name.
        secret: String,
        /// What is wrong.
        why: ParentError,
    },
    /// Somebody said no.
    Declined,
    /// The deployed Worker does not answer as it should.
    NotSettled {
        /// How long it was waited for, in seconds.
        seconds: u16,
        /// What it answered last.
        last: WorkerError,
    },
    /// The push of the rules.
    Push(WorkerError),
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(path) => write!(
                f,
                "{} has errors; nothing was done. Mend them and run brevet deploy again.",
                path.display()
            ),
            Self::ForDevelopment(path) => write!(
                f,
                "{} holds what is for development only; nothing was done. Put your own values there and run brevet deploy again.",
                path.display()
            ),
            Self::Config(error) => error.fmt(f),
            Self::Wrangler(error) => error.fmt(f),
            Self::Account(error) => error.fmt(f),
            Self::DevelopmentSecret(name) => write!(
                f,
                "the Worker has a secret {name}, which is for development only. Take it out with `wrangler secret delete {name}`."
            ),
            Self::NoSuchNamespace(path, id) => write!(
                f,
                "{} names the KV namespace {id}, which this account does not have. Take the id out to have one made, or choose the right account with CLOUDFLARE_ACCOUNT_ID.",
                path.display()
            ),
            Self::NoBinding(path) => write!(
                f,
                "{} was changed meanwhile and binds no STATE any more. Run brevet deploy again.",
                path.display()
            ),
            Self::Secrets(error) => error.fmt(f),
            Self::Parent { account, secret, why } => write!(
                f,
                "{secret}, the parent token of account \"{account}\", will not do: {why} Nothing was changed."
            ),
            Self::Declined => f.write_str("nothing was changed."),
            Self::NotSettled { seconds, last } => write!(
                f,
                "the Worker is deployed, but after {seconds} s it does not answer as it should: {last}\n  next: see that its route leads to it, then run brevet deploy again, or brevet config push."
            ),
            Self::Push(error) => write!(f, "the Worker is deployed, but the rules were not pushed: {error}"),
        }
    }
}

impl std::error::Error for DeployError {}

impl DeployError {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Rules(_) | Self::ForDevelopment(_) | Self::Declined => Exit::No,
            Self::Config(_) | Self::Secrets(_) | Self::DevelopmentSecret(_) => Exit::Usage,
            Self::NoSuchNamespace(..) | Self::NoBinding(_) | Self::Account(_) => Exit::Usage,
            Self::Parent { why, .. } => {
                if why.is_outside() {
                    Exit::Outside
                } else {
                    Exit::No
                }
            }
            Self::Wrangler(_) | Self::NotSettled { .. } => Exit::Outside,
            Self::Push(error) => error.exit(),
        }
    }
}

impl From<WranglerError> for DeployError {
    fn from(error: WranglerError) -> Self {
        Self::Wrangler(error)
    }
}
