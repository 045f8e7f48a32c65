//! Sigstore bundles: one signature with what is needed to check it. Read in versions 0.1 to 0.3, written in 0.3 and
//! made with a key. Deliberately nothing verified: certificates, log entries and timestamps are carried along, and
//! `sigstore` judges them. protobuf-specs `sigstore_bundle.proto`, JSON form.

use oci::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::dsse::{self, DsseError, Envelope};
use crate::encoding::from_either_base64;
use crate::excerpt::excerpt;
use crate::key::{BadSignature, KeyId, PublicKey};
use crate::private::Signer;
use crate::statement::Statement;
use crate::strict::{self, JsonError, Object};
use crate::verified::Verified;

mod log;

pub use log::{InclusionProof, LogEntry};

/// The longest bundle that is read, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most certificates that a bundle may carry.
pub const CERTIFICATES_MAX: usize = 10;
/// The most log entries that a bundle may carry.
pub const LOG_ENTRIES_MAX: usize = 16;
/// The most timestamps that a bundle may carry.
pub const TIMESTAMPS_MAX: usize = 16;

/// A bundle. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    media_type: String,
    material: Material,
    log_entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
    content: Content,
}

/// What a bundle offers to check its signature with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A key that the reader must already have.
    PublicKey {
        /// Which key, as the writer says; not signed. Empty hints are absent.
        hint: Option<String>,
    },
    /// Certificates in DER, at least one, the signer's own first; as keyless signing makes them.
    Certificates(Vec<Vec<u8>>),
}

/// What a bundle's signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A DSSE envelope with exactly one signature.
    Envelope(Envelope),
    /// A file that is not in the bundle.
    MessageSignature(MessageSignature),
}

/// A signature over a file, as `cosign sign-blob` makes it. It says nothing about images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    /// The file's SHA-256 as the writer says, if it does; not signed.
    pub digest: Option<Vec<u8>>,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

impl Bundle {
    /// Reads a bundle. Unknown fields, fields given twice, two kinds of content or of key material, and an envelope
    /// with any number of signatures but one are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let wire: Wire = strict::parse(bytes, BUNDLE_BYTES_MAX)?;
        if !MEDIA_TYPES.contains(&wire.media_type.as_str()) {
            return Err(BundleError::MediaType(excerpt(&wire.media_type)));
        }
        let Object(material) = wire.verification_material;
        let Read {
            material,
            log_entries,
            timestamps,
        } = material.read()?;
        let content = match (wire.dsse_envelope, wire.message_signature) {
            (Some(Object(envelope)), None) => Content::Envelope(one_signature(envelope)?),
            (None, Some(Object(signature))) => Content::MessageSignature(signature.try_into()?),
            _ => return Err(BundleError::Content),
        };
        Ok(Self {
            media_type: wire.media_type,
            material,
            log_entries,
            timestamps,
            content,
        })
    }

    /// Signs a statement and puts it in a bundle of version 0.3 that names the key as cosign does.
    pub fn sign(statement: &Statement, signer: &dyn Signer) -> Result<Self, BundleError> {
        let mut envelope = Envelope::sign(dsse::IN_TOTO, statement.to_bytes(), signer)?;
        // Sigstore clients name the key once, in the hint.
        for signature in &mut envelope.signatures {
            signature.keyid = None;
        }
        Ok(Self::new(envelope, signer.public_key().id()))
    }

    /// A bundle of version 0.3 around an envelope that this key signed.
    fn new(envelope: Envelope, key: &KeyId) -> Self {
        let material = Material::PublicKey {
            hint: Some(key.to_hint()),
        };
        Self {
            media_type: MEDIA_TYPE.to_owned(),
            material,
            log_entries: Vec::new(),
            timestamps: Vec::new(),
            content: Content::Envelope(envelope),
        }
    }

    /// The bundle's own media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// What it offers to check its signature with.
    #[must_use]
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// What transparency logs say about its signature; not verified.
    #[must_use]
    pub fn log_entries(&self) -> &[LogEntry] {
        &self.log_entries
    }

    /// Timestamps of RFC 3161 over its signature, in DER; not verified.
    #[must_use]
    pub fn timestamps(&self) -> &[Vec<u8>] {
        &self.timestamps
    }

    /// Whether it is of version 0.1, in which an inclusion promise stands for an inclusion proof.
    #[must_use]
    pub fn is_v01(&self) -> bool {
        self.media_type == MEDIA_TYPE_V01
    }

    /// The bytes of its one signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        match &self.content {
            Content::Envelope(envelope) => envelope
                .signatures
                .first()
                .map(|signature| signature.sig.as_slice())
                .unwrap_or_default(),
            Content::MessageSignature(message) => &message.signature,
        }
    }

    /// What its signature is over.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its envelope, if that is what it holds.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.content {
            Content::Envelope(envelope) => Some(envelope),
            Content::MessageSignature(_) => None,
        }
    }

    /// Its signature over a file, if that is what it holds.
    #[must_use]
    pub fn message_signature(&self) -> Option<&MessageSignature> {
        match &self.content {
            Content::Envelope(_) => None,
            Content::MessageSignature(signature) => Some(signature),
        }
    }

    /// The bundle as JSON; none for bundles that this version reads but does not write.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        let (Content::Envelope(envelope), Material::PublicKey { hint }) =
            (&self.content, &self.material)
        else {
            return None;
        };
        let written = Written {
            media_type: &self.media_type,
            verification_material: WrittenMaterial {
                public_key: WireKey {
                    hint: hint.clone().unwrap_or_default(),
                },
            },
            dsse_envelope: dsse::Wire::from(envelope),
        };
        serde_json::to_string(&written).ok()
    }
}

