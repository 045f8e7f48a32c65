//! Repositories and tags: `/api/v1/repositories` and `/repositories/tags`. Only what the caller may see is listed.

use oci::{Digest, RepositoryName, Tag as TagName};
use serde::{Deserialize, Serialize};

/// `GET /repositories?after&limit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// When something was first pushed to it.
    pub created_at: i64,
    /// How many tags it has.
    #[serde(default)]
    pub tags: u64,
}

/// `GET /repositories/tags?repository=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// The tag.
    pub name: TagName,
    /// What it points at.
    pub digest: Digest,
    /// When it was last moved.
    pub updated_at: i64,
}
