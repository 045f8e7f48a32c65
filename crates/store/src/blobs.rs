//! Blobs as local files, named by their digest. A blob is durable before it is acknowledged: bytes synced, renamed into
//! place, the folder synced, then the rows committed. A file without a row is invisible; a row without a file is a fault.
//! Uploads in pieces are in `uploads`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci::{Digest, Hasher};

use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::folder::{Folder, make, sync_folder};
use crate::{Store, Writer, catalogue, random};

/// How much is read at a time when a file is hashed.
const HASH_CHUNK_BYTES: usize = 1024 * 1024;

/// A blob that a repository holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Opens a blob for reading, with its length. Whether the caller may read it is decided before.
pub async fn open(store: &Store, digest: &Digest) -> Result<(tokio::fs::File, u64)> {
    let path = store.folder().blob(digest);
    let file = match tokio::fs::File::open(&path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::not_found("blob", digest));
        }
        outcome => outcome.map_err(Error::io(&path))?,
    };
    let size = file.metadata().await.map_err(Error::io(&path))?.len();
    Ok((file, size))
}

/// Stores a small blob that is in memory already and links it to the writer's repository.
pub async fn put(
    store: &Store,
    writer: &Writer<'_>,
    content: Vec<u8>,
    now: i64,
) -> Result<BlobInfo> {
    writer.actor(now)?;
    let folder = store.folder().clone();
    let info = blocking(move || {
        let info = BlobInfo {
            digest: Digest::sha256(&content),
            size: length(&content)?,
        };
        let temporary = folder
            .uploads()
            .join(format!("blob-{}", random::hex::<16>()?));
        let written = write_new(&temporary, &content)
            .and_then(|file| publish(&folder, &file, &temporary, &info.digest));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| info)
    })
    .await?;
    let repository = writer.repository()?;
    write_tx!(store.db(), |tx| {
        let repository_id = catalogue::repository_id(tx, repository, now).await?;
        record(tx, repository_id, &info, now).await
    })?;
    Ok(info)
}

/// Notes that the blob is stored and that the repository holds it.
pub(crate) async fn record(
    tx: &mut Tx,
    repository_id: i64,
    info: &BlobInfo,
    now: i64,
) -> Result<()> {
    let size = i64::try_from(info.size).map_err(Error::corrupt("blobs.size"))?;
    sqlx::query("INSERT INTO blobs (digest, size, stored_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING")
        .bind(info.digest.as_str())
        .bind(size)
        .bind(now)
        .execute(tx.conn())
        .await?;
    link(tx, repository_id, &info.digest, now).await
}

/// Notes that the repository holds a blob that is stored, and tells the images that were pushed before it.
pub(crate) async fn link(tx: &mut Tx, repository_id: i64, digest: &Digest, now: i64) -> Result<()> {
    let linked = sqlx::query(
        "INSERT INTO repository_blobs (repository_id, digest, linked_at) VALUES ($1, $2, $3) \
         ON CONFLICT (repository_id, digest) DO NOTHING",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    if linked.rows_affected() == 0 {
        return Ok(());
    }
    catalogue::arrived(tx, repository_id, digest, now).await
}

/// The blob as this repository holds it.
pub(crate) async fn held(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<BlobInfo>> {
    let row = sqlx::query(
        "SELECT b.size FROM repository_blobs r JOIN blobs b ON b.digest = r.digest \
         WHERE r.repository_id = $1 AND r.digest = $2",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(BlobInfo {
            digest: digest.clone(),
            size: row.count("size")?,
        })
    })
    .transpose()
}

/// Makes a complete file the blob of this digest: durable bytes, then the name, then a durable name. The caller has checked
/// that the bytes have the digest.
pub(crate) fn publish(
    folder: &Folder,
    file: &File,
    temporary: &Path,
    digest: &Digest,
) -> Result<()> {
    file.sync_all().map_err(Error::io(temporary))?;
    let path = folder.blob(digest);
    let shard: PathBuf = path.parent().map(Path::to_path_buf).unwrap_or_default();
    make(&shard)?;
    fs::rename(temporary, &path).map_err(Error::io(&path))?;
    sync_folder(&shard)
}

/// The digest of a file's bytes, read in pieces.
pub(crate) fn hash(mut file: &File, path: &Path, algorithm: oci::Algorithm) -> Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; HASH_CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).map_err(Error::io(path))?;
        match chunk.get(..read) {
            Some([]) | None => return Ok(hasher.finish()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::Io {
            path: "a file task".to_owned(),
            source: std::io::Error::other(error),
        }),
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io(path))?;
    file.write_all(content).map_err(Error::io(path))?;
    Ok(file)
}

fn length(content: &[u8]) -> Result<u64> {
    u64::try_from(content.len()).map_err(Error::corrupt("a blob's length"))
}
