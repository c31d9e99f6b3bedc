//! Credentials: made here, or taken from the environment.

use std::env;
use std::fmt;

use brevet_core::bearer::{Bearer, CLIENT_PREFIX, OPERATOR_PREFIX, SECRET_LENGTH};
use brevet_core::secret::Secret;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

/// The environment variable, and the Worker secret, of the root operator.
pub(crate) const OPERATOR_SECRET: &str = "BREVET_OPERATOR_SECRET";

/// How many random bytes a secret of ours has: 43 characters of base64url.
const RANDOM_BYTES: usize = 32;

/// Why there is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// The system gives no random bytes.
    NoRandom,
    /// [`OPERATOR_SECRET`] is not set, or empty.
    NotSet,
    /// [`OPERATOR_SECRET`] is a client's secret.
    Client,
    /// [`OPERATOR_SECRET`] is no operator's secret.
    Malformed,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRandom => f.write_str("the system gives no random bytes, so no secret was made"),
            Self::NotSet => write!(
                f,
                "{OPERATOR_SECRET} is not set. Put the operator's secret into this environment variable; there is no flag for it."
            ),
            Self::Client => write!(
                f,
                "{OPERATOR_SECRET} holds a client's secret ({CLIENT_PREFIX}…). Put an operator's there, which begins with {OPERATOR_PREFIX}."
            ),
            Self::Malformed => write!(
                f,
                "{OPERATOR_SECRET} holds no operator's secret: {OPERATOR_PREFIX} and {SECRET_LENGTH} characters of A-Z, a-z, 0-9, - and _. Check that it is complete and that nothing else was copied with it."
            ),
        }
    }
}

impl std::error::Error for CredentialError {}

/// A new secret: the prefix and 256 random bits.
///
/// # Errors
/// [`CredentialError::NoRandom`].
pub(crate) fn new(prefix: &str) -> Result<Secret, CredentialError> {
    let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|_| CredentialError::NoRandom)?;
    // With its whole length from the start, so that no copy is left where the text grew.
    let mut text = String::with_capacity(prefix.len().saturating_add(SECRET_LENGTH));
    text.push_str(prefix);
    BASE64URL_NOPAD.encode_append(&*bytes, &mut text);
    Ok(Secret::new(text))
}

/// The digest of a secret, as the rules write it.
pub(crate) fn digest(secret: &Secret) -> String {
    HEXLOWER.encode(secret.digest().as_bytes())
}

/// The operator's secret of the environment. `development` takes one of any form, as Brevet does in
/// development mode, which it has on loopback only.
///
/// # Errors
/// [`CredentialError`], but [`CredentialError::NoRandom`].
pub(crate) fn operator(development: bool) -> Result<Secret, CredentialError> {
    let text = env::var(OPERATOR_SECRET).map(Zeroizing::new);
    let text = text.ok().filter(|text| !text.trim().is_empty()).ok_or(CredentialError::NotSet)?;
    checked(Secret::new(text.trim().to_owned()), development)
}

/// Checks the form of an operator's secret.
///
/// # Errors
/// [`CredentialError::Client`], [`CredentialError::Malformed`].
pub(crate) fn checked(secret: Secret, development: bool) -> Result<Secret, CredentialError> {
    // It becomes a header.
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialError::Malformed);
    }
    match Bearer::sort(secret, development) {
        Ok(Bearer::Operator(secret) | Bearer::Free(secret)) => Ok(secret),
        Ok(Bearer::Client(_)) => Err(CredentialError::Client),
        _ => Err(CredentialError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_another_and_has_the_form_that_brevet_takes() {
        for prefix in [CLIENT_PREFIX, OPERATOR_PREFIX] {
            let made: Vec<_> = (0..50).map(|_| new(prefix).unwrap()).collect();
            for (at, secret) in made.iter().enumerate() {
                assert_eq!(secret.expose().len(), prefix.len() + SECRET_LENGTH);
                let sorted = Bearer::sort(secret.clone(), false).unwrap();
                assert_eq!(matches!(sorted, Bearer::Operator(_)), prefix == OPERATOR_PREFIX);
                assert_eq!(matches!(sorted, Bearer::Client(_)), prefix == CLIENT_PREFIX);
                assert!(made.iter().skip(at + 1).all(|other| other.expose() != secret.expose()));
            }
        }
    }

    #[test]
    fn refuses_credentials_that_are_no_operators() {
        let of = |text: &str, development| checked(Secret::new(text.to_owned()), development).map(|_| ());
        let long = "a".repeat(SECRET_LENGTH);
        assert_eq!(of(&format!("brvc_{long}"), false), Err(CredentialError::Client));
        assert_eq!(of(&format!("brvc_{long}"), true), Err(CredentialError::Client));
        for text in
            [&format!("brvo_{long}a"), &long[..40], "dev-secret", "brvo_", &format!("brvo_{} ", &long[1..])]
        {
            assert_eq!(of(text, false), Err(CredentialError::Malformed), "{text}");
        }
        assert_eq!(of("a b", true), Err(CredentialError::Malformed));
        assert_eq!(of("a\nb", true), Err(CredentialError::Malformed));
        assert_eq!(of(&format!("brvo_{long}"), false), Ok(()));
        assert_eq!(of("dev-secret", true), Ok(()));
    }
}
