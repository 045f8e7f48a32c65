//! The Dead Simple Signing Envelope: a payload with its type, both signed. Deliberately no verification that leaves the
//! type to the caller's memory: `verify` is told which type it must be. DSSE v1.0.2, protocol and envelope.

use serde::{Deserialize, Serialize};

use crate::encoding::{from_either_base64, to_base64};
use crate::excerpt::excerpt;
use crate::key::{KeyId, PublicKey};
use crate::private::{SignError, Signer};
use crate::strict::{self, JsonError, Object};
use crate::verified::Verified;

/// The longest envelope that is read, in bytes of JSON.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most signatures that an envelope may carry.
pub const SIGNATURES_MAX: usize = 16;
/// The longest payload type, in bytes.
pub const PAYLOAD_TYPE_BYTES_MAX: usize = 256;

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = oci::media::IN_TOTO;

/// A payload, its type, and signatures over both. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is, usually a media type; signed.
    pub payload_type: String,
    /// The payload, as it was signed.
    pub payload: Vec<u8>,
    /// The signatures, at least one.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Which key made it, as the writer says: not signed, only a hint.
    pub keyid: Option<String>,
    /// The signature's bytes.
    pub sig: Vec<u8>,
}

impl Envelope {
    /// Reads an envelope's JSON. Unknown fields are ignored, as the specification asks; a field given twice is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, DsseError> {
        let wire: Wire = strict::parse(bytes, ENVELOPE_BYTES_MAX)?;
        Self::try_from(wire)
    }

    /// The envelope as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(Wire::from(self)).to_string()
    }

    /// Signs a payload of a type; the one signature names its key.
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        signer: &dyn Signer,
    ) -> Result<Self, DsseError> {
        check_type(payload_type)?;
        let sig = signer.sign(&pae(payload_type, &payload))?;
        let keyid = Some(signer.public_key().id().to_string());
        Ok(Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: vec![Signature { keyid, sig }],
        })
    }

    /// The payload, if it is of this type and one of the signatures is this key's. What a signature says in `keyid` is
    /// not looked at.
    pub fn verify(
        &self,
        payload_type: &str,
        key: &PublicKey,
    ) -> Result<Verified<Vec<u8>>, DsseError> {
        if self.payload_type != payload_type {
            let found = excerpt(&self.payload_type);
            return Err(DsseError::Type {
                found,
                wanted: payload_type.to_owned(),
            });
        }
        if !self.is_signed_by(key) {
            return Err(DsseError::Signature {
                key: key.id().clone(),
            });
        }
        Ok(Verified::new(self.payload.clone(), key.id().clone()))
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = pae(&self.payload_type, &self.payload);
        self.signatures
            .iter()
            .take(SIGNATURES_MAX)
            .any(|signature| key.verify(&message, &signature.sig).is_ok())
    }
}

/// The bytes that are signed: type and payload, each behind its length. DSSE protocol, "Signature Definition".
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

/// The JSON form, shared with sigstore bundles.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<Object<WireSignature>>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    sig: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
}

impl TryFrom<Wire> for Envelope {
    type Error = DsseError;

    fn try_from(wire: Wire) -> Result<Self, DsseError> {
        check_type(&wire.payload_type)?;
        if wire.signatures.is_empty() {
            return Err(DsseError::NoSignature);
        }
        if wire.signatures.len() > SIGNATURES_MAX {
            return Err(DsseError::TooManySignatures {
                count: wire.signatures.len(),
            });
        }
        let payload = from_either_base64(&wire.payload).ok_or(DsseError::Base64("payload"))?;
        let signatures = wire
            .signatures
            .into_iter()
            .map(|signature| signature.0.try_into())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            payload_type: wire.payload_type,
            payload,
            signatures,
        })
    }
}

impl TryFrom<WireSignature> for Signature {
    type Error = DsseError;

    fn try_from(wire: WireSignature) -> Result<Self, DsseError> {
        let sig = from_either_base64(&wire.sig)
            .filter(|sig| !sig.is_empty())
            .ok_or(DsseError::Base64("signature"))?;
        Ok(Self {
            keyid: wire.keyid.filter(|id| !id.is_empty()),
            sig,
        })
    }
}

impl From<&Envelope> for Wire {
    fn from(envelope: &Envelope) -> Self {
        let signature = |signature: &Signature| {
            Object(WireSignature {
                sig: to_base64(&signature.sig),
                keyid: signature.keyid.clone(),
            })
        };
        Self {
            payload: to_base64(&envelope.payload),
            payload_type: envelope.payload_type.clone(),
            signatures: envelope.signatures.iter().map(signature).collect(),
        }
    }
}

fn check_type(payload_type: &str) -> Result<(), DsseError> {
    if payload_type.is_empty() || payload_type.len() > PAYLOAD_TYPE_BYTES_MAX {
        return Err(DsseError::TypeForm(excerpt(payload_type)));
    }
    Ok(())
}

/// Why an envelope is not read, not made or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsseError {
    /// Not the JSON of an envelope, or over a limit.
    #[error("the envelope cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Payload or signature are not canonical base64, or the signature is empty.
    #[error("the envelope's {0} is not canonical base64")]
    Base64(&'static str),
    /// The payload type is empty or too long.
    #[error("`{0}` is not a payload type: it has 1 to 256 bytes")]
    TypeForm(String),
    /// Nobody signed.
    #[error("the envelope carries no signature")]
    NoSignature,
    /// More than [`SIGNATURES_MAX`].
    #[error("limit exceeded: the envelope carries {count} signatures, at most {max} are read", max = SIGNATURES_MAX)]
    TooManySignatures {
        /// How many there are.
        count: usize,
    },
    /// The payload is something else than what was asked for.
    #[error("the signed payload is `{found}`, not `{wanted}`")]
    Type {
        /// The type in the envelope, shortened.
        found: String,
        /// The type asked for.
        wanted: String,
    },
    /// No signature of the envelope is this key's.
    #[error("no signature in the envelope was made with the key `{key}` over this payload")]
    Signature {
        /// The key that was tried.
        key: KeyId,
    },
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

#[cfg(test)]
mod tests;
