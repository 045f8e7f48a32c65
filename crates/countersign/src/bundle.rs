//! One file that carries an image with all that speaks for it over an air gap: an OCI image layout in a tar archive, which other
//! tools read too, and a list of contents. `collect` makes it from a registry, `open` reads it and names what was changed,
//! `examine` says what it is worth. Reading asks no network.
//!
//! Every byte of the file is accounted for: headers and padding are those that `archive` would write, blobs are named by their
//! digests, the index by the list of contents, and the list by its checksum. That finds what broke on the way. What somebody made
//! anew with all its checksums is found by the signatures inside, and because nothing is in the file, nor in the index by which
//! other tools find an image, that does not belong to the image which they are about.

mod archive;
pub(crate) mod collect;
mod entry;
pub(crate) mod examine;
mod index;
mod open;
mod prove;
mod proved;
mod trust_data;

use oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) use open::Opened;

/// The checksum of the list of contents, in hexadecimal: the first file.
const CHECKSUM: &str = "countersign.sha256";
/// The list of contents.
const CONTENTS: &str = "countersign.json";
const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
/// image-spec, "oci-layout file".
const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The version of the list of contents.
const VERSION: u32 = 1;
/// Bytes of the list of contents, and of the index.
const CONTENTS_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a manifest, signature or policy that is read whole.
const DOCUMENT_BYTES_MAX: u64 = 8 << 20;
/// Manifests beside the image: an index lists them and the image.
const ATTACHED_MAX: usize = oci::DESCRIPTORS_MAX - 1;
/// Blobs.
const BLOBS_MAX: usize = 100_000;

/// What the file holds, as the one who made it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Contents {
    version: u32,
    /// The repository that the image was taken from, without a host.
    pub(crate) repository: RepositoryName,
    /// The image.
    pub(crate) image: Digest,
    /// The tag that it was taken by.
    pub(crate) tag: Option<Tag>,
    /// When, in milliseconds since the epoch.
    pub(crate) made_at: i64,
    /// Signatures, attestations and receipts.
    pub(crate) attached: Vec<Attached>,
    /// The files of the trust repository.
    pub(crate) trust: Option<TrustFiles>,
    /// Texts of policies by name.
    pub(crate) policies: BTreeMap<String, Digest>,
    /// Proofs that the server's log recorded what is attached, by its manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) proofs: BTreeMap<Digest, Digest>,
    /// What could not be taken along, and why.
    pub(crate) missing: Vec<String>,
    /// The checksum of the index.
    index: Digest,
    index_size: u64,
    /// Every blob and its size.
    blobs: BTreeMap<Digest, u64>,
}

/// A manifest beside an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Attached {
    /// It.
    pub(crate) manifest: Digest,
    /// What it is attached to: the image, or one that an index lists.
    pub(crate) to: Digest,
}

/// The files of a trust repository, as a reader asks for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrustFiles {
    /// Its whole name.
    pub(crate) gun: String,
    /// The file by each name that was asked for; none where there was none.
    pub(crate) files: BTreeMap<String, Option<Digest>>,
}

/// What is not as it has to be, and in which file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file's name, or the archive's.
    pub(crate) file: String,
    /// What is wrong.
    pub(crate) why: String,
}

impl Fault {
    fn new(file: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            why: why.into(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.file, self.why)
    }
}

impl std::error::Error for Fault {}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

#[cfg(test)]
mod tests;
