//! Signatures by RustCrypto, behind the same port as the Worker's WebCrypto.

use brevet_core::oidc::{Key, KeyMaterial, Signatures};
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::EncodedPoint;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};
use rsa::pkcs1v15::{Signature as RsaSignature, VerifyingKey as RsaKey};
use rsa::sha2::Sha256;
use rsa::{BigUint, RsaPublicKey};

pub(crate) struct Native;

impl Signatures for Native {
    async fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        verify(&key.material, signed, signature).is_some()
    }
}

fn verify(material: &KeyMaterial, signed: &[u8], signature: &[u8]) -> Option<()> {
    match material {
        KeyMaterial::Rsa { n } => {
            let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from(65_537_u32)).ok()?;
            // RFC 8017 section 8.2.2: the signature is as long as the modulus.
            (signature.len() == n.len()).then_some(())?;
            let signature = RsaSignature::try_from(signature).ok()?;
            RsaKey::<Sha256>::new(key).verify(signed, &signature).ok()
        }
        KeyMaterial::P256 { x, y } => {
            let point = EncodedPoint::from_affine_coordinates(x.into(), y.into(), false);
            let key = P256Key::from_encoded_point(&point).ok()?;
            key.verify(signed, &P256Signature::from_slice(signature).ok()?).ok()
        }
        KeyMaterial::Ed25519 { x } => {
            let key = Ed25519Key::from_bytes(x).ok()?;
            let signature: [u8; 64] = signature.try_into().ok()?;
            key.verify_strict(signed, &signature.into()).ok()
        }
    }
}
