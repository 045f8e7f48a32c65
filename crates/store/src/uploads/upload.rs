//! An upload as callers have it, wherever its bytes go.

use oci::Digest;

use super::FileUpload;
use super::pieces::Pieces;
use crate::blobs::BlobInfo;
use crate::error::Result;

/// An upload opened for writing by one request. Nobody else in this process has it open.
#[derive(Debug)]
pub struct Upload(Bytes);

/// Where the bytes go.
#[derive(Debug)]
enum Bytes {
    /// To a file of the data folder.
    File(Box<FileUpload>),
    /// To a bucket.
    Pieces(Box<Pieces>),
}

impl Upload {
    pub(super) fn in_a_file(upload: FileUpload) -> Upload {
        Upload(Bytes::File(Box::new(upload)))
    }

    pub(super) fn in_pieces(upload: Pieces) -> Upload {
        Upload(Bytes::Pieces(Box::new(upload)))
    }

    /// How many bytes it has.
    pub async fn size(&mut self) -> Result<u64> {
        match &mut self.0 {
            Bytes::File(upload) => upload.size().await,
            Bytes::Pieces(upload) => upload.size().await,
        }
    }

    /// Adds bytes at the end: while they are hashed, those before them are written. On an error, what was added since the last
    /// `flush` may be missing: the upload goes on from the size that a fresh `open` tells.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.0 {
            Bytes::File(upload) => upload.append(bytes).await,
            Bytes::Pieces(upload) => upload.append(bytes).await,
        }
    }

    /// Hands all bytes on, and keeps the hash for the next request. Answers how many there are.
    pub async fn flush(self) -> Result<u64> {
        match self.0 {
            Bytes::File(upload) => upload.flush().await,
            Bytes::Pieces(upload) => upload.flush().await,
        }
    }

    /// Makes the bytes the blob `expected` of the repository that the upload was opened for. When this answers `Ok`, bytes,
    /// their name and the rows are durable. With other bytes than expected the upload stays as it was.
    pub async fn commit(self, expected: &Digest, now: i64) -> Result<BlobInfo> {
        match self.0 {
            Bytes::File(upload) => upload.commit(expected, now).await,
            Bytes::Pieces(upload) => upload.commit(expected, now).await,
        }
    }

    /// Ends the upload and drops its bytes.
    pub async fn cancel(self) -> Result<()> {
        match self.0 {
            Bytes::File(upload) => upload.cancel().await,
            Bytes::Pieces(upload) => upload.cancel().await,
        }
    }
}
