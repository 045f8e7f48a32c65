//! Uploads: a session is an empty file to begin with, and what it is for stands in its URL, authenticated (`session`). It
//! survives a restart; a session whose file is gone has ended. The bytes of a live session are not visible to anybody;
//! `Upload::commit` makes them a blob. distribution-spec "Pushing blobs".
//!
//! Whoever opened an upload may finish it, however long its bytes take: the permit is checked when it is opened. Bytes are
//! hashed as they come; a session whose hash was lost (a restart, another process) is hashed again from its file.

use std::fs::OpenOptions;
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use oci::{Algorithm, Digest, RepositoryName};
use tokio::task::JoinHandle;

use crate::blobs::{BlobInfo, blocking, joined, new_key, settle};
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::{Store, Writer};

mod expire;
mod file;
mod growth;
mod hashes;
mod pieces;
mod session;
mod upload;

pub use expire::expire;
pub(crate) use expire::under_way;
pub(crate) use file::OpenUploads;
use file::UploadFile;
pub(crate) use growth::Growths;
pub use growth::{Growing, Growth, follow, offer_again, offered};
pub(crate) use hashes::Hashes;
use hashes::Running;
use pieces::Pieces;
pub(crate) use pieces::is_piece;
pub use session::{Session, UploadId, session};
pub use upload::Upload;

/// Bytes that are gathered before they are written. A body that is not longer is written, synced and named in one go.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of one request after which the disk is told to begin: what it has to be waited for in the end is little then. That
/// takes a fifth off the time of 100 MiB.
const EARLY_BYTES: u64 = 16 << 20;

/// An upload to a file, opened for writing by one request. Nobody else has it open, also not while a dropped request's last write runs.
#[derive(Debug)]
struct FileUpload {
    store: Store,
    repository: RepositoryName,
    file: Arc<UploadFile>,
    hash: Option<Running>,
    buffer: Vec<u8>,
    /// The write that is under way; it answers its buffer, emptied.
    writing: Option<JoinHandle<Result<Vec<u8>>>>,
    /// The sync that is under way, beside the writes.
    syncing: Option<JoinHandle<Result<()>>>,
    /// Bytes that were handed over since a sync began.
    unsynced: u64,
}

/// Begins an upload to the writer's repository, for a digest of this algorithm: one of another one is found at the end all
/// the same, by reading the bytes again.
pub async fn start(
    store: &Store,
    writer: &Writer<'_>,
    algorithm: Algorithm,
    now: i64,
) -> Result<Session> {
    writer.actor(now)?;
    let session = Session::new(store, writer, algorithm, now)?;
    if let Objects::Remote(remote) = store.objects() {
        pieces::start(remote, session.id()).await?;
        return Ok(session);
    }
    let path = store.folder().uploads().join(session.id().as_str());
    // Not synced: nothing is acknowledged but a number.
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
    Ok(session)
}

/// Opens an upload of this writer in this repository, behind the bytes it has. Whether it is still there shows when its file
/// is first needed, by `size`, `flush` or `commit`.
pub fn open(store: &Store, writer: &Writer<'_>, session: &Session, now: i64) -> Result<Upload> {
    writer.actor(now)?;
    // Someone else's upload and none at all answer alike.
    if session.repository() != writer.repository()? || session.principal() != writer.principal() {
        return Err(session::unknown(session.id()));
    }
    let begin = || Running::begin(session.algorithm());
    if let Objects::Remote(remote) = store.objects() {
        let guard = store.open_uploads().enter(session.id())?;
        let hash = store.hashes().take(session.id()).unwrap_or_else(begin);
        let pieces = Pieces::of_session(store, remote, session.repository(), guard, hash);
        return Ok(Upload::in_pieces(pieces));
    }
    let file = UploadFile::existing(store, session.id())?;
    let hash = store.hashes().take(session.id()).unwrap_or_else(begin);
    let upload = FileUpload::new(store, session.repository(), file, hash);
    Ok(Upload::in_a_file(upload))
}

/// An upload within one request, which no other one can open: it has no session, and leaves nothing when it is dropped.
pub fn create(
    store: &Store,
    writer: &Writer<'_>,
    algorithm: Algorithm,
    now: i64,
) -> Result<Upload> {
    writer.actor(now)?;
    let id = UploadId::random()?;
    if let Objects::Remote(remote) = store.objects() {
        let (guard, hash) = (store.open_uploads().enter(&id)?, Running::begin(algorithm));
        let pieces = Pieces::of_request(store, remote, writer.repository()?, guard, hash);
        return Ok(Upload::in_pieces(pieces));
    }
    let (file, hash) = (UploadFile::new(store, &id)?, Running::begin(algorithm));
    let upload = FileUpload::new(store, writer.repository()?, file, hash);
    Ok(Upload::in_a_file(upload))
}

impl FileUpload {
    fn new(
        store: &Store,
        repository: &RepositoryName,
        file: UploadFile,
        hash: Running,
    ) -> FileUpload {
        FileUpload {
            store: store.clone(),
            repository: repository.clone(),
            file: Arc::new(file),
            hash: Some(hash),
            buffer: Vec::new(),
            writing: None,
            syncing: None,
            unsynced: 0,
        }
    }

