//! Where Brevet is reached.

use std::fmt;
use std::str::FromStr;

use cloudflare_tokens::{ApiBase, BaseError};

/// Scheme, host and port. Always `https`, but for plain `http` to a loopback host: requests carry the
/// operator's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

/// Why a text is no origin that the operator's secret may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginError {
    /// It has a path.
    Path,
    /// It is no address.
    Address(BaseError),
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path | Self::Address(BaseError::Path) => {
                "it has a path, and only scheme, host and port belong there"
            }
            Self::Address(BaseError::TooLong { .. }) => "it is too long",
            Self::Address(BaseError::Scheme) => "it does not begin with https://",
            Self::Address(BaseError::PlainHttp) => {
                "plain http would show the operator's secret to the network; it is taken on loopback only"
            }
            Self::Address(BaseError::Userinfo) => "it names a user or a password",
            Self::Address(BaseError::Host) => "its host is no host name",
            Self::Address(BaseError::Port) => "its port is no number from 1 to 65535",
            Self::Address(BaseError::Query) => "it has a query",
            Self::Address(BaseError::Fragment) => "it has a fragment",
        })
    }
}

impl std::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        // One reader of addresses: what may be called at all is the same for Cloudflare and for Brevet.
        let base: ApiBase = text.parse().map_err(OriginError::Address)?;
        let authority = base.as_str().split_once("://").map_or("", |(_, rest)| rest);
        if authority.contains('/') { Err(OriginError::Path) } else { Ok(Self(base.as_str().to_owned())) }
    }
}

impl Origin {
    /// Whether it is on this machine. Only there plain http is taken.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

/// Without a slash at its end.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_addresses_that_would_show_the_secret_or_have_more_than_an_origin() {
        for (text, why) in [
            ("http://brevet.example.com", OriginError::Address(BaseError::PlainHttp)),
            ("http://127.0.0.1.example.com", OriginError::Address(BaseError::PlainHttp)),
            ("http://10.0.0.1", OriginError::Address(BaseError::PlainHttp)),
            ("brevet.example.com", OriginError::Address(BaseError::Scheme)),
            ("https://a@brevet.example.com", OriginError::Address(BaseError::Userinfo)),
            ("https://brevet.example.com/v1", OriginError::Path),
            ("https://brevet.example.com?x", OriginError::Address(BaseError::Query)),
            ("https://", OriginError::Address(BaseError::Host)),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(why), "{text}");
        }
    }

    #[test]
    fn takes_https_and_plain_http_on_loopback() {
        for (text, origin, plain) in [
            ("https://brevet.example.com/", "https://brevet.example.com", false),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787", true),
            ("http://localhost:1", "http://localhost:1", true),
        ] {
            let read: Origin = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read.is_plain()), (origin, plain));
        }
    }
}
