//! Identifiers as Cloudflare and the ledger write them.
//!
//! An id is checked before it exists, so that no value of these types can climb out of a URL path
//! (`..`, `%2e`, `x/value`), end a header line, or be confused with another kind of id.

use std::fmt;
use std::str::FromStr;

/// The length of every Cloudflare id: 32 lower-case hexadecimal digits.
pub const CLOUDFLARE_ID_LENGTH: usize = 32;

/// The length of a lease id: 128 bits in Crockford base32, 26 digits.
pub const LEASE_ID_LENGTH: usize = 26;

/// What is wrong with a text that should be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// It has another length, in bytes, than ids of its kind have.
    Length {
        /// The length found.
        found: usize,
        /// The length expected.
        expected: usize,
    },
    /// It holds a byte that ids of its kind do not have, at this offset.
    Character {
        /// The offset of the first such byte.
        at: usize,
    },
    /// It is longer than 128 bits.
    Overflow,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected } => {
                write!(f, "it has {found} characters where an id has {expected}")
            }
            Self::Character { at } => write!(f, "it has a character that ids do not have, at offset {at}"),
            Self::Overflow => f.write_str("it is larger than 128 bits"),
        }
    }
}

impl std::error::Error for IdError {}

fn lower_hex(text: &str) -> Result<[u8; CLOUDFLARE_ID_LENGTH], IdError> {
    let wrong_length = IdError::Length { found: text.len(), expected: CLOUDFLARE_ID_LENGTH };
    let bytes: [u8; CLOUDFLARE_ID_LENGTH] = text.as_bytes().try_into().map_err(|_| wrong_length)?;
    match bytes.iter().position(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        Some(at) => Err(IdError::Character { at }),
        None => Ok(bytes),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $length:expr, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                // The bytes were checked to be ASCII when the id was made.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                $parse(text).map(Self)
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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl crate::json::ToJson for $name {
            fn write(&self, text: &mut String) {
                crate::json::ToJson::write(self.as_str(), text);
            }
        }

        impl crate::json::FromJson for $name {
            fn read(value: Option<crate::json::Tree<'_>>, sound: &mut bool) -> Self {
                value.as_ref().and_then(crate::json::Tree::as_str).and_then(|text| text.parse().ok()).unwrap_or_else(|| {
                    *sound = false;
                    Self([b'0'; $length])
                })
            }
        }
    };
}

text_id!(
    /// A Cloudflare account.
    AccountId, CLOUDFLARE_ID_LENGTH, lower_hex);
text_id!(
    /// A Cloudflare user.
    UserId, CLOUDFLARE_ID_LENGTH, lower_hex);
text_id!(
    /// A Cloudflare zone.
    ZoneId, CLOUDFLARE_ID_LENGTH, lower_hex);
text_id!(
    /// A Cloudflare API token (its id, never its value).
    TokenId, CLOUDFLARE_ID_LENGTH, lower_hex);
text_id!(
    /// A Cloudflare permission group.
    GroupId, CLOUDFLARE_ID_LENGTH, lower_hex);
text_id!(
    /// A lease: 128 random bits in Crockford base32, upper case. It is fixed for ever (it is part of
    /// the token's name at Cloudflare).
    LeaseId, LEASE_ID_LENGTH, crockford);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn crockford(text: &str) -> Result<[u8; LEASE_ID_LENGTH], IdError> {
    let wrong_length = IdError::Length { found: text.len(), expected: LEASE_ID_LENGTH };
    let bytes: [u8; LEASE_ID_LENGTH] = text.as_bytes().try_into().map_err(|_| wrong_length)?;
    if let Some(at) = bytes.iter().position(|b| !CROCKFORD.contains(b)) {
        return Err(IdError::Character { at });
    }
    // 26 digits hold 130 bits: the first one carries only three.
    if bytes.first().is_some_and(|first| !(b'0'..=b'7').contains(first)) {
        return Err(IdError::Overflow);
    }
    Ok(bytes)
}

impl LeaseId {
    /// The id made of 128 random bits.
    pub fn from_random(bits: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(bits);
        let mut digits = [b'0'; LEASE_ID_LENGTH];
        for digit in digits.iter_mut().rev() {
            let index = usize::try_from(rest & 31).unwrap_or_default();
            *digit = CROCKFORD.get(index).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        Self(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_climb_out_of_a_path() {
        for text in ["..", "%2e%2e", "x/value", "?", "#", "", "023e105f4ecef8ad9ca31a8372d0c353/value"] {
            assert!(matches!(text.parse::<TokenId>(), Err(IdError::Length { .. })), "{text}");
        }
        assert_eq!("023e105f4ecef8ad9ca31a8372d0c35/".parse::<TokenId>(), Err(IdError::Character { at: 31 }));
        assert_eq!("023E105f4ecef8ad9ca31a8372d0c353".parse::<TokenId>(), Err(IdError::Character { at: 3 }));
    }

    #[test]
    fn a_lease_id_round_trips_at_both_ends() {
        for bits in [[0; 16], [0xff; 16], [0x5a; 16]] {
            let id = LeaseId::from_random(bits);
            assert_eq!(id.as_str().parse::<LeaseId>(), Ok(id));
        }
        assert_eq!(LeaseId::from_random([0xff; 16]).as_str(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<LeaseId>(), Err(IdError::Overflow));
        assert_eq!("7ZZZZZZZZZZZZZZZZZZZZZZZZU".parse::<LeaseId>(), Err(IdError::Character { at: 25 }));
    }
}
