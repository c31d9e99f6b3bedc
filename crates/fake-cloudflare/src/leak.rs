//! Finds what must never leave Brevet in a request that arrived here.

use std::borrow::Cow;

use http::{Request, header};
use percent_encoding::percent_decode;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leak {
    /// A client secret of Brevet, `brvc_` and 43 characters.
    ClientSecret,
    /// An operator secret of Brevet, `brvo_` and 43 characters.
    OperatorSecret,
    /// Three base64url parts of which the first begins with `eyJ`.
    Jwt,
    /// A Cloudflare token's value outside the `Authorization` header.
    StrayToken,
    /// A string that the settings forbid.
    Forbidden,
}

impl Leak {
    /// In words.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ClientSecret => "a Brevet client secret",
            Self::OperatorSecret => "a Brevet operator secret",
            Self::Jwt => "a JWT",
            Self::StrayToken => "a token value outside the Authorization header",
            Self::Forbidden => "a forbidden string",
        }
    }
}

/// Characters of a Brevet secret after its prefix: 32 bytes in base64url.
const SECRET_LENGTH: usize = 43;

/// Looks through a request's path, query, headers and body, raw and percent-decoded, for the
/// first leak. Gives it with the place: `url`, `header NAME` or `body`.
#[must_use]
pub(crate) fn find(request: &Request<Vec<u8>>, forbidden: &[String]) -> Option<(Leak, String)> {
    let url = request.uri().to_string();
    let at_url = look(url.as_bytes(), forbidden, true).map(|leak| (leak, "url".to_owned()));
    let at_header = || {
        request.headers().iter().find_map(|(name, value)| {
            let stray = name != header::AUTHORIZATION;
            let leak = look(name.as_str().as_bytes(), forbidden, stray)
                .or_else(|| look(value.as_bytes(), forbidden, stray))?;
            Some((leak, format!("header {name}")))
        })
    };
    let at_body = || look(request.body(), forbidden, true).map(|leak| (leak, "body".to_owned()));
    at_url.or_else(at_header).or_else(at_body)
}

fn look(bytes: &[u8], forbidden: &[String], stray: bool) -> Option<Leak> {
    let raw = search(bytes, forbidden, stray);
    if raw.is_some() || !bytes.contains(&b'%') {
        return raw;
    }
    let decoded: Cow<'_, [u8]> = percent_decode(bytes).into();
    search(&decoded, forbidden, stray)
}

fn search(bytes: &[u8], forbidden: &[String], stray: bool) -> Option<Leak> {
    let begins = |at: usize, prefix: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(prefix));
    for at in 0..bytes.len() {
        if begins(at, b"brvc_") && run(bytes, at.saturating_add(5)) >= SECRET_LENGTH {
            return Some(Leak::ClientSecret);
        }
        if begins(at, b"brvo_") && run(bytes, at.saturating_add(5)) >= SECRET_LENGTH {
            return Some(Leak::OperatorSecret);
        }
        if begins(at, b"eyJ") && is_jwt(bytes, at) {
            return Some(Leak::Jwt);
        }
        let token = begins(at, b"cfut_") || begins(at, b"cfat_") || begins(at, b"cfk_");
        if stray && token && run(bytes, at.saturating_add(5)) >= super::value::VALUE_MIN {
            return Some(Leak::StrayToken);
        }
        if forbidden.iter().any(|text| !text.is_empty() && begins(at, text.as_bytes())) {
            return Some(Leak::Forbidden);
        }
    }
    None
}

/// How many base64url characters stand from there on.
fn run(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count()
}

/// Header, payload and signature; an unsigned JWT has an empty signature and is one all the same.
fn is_jwt(bytes: &[u8], at: usize) -> bool {
    let first_dot = at.saturating_add(run(bytes, at));
    let second = first_dot.saturating_add(1);
    let length = run(bytes, second);
    let second_dot = second.saturating_add(length);
    bytes.get(first_dot) == Some(&b'.') && length > 0 && bytes.get(second_dot) == Some(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, header: Option<(&str, &str)>, body: &str) -> Request<Vec<u8>> {
        let mut builder = Request::builder().uri(uri);
        if let Some((name, value)) = header {
            builder = builder.header(name, value);
        }
        builder.body(body.as_bytes().to_vec()).expect("a request")
    }

    fn found(uri: &str, header: Option<(&str, &str)>, body: &str) -> Option<Leak> {
        find(&request(uri, header, body), &["hunter2".to_owned()]).map(|(leak, _)| leak)
    }

    fn secret(prefix: &str) -> String {
        format!("{prefix}{}", "aB3-_".repeat(9).chars().take(SECRET_LENGTH).collect::<String>())
    }

    #[test]
    fn finds_a_brevet_secret_wherever_it_is() {
        let client = secret("brvc_");
        assert_eq!(found(&format!("/a/{client}"), None, ""), Some(Leak::ClientSecret));
        assert_eq!(found(&format!("/a?b={client}&c=d"), None, ""), Some(Leak::ClientSecret));
        assert_eq!(found("/a", Some(("x-any", &client)), ""), Some(Leak::ClientSecret));
        assert_eq!(
            found("/a", Some(("authorization", &format!("Bearer {client}"))), ""),
            Some(Leak::ClientSecret)
        );
        assert_eq!(found("/a", None, &format!("{{\"name\":\"{client}\"}}")), Some(Leak::ClientSecret));
        assert_eq!(found("/a", None, &secret("brvo_")), Some(Leak::OperatorSecret));
    }

    #[test]
    fn finds_what_is_percent_encoded() {
        let client = secret("brvc_").replace('_', "%5F");
        assert_eq!(found(&format!("/a?b={client}"), None, ""), Some(Leak::ClientSecret));
        assert_eq!(found("/a?b=eyJhbGciOi%2EeyJzdWIi%2Esig", None, ""), Some(Leak::Jwt));
    }

    #[test]
    fn finds_signed_and_unsigned_jwts() {
        assert_eq!(found("/a", None, "x=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln"), Some(Leak::Jwt));
        assert_eq!(found("/a", None, "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."), Some(Leak::Jwt));
    }

    #[test]
    fn finds_a_token_outside_the_authorization_header_only() {
        let token = format!("cfat_{}", "a".repeat(48));
        assert_eq!(found("/a", Some(("authorization", &format!("Bearer {token}"))), ""), None);
        assert_eq!(found("/a", Some(("cookie", &token)), ""), Some(Leak::StrayToken));
        assert_eq!(found("/a", None, &token), Some(Leak::StrayToken));
        assert_eq!(found(&format!("/a/{token}"), None, ""), Some(Leak::StrayToken));
    }

    #[test]
    fn finds_what_the_settings_forbid() {
        assert_eq!(found("/a", None, "the hunter2 string"), Some(Leak::Forbidden));
    }

    #[test]
    fn lets_pass_what_only_looks_alike() {
        for body in [
            "brvc_short",
            "eyJhbGciOiJub25lIn0",
            "eyJhbGciOiJub25lIn0.abc",
            "brevet:local:abc.def:g:c",
            "1.2.3",
        ] {
            assert_eq!(found("/accounts/x/tokens?page=2", None, body), None, "{body}");
        }
    }
}
