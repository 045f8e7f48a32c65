//! Key files as docker and notary keep them in `~/.docker/trust/private`: PEM with the key's role and repository as headers, around PKCS #8
//! that is sealed with a passphrase (`pbes2`: PBKDF2 with HMAC-SHA-1, and AES-256 in CBC mode). Deliberately without RSA.
//!
//! notary writes two things of its own: version 1 of PKCS #8 for ECDSA keys without the public half that it stands for, and Ed25519 keys
//! under an identifier from before RFC 8410.

mod seal;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use x509_parser::der_parser::der::parse_der;

use crate::key::{Algorithm, KeyError, PublicKey};
use crate::pbes2::{self, Pbes2Error, identifier, items, octets};
use crate::pem::{self, PEM_BYTES_MAX, PemError};
use crate::private::{PrivateKey, PrivateKeyError, Signer as _};

pub use seal::seal;

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
        let opened = pbes2::open(contents, passphrase)?;
        // A wrong passphrase opens to noise, of which one in some hundreds ends like a padding.
        private_key(opened.expose_secret()).map_err(|error| match error {
            KeyFileError::Damaged => Pbes2Error::Password.into(),
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
    /// Another kind of key, or a file from long ago.
    #[error(
        "the key file uses `{0}`, which is not read here: rotate the key with the program that made it"
    )]
    Unsupported(String),
    /// It does not open, or is sealed in another way, or would cost too much.
    #[error(transparent)]
    Seal(#[from] Pbes2Error),
    /// An Ed25519 key, which docker and notary keep in a form of their own.
    #[error("an Ed25519 key is not written to a key file of docker: use one of ECDSA")]
    NotSealed,
    /// What was in it is no key of ours.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

const SEALED: &str = "ENCRYPTED PRIVATE KEY";
const OPEN: &str = "PRIVATE KEY";
/// RFC 1421: how OpenSSL, and notary before 0.6, said that a block is encrypted.
const OLD_HEADER: &str = "Proc-Type: ";
const RSA: &str = "1.2.840.113549.1.1.1";
/// GnuTLS's, from before RFC 8410.
const NOTARY_ED25519: &str = "1.3.6.1.4.1.11591.15.1";
/// RFC 8410 section 7: PKCS #8 of an Ed25519 key, before the seed.
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

#[cfg(test)]
mod tests;
