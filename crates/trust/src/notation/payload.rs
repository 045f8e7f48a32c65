//! What a signature is about: the descriptor of one artifact. Deliberately no repository and no tag, which a Notary Project
//! signature does not name. signature-specification "Payload".

use oci::Descriptor;
use serde::{Deserialize, Serialize};

use crate::strict::{self, JsonError};

/// The longest payload that is read, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: strict::Object<Descriptor>,
}

/// Reads a payload: the artifact that is signed.
pub fn parse(bytes: &[u8]) -> Result<Descriptor, PayloadError> {
    let payload: Payload = strict::parse(bytes, PAYLOAD_BYTES_MAX)?;
    let artifact = payload.target_artifact.0;
    // "Descriptor MUST contain mediaType, digest, and size fields."
    if artifact.media_type.is_empty() {
        return Err(PayloadError::MediaType);
    }
    Ok(artifact)
}

/// Writes the payload of an artifact: its media type, digest, size in bytes, annotations and artifact type.
#[must_use]
pub fn build(artifact: &Descriptor) -> Vec<u8> {
    let target_artifact = Descriptor {
        annotations: artifact.annotations.clone(),
        artifact_type: artifact.artifact_type.clone(),
        ..Descriptor::new(&artifact.media_type, artifact.digest.clone(), artifact.size)
    };
    let payload = Payload {
        target_artifact: strict::Object(target_artifact),
    };
    #[expect(
        clippy::expect_used,
        reason = "INVARIANT: text keys and plain values, written to memory, cannot fail"
    )]
    serde_json::to_vec(&payload).expect("a descriptor can be written")
}

/// Whether a payload's artifact is this one: type, digest and size.
#[must_use]
pub fn is_about(payload: &Descriptor, artifact: &Descriptor) -> bool {
    payload.digest == artifact.digest
        && payload.size == artifact.size
        && payload.media_type == artifact.media_type
}

/// Why bytes are not a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not the JSON that is needed.
    #[error("its payload is not the descriptor of an artifact: {0}")]
    Json(#[from] JsonError),
    /// No media type.
    #[error("its payload names no media type")]
    MediaType,
}
