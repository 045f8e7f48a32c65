//! Uploads in pieces: a session is a row and a file, so that it survives a restart. The bytes of a live session are not
//! visible to anybody; `commit` makes them a blob. Who hashes while the bytes stream is `registry`; a session whose hash was
//! lost is hashed again from its file. distribution-spec "Pushing a blob in chunks".

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use oci::Digest;

use crate::blobs::{BlobInfo, blocking, hash, new_key, record};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::{Store, Writer, catalogue, random};

mod expire;
mod growth;

pub use expire::expire;
pub(crate) use growth::Growths;
pub use growth::{Growing, Growth, follow, offer_again, offered};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;
/// The length of an id in hex digits.
const ID_DIGITS: usize = 32;

/// The name of an upload: 128 random bits in hex, so that it is a file name and cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// The id as it stands in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = Error;

    fn from_str(text: &str) -> Result<UploadId> {
        let is_id = text.len() == ID_DIGITS
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id {
            Ok(UploadId(text.to_owned()))
        } else {
            Err(unknown(&text.chars().take(64).collect::<String>()))
        }
    }
}

/// What is known about the digest of an upload's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hashed {
    /// All bytes were hashed while they streamed in, to this digest.
    Already(Digest),
    /// They were not, or not with the algorithm that is asked for.
    NotYet,
}

/// The uploads that this process is writing to: one request at a time each.
#[derive(Debug, Default)]
pub(crate) struct OpenUploads(Arc<Mutex<HashSet<UploadId>>>);

impl OpenUploads {
    fn enter(&self, id: &UploadId) -> Result<Guard> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.insert(id.clone()) {
            return Err(in_use(id));
        }
        Ok(Guard {
            open: Arc::clone(&self.0),
            id: id.clone(),
        })
    }
}

fn in_use(id: &UploadId) -> Error {
    Error::Conflict {
        kind: "upload",
        name: id.to_string(),
        why: "is being written to by another request: wait for it to end",
    }
}

#[derive(Debug)]
struct Guard {
    open: Arc<Mutex<HashSet<UploadId>>>,
    id: UploadId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// An upload opened for writing. Nobody else has it open, also not while a dropped request's last write still runs.
#[derive(Debug)]
pub struct UploadFile {
    shared: Arc<Shared>,
    growths: Arc<Growths>,
    repository_id: i64,
    written: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    path: PathBuf,
    guard: Guard,
}

/// Begins an upload to the writer's repository.
pub async fn start(store: &Store, writer: &Writer<'_>, now: i64) -> Result<UploadId> {
    writer.actor(now)?;
    let repository = writer.repository()?;
    let id = UploadId(random::hex::<16>()?);
    let path = store.folder().uploads().join(id.as_str());
    blocking(move || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map(drop)
            .map_err(Error::io(&path))
    })
    .await?;
    write_tx!(store.db(), |tx| {
        let repository_id = catalogue::repository_id(tx, repository, now).await?;
        sqlx::query("INSERT INTO uploads (id, repository_id, principal_id, started_at) VALUES ($1, $2, $3, $4)")
                .bind(id.as_str())
                .bind(repository_id)
                .bind(writer.principal().map(|id| id.0))
                .bind(now)
                .execute(tx.conn())
                .await?;
        Ok(())
    })?;
    Ok(id)
}

/// Opens an upload of this writer in this repository, behind the bytes it has.
pub async fn open(
    store: &Store,
    writer: &Writer<'_>,
    id: &UploadId,
    now: i64,
) -> Result<UploadFile> {
    writer.actor(now)?;
    let row = sqlx::query(
        "SELECT u.repository_id, u.principal_id FROM uploads u JOIN repositories r ON r.id = u.repository_id \
         WHERE u.id = $1 AND r.name = $2",
    )
    .bind(id.as_str())
    .bind(writer.repository()?.as_str())
    .fetch_optional(store.db().read())
    .await?
    .ok_or_else(|| unknown(id))?;
    // Someone else's upload and none at all answer alike.
    if row.opt_int("principal_id")? != writer.principal().map(|id| id.0) {
        return Err(unknown(id));
    }
    let guard = store.open_uploads().enter(id)?;
    let growths = Arc::clone(store.growths());
    let path = store.folder().uploads().join(id.as_str());
    let repository_id = row.int("repository_id")?;
    blocking(move || {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown(&guard.id)),
            outcome => outcome.map_err(Error::io(&path))?,
        };
        // Another process with the same folder may have it open too; its writes are not in this one's running hash.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&guard.id)),
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
        }
        let metadata = file.metadata().map_err(Error::io(&path))?;
        // Before the lock it may have become a blob, or have been given up.
        match fs::metadata(&path) {
            Ok(there) if there.ino() == metadata.ino() && there.dev() == metadata.dev() => {}
            Ok(_) => return Err(unknown(&guard.id)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown(&guard.id)),
            Err(error) => return Err(Error::io(&path)(error)),
        }
        let written = metadata.len();
        Ok(UploadFile {
            shared: Arc::new(Shared { file, path, guard }),
            growths,
            repository_id,
            written,
            buffer: Vec::new(),
        })
    })
    .await
}

