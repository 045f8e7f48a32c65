//! Keys as trust repositories write them, and their ids. A key's id is the hash of its own description, so that
//! metadata cannot give one key's name to another. Deliberately separate from [`crate::PublicKey`]: the same key has another
//! id there, and here also comes in RSA and inside certificates.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::canonical::write_string;
use super::certificate;
use super::fields::Fields;
use super::material::Material;
use super::problem::Problem;
use crate::encoding::to_base64;
use crate::key::{Algorithm, KeyError, PublicKey, parse_id};
use crate::strict;

/// The largest key that is read by itself, in bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;

/// A public key of a trust repository.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    keytype: KeyType,
    public: Vec<u8>,
    id: KeyId,
}

impl Key {
    /// A key from its description. What it is worth shows when a signature is checked with it.
    #[must_use]
    pub fn new(keytype: KeyType, public: Vec<u8>) -> Self {
        let id = KeyId::of(&keytype, &public);
        Self {
            keytype,
            public,
            id,
        }
    }

    /// The key's kind.
    #[must_use]
    pub fn keytype(&self) -> &KeyType {
        &self.keytype
    }

    /// The key's bytes: a DER SubjectPublicKeyInfo, 32 raw bytes for Ed25519, or certificates in PEM.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The key's id in metadata.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The id of the key alone, without a certificate around it: what docker and notary name private key files by, and what tells whether
    /// two keys are one. An unreadable certificate has none.
    #[must_use]
    pub fn canonical_id(&self) -> Option<KeyId> {
        let bare = match self.keytype {
            KeyType::EcdsaX509 => KeyType::Ecdsa,
            KeyType::RsaX509 => KeyType::Rsa,
            _ => return Some(self.id.clone()),
        };
        let public = certificate::first_public_key(&self.public)?;
        Some(KeyId::of(&bare, &public))
    }

    /// The key as the rest of this crate knows it.
    ///
    /// # Errors
    /// It is RSA, P-521 or of an unknown kind, or damaged.
    pub fn to_public_key(&self) -> Result<PublicKey, KeyError> {
        match Material::of(self) {
            Some(Material::Own(key)) => Ok(key),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// Reads a key as `GET …/timestamp.key` answers it.
    ///
    /// # Errors
    /// It is not JSON that everybody reads alike, or not a public key.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let value: Value = strict::parse(bytes, KEY_BYTES_MAX)?;
        Self::read(&value, "key")
    }

    /// When the certificate around the key ends, in milliseconds since 1970; a bare key does not end.
    #[must_use]
    pub fn certificate_end(&self) -> Option<i64> {
        let is_certificate = self.keytype.is_certificate();
        is_certificate.then(|| certificate::end(&self.public))?
    }

    /// Reads a key as metadata and `GET …/timestamp.key` write it.
    pub(super) fn read(value: &Value, at: &str) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["keytype", "keyval"])?;
        let keytype = KeyType::from(fields.text("keytype")?);
        let keyval = fields.value("keyval").unwrap_or(&Value::Null);
        let keyval = Fields::of(keyval, &fields.path("keyval"), &["public", "private"])?;
        if keyval.value("private").is_some() {
            return Err(keyval.fault(
                "private",
                "must be null: private keys stay with their owners",
            ));
        }
        Ok(Self::new(keytype, keyval.base64("public")?))
    }

    /// The key as `GET …/timestamp.key` answers it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "keytype": self.keytype.as_str(),
            "keyval": {"private": null, "public": to_base64(&self.public)},
        })
    }
}

impl From<&PublicKey> for Key {
    fn from(key: &PublicKey) -> Self {
        match key.algorithm() {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
                Self::new(KeyType::Ecdsa, key.as_der().to_vec())
            }
            Algorithm::Ed25519 => Self::new(KeyType::Ed25519, key.point().to_vec()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.keytype.as_str(), self.id)
    }
}

/// The kinds of keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// `ecdsa`: a DER SubjectPublicKeyInfo.
    Ecdsa,
    /// `ed25519`: 32 raw bytes.
    Ed25519,
    /// `rsa`: a DER SubjectPublicKeyInfo.
    Rsa,
    /// `ecdsa-x509`: certificates in PEM, the key's own first.
    EcdsaX509,
    /// `rsa-x509`: certificates in PEM, the key's own first.
    RsaX509,
    /// Another kind: it may be listed, and no signature counts for it.
    Other(Box<str>),
}

impl KeyType {
    /// Its name in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::RsaX509 => "rsa-x509",
            Self::Other(name) => name,
        }
    }

    /// True for keys inside certificates.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::EcdsaX509 | Self::RsaX509)
    }
}

impl From<&str> for KeyType {
    fn from(name: &str) -> Self {
        match name {
            "ecdsa" => Self::Ecdsa,
            "ed25519" => Self::Ed25519,
            "rsa" => Self::Rsa,
            "ecdsa-x509" => Self::EcdsaX509,
            "rsa-x509" => Self::RsaX509,
            other => Self::Other(other.into()),
        }
    }
}

/// The name of a key in a trust repository: lower-case hexadecimal SHA-256 of the key's canonical description.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Box<str>);

impl KeyId {
    fn of(keytype: &KeyType, public: &[u8]) -> Self {
        let mut text = String::from(r#"{"keytype":"#);
        write_string(keytype.as_str(), &mut text);
        // The empty private half is part of what is hashed.
        text.push_str(r#","keyval":{"private":null,"public":"#);
        write_string(&to_base64(public), &mut text);
        text.push_str("}}");
        Self(hex::encode(Sha256::digest(text)).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        parse_id(text).map(Self)
    }

    /// The id in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people to read.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
