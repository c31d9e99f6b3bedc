//! Every case of Wycheproof for the three algorithms, through the port. What was checked here is written down for
//! `tests/worker/suites/signatures.js`, which has the Worker's own module check the same inside workerd.

use std::path::Path;

use brevet_core::oidc::{Algorithm, Key, KeyMaterial, Signatures};
use p256::pkcs8::DecodePublicKey;
use pollster::block_on;
use rsa::RsaPublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use wycheproof::TestResult;

use crate::native::Native;

#[derive(Default)]
struct Counted {
    valid: u32,
    invalid: u32,
    cases: Vec<Value>,
}

impl Counted {
    fn check(&mut self, material: &KeyMaterial, msg: &[u8], sig: &[u8], result: TestResult, what: &str) {
        let key = Key::new(None, material.clone());
        let hex = data_encoding::HEXLOWER;
        let taken = result == TestResult::Valid;
        if result != TestResult::Acceptable {
            let case =
                json!([key.algorithm().as_str(), key.jwk(), hex.encode(msg), hex.encode(sig), taken, what]);
            self.cases.push(case);
        }
        // As the parser of tokens does before any key is asked.
        let length = key.algorithm().signature_length();
        let good = length.is_none_or(|length| length == sig.len()) && block_on(Native.verify(&key, msg, sig));
        match result {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            // A signature that may be taken or not: it is not PKCS#1 as RFC 8017 writes it.
            TestResult::Acceptable => return,
        }
        assert_eq!(good, taken, "{what}");
    }

    /// Writes the cases to `target/tmp/wycheproof-<name>.json`.
    fn keep(&self, name: &str) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wycheproof-{name}.json"));
        std::fs::write(path, Value::from(self.cases.clone()).to_string()).unwrap();
    }
}

#[test]
fn rsa_with_sha_256_of_2048_to_4096_bits() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut counted = Counted::default();
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
    counted.keep("rsa");
    assert!(counted.valid > 20 && counted.invalid > 700, "{} {}", counted.valid, counted.invalid);
}

#[test]
fn ecdsa_on_p_256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut counted = Counted::default();
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let der: &[u8] = &group.der;
        // The point is the end of the structure.
        let (x, y) = der[der.len() - 64..].split_at(32);
        let material = KeyMaterial::P256 { x: x.try_into().unwrap(), y: y.try_into().unwrap() };
        for case in group.tests {
            counted.check(&material, &case.msg, &case.sig, case.result, &format!("P-256 {}", case.tc_id));
        }
    }
    counted.keep("p256");
    assert!(counted.valid > 100 && counted.invalid > 50, "{} {}", counted.valid, counted.invalid);
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut counted = Counted::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let der: &[u8] = &group.der;
        let material = KeyMaterial::Ed25519 { x: der[der.len() - 32..].try_into().unwrap() };
        assert_eq!(Key::new(None, material.clone()).algorithm(), Algorithm::Ed25519);
        for case in group.tests {
            counted.check(&material, &case.msg, &case.sig, case.result, &format!("Ed25519 {}", case.tc_id));
        }
    }
    counted.keep("ed25519");
    assert!(counted.valid > 50 && counted.invalid > 30, "{} {}", counted.valid, counted.invalid);
}