    /// How many bytes it has.
    async fn size(&mut self) -> Result<u64> {
        self.written().await?;
        let file = Arc::clone(&self.file);
        let size = blocking(move || file.size()).await?;
        Ok(size.saturating_add(self.buffer.len() as u64))
    }

    /// Adds bytes at the end: while they are hashed, those before them are written. On an error, what was added since the last
    /// `flush` may be missing: the upload goes on from the size that a fresh `open` tells.
    async fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        while !bytes.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() >= CHUNK_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Hands all bytes to the file, and keeps the hash for the next request. Answers how many there are.
    async fn flush(mut self) -> Result<u64> {
        self.settled().await?;
        let (file, bytes) = (Arc::clone(&self.file), mem::take(&mut self.buffer));
        let growths = Arc::clone(self.store.growths());
        let size = blocking(move || {
            file.append(&bytes, &growths)?;
            file.size()
        })
        .await?;
        let hash = self.hash.take().filter(|hash| hash.is_of(size));
        if let Some(hash) = hash.filter(|_| self.file.is_of_session()) {
            self.store.hashes().keep(self.file.id(), hash);
        }
        Ok(size)
    }

    /// Makes the bytes the blob `expected` of the repository that the upload was opened for. When this answers `Ok`, bytes,
    /// their name and the rows are on the disk. With other bytes than expected the upload stays as it was.
    async fn commit(mut self, expected: &Digest, now: i64) -> Result<BlobInfo> {
        self.settled().await?;
        let location = new_key(expected)?;
        let finish = Finish {
            file: Arc::clone(&self.file),
            bytes: mem::take(&mut self.buffer),
            hash: self.hash.take(),
            expected: expected.clone(),
            key: location.clone(),
        };
        let store = self.store.clone();
        let size = blocking(move || finish.run(&store)).await?;
        let info = BlobInfo {
            digest: expected.clone(),
            size,
            location: Some(location),
        };
        settle(&self.store, &self.repository, &info, now).await?;
        self.store.growths().ended(self.file.id(), Some(expected));
        Ok(info)
    }

    /// Ends the upload and drops its bytes.
    async fn cancel(mut self) -> Result<()> {
        self.settled().await?;
        self.store.growths().ended(self.file.id(), None);
        let file = Arc::clone(&self.file);
        blocking(move || file.remove()).await
    }

    /// Begins to write what was gathered, after what was gathered before.
    async fn write(&mut self) -> Result<()> {
        let empty = match self.written().await? {
            Some(buffer) => buffer,
            None => Vec::with_capacity(CHUNK_BYTES),
        };
        let mut bytes = mem::replace(&mut self.buffer, empty);
        let (file, growths) = (Arc::clone(&self.file), Arc::clone(self.store.growths()));
        self.writing = Some(tokio::task::spawn_blocking(move || {
            file.append(&bytes, &growths)?;
            bytes.clear();
            Ok(bytes)
        }));
        self.unsynced = self.unsynced.saturating_add(CHUNK_BYTES as u64);
        self.sync_early().await
    }

    /// Begins a sync where one is due.
    async fn sync_early(&mut self) -> Result<()> {
        if let Some(ended) = self.syncing.take_if(|syncing| syncing.is_finished()) {
            joined(ended.await)?;
        }
        if self.unsynced < EARLY_BYTES || self.syncing.is_some() {
            return Ok(());
        }
        self.unsynced = 0;
        let file = Arc::clone(&self.file);
        self.syncing = Some(tokio::task::spawn_blocking(move || file.sync_early()));
        Ok(())
    }

    /// Waits for all that is under way.
    async fn settled(&mut self) -> Result<()> {
        self.written().await?;
        match self.syncing.take() {
            Some(syncing) => joined(syncing.await),
            None => Ok(()),
        }
    }

    /// Waits for the write that is under way; answers its buffer.
    async fn written(&mut self) -> Result<Option<Vec<u8>>> {
        match self.writing.take() {
            Some(writing) => joined(writing.await).map(Some),
            None => Ok(None),
        }
    }
}

/// The end of an upload, for a thread that may block.
struct Finish {
    file: Arc<UploadFile>,
    bytes: Vec<u8>,
    hash: Option<Running>,
    expected: Digest,
    key: String,
}

impl Finish {
    /// Writes what is left, compares the digest, and makes the file an object. Answers its size.
    fn run(self, store: &Store) -> Result<u64> {
        let Finish {
            file,
            bytes,
            hash,
            expected,
            key,
        } = self;
        file.append(&bytes, store.growths())?;
        let size = file.size()?;
        let found = match hash.filter(|hash| hash.is_of(size)) {
            Some(hash) if hash.algorithm() == expected.algorithm() => hash.finish(),
            _ => file.hash(expected.algorithm())?,
        };
        if found != expected {
            return Err(Error::DigestMismatch { expected, found });
        }
        let Objects::Local(objects) = store.objects() else {
            return Err(session::unknown(file.id()));
        };
        file.become_object(objects, &key)?;
        Ok(size)
    }
}
