//! Key files as docker and notary keep them in `~/.docker/trust/private`: PEM with the key's role and repository as headers, around PKCS #8
//! that is sealed with a passphrase (PBES2 of RFC 8018: PBKDF2 with HMAC-SHA-1, and AES-256 in CBC mode). Deliberately without RSA.
//!
//! notary writes two things of its own: version 1 of PKCS #8 for ECDSA keys without the public half that it stands for, and Ed25519 keys
//! under an identifier from before RFC 8410.

mod seal;

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use x509_parser::der_parser::ber::{BerObject, BerObjectContent};
use x509_parser::der_parser::der::parse_der;

use crate::excerpt::excerpt;
use crate::key::{Algorithm, KeyError, PublicKey};
use crate::pem::{self, PEM_BYTES_MAX, PemError};
use crate::private::{PrivateKey, PrivateKeyError, Signer as _};

pub use seal::seal;

/// The most rounds that opening a key file may take; docker and notary write 2048.
pub const ROUNDS_MAX: u32 = 1_000_000;

/// A key file that was read and not opened yet.
#[derive(Debug)]
pub struct KeyFile {
    role: Option<String>,
    gun: Option<String>,
    is_sealed: bool,
    contents: SecretSlice<u8>,
}

impl KeyFile {
    /// Reads a file with one key.
    ///
    /// # Errors
    /// It is not one PEM block, or not of this kind.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let Headed { role, gun, block } = Headed::parse(text)?;
        if block.contains(OLD_HEADER) {
            return Err(KeyFileError::Unsupported(
                "a format from before notary 0.6".to_owned(),
            ));
        }
        let is_sealed = block.trim_start().starts_with(&begin(SEALED));
        let contents = pem::decode(&block, &[SEALED, OPEN])?;
        Ok(Self {
            role,
            gun,
            is_sealed,
            contents: contents.into(),
        })
    }

    /// Whether a text is such a file at all: its label is one of theirs.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        let text = text.trim_start();
        text.starts_with(&begin(SEALED)) || text.starts_with(&begin(OPEN))
    }

    /// What the key is for, as the file says: `root`, `targets`, `snapshot`, or a signer's name. A note of whoever wrote it, and no more.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The repository that the key is for, as the file says; root keys and those of signers are for any.
    #[must_use]
    pub fn gun(&self) -> Option<&str> {
        self.gun.as_deref()
    }

    /// Whether a passphrase is needed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Opens the key. The passphrase of a file that is not sealed is not looked at.
    ///
    /// # Errors
    /// The passphrase is wrong, the file is damaged, or the key of a kind that cannot sign here.
    pub fn open(&self, passphrase: &SecretString) -> Result<PrivateKey, KeyFileError> {
        let contents = self.contents.expose_secret();
        if !self.is_sealed {
            return private_key(contents);
        }
        let opened = Sealed::read(contents)?.open(passphrase)?;
        // A wrong passphrase opens to noise, of which one in some hundreds ends like a padding.
        private_key(opened.expose_secret()).map_err(|error| match error {
            KeyFileError::Damaged => KeyFileError::Passphrase,
            error => error,
        })
    }
}

/// The public key of a file: as docker writes it, with the signer's name as a header, or without.
///
/// # Errors
/// It is not one PEM block with a public key.
pub fn public_key(text: &str) -> Result<PublicKey, KeyError> {
    let bare = Headed::parse(text).map_err(|error| match error {
        KeyFileError::Pem(error) => KeyError::Pem(error),
        _ => KeyError::Pem(PemError::Body),
    })?;
    PublicKey::from_pem(&bare.block)
}

/// A PEM text with its headers taken out (RFC 1421 section 4.4, which RFC 7468 left behind).
struct Headed {
    role: Option<String>,
    gun: Option<String>,
    block: String,
}

impl Headed {
    fn parse(text: &str) -> Result<Self, KeyFileError> {
        if text.len() > PEM_BYTES_MAX {
            return Err(PemError::TooLarge { bytes: text.len() }.into());
        }
        let mut headed = Self {
            role: None,
            gun: None,
            block: String::new(),
        };
        let mut in_headers = false;
        for line in text.trim().lines() {
            let kept = match line.split_once(": ") {
                Some(("role", value)) if in_headers => (&mut headed.role, value),
                Some(("gun", value)) if in_headers => (&mut headed.gun, value),
                // Other headers stay where they are, and are no base64 there.
                _ => {
                    in_headers = line.starts_with("-----BEGIN ");
                    headed.block.push_str(line);
                    headed.block.push('\n');
                    continue;
                }
            };
            let (place, value) = kept;
            if place.replace(value.trim().to_owned()).is_some() {
                return Err(KeyFileError::Twice);
            }
        }
        Ok(headed)
    }
}

