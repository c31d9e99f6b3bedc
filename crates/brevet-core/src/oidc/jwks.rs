//! The keys of an issuer (RFC 7517), as strictly as they are needed.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use crate::base64url;
use crate::json::read_object;
use crate::oidc::issuer::Algorithm;

/// The longest key set, in bytes. The largest public ones have 20 kB.
pub const MOST_JWKS_BYTES: usize = 128 * 1024;

/// The most keys of a set.
pub const MOST_KEYS: usize = 50;

/// The shortest and the longest RSA modulus, in bytes: 2048 to 4096 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The one exponent that is taken, 65537: all issuers use it, and small ones have a history.
const RSA_EXPONENT: &[u8] = &[1, 0, 1];

/// Why a key set is not used. A set that is wrong in one key may be wrong in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwksError {
    /// It is longer than [`MOST_JWKS_BYTES`].
    TooLong,
    /// It is not an object with a list of `keys`.
    Form,
    /// It has more than [`MOST_KEYS`].
    Many,
    /// It holds a symmetric key: whoever reads it can sign.
    Symmetric,
    /// It holds a private key.
    Private,
    /// Two keys have the same id.
    Duplicate,
    /// No key of it can be used.
    Empty,
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the key set is too long",
            Self::Form => "the key set is no object with a list of keys",
            Self::Many => "the key set has too many keys",
            Self::Symmetric => "the key set holds a symmetric key",
            Self::Private => "the key set holds a private key",
            Self::Duplicate => "two keys of the set have the same id",
            Self::Empty => "no key of the set can be used",
        })
    }
}

impl std::error::Error for JwksError {}

/// Why no key of a set is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// There is none with this id.
    Unknown,
    /// There is, and it is of another kind than the algorithm's.
    Other,
    /// The token names none, and there are several that could be it.
    Several,
}

/// What a key consists of, in bytes without leading zeros where their number is not fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    /// RSA: the modulus. The exponent is 65537.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
    },
    /// A point of P-256.
    P256 {
        /// Its first coordinate.
        x: [u8; 32],
        /// Its second.
        y: [u8; 32],
    },
    /// Ed25519.
    Ed25519 {
        /// The public key.
        x: [u8; 32],
    },
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub kid: Option<String>,
    /// What it consists of.
    pub material: KeyMaterial,
    /// It as a JWK.
    jwk: String,
}

impl Key {
    /// The algorithm that it is for; each key is for one (RFC 8725 section 3.1).
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            KeyMaterial::Rsa { .. } => Algorithm::Rs256,
            KeyMaterial::P256 { .. } => Algorithm::Es256,
            KeyMaterial::Ed25519 { .. } => Algorithm::Ed25519,
        }
    }

    /// A key of this material.
    pub fn new(kid: Option<String>, material: KeyMaterial) -> Self {
        let jwk = material.to_jwk();
        Self { kid, material, jwk }
    }

    /// The key as a JWK with nothing in it but the key.
    pub fn jwk(&self) -> &str {
        &self.jwk
    }
}

impl KeyMaterial {
    fn to_jwk(&self) -> String {
        let text = Base64UrlUnpadded::encode_string;
        match self {
            Self::Rsa { n } => format!("{{\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"AQAB\"}}", text(n)),
            Self::P256 { x, y } => {
                format!("{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{}\",\"y\":\"{}\"}}", text(x), text(y))
            }
            Self::Ed25519 { x } => {
                format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"}}", text(x))
            }
        }
    }
}

/// An issuer's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a key set. Keys that are for something else (another use, another kind) are left out.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        if bytes.len() > MOST_JWKS_BYTES {
            return Err(JwksError::TooLong);
        }
        let set = read_object(bytes).map_err(|_| JwksError::Form)?;
        let Some(Value::Array(list)) = set.get("keys") else { return Err(JwksError::Form) };
        if list.len() > MOST_KEYS {
            return Err(JwksError::Many);
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut ids: Vec<&str> = Vec::new();
        for key in list {
            let Value::Object(key) = key else { return Err(JwksError::Form) };
            if text(key, "kty") == Some("oct") || key.contains_key("k") {
                return Err(JwksError::Symmetric);
            }
            if key.contains_key("d") {
                return Err(JwksError::Private);
            }
            if let Some(id) = text(key, "kid") {
                if ids.contains(&id) {
                    return Err(JwksError::Duplicate);
                }
                ids.push(id);
            }
            keys.extend(read(key));
        }
        if keys.is_empty() { Err(JwksError::Empty) } else { Ok(Self(keys)) }
    }

    /// The key that a token of this header is signed with.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        if let Some(kid) = kid {
            let key = self.0.iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or(NoKey::Unknown)?;
            return if key.algorithm() == algorithm { Ok(key) } else { Err(NoKey::Other) };
        }
        let mut fitting = self.0.iter().filter(|key| key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(NoKey::Unknown),
            (Some(_), Some(_)) => Err(NoKey::Several),
        }
    }

    /// Whether there is a key of this id.
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

fn text<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name).and_then(Value::as_str)
}

/// A key, if it is one for signatures of an algorithm that is taken.
fn read(key: &Map<String, Value>) -> Option<Key> {
    let said = |name: &str, wanted: &str| key.get(name).is_none_or(|value| value.as_str() == Some(wanted));
    let may_verify = key.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|list| list.iter().any(|word| word.as_str() == Some("verify")))
    });
    if !said("use", "sig") || !may_verify {
        return None;
    }
    let bytes = |name: &str| text(key, name).and_then(base64url::decode);
    let fixed = |name: &str| bytes(name).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let alg = |algorithm: Algorithm| match key.get("alg") {
        None => true,
        Some(Value::String(name)) => Algorithm::of_header(name) == Some(algorithm),
        Some(_) => false,
    };
    let material = match (text(key, "kty")?, text(key, "crv")) {
        ("RSA", _) => {
            let n = bytes("n").filter(|n| RSA_BYTES.contains(&n.len()) && n.first() != Some(&0))?;
            let odd = n.last().is_some_and(|last| last & 1 == 1);
            (odd && bytes("e").as_deref() == Some(RSA_EXPONENT)).then_some(KeyMaterial::Rsa { n })?
        }
        ("EC", Some("P-256")) => KeyMaterial::P256 { x: fixed("x")?, y: fixed("y")? },
        ("OKP", Some("Ed25519")) => KeyMaterial::Ed25519 { x: fixed("x")? },
        _ => return None,
    };
    let kid = match key.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return None,
    };
    let key = Key::new(kid, material);
    alg(key.algorithm()).then_some(key)
}
