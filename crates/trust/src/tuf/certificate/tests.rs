//! Certificates that make a root key, and those that do not.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
};

use super::*;
use crate::testing::key_of;
use crate::tuf::author::root_key;
use crate::tuf::key::KeyType;
use crate::{Algorithm, Signer};

const NOW: i64 = 1_795_608_000_000;
const YEAR: i64 = 365 * DAY;

fn gun() -> Gun {
    Gun::parse("registry.example/shop/web").unwrap()
}

fn own(now: i64) -> Key {
    root_key(&gun(), &key_of(Algorithm::EcdsaP256), now).unwrap()
}

fn x509(texts: &[&str]) -> Key {
    Key::new(KeyType::EcdsaX509, texts.concat().into_bytes())
}

fn check(key: &Key) -> Result<(), CertificateFault> {
    check_root_key(key, &gun(), Some(NOW))
}

/// A certificate's parameters that say a name.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn self_signed(params: &CertificateParams) -> String {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    params.self_signed(&pair).unwrap().pem()
}

#[test]
fn our_own_root_keys_are_taken_for_ten_years() {
    let key = own(NOW);
    assert_eq!(check(&key), Ok(()));
    let at = |now| check_root_key(&key, &gun(), Some(now));
    assert_eq!(at(NOW + 10 * YEAR), Ok(()));
    assert_eq!(at(NOW + 10 * YEAR + 1), Err(CertificateFault::Expired));
    // A day ahead, for clocks that differ.
    assert_eq!(at(NOW - DAY), Ok(()));
    assert_eq!(at(NOW - DAY - 1), Err(CertificateFault::Expired));
    for end_of_time in [i64::MIN, i64::MAX] {
        assert_eq!(at(end_of_time), Err(CertificateFault::Expired));
    }
    // One that was believed before still says who may sign the next root.
    assert_eq!(check_root_key(&key, &gun(), None), Ok(()));
}

#[test]
fn a_certificate_is_for_its_repository() {
    let other = Gun::parse("registry.example/shop/web2").unwrap();
    assert_eq!(
        check_root_key(&own(NOW), &other, Some(NOW)),
        Err(CertificateFault::Name("registry.example/shop/web".into()))
    );
    for (name, fits) in [
        ("registry.example/shop/*", true),
        ("registry.example/shop/w*", true),
        ("registry.example/other/*", false),
        ("registry.example/shop", false),
        ("*.example/shop/web", false),
        ("", false),
    ] {
        let key = x509(&[&self_signed(&named(name))]);
        assert_eq!(check(&key).is_ok(), fits, "{name}");
    }
}

#[test]
fn a_bare_key_is_no_root_key() {
    let bare = Key::from(key_of(Algorithm::EcdsaP256).public_key());
    assert_eq!(check(&bare), Err(CertificateFault::NoCertificate));
    let garbage = x509(&["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]);
    assert_eq!(check(&garbage), Err(CertificateFault::Unreadable));
    assert_eq!(check(&x509(&[])), Err(CertificateFault::Unreadable));
    let mislabelled = Key::new(KeyType::RsaX509, own(NOW).public().to_vec());
    assert_eq!(check(&mislabelled), Err(CertificateFault::Key));
}

#[test]
fn the_keys_own_certificate_comes_first() {
    let mut above = named("an authority");
    above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let authority = above.self_signed(&pair).unwrap().pem();
    let issuer = Issuer::from_params(&above, &pair);
    let leaf_pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = named(gun().as_str())
        .signed_by(&leaf_pair, &issuer)
        .unwrap()
        .pem();

    assert_eq!(check(&x509(&[&leaf, &authority])), Ok(()));
    assert_eq!(
        check(&x509(&[&authority, &leaf])),
        Err(CertificateFault::Chain)
    );
    assert_eq!(check(&x509(&[&leaf, &leaf])), Err(CertificateFault::Chain));
    assert_eq!(check(&x509(&[&authority])), Err(CertificateFault::Chain));
    let many = vec![authority.as_str(); CHAIN_MAX];
    let long = x509(&[&[leaf.as_str()], many.as_slice()].concat());
    assert_eq!(check(&long), Err(CertificateFault::Unreadable));
}

#[test]
fn text_around_a_certificate_is_refused() {
    let text = String::from_utf8(own(NOW).public().to_vec()).unwrap();
    assert_eq!(check(&x509(&[&text, "\n"])), Ok(()));
    assert_eq!(
        check(&x509(&["a note\n", &text])),
        Err(CertificateFault::Unreadable)
    );
    assert_eq!(
        check(&x509(&[&text, "a note\n"])),
        Err(CertificateFault::Unreadable)
    );
}

/// Made with `openssl req -x509 -sha1`, for this name.
#[test]
fn sha1_is_refused() {
    let key = x509(&[include_str!("../../../tests/data/certificate/sha1.pem")]);
    assert_eq!(
        check_root_key(&key, &gun(), None),
        Err(CertificateFault::Sha1)
    );
}