/// EncryptedPrivateKeyInfo of RFC 5958 with PBES2.
struct Sealed<'a> {
    salt: &'a [u8],
    rounds: NonZeroU32,
    prf: pbkdf2::Algorithm,
    iv: [u8; IV_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn read(der: &'a [u8]) -> Result<Self, KeyFileError> {
        let damaged = || KeyFileError::Damaged;
        let ([], outer) = parse_der(der).map_err(|_| damaged())? else {
            return Err(damaged());
        };
        let (scheme, data) = pair(&outer).ok_or_else(damaged)?;
        let (scheme, parameters) = pair(scheme).ok_or_else(damaged)?;
        expect(scheme, PBES2)?;
        let (derivation, encryption) = pair(parameters).ok_or_else(damaged)?;
        let (derivation, parameters) = pair(derivation).ok_or_else(damaged)?;
        expect(derivation, PBKDF2)?;
        let [salt, rounds, rest @ ..] = items(parameters) else {
            return Err(damaged());
        };
        let (encryption, iv) = pair(encryption).ok_or_else(damaged)?;
        expect(encryption, AES_256_CBC)?;
        let rounds = rounds.as_u32().ok().and_then(NonZeroU32::new);
        let rounds = rounds.ok_or_else(damaged)?;
        if rounds.get() > ROUNDS_MAX {
            return Err(KeyFileError::Cost {
                rounds: rounds.get(),
            });
        }
        Ok(Self {
            salt: octets(salt).ok_or_else(damaged)?,
            rounds,
            prf: prf(rest)?,
            iv: octets(iv)
                .and_then(|iv| iv.try_into().ok())
                .ok_or_else(damaged)?,
            ciphertext: octets(data).ok_or_else(damaged)?,
        })
    }

    fn open(&self, passphrase: &SecretString) -> Result<SecretSlice<u8>, KeyFileError> {
        let mut derived = vec![0; AES_256_KEY_BYTES];
        let passphrase = passphrase.expose_secret().as_bytes();
        pbkdf2::derive(self.prf, self.rounds, self.salt, passphrase, &mut derived);
        let derived: SecretSlice<u8> = derived.into();
        let wrong = |_| KeyFileError::Passphrase;
        let key = UnboundCipherKey::new(&AES_256, derived.expose_secret()).map_err(wrong)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(wrong)?;
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        let mut bytes = self.ciphertext.to_vec();
        let opened = key.decrypt(&mut bytes, context).map_err(wrong)?.to_vec();
        bytes.fill(0);
        Ok(opened.into())
    }
}

/// What may follow salt and rounds: the key's length, and another function than HMAC-SHA-1.
fn prf(rest: &[BerObject<'_>]) -> Result<pbkdf2::Algorithm, KeyFileError> {
    let function = match rest {
        [] => return Ok(PBKDF2_HMAC_SHA1),
        [function] | [_, function] => function,
        _ => return Err(KeyFileError::Damaged),
    };
    if function.as_u32().is_ok() {
        return Ok(PBKDF2_HMAC_SHA1);
    }
    let named = items(function).first().and_then(identifier);
    match named.as_deref() {
        Some(HMAC_SHA1) => Ok(PBKDF2_HMAC_SHA1),
        Some(HMAC_SHA256) => Ok(PBKDF2_HMAC_SHA256),
        Some(other) => Err(KeyFileError::Unsupported(excerpt(other))),
        None => Err(KeyFileError::Damaged),
    }
}

/// PrivateKeyInfo, as notary writes it or as others do.
fn private_key(der: &[u8]) -> Result<PrivateKey, KeyFileError> {
    let Ok(([], outer)) = parse_der(der) else {
        return Err(KeyFileError::Damaged);
    };
    let [version, algorithm, key, rest @ ..] = items(&outer) else {
        return Err(KeyFileError::Damaged);
    };
    let algorithm = items(algorithm).first().and_then(identifier);
    match algorithm.as_deref() {
        Some(NOTARY_ED25519) => ed25519(octets(key).ok_or(KeyFileError::Damaged)?),
        Some(RSA) => Err(KeyFileError::Unsupported("rsa".to_owned())),
        Some(_) if version.as_u32().ok() == Some(1) && rest.is_empty() => {
            Ok(PrivateKey::from_pkcs8_der(&as_version_0(der))?)
        }
        Some(_) => Ok(PrivateKey::from_pkcs8_der(der)?),
        None => Err(KeyFileError::Damaged),
    }
}

/// RFC 5958 section 2: version 1 is for keys with their public half behind them.
fn as_version_0(der: &[u8]) -> Vec<u8> {
    let mut der = der.to_vec();
    let header = match der.get(1) {
        Some(0x81) => 3,
        Some(0x82) => 4,
        _ => 2,
    };
    if let Some([0x02, 0x01, version]) = der.get_mut(header..header + 3) {
        *version = 0;
    }
    der
}

/// The public half, the seed, and the public half again.
fn ed25519(bytes: &[u8]) -> Result<PrivateKey, KeyFileError> {
    let (public, rest) = bytes.split_at_checked(32).ok_or(KeyFileError::Damaged)?;
    let (seed, again) = rest.split_at_checked(32).ok_or(KeyFileError::Damaged)?;
    let key = PrivateKey::from_pkcs8_der(&[ED25519_PKCS8.as_slice(), seed].concat())?;
    let known = PublicKey::from_point(Algorithm::Ed25519, public);
    if again == public && known.as_ref() == Ok(key.public_key()) {
        Ok(key)
    } else {
        Err(KeyFileError::Damaged)
    }
}

fn items<'a, 'b>(object: &'b BerObject<'a>) -> &'b [BerObject<'a>] {
    object.as_sequence().map_or(&[], |items| items.as_slice())
}

