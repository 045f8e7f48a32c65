//! Proof of possession: a person who registers a key shows that they hold its private half. Deliberately bound to one
//! server, one attempt, one principal and one key, so that a proof cannot be used for another registration, and no
//! other signature can be used as a proof. The signed bytes are a DSSE pre-authentication encoding with a payload type
//! of its own.

use serde::{Deserialize, Serialize};

use crate::dsse;
use crate::excerpt::excerpt;
use crate::key::{KeyId, PublicKey};
use crate::openpgp::KeyFault;
use crate::private::{SignError, Signer};
use crate::registered::RegisteredKey;
use crate::strict::{self, JsonError};
use crate::verified::Verified;

/// The payload type of a proof.
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.possession.v1+json";
/// The longest value of a challenge, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024;
/// The longest challenge that is read, in bytes.
pub const CHALLENGE_BYTES_MAX: usize = 16 * 1024;

/// What is to be signed. The server that checks the proof must have made the nonce itself, and take it only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The server that asks, as its clients know it.
    pub server: String,
    /// What the server made for this attempt alone.
    pub nonce: String,
    /// The principal that the key shall belong to.
    pub principal: String,
    /// The key that is registered.
    pub key: KeyId,
}

impl Challenge {
    /// The bytes to sign.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        dsse::pae(PAYLOAD_TYPE, serde_json::json!(self).to_string().as_bytes())
    }

    /// Reads the bytes that a server asks to be signed, so that the signer sees what they say. Only
    /// bytes that [`Challenge::to_bytes`] gives are taken; compare server, principal and key before
    /// signing.
    pub fn parse(bytes: &[u8]) -> Result<Self, PossessionError> {
        let start = bytes.iter().position(|byte| *byte == b'{');
        let json = start.and_then(|start| bytes.get(start..));
        let challenge: Self = strict::parse(json.unwrap_or_default(), CHALLENGE_BYTES_MAX)?;
        if challenge.to_bytes() != bytes {
            return Err(PossessionError::Form);
        }
        Ok(challenge)
    }

    /// Signs the challenge with the key that it names.
    pub fn prove(&self, signer: &dyn Signer) -> Result<Vec<u8>, PossessionError> {
        self.check(signer.public_key().id())?;
        Ok(signer.sign(&self.to_bytes())?)
    }

    /// The challenge, if the key that it names signed it.
    pub fn verify(
        &self,
        signature: &[u8],
        key: &PublicKey,
    ) -> Result<Verified<Self>, PossessionError> {
        self.check(key.id())?;
        key.verify(&self.to_bytes(), signature)
            .map_err(|_| PossessionError::Signature {
                key: key.id().clone(),
            })?;
        Ok(Verified::new(self.clone(), key.id().clone()))
    }

    /// The same for a key of any kind; of an OpenPGP key the proof is a detached signature (`gpg --detach-sign`), judged at `now`, in
    /// milliseconds since the epoch.
    pub fn verify_any(
        &self,
        signature: &[u8],
        key: &RegisteredKey,
        now: i64,
    ) -> Result<Verified<Self>, PossessionError> {
        let key = match key {
            RegisteredKey::Plain(key) => return self.verify(signature, key),
            RegisteredKey::OpenPgp(key) => key,
            RegisteredKey::Sigstore(_) | RegisteredKey::Notation(_) => {
                return Err(PossessionError::Identity);
            }
        };
        self.check(key.id())?;
        let verified = key.verify_detached(&self.to_bytes(), signature, now);
        verified.map_err(|why| PossessionError::OpenPgp {
            key: key.id().clone(),
            why,
        })?;
        Ok(Verified::new(self.clone(), key.id().clone()))
    }

    fn check(&self, key: &KeyId) -> Result<(), PossessionError> {
        if *key != self.key {
            return Err(PossessionError::OtherKey {
                named: self.key.clone(),
                given: key.clone(),
            });
        }
        for (name, value) in [
            ("server", &self.server),
            ("nonce", &self.nonce),
            ("principal", &self.principal),
        ] {
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                return Err(PossessionError::Value {
                    name,
                    value: excerpt(value),
                });
            }
        }
        Ok(())
    }
}

/// The bytes that prove possession of a key when it signs them; [`Challenge::to_bytes`] in one call.
#[must_use]
pub fn challenge_bytes(server: &str, nonce: &str, principal: &str, key: &KeyId) -> Vec<u8> {
    let challenge = Challenge {
        server: server.to_owned(),
        nonce: nonce.to_owned(),
        principal: principal.to_owned(),
        key: key.clone(),
    };
    challenge.to_bytes()
}

/// Whether these bytes are a challenge for this key and nothing else: what a client asks before it
/// signs what a server sent.
#[must_use]
pub fn is_challenge_for(bytes: &[u8], key: &KeyId) -> bool {
    Challenge::parse(bytes).is_ok_and(|challenge| challenge.key == *key)
}

/// Why a proof is not made or does not prove.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PossessionError {
    /// It is a name in certificates.
    #[error("an identity in certificates has no private half: it is registered without a proof")]
    Identity,
    /// The challenge is for another key.
    #[error("the challenge is for the key `{named}`, not for `{given}`: ask for a new one")]
    OtherKey {
        /// The key that the challenge names.
        named: KeyId,
        /// The key that was given.
        given: KeyId,
    },
    /// A part of the challenge is missing or too long.
    #[error("the {name} of the challenge, `{value}`, has not 1 to 1024 bytes")]
    Value {
        /// Which part.
        name: &'static str,
        /// What stands there, shortened.
        value: String,
    },
    /// The key did not sign this challenge.
    #[error(
        "the proof was not made with the key `{key}` over this challenge: sign the new challenge and send it again"
    )]
    Signature {
        /// The key that should have signed.
        key: KeyId,
    },
    /// The OpenPGP key did not sign this challenge, or must not sign.
    #[error("the proof is said to be by the openpgp key `{key}`, {why}")]
    OpenPgp {
        /// The key that should have signed.
        key: KeyId,
        /// What is wrong.
        why: KeyFault,
    },
    /// Bytes that hold a challenge in another form than this version writes.
    #[error(
        "the bytes to sign are not a challenge of this version: update the client or the server"
    )]
    Form,
    /// Bytes that hold no challenge.
    #[error("the bytes to sign are not a challenge: {0}")]
    Json(#[from] JsonError),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

#[cfg(test)]
mod tests;
