//! Every case of Project Wycheproof for the algorithms that certificates and timestamps may be signed with. There are none for P-256
//! over SHA-384, nor for P-521 over SHA-256 and SHA-384.

use super::*;
use crate::testing::wycheproof::{Case, Ecdsa, Eddsa, Pkcs1, Set};
use x509_parser::x509::SubjectPublicKeyInfo;

fn holds(algorithm: &'static dyn SignatureVerificationAlgorithm, case: &Case) -> bool {
    let ([], info) = SubjectPublicKeyInfo::from_der(&case.key).unwrap() else {
        panic!("bytes after a key")
    };
    let key = info.subject_public_key.data;
    algorithm
        .verify_signature(&key, &case.message, &case.signature)
        .is_ok()
}

#[test]
fn ecdsa_and_ed25519() {
    for (set, algorithm, counts) in [
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha256),
            algorithms::ECDSA_P256_SHA256,
            (174, 310, 0),
        ),
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha512),
            algorithms::ECDSA_P256_SHA512,
            (243, 311, 0),
        ),
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha256),
            algorithms::ECDSA_P384_SHA256,
            (162, 310, 0),
        ),
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha384),
            algorithms::ECDSA_P384_SHA384,
            (194, 310, 0),
        ),
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha512),
            algorithms::ECDSA_P384_SHA512,
            (231, 311, 0),
        ),
        (
            Set::Ecdsa(Ecdsa::EcdsaSecp521r1Sha512),
            algorithms::ECDSA_P521_SHA512,
            (232, 310, 0),
        ),
        (Set::Eddsa(Eddsa::Ed25519), algorithms::ED25519, (88, 63, 0)),
    ] {
        set.judge(counts, |case| holds(algorithm, case));
    }
}

#[test]
fn rsa() {
    let (sha256, sha384, sha512) = (
        algorithms::RSA_PKCS1_2048_8192_SHA256,
        algorithms::RSA_PKCS1_2048_8192_SHA384,
        algorithms::RSA_PKCS1_2048_8192_SHA512,
    );
    for (name, algorithm, counts) in [
        (Pkcs1::Rsa2048Sha256, sha256, (9, 249, 1)),
        (Pkcs1::Rsa3072Sha256, sha256, (8, 250, 1)),
        (Pkcs1::Rsa4096Sha256, sha256, (7, 250, 1)),
        (Pkcs1::Rsa8192Sha256, sha256, (7, 250, 1)),
        (Pkcs1::Rsa2048Sha384, sha384, (7, 250, 1)),
        (Pkcs1::Rsa3072Sha384, sha384, (7, 251, 1)),
        (Pkcs1::Rsa4096Sha384, sha384, (7, 251, 1)),
        (Pkcs1::Rsa8192Sha384, sha384, (7, 251, 1)),
        (Pkcs1::Rsa2048Sha512, sha512, (8, 250, 1)),
        (Pkcs1::Rsa3072Sha512, sha512, (8, 251, 1)),
        (Pkcs1::Rsa4096Sha512, sha512, (7, 251, 1)),
        (Pkcs1::Rsa8192Sha512, sha512, (7, 251, 1)),
    ] {
        Set::Pkcs1(name).judge(counts, |case| holds(algorithm, case));
    }
}
