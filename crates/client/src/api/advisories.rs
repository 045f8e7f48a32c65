//! Advisories: import as lines of JSON, status, and who is affected. `/api/v1/advisories` and `/affected`.

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that the first line of an import names.
pub const IMPORT_FORMAT: &str = "countersign.advisories/v1";
/// The media type of an import's body.
pub const IMPORT_MEDIA_TYPE: &str = "application/x-ndjson";

/// One line of the body of `POST /advisories?source=NAME&allowOlder=`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImportLine {
    /// `{"format": "countersign.advisories/v1"}`: the first line, and only that.
    Header(ImportHeader),
    /// `{"advisory": {…}}`.
    Advisory(ImportAdvisory),
    /// `{"knownExploited": "CVE-…"}`.
    KnownExploited(ImportKnownExploited),
}

/// The first line of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportHeader {
    /// [`IMPORT_FORMAT`].
    pub format: String,
}

/// A line with an advisory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportAdvisory {
    /// The record.
    pub advisory: Value,
}

/// A line with the id of a weakness that is known to be exploited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportKnownExploited {
    /// The CVE.
    pub known_exploited: String,
}

impl ImportLine {
    /// The line with which every import begins.
    #[must_use]
    pub fn header() -> Self {
        Self::Header(ImportHeader {
            format: IMPORT_FORMAT.to_owned(),
        })
    }

    /// The line as bytes, with its end.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The answer to an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// The source's name.
    pub source: String,
    /// Advisories that were not held before.
    pub added: u64,
    /// Advisories whose meaning changed.
    pub changed: u64,
    /// Advisories that were withdrawn, or that the source no longer carries.
    pub withdrawn: u64,
    /// Advisories that mean what they meant.
    pub unchanged: u64,
    /// Packages to match again.
    pub keys_changed: u64,
    /// Ids that are known to be exploited, all sources together.
    #[serde(default)]
    pub known_exploited: u64,
}

/// `GET /advisories/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvisoryStatus {
    /// Whether there is anything to match against.
    pub ready: bool,
    /// What advisories are held about, as `Debian:12` or `PyPI`.
    #[serde(default)]
    pub ecosystems: Vec<String>,
    /// What is in stock and no advisory is held about: gates with limits on weaknesses are not ready for images that have it.
    /// Told to those who may import advisories.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Names the whole set as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Each source.
    pub sources: Vec<AdvisorySource>,
    /// Ids that are known to be exploited.
    pub known_exploited: u64,
}

/// One source of advisories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvisorySource {
    /// Its name.
    pub source: String,
    /// When it was last imported.
    pub imported_at: i64,
    /// Number of advisories.
    pub advisories: u64,
    /// The youngest change in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_at: Option<i64>,
    /// Names this source's set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What `GET /affected` asks for: `?id=CVE-…` or `?purl=pkg:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AffectedBy {
    /// By the id of a weakness.
    Id(String),
    /// By a package.
    Purl(String),
}

/// One component of one image that is affected; a list of them answers `GET /affected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AffectedImage {
    /// Where the image is.
    pub repository: RepositoryName,
    /// Which image.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// The component's purl.
    pub purl: String,
    /// Where in the image it is.
    pub path: String,
    /// The layer that brought it.
    pub layer: Digest,
    /// The instruction that made the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The canonical id of the weakness; absent when a package without one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How severe it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The smallest version without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_version: Option<String>,
}
