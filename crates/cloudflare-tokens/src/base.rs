//! The address under which the API is served.

use std::fmt;
use std::str::FromStr;

/// Where Cloudflare serves its API.
pub const CLOUDFLARE_API: &str = "https://api.cloudflare.com/client/v4";

/// The longest base address taken. A host name has at most 253 characters, and the path of a base is short.
pub const MAX_BASE_CHARS: usize = 400;

/// The checked base address of the API, such as `https://api.cloudflare.com/client/v4`.
///
/// Always `https`, but for plain `http` to a loopback host: the requests carry a token that can make tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiBase(String);

/// Why a text is no base address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseError {
    /// It is longer than [`MAX_BASE_CHARS`].
    TooLong {
        /// How many bytes it has.
        found: usize,
    },
    /// It begins with neither `https://` nor `http://`.
    Scheme,
    /// It is plain `http` to a host that is not this machine.
    PlainHttp,
    /// It names a user or a password before the host.
    Userinfo,
    /// The host is empty or holds something else than letters, digits, `-` and `.` (or is not `[::1]`).
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The path holds something else than letters, digits, `-`, `_`, `.` and single `/`, or a `.` or `..` segment.
    Path,
    /// It has a query.
    Query,
    /// It has a fragment.
    Fragment,
}

impl fmt::Display for BaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong { .. } => "the API base is too long",
            Self::Scheme => "the API base must begin with https://",
            Self::PlainHttp => "plain http is for loopback hosts only: use https for the API base",
            Self::Userinfo => "the API base must not name a user or password",
            Self::Host => "the API base's host is not a host name",
            Self::Port => "the API base's port is not a number from 1 to 65535",
            Self::Path => "the API base's path is not plain",
            Self::Query => "the API base must have no query",
            Self::Fragment => "the API base must have no fragment",
        })
    }
}

impl std::error::Error for BaseError {}

impl ApiBase {
    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiBase {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        if text.len() > MAX_BASE_CHARS {
            return Err(BaseError::TooLong { found: text.len() });
        }
        if text.contains('#') {
            return Err(BaseError::Fragment);
        }
        if text.contains('?') {
            return Err(BaseError::Query);
        }
        let (plain, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (true, rest)
        } else {
            return Err(BaseError::Scheme);
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, path.strip_suffix('/').unwrap_or(path)),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(BaseError::Userinfo);
        }
        let host = host(authority)?;
        if plain && !is_loopback(host) {
            return Err(BaseError::PlainHttp);
        }
        if !path.is_empty() && !path.split('/').all(is_plain_segment) {
            return Err(BaseError::Path);
        }
        let mut base = String::with_capacity(text.len());
        base.push_str(if plain { "http://" } else { "https://" });
        base.push_str(authority);
        if !path.is_empty() {
            base.push('/');
            base.push_str(path);
        }
        Ok(Self(base))
    }
}

/// Checks `host[:port]` and gives the host.
fn host(authority: &str) -> Result<&str, BaseError> {
    const V6_LOOPBACK: &str = "[::1]";
    let (host, port) = if let Some(port) = authority.strip_prefix(V6_LOOPBACK) {
        (V6_LOOPBACK, port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        authority.split_at_checked(end).ok_or(BaseError::Host)?
    };
    if host != V6_LOOPBACK && !is_host_name(host) {
        return Err(BaseError::Host);
    }
    if !port.is_empty() {
        let digits = port.strip_prefix(':').ok_or(BaseError::Host)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || digits.parse::<u16>().unwrap_or(0) == 0 {
            return Err(BaseError::Port);
        }
    }
    Ok(host)
}

fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// Whether requests to `host` stay on this machine. A name counts only if it is `localhost` itself: other names could
/// be looked up to anywhere.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_plain_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment != "."
        && segment != ".."
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_cloudflare_and_loopback_and_drops_the_last_slash() {
        for (text, base) in [
            (CLOUDFLARE_API, CLOUDFLARE_API),
            ("https://api.cloudflare.com/client/v4/", CLOUDFLARE_API),
            ("https://api.example.com", "https://api.example.com"),
            ("https://api.example.com/", "https://api.example.com"),
            ("http://127.0.0.1:8787/client/v4", "http://127.0.0.1:8787/client/v4"),
            ("http://127.9.0.1", "http://127.9.0.1"),
            ("http://localhost:1/x", "http://localhost:1/x"),
            ("http://[::1]:65535/x", "http://[::1]:65535/x"),
        ] {
            assert_eq!(text.parse::<ApiBase>().unwrap().as_str(), base, "{text}");
        }
    }

    #[test]
    fn refuses_every_other_address_with_its_reason() {
        for (text, why) in [
            ("", BaseError::Scheme),
            ("api.cloudflare.com", BaseError::Scheme),
            ("ftp://api.cloudflare.com", BaseError::Scheme),
            ("HTTPS://api.cloudflare.com", BaseError::Scheme),
            ("http://api.cloudflare.com/client/v4", BaseError::PlainHttp),
            ("http://localhost.evil.example", BaseError::PlainHttp),
            ("http://127.0.0.1.evil.example", BaseError::PlainHttp),
            ("http://10.0.0.1", BaseError::PlainHttp),
            ("http://0.0.0.0", BaseError::PlainHttp),
            ("https://user@api.cloudflare.com", BaseError::Userinfo),
            ("http://localhost@evil.example/", BaseError::Userinfo),
            ("https://", BaseError::Host),
            ("https:///x", BaseError::Host),
            ("https://a..b", BaseError::Host),
            ("https://-a.b", BaseError::Host),
            ("https://a b", BaseError::Host),
            ("https://a\r\nb", BaseError::Host),
            ("https://[::2]", BaseError::Host),
            ("https://a\\b", BaseError::Host),
            ("https://a:", BaseError::Port),
            ("https://a:0", BaseError::Port),
            ("https://a:+1", BaseError::Port),
            ("https://a:65536", BaseError::Port),
            ("https://a:1:2", BaseError::Port),
            ("https://a/..", BaseError::Path),
            ("https://a/b/./c", BaseError::Path),
            ("https://a//b", BaseError::Path),
            ("https://a/%2e", BaseError::Path),
            ("https://a/b//", BaseError::Path),
            ("https://a/?x=1", BaseError::Query),
            ("https://a/#x", BaseError::Fragment),
        ] {
            assert_eq!(text.parse::<ApiBase>(), Err(why), "{text}");
        }
        let long = format!("https://a/{}", "b".repeat(MAX_BASE_CHARS));
        assert_eq!(long.parse::<ApiBase>(), Err(BaseError::TooLong { found: long.len() }));
    }

    proptest! {
        #[test]
        fn every_base_it_takes_is_an_absolute_uri(text in "https?://[a-zA-Z0-9.:@\\[\\]/_%?#-]{0,40}") {
            if let Ok(base) = text.parse::<ApiBase>() {
                let uri: http::Uri = base.as_str().parse().unwrap();
                prop_assert!(uri.host().is_some());
                prop_assert!(uri.query().is_none());
                prop_assert_eq!(uri.scheme_str() == Some("http"), base.as_str().starts_with("http:"));
            }
        }
    }
}
