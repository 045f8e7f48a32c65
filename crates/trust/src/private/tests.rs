//! Private keys: round trips, no half keys, no secrets in messages.

use secrecy::ExposeSecret;

use super::*;
use crate::testing::{ALGORITHMS, key_of};

#[test]
fn a_key_survives_its_der() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let der = key.to_pkcs8_der().unwrap();
        let again = PrivateKey::from_pkcs8_der(der.expose_secret()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.public_key().algorithm(), algorithm);
        let signature = again.sign(b"message").unwrap();
        assert_eq!(key.public_key().verify(b"message", &signature), Ok(()));
    }
}

#[test]
fn two_new_keys_differ() {
    for algorithm in ALGORITHMS {
        assert_ne!(
            key_of(algorithm).public_key(),
            key_of(algorithm).public_key()
        );
    }
}

#[test]
fn broken_der_is_no_key() {
    for algorithm in ALGORITHMS {
        let der = key_of(algorithm).to_pkcs8_der().unwrap();
        let der = der.expose_secret();
        for broken in [
            &[][..],
            &der[..der.len() - 1],
            &[der, &[0]].concat(),
            &der[1..],
            b"\x30\x00",
            b"\x30\x82\x01",
        ] {
            assert_eq!(
                PrivateKey::from_pkcs8_der(broken).unwrap_err(),
                PrivateKeyError::Form,
                "{algorithm}"
            );
        }
    }
}

#[test]
fn halves_of_two_keys_are_no_key() {
    let (one, other) = (key_of(Algorithm::EcdsaP256), key_of(Algorithm::EcdsaP256));
    let der = one.to_pkcs8_der().unwrap();
    let mut mixed = der.expose_secret().to_vec();
    let own_point = one.public_key().as_der()[27..].to_vec();
    let at = mixed
        .windows(64)
        .position(|window| window == own_point)
        .expect("the public half is in the file");
    mixed[at..at + 64].copy_from_slice(&other.public_key().as_der()[27..]);
    assert_eq!(
        PrivateKey::from_pkcs8_der(&mixed).unwrap_err(),
        PrivateKeyError::Form
    );
}

#[test]
fn debug_shows_the_public_half_only() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        assert_eq!(
            format!("{key:?}"),
            format!(
                "PrivateKey(PublicKey({algorithm} {}))",
                key.public_key().id()
            )
        );
    }
}
