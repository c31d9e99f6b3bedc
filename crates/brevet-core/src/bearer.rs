//! Sorts the credential of a request by its shape alone.
//!
//! The shape decides, before any look-up, where a credential may go: only the Cloudflare shape is ever
//! sent upstream (by the verify routes), a Brevet credential is only compared with digests, and a text
//! that carries one of Brevet's own prefixes and is otherwise wrong is refused here. Without that last
//! rule a truncated client secret of 40 characters would look like an old Cloudflare token and leave
//! the Worker.

use std::fmt;

use crate::access::Family;
use crate::base64url;
use crate::secret::Secret;

/// The longest credential taken, in bytes. The largest of them, a workload's JWT, has one to four
/// kilobytes; 8 KiB is also the header line that common proxies stop at.
pub const MAX_BEARER_BYTES: usize = 8 * 1024;

/// What a client's secret begins with.
pub const CLIENT_PREFIX: &str = "brvc_";

/// What an operator's secret begins with.
pub const OPERATOR_PREFIX: &str = "brvo_";

/// How many base64url characters follow Brevet's prefixes: 256 random bits.
pub const SECRET_LENGTH: usize = 43;

/// The length of a Cloudflare token made before 2026, which has no prefix.
const LEGACY_TOKEN_LENGTH: usize = 40;

/// What may follow `cfut_` or `cfat_`: 40 characters and a checksum of unpublished length; the
/// published schema bounds the whole at 80.
const TOKEN_BODY: std::ops::RangeInclusive<usize> = 40..=75;

/// Prefixes of Cloudflare credentials that are no API tokens: the global key and the login of a
/// developer's tool. Of 40 characters they would pass for an old token.
const OTHER_CLOUDFLARE_PREFIXES: [&str; 2] = ["cfk_", "cfoat_"];

/// A credential, sorted by shape. It is not known to anybody yet.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// A client's secret: `brvc_` and 43 base64url characters.
    Client(Secret),
    /// An operator's secret: `brvo_` and 43 base64url characters.
    Operator(Secret),
    /// Three parts of base64url with two dots between them: a workload's identity.
    Jwt(Secret),
    /// A Cloudflare API token, with its family where the prefix tells it.
    Cloudflare(Secret, Option<Family>),
    /// Any other text. It exists in development mode only, where the root operator's secret may have
    /// any form, and can be nothing but that.
    Free(Secret),
}

/// Why a header holds no credential of a known shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// There is no Authorization header.
    Missing,
    /// The header has another scheme than `Bearer`.
    NotBearer,
    /// The credential is longer than [`MAX_BEARER_BYTES`].
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The credential has none of the known shapes.
    Malformed,
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no Authorization header"),
            Self::NotBearer => f.write_str("the Authorization header has another scheme than Bearer"),
            Self::TooLong { found } => {
                write!(f, "the credential has {found} bytes, and {MAX_BEARER_BYTES} is the most")
            }
            Self::Malformed => f.write_str("the credential has none of the known shapes"),
        }
    }
}

impl std::error::Error for BearerError {}

impl Bearer {
    /// Reads the value of an Authorization header. `dev` is development mode, where a text of no known
    /// shape becomes [`Bearer::Free`].
    ///
    /// # Errors
    /// [`BearerError`]; none of them says more about the credential than its length.
    pub fn read(header: Option<&[u8]>, dev: bool) -> Result<Self, BearerError> {
        let header = header.ok_or(BearerError::Missing)?;
        let space = header.iter().position(|byte| *byte == b' ').ok_or(BearerError::NotBearer)?;
        let (scheme, rest) = header.split_at_checked(space).ok_or(BearerError::NotBearer)?;
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(BearerError::NotBearer);
        }
        // RFC 6750 writes one or more spaces between the scheme and the token.
        let token = rest.trim_ascii_start();
        if token.len() > MAX_BEARER_BYTES {
            return Err(BearerError::TooLong { found: token.len() });
        }
        let text = std::str::from_utf8(token).map_err(|_| BearerError::Malformed)?;
        Self::sort(Secret::new(text.to_owned()), dev)
    }

    /// Sorts a bare credential, such as the token in the body of a verify request.
    ///
    /// # Errors
    /// [`BearerError::TooLong`] or [`BearerError::Malformed`].
    pub fn sort(secret: Secret, dev: bool) -> Result<Self, BearerError> {
        let text = secret.expose();
        if text.len() > MAX_BEARER_BYTES {
            return Err(BearerError::TooLong { found: text.len() });
        }
        match Shape::of(text) {
            Some(Shape::Client) => Ok(Self::Client(secret)),
            Some(Shape::Operator) => Ok(Self::Operator(secret)),
            Some(Shape::Jwt) => Ok(Self::Jwt(secret)),
            Some(Shape::Cloudflare(family)) => Ok(Self::Cloudflare(secret, family)),
            // Visible ASCII only: a header cannot carry anything else unharmed.
            None if dev && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self::Free(secret))
            }
            None => Err(BearerError::Malformed),
        }
    }

    /// The credential itself.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Client(secret)
            | Self::Operator(secret)
            | Self::Jwt(secret)
            | Self::Cloudflare(secret, _)
            | Self::Free(secret) => secret,
        }
    }
}

