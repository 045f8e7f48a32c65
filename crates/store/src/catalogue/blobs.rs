//! Which repository holds which blob. The bytes are in `crate::blobs`.

use oci::{Digest, RepositoryName};
use policy::Permit;
use policy::verb::{Delete, Pull};

use super::lock;
use crate::blobs::{BlobInfo, held, link};
use crate::db::{RowExt, Value, write_tx};
use crate::error::{Error, Result};
use crate::{Store, Writer, audit, damage, permit};

/// A blob, if the repository holds it. One that is known to be damaged is an error of its own.
pub async fn blob(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobInfo>> {
    store
        .db()
        .point(
            "SELECT b.size, b.location, k.what AS damage FROM repositories n \
             JOIN repository_blobs r ON r.repository_id = n.id JOIN blobs b ON b.digest = r.digest \
             LEFT JOIN broken_blobs k ON k.digest = b.digest WHERE n.name = $1 AND r.digest = $2",
            &[
                Value::Text(repository.as_str()),
                Value::Text(digest.as_str()),
            ],
            |row| {
                damage::refuse(digest, row)?;
                BlobInfo::of(digest, row)
            },
        )
        .await
}

/// Repositories that hold a blob, by name, at most `limit` of them.
pub async fn blob_holders(
    store: &Store,
    digest: &Digest,
    limit: u32,
) -> Result<Vec<RepositoryName>> {
    let rows = sqlx::query(
        "SELECT n.name FROM repositories n JOIN repository_blobs r ON r.repository_id = n.id \
         WHERE r.digest = $1 ORDER BY n.name LIMIT $2",
    )
    .bind(digest.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.parsed("name")).collect()
}

/// Mounts a blob of the repository of `from` into the writer's. `None` when that one does not hold it.
pub async fn link_blob(
    store: &Store,
    writer: &Writer<'_>,
    from: &Permit<Pull>,
    digest: &Digest,
    now: i64,
) -> Result<Option<BlobInfo>> {
    writer.actor(now)?;
    permit::actor(from, now)?;
    let repository = writer.repository()?;
    let source = from.repository().ok_or_else(|| Error::Refused {
        what: "mount",
        why: "the permit to read names no repository".to_owned(),
    })?;
    match blob(store, source, digest).await {
        // One that is damaged is to be uploaded, which heals it.
        Ok(None) | Err(Error::Damaged { .. }) => return Ok(None),
        outcome => outcome?,
    };
    write_tx!(store.db(), |tx| {
        // Asked again in here: it may have been removed meanwhile.
        let source = super::repository_id(tx, source, now).await?;
        let Some(info) = held(tx, source, digest).await? else {
            return Ok(None);
        };
        let repository_id = super::repository_id(tx, repository, now).await?;
        link(tx, repository_id, digest, now).await?;
        Ok(Some(info))
    })
}

/// Takes a blob out of a repository. One that a manifest there needs stays.
pub async fn unlink_blob(
    store: &Store,
    permit: &Permit<Delete>,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    let repository = permit.repository().ok_or_else(|| Error::Refused {
        what: "delete",
        why: "the permit names no repository".to_owned(),
    })?;
    write_tx!(store.db(), |tx| {
        let repository_id = lock(tx, repository).await?;
        let needed = sqlx::query(
                "SELECT manifest FROM manifest_references WHERE repository_id = $1 AND digest = $2 LIMIT 1",
            )
            .bind(repository_id)
            .bind(digest.as_str())
            .fetch_optional(tx.conn())
            .await?;
        if needed.is_some() {
            let why = "is needed by a manifest of this repository: delete that first";
            return Err(Error::Conflict {
                kind: "blob",
                name: digest.to_string(),
                why,
            });
        }
        let removed =
            sqlx::query("DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2")
                .bind(repository_id)
                .bind(digest.as_str())
                .execute(tx.conn())
                .await?;
        if removed.rows_affected() == 0 {
            return Err(Error::not_found("blob", digest));
        }
        let detail = serde_json::json!({"repository": repository, "digest": digest});
        audit::record(
            tx,
            &actor,
            "blob.delete",
            &format!("{repository}@{digest}"),
            detail,
            now,
        )
        .await
    })
}
