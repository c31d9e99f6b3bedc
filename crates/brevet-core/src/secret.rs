//! Texts that nobody may see: bearers, minted values, the pepper.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret text. It has no `Display` and no `Serialize`, `Debug` shows nothing of it, and its
/// memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Every call of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the text, which may be compared and stored where the text is random enough.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The SHA-256 of a secret. Comparing two takes the same time whatever they hold, so that the answer
/// time tells a guesser nothing.
#[derive(Clone, Copy, Eq)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Reads 64 hexadecimal digits, as the rules write a digest.
    pub fn from_hex(text: &str) -> Option<Self> {
        crate::hex::decode_32(text).map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_of_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "[redacted] [digest]");
    }

    #[test]
    fn a_digest_reads_64_hex_digits_and_nothing_else() {
        let secret = Secret::new("abc".to_owned());
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(SecretDigest::from_hex(hex), Some(secret.digest()));
        assert_eq!(SecretDigest::from_hex("ba78"), None);
        assert_eq!(SecretDigest::from_hex("…"), None);
    }
}
