//! Which API is called.

use std::fmt;

use cloudflare_tokens::{ApiBase, BaseError, CLOUDFLARE_API};

/// Why an API base is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseRefusal {
    /// It is no base address.
    Malformed(BaseError),
    /// Outside development mode the parent token goes to Cloudflare and nowhere else.
    OutsideDevelopment,
    /// In development mode it goes to Cloudflare or to this machine.
    NotLoopback,
}

impl fmt::Display for BaseRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::OutsideDevelopment => {
                write!(f, "outside development mode the API base is {CLOUDFLARE_API} and no other")
            }
            Self::NotLoopback => {
                write!(f, "in development mode the API base is {CLOUDFLARE_API} or on a loopback host")
            }
        }
    }
}

impl std::error::Error for BaseRefusal {}

/// The base address of the API: Cloudflare's, or in development mode another one on this machine.
///
/// # Errors
/// [`BaseRefusal`] for every other address. It is never replaced by Cloudflare's in silence: who set it
/// wants to talk to something else.
pub fn api_base(wanted: Option<&str>, development: bool) -> Result<ApiBase, BaseRefusal> {
    let base: ApiBase = wanted.unwrap_or(CLOUDFLARE_API).parse().map_err(BaseRefusal::Malformed)?;
    if base.as_str() == CLOUDFLARE_API {
        return Ok(base);
    }
    if !development {
        return Err(BaseRefusal::OutsideDevelopment);
    }
    // A base in plain http is on a loopback host, or it would not have been read as one.
    if base.as_str().starts_with("http://") { Ok(base) } else { Err(BaseRefusal::NotLoopback) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_development_there_is_cloudflare_alone() {
        for wanted in ["http://127.0.0.1:8788/client/v4", "https://api.example.com/client/v4"] {
            assert_eq!(api_base(Some(wanted), false), Err(BaseRefusal::OutsideDevelopment), "{wanted}");
        }
        assert_eq!(
            api_base(Some("http://api.cloudflare.com/client/v4"), false),
            Err(BaseRefusal::Malformed(BaseError::PlainHttp))
        );
        assert_eq!(api_base(None, false).unwrap().as_str(), CLOUDFLARE_API);
        assert_eq!(
            api_base(Some("https://api.cloudflare.com/client/v4/"), false).unwrap().as_str(),
            CLOUDFLARE_API
        );
    }

    #[test]
    fn in_development_another_host_than_this_machine_is_refused() {
        for (wanted, why) in [
            ("https://api.example.com/client/v4", BaseRefusal::NotLoopback),
            ("https://127.0.0.1.example.com", BaseRefusal::NotLoopback),
            ("http://10.0.0.1/client/v4", BaseRefusal::Malformed(BaseError::PlainHttp)),
            ("http://localhost@example.com", BaseRefusal::Malformed(BaseError::Userinfo)),
        ] {
            assert_eq!(api_base(Some(wanted), true), Err(why), "{wanted}");
        }
        for wanted in ["http://127.0.0.1:8788/client/v4", "http://localhost:1/client/v4", "http://[::1]:1"] {
            assert_eq!(api_base(Some(wanted), true).unwrap().as_str(), wanted);
        }
    }
}
