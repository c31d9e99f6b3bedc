//! Reading base64url. Tokens and keys of issuers are read so, which are no secrets: a reader whose time does not depend on
//! what it reads costs a twentieth of a token's check.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What is not of the alphabet: more than six bits have.
const NONE: u8 = 255;

/// The value of each byte.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        #[expect(
            clippy::indexing_slicing,
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "worked out by the compiler, which refuses what does not fit"
        )]
        {
            values[ALPHABET[at] as usize] = at as u8;
        }
        at += 1;
    }
    values
};

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NONE)
}

/// Whether a byte is of the alphabet.
pub(crate) fn is_digit(byte: u8) -> bool {
    value(byte) != NONE
}

/// Reads base64url without padding (RFC 4648 section 5), in the one spelling of each value: nothing but the alphabet, and no
/// bits set that stand for nothing.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let (quads, rest) = text.as_bytes().as_chunks::<4>();
    let mut bytes = vec![0; quads.len() * 3];
    let mut seen = 0;
    for (quad, three) in quads.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let [a, b, c, d] = *quad;
        let (a, b, c, d) = (value(a), value(b), value(c), value(d));
        seen |= a | b | c | d;
        *three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    match *rest {
        [] => {}
        [a, b] => {
            let (a, b) = (value(a), value(b));
            seen |= a | b | unused(b, 0b1111);
            bytes.push(a << 2 | b >> 4);
        }
        [a, b, c] => {
            let (a, b, c) = (value(a), value(b), value(c));
            seen |= a | b | c | unused(c, 0b11);
            bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2]);
        }
        _ => return None,
    }
    (seen < 64).then_some(bytes)
}

/// Wrong where the last digit has bits of which no byte is made.
fn unused(last: u8, bits: u8) -> u8 {
    if last & bits == 0 { 0 } else { NONE }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_padding_other_alphabets_lone_digits_and_bits_that_stand_for_nothing() {
        for text in ["A", "AAAAA", "QQ==", "QQ=", "Q+", "Q/", " QQ", "QQ\n", "QR", "QUJ", "é", "Q\0"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_the_examples_of_rfc_4648() {
        for (text, bytes) in [
            ("", ""),
            ("Zg", "f"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("-_-_"), Some(vec![0xfb, 0xff, 0xbf]));
    }

    proptest! {
        #[test]
        fn reads_back_what_is_written(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(decode(&Base64UrlUnpadded::encode_string(&bytes)), Some(bytes));
        }

        #[test]
        fn takes_and_refuses_what_the_constant_time_reader_does(text in "[A-Za-z0-9_=+/ é-]{0,12}") {
            prop_assert_eq!(decode(&text), Base64UrlUnpadded::decode_vec(&text).ok());
        }
    }
}
