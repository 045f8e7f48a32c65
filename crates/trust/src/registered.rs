//! Public keys as they are registered: one of the plain kinds, or an OpenPGP key with its subkeys. Deliberately no private half, and no
//! word on whose it is.

use std::fmt;

use crate::key::{KeyError, KeyId, PublicKey};
use crate::openpgp::{OpenPgpKey, OpenPgpKeyError};

/// A public key of any kind that people register.
#[derive(Clone, PartialEq, Eq)]
pub enum RegisteredKey {
    /// ECDSA or Ed25519, by itself.
    Plain(PublicKey),
    /// OpenPGP: whoever has the primary key says which subkeys sign for it.
    OpenPgp(Box<OpenPgpKey>),
}

impl RegisteredKey {
    /// Reads a file with one public key: PEM `PUBLIC KEY`, or an OpenPGP key in armour.
    pub fn parse(text: &str) -> Result<Self, RegisteredKeyError> {
        match OpenPgpKey::is_armoured(text.as_bytes()) {
            true => Ok(Self::OpenPgp(Box::new(OpenPgpKey::parse(text.as_bytes())?))),
            false => Ok(Self::Plain(PublicKey::from_pem(text)?)),
        }
    }

    /// The key's name everywhere.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        match self {
            Self::Plain(key) => key.id(),
            Self::OpenPgp(key) => key.id(),
        }
    }

    /// The key as [`RegisteredKey::parse`] reads it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Plain(key) => key.to_pem(),
            Self::OpenPgp(key) => key.to_armour().to_owned(),
        }
    }

    /// The key, if it is a plain one.
    #[must_use]
    pub fn plain(&self) -> Option<&PublicKey> {
        match self {
            Self::Plain(key) => Some(key),
            Self::OpenPgp(_) => None,
        }
    }

    /// The key, if it is one of OpenPGP.
    #[must_use]
    pub fn openpgp(&self) -> Option<&OpenPgpKey> {
        match self {
            Self::Plain(_) => None,
            Self::OpenPgp(key) => Some(key),
        }
    }
}

impl From<PublicKey> for RegisteredKey {
    fn from(key: PublicKey) -> Self {
        Self::Plain(key)
    }
}

impl fmt::Debug for RegisteredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(key) => key.fmt(f),
            Self::OpenPgp(key) => key.fmt(f),
        }
    }
}

/// Why a text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisteredKeyError {
    /// Not one of the plain kinds.
    #[error(transparent)]
    Plain(#[from] KeyError),
    /// Not an OpenPGP key that is taken.
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpKeyError),
}
