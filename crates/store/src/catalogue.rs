//! Repositories, tags, manifests and what refers to what. Bytes are kept and answered as they came; what a manifest means to
//! a gate is `policy`'s, what its evidence says is `trust`'s. distribution-spec 1.1.
//!
//! A repository is there when it holds a manifest: one that only has uploads or blobs is not listed.

use std::collections::BTreeMap;

use oci::{Digest, Reference, RepositoryName, Shape, Tag};
use policy::PrincipalId;
use sqlx::any::AnyRow;

use crate::Store;
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};

mod append;
mod blobs;
mod delete;
mod delete_many;
mod keep;
mod list;
mod put;
mod referrers;
mod required;
mod served;

pub use blobs::{blob, blob_holders, link_blob, unlink_blob};
pub(crate) use delete::remove_own;
pub use delete::{Deleter, delete_manifest, delete_tag};
pub use delete_many::{
    Deletion, Emptied, Swept, TagPattern, delete_tags, empty_repository, matching_tags,
};
pub use keep::keep_blob;
pub use list::{Held, TagRecord, holders, manifests, repositories, tag_records, tags, tags_of};
pub(crate) use put::put_own;
pub use put::{INDEX_IMAGE, Put, PutManifest, StageRecord, TagMove, check_put, put_manifest};
pub use referrers::{Referrers, referrers};
pub(crate) use required::{arrived, awaits_layers};
pub use served::{Part, Served, served};

/// The most entries one call lists: a page of ten thousand, and one that tells whether there are more.
pub const LIST_MAX: u32 = 10_001;

/// A manifest as a repository holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The repository's number.
    pub repository_id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// Its media type, as it was pushed.
    pub media_type: String,
    /// What it is for.
    pub shape: Shape,
    /// Its bytes, as they were pushed.
    pub content: Vec<u8>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
    /// The artifact type, with the configuration's type standing in.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was first pushed to this repository (milliseconds since the epoch).
    pub pushed_at: i64,
    /// By whom; `None` when the server made it itself. Who first brought its bytes to the server may be somebody else.
    pub pushed_by: Option<PrincipalId>,
    /// Counts the changes of what a gate may see of it.
    pub facts_revision: i64,
}

const COLUMNS: &str = "m.repository_id, r.name AS repository, m.digest, m.media_type, m.shape, m.content, m.subject, \
                       m.artifact_type, m.annotations, m.pushed_at, m.pushed_by, m.facts_revision";

/// The manifest that a tag or a digest names in a repository.
pub async fn manifest(
    store: &Store,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<StoredManifest>> {
    let (text, name) = match reference {
        Reference::Digest(digest) => (
            format!(
                "SELECT {COLUMNS} FROM repositories r JOIN manifests m ON m.repository_id = r.id \
                 WHERE r.name = $1 AND m.digest = $2"
            ),
            digest.as_str(),
        ),
        Reference::Tag(tag) => (
            format!(
                "SELECT {COLUMNS} FROM repositories r JOIN tags t ON t.repository_id = r.id \
                 JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest WHERE r.name = $1 AND t.name = $2"
            ),
            tag.as_str(),
        ),
    };
    let row = crate::batch::query(text)
        .bind(repository.as_str())
        .bind(name)
        .fetch_optional(store.db().read())
        .await?;
    row.as_ref().map(stored).transpose()
}

/// What an index lists that this repository holds as manifests, in the order of the index.
pub async fn children(store: &Store, repository_id: i64, digest: &Digest) -> Result<Vec<Digest>> {
    let rows = sqlx::query(
        "SELECT c.digest FROM manifest_references c \
         JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest \
         WHERE c.repository_id = $1 AND c.manifest = $2 AND c.kind = 'child' ORDER BY c.position",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.digest("digest")).collect()
}

/// The indexes of the repository that list a manifest.
pub async fn parents(store: &Store, repository_id: i64, digest: &Digest) -> Result<Vec<Digest>> {
    let rows = sqlx::query(
        "SELECT DISTINCT manifest FROM manifest_references \
         WHERE repository_id = $1 AND digest = $2 AND kind = 'child' ORDER BY manifest",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.digest("manifest")).collect()
}

/// The number of a repository that holds a manifest.
pub async fn repository(store: &Store, name: &RepositoryName) -> Result<Option<i64>> {
    let row = sqlx::query(
        "SELECT id FROM repositories r WHERE name = $1 AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id)",
    )
    .bind(name.as_str())
    .fetch_optional(store.db().read())
    .await?;
    row.map(|row| row.int("id")).transpose()
}

/// The number of a repository, which is made where it is new.
pub(crate) async fn repository_id(tx: &mut Tx, name: &RepositoryName, now: i64) -> Result<i64> {
    if let Some(id) = known_id(tx, name).await? {
        return Ok(id);
    }
    sqlx::query(
        "INSERT INTO repositories (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    known_id(tx, name)
        .await?
        .ok_or_else(|| Error::not_found("repository", name))
}

async fn known_id(tx: &mut Tx, name: &RepositoryName) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT id FROM repositories WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.map(|row| row.int("id")).transpose()
}

/// Locks a repository that exists: until the transaction ends, no other one changes its manifests, tags or links. Blobs may
/// still be added.
pub(crate) async fn lock(tx: &mut Tx, name: &RepositoryName) -> Result<i64> {
    let row =
        sqlx::query("UPDATE repositories SET created_at = created_at WHERE name = $1 RETURNING id")
            .bind(name.as_str())
            .fetch_optional(tx.conn())
            .await?
            .ok_or_else(|| Error::not_found("repository", name))?;
    row.int("id")
}

fn stored(row: &AnyRow) -> Result<StoredManifest> {
    Ok(StoredManifest {
        repository_id: row.int("repository_id")?,
        repository: row.parsed("repository")?,
        digest: row.digest("digest")?,
        media_type: row.text("media_type")?,
        shape: parse_shape(&row.text("shape")?)?,
        content: row.bytes("content")?,
        subject: row.opt_parsed("subject")?,
        artifact_type: row.opt_text("artifact_type")?,
        annotations: row.json("annotations")?,
        pushed_at: row.int("pushed_at")?,
        pushed_by: row.opt_int("pushed_by")?.map(PrincipalId),
        facts_revision: row.int("facts_revision")?,
    })
}

/// The shape as a column and as events show it.
pub(crate) fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Image => "image",
        Shape::Index => "index",
        Shape::Evidence => "evidence",
        Shape::Other => "other",
    }
}

/// A column that `shape_name` filled.
pub(crate) fn parse_shape(text: &str) -> Result<Shape> {
    [Shape::Image, Shape::Index, Shape::Evidence, Shape::Other]
        .into_iter()
        .find(|shape| shape_name(*shape) == text)
        .ok_or_else(|| Error::Corrupt {
            what: "manifests.shape".to_owned(),
            why: format!("`{text}` is not a shape"),
        })
}

/// The tag of a row's column.
fn tag(row: &AnyRow, column: &str) -> Result<Tag> {
    row.parsed(column)
}
