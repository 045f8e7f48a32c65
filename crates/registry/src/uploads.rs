//! Uploads: bytes stream to a file while they are hashed, and become a blob only when the digest fits. No blob is held in memory.
//! The running hash of a session lives here; after a restart, or for another algorithm, the store reads the file once more.

use crate::Registry;
use crate::error::{Error, Result};
use crate::gatekeeper;
use crate::pull::repository;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use oci::{Algorithm, Digest, ErrorCode, Hasher};
use policy::Permit;
use policy::verb::{Attach, Pull};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use store::uploads::{self, Hashed, UploadFile, UploadId};
use store::{Writer, catalogue};

/// The running hashes of uploads that this process has written to, each with the bytes it has seen.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<UploadId, Progress>>);

/// The hash of the first bytes of an upload.
struct Progress {
    held: u64,
    hasher: Hasher,
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
            _ if held == 0 => Some(Progress {
                held,
                hasher: Hasher::new(Algorithm::Sha256),
            }),
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
    /// Begins an upload (end-4).
    ///
    /// # Errors
    /// The store's failures.
    pub async fn start_upload(&self, permit: &Permit<Attach>, now: i64) -> Result<UploadId> {
        Ok(uploads::start(&self.store, &Writer::Attach(permit), now).await?)
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
        let hashed = match (digest.algorithm(), self.sessions.take(id, file.size())) {
            (Algorithm::Sha256, Some(progress)) => Hashed::Already(progress.hasher.finish()),
            _ => Hashed::NotYet,
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

    /// Makes a blob of another repository one of this repository too (end-11), where the caller may read it there and no gate
    /// holds it back. `false`: upload it instead; whether it exists is not told.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn mount(
        &self,
        to: &Permit<Attach>,
        from: Option<&Permit<Pull>>,
        digest: &Digest,
        now: i64,
    ) -> Result<bool> {
        let Some(from) = from else {
            return Ok(false);
        };
        let source = repository(from.repository())?;
        if catalogue::blob(&self.store, source, digest)
            .await?
            .is_none()
        {
            return Ok(false);
        }
        match gatekeeper::blob(&self.store, from.who(), source, digest, now).await {
            Ok(()) => {}
            Err(
                Error::Refused(_)
                | Error::Protocol {
                    code: ErrorCode::Denied,
                    ..
                },
            ) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(
            catalogue::link_blob(&self.store, &Writer::Attach(to), from, digest, now)
                .await?
                .is_some(),
        )
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