enum Shape {
    Client,
    Operator,
    Jwt,
    Cloudflare(Option<Family>),
}

impl Shape {
    fn of(text: &str) -> Option<Self> {
        let brevet = |body: &str, shape| (body.len() == SECRET_LENGTH && alphabet(body)).then_some(shape);
        let cloudflare = |body: &str, family| {
            (TOKEN_BODY.contains(&body.len()) && alphabet(body)).then_some(Self::Cloudflare(Some(family)))
        };
        if let Some(body) = text.strip_prefix(CLIENT_PREFIX) {
            brevet(body, Self::Client)
        } else if let Some(body) = text.strip_prefix(OPERATOR_PREFIX) {
            brevet(body, Self::Operator)
        } else if let Some(body) = text.strip_prefix("cfut_") {
            cloudflare(body, Family::User)
        } else if let Some(body) = text.strip_prefix("cfat_") {
            cloudflare(body, Family::Account)
        } else if OTHER_CLOUDFLARE_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            None
        } else if text.contains('.') {
            let mut dots = 0;
            let good = text.bytes().all(|byte| {
                dots += usize::from(byte == b'.');
                byte == b'.' || base64url::is_digit(byte)
            });
            (good && dots == 2).then_some(Self::Jwt)
        } else {
            (text.len() == LEGACY_TOKEN_LENGTH && alphabet(text)).then_some(Self::Cloudflare(None))
        }
    }
}

