//! Sends a request and reads the answer, within bounds.

use std::io::ErrorKind;
use std::time::Duration;

use cloudflare_tokens::{Answer, Headers};
use http::{HeaderMap, HeaderValue, Request};
use ureq::Agent;

/// The longest wait for a connection. A host that is there answers in a second.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest wait for a whole answer. A push is sent on to every ledger before it is answered.
const WHOLE: Duration = Duration::from_secs(60);

/// The largest answer, in bytes: rules of 256 kB and what stands around them, or a list of permission
/// groups.
const MOST_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: http::StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// Nobody listens there.
    #[error("nobody listens there (connection refused)")]
    Refused,
    /// The host name is not known.
    #[error("its host name is not known")]
    NoSuchHost,
    /// The answer did not come in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The answer is larger than [`MOST_ANSWER_BYTES`].
    #[error("its answer is larger than any should be")]
    TooLarge,
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Unwritable(http::Error),
    /// Anything else.
    #[error("the exchange broke off: {0}")]
    Broken(ureq::Error),
}

impl From<ureq::Error> for Unreachable {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => Self::Refused,
            ureq::Error::HostNotFound => Self::NoSuchHost,
            ureq::Error::Timeout(_) => Self::TimedOut,
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            error @ (ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_)) => {
                Self::Tls(error.to_string())
            }
            other => Self::Broken(other),
        }
    }
}

/// Sends requests. It follows no redirect: the credential would go with it.
#[derive(Debug)]
pub(crate) struct Exchange {
    agent: Agent,
}

impl Exchange {
    /// For one address; `plain` says that it is on this machine and spoken to without TLS.
    pub(crate) fn new(plain: bool) -> Self {
        let mut config = Agent::config_builder()
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .max_redirects(0)
            .http_status_as_error(false)
            .https_only(!plain)
            .user_agent(concat!("brevet/", env!("CARGO_PKG_VERSION")));
        if plain {
            // A proxy of the environment would see the credential in the open.
            config = config.proxy(None);
        }
        Self { agent: config.build().into() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub(crate) fn send(&self, request: Request<Vec<u8>>) -> Result<Reply, Unreachable> {
        let (parts, body) = request.into_parts();
        let answer = if body.is_empty() {
            self.agent.run(Request::from_parts(parts, ()))?
        } else {
            self.agent.run(Request::from_parts(parts, body))?
        };
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(MOST_ANSWER_BYTES).read_to_vec()?;
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// Sends a call of Cloudflare's API.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub(crate) fn call(&self, request: &cloudflare_tokens::Request) -> Result<Answer, Unreachable> {
        let mut sent = Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in request.headers() {
            let mut value =
                HeaderValue::from_str(value).map_err(|error| Unreachable::Unwritable(error.into()))?;
            value.set_sensitive(name == "authorization");
            sent = sent.header(name, value);
        }
        let body = request.body.clone().unwrap_or_default().into_bytes();
        let reply = self.send(sent.body(body).map_err(Unreachable::Unwritable)?)?;
        let mut headers = Headers::new();
        for (name, value) in &reply.headers {
            if let Ok(value) = value.to_str() {
                headers.add(name.as_str(), value);
            }
        }
        Ok(Answer { status: reply.status.as_u16(), headers, body: reply.body })
    }
}
