//! Every case of Project Wycheproof for the methods of the Notary dialect. There are none for P-521 over SHA-256.

use crate::testing::wycheproof::{Case, Ecdsa, Pkcs1, Pss, Set};
use crate::tuf::key::{Key, KeyType};
use crate::tuf::material::{Material, P384_BYTES, der_to_fixed, fixed_to_der};

fn holds(kind: KeyType, method: &str, case: &Case) -> bool {
    Material::of(&Key::new(kind, case.key.clone()))
        .is_some_and(|key| key.has_signed(&case.message, method, &case.signature))
}

#[test]
fn ecdsa_in_fixed_width() {
    let judge = |case: &Case| holds(KeyType::Ecdsa, "ecdsa", case);
    Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha256P1363).judge((173, 89, 0), judge);
    // These are in DER: what has no form in fixed width is no signature of the dialect.
    Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha256).judge((162, 310, 0), |case| {
        let Some(fixed) = der_to_fixed(&case.signature, P384_BYTES) else {
            return false;
        };
        if fixed_to_der(&fixed, P384_BYTES).as_ref() != Some(&case.signature) {
            return false;
        }
        let key = Material::of(&Key::new(KeyType::Ecdsa, case.key.clone())).unwrap();
        key.has_signed(&case.message, "ecdsa", &fixed)
    });
    Set::Ecdsa(Ecdsa::EcdsaSecp521r1Sha512P1363).refuse(231, judge);
}

#[test]
fn rsa() {
    let pss = |case: &Case| holds(KeyType::Rsa, "rsapss", case);
    let pkcs1 = |case: &Case| holds(KeyType::Rsa, "rsapkcs1v15", case);
    for name in [
        Pss::RsaPss2048Sha256Mgf1SaltLen32,
        Pss::RsaPss3072Sha256Mgf1SaltLen32,
        Pss::RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        Set::Pss(name).judge((63, 45, 0), pss);
        Set::Pss(name).refuse(63, pkcs1);
    }
    Set::Pss(Pss::RsaPss2048Sha256Mgf1SaltLen0).refuse(61, pss);
    for (name, counts) in [
        (Pkcs1::Rsa2048Sha256, (9, 249, 1)),
        (Pkcs1::Rsa3072Sha256, (8, 250, 1)),
        (Pkcs1::Rsa4096Sha256, (7, 250, 1)),
        (Pkcs1::Rsa8192Sha256, (7, 250, 1)),
    ] {
        Set::Pkcs1(name).judge(counts, pkcs1);
        Set::Pkcs1(name).refuse(counts.0, pss);
    }
}