/// The characters of base64url, which are also those of Cloudflare's tokens.
fn alphabet(text: &str) -> bool {
    text.bytes().all(base64url::is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(text: &str) -> Result<&'static str, BearerError> {
        Bearer::sort(Secret::new(text.to_owned()), false).map(|bearer| name(&bearer))
    }

    fn name(bearer: &Bearer) -> &'static str {
        match bearer {
            Bearer::Client(_) => "client",
            Bearer::Operator(_) => "operator",
            Bearer::Jwt(_) => "jwt",
            Bearer::Cloudflare(_, None) => "token",
            Bearer::Cloudflare(_, Some(Family::User)) => "user token",
            Bearer::Cloudflare(_, Some(Family::Account)) => "account token",
            Bearer::Free(_) => "free",
        }
    }

    fn of(prefix: &str, count: usize) -> String {
        format!("{prefix}{}", "aZ9_-".chars().cycle().take(count).collect::<String>())
    }

    #[test]
    fn refuses_a_secret_of_ours_that_lost_or_won_a_character() {
        for prefix in [CLIENT_PREFIX, OPERATOR_PREFIX] {
            // 35 is the dangerous one: 40 characters in all, as an old Cloudflare token has.
            for count in [0, 1, 35, 40, 42, 44, 75] {
                assert_eq!(sorted(&of(prefix, count)), Err(BearerError::Malformed), "{prefix}{count}");
            }
            assert_eq!(sorted(&format!("{}.", of(prefix, 42))), Err(BearerError::Malformed));
        }
    }

    #[test]
    fn refuses_prefixed_tokens_of_another_length_even_where_they_have_40_characters() {
        for prefix in ["cfut_", "cfat_"] {
            for count in [0, 35, 39, 76] {
                assert_eq!(sorted(&of(prefix, count)), Err(BearerError::Malformed), "{prefix}{count}");
            }
            assert_eq!(sorted(&format!("{}!", of(prefix, 45))), Err(BearerError::Malformed));
        }
    }

    #[test]
    fn refuses_global_keys_and_login_tokens_of_40_characters() {
        assert_eq!(sorted(&of("cfk_", 36)), Err(BearerError::Malformed));
        assert_eq!(sorted(&of("cfoat_", 34)), Err(BearerError::Malformed));
    }

    #[test]
    fn refuses_every_other_shape() {
        for text in ["", "x", "a.b", "a.b.c.d", "a.b.c=", "a b.c.d", "ünïcode.b.c", "a.\n.c"] {
            assert_eq!(sorted(text), Err(BearerError::Malformed), "{text:?}");
        }
        for count in [39, 41] {
            assert_eq!(sorted(&of("", count)), Err(BearerError::Malformed), "{count}");
        }
        assert_eq!(sorted(&format!("{}+", of("", 39))), Err(BearerError::Malformed));
    }

    #[test]
    fn sorts_each_known_shape() {
        assert_eq!(sorted(&of(CLIENT_PREFIX, 43)), Ok("client"));
        assert_eq!(sorted(&of(OPERATOR_PREFIX, 43)), Ok("operator"));
        assert_eq!(sorted("eyJh.eyJz.c2ln"), Ok("jwt"));
        assert_eq!(sorted("a.b."), Ok("jwt"));
        assert_eq!(sorted(&of("", 40)), Ok("token"));
        for count in [40, 75] {
            assert_eq!(sorted(&of("cfut_", count)), Ok("user token"));
            assert_eq!(sorted(&of("cfat_", count)), Ok("account token"));
        }
    }

    #[test]
    fn refuses_headers_without_a_bearer() {
        let read = |header: &[u8]| Bearer::read(Some(header), true).map(|bearer| name(&bearer));
        assert_eq!(Bearer::read(None, true).err(), Some(BearerError::Missing));
        for header in [&b""[..], b"Bearer", b"Basic YTpi", b"Bearerx abc", b" Bearer abc"] {
            assert_eq!(read(header), Err(BearerError::NotBearer), "{header:?}");
        }
        assert_eq!(read(b"Bearer "), Err(BearerError::Malformed));
        assert_eq!(read(b"Bearer \xff\xfe"), Err(BearerError::Malformed));
        assert_eq!(read(b"Bearer a b"), Err(BearerError::Malformed));
    }

    #[test]
    fn the_scheme_has_no_case_and_more_than_one_space_is_allowed() {
        for scheme in ["Bearer ", "bearer ", "BEARER   "] {
            let header = format!("{scheme}{}", of(CLIENT_PREFIX, 43));
            let bearer = Bearer::read(Some(header.as_bytes()), false).unwrap();
            assert_eq!((name(&bearer), bearer.secret().expose()), ("client", &*of(CLIENT_PREFIX, 43)));
        }
    }

    #[test]
    fn refuses_one_byte_more_than_the_bound() {
        let jwt = |length: usize| format!("a.b.{}", "c".repeat(length - 4));
        assert_eq!(sorted(&jwt(MAX_BEARER_BYTES)), Ok("jwt"));
        let too_long = BearerError::TooLong { found: MAX_BEARER_BYTES + 1 };
        assert_eq!(sorted(&jwt(MAX_BEARER_BYTES + 1)), Err(too_long));
        let header = format!("Bearer {}", jwt(MAX_BEARER_BYTES + 1));
        assert_eq!(Bearer::read(Some(header.as_bytes()), true).err(), Some(too_long));
    }

    #[test]
    fn a_text_of_any_form_is_taken_in_development_mode_only() {
        let secret = || Secret::new("dev-secret".to_owned());
        assert!(matches!(Bearer::sort(secret(), true), Ok(Bearer::Free(_))));
        assert_eq!(Bearer::sort(secret(), false).err(), Some(BearerError::Malformed));
        assert_eq!(Bearer::sort(Secret::new(String::new()), true).err(), Some(BearerError::Malformed));
    }

    #[test]
    fn says_nothing_of_the_credential() {
        let bearer = Bearer::sort(Secret::new(of(CLIENT_PREFIX, 43)), false).unwrap();
        assert_eq!(format!("{bearer:?}"), "Client([redacted])");
        assert_eq!(
            [BearerError::Missing, BearerError::NotBearer, BearerError::Malformed].map(|e| e.to_string()),
            [
                "there is no Authorization header",
                "the Authorization header has another scheme than Bearer",
                "the credential has none of the known shapes"
            ]
        );
        assert!(BearerError::TooLong { found: 9000 }.to_string().contains("9000"));
    }

    proptest! {
        #[test]
        fn never_panics_and_only_a_cloudflare_shape_is_called_one(header in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Bearer::Cloudflare(secret, _)) = Bearer::read(Some(&header), false) {
                let text = secret.expose();
                prop_assert!(text.len() == 40 || text.starts_with("cfut_") || text.starts_with("cfat_"));
                prop_assert!(!text.starts_with("brv"));
            }
        }

        #[test]
        fn no_text_with_our_prefix_is_ever_taken_for_a_cloudflare_token(body in "[A-Za-z0-9_.-]{0,90}", operator: bool) {
            let prefix = if operator { OPERATOR_PREFIX } else { CLIENT_PREFIX };
            let sorted = sorted(&format!("{prefix}{body}"));
            prop_assert!(matches!(sorted, Ok("client" | "operator") | Err(BearerError::Malformed)));
        }
    }
}
