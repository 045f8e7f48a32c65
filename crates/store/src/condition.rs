//! Whether a store is fit to serve: each thing that must work, tried. It changes nothing but a file of its own that it writes
//! and removes again, and judges nothing: what is bad enough to turn clients away is the caller's to say.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use crate::Store;
use crate::blobs::blocking;
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::random;

/// Tries a read of the database.
///
/// # Errors
/// The database does not answer.
pub async fn database(store: &Store) -> Result<()> {
    sqlx::query("SELECT value FROM revisions WHERE name = 'directory'")
        .fetch_one(store.db().read())
        .await?;
    Ok(())
}

/// Tries to write a file to the data folder, and answers the bytes that are free on its disk for this user.
///
/// # Errors
/// The folder cannot be written to, or its disk is full.
pub async fn data_folder(store: &Store) -> Result<u64> {
    let folder = store.folder().uploads();
    let probe = folder.join(format!("probe-{}", random::hex::<8>()?));
    blocking(move || {
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&probe)
            .and_then(|mut file| file.write_all(b"probe"))
            .map_err(Error::io(&probe));
        let _ = fs::remove_file(&probe);
        written?;
        let disk = rustix::fs::statvfs(&folder)
            .map_err(std::io::Error::from)
            .map_err(Error::io(&folder))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    })
    .await
}

/// Asks the bucket of the blobs whether it answers; `false` where they are files of the data folder.
///
/// # Errors
/// It does not answer.
pub async fn bucket(store: &Store) -> Result<bool> {
    store.objects().check().await
}

/// When the oldest act was recorded that has no place in the audit log yet (milliseconds since the epoch); none when all have
/// one. It grows old when the log contradicts its checkpoints, because nothing is sealed then.
///
/// # Errors
/// The database does not answer.
pub async fn oldest_unsealed_at(store: &Store) -> Result<Option<i64>> {
    sqlx::query("SELECT MIN(happened_at) AS oldest_at FROM audit WHERE leaf_index IS NULL")
        .fetch_one(store.db().read())
        .await?
        .opt_int("oldest_at")
}

/// When the oldest job became due that nobody works on (milliseconds since the epoch); none when nothing is due. Jobs that
/// failed are due again at a later time, so this grows old when nobody takes jobs, or when there are too many.
///
/// # Errors
/// The database does not answer.
pub async fn oldest_due_at(store: &Store, now: i64) -> Result<Option<i64>> {
    sqlx::query(
        "SELECT MIN(run_at) AS oldest_at FROM jobs WHERE run_at <= $1 AND locked_until <= $1",
    )
    .bind(now)
    .fetch_one(store.db().read())
    .await?
    .opt_int("oldest_at")
}