impl MessageSignature {
    /// The digest of the file, if this key signed it.
    pub fn verify(&self, file: &[u8], key: &PublicKey) -> Result<Verified<Digest>, BadSignature> {
        let says_otherwise =
            |says: &Vec<u8>| says.as_slice() != sha2::Sha256::digest(file).as_slice();
        if self.digest.as_ref().is_some_and(says_otherwise) {
            return Err(BadSignature);
        }
        key.verify(file, &self.signature)?;
        Ok(Verified::new(Digest::sha256(file), key.id().clone()))
    }
}

fn one_signature(wire: dsse::Wire) -> Result<Envelope, BundleError> {
    let envelope = Envelope::try_from(wire)?;
    match envelope.signatures.len() {
        1 => Ok(envelope),
        count => Err(BundleError::Signatures { count }),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    media_type: String,
    verification_material: Object<WireMaterial>,
    dsse_envelope: Option<Object<dsse::Wire>>,
    message_signature: Option<Object<WireMessage>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireMaterial {
    public_key: Option<Object<WireKey>>,
    x509_certificate_chain: Option<Object<WireChain>>,
    certificate: Option<Object<WireCertificate>>,
    tlog_entries: Option<Vec<Object<log::WireEntry>>>,
    timestamp_verification_data: Option<Object<WireTimestamps>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChain {
    certificates: Vec<Object<WireCertificate>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireCertificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireTimestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<Object<WireTimestamp>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireTimestamp {
    signed_timestamp: String,
}

struct Read {
    material: Material,
    log_entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
}

impl WireMaterial {
    fn read(self) -> Result<Read, BundleError> {
        let certificates = |list: Vec<Object<WireCertificate>>| {
            check_count(list.len(), "certificates", CERTIFICATES_MAX)?;
            let bytes = |Object(certificate): Object<WireCertificate>| {
                from_either_base64(&certificate.raw_bytes)
                    .filter(|bytes| !bytes.is_empty())
                    .ok_or(BundleError::Base64("certificate"))
            };
            list.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()
        };
        let material = match (
            self.public_key,
            self.x509_certificate_chain,
            self.certificate,
        ) {
            (Some(Object(key)), None, None) => Material::PublicKey {
                hint: Some(key.hint).filter(|hint| !hint.is_empty()),
            },
            (None, Some(Object(chain)), None) if !chain.certificates.is_empty() => {
                Material::Certificates(certificates(chain.certificates)?)
            }
            (None, None, Some(one)) => Material::Certificates(certificates(vec![one])?),
            _ => return Err(BundleError::Material),
        };
        let entries = self.tlog_entries.unwrap_or_default();
        check_count(entries.len(), "log entries", LOG_ENTRIES_MAX)?;
        let entry = |Object(entry): Object<log::WireEntry>| LogEntry::try_from(entry);
        let log_entries = entries.into_iter().map(entry).collect::<Result<_, _>>()?;
        let timestamps = self
            .timestamp_verification_data
            .map(|Object(data)| data.rfc3161_timestamps)
            .unwrap_or_default();
        check_count(timestamps.len(), "timestamps", TIMESTAMPS_MAX)?;
        let timestamp = |Object(timestamp): Object<WireTimestamp>| {
            from_either_base64(&timestamp.signed_timestamp).ok_or(BundleError::Base64("timestamp"))
        };
        let timestamps = timestamps
            .into_iter()
            .map(timestamp)
            .collect::<Result<_, _>>()?;
        Ok(Read {
            material,
            log_entries,
            timestamps,
        })
    }
}

fn check_count(count: usize, what: &'static str, max: usize) -> Result<(), BundleError> {
    if count > max {
        Err(BundleError::Limit { what, max })
    } else {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireMessage {
    message_digest: Option<Object<WireDigest>>,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDigest {
    algorithm: String,
    digest: String,
}

impl TryFrom<WireMessage> for MessageSignature {
    type Error = BundleError;

    fn try_from(wire: WireMessage) -> Result<Self, BundleError> {
        let signature =
            from_either_base64(&wire.signature).ok_or(BundleError::Base64("signature"))?;
        let digest = match wire.message_digest {
            None => None,
            Some(Object(digest)) if digest.algorithm == "SHA2_256" => {
                Some(from_either_base64(&digest.digest).ok_or(BundleError::Base64("digest"))?)
            }
            Some(Object(digest)) => {
                return Err(BundleError::DigestAlgorithm(excerpt(&digest.algorithm)));
            }
        };
        Ok(Self { digest, signature })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    media_type: &'a str,
    verification_material: WrittenMaterial,
    dsse_envelope: dsse::Wire,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial {
    public_key: WireKey,
}

/// Why a bundle is not read or not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not the JSON of a bundle, or over a limit.
    #[error("the bundle cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another version, or not a bundle.
    #[error("`{0}` is not a sigstore bundle of version 0.1 to 0.3")]
    MediaType(String),
    /// Neither a key nor a certificate, or several of them.
    #[error("the bundle must name one key or one certificate")]
    Material,
    /// Neither an envelope nor a message signature, or both.
    #[error("the bundle must hold one envelope or one message signature")]
    Content,
    /// A bundle, or an envelope by itself, holds one signature; several would be several witnesses in one.
    #[error("the envelope carries {count} signatures: exactly one is needed")]
    Signatures {
        /// How many there are.
        count: usize,
    },
    /// Not canonical base64.
    #[error("the bundle's {0} is not canonical base64")]
    Base64(&'static str),
    /// A number that is not one.
    #[error("the bundle's {0} is not a number that fits")]
    Number(&'static str),
    /// A log entry without a part that it needs, or with a broken one.
    #[error("a log entry of the bundle has no {0} that can be read")]
    LogEntry(&'static str),
    /// More of something than is read.
    #[error("limit exceeded: the bundle has more than {max} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most that is read.
        max: usize,
    },
    /// A file digest other than SHA-256.
    #[error("the bundle's message digest is `{0}`: only sha-256 is read")]
    DigestAlgorithm(String),
    /// The envelope is broken or was not signed.
    #[error(transparent)]
    Envelope(#[from] DsseError),
}

const MEDIA_TYPE: &str = oci::media::SIGSTORE_BUNDLE_V03;
const MEDIA_TYPE_V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
const MEDIA_TYPES: [&str; 4] = [
    MEDIA_TYPE,
    MEDIA_TYPE_V01,
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

#[cfg(test)]
mod tests;
