//! Uploads: bytes stream to the store while they are hashed there, and become a blob only when the digest fits. No blob is held in
//! memory. What a caller may is asked when an upload is opened; from then on the upload is the grant, however long it takes.

use crate::Registry;
use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use oci::{Algorithm, Digest};
use policy::Permit;
use policy::verb::Attach;
use std::pin::pin;
use store::Writer;
use store::uploads::{self, Session};

/// An upload that one request has open. Dropped, it stays as it is.
#[derive(Debug)]
pub struct Upload(uploads::Upload);

impl Registry {
    /// Begins an upload of several requests (end-4). Its bytes are hashed with `algorithm` while they arrive; a digest of another
    /// one is found at the end all the same, by reading the bytes once more.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn start_upload(
        &self,
        permit: &Permit<Attach>,
        algorithm: Algorithm,
        now: i64,
    ) -> Result<Session> {
        Ok(uploads::start(&self.store, &Writer::Attach(permit), algorithm, now).await?)
    }

    /// The upload that a `Location` of ours names, by its last part and its state: in which repository it was begun, and by
    /// whom. It may have ended, and whoever asks may be somebody else.
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` unless this server made both.
    pub fn upload_session(&self, id: &str, state: &str) -> Result<Session> {
        Ok(uploads::session(&self.store, id, state)?)
    }

    /// Opens an upload of this caller in this repository.
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` for another's; whether it has ended shows at its first use. A conflict while another request has
    /// it open.
    pub fn open_upload(
        &self,
        permit: &Permit<Attach>,
        session: &Session,
        now: i64,
    ) -> Result<Upload> {
        let writer = Writer::Attach(permit);
        uploads::open(&self.store, &writer, session, now)
            .map(Upload)
            .map_err(Error::from)
    }

    /// An upload within one request (end-4b). Nothing is left of it unless it is finished.
    ///
    /// # Errors
    /// The store's failures.
    pub fn single_upload(
        &self,
        permit: &Permit<Attach>,
        algorithm: Algorithm,
        now: i64,
    ) -> Result<Upload> {
        let writer = Writer::Attach(permit);
        uploads::create(&self.store, &writer, algorithm, now)
            .map(Upload)
            .map_err(Error::from)
    }
}

impl Upload {
    /// Appends a stream (end-5), which must begin at `start` where the client says so.
    ///
    /// # Errors
    /// [`Error::Range`] for a chunk out of order; [`Error::Interrupted`] when the body ends early: what came is kept.
    pub async fn write<S>(mut self, start: Option<u64>, stream: S) -> Result<Upload>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        if let Some(start) = start {
            let held = self.0.size().await?;
            if start != held {
                self.0.flush().await?;
                return Err(Error::Range { held });
            }
        }
        let mut stream = pin!(stream);
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(bytes) => self.0.append(&bytes).await?,
                Err(error) => {
                    self.0.flush().await?;
                    return Err(Error::Interrupted(error));
                }
            }
        }
        Ok(self)
    }

    /// Leaves it to the next request. Answers the bytes that it holds (end-13).
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` for an ended upload; the store's failures.
    pub async fn keep(self) -> Result<u64> {
        Ok(self.0.flush().await?)
    }

    /// Makes it a blob of its repository (end-6): durable before this returns.
    ///
    /// # Errors
    /// `DIGEST_INVALID` when the bytes have another digest; the upload stays as it was.
    pub async fn finish(self, digest: &Digest, now: i64) -> Result<()> {
        self.0.commit(digest, now).await?;
        Ok(())
    }

    /// Gives it up (end-14).
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN` for an ended upload.
    pub async fn cancel(self) -> Result<()> {
        Ok(self.0.cancel().await?)
    }
}
