//! Every method of signing, with keys of every kind.

mod wycheproof;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P521_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};

use super::*;
use crate::encoding::from_base64;
use crate::testing::key_of;
use crate::{PrivateKey, Signer};

const MESSAGE: &[u8] = b"a message";

fn material(signer: &PrivateKey) -> Material {
    Material::of(&Key::from(signer.public_key())).unwrap()
}

fn rsa_key(size: KeySize) -> (RsaKeyPair, Key) {
    let pair = RsaKeyPair::generate(size).unwrap();
    let der = pair.public_key().as_der().unwrap().as_ref().to_vec();
    (pair, Key::new(KeyType::Rsa, der))
}

fn sign_rsa(pair: &RsaKeyPair, encoding: &'static dyn RsaEncoding) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature)
        .unwrap();
    signature
}

#[test]
fn ecdsa_on_p256_is_two_numbers_in_fixed_width() {
    let signer = key_of(Algorithm::EcdsaP256);
    for _ in 0..64 {
        let der = signer.sign(MESSAGE).unwrap();
        let fixed = der_to_fixed(&der, P256_BYTES).unwrap();
        assert_eq!(fixed.len(), 64);
        let material = material(&signer);
        assert!(material.has_signed(MESSAGE, "ecdsa", &fixed));
        assert!(material.has_signed(MESSAGE, "ECDSA", &fixed));
        assert!(!material.has_signed(b"another", "ecdsa", &fixed));
        assert!(!material.has_signed(MESSAGE, "ecdsa", &der));
        assert!(!material.has_signed(MESSAGE, "ecdsa", &fixed[1..]));
        assert!(!material.has_signed(MESSAGE, "eddsa", &fixed));
    }
}

/// Made with `openssl dgst -sha256 -sign`.
#[test]
fn ecdsa_on_p384_is_over_sha256() {
    let der = from_base64(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEcT+qFf7cx95zLonzyzVmr7fOOzu2BwlpVhVGcg1w33kmXnxnsuc1y/mu9lY29cWF\
         vRNW+q4nUU4WsEvt9esxnmMf/Yv1x7Wfgu1EkSVdapi45qtYv5V7LqvD1eKqYQJj",
    );
    let signature = from_base64(
        "MGUCMQDQgXKsQnV3kswGQGtw+KYqmmxDhBCRiL0gtBPoo7NXRos/KvcCCWZbuNFGAEm3pGsCME8TW58hoqdVsQsEc7CrWGYu\
         yln7eWXIG9TsihNN8V+t/lkDm0KbTfIPv5eC7lHIZA==",
    );
    let fixed = der_to_fixed(&signature.unwrap(), P384_BYTES).unwrap();
    let material = Material::of(&Key::new(KeyType::Ecdsa, der.unwrap())).unwrap();
    assert!(material.has_signed(MESSAGE, "ecdsa", &fixed));
    assert!(!material.has_signed(b"another", "ecdsa", &fixed));
    assert!(!material.has_signed(MESSAGE, "ecdsa", &fixed[..95]));

    // Our own keys on that curve sign over SHA-384: another method.
    let signer = key_of(Algorithm::EcdsaP384);
    let fixed = der_to_fixed(&signer.sign(MESSAGE).unwrap(), P384_BYTES).unwrap();
    let own = Material::of(&Key::from(signer.public_key())).unwrap();
    assert!(!own.has_signed(MESSAGE, "ecdsa", &fixed));
}

#[test]
fn ecdsa_on_p521_is_over_sha256() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA256_FIXED_SIGNING).unwrap();
    let der = pair.public_key().as_der().unwrap().as_ref().to_vec();
    let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
    let material = Material::of(&Key::new(KeyType::Ecdsa, der)).unwrap();
    assert!(material.has_signed(MESSAGE, "ecdsa", signature.as_ref()));
    assert!(!material.has_signed(b"another", "ecdsa", signature.as_ref()));
}

#[test]
fn ed25519_signs_the_message_itself() {
    let signer = key_of(Algorithm::Ed25519);
    let signature = signer.sign(MESSAGE).unwrap();
    let material = material(&signer);
    assert!(material.has_signed(MESSAGE, "eddsa", &signature));
    assert!(!material.has_signed(b"another", "eddsa", &signature));
    assert!(!material.has_signed(MESSAGE, "ecdsa", &signature));
    assert!(!material.has_signed(MESSAGE, "", &signature));
}

