//! What a key is made of, and how its signatures are checked. Deliberately without trust: a signature that is valid says
//! nothing about whether the key may sign.
//!
//! The dialect's methods differ from this crate's own: ECDSA signatures are the two numbers in fixed width, over SHA-256 on every
//! curve, and there is RSA.

use std::ops::RangeInclusive;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA256_ASN1, ECDSA_P521_SHA256_FIXED,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use super::certificate;
use super::key::{Key, KeyType};
use crate::der::{ecdsa_numbers, trimmed};
use crate::key::{Algorithm, PublicKey};

/// RSA with 8192 bits.
const SIGNATURE_BYTES_MAX: usize = 1024;

/// A key that can check signatures.
pub(super) enum Material {
    /// A kind that this crate's own keys have.
    Own(PublicKey),
    /// A point on P-521.
    P521(Vec<u8>),
    /// A DER SubjectPublicKeyInfo.
    Rsa(Vec<u8>),
}

impl Material {
    /// What a key says that it is. `None`: damaged, or of a kind that is not known.
    pub(super) fn of(key: &Key) -> Option<Self> {
        match key.keytype() {
            KeyType::Ecdsa => ecdsa(key.public()),
            KeyType::EcdsaX509 => ecdsa(&certificate::first_public_key(key.public())?),
            KeyType::Ed25519 => PublicKey::from_point(Algorithm::Ed25519, key.public())
                .ok()
                .map(Self::Own),
            KeyType::Rsa => rsa(key.public()),
            KeyType::RsaX509 => rsa(&certificate::first_public_key(key.public())?),
            KeyType::Other(_) => None,
        }
    }

    /// Whether a signature by one of the dialect's methods is valid.
    pub(super) fn has_signed(&self, message: &[u8], method: &str, signature: &[u8]) -> bool {
        if signature.len() > SIGNATURE_BYTES_MAX {
            return false;
        }
        match (method.to_ascii_lowercase().as_str(), self) {
            ("ecdsa", Self::Own(key)) => match key.algorithm() {
                Algorithm::EcdsaP256 => {
                    check(&ECDSA_P256_SHA256_FIXED, key.point(), message, signature)
                }
                Algorithm::EcdsaP384 => fixed_to_der(signature, P384_BYTES)
                    .is_some_and(|der| check(&ECDSA_P384_SHA256_ASN1, key.point(), message, &der)),
                Algorithm::Ed25519 => false,
            },
            ("ecdsa", Self::P521(point)) => {
                check(&ECDSA_P521_SHA256_FIXED, point, message, signature)
            }
            ("eddsa", Self::Own(key)) => {
                key.algorithm() == Algorithm::Ed25519 && key.verify(message, signature).is_ok()
            }
            ("rsapss", Self::Rsa(key)) => check(&RSA_PSS_2048_8192_SHA256, key, message, signature),
            ("rsapkcs1v15", Self::Rsa(key)) => {
                check(&RSA_PKCS1_2048_8192_SHA256, key, message, signature)
            }
            _ => false,
        }
    }
}

fn check(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key)
        .verify(message, signature)
        .is_ok()
}

fn ecdsa(der: &[u8]) -> Option<Material> {
    if let Some(point) = der.strip_prefix(&P521_PREFIX) {
        let whole = point.len() == P521_POINT_BYTES && point.first() == Some(&0x04);
        return whole.then(|| Material::P521(point.to_vec()));
    }
    let key = PublicKey::from_der(der).ok()?;
    (key.algorithm() != Algorithm::Ed25519).then_some(Material::Own(key))
}

/// One key has one encoding, the one that is written: else it would have two ids, and count twice.
fn rsa(der: &[u8]) -> Option<Material> {
    let key = PublicEncryptingKey::from_der(der).ok()?;
    let written = key.as_der().ok()?;
    let whole = written.as_ref() == der && RSA_BITS.contains(&key.key_size_bits());
    whole.then(|| Material::Rsa(der.to_vec()))
}

/// Two numbers in fixed width as the DER that the library wants for P-384 over SHA-256.
fn fixed_to_der(signature: &[u8], width: usize) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(width)?;
    if s.len() != width {
        return None;
    }
    let body = [integer(r)?, integer(s)?].concat();
    Some([&[0x30, u8::try_from(body.len()).ok()?], body.as_slice()].concat())
}

fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let digits = trimmed(number);
    let sign: &[u8] = if digits.first().is_none_or(|byte| *byte >= 0x80) {
        &[0]
    } else {
        &[]
    };
    let length = u8::try_from(sign.len() + digits.len()).ok()?;
    Some([&[0x02, length], sign, digits].concat())
}

/// The reverse: DER as this crate's keys make it, in fixed width.
pub(super) fn der_to_fixed(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let (r, s) = ecdsa_numbers(der)?;
    Some([fixed(r, width)?, fixed(s, width)?].concat())
}

fn fixed(number: &[u8], width: usize) -> Option<Vec<u8>> {
    let digits = trimmed(number);
    let padding = width.checked_sub(digits.len())?;
    Some([vec![0; padding], digits.to_vec()].concat())
}

/// The width of P-256's numbers.
pub(super) const P256_BYTES: usize = 32;
const P384_BYTES: usize = 48;
const P521_POINT_BYTES: usize = 133;
/// RFC 5480: a SubjectPublicKeyInfo on secp521r1, before the point.
const P521_PREFIX: [u8; 25] = [
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
];
/// What [`RSA_PSS_2048_8192_SHA256`] and its like take, in bits.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

#[cfg(test)]
mod tests;
