//! Uploads: bytes stream to a file while they are hashed, and become a blob only when the digest fits. No blob is held in memory.
//! The running hash of a session lives here; after a restart, or for another algorithm, the store reads the file once more.

use crate::Registry;
use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use oci::{Algorithm, Digest, Hasher};
use policy::Permit;
use policy::verb::Attach;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use store::Writer;
use store::uploads::{self, Hashed, UploadFile, UploadId};

/// The running hashes of uploads that this process has written to, each with the bytes it has seen.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<UploadId, Progress>>);

/// The hash of the first bytes of an upload.
struct Progress {
    held: u64,
    hasher: Hasher,
}

impl Progress {
    fn begin(algorithm: Algorithm) -> Self {
        Self {
            held: 0,
            hasher: Hasher::new(algorithm),
        }
    }
}

impl Sessions {
    /// Takes the hash of exactly the bytes that the upload holds; an empty upload has one too.
    fn take(&self, id: &UploadId, held: u64) -> Option<Progress> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        match known {
            Some(progress) if progress.held == held => Some(progress),
            _ if held == 0 => Some(Progress::begin(Algorithm::Sha256)),
            _ => None,
        }
    }

    fn keep(&self, id: &UploadId, progress: Option<Progress>) {
        if let Some(progress) = progress {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id.clone(), progress);
        }
    }
}

impl Registry {
    /// Begins an upload (end-4). Its bytes are hashed with `algorithm` while they arrive; a digest of another one is found at
    /// the end all the same, by reading the file once more.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn start_upload(
        &self,
        permit: &Permit<Attach>,
        algorithm: Algorithm,
        now: i64,
    ) -> Result<UploadId> {
        let id = uploads::start(&self.store, &Writer::Attach(permit), now).await?;
        // Without an entry an empty upload is hashed with SHA-256: most uploads need none.
        if algorithm != Algorithm::Sha256 {
            self.sessions.keep(&id, Some(Progress::begin(algorithm)));
        }
        Ok(id)
    }

    /// Bytes that the upload holds (end-13).
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` for another's or an ended upload.
    pub async fn upload_size(
        &self,
        permit: &Permit<Attach>,
        id: &UploadId,
        now: i64,
    ) -> Result<u64> {
        Ok(self.open(permit, id, now).await?.size())
    }

    /// Appends a stream (end-5), which must begin at `start` where the client says so. Answers the bytes held then.
    ///
    /// # Errors
    /// [`Error::Range`] for a chunk out of order; [`Error::Interrupted`] when the body ends early: what came is kept.
    pub async fn write_upload<S>(
        &self,
        permit: &Permit<Attach>,
        id: &UploadId,
        start: Option<u64>,
        stream: S,
        now: i64,
    ) -> Result<u64>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let mut file = self.open(permit, id, now).await?;
        if start.is_some_and(|start| start != file.size()) {
            return Err(Error::Range { held: file.size() });
        }
        // A write that fails leaves no hash behind: the file is read again at the end.
        let mut progress = self.sessions.take(id, file.size());
        let ended = append(&mut file, &mut progress, stream).await?;
        file.flush().await?;
        self.sessions.keep(id, progress);
        ended.map(|()| file.size())
    }

    /// Makes the upload a blob of its repository (end-6): durable before this returns.
    ///
    /// # Errors
    /// `DIGEST_INVALID` when the bytes have another digest; the upload stays as it was.
    pub async fn finish_upload(
        &self,
        permit: &Permit<Attach>,
        id: &UploadId,
        digest: &Digest,
        now: i64,
    ) -> Result<()> {
        let file = self.open(permit, id, now).await?;
        // The store reads the file again where this is a hash of another algorithm.
        let hashed = match self.sessions.take(id, file.size()) {
            Some(progress) => Hashed::Already(progress.hasher.finish()),
            None => Hashed::NotYet,
        };
        uploads::commit(
            &self.store,
            &Writer::Attach(permit),
            file,
            digest,
            hashed,
            now,
        )
        .await?;
        Ok(())
    }

    /// Gives the upload up (end-14).
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` for another's or an ended upload.
    pub async fn cancel_upload(
        &self,
        permit: &Permit<Attach>,
        id: &UploadId,
        now: i64,
    ) -> Result<()> {
        let file = self.open(permit, id, now).await?;
        self.sessions.take(id, 0);
        Ok(uploads::cancel(&self.store, file).await?)
    }

    async fn open(&self, permit: &Permit<Attach>, id: &UploadId, now: i64) -> Result<UploadFile> {
        Ok(uploads::open(&self.store, &Writer::Attach(permit), id, now).await?)
    }
}

/// Writes the stream behind the file's bytes, and hashes along where a hash is running. The inner result is the client's part.
async fn append<S>(
    file: &mut UploadFile,
    progress: &mut Option<Progress>,
    stream: S,
) -> Result<Result<()>>
where
    S: Stream<Item = std::io::Result<Bytes>> + Send,
{
    let mut stream = pin!(stream);
    while let Some(chunk) = stream.next().await {
        let bytes = match chunk {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(Error::Interrupted(error))),
        };
        file.append(&bytes).await?;
        if let Some(progress) = progress {
            progress.hasher.update(&bytes);
            progress.held += bytes.len() as u64;
        }
    }
    Ok(Ok(()))
}
