//! Succession: whoever holds an old key and a new one says that the new one takes its place. Both keys sign the same statement: the
//! old one so that nobody else names its successor, the new one so that nobody is given a key that they do not hold. Bound to one
//! server, one attempt, one principal and the two keys, as `possession` is, and like it with a payload type of its own: no other
//! signature of either key passes for it. Whether the old key may still name a successor is the caller's.

use serde::{Deserialize, Serialize};

use crate::dsse;
use crate::excerpt::excerpt;
use crate::key::KeyId;
use crate::openpgp::KeyFault;
use crate::possession::{CHALLENGE_BYTES_MAX, VALUE_BYTES_MAX};
use crate::private::{SignError, Signer};
use crate::registered::RegisteredKey;
use crate::strict::{self, JsonError};
use crate::verified::Verified;

/// The payload type of a succession.
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.succession.v1+json";

/// What both keys sign. The server that checks it must have made the nonce itself, and take it only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// The server that asks, as its clients know it.
    pub server: String,
    /// What the server made for this attempt alone.
    pub nonce: String,
    /// The principal whose keys they are.
    pub principal: String,
    /// The key that ends.
    pub old: KeyId,
    /// The key that takes its place.
    pub new: KeyId,
}

/// Which of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that ends.
    Old,
    /// The one that takes its place.
    New,
}

impl Side {
    /// `old` or `new`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

impl Succession {
    /// The bytes to sign.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        dsse::pae(PAYLOAD_TYPE, serde_json::json!(self).to_string().as_bytes())
    }

    /// Reads the bytes that a server asks to be signed, so that the signer sees what they say. Only bytes that
    /// [`Succession::to_bytes`] gives are taken.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuccessionError> {
        let start = bytes.iter().position(|byte| *byte == b'{');
        let json = start.and_then(|start| bytes.get(start..));
        let succession: Self = strict::parse(json.unwrap_or_default(), CHALLENGE_BYTES_MAX)?;
        if succession.to_bytes() != bytes {
            return Err(SuccessionError::Form);
        }
        Ok(succession)
    }

    /// Signs the statement with one of the two keys.
    pub fn sign(&self, side: Side, signer: &dyn Signer) -> Result<Vec<u8>, SuccessionError> {
        self.check(side, signer.public_key().id())?;
        Ok(signer.sign(&self.to_bytes())?)
    }

    /// The succession, if both keys signed it: as one that the old key vouches for. Of an OpenPGP key the signature is a detached one
    /// (`gpg --detach-sign`), judged at `now`, in milliseconds since the epoch.
    pub fn verify(
        &self,
        old: (&RegisteredKey, &[u8]),
        new: (&RegisteredKey, &[u8]),
        now: i64,
    ) -> Result<Verified<Self>, SuccessionError> {
        self.verify_one(Side::Old, old, now)?;
        self.verify_one(Side::New, new, now)?;
        Ok(Verified::new(self.clone(), old.0.id().clone()))
    }

    fn verify_one(
        &self,
        side: Side,
        (key, signature): (&RegisteredKey, &[u8]),
        now: i64,
    ) -> Result<(), SuccessionError> {
        self.check(side, key.id())?;
        let message = self.to_bytes();
        let (side, id) = (side.as_str(), key.id());
        match key {
            RegisteredKey::Plain(key) => key.verify(&message, signature).map_err(|_| {
                let key = id.clone();
                SuccessionError::Signature { side, key }
            }),
            RegisteredKey::OpenPgp(key) => {
                key.verify_detached(&message, signature, now)
                    .map_err(|why| {
                        let key = id.clone();
                        SuccessionError::OpenPgp { side, key, why }
                    })
            }
            RegisteredKey::Sigstore(_) | RegisteredKey::Notation(_) => {
                Err(SuccessionError::Identity { side })
            }
        }
    }

    fn check(&self, side: Side, given: &KeyId) -> Result<(), SuccessionError> {
        let named = match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        };
        if named != given {
            return Err(SuccessionError::OtherKey {
                side: side.as_str(),
                named: named.clone(),
                given: given.clone(),
            });
        }
        if self.old == self.new {
            return Err(SuccessionError::Same {
                key: self.old.clone(),
            });
        }
        for (name, value) in [
            ("server", &self.server),
            ("nonce", &self.nonce),
            ("principal", &self.principal),
        ] {
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                return Err(SuccessionError::Value {
                    name,
                    value: excerpt(value),
                });
            }
        }
        Ok(())
    }
}

/// Why a succession is not signed or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// It is a name in certificates.
    #[error(
        "the {side} key is an identity in certificates, which signs nothing of this kind: have another one registered"
    )]
    Identity {
        /// `old` or `new`.
        side: &'static str,
    },
    /// The statement names another key.
    #[error("the statement names `{named}` as the {side} key, not `{given}`: ask for a new one")]
    OtherKey {
        /// `old` or `new`.
        side: &'static str,
        /// The key that the statement names.
        named: KeyId,
        /// The key that was given.
        given: KeyId,
    },
    /// A key cannot succeed itself.
    #[error("the key `{key}` cannot take its own place: make a new one")]
    Same {
        /// The key.
        key: KeyId,
    },
    /// A part of the statement is missing or too long.
    #[error("the {name} of the statement, `{value}`, has not 1 to 1024 bytes")]
    Value {
        /// Which part.
        name: &'static str,
        /// What stands there, shortened.
        value: String,
    },
    /// The key did not sign this statement.
    #[error(
        "the {side} key `{key}` did not sign this statement: sign the new statement with both keys and send it again"
    )]
    Signature {
        /// `old` or `new`.
        side: &'static str,
        /// The key that should have signed.
        key: KeyId,
    },
    /// The OpenPGP key did not sign this statement, or must not sign.
    #[error("the statement is said to be signed by the {side} openpgp key `{key}`, {why}")]
    OpenPgp {
        /// `old` or `new`.
        side: &'static str,
        /// The key that should have signed.
        key: KeyId,
        /// What is wrong.
        why: KeyFault,
    },
    /// Bytes that hold a statement in another form than this version writes.
    #[error(
        "the bytes to sign are not a succession of this version: update the client or the server"
    )]
    Form,
    /// Bytes that hold no statement.
    #[error("the bytes to sign are not a succession: {0}")]
    Json(#[from] JsonError),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

#[cfg(test)]
mod tests;
