//! Taking a compact JWS apart (RFC 7515 section 7.1, RFC 8725).

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::{Tree, read_tree};
use crate::oidc::claims::Claims;
use crate::oidc::identity::SignedJwt;
use crate::oidc::issuer::{Algorithm, IssuerSpec};
use crate::oidc::jwks::{KeySet, NoKey};
use crate::oidc::{IdentityError, Signatures};
use crate::{base64url, hex};

/// The longest token, in bytes. GitHub's have about 1.5 kB, GitLab's up to 3 kB.
pub const MOST_JWT_BYTES: usize = 8 * 1024;

/// The longest key id, in bytes.
pub const LONGEST_KID: usize = 256;

/// The claims that are looked at as they came, a list as a list and a number as a number (RFC 7519 section 4.1).
const REGISTERED: [&str; 6] = ["aud", "exp", "iat", "jti", "nbf", "sub"];

/// Why a text is no token that could be looked at further. It holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// It is longer than [`MOST_JWT_BYTES`].
    TooLong,
    /// It has not three parts of base64url.
    Form,
    /// The header is not a JSON object with each member once.
    Header,
    /// The header names no algorithm that is known: `none` and the symmetric ones are not.
    Algorithm,
    /// The header demands something (`crit`, `zip`, `enc`) that is not done here.
    Critical,
    /// The key's id is none.
    Kid,
    /// The payload is not a JSON object with each member once, or has too many.
    Payload,
    /// There is no text that names the issuer.
    Issuer,
    /// The signature has not the length that its algorithm gives.
    Signature,
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is longer than any that is taken",
            Self::Form => "the token has not three parts of base64url, without padding, between two dots",
            Self::Header => "the token's header is no JSON object with each member once",
            Self::Algorithm => {
                "the token is signed with an algorithm that is not taken: RS256, ES256 and Ed25519 are"
            }
            Self::Critical => "the token's header demands an extension that is not done here",
            Self::Kid => "the token's key id is none",
            Self::Payload => "the token's payload is no JSON object with each member once",
            Self::Issuer => "the token has no iss that is a text",
            Self::Signature => "the token's signature has another length than its algorithm's",
        })
    }
}

impl std::error::Error for JwtError {}

/// A token that was taken apart. Nothing in it is believed.
#[derive(Clone, Debug)]
pub struct UnverifiedJwt {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    signed: String,
    signature: Vec<u8>,
    /// The members of [`REGISTERED`], with their kinds.
    pub(super) registered: Vec<(&'static str, Value)>,
    pub(super) claims: Rc<Claims>,
    issuer: String,
    /// The SHA-256 of the whole text, in hexadecimal digits, where it has no id of its own.
    pub(super) digest: String,
}

fn decode(part: &str) -> Option<Vec<u8>> {
    base64url::decode(part).filter(|bytes| !bytes.is_empty())
}

/// Names and what they stand for, no name twice.
type Members<'a> = Vec<(Cow<'a, str>, Tree<'a>)>;

fn object(text: &[u8]) -> Option<Members<'_>> {
    match read_tree(text) {
        Ok(Tree::Object(members)) => Some(members),
        _ => None,
    }
}

fn member<'a, 'b>(members: &'b Members<'a>, name: &str) -> Option<&'b Tree<'a>> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

impl UnverifiedJwt {
    /// Takes a text apart.
    ///
    /// # Errors
    /// [`JwtError`].
    pub fn parse(text: &str) -> Result<Self, JwtError> {
        if text.len() > MOST_JWT_BYTES {
            return Err(JwtError::TooLong);
        }
        let whole = text;
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtError::Form);
        };
        let signed = format!("{header}.{payload}");
        let bytes = [header, payload, signature].map(decode);
        let [Some(header), Some(payload), Some(signature)] = bytes else { return Err(JwtError::Form) };
        let header = object(&header).ok_or(JwtError::Header)?;
        let text = |name: &str| match member(&header, name) {
            None => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text.clone().into_owned())),
            Some(_) => Err(JwtError::Header),
        };
        let algorithm = text("alg")?.ok_or(JwtError::Algorithm)?;
        let algorithm = Algorithm::of_header(&algorithm).ok_or(JwtError::Algorithm)?;
        if ["crit", "zip", "enc", "b64"].iter().any(|name| member(&header, name).is_some()) {
            return Err(JwtError::Critical);
        }
        let kid = text("kid")?;
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > LONGEST_KID) {
            return Err(JwtError::Kid);
        }
        if algorithm.signature_length().is_some_and(|length| length != signature.len()) {
            return Err(JwtError::Signature);
        }
        let typ = text("typ")?;
        let members = object(&payload).ok_or(JwtError::Payload)?;
        // A list of issuers is none: RFC 8725 section 3.8.
        let issuer = match member(&members, "iss") {
            Some(Tree::Text(issuer)) => issuer.clone().into_owned(),
            _ => return Err(JwtError::Issuer),
        };
        // Where it has an id that is what it is known by, and hashing all of it costs as much as reading it.
        let digest = match member(&members, "jti").is_some() {
            true => String::new(),
            false => hex::encode(&<[u8; 32]>::from(Sha256::digest(whole.as_bytes()))),
        };
        let own = |name| Some((name, Value::from(member(&members, name)?.clone())));
        let registered = REGISTERED.into_iter().filter_map(own).collect();
        let claims = Rc::new(Claims::of_tree(members).ok_or(JwtError::Payload)?);
        Ok(Self { algorithm, kid, typ, signed, signature, registered, claims, issuer, digest })
    }

    /// The issuer that it says it is of: to look the issuer up, and for nothing else.
    pub fn claimed_issuer(&self) -> &str {
        &self.issuer
    }

    /// The id of the key that it says it is signed with: to look for that key, and for nothing else.
    pub fn claimed_kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it says, for people: nothing of it is checked.
    pub fn claimed(&self) -> &Claims {
        &self.claims
    }

    /// Whether its header is one of this issuer's.
    ///
    /// # Errors
    /// [`IdentityError::Algorithm`], [`IdentityError::Type`], [`IdentityError::Issuer`].
    pub fn check_header(&self, issuer: &IssuerSpec) -> Result<(), IdentityError> {
        if self.issuer != issuer.url {
            return Err(IdentityError::Issuer);
        }
        if !issuer.algorithms.contains(&self.algorithm) {
            return Err(IdentityError::Algorithm);
        }
        let typ = self.typ.as_deref();
        let good = match &issuer.typ {
            Some(wanted) => typ == Some(wanted),
            None => typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")),
        };
        if good { Ok(()) } else { Err(IdentityError::Type) }
    }

    /// Checks the signature with the issuer's keys.
    ///
    /// # Errors
    /// As [`UnverifiedJwt::check_header`]; [`IdentityError::Key`] and [`IdentityError::Signature`].
    pub async fn check_signature<S: Signatures>(
        self,
        issuer: &IssuerSpec,
        keys: &KeySet,
        signatures: &S,
    ) -> Result<SignedJwt, IdentityError> {
        self.check_header(issuer)?;
        let key = keys.choose(self.kid.as_deref(), self.algorithm).map_err(|missing| match missing {
            NoKey::Unknown => IdentityError::Key,
            NoKey::Other => IdentityError::Algorithm,
            NoKey::Several => IdentityError::KeyNeeded,
        })?;
        if signatures.verify(key, self.signed.as_bytes(), &self.signature).await {
            Ok(SignedJwt::new(self))
        } else {
            Err(IdentityError::Signature)
        }
    }
}
