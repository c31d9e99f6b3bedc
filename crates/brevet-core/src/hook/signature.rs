//! Whether a message is signed: Standard Webhooks 1.0.0 and GitHub's `X-Hub-Signature-256`.
//!
//! The authenticator is made over the bytes as they came, before anything of them is read, and compared in
//! constant time; no other spelling of the same signature is taken. Whatever is presented,
//! [`MOST_SECRETS`] authenticators are made, so that an unknown name, a wrong signature and a right one
//! cost the same work.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::Scheme;
use crate::hex;
use crate::secret::Secret;

/// The most secrets of a hook: the old one, the new one, and one to spare while rotating.
pub const MOST_SECRETS: usize = 3;

/// The most signatures in one header that are looked at; a sender that rotates its keys sends two.
const MOST_SIGNATURES: usize = 8;

/// The bytes of a Standard Webhooks secret: what its specification says.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The fewest characters of a GitHub secret: GitHub takes any, and a short one can be guessed from one
/// message.
const SHORTEST_TEXT: usize = 16;

/// The longest `webhook-id`: many times a UUID's.
const LONGEST_ID: usize = 255;

/// What Standard Webhooks secrets begin with.
const PREFIX: &str = "whsec_";

/// Stands in for a secret that there is not.
const NO_KEY: &[u8] = b"no secret at all";

/// The headers of a message that say who sent it, as they came; empty where one is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
    /// `X-Hub-Signature-256`.
    pub hub_signature: &'a str,
    /// `X-GitHub-Event`. No signature covers it.
    pub hub_event: &'a str,
}

impl<'a> Signed<'a> {
    /// Reads headers that stand as lines: a name in lower case, its value, the next name.
    pub fn read(lines: &'a str) -> Self {
        let mut signed = Self::default();
        let mut parts = lines.split('\n');
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            match name {
                "webhook-id" => signed.id = value,
                "webhook-timestamp" => signed.timestamp = value,
                "webhook-signature" => signed.signature = value,
                "x-hub-signature-256" => signed.hub_signature = value,
                "x-github-event" => signed.hub_event = value,
                _ => {}
            }
        }
        signed
    }

    /// Whether id and time have one reading only: with a dot in the id, what is signed could be taken
    /// apart at another place.
    fn is_plain(&self) -> bool {
        let id = (1..=LONGEST_ID).contains(&self.id.len())
            && self.id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        let digits = self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        id && (1..=15).contains(&self.timestamp.len()) && digits
    }
}

/// The key that a secret stands for in a scheme; none where it cannot be one.
pub fn key_of(scheme: Scheme, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let text = secret.expose();
    match scheme {
        Scheme::StandardWebhooks => {
            let bytes = Zeroizing::new(decode(text.strip_prefix(PREFIX)?)?);
            KEY_BYTES.contains(&bytes.len()).then_some(bytes)
        }
        Scheme::Github => (text.len() >= SHORTEST_TEXT).then(|| Zeroizing::new(text.as_bytes().to_vec())),
    }
}

/// Whether one of these keys signed this message.
pub fn is_signed(scheme: Scheme, keys: &[Zeroizing<Vec<u8>>], signed: &Signed<'_>, body: &[u8]) -> bool {
    let mut good = Choice::from(0);
    for place in 0..MOST_SECRETS {
        let key = keys.get(place);
        let there = Choice::from(u8::from(key.is_some()));
        match scheme {
            Scheme::StandardWebhooks => {
                // The time as it was written, not as it was read.
                let made = mac(key, &[signed.id, ".", signed.timestamp, "."], body);
                for one in signed.signature.split(' ').take(MOST_SIGNATURES) {
                    let presented = one.strip_prefix("v1,").and_then(decode).unwrap_or_default();
                    good |= presented.as_slice().ct_eq(&made) & there;
                }
            }
            Scheme::Github => {
                let made = hex::encode(&mac(key, &[], body));
                let presented = signed.hub_signature.strip_prefix("sha256=").unwrap_or_default();
                good |= presented.as_bytes().ct_eq(made.as_bytes()) & there;
            }
        }
    }
    bool::from(good) && (scheme == Scheme::Github || signed.is_plain())
}

/// Reads base64 as RFC 4648 section 4 has it, in the one spelling of each value. The alphabet for URLs is read
/// elsewhere anyway, and a second reader would cost the Worker two kilobytes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 || text.contains(['-', '_']) {
        return None;
    }
    let digits = Zeroizing::new(digits.replace('+', "-").replace('/', "_"));
    Base64UrlUnpadded::decode_vec(&digits).ok()
}

