//! Lists for people and programs, in pages: each begins behind the last entry of the page before.

use oci::{Digest, RepositoryName, Shape, Tag};
use sqlx::any::AnyRow;

use super::{LIST_MAX, parse_shape, tag};
use crate::Store;
use crate::db::RowExt;
use crate::error::{Error, Result};

/// A tag with what it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRecord {
    /// The tag.
    pub tag: Tag,
    /// The manifest it is on.
    pub digest: Digest,
    /// What that is for.
    pub shape: Shape,
    /// When it was last moved (milliseconds since the epoch).
    pub updated_at: i64,
}

/// A manifest of a repository, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The repository's number.
    pub repository_id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
    /// What it is for.
    pub shape: Shape,
    /// When it was first pushed there (milliseconds since the epoch).
    pub pushed_at: i64,
}

/// The names of repositories that hold a manifest, in order, after `after`.
pub async fn repositories(
    store: &Store,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<RepositoryName>> {
    let rows = sqlx::query(
        "SELECT r.name FROM repositories r WHERE r.name > $1 \
         AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY r.name LIMIT $2",
    )
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.parsed("name")).collect()
}

/// The tags of a repository, in order, after `after`; `None` when there is no such repository.
pub async fn tags(
    store: &Store,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u32,
) -> Result<Option<Vec<Tag>>> {
    let Some(repository_id) = super::repository(store, repository).await? else {
        return Ok(None);
    };
    // As one row: ten thousand would be carried over from the connection one by one, in most of the time that the list takes.
    let row = sqlx::query(
        "SELECT COALESCE(string_agg(name, ','), '') AS names FROM (\
         SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3) page",
    )
    .bind(repository_id)
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_one(store.db().read())
    .await?;
    joined_tags(&row.text("names")?).map(Some)
}

/// Tags that the database has joined with commas, which none contains, in order: it promises none for what it joins.
fn joined_tags(names: &str) -> Result<Vec<Tag>> {
    let names = names.split(',').filter(|name| !name.is_empty());
    let mut tags = names
        .map(|name| name.parse().map_err(Error::corrupt("tags.name")))
        .collect::<Result<Vec<Tag>>>()?;
    tags.sort_unstable();
    Ok(tags)
}

/// The tags of a repository with what they are on, in order, after `after`.
pub async fn tag_records(
    store: &Store,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<TagRecord>> {
    match super::repository(store, repository).await? {
        Some(repository_id) => records(store, repository_id, after, limit).await,
        None => Ok(Vec::new()),
    }
}

async fn records(
    store: &Store,
    repository_id: i64,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<TagRecord>> {
    let rows = sqlx::query(
        "SELECT t.name, t.digest, t.updated_at, m.shape FROM tags t \
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE t.repository_id = $1 AND t.name > $2 ORDER BY t.name LIMIT $3",
    )
    .bind(repository_id)
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TagRecord {
                tag: tag(row, "name")?,
                digest: row.digest("digest")?,
                shape: parse_shape(&row.text("shape")?)?,
                updated_at: row.int("updated_at")?,
            })
        })
        .collect()
}

/// The tags that are on a manifest, in order.
pub async fn tags_of(store: &Store, repository_id: i64, digest: &Digest) -> Result<Vec<Tag>> {
    let rows = sqlx::query(
        "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(i64::from(LIST_MAX))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| tag(row, "name")).collect()
}

/// The images, indexes and artifacts of a repository (no evidence), the newest first.
pub async fn manifests(
    store: &Store,
    repository: &RepositoryName,
    limit: u32,
) -> Result<Vec<Held>> {
    let rows = sqlx::query(
        "SELECT m.repository_id, r.name, m.digest, m.shape, m.pushed_at FROM repositories r \
         JOIN manifests m ON m.repository_id = r.id WHERE r.name = $1 AND m.shape <> 'evidence' \
         ORDER BY m.pushed_at DESC, m.digest LIMIT $2",
    )
    .bind(repository.as_str())
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(held).collect()
}

/// Every repository that holds a manifest of this digest, by name.
pub async fn holders(store: &Store, digest: &Digest) -> Result<Vec<Held>> {
    let rows = sqlx::query(
        "SELECT m.repository_id, r.name, m.digest, m.shape, m.pushed_at FROM manifests m \
         JOIN repositories r ON r.id = m.repository_id WHERE m.digest = $1 ORDER BY r.name",
    )
    .bind(digest.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(held).collect()
}

fn held(row: &AnyRow) -> Result<Held> {
    Ok(Held {
        repository_id: row.int("repository_id")?,
        repository: row.parsed("name")?,
        digest: row.digest("digest")?,
        shape: parse_shape(&row.text("shape")?)?,
        pushed_at: row.int("pushed_at")?,
    })
}
