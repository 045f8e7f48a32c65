//! Blobs whose bytes were found to be wrong or missing. They are not served, and whoever pushes one again heals it: its row
//! then names the new bytes. Who looks for them is `check`.

use oci::Digest;
use policy::Actor;
use serde_json::json;

use crate::blobs::BlobInfo;
use crate::check::FaultKind;
use crate::db::{Backend, Db, RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::garbage::discard;
use crate::{Store, audit, blobs};

/// Fails where the column `damage` of a row says that this blob is damaged.
pub(crate) fn refuse(digest: &Digest, row: &impl RowExt) -> Result<()> {
    match row.opt_text("damage")? {
        None => Ok(()),
        Some(what) => Err(Error::Damaged {
            digest: digest.clone(),
            what,
        }),
    }
}

/// What it says of a blob that its bytes cannot be opened or read. Fails where it says nothing of the blob: a service or a system
/// that cannot answer now.
pub(crate) fn told_by(error: Error) -> Result<(FaultKind, String)> {
    match error {
        Error::NotFound { name, .. } => Ok((
            FaultKind::Missing,
            format!("its bytes are missing: there is no `{name}`"),
        )),
        // A disk that gives up on a sector says so here.
        Error::Io { source, .. } => Ok((
            FaultKind::Unreadable,
            format!("it cannot be read: {source}"),
        )),
        error => Err(error),
    }
}

/// Remembers that a blob is damaged, with an audit row at the first time. Nothing is written of one that has gone, or whose
/// bytes are others by now.
pub(crate) async fn note(db: &Db, blob: &BlobInfo, what: &str, now: i64) -> Result<()> {
    write_tx!(db, |tx| {
        if location(tx, &blob.digest).await? != Some(blob.location.clone()) {
            return Ok(());
        }
        let noted = sqlx::query(
            "INSERT INTO broken_blobs (digest, found_at, what) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(blob.digest.as_str())
        .bind(now)
        .bind(what)
        .execute(tx.conn())
        .await?;
        if noted.rows_affected() > 0 {
            tell(tx, "blob.damaged", &blob.digest, what, now).await?;
        }
        Ok(())
    })
}

/// Remembers that a blob that was damaged is whole: its bytes were put back.
pub(crate) async fn clear(db: &Db, digest: &Digest, now: i64) -> Result<()> {
    write_tx!(db, |tx| {
        if forget(tx, digest).await? {
            tell(tx, "blob.healed", digest, "its bytes are whole again", now).await?;
        }
        Ok(())
    })
}

/// What becomes of bytes that were stored although their blob was there already: they are removed, unless those that were
/// there are damaged. Then these take their place, which it answers. A piece is not removed: it may be another blob by now.
/// Called when the rows are committed, and before the answer.
pub(crate) async fn settle(store: &Store, brought: &BlobInfo, now: i64) -> Result<bool> {
    match blobs::open(store, &brought.digest).await {
        Ok(_) => {}
        Err(Error::Damaged { .. } | Error::NotFound { .. } | Error::Io { .. }) => {
            if replace(store, brought, now).await? {
                return Ok(true);
            }
        }
        // Nobody knows whether those that are there can be read: these are kept as bytes that no row names.
        Err(error) => return Err(error),
    }
    // Two processes may bring the same piece of one upload, and the other one was first.
    let there = current(store.db(), &brought.digest).await?;
    if there.is_some_and(|there| there.location == brought.location) {
        return Ok(true);
    }
    if brought.piece().is_none() {
        // What cannot be removed now is in no row, and collected.
        let _ = store.objects().remove(&brought.key()?).await;
    }
    Ok(false)
}

/// Makes the bytes that were brought those of the blob; false when it has gone meanwhile, or somebody else was first.
async fn replace(store: &Store, brought: &BlobInfo, now: i64) -> Result<bool> {
    let digest = &brought.digest;
    let size = i64::try_from(brought.size).map_err(Error::corrupt("blobs.size"))?;
    let Some(there) = current(store.db(), digest).await? else {
        return Ok(false);
    };
    write_tx!(store.db(), |tx| {
        let replaced = sqlx::query(
            "UPDATE blobs SET location = $2, size = $3, stored_at = $4 WHERE digest = $1 AND COALESCE(location, '') = $5",
        )
        .bind(digest.as_str())
        .bind(brought.location.as_deref())
        .bind(size)
        .bind(now)
        .bind(there.location.as_deref().unwrap_or_default())
        .execute(tx.conn())
        .await
        .map_err(Error::from);
        let replaced = blobs::own_piece(tx, brought, replaced).await?;
        if replaced.rows_affected() == 0 {
            return Ok(false);
        }
        if let Ok(key) = there.key() {
            discard(tx, &key, there.size, now).await?;
        }
        forget(tx, digest).await?;
        tell(tx, "blob.healed", digest, "it was pushed again", now).await?;
        Ok(true)
    })
}

async fn forget(tx: &mut Tx, digest: &Digest) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM broken_blobs WHERE digest = $1")
        .bind(digest.as_str())
        .execute(tx.conn())
        .await?;
    Ok(gone.rows_affected() > 0)
}

async fn tell(tx: &mut Tx, act: &'static str, digest: &Digest, what: &str, now: i64) -> Result<()> {
    let detail = json!({"digest": digest, "what": what});
    audit::record(
        tx,
        &Actor::System("check"),
        act,
        digest.as_str(),
        detail,
        now,
    )
    .await
}

/// The blob as it is now; `None` when it is gone.
pub(crate) async fn current(db: &Db, digest: &Digest) -> Result<Option<BlobInfo>> {
    let row = sqlx::query("SELECT size, location FROM blobs WHERE digest = $1")
        .bind(digest.as_str())
        .fetch_optional(db.read())
        .await?;
    row.map(|row| BlobInfo::of(digest, &row)).transpose()
}

/// Where the bytes of a blob lie, until the transaction ends; `None` when it is gone. SQLite has one writer anyway.
async fn location(tx: &mut Tx, digest: &Digest) -> Result<Option<Option<String>>> {
    let text = match tx.backend() {
        Backend::Sqlite => "SELECT location FROM blobs WHERE digest = $1",
        Backend::Postgres => "SELECT location FROM blobs WHERE digest = $1 FOR UPDATE",
    };
    let row = sqlx::query(text)
        .bind(digest.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.map(|row| row.opt_text("location")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::blobs::new_key;

    #[tokio::test]
    async fn bytes_that_the_row_names_by_now_are_not_removed_as_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let digest = Digest::sha256(b"some");
        let brought = BlobInfo {
            location: Some(new_key(&digest).unwrap()),
            size: 4,
            digest,
        };
        let path = store.folder().blobs().join(brought.key().unwrap());
        std::fs::write(path, b"some").unwrap();
        let repository = "shop/web".parse().unwrap();
        blobs::settle(&store, &repository, &brought, 0)
            .await
            .unwrap();
        // Another process had the same piece, and found other bytes before this one healed them.
        assert!(settle(&store, &brought, 0).await.unwrap());
        assert!(blobs::open(&store, &brought.digest).await.is_ok());
    }
}
