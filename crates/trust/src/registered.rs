//! What people and robots register to be known by: public keys of the plain kinds, OpenPGP keys with their subkeys, and names in
//! certificates, of sigstore or of notation. Deliberately no private half, and no word on whose it is.

mod notation;
mod sigstore;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ends::End;
use crate::key::{KeyError, KeyId, PublicKey};
use crate::notation::{IdentityError, StoreError};
use crate::openpgp::{OpenPgpKey, OpenPgpKeyError};
use crate::strict::{self, JsonError};

pub use notation::{NotationCertificates, NotationIdentity};
pub use sigstore::SigstoreIdentity;
use sigstore::{SIGSTORE_PATTERN_BYTES_MAX, SIGSTORE_WILDCARDS_MAX};

/// The longest text of an identity, in bytes.
const IDENTITY_TEXT_BYTES_MAX: usize = 256 * 1024;

/// A public key or an identity of any kind that people register.
#[derive(Clone, PartialEq, Eq)]
pub enum RegisteredKey {
    /// ECDSA or Ed25519, by itself.
    Plain(PublicKey),
    /// OpenPGP: whoever has the primary key says which subkeys sign for it.
    OpenPgp(Box<OpenPgpKey>),
    /// Whoever an authority of the sigstore root gives certificates with this name.
    Sigstore(Box<SigstoreIdentity>),
    /// Whoever has certificates of these authorities with this subject.
    Notation(Box<NotationIdentity>),
}

impl RegisteredKey {
    /// Reads one public key: PEM `PUBLIC KEY`, or an OpenPGP key in armour; or one line of JSON, an identity.
    pub fn parse(text: &str) -> Result<Self, RegisteredKeyError> {
        let line = text.trim_ascii_end();
        let is_of = |kind: &str| line.starts_with(&format!("{{\"type\":\"{kind}\""));
        if is_of(sigstore::TYPE) {
            return Ok(Self::Sigstore(Box::new(SigstoreIdentity::parse(line)?)));
        }
        if is_of(notation::TYPE) {
            return Ok(Self::Notation(Box::new(NotationIdentity::parse(line)?)));
        }
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
            Self::Sigstore(identity) => identity.id(),
            Self::Notation(identity) => identity.id(),
        }
    }

    /// The key as [`RegisteredKey::parse`] reads it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Plain(key) => key.to_pem(),
            Self::OpenPgp(key) => key.to_armour().to_owned(),
            Self::Sigstore(identity) => identity.to_text().to_owned(),
            Self::Notation(identity) => identity.to_text().to_owned(),
        }
    }

    /// Whether it is a name in certificates, which has no private half to prove: it is the authority's word that counts.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        match self {
            Self::Plain(_) | Self::OpenPgp(_) => false,
            Self::Sigstore(_) | Self::Notation(_) => true,
        }
    }

    /// What it is, for people: `ecdsa-p256`, `openpgp` with its fingerprint, or who is meant.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Plain(key) => key.algorithm().to_string(),
            Self::OpenPgp(key) => format!("openpgp {}", key.fingerprint()),
            Self::Sigstore(identity) => {
                let rule = identity.rule();
                let (subject, issuer) = (rule.subject.as_str(), rule.issuer.as_str());
                format!("sigstore {subject} by {issuer}")
            }
            Self::Notation(identity) => format!("notation {}", identity.describe()),
        }
    }

    /// When it stops being good for new signatures, unless it is registered anew, as far as it says so itself: of an OpenPGP key, when no
    /// part of it may sign any more, as it stands at `now` (milliseconds since the epoch); of a signer with notation, the end of each
    /// certificate that is registered. A plain key has no end, and a name at sigstore none of its own.
    #[must_use]
    pub fn ends(&self, now: i64) -> Vec<End> {
        match self {
            Self::Plain(_) | Self::Sigstore(_) => Vec::new(),
            Self::OpenPgp(key) => {
                let end = key.ends_at(now).map(|at| End {
                    at,
                    part: "the key".to_owned(),
                });
                end.into_iter().collect()
            }
            Self::Notation(identity) => identity.ends(),
        }
    }

    /// The key, if it is a plain one.
    #[must_use]
    pub fn plain(&self) -> Option<&PublicKey> {
        match self {
            Self::Plain(key) => Some(key),
            Self::OpenPgp(_) | Self::Sigstore(_) | Self::Notation(_) => None,
        }
    }

    /// The key, if it is one of OpenPGP.
    #[must_use]
    pub fn openpgp(&self) -> Option<&OpenPgpKey> {
        match self {
            Self::OpenPgp(key) => Some(key),
            Self::Plain(_) | Self::Sigstore(_) | Self::Notation(_) => None,
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
            Self::Sigstore(identity) => identity.fmt(f),
            Self::Notation(identity) => identity.fmt(f),
        }
    }
}

/// One line of JSON, its fields in the order of the struct.
fn to_line<T: Serialize>(wire: &T) -> String {
    #[expect(
        clippy::expect_used,
        reason = "INVARIANT: text keys and plain values, written to memory, cannot fail"
    )]
    serde_json::to_string(wire).expect("texts can be written")
}

/// What [`to_line`] wrote of an identity, read back, and no other spelling of it than the identity's own: its id is the hash of its text.
fn from_line<T: DeserializeOwned, I>(
    line: &str,
    new: impl FnOnce(T) -> Result<I, IdentityTextError>,
    to_text: impl FnOnce(&I) -> &str,
) -> Result<I, IdentityTextError> {
    let wire = strict::parse(line.as_bytes(), IDENTITY_TEXT_BYTES_MAX)?;
    let identity = new(wire)?;
    match to_text(&identity) == line {
        true => Ok(identity),
        false => Err(IdentityTextError::Spelling),
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
    /// Not an identity that is taken.
    #[error(transparent)]
    Identity(#[from] IdentityTextError),
}

/// Why something is no identity that can be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityTextError {
    /// Not the JSON that is needed.
    #[error("it is not the text of an identity: {0}")]
    Json(#[from] JsonError),
    /// Another spelling than the one of the id.
    #[error(
        "the identity is not written as this program writes it, on one line with its fields in order"
    )]
    Spelling,
    /// An issuer or a name that says nothing, or too much.
    #[error(
        "the {part} of the identity must be of letters, at most {SIGSTORE_PATTERN_BYTES_MAX} bytes without spaces, \
         with at most {SIGSTORE_WILDCARDS_MAX} `*`, and not of `*` alone: that would be everybody"
    )]
    Pattern {
        /// `issuer` or `subject`.
        part: &'static str,
    },
    /// No subject, and no single certificate that stands for itself.
    #[error(
        "say whom of the authority: a subject such as `x509.subject: C=US, ST=WA, O=example, CN=maria`; \
         only one self-signed certificate that is no authority stands for itself"
    )]
    Subject,
    /// Not a subject that is read.
    #[error(transparent)]
    Name(#[from] IdentityError),
    /// Not certificates that are taken.
    #[error(transparent)]
    Certificates(#[from] StoreError),
}

#[cfg(test)]
mod tests;
