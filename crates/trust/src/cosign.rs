//! What cosign signs: simple-signing payloads (`.sig` tags), and the predicate of its bundles. Deliberately only the
//! payload; the signature beside it and the manifest around it are read elsewhere. cosign `SIGNATURE_SPEC.md`.

use std::collections::BTreeMap;

use oci::{Digest, ImageReference};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::encoding::to_base64;
use crate::excerpt::excerpt;
use crate::private::{SignError, Signer};
use crate::statement::{Statement, Subject};
use crate::strict::{self, JsonError, Object};

/// The predicate type of the statement in a bundle that `cosign sign` makes.
pub const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
/// The annotation by which a cosign signature names a stage: `cosign sign -a dev.countersign.stage=ci …`.
pub const STAGE_ANNOTATION: &str = "dev.countersign.stage";
/// The annotation that sets an act of signing apart from the next one, where the format has no field for it; says nothing.
pub const NONCE_ANNOTATION: &str = "dev.countersign.nonce";
/// The longest payload that is read, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A simple-signing payload.
#[derive(Debug, Clone, PartialEq)]
pub struct SimpleSigning {
    /// The image as its signer named it; absent where the payload leaves it empty.
    pub docker_reference: Option<ImageReference>,
    /// The manifest that was signed.
    pub digest: Digest,
    /// What the signer added.
    pub optional: BTreeMap<String, Value>,
}

impl SimpleSigning {
    /// Reads a payload of cosign. A key that stands twice and an unknown field outside `optional` are refused.
    pub fn parse(payload: &[u8]) -> Result<Self, PayloadError> {
        Self::parse_as(TYPE, payload)
    }

    /// Reads a payload as podman and skopeo sign it, which differs in its type; containers-signature(5).
    pub fn parse_containers(payload: &[u8]) -> Result<Self, PayloadError> {
        Self::parse_as(CONTAINERS_TYPE, payload)
    }

    fn parse_as(wanted: &'static str, payload: &[u8]) -> Result<Self, PayloadError> {
        let wire: Wire = strict::parse(payload, PAYLOAD_BYTES_MAX)?;
        let Object(Critical {
            identity: Object(identity),
            image: Object(image),
            r#type,
        }) = wire.critical;
        if r#type != wanted {
            return Err(PayloadError::Type {
                found: excerpt(&r#type),
                wanted,
            });
        }
        let text = image.docker_manifest_digest;
        let digest = Digest::parse(&text).map_err(|_| PayloadError::Digest(excerpt(&text)))?;
        let docker_reference = parse_reference(&identity.docker_reference)?;
        let names_other = docker_reference
            .as_ref()
            .and_then(|reference| reference.digest.as_ref());
        if let Some(other) = names_other.filter(|other| **other != digest) {
            return Err(PayloadError::TwoDigests {
                reference: other.clone(),
                image: digest,
            });
        }
        Ok(Self {
            docker_reference,
            digest,
            optional: wire.optional.unwrap_or_default().into_iter().collect(),
        })
    }

    /// The payload and its signature in base64, which stands beside it in a layer's annotation.
    pub fn sign(&self, signer: &dyn Signer) -> Result<(Vec<u8>, String), SignError> {
        let payload = self.to_bytes();
        let signature = signer.sign(&payload)?;
        Ok((payload, to_base64(&signature)))
    }

    /// The payload, byte for byte as cosign would write it for these values.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let reference = self
            .docker_reference
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let optional: Map<String, Value> = self.optional.clone().into_iter().collect();
        let wire = Wire {
            critical: Object(Critical {
                identity: Object(Identity {
                    docker_reference: reference,
                }),
                image: Object(Image {
                    docker_manifest_digest: self.digest.to_string(),
                }),
                r#type: TYPE.to_owned(),
            }),
            optional: (!optional.is_empty()).then_some(optional),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

/// The statement of a bundle as `cosign sign` makes it, to be signed: an empty predicate, and what the signer adds as annotations of
/// the subject. `image` names the repository with its host, as cosign's attestations do.
#[must_use]
pub fn statement(
    digest: &Digest,
    image: &ImageReference,
    annotations: BTreeMap<String, Value>,
) -> Statement {
    let subject = Subject {
        name: image.to_string(),
        digest: digest.clone(),
        annotations,
    };
    Statement {
        subjects: vec![subject],
        predicate_type: SIGN_PREDICATE.to_owned(),
        predicate: Value::Object(Map::new()),
    }
}

fn parse_reference(text: &str) -> Result<Option<ImageReference>, PayloadError> {
    if text.is_empty() {
        return Ok(None);
    }
    ImageReference::parse(text)
        .map(Some)
        .map_err(|_| PayloadError::Reference(excerpt(text)))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    critical: Object<Critical>,
    optional: Option<Map<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Object<Identity>,
    image: Object<Image>,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Why a payload is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not the JSON of a payload, or over a limit.
    #[error("the signature's payload cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another kind of simple signing.
    #[error("the signature's payload is a `{found}`, not a `{wanted}`")]
    Type {
        /// What it says that it is, shortened.
        found: String,
        /// What it must be here.
        wanted: &'static str,
    },
    /// Not a digest.
    #[error("the signature's payload names `{0}`, which is not a digest of an image")]
    Digest(String),
    /// Not a reference.
    #[error("the signature's payload names `{0}`, which is not an image reference")]
    Reference(String),
    /// Identity and image disagree.
    #[error(
        "the signature's payload names two digests: `{reference}` as its identity, `{image}` as its image"
    )]
    TwoDigests {
        /// The digest in the identity.
        reference: Digest,
        /// The digest of the image.
        image: Digest,
    },
}

const TYPE: &str = "cosign container image signature";
const CONTAINERS_TYPE: &str = "atomic container signature";

#[cfg(test)]
mod tests;
