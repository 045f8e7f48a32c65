//! Uploads that nobody will finish: sessions that began long ago, and files that a cut left without a session.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{UploadId, forget, remove};
use crate::Store;
use crate::blobs::blocking;
use crate::db::{RowExt, write_tx};
use crate::error::{Error, Result};

/// The most sessions one call ends.
const SESSIONS_MAX: i64 = 1_000;

/// Ends the uploads that began before `before` (milliseconds since the epoch) and are not being written to, and removes
/// files older than that which belong to no upload. Answers how many it removed.
pub async fn expire(store: &Store, before: i64) -> Result<u64> {
    let mut removed = 0_u64;
    let rows =
        sqlx::query("SELECT id FROM uploads WHERE started_at < $1 ORDER BY started_at LIMIT $2")
            .bind(before)
            .bind(SESSIONS_MAX)
            .fetch_all(store.db().read())
            .await?;
    for row in rows {
        let id: UploadId = row.parsed("id")?;
        // Held while it is removed, so that no request opens it in between.
        let Ok(_guard) = store.open_uploads().enter(&id) else {
            continue;
        };
        write_tx!(store.db(), |tx| forget(tx, &id).await)?;
        store.growths().ended(&id, None);
        let path = store.folder().uploads().join(id.as_str());
        blocking(move || remove(&path)).await?;
        removed = removed.saturating_add(1);
    }
    for name in stale_files(store, before).await? {
        if !is_session(store, &name).await? {
            let path = store.folder().uploads().join(&name);
            blocking(move || remove(&path)).await?;
            removed = removed.saturating_add(1);
        }
    }
    forget_growths(store).await?;
    Ok(removed)
}

/// Forgets how far uploads were that another process ended.
async fn forget_growths(store: &Store) -> Result<()> {
    let (growths, folder) = (Arc::clone(store.growths()), store.folder().uploads());
    blocking(move || {
        for id in growths.ids() {
            if !folder.join(id.as_str()).exists() {
                growths.ended(&id, None);
            }
        }
        Ok(())
    })
    .await
}

async fn is_session(store: &Store, name: &str) -> Result<bool> {
    let row = sqlx::query("SELECT id FROM uploads WHERE id = $1")
        .bind(name)
        .fetch_optional(store.db().read())
        .await?;
    Ok(row.is_some())
}

/// The names of files that were last written before an instant.
async fn stale_files(store: &Store, before: i64) -> Result<Vec<String>> {
    let folder = store.folder().uploads();
    let Ok(before) = u64::try_from(before) else {
        return Ok(Vec::new());
    };
    let before = UNIX_EPOCH + Duration::from_millis(before);
    blocking(move || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let entry = entry.map_err(Error::io(&folder))?;
            // A file that went away meanwhile was finished.
            let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
                continue;
            };
            if let (true, Some(name)) = (modified < before, Path::new(&entry.file_name()).to_str())
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    })
    .await
}