#[test]
fn rsa_signs_in_two_ways() {
    let (pair, key) = rsa_key(KeySize::Rsa2048);
    let material = Material::of(&key).unwrap();
    let pss = sign_rsa(&pair, &RSA_PSS_SHA256);
    let pkcs1 = sign_rsa(&pair, &RSA_PKCS1_SHA256);
    assert!(material.has_signed(MESSAGE, "rsapss", &pss));
    assert!(material.has_signed(MESSAGE, "rsapkcs1v15", &pkcs1));
    assert!(!material.has_signed(MESSAGE, "rsapss", &pkcs1));
    assert!(!material.has_signed(MESSAGE, "rsapkcs1v15", &pss));
    assert!(!material.has_signed(b"another", "rsapss", &pss));
    let other_hash = sign_rsa(&pair, &RSA_PKCS1_SHA512);
    assert!(!material.has_signed(MESSAGE, "rsapkcs1v15", &other_hash));
}

/// Whoever could write one key in two ways would have two ids, and count twice.
#[test]
fn an_rsa_key_is_written_in_one_way() {
    let (_, key) = rsa_key(KeySize::Rsa2048);
    let der = key.public();
    let (head, tail) = der.split_at(4);
    let null = tail.windows(2).position(|bytes| bytes == [0x05, 0x00]);
    let (algorithm, rest) = tail.split_at(null.unwrap());
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut without_null = [&head[..2], &length(tail.len() - 2), algorithm, &rest[2..]].concat();
    without_null[5] -= 2;
    let inner = [
        &[0x03, 0x82],
        length(der.len() + 1).as_slice(),
        &[0x00],
        der,
    ]
    .concat();
    let algorithm = [algorithm, &[0x05, 0x00]].concat();
    let nested = length(algorithm.len() + inner.len());
    let nested = [&[0x30, 0x82], nested.as_slice(), &algorithm, &inner].concat();
    // Not the shortest form of a length.
    let longer = length(tail.len());
    let longer = [&[0x30, 0x83, 0x00], longer.as_slice(), tail].concat();
    for other in [without_null, nested, longer] {
        let other = Key::new(KeyType::Rsa, other);
        assert_ne!(other.canonical_id(), key.canonical_id());
        assert!(
            Material::of(&other).is_none(),
            "{:02x?}",
            &other.public()[..24]
        );
    }
}

/// Made with `openssl genrsa 1024`.
#[test]
fn a_short_rsa_key_is_none() {
    let der = from_base64(
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCjX5VV7SMrnfXEeawTYJK57QvrEGrGH1Rij56ZMeFtZvWkwObDzbbNXVkyPmTs\
         fReomXRJ6Y+t4AwVbEXyasFjhMw1U11PZK/dLhIZGAbjgt5eeSYPqQbEicGHmpTZ9ARIv8ODcME3MGRtNcTi85145vrkNJiI4r5n\
         /aChJINcrwIDAQAB",
    );
    let key = Key::new(KeyType::Rsa, der.unwrap());
    assert!(Material::of(&key).is_none());
}

#[test]
fn a_key_is_of_the_kind_that_it_says() {
    let (_, rsa) = rsa_key(KeySize::Rsa2048);
    let ecdsa = Key::from(key_of(Algorithm::EcdsaP256).public_key());
    let ed25519 = key_of(Algorithm::Ed25519);
    let relabelled =
        |key: &Key, keytype: KeyType| Material::of(&Key::new(keytype, key.public().to_vec()));
    assert!(relabelled(&rsa, KeyType::Ecdsa).is_none());
    assert!(relabelled(&ecdsa, KeyType::Rsa).is_none());
    assert!(relabelled(&ecdsa, KeyType::Ed25519).is_none());
    assert!(relabelled(&ecdsa, KeyType::EcdsaX509).is_none());
    assert!(relabelled(&ecdsa, KeyType::Other("ecdsa-sha2".into())).is_none());
    let der = ed25519.public_key().as_der().to_vec();
    assert!(Material::of(&Key::new(KeyType::Ecdsa, der)).is_none());
    let mut trailing = rsa.public().to_vec();
    trailing.push(0);
    assert!(Material::of(&Key::new(KeyType::Rsa, trailing)).is_none());
}

#[test]
fn numbers_change_their_form_and_back() {
    for (r, s) in [(1_u8, 0x80_u8), (0, 0), (0xff, 0x7f)] {
        let mut fixed = vec![0; 64];
        fixed[31] = r;
        fixed[32] = s;
        let der = fixed_to_der(&fixed, 32).unwrap();
        assert_eq!(der_to_fixed(&der, 32), Some(fixed));
    }
    assert_eq!(der_to_fixed(&[0x30, 0x00], 32), None);
    assert_eq!(fixed_to_der(&[0; 63], 32), None);
}