impl UploadFile {
    /// Its name.
    pub fn id(&self) -> &UploadId {
        &self.shared.guard.id
    }

    /// How many bytes it has, with those that `flush` has yet to write.
    pub fn size(&self) -> u64 {
        self.written
            .saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    /// Adds bytes at the end. On an error, what was added since the last `flush` may be missing: the upload goes on from
    /// the size that a fresh `open` tells.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Hands all bytes to the file. Call it when a request's body has ended.
    pub async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (shared, offset) = (Arc::clone(&self.shared), self.written);
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(BUFFER_BYTES));
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        blocking(move || {
            shared.file.write_all_at(&bytes, offset).map_err(|error| {
                // A full disk leaves a part of the piece: cut it off, so that the size tells what arrived.
                let _ = shared.file.set_len(offset);
                Error::io(&shared.path)(error)
            })
        })
        .await?;
        self.written = self.written.saturating_add(length);
        self.growths.grown(self.id(), self.written);
        Ok(())
    }
}

/// Makes an upload's bytes the blob `expected` of the writer's repository. When this answers `Ok`, bytes, names and rows are
/// on the disk. With other bytes than expected the upload stays as it was.
pub async fn commit(
    store: &Store,
    writer: &Writer<'_>,
    mut upload: UploadFile,
    expected: &Digest,
    hashed: Hashed,
    now: i64,
) -> Result<BlobInfo> {
    writer.actor(now)?;
    upload.flush().await?;
    let info = BlobInfo {
        digest: expected.clone(),
        size: upload.size(),
        location: Some(new_key(expected)?),
    };
    let (shared, digest, key) = (Arc::clone(&upload.shared), expected.clone(), info.key()?);
    let stored = store.clone();
    blocking(move || {
        let found = match hashed {
            Hashed::Already(found) if found.algorithm() == digest.algorithm() => found,
            Hashed::Already(_) | Hashed::NotYet => {
                hash(&shared.file, &shared.path, digest.algorithm())?
            }
        };
        if found != digest {
            return Err(Error::DigestMismatch {
                expected: digest,
                found,
            });
        }
        let Objects::Local(objects) = stored.objects();
        objects.adopt(&shared.file, &shared.path, &key)
    })
    .await?;
    let is_first = write_tx!(store.db(), |tx| {
        let is_first = record(tx, upload.repository_id, &info, now).await?;
        forget(tx, upload.id()).await?;
        Ok(is_first)
    })?;
    if !is_first {
        store.objects().remove(&info.key()?).await?;
    }
    store.growths().ended(upload.id(), Some(expected));
    Ok(info)
}

/// Ends an upload and drops its bytes.
pub async fn cancel(store: &Store, upload: UploadFile) -> Result<()> {
    write_tx!(store.db(), |tx| forget(tx, upload.id()).await)?;
    store.growths().ended(upload.id(), None);
    let shared = Arc::clone(&upload.shared);
    blocking(move || remove(&shared.path)).await
}

async fn forget(tx: &mut Tx, id: &UploadId) -> Result<()> {
    sqlx::query("DELETE FROM uploads WHERE id = $1")
        .bind(id.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn remove(path: &std::path::Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(Error::io(path)),
    }
}

fn unknown(id: &(impl fmt::Display + ?Sized)) -> Error {
    Error::not_found("upload", id)
}
