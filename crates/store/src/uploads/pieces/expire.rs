//! Uploads to a bucket that nobody will finish, and pieces that were left over. Costs grow with the uploads that have not been
//! dealt with, not with the blobs.

use std::collections::{BTreeSet, HashSet};

use super::{PIECES_MAX, ended_key, folder, session_key};
use crate::db::{Db, RowExt};
use crate::error::Result;
use crate::objects::{Listed, Remote, claim};
use crate::uploads::UploadId;
use crate::{Store, batch};

/// Sessions that are listed at a time.
const PAGE_SESSIONS: usize = 1_000;

/// Removes the uploads that nothing was added to since `before` (milliseconds since the epoch) and that are not open in this
/// process, with those of their pieces that are no blobs. Answers how many uploads it removed.
///
/// `before` must lie at least a day back: younger pieces may be about to become blobs in another process.
pub(in crate::uploads) async fn expire(store: &Store, remote: &Remote, before: i64) -> Result<u64> {
    claim::confirm(store.db(), remote).await?;
    let mut removed = 0_u64;
    let mut after: Option<String> = None;
    loop {
        let listed = remote
            .list_folder("sessions", after.as_deref(), PAGE_SESSIONS)
            .await?;
        let Some(last) = listed.last() else {
            return Ok(removed);
        };
        after = Some(last.key.clone());
        let stale: BTreeSet<UploadKey> = listed
            .iter()
            .filter(|listed| listed.modified_at < before)
            .filter_map(|listed| UploadKey::of(&listed.key))
            .collect();
        for id in stale {
            if remove(store, remote, &id.0, before).await? {
                removed = removed.saturating_add(1);
            }
        }
    }
}

/// An id in the order of its text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UploadKey(String);

impl UploadKey {
    fn of(key: &str) -> Option<UploadKey> {
        let name = key.strip_prefix("sessions/")?;
        let id = name.strip_suffix(".ended").unwrap_or(name);
        id.parse::<UploadId>().ok()?;
        Some(UploadKey(id.to_owned()))
    }
}

async fn remove(store: &Store, remote: &Remote, id: &str, before: i64) -> Result<bool> {
    let id: UploadId = id.parse()?;
    // Held while it is removed, so that no request of this process opens it in between.
    let Ok(_guard) = store.open_uploads().enter(&id) else {
        return Ok(false);
    };
    let pieces = remote.list_folder(&folder(&id), None, PIECES_MAX).await?;
    if pieces.iter().any(|piece| piece.modified_at >= before) {
        return Ok(false);
    }
    for page in pieces.chunks(batch::LIST_MAX) {
        let blobs = blobs(store.db(), page).await?;
        for piece in page.iter().filter(|piece| !blobs.contains(&piece.key)) {
            remote.delete(&piece.key).await?;
        }
    }
    remote.delete(&session_key(&id)).await?;
    remote.delete(&ended_key(&id)).await?;
    store.hashes().forget(&id);
    remote.chains().forget(&id);
    Ok(true)
}

/// Those of the pieces that are blobs, by the index of these.
async fn blobs(db: &Db, pieces: &[Listed]) -> Result<HashSet<String>> {
    let text = format!(
        "SELECT location FROM blobs WHERE location >= 'uploads/' AND location < 'uploads0' AND location IN ({})",
        batch::markers(1, pieces.len())
    );
    let mut query = batch::query(text);
    for piece in pieces {
        query = query.bind(piece.key.clone());
    }
    let rows = query.fetch_all(db.read()).await?;
    rows.iter().map(|row| row.text("location")).collect()
}
