//! What stops the program, and the exit code it stops with.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use cloudflare_tokens::ApiBase;

use crate::credential::CredentialError;
use crate::deploy::DeployError;
use crate::file::FileError;
use crate::origin::OriginError;
use crate::rules_edit::EditError;
use crate::worker::WorkerError;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The answer is no: findings, a difference, a refusal.
    No,
    /// The call was wrong: arguments, environment, files. It is also clap's code.
    Usage,
    /// Something outside failed: network, answers, wrangler.
    Outside,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0_u8,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Outside => 3,
        })
    }
}

/// What stops the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No URL was given.
    #[error("no URL is given. Say where Brevet is reached with --url https://… or BREVET_URL.")]
    NoUrl,
    /// The URL given cannot be used.
    #[error("the URL cannot be used: {0}. Write it like https://brevet.example.com.")]
    Url(OriginError),
    /// The name given is none that the rules take.
    #[error("{name:?} cannot be a name in the rules: {message}. {help}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        message: String,
        /// What to do.
        help: String,
    },
    /// `CLOUDFLARE_API_BASE` names another API than Cloudflare's or one on this machine.
    #[error(
        "CLOUDFLARE_API_BASE cannot be used: the parent tokens go to {} or to a server on loopback, and nowhere else. Remove the variable.",
        cloudflare_tokens::CLOUDFLARE_API
    )]
    ApiBase,
    /// A parameter without a value.
    #[error("{0:?} is no parameter. Write NAME=VALUE, like zone=example.com.")]
    Parameter(String),
    /// The claims are no JSON object.
    #[error("{} holds no JSON object of claims.", .0.display())]
    Claims(PathBuf),
    /// Credentials.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An edit of the rules file.
    #[error("{} was not changed: {why}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        why: EditError,
    },
    /// The Worker.
    #[error(transparent)]
    Worker(#[from] Box<WorkerError>),
    /// A deployment.
    #[error(transparent)]
    Deploy(#[from] Box<DeployError>),
    /// The pepper is missing or none.
    #[error(
        "BREVET_PEPPER cannot be used: {0}. Put the Worker's pepper into the environment; while rotating, all of them, separated by commas."
    )]
    Pepper(String),
    /// What should be a head is none.
    #[error(
        "{0:?} is no head of a journal. Write it like 1042:9f…: the entry's number and the 64 digits of its mac."
    )]
    Head(String),
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        Self::Worker(Box::new(error))
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        Self::Deploy(Box::new(error))
    }
}

impl Failure {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoUrl
            | Self::Url(_)
            | Self::Name { .. }
            | Self::ApiBase
            | Self::File(_)
            | Self::Pepper(_)
            | Self::Head(_)
            | Self::Parameter(_)
            | Self::Claims(_) => Exit::Usage,
            Self::Credential(CredentialError::NoRandom) | Self::Output(_) => Exit::Outside,
            Self::Credential(_) => Exit::Usage,
            Self::Edit { .. } => Exit::No,
            Self::Worker(error) => error.exit(),
            Self::Deploy(error) => error.exit(),
        }
    }
}

/// The API that parents are checked at: Cloudflare's, or another one on this machine.
///
/// # Errors
/// [`Failure::ApiBase`].
pub(crate) fn api_base(wanted: Option<&str>) -> Result<ApiBase, Failure> {
    let base: ApiBase =
        wanted.unwrap_or(cloudflare_tokens::CLOUDFLARE_API).parse().map_err(|_| Failure::ApiBase)?;
    // A base in plain http is on a loopback host, or it would not have been read as one.
    if base.as_str() == cloudflare_tokens::CLOUDFLARE_API || base.as_str().starts_with("http://") {
        Ok(base)
    } else {
        Err(Failure::ApiBase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_go_to_cloudflare_or_to_this_machine() {
        for wanted in [
            "https://api.example.com/client/v4",
            "http://10.0.0.1",
            "http://api.cloudflare.com/client/v4",
            "x",
        ] {
            assert!(matches!(api_base(Some(wanted)), Err(Failure::ApiBase)), "{wanted}");
        }
        assert_eq!(api_base(None).unwrap().as_str(), cloudflare_tokens::CLOUDFLARE_API);
        assert_eq!(
            api_base(Some("http://127.0.0.1:1/client/v4")).unwrap().as_str(),
            "http://127.0.0.1:1/client/v4"
        );
    }
}
