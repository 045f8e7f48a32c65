//! Verifier keys: a name, a kind of signature and a key in one line, as people configure logs and witnesses. Deliberately
//! Ed25519 only: the other kinds have no encoding here, or none that we sign with. C2SP `signed-note`, "Verifier keys".

use std::fmt;
use std::str::FromStr;

use super::{
    COSIGNATURE_TYPE, CheckpointError, ED25519_TYPE, KEY_HASH_BYTES, is_key_name, typed_hash,
};
use crate::encoding::{from_base64, to_base64};
use crate::key::{Algorithm, PublicKey};

/// The longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// What a key signs notes as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifierKind {
    /// A log: the text of the note itself.
    Log,
    /// A witness: text and time. C2SP `tlog-cosignature`
    Witness,
}

impl VerifierKind {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Log => ED25519_TYPE,
            Self::Witness => COSIGNATURE_TYPE,
        }
    }
}

/// Whose signatures on notes are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: VerifierKind,
    key: PublicKey,
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    /// A name with white space or `+`, or a key that is not Ed25519.
    pub fn new(name: &str, kind: VerifierKind, key: &PublicKey) -> Result<Self, CheckpointError> {
        if !is_key_name(name) {
            return Err(CheckpointError::Name(crate::excerpt::excerpt(name)));
        }
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(CheckpointError::Algorithm(key.algorithm()));
        }
        Ok(Self {
            name: name.to_owned(),
            kind,
            key: key.clone(),
        })
    }

    /// The name: of a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs as.
    #[must_use]
    pub fn kind(&self) -> VerifierKind {
        self.kind
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(super) fn hash(&self) -> [u8; KEY_HASH_BYTES] {
        typed_hash(&self.name, self.kind.byte(), &self.key)
    }
}

/// `<name>+<key id>+<base64>`.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.kind.byte()], self.key.point()].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.hash()),
            to_base64(&material)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::VerifierKey;
        if text.len() > TEXT_BYTES_MAX {
            return Err(form("length"));
        }
        let (name, rest) = text.split_once('+').ok_or(form("name"))?;
        let (id, material) = rest.split_once('+').ok_or(form("key id"))?;
        let material = from_base64(material).ok_or(form("base64"))?;
        let (kind, point) = material.split_first().ok_or(form("kind"))?;
        let kind = match *kind {
            ED25519_TYPE => VerifierKind::Log,
            COSIGNATURE_TYPE => VerifierKind::Witness,
            _ => return Err(form("kind")),
        };
        let key = PublicKey::from_point(Algorithm::Ed25519, point).map_err(|_| form("key"))?;
        let verifier = Self::new(name, kind, &key)?;
        if hex::encode(verifier.hash()) == id {
            Ok(verifier)
        } else {
            Err(form("key id"))
        }
    }
}
