//! OpenPGP keys, and the signatures that podman, skopeo and buildah make with them (`--sign-by`): a signed message around a
//! simple-signing payload, as containers-signature(5) describes it. Packets, armour and cryptography are a library's (RFC
//! 9580); what makes a key good enough to speak for somebody is said here, in `validity`. Deliberately no web of trust: who
//! a key belongs to is what is registered.
//!
//! A key is its primary key. Its subkeys come and go with the file that they are read from, and what one of them signs is
//! signed by the key.

mod document;
mod message;
mod validity;

use std::fmt;
use std::io::BufReader;

use oci::{Digest, RepositoryName};
use pgp::composed::{ArmorOptions, Deserializable, SignedPublicKey};
use pgp::ser::Serialize;
use pgp::types::KeyDetails;

use crate::key::KeyId;

pub use document::{
    DOCUMENT_BYTES_MAX, Document, DocumentError, read_openpgp_document,
    read_openpgp_document_within,
};
pub use message::read_openpgp_simple_signing;
pub(crate) use message::signed_parts;
pub use validity::KeyFault;
use validity::{NEVER, Part};

/// The longest file of one key that is read, in bytes. Keys that others have signed are longer than they need be: export
/// them with `gpg --export-options export-minimal`.
pub const KEY_BYTES_MAX: usize = 256 * 1024;
/// The most subkeys, names and signatures of one key, together.
pub const KEY_PARTS_MAX: usize = 500;
/// The longest signed message that is read, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// A public key with its subkeys and what binds them, as `gpg --export` writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenPgpKey {
    certificate: SignedPublicKey,
    armour: String,
    id: KeyId,
}

impl OpenPgpKey {
    /// Reads a file with exactly one public key, armoured or not. Whether it may sign shows when a signature is judged.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenPgpKeyError> {
        if bytes.len() > KEY_BYTES_MAX {
            return Err(OpenPgpKeyError::TooLarge { bytes: bytes.len() });
        }
        let armoured = Self::is_armoured(bytes);
        if armoured {
            check_one_block(bytes)?;
        }
        let certificates = match armoured {
            true => SignedPublicKey::from_armor_many(bytes).map(|(keys, _)| keys),
            false => SignedPublicKey::from_bytes_many(BufReader::new(bytes)),
        };
        let mut certificates =
            certificates.map_err(|error| OpenPgpKeyError::Form(error.to_string()))?;
        let certificate = certificates
            .next()
            .ok_or(OpenPgpKeyError::None)?
            .map_err(|error| OpenPgpKeyError::Form(error.to_string()))?;
        if certificates.next().is_some() {
            return Err(OpenPgpKeyError::Several);
        }
        let parts = parts(&certificate);
        if parts > KEY_PARTS_MAX {
            return Err(OpenPgpKeyError::TooMany { parts });
        }
        let primary = certificate.primary_key.to_bytes();
        let primary = primary.map_err(|error| OpenPgpKeyError::Form(error.to_string()))?;
        let id = KeyId::of(&[ID_PREFIX, primary.as_slice()].concat());
        let armour = certificate.to_armored_string(ArmorOptions::default());
        Ok(Self {
            armour: armour.map_err(|error| OpenPgpKeyError::Form(error.to_string()))?,
            certificate,
            id,
        })
    }

    /// Whether the bytes are a key in armour, by how they begin.
    #[must_use]
    pub fn is_armoured(bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().starts_with(ARMOUR)
    }

    /// The key's name everywhere here: a SHA-256 over its primary key. Its fingerprint is one of SHA-1 for most keys.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key in armour, as gpg imports it.
    #[must_use]
    pub fn to_armour(&self) -> &str {
        &self.armour
    }

    /// Whether a detached signature (`gpg --detach-sign`) over these bytes is the key's, by the rules for signatures on images at `now`,
    /// in milliseconds since the epoch.
    pub fn verify_detached(
        &self,
        message: &[u8],
        signature: &[u8],
        now: i64,
    ) -> Result<(), KeyFault> {
        message::verify_detached(self, message, signature, now)
    }

    /// When the last part of it that may sign stops doing so, in milliseconds since the epoch, as the key stands at `now`; also an end
    /// that is over. `None` where a part never ends, or none may sign for another reason.
    #[must_use]
    pub fn ends_at(&self, now: i64) -> Option<i64> {
        let now = message::seconds(now);
        let ends = Part::of(&self.certificate).filter_map(|part| part.end(&self.certificate, now));
        let last = ends.max()?;
        (last != NEVER).then_some(i64::from(last) * 1_000)
    }

    /// The fingerprint by which gpg shows the key, in upper-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.certificate.primary_key.fingerprint())
    }
}

