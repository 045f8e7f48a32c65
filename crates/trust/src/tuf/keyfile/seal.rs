//! Key files that docker and notary open: the form that they write, with far more rounds of PBKDF2 than theirs. They take the number of
//! rounds from the file, and know no other function than HMAC-SHA-1.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::{AES_256_KEY_BYTES, IV_BYTES, KeyFileError, SEALED};
use crate::key::Algorithm;
use crate::pem;
use crate::private::{PrivateKey, Signer as _};
use crate::tuf::gun::Gun;
use crate::tuf::role::RoleName;

/// About half a second of docker's for whoever has the passphrase, and 300 times the work of docker's own files for whoever guesses.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MAX,
};
/// As docker has it; RFC 8018 section 4.1 asks for as much at least.
const SALT_BYTES: usize = 8;

/// Seals a key with a passphrase, as docker and notary keep it in `~/.docker/trust/private/ID.key`, where ID is that of the bare key. Root
/// keys are for any repository and name none.
///
/// # Errors
/// It is an Ed25519 key, which docker keeps in a form of its own; the system gave no random bytes.
pub fn seal(
    key: &PrivateKey,
    role: &RoleName,
    gun: Option<&Gun>,
    passphrase: &SecretString,
) -> Result<String, KeyFileError> {
    if key.public_key().algorithm() == Algorithm::Ed25519 {
        return Err(KeyFileError::NotSealed);
    }
    let mut salt = [0; SALT_BYTES];
    let mut iv = [0; IV_BYTES];
    rand::fill(&mut salt).map_err(|_| KeyFileError::Random)?;
    rand::fill(&mut iv).map_err(|_| KeyFileError::Random)?;
    let ciphertext = encrypt(key, passphrase, &salt, iv)?;
    let derivation = sequence(&[&octets(&salt), &number(ROUNDS)]);
    let derivation = sequence(&[OID_PBKDF2, &derivation]);
    let encryption = sequence(&[OID_AES_256_CBC, &octets(&iv)]);
    let scheme = sequence(&[OID_PBES2, &sequence(&[&derivation, &encryption])]);
    let block = pem::encode(SEALED, &sequence(&[&scheme, &octets(&ciphertext)]));
    let gun = gun.map_or_else(String::new, |gun| format!("gun: {gun}\n"));
    Ok(block.replacen('\n', &format!("\n{gun}role: {role}\n\n"), 1))
}

fn encrypt(
    key: &PrivateKey,
    passphrase: &SecretString,
    salt: &[u8],
    iv: [u8; IV_BYTES],
) -> Result<Vec<u8>, KeyFileError> {
    let mut derived = vec![0; AES_256_KEY_BYTES];
    let passphrase = passphrase.expose_secret().as_bytes();
    pbkdf2::derive(PBKDF2_HMAC_SHA1, ROUNDS, salt, passphrase, &mut derived);
    let derived: SecretSlice<u8> = derived.into();
    let failed = |_| KeyFileError::Random;
    let cipher = UnboundCipherKey::new(&AES_256, derived.expose_secret()).map_err(failed)?;
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher).map_err(failed)?;
    let mut bytes = key.to_pkcs8_der()?.expose_secret().to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    // The vector is drawn for this file alone.
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
/// `2.16.840.1.101.3.4.1.42`
const OID_AES_256_CBC: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::keyfile::KeyFile;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_and_no_other() {
        let gun = Gun::parse("registry.example:5000/shop/web").unwrap();
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let text = seal(&key, &RoleName::Targets, Some(&gun), &secret("right")).unwrap();
            let begin = "-----BEGIN ENCRYPTED PRIVATE KEY-----\ngun: registry.example:5000/shop/web\nrole: targets\n\n";
            assert!(text.starts_with(begin), "{text}");
            assert!(text.lines().all(|line| line.len() <= 64));
            let file = KeyFile::parse(&text).unwrap();
            assert_eq!(file.role(), Some("targets"));
            assert_eq!(file.gun(), Some(gun.as_str()));
            assert!(file.is_sealed());
            let opened = file.open(&secret("right")).unwrap();
            assert_eq!(opened.public_key(), key.public_key());
            let wrong = file.open(&secret("wrong")).unwrap_err();
            assert_eq!(wrong, KeyFileError::Passphrase);
        }
    }

    #[test]
    fn a_root_key_names_no_repository_and_is_sealed_anew_each_time() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let sealed = || seal(&key, &RoleName::Root, None, &secret("p")).unwrap();
        let (first, second) = (sealed(), sealed());
        assert_eq!(KeyFile::parse(&first).unwrap().gun(), None);
        assert_eq!(KeyFile::parse(&first).unwrap().role(), Some("root"));
        assert_ne!(first, second);
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let other = seal(&key, &RoleName::Root, None, &secret("p"));
        assert_eq!(other.unwrap_err(), KeyFileError::NotSealed);
    }

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