fn mac(key: Option<&Zeroizing<Vec<u8>>>, head: &[&str], body: &[u8]) -> [u8; 32] {
    let key = key.map_or(NO_KEY, |key| key.as_slice());
    // HMAC takes keys of every length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    head.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const GITHUB: &str = "It's a Secret to Everybody";

    fn example() -> Signed<'static> {
        Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ..Signed::default()
        }
    }

    fn github() -> Signed<'static> {
        let hub_signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        Signed { hub_signature, hub_event: "ping", ..Signed::default() }
    }

    fn key(scheme: Scheme, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        key_of(scheme, &Secret::new(text.to_owned()))
    }

    fn standard(signed: &Signed<'_>, body: &[u8]) -> bool {
        let scheme = Scheme::StandardWebhooks;
        is_signed(scheme, &[key(scheme, SECRET).unwrap()], signed, body)
    }

    #[test]
    fn takes_the_published_example_of_each_scheme() {
        assert!(standard(&example(), BODY));
        let keys = [key(Scheme::Github, GITHUB).unwrap()];
        assert!(is_signed(Scheme::Github, &keys, &github(), b"Hello, World!"));
    }

    #[test]
    fn takes_any_secret_of_those_while_they_rotate_and_any_signature_of_those_in_the_header() {
        let keys: Vec<_> = ["another secret of some length", GITHUB, "and a third one of some length"]
            .iter()
            .map(|text| key(Scheme::Github, text).unwrap())
            .collect();
        assert!(is_signed(Scheme::Github, &keys, &github(), b"Hello, World!"));
        assert!(!is_signed(Scheme::Github, &keys[..1], &github(), b"Hello, World!"));
        let signature = format!("v1a,AAAA v1,BBBB {}", example().signature);
        assert!(standard(&Signed { signature: &signature, ..example() }, BODY));
        let late = format!("{}{}", "v1,B ".repeat(MOST_SIGNATURES), example().signature);
        assert!(!standard(&Signed { signature: &late, ..example() }, BODY));
    }

    #[test]
    fn takes_no_signature_of_a_secret_that_is_not_there() {
        for scheme in [Scheme::StandardWebhooks, Scheme::Github] {
            let made = mac(None, &["a.1."], b"");
            let standard = format!("v1,{}", BASE64.encode(&made));
            let hub = format!("sha256={}", hex::encode(&mac(None, &[], b"")));
            let signed =
                Signed { id: "a", timestamp: "1", signature: &standard, hub_signature: &hub, hub_event: "" };
            assert!(!is_signed(scheme, &[], &signed, b""), "{scheme:?}");
            assert!(!is_signed(scheme, &[], &Signed::default(), b""), "{scheme:?}");
        }
    }

    #[test]
    fn refuses_an_id_or_a_time_with_two_readings_although_the_signature_is_right() {
        // The same bytes are signed: `msg.1614265330.…`.
        for (id, timestamp, body) in [
            ("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330", "", BODY.to_vec()),
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", "", [b"1614265330.", BODY].concat()),
            ("", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330", BODY.to_vec()),
        ] {
            assert!(!standard(&Signed { id, timestamp, ..example() }, &body), "{id} {timestamp}");
        }
        let scheme = Scheme::StandardWebhooks;
        let keys = [key(scheme, SECRET).unwrap()];
        for (id, timestamp) in
            [("a.b", "1"), ("a b", "1"), ("\u{e9}", "1"), (&*"a".repeat(256), "1"), ("a", "+1"), ("a", "-1")]
        {
            let made = mac(Some(&keys[0]), &[id, ".", timestamp, "."], b"");
            let signature = format!("v1,{}", BASE64.encode(&made));
            let signed = Signed { id, timestamp, signature: &signature, ..Signed::default() };
            assert!(!is_signed(scheme, &keys, &signed, b""), "{id} {timestamp}");
        }
    }

    #[test]
    fn refuses_secrets_that_are_none_or_too_short_to_be_safe() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_====", "whsec_!"]
        {
            assert_eq!(key(Scheme::StandardWebhooks, text), None, "{text}");
        }
        let long = format!("whsec_{}", BASE64.encode(&[1; 65]));
        assert_eq!(key(Scheme::StandardWebhooks, &long), None);
        assert_eq!(key(Scheme::StandardWebhooks, SECRET).unwrap().len(), 24);
        assert_eq!(key(Scheme::Github, "fifteen letters"), None);
        assert!(key(Scheme::Github, GITHUB).is_some());
    }

    proptest! {
        #[test]
        fn reads_base64_as_another_reader_does_and_in_one_spelling(text in "[A-Za-z0-9+/=_-]{0,90}", bytes in any::<Vec<u8>>()) {
            // The other reader also takes padded texts one after the other, which is a second spelling.
            let other = BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text);
            prop_assert_eq!(decode(&text), other);
            prop_assert_eq!(decode(&BASE64.encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn reads_headers_by_their_names() {
        let signed = Signed::read("webhook-id\na\nother\nb\nx-github-event\npush\nwebhook-timestamp\n1\n");
        assert_eq!((signed.id, signed.timestamp, signed.hub_event, signed.signature), ("a", "1", "push", ""));
    }

    /// A text with one byte of it exchanged for another one.
    fn changed(text: &str, at: usize, by: u8) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = if bytes[at] == by { by ^ 1 } else { by };
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn refuses_every_message_with_one_byte_changed(part in 0..4_usize, at in any::<usize>(), by in 33_u8..127) {
            let (id, timestamp, signature) = (example().id, example().timestamp, example().signature);
            let mut parts = [id, timestamp, signature, std::str::from_utf8(BODY).unwrap()].map(str::to_owned);
            parts[part] = changed(&parts[part], at, by);
            let [id, timestamp, signature, body] = &parts;
            let signed = Signed { id, timestamp, signature, ..Signed::default() };
            prop_assert!(!standard(&signed, body.as_bytes()));
        }

        #[test]
        fn refuses_every_body_and_signature_of_githubs_with_one_byte_changed(at in any::<usize>(), by in 33_u8..127) {
            let keys = [key(Scheme::Github, GITHUB).unwrap()];
            let body = changed("Hello, World!", at, by);
            prop_assert!(!is_signed(Scheme::Github, &keys, &github(), body.as_bytes()));
            let signature = changed(github().hub_signature, at, by);
            let signed = Signed { hub_signature: &signature, ..github() };
            prop_assert!(!is_signed(Scheme::Github, &keys, &signed, b"Hello, World!"));
        }
    }
}