fn pair<'a, 'b>(object: &'b BerObject<'a>) -> Option<(&'b BerObject<'a>, &'b BerObject<'a>)> {
    match items(object) {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

fn octets<'a>(object: &BerObject<'a>) -> Option<&'a [u8]> {
    match object.content {
        BerObjectContent::OctetString(bytes) => Some(bytes),
        _ => None,
    }
}

fn identifier(object: &BerObject<'_>) -> Option<String> {
    object.as_oid().ok().map(|oid| oid.to_id_string())
}

fn expect(object: &BerObject<'_>, wanted: &str) -> Result<(), KeyFileError> {
    match identifier(object) {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(KeyFileError::Unsupported(excerpt(&found))),
        None => Err(KeyFileError::Damaged),
    }
}

fn begin(label: &str) -> String {
    format!("-----BEGIN {label}-----")
}

/// Why a key file is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not one PEM block with a known label.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The role or the repository stands there twice.
    #[error("the key file names its role or its repository twice")]
    Twice,
    /// Not what the format says.
    #[error("the key file is damaged: it holds no sealed key as docker and notary write it")]
    Damaged,
    /// Another derivation, cipher or kind of key, or a file from long ago.
    #[error(
        "the key file uses `{0}`, which is not read here: rotate the key with the program that made it"
    )]
    Unsupported(String),
    /// Opening it would take longer than is allowed.
    #[error(
        "limit exceeded: the key file asks for {rounds} rounds of pbkdf2, at most {max} are made",
        max = ROUNDS_MAX
    )]
    Cost {
        /// How many it asks for.
        rounds: u32,
    },
    /// It does not open.
    #[error("the passphrase is wrong, or the key file was changed")]
    Passphrase,
    /// An Ed25519 key, which docker and notary keep in a form of their own.
    #[error("an Ed25519 key is not written to a key file of docker: use one of ECDSA")]
    NotSealed,
    /// The system gave no random bytes, or would not encrypt.
    #[error("the key cannot be sealed: the system gave no random bytes")]
    Random,
    /// What was in it is no key of ours.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

const SEALED: &str = "ENCRYPTED PRIVATE KEY";
const OPEN: &str = "PRIVATE KEY";
/// RFC 1421: how OpenSSL, and notary before 0.6, said that a block is encrypted.
const OLD_HEADER: &str = "Proc-Type: ";
const IV_BYTES: usize = 16;
const AES_256_KEY_BYTES: usize = 32;
const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";
const HMAC_SHA1: &str = "1.2.840.113549.2.7";
const HMAC_SHA256: &str = "1.2.840.113549.2.9";
const RSA: &str = "1.2.840.113549.1.1.1";
/// GnuTLS's, from before RFC 8410.
const NOTARY_ED25519: &str = "1.3.6.1.4.1.11591.15.1";
/// RFC 8410 section 7: PKCS #8 of an Ed25519 key, before the seed.
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

#[cfg(test)]
mod tests;
