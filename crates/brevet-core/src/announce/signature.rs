//! The signature of an event: HMAC-SHA256 over `id.timestamp.body`, as Standard Webhooks 1.0.0 has it.

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::Timestamp;

/// The shortest key, in bytes: Standard Webhooks wants 24 at least.
pub const SHORTEST_KEY: usize = 24;

/// The longest: 64, by the same text.
pub const LONGEST_KEY: usize = 64;

/// What a key begins with in its written form.
const PREFIX: &str = "whsec_";

/// A key that signs events. Receivers have it too.
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// Reads `whsec_` and 24 to 64 bytes in base64; nothing else is taken for a key, so that no other
    /// secret can come to sign.
    pub fn read(text: &Secret) -> Option<Self> {
        let bytes = Zeroizing::new(Base64::decode_vec(text.expose().strip_prefix(PREFIX)?).ok()?);
        (SHORTEST_KEY..=LONGEST_KEY).contains(&bytes.len()).then_some(Self(bytes))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The header `webhook-signature`: one signature for each key, so that a receiver may have either while they
/// rotate.
pub fn signature(keys: &[SigningKey], id: &str, at: Timestamp, body: &str) -> String {
    let at = at.unix().to_string();
    let mut header = String::new();
    for key in keys {
        // HMAC takes keys of every length, so this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.0) else { continue };
        for part in [id, ".", &at, ".", body] {
            mac.update(part.as_bytes());
        }
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str("v1,");
        encode(&mac.finalize().into_bytes(), &mut header);
    }
    header
}

/// Writes bytes in base64, with padding. The library's way costs the Worker two kilobytes.
fn encode(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(three.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = bits >> (18 - 6 * at) & 63;
            let digit = usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit));
            text.push(if at > three.len() { '=' } else { char::from(digit.copied().unwrap_or(b'=')) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Option<SigningKey> {
        SigningKey::read(&Secret::new(text.to_owned()))
    }

    /// The published example of Standard Webhooks.
    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn signs_the_published_example_as_it_is_published() {
        let at = Timestamp::from_unix(1_614_265_330).unwrap();
        let signed = |keys: &[SigningKey]| {
            signature(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#)
        };
        let known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(&[key(EXAMPLE).unwrap()]), known);
        let other = key("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let both = signed(&[other, key(EXAMPLE).unwrap()]);
        let parts: Vec<&str> = both.split(' ').collect();
        assert_eq!((parts.len(), parts[1]), (2, known));
        assert_ne!(parts[0], known);
    }

    proptest! {
        #[test]
        fn writes_base64_as_others_do(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(text, data_encoding::BASE64.encode(&bytes));
        }
    }

    #[test]
    fn what_is_no_key_signs_nothing() {
        let of = |bytes: usize| format!("whsec_{}", data_encoding::BASE64.encode(&vec![7; bytes]));
        for text in [
            String::new(),
            "whsec_".to_owned(),
            of(SHORTEST_KEY - 1),
            of(LONGEST_KEY + 1),
            EXAMPLE.replace("whsec_", ""),
            EXAMPLE.replace("whsec_", "WHSEC_"),
            EXAMPLE.replace('M', "-"),
            format!("{EXAMPLE}\n"),
            format!(" {EXAMPLE}"),
            "cfat_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
        ] {
            assert!(key(&text).is_none(), "{text:?}");
        }
        assert!(key(&of(SHORTEST_KEY)).is_some() && key(&of(LONGEST_KEY)).is_some());
        assert_eq!(format!("{:?}", key(EXAMPLE)), "Some([redacted])");
    }
}