impl fmt::Debug for OpenPgpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenPgpKey({} {})", self.fingerprint(), self.id)
    }
}

/// The library reads the first block of armour and passes over what follows, where gpg reads on: a file that two readers take
/// for two keys is none.
fn check_one_block(bytes: &[u8]) -> Result<(), OpenPgpKeyError> {
    let blocks = bytes
        .windows(BLOCK_START.len())
        .filter(|window| *window == BLOCK_START)
        .count();
    if blocks > 1 {
        return Err(OpenPgpKeyError::Several);
    }
    match bytes.trim_ascii_end().ends_with(ARMOUR_END) {
        true => Ok(()),
        false => Err(OpenPgpKeyError::Form(
            "it does not end where the key ends".to_owned(),
        )),
    }
}

/// Where a signature lies in a lookaside store, below the address that `registries.d` names for the registry: `number` counts
/// from 1, and the first that is missing is the end. containers-registries.d(5), "lookaside".
#[must_use]
pub fn lookaside_path(repository: &RepositoryName, digest: &Digest, number: u32) -> String {
    let digest = digest.as_str().replacen(':', "=", 1);
    format!("{repository}@{digest}/signature-{number}")
}

fn parts(certificate: &SignedPublicKey) -> usize {
    let details = &certificate.details;
    let users: usize = details
        .users
        .iter()
        .map(|user| 1 + user.signatures.len())
        .sum();
    let attributes = details.user_attributes.iter();
    let attributes: usize = attributes.map(|user| 1 + user.signatures.len()).sum();
    let subkeys = certificate.public_subkeys.iter();
    let subkeys: usize = subkeys.map(|subkey| 1 + subkey.signatures.len()).sum();
    users
        + attributes
        + subkeys
        + details.revocation_signatures.len()
        + details.direct_signatures.len()
}

/// Why a file is not taken as a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpKeyError {
    /// Longer than [`KEY_BYTES_MAX`].
    #[error(
        "limit exceeded: {bytes} bytes of openpgp key, at most {max} are read: export it with \
         `gpg --armor --export-options export-minimal --export KEY`",
        max = KEY_BYTES_MAX
    )]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// More than [`KEY_PARTS_MAX`].
    #[error(
        "limit exceeded: the openpgp key has {parts} names, subkeys and signatures, at most {max} are read: export it with \
         `gpg --armor --export-options export-minimal --export KEY`",
        max = KEY_PARTS_MAX
    )]
    TooMany {
        /// How many it has.
        parts: usize,
    },
    /// Not packets of a public key.
    #[error("not an openpgp public key, as `gpg --armor --export KEY` writes it: {0}")]
    Form(String),
    /// Nothing in it.
    #[error("the file holds no openpgp public key: write one with `gpg --armor --export KEY`")]
    None,
    /// More than one.
    #[error("the file holds several openpgp keys: export each by itself")]
    Several,
}

const ARMOUR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const ARMOUR_END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";
const BLOCK_START: &[u8] = b"-----BEGIN ";
/// No SubjectPublicKeyInfo begins so: ids of the two kinds of keys cannot meet.
const ID_PREFIX: &[u8] = b"openpgp primary key\0";

#[cfg(test)]
mod tests;
