//! The value of an API token.

use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The shortest value taken. Every documented form has 40 characters or more.
const MIN_CHARS: usize = 40;

/// The longest value taken. The documented bound is 80; the length of the newer checksum is not published, so there is
/// room. A value that is refused for its length after a create would be lost.
const MAX_CHARS: usize = 256;

/// The value of a Cloudflare API token: a secret.
///
/// `Debug` prints `[redacted]`, there is no `Display` and no `PartialEq`, the memory is overwritten on drop, and the only
/// way to the text is [`expose`](Self::expose). It holds 40 to 256 of `A-Z a-z 0-9 _ -`, so no line break can reach a
/// header. Beyond that it is opaque.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<String>);

/// Which documented form a token value has. A hint for where to verify it, never a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// `cfut_…`: owned by a user.
    User,
    /// `cfat_…`: owned by an account.
    Account,
    /// `cfk_…`: a global API key, which is no API token.
    GlobalKey,
    /// `cfoat_…`: an OAuth access token, which cannot create tokens.
    OAuth,
    /// 40 bare characters: the older form, of either family.
    Legacy,
    /// None of these.
    Unknown,
}

/// Why a text cannot be a token value. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenTextError {
    /// It is shorter than 40 or longer than 256 bytes.
    Length {
        /// How many it has.
        found: usize,
    },
    /// It holds something else than `A-Z a-z 0-9 _ -`.
    Character {
        /// Where, counted in bytes from 0.
        at: usize,
    },
}

impl fmt::Display for TokenTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => {
                write!(f, "a token value has {MIN_CHARS} to {MAX_CHARS} characters, this has {found}")
            }
            Self::Character { at } => {
                write!(f, "a token value has only A-Z, a-z, 0-9, _ and -, not what is at place {at}")
            }
        }
    }
}

impl std::error::Error for TokenTextError {}

/// Whether `byte` can be part of a token value.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

impl ApiToken {
    /// Takes a value without copying it.
    ///
    /// # Errors
    /// [`TokenTextError`] when it cannot be a token value. The text is overwritten then, too.
    pub fn new(value: String) -> Result<Self, TokenTextError> {
        let value = Zeroizing::new(value);
        if !(MIN_CHARS..=MAX_CHARS).contains(&value.len()) {
            return Err(TokenTextError::Length { found: value.len() });
        }
        match value.bytes().position(|byte| !is_token_byte(byte)) {
            Some(at) => Err(TokenTextError::Character { at }),
            None => Ok(Self(value)),
        }
    }

    /// The value itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The form of the value.
    #[must_use]
    pub fn form(&self) -> TokenForm {
        let value = self.expose();
        if value.starts_with("cfut_") {
            TokenForm::User
        } else if value.starts_with("cfat_") {
            TokenForm::Account
        } else if value.starts_with("cfk_") {
            TokenForm::GlobalKey
        } else if value.starts_with("cfoat_") {
            TokenForm::OAuth
        } else if value.len() == MIN_CHARS {
            TokenForm::Legacy
        } else {
            TokenForm::Unknown
        }
    }
}

impl FromStr for ApiToken {
    type Err = TokenTextError;

    fn from_str(value: &str) -> Result<Self, TokenTextError> {
        Self::new(value.to_owned())
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_the_value() {
        let token: ApiToken = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T".parse().unwrap();
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(format!("{:#?}", Some(&token)), "Some(\n    [redacted],\n)");
    }

    #[test]
    fn refuses_what_could_break_a_header() {
        let good = "a".repeat(39);
        for (value, why) in [
            (String::new(), TokenTextError::Length { found: 0 }),
            (good.clone(), TokenTextError::Length { found: 39 }),
            ("a".repeat(257), TokenTextError::Length { found: 257 }),
            (format!("{good}\r\nx"), TokenTextError::Character { at: 39 }),
            (format!("{good} "), TokenTextError::Character { at: 39 }),
            (format!("{good}\u{e9}"), TokenTextError::Character { at: 39 }),
            (format!("Bearer {good}"), TokenTextError::Character { at: 6 }),
        ] {
            assert_eq!(ApiToken::new(value).unwrap_err(), why);
        }
    }

    #[test]
    fn knows_the_documented_forms() {
        for (value, form) in [
            (format!("cfut_{}", "a".repeat(48)), TokenForm::User),
            (format!("cfat_{}", "a".repeat(48)), TokenForm::Account),
            (format!("cfk_{}", "a".repeat(48)), TokenForm::GlobalKey),
            (format!("cfoat_{}", "a".repeat(48)), TokenForm::OAuth),
            ("a".repeat(40), TokenForm::Legacy),
            ("a".repeat(41), TokenForm::Unknown),
        ] {
            assert_eq!(ApiToken::new(value).unwrap().form(), form);
        }
    }
}
