//! The JSON in which podman and skopeo hand an OpenPGP signature to a registry: the "signatures" extension of OpenShift's registry,
//! `X-Registry-Supports-Signatures`. Deliberately only the JSON; what is in it is read in `message`.

use serde::{Deserialize, Serialize};

use super::message::read_within;
use super::{MESSAGE_BYTES_MAX, OpenPgpKey};
use crate::encoding::{from_base64, to_base64};
use crate::evidence::{Checks, Dated, Reading, Unreadable};
use crate::excerpt::excerpt;
use crate::strict::{self, JsonError};

/// The longest document that is read, in bytes: a message in base64, and its name.
pub const DOCUMENT_BYTES_MAX: usize = MESSAGE_BYTES_MAX * 4 / 3 + 4096;

/// A signature with the name that its writer gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The digest of the image, an at sign, and what tells it from others. A claim.
    pub name: String,
    /// The signed message.
    pub message: Vec<u8>,
}

impl Document {
    /// Reads the JSON. A field that is not known, a key that stands twice, and another type or version are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let wire: Wire = strict::parse(bytes, DOCUMENT_BYTES_MAX)?;
        if wire.schema_version != VERSION || wire.r#type != TYPE {
            return Err(DocumentError::Kind {
                version: wire.schema_version,
                kind: excerpt(&wire.r#type),
            });
        }
        let message = from_base64(&wire.content).ok_or(DocumentError::Base64)?;
        let name = wire.name;
        Ok(Self { name, message })
    }

    /// The JSON, one text for each value.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            schema_version: VERSION,
            name: self.name.clone(),
            r#type: TYPE.to_owned(),
            content: to_base64(&self.message),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

/// Reads a signature in its document; see [`read_openpgp_simple_signing`](super::read_openpgp_simple_signing).
#[must_use]
pub fn read_openpgp_document(bytes: &[u8], keys: &[OpenPgpKey], now: i64) -> Dated {
    read_openpgp_document_within(bytes, keys, now, &Checks::unlimited())
}

/// The same, with a budget.
#[must_use]
pub fn read_openpgp_document_within(
    bytes: &[u8],
    keys: &[OpenPgpKey],
    now: i64,
    checks: &Checks,
) -> Dated {
    match Document::parse(bytes) {
        Ok(document) => read_within(&document.message, keys, now, checks),
        Err(error) => Reading::unreadable(Unreadable::OpenPgp(error.to_string())).into(),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "schemaVersion")]
    schema_version: i64,
    name: String,
    r#type: String,
    content: String,
}

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not the JSON, or over a limit.
    #[error("the signature's document cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another version, or another kind of signature.
    #[error(
        "the signature's document is of version {version} and type `{kind}`: 2 and `atomic` are read"
    )]
    Kind {
        /// Its version.
        version: i64,
        /// Its type, shortened.
        kind: String,
    },
    /// The message is not base64.
    #[error("the signature's document holds no canonical base64")]
    Base64,
}

const VERSION: i64 = 2;
const TYPE: &str = "atomic";
