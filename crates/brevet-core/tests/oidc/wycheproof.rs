//! Every case of Wycheproof for the three algorithms, through the port.

use brevet_core::oidc::{Algorithm, Key, KeyMaterial, Signatures};
use p256::pkcs8::DecodePublicKey;
use pollster::block_on;
use rsa::RsaPublicKey;
use rsa::traits::PublicKeyParts;
use wycheproof::TestResult;

use crate::native::Native;

struct Counted {
    valid: u32,
    invalid: u32,
}

impl Counted {
    fn check(&mut self, material: &KeyMaterial, msg: &[u8], sig: &[u8], result: TestResult, what: &str) {
        let key = Key { kid: None, material: material.clone() };
        // As the parser of tokens does before any key is asked.
        let length = key.algorithm().signature_length();
        let good = length.is_none_or(|length| length == sig.len()) && block_on(Native.verify(&key, msg, sig));
        match result {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            // A signature that may be taken or not: it is not PKCS#1 as RFC 8017 writes it.
            TestResult::Acceptable => return,
        }
        assert_eq!(good, result == TestResult::Valid, "{what}");
    }
}

#[test]
fn rsa_with_sha_256_of_2048_to_4096_bits() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut counted = Counted { valid: 0, invalid: 0 };
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = RsaPublicKey::from_public_key_der(&group.der).unwrap();
            // Keys with other exponents are refused with their key set.
            if key.e() != &rsa::BigUint::from(65_537_u32) {
                continue;
            }
            let material = KeyMaterial::Rsa { n: key.n().to_bytes_be() };
            for case in group.tests {
                counted.check(&material, &case.msg, &case.sig, case.result, &format!("RSA {}", case.tc_id));
            }
        }
    }
    assert!(counted.valid > 20 && counted.invalid > 700, "{} {}", counted.valid, counted.invalid);
}

#[test]
fn ecdsa_on_p_256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut counted = Counted { valid: 0, invalid: 0 };
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let der: &[u8] = &group.der;
        // The point is the end of the structure.
        let (x, y) = der[der.len() - 64..].split_at(32);
        let material = KeyMaterial::P256 { x: x.try_into().unwrap(), y: y.try_into().unwrap() };
        for case in group.tests {
            counted.check(&material, &case.msg, &case.sig, case.result, &format!("P-256 {}", case.tc_id));
        }
    }
    assert!(counted.valid > 100 && counted.invalid > 50, "{} {}", counted.valid, counted.invalid);
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut counted = Counted { valid: 0, invalid: 0 };
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let der: &[u8] = &group.der;
        let material = KeyMaterial::Ed25519 { x: der[der.len() - 32..].try_into().unwrap() };
        assert_eq!(Key { kid: None, material: material.clone() }.algorithm(), Algorithm::Ed25519);
        for case in group.tests {
            counted.check(&material, &case.msg, &case.sig, case.result, &format!("Ed25519 {}", case.tc_id));
        }
    }
    assert!(counted.valid > 50 && counted.invalid > 30, "{} {}", counted.valid, counted.invalid);
}
