//! Every case of Project Wycheproof for the three algorithms of these keys.

use sha2::{Digest as _, Sha256};

use crate::key::PublicKey;
use crate::testing::wycheproof::{Case, Ecdsa, Eddsa, Set};

fn holds(case: &Case) -> bool {
    PublicKey::from_der(&case.key)
        .is_ok_and(|key| key.verify(&case.message, &case.signature).is_ok())
}

#[test]
fn ecdsa_p256() {
    let set = Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha256);
    set.judge((174, 310, 0), holds);
    set.judge((174, 310, 0), |case| {
        let hash = Sha256::digest(&case.message).into();
        let key = PublicKey::from_der(&case.key).unwrap();
        key.verify_sha256(&hash, &case.signature).is_ok()
    });
}

#[test]
fn ecdsa_p384() {
    Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha384).judge((194, 310, 0), holds);
}

#[test]
fn ed25519() {
    Set::Eddsa(Eddsa::Ed25519).judge((88, 63, 0), holds);
}

/// The same curves over other hashes, or with signatures in the other form, and keys of other kinds.
#[test]
fn what_these_keys_do_not_make() {
    for (name, count) in [
        (Ecdsa::EcdsaSecp256r1Sha512, 243),
        (Ecdsa::EcdsaSecp256r1Sha256P1363, 173),
        (Ecdsa::EcdsaSecp384r1Sha256, 162),
        (Ecdsa::EcdsaSecp384r1Sha512, 231),
        (Ecdsa::EcdsaSecp384r1Sha384P1363, 193),
        (Ecdsa::EcdsaSecp521r1Sha512, 232),
        (Ecdsa::EcdsaSecp256k1Sha256, 168),
    ] {
        Set::Ecdsa(name).refuse(count, holds);
    }
}
