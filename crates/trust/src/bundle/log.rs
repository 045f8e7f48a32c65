//! What a transparency log says about a signature, as bundles carry it: the entry, its place in the log and the log's
//! promise. Deliberately nothing verified: `sigstore` does that. protobuf-specs `sigstore_rekor.proto`, JSON form.

use serde::Deserialize;

use super::BundleError;
use crate::encoding::from_either_base64;
use crate::merkle::{Hash, PROOF_HASHES_MAX};
use crate::strict::Object;

/// One entry of a transparency log. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number in the whole log, counted from 0.
    pub index: u64,
    /// Which log: the SHA-256 of its key in DER, or in newer logs the four bytes that name its key in notes, at the front.
    pub log_id: Vec<u8>,
    /// What kind of entry: `hashedrekord`, `dsse` or `intoto`.
    pub kind: String,
    /// The version of that kind.
    pub version: String,
    /// When the log took it, in seconds since 1970; worth something only under a promise.
    pub integrated_seconds: Option<i64>,
    /// The log's signature over the entry, its number and its time.
    pub promise: Option<Vec<u8>>,
    /// The proof that the entry is in the log.
    pub proof: Option<InclusionProof>,
    /// The entry as the log hashed it.
    pub body: Vec<u8>,
}

/// The hashes from an entry up to a signed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's number in this part of the log.
    pub index: u64,
    /// The root as the writer says; only the checkpoint's is signed.
    pub root: Vec<u8>,
    /// The size of the log as the writer says; only the checkpoint's is signed.
    pub size: u64,
    /// The hashes, from the leaf up.
    pub hashes: Vec<Hash>,
    /// The signed root, a C2SP note; empty where there is none.
    pub checkpoint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WireEntry {
    #[serde(default)]
    log_index: Number,
    log_id: Option<Object<WireLogId>>,
    kind_version: Option<Object<WireKind>>,
    #[serde(default)]
    integrated_time: Number,
    inclusion_promise: Option<Object<WirePromise>>,
    inclusion_proof: Option<Object<WireProof>>,
    #[serde(default)]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireLogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKind {
    kind: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WirePromise {
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireProof {
    #[serde(default)]
    log_index: Number,
    #[serde(default)]
    root_hash: String,
    #[serde(default)]
    tree_size: Number,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: Option<Object<WireCheckpoint>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCheckpoint {
    #[serde(default)]
    envelope: String,
}

/// The JSON form of protobuf writes 64-bit numbers as texts, leaves zeros out, and reads plain numbers too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Plain(i64),
}

impl Default for Number {
    fn default() -> Self {
        Self::Plain(0)
    }
}

impl Number {
    fn signed(&self, what: &'static str) -> Result<i64, BundleError> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => match text.parse::<i64>() {
                Ok(number) if number.to_string() == *text => Ok(number),
                _ => Err(BundleError::Number(what)),
            },
        }
    }

    fn unsigned(&self, what: &'static str) -> Result<u64, BundleError> {
        u64::try_from(self.signed(what)?).map_err(|_| BundleError::Number(what))
    }
}

impl TryFrom<WireEntry> for LogEntry {
    type Error = BundleError;

    fn try_from(wire: WireEntry) -> Result<Self, BundleError> {
        let Object(log_id) = wire.log_id.ok_or(BundleError::LogEntry("log id"))?;
        let Object(kind) = wire.kind_version.ok_or(BundleError::LogEntry("kind"))?;
        let promise = wire
            .inclusion_promise
            .map(|Object(promise)| bytes(&promise.signed_entry_timestamp, "inclusion promise"))
            .transpose()?
            .filter(|promise| !promise.is_empty());
        let proof = wire
            .inclusion_proof
            .map(|Object(proof)| proof.try_into())
            .transpose()?;
        let integrated = wire.integrated_time.signed("integrated time")?;
        Ok(Self {
            index: wire.log_index.unsigned("log index")?,
            log_id: bytes(&log_id.key_id, "log id")?,
            kind: kind.kind,
            version: kind.version,
            integrated_seconds: Some(integrated).filter(|seconds| *seconds != 0),
            promise,
            proof,
            body: bytes(&wire.canonicalized_body, "log entry")?,
        })
    }
}

impl TryFrom<WireProof> for InclusionProof {
    type Error = BundleError;

    fn try_from(wire: WireProof) -> Result<Self, BundleError> {
        if wire.hashes.len() > PROOF_HASHES_MAX {
            return Err(BundleError::Limit {
                what: "hashes in an inclusion proof",
                max: PROOF_HASHES_MAX,
            });
        }
        let hash = |text: &String| {
            let hash = bytes(text, "inclusion proof")?;
            Hash::try_from(hash).map_err(|_| BundleError::LogEntry("inclusion proof"))
        };
        Ok(Self {
            index: wire.log_index.unsigned("log index")?,
            root: bytes(&wire.root_hash, "root hash")?,
            size: wire.tree_size.unsigned("tree size")?,
            hashes: wire.hashes.iter().map(hash).collect::<Result<_, _>>()?,
            checkpoint: wire
                .checkpoint
                .map(|Object(checkpoint)| checkpoint.envelope)
                .unwrap_or_default(),
        })
    }
}

fn bytes(text: &str, what: &'static str) -> Result<Vec<u8>, BundleError> {
    from_either_base64(text).ok_or(BundleError::Base64(what))
}
