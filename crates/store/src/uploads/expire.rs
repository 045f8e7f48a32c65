//! Uploads that nobody will finish: files that were last written to long ago and that no process has open.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file::{lock, size_of};
use super::{UploadId, pieces};
use crate::Store;
use crate::blobs::blocking;
use crate::error::{Error, Result};
use crate::objects::{Objects, modified_at};

/// Removes the files of uploads that were last written to before `before` (milliseconds since the epoch) and are not open in
/// this or another process, so that their sessions end. Answers how many it removed. With blobs in a bucket, `before` lies at
/// least a day back.
pub async fn expire(store: &Store, before: i64) -> Result<u64> {
    if let Objects::Remote(remote) = store.objects() {
        return pieces::expire(store, remote, before).await;
    }
    let store = store.clone();
    blocking(move || {
        let removed = remove_stale(&store, before)?;
        forget_ended(&store);
        Ok(removed)
    })
    .await
}

/// How many uploads have a file.
pub(crate) async fn under_way(store: &Store) -> Result<u64> {
    let folder = store.folder().uploads();
    blocking(move || {
        let entries = fs::read_dir(&folder).map_err(Error::io(&folder))?;
        Ok(entries.count() as u64)
    })
    .await
}

fn remove_stale(store: &Store, before: i64) -> Result<u64> {
    let folder = store.folder().uploads();
    let mut removed = 0_u64;
    for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
        let entry = entry.map_err(Error::io(&folder))?;
        // A file that went away meanwhile was finished.
        let is_stale = entry
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && modified_at(&metadata) < before);
        if is_stale && remove(store, &entry.path(), before)? {
            removed = removed.saturating_add(1);
        }
    }
    Ok(removed)
}

/// Removes a file unless somebody has it open, or has written to it meanwhile.
fn remove(store: &Store, path: &Path, before: i64) -> Result<bool> {
    let id = upload_of(path);
    // Both held while it is removed, so that no request opens it in between.
    let guard = id.as_ref().map(|id| store.open_uploads().enter(id));
    if matches!(guard, Some(Err(_))) {
        return Ok(false);
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        outcome => outcome.map_err(Error::io(path))?,
    };
    if !lock(&file, path)? || size_of(&file, path)?.is_none() {
        return Ok(false);
    }
    if modified_at(&file.metadata().map_err(Error::io(path))?) >= before {
        return Ok(false);
    }
    fs::remove_file(path).map_err(Error::io(path))?;
    Ok(true)
}

fn upload_of(path: &Path) -> Option<UploadId> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Forgets what is known of uploads that have ended, here or in another process.
fn forget_ended(store: &Store) {
    let path = |id: &UploadId| -> PathBuf { store.folder().uploads().join(id.as_str()) };
    // What is open may be about to become a blob: its file has its new name then, and whoever reads it is told of the end by
    // the upload itself.
    let has_ended = |id: &UploadId| store.open_uploads().enter(id).is_ok() && !path(id).exists();
    for id in store.growths().ids().iter().filter(|id| has_ended(id)) {
        store.growths().ended(id, None);
    }
    for id in store.hashes().ids().iter().filter(|id| has_ended(id)) {
        store.hashes().forget(id);
    }
}
