//! An issuer, as the rules have it.

use crate::json::words;
use crate::rules::document::Pattern;
use crate::sorted::SortedMap;
use crate::time::Seconds;

/// How long an issuer's tokens may live where the rules say nothing else: a CI job's is good for minutes, and
/// GitLab's for the job's time limit, an hour by default.
pub const DEFAULT_LIFETIME: Seconds = Seconds::of(3_600);

/// The most that the rules can say for that.
pub const LONGEST_LIFETIME: Seconds = Seconds::of(24 * 3_600);

/// How a token is signed. There is no symmetric one: who can check such a signature can make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519. RFC 9864 calls it so; `EdDSA`, the older name, is read as well.
    Ed25519,
}

words!(Algorithm { Rs256 = "RS256", Es256 = "ES256", Ed25519 = "Ed25519" });

impl Algorithm {
    /// The algorithm of a header. Names are compared exactly.
    pub fn of_header(name: &str) -> Option<Self> {
        if name == "EdDSA" { Some(Self::Ed25519) } else { Self::from_word(name) }
    }

    /// How many bytes its signatures have; those of RSA as many as the key.
    pub fn signature_length(self) -> Option<usize> {
        match self {
            Self::Rs256 => None,
            Self::Es256 | Self::Ed25519 => Some(64),
        }
    }
}

/// An issuer whose workloads may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSpec {
    /// Its name in the rules.
    pub name: String,
    /// Its URL, as the `iss` claim has it byte by byte.
    pub url: String,
    /// Whether that is plain http: in development, on loopback.
    pub plain: bool,
    /// What the `aud` claim must be: one of these.
    pub audiences: Vec<String>,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are; by discovery where that is not said.
    pub jwks_uri: Option<String>,
    /// What the header's `typ` must be; `JWT` or nothing where that is not said.
    pub typ: Option<String>,
    /// How long its tokens may live.
    pub max_lifetime: Seconds,
    /// Claims that every identity of it must have.
    pub pin: SortedMap<String, Pattern>,
}
