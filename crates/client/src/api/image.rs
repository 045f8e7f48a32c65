//! What the server knows about one image: `/api/v1/image` and `/image/{sbom,findings,evidence}`, each with
//! `?ref=shop/web:1` (or `@sha256:…`). An SBOM travels as its own format and has no type here.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

/// `GET /image?ref=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Where it is.
    pub repository: RepositoryName,
    /// Which manifest.
    pub digest: Digest,
    /// The tags that point at it.
    pub tags: Vec<String>,
    /// The manifest's media type.
    pub media_type: String,
    /// `image`, `index`, `evidence` or `other`.
    pub shape: String,
    /// When it was first pushed to this repository.
    pub pushed_at: i64,
    /// Who did that; absent for what the server put there itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_by: Option<String>,
    /// The manifests of an index; empty for anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// How far it has been taken apart; absent for an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventorySummary>,
    /// Number of findings by severity, such as `{"critical": 2}`.
    #[serde(default)]
    pub findings: BTreeMap<String, u64>,
}

/// A manifest that an index lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Child {
    /// Which manifest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Such as `linux/amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Whether it is in this repository.
    pub present: bool,
}

/// How far an image has been taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventorySummary {
    /// How far.
    pub state: InventoryState,
    /// The distribution, such as `Debian GNU/Linux 12 (bookworm)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<String>,
    /// What is missing, when incomplete; or why it cannot be scanned.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Number of components.
    pub components: u64,
    /// When it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed_at: Option<i64>,
}

/// How far an image has been taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InventoryState {
    /// Not read yet.
    NotIndexed,
    /// Everything was read.
    Complete,
    /// Something could not be read: never "clean".
    Incomplete,
    /// Not an image of files: a chart, a module, a cache.
    Unscannable,
}

/// `GET /image/findings?ref=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Where the image is.
    pub repository: RepositoryName,
    /// Which image.
    pub digest: Digest,
    /// How far it has been taken apart: without `complete`, there may be more findings.
    pub state: InventoryState,
    /// Whether all that is inside was matched with advisories about it: where not, an empty list says nothing.
    pub advisories_ready: bool,
    /// Ecosystems inside that no advisory is held about, as `Debian:12` or `PyPI`.
    #[serde(default)]
    pub without_advisories: Vec<String>,
    /// Kinds of packages inside that no advisory can be matched with.
    #[serde(default)]
    pub unmatchable: Vec<String>,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
}

/// One weakness of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The canonical id: the CVE where there is one.
    pub id: String,
    /// All ids of the same weakness.
    pub ids: Vec<String>,
    /// `critical`, `high`, `medium`, `low`, `none` or `unknown`.
    pub severity: String,
    /// The CVSS vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
    /// The component's purl.
    pub purl: String,
    /// The package's name.
    pub package: String,
    /// The installed version.
    pub version: String,
    /// The smallest version above it without the weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_version: Option<String>,
    /// Whether it is known to be exploited.
    pub known_exploited: bool,
    /// One line about it.
    pub summary: String,
    /// The versions it affects, in words.
    pub range: String,
    /// The layer that brought the component.
    pub layer: Digest,
    /// The layer's place, from 0.
    pub layer_index: u64,
    /// The instruction that made the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Where the component was found.
    pub path: String,
    /// When this server first held an advisory of it for this package.
    pub first_held_at: i64,
}

/// `GET /image/evidence?ref=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceList {
    /// Where the image is.
    pub repository: RepositoryName,
    /// Which image.
    pub digest: Digest,
    /// What is attached to it, and to indexes in this repository that list it.
    pub evidence: Vec<Evidence>,
}

/// One signature as the verifier saw it. Whether it counts is for a gate to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Its number.
    pub id: i64,
    /// The format it came in.
    pub format: String,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// The manifest it is attached to.
    pub attached_to: Digest,
    /// The digest it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The stage it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What kind of statement it is, a URI, where it is an attestation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The repository it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The registered key it verifies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whose key that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// `verified`, `unknown-key`, `bad-signature`, `unreadable` or `format-not-read`.
    pub verdict: String,
    /// Why, when it is not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When this server first stored it.
    pub stored_at: i64,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
}
