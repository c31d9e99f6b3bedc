//! Hexadecimal text. A general library for all bases costs the Worker sixty kilobytes.

/// The bytes in lower-case hexadecimal digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly 64 digits of either case. Only texts of that length are read, so that a digest is
/// all of a digest.
pub(crate) fn decode_32(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_other_lengths_and_other_characters() {
        for text in
            [String::new(), "0".repeat(63), "0".repeat(65), "0".repeat(66), "g".repeat(64), "é".repeat(32)]
        {
            assert_eq!(decode_32(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(bytes in any::<[u8; 32]>()) {
            let text = encode(&bytes);
            prop_assert_eq!(&text, &data_encoding::HEXLOWER.encode(&bytes));
            prop_assert_eq!(decode_32(&text), Some(bytes));
            prop_assert_eq!(decode_32(&text.to_uppercase()), Some(bytes));
        }
    }
}
