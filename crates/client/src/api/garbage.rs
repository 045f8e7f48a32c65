//! Room on the disk: `/api/v1/garbage`, and deleting many tags or a whole repository in pieces.

use oci::Tag;
use serde::{Deserialize, Serialize};

/// `POST /garbage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskCollection {
    /// Also look for files that never got a row.
    #[serde(default)]
    pub sweep: bool,
    /// Remove nothing; count what would go now.
    #[serde(default)]
    pub dry_run: bool,
}

/// A collection of garbage, as it stands. `GET /garbage`: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// Its number; 0 for a dry run.
    pub id: i64,
    /// Who asked for it; absent where the clock did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// When it was asked for.
    pub asked_at: i64,
    /// Whether it also looks for files that never got a row.
    pub sweep: bool,
    /// When it began; absent while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<i64>,
    /// `waiting`, `links`, `blobs`, `files`, `orphans` or `done`.
    pub phase: String,
    /// About how many links and blobs there were at the beginning.
    pub to_look_at: u64,
    /// Links and blobs that it has looked at.
    pub looked_at: u64,
    /// Links of repositories to blobs that it removed.
    pub links: u64,
    /// Blobs that it removed.
    pub blobs: u64,
    /// Files of theirs that it removed.
    pub files: u64,
    /// Files without a row that it removed.
    pub orphans: u64,
    /// Bytes of the files that it removed.
    pub bytes: u64,
    /// Files that it could not remove: the next one tries again.
    #[serde(default)]
    pub failed: u64,
}

/// The answer to `DELETE /repositories/tags?repository&pattern&after&dryRun`: one piece of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagsDeleted {
    /// The tags that went, or that would go, in order.
    pub tags: Vec<Tag>,
    /// Tags on evidence that stay, because the caller may not delete that.
    pub kept: u64,
    /// What to give as `after` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The answer to `DELETE /repositories?repository&after`: one piece of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestsDeleted {
    /// Manifests that went.
    pub manifests: u64,
    /// Tags that went with them.
    pub tags: u64,
    /// Evidence that stays, because the caller may not delete that.
    pub kept: u64,
    /// What to give as `after` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
