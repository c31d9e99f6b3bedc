//! Who a workload is: an OIDC identity token, checked step by step.
//!
//! The types carry what is known. An [`UnverifiedJwt`] is a text that was taken apart and is believed in
//! nothing. Its issuer is looked up among those of the rules before any key is fetched; with a key of that
//! issuer it becomes a [`SignedJwt`]; and only that, with its claims checked against the rules and the clock,
//! becomes a [`VerifiedIdentity`], which alone can ask for anything.
//!
//! Nothing here fetches, waits or has a clock. Signatures are checked behind [`Signatures`].

mod claims;
mod identity;
mod issuer;
mod jwks;
mod jwt;

pub(crate) use claims::text_of;
pub use claims::{Claim, Claims, MOST_CLAIMS};
pub use identity::{IdentityError, LEEWAY, SignedJwt, VerifiedIdentity};
pub use issuer::{Algorithm, DEFAULT_LIFETIME, IssuerSpec, LONGEST_LIFETIME};
pub use jwks::{JwksError, Key, KeyMaterial, KeySet, MOST_JWKS_BYTES, MOST_KEYS, NoKey};
pub use jwt::{JwtError, LONGEST_KID, MOST_JWT_BYTES, UnverifiedJwt};

/// Checks signatures.
pub trait Signatures {
    /// Whether this key made this signature of these bytes. A key that cannot be used made none.
    fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> impl Future<Output = bool>;
}
