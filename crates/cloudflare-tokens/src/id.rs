//! Ids: 32 lower-case hexadecimal characters, checked before they can reach a URL.

use std::fmt;
use std::str::FromStr;

/// How many characters an id has.
const ID_CHARS: usize = 32;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// It does not have 32 bytes.
    Length {
        /// How many it has.
        found: usize,
    },
    /// It holds something else than `0`-`9` and `a`-`f`. Upper case counts as something else: two spellings of one id
    /// would be two keys in a book.
    Character {
        /// Where, counted in bytes from 0.
        at: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(f, "an id has 32 characters, this has {found}"),
            Self::Character { at } => {
                write!(f, "an id has only 0-9 and a-f, not what is at place {at}")
            }
        }
    }
}

impl std::error::Error for IdError {}

fn check(text: &str) -> Result<[u8; ID_CHARS], IdError> {
    let bytes = text.as_bytes();
    let Ok(id) = <[u8; ID_CHARS]>::try_from(bytes) else {
        return Err(IdError::Length { found: bytes.len() });
    };
    match id.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Some(at) => Err(IdError::Character { at }),
        None => Ok(id),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 32 lower-case hexadecimal characters; anything else cannot be made into one, so an id can stand in a path
        /// as it is.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_CHARS]);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                // Only ASCII ever gets in, so the default is never taken.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

id! {
    /// An account's id.
    AccountId
}
id! {
    /// A zone's id.
    ZoneId
}
id! {
    /// A user's id.
    UserId
}
id! {
    /// A token's id. It is no secret, but for tokens with R2 groups it is the S3 access key.
    TokenId
}
id! {
    /// A permission group's id. Ids stay when display names change.
    GroupId
}
id! {
    /// The id that Cloudflare gives to a policy of a token.
    PolicyId
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_every_text_that_could_leave_its_place_in_a_path() {
        for text in [
            "",
            "..",
            "../../user/tokens",
            "%2e%2e",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0",
            "0123456789abcdef0123456789abcdef/value",
        ] {
            assert!(matches!(TokenId::from_str(text), Err(IdError::Length { .. })), "{text}");
        }
        for (text, at) in [
            ("0123456789ABCDEF0123456789abcdef", 10),
            ("0123456789abcdef0123456789abcde/", 31),
            ("?123456789abcdef0123456789abcdef", 0),
            ("\u{0660}123456789abcdef0123456789abcde", 0),
            ("0123456789abcdef\r\n23456789abcdef", 16),
            ("0123456789abcdef0123456789abcde#", 31),
        ] {
            assert_eq!(TokenId::from_str(text), Err(IdError::Character { at }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_id_prints_as_it_was_read(text in "[0-9a-f]{32}") {
            let id: ZoneId = text.parse().unwrap();
            prop_assert_eq!(id.as_str(), &text);
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn takes_nothing_but_lower_case_hex(text in ".{0,40}") {
            let good = text.len() == 32 && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
            prop_assert_eq!(ZoneId::from_str(&text).is_ok(), good);
        }
    }
}
