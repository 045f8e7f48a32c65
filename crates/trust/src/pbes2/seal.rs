//! Sealing with a password, in the one form of PBES2 that every reader of it opens: PBKDF2 and AES-256 in CBC mode, with
//! far more rounds than those who wrote the readers use themselves; the number stands in the file.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::{IV_BYTES, Pbes2Error};

/// About half a second for whoever has the password, and 300 times the work of docker's and openssl's own files for
/// whoever guesses.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MAX,
};
const AES_256_KEY_BYTES: usize = 32;

/// Who has to open what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prf {
    /// HMAC-SHA-1, the function that is not named, and a salt as docker has it: docker and notary know no other.
    Dockers,
    /// HMAC-SHA-256: openssl since 1.1, and everybody since.
    Sha256,
}

impl Prf {
    fn function(self) -> pbkdf2::Algorithm {
        match self {
            Self::Dockers => PBKDF2_HMAC_SHA1,
            Self::Sha256 => PBKDF2_HMAC_SHA256,
        }
    }

    /// RFC 8018 section 4.1 asks for 8 at least.
    fn salt_bytes(self) -> usize {
        match self {
            Self::Dockers => 8,
            Self::Sha256 => 16,
        }
    }

    fn derivation(self, salt: &[u8]) -> Vec<u8> {
        let (salt, rounds) = (octets(salt), number(ROUNDS));
        match self {
            Self::Dockers => sequence(&[&salt, &rounds]),
            Self::Sha256 => sequence(&[&salt, &rounds, &sequence(&[OID_HMAC_SHA256, NULL])]),
        }
    }
}

/// Seals these bytes; salt and vector are drawn for this file alone.
pub(crate) fn seal(plain: &[u8], password: &SecretString, prf: Prf) -> Result<Vec<u8>, Pbes2Error> {
    let mut salt = vec![0; prf.salt_bytes()];
    let mut iv = [0; IV_BYTES];
    rand::fill(&mut salt).map_err(|_| Pbes2Error::Random)?;
    rand::fill(&mut iv).map_err(|_| Pbes2Error::Random)?;
    let ciphertext = encrypt(plain, password, prf, &salt, iv)?;
    let derivation = sequence(&[OID_PBKDF2, &prf.derivation(&salt)]);
    let encryption = sequence(&[OID_AES_256_CBC, &octets(&iv)]);
    let scheme = sequence(&[OID_PBES2, &sequence(&[&derivation, &encryption])]);
    Ok(sequence(&[&scheme, &octets(&ciphertext)]))
}

fn encrypt(
    plain: &[u8],
    password: &SecretString,
    prf: Prf,
    salt: &[u8],
    iv: [u8; IV_BYTES],
) -> Result<Vec<u8>, Pbes2Error> {
    let mut derived = vec![0; AES_256_KEY_BYTES];
    let password = password.expose_secret().as_bytes();
    pbkdf2::derive(prf.function(), ROUNDS, salt, password, &mut derived);
    let derived: SecretSlice<u8> = derived.into();
    let failed = |_| Pbes2Error::Random;
    let cipher = UnboundCipherKey::new(&AES_256, derived.expose_secret()).map_err(failed)?;
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher).map_err(failed)?;
    let mut bytes = plain.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    let sealed = cipher.less_safe_encrypt(&mut bytes, context);
    sealed.map_err(failed)?;
    Ok(bytes)
}

/// One DER value (X.690 section 8.1), of at most 65,535 bytes, which no key reaches.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let length = match (high, low) {
        (0, short @ 0..=0x7f) => vec![short],
        (0, long) => vec![0x81, long],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content.as_slice()].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(0x30, parts)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    value(0x04, &[bytes])
}

/// A number whose first bit says that it is not negative.
fn number(number: NonZeroU32) -> Vec<u8> {
    let bytes = u64::from(number.get()).to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = bytes.get(zeros..).unwrap_or_default();
    match significant.first() {
        Some(0x80..) => value(0x02, &[&[0], significant]),
        _ => value(0x02, &[significant]),
    }
}

/// `1.2.840.113549.1.5.13`
const OID_PBES2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// `1.2.840.113549.1.5.12`
const OID_PBKDF2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
/// `1.2.840.113549.2.9`
const OID_HMAC_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9];
/// `2.16.840.1.101.3.4.1.42`
const OID_AES_256_CBC: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];
const NULL: &[u8] = &[5, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_are_as_der_has_them() {
        let of = |value| number(NonZeroU32::new(value).unwrap());
        assert_eq!(of(1), [2, 1, 1]);
        assert_eq!(of(0x80), [2, 2, 0, 0x80]);
        assert_eq!(of(2048), [2, 2, 8, 0]);
        assert_eq!(of(u32::MAX), [2, 5, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(octets(&[7; 0x80])[..4], [4, 0x81, 0x80, 7]);
        assert_eq!(octets(&[7; 0x100])[..5], [4, 0x82, 1, 0, 7]);
    }
}
