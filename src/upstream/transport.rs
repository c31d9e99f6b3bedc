//! The two ports of the adapter: the network with its clock, and the Worker's secrets.

use std::fmt;
use std::future::Future;

use brevet_core::secret::Secret;
use cloudflare_tokens::{Answer, Request};

/// One exchange at a time with a server, and the clock and chance that waiting needs.
///
/// In the Worker this is one coarse binding to JavaScript; natively it is whatever a test puts there.
pub trait Transport {
    /// Sends the request and gives the whole answer. A redirect is not followed: it comes back as it
    /// is. After `deadline_ms` the exchange is aborted, and a body of more than `max_bytes` is cut off.
    ///
    /// # Errors
    /// [`TransportError`] where there is no whole answer.
    fn send(
        &self,
        request: Request,
        deadline_ms: u32,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Answer, TransportError>>;

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;

    /// Waits so long.
    fn sleep_ms(&self, ms: u32) -> impl Future<Output = ()>;

    /// A random number, for jitter only.
    fn random_u32(&self) -> u32;
}

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The request surely never left: no connection came about.
    NotSent,
    /// The deadline passed. What was sent may have been carried out.
    Timeout,
    /// The connection ended before the answer was whole, or in any way that is not surely another of
    /// these. What was sent may have been carried out.
    Reset,
    /// The answer's body has more bytes than allowed.
    TooLarge,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "no connection came about",
            Self::Timeout => "there was no answer in time",
            Self::Reset => "the connection broke before the answer was whole",
            Self::TooLarge => "the answer is too large",
        })
    }
}

impl std::error::Error for TransportError {}

/// Where the parent tokens are: the Worker's secrets, by name.
///
/// Only names that begin with `CLOUDFLARE_` are ever asked for, so that rules cannot make Brevet send
/// another secret (its pepper, an operator's) to Cloudflare.
pub trait Secrets {
    /// The secret of this name, if there is one.
    fn secret(&self, name: &str) -> Option<Secret>;
}
