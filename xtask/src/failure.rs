//! Why a task stopped.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a task stopped. Each prints as one sentence that says what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The machine lacks something; the second part says what to do about it.
    Missing {
        /// What is missing.
        what: String,
        /// What the user can do.
        next: String,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program ended with an error.
    Ended {
        /// The program and its first arguments.
        program: String,
        /// Its exit status in words.
        status: String,
    },
    /// A program ran longer than it may.
    TooLong {
        /// The program and its first arguments.
        program: String,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// A file could not be read or written.
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or an answer does not have the expected form.
    Form {
        /// Which one.
        what: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// The upload is larger than it may become.
    OverCeiling {
        /// Gzipped bytes.
        size: u64,
        /// The most bytes that it may have.
        ceiling: u64,
    },
    /// A step of the walkthrough or of the test run did not end as it should.
    Step {
        /// The step.
        step: String,
        /// What was seen.
        seen: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(f, "{text} (see `cargo xtask --help`)"),
            Self::Missing { what, next } => write!(f, "{what}: {next}"),
            Self::Start { program, source } => write!(f, "`{program}` cannot be started: {source}"),
            Self::Ended { program, status } => write!(f, "`{program}` ended with {status}"),
            Self::TooLong { program, limit_s } => {
                write!(f, "`{program}` was stopped after its limit of {limit_s} s")
            }
            Self::File { doing, path, source } => {
                write!(f, "{doing} {} failed: {source}", path.display())?;
                if source.kind() == io::ErrorKind::StorageFull {
                    write!(f, "; free some space or name another cache folder with BREVET_CACHE")?;
                }
                Ok(())
            }
            Self::Form { what, wrong } => write!(f, "{what}: {wrong}"),
            Self::OverCeiling { size, ceiling } => {
                write!(
                    f,
                    "everything uploaded is {size} bytes gzipped, {} over the ceiling of {ceiling}: make it smaller, or raise CEILING in \
                     xtask/src/size.rs and say why in the commit",
                    size.saturating_sub(*ceiling)
                )
            }
            Self::Step { step, seen } => write!(f, "{step}: {seen}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Names the file and the deed in an [`io::Error`].
pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
    let path = path.into();
    move |source| Failure::File { doing, path, source }
}
