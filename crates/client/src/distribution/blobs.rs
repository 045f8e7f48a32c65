//! Blobs, read as streams that are checked while they pass: the last read fails when the content was not what its
//! digest says, so nothing may be believed before the end.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use oci::{Digest, Hasher, RepositoryName};
use reqwest::Method;
use tokio::runtime::Handle;

use super::Access;
use crate::transport::{Answer, shown};
use crate::{Client, Error};

impl Client {
    /// The size of a blob; nothing when it is not in the repository.
    pub async fn head_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, Error> {
        // distribution-spec end-2
        let answer = self.ask_blob(Method::HEAD, repository, digest).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.accepted().await?;
        let size = answer.content_length();
        size.map(Some)
            .ok_or_else(|| crate::transport::malformed(answer.url(), "no Content-Length in it"))
    }

    /// Begins to read a blob.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        // distribution-spec end-2
        let answer = self
            .ask_blob(Method::GET, repository, digest)
            .await?
            .accepted()
            .await?;
        let size = answer.content_length();
        Ok(Blob {
            answer,
            size,
            expected: digest.clone(),
            hasher: Some(Hasher::new(digest.algorithm())),
        })
    }

    /// Takes a blob out of a repository.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), Error> {
        // distribution-spec end-10
        let url = self.repository_url(repository, &["blobs", digest.as_str()]);
        let answer = self
            .call(
                Method::DELETE,
                url,
                &[Access::Delete.scope(repository)],
                |request| request,
            )
            .await?;
        answer.accepted().await.map(drop)
    }

    async fn ask_blob(
        &self,
        method: Method,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Answer, Error> {
        let url = self.repository_url(repository, &["blobs", digest.as_str()]);
        let scopes = [Access::Pull.scope(repository)];
        let answer = self
            .call(method.clone(), url, &scopes, |request| request)
            .await?;
        self.follow(answer, &method).await
    }
}

/// A blob on its way.
#[derive(Debug)]
pub struct Blob {
    answer: Answer,
    size: Option<u64>,
    expected: Digest,
    /// Nothing once the end was reached.
    hasher: Option<Hasher>,
}

impl Blob {
    /// Its length in bytes as the registry says, if it does.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next bytes; nothing at the end, once the digest was found right.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(chunk) = self.answer.chunk().await? {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&chunk);
            }
            return Ok(Some(chunk));
        }
        let Some(hasher) = self.hasher.take() else {
            return Ok(None);
        };
        let actual = hasher.finish();
        if actual == self.expected {
            return Ok(None);
        }
        Err(Error::DigestMismatch {
            url: shown(self.answer.url()),
            expected: self.expected.clone(),
            actual,
        })
    }

    /// All of it, checked; fails when it is longer than `bytes_max`.
    pub async fn bytes(mut self, bytes_max: u64) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            let length = u64::try_from(all.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
            if length > bytes_max {
                return Err(Error::TooLarge {
                    url: shown(self.answer.url()),
                    bytes_max,
                });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The blob for code that reads and blocks: for use in `spawn_blocking` only.
    #[must_use]
    pub fn into_reader(self, handle: Handle) -> BlobReader {
        BlobReader {
            blob: self,
            handle,
            chunk: Bytes::new(),
        }
    }
}

/// A blob as a blocking reader; a wrong digest is an error of the last read.
#[derive(Debug)]
pub struct BlobReader {
    blob: Blob,
    handle: Handle,
    chunk: Bytes,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self
                .handle
                .block_on(self.blob.chunk())
                .map_err(io::Error::other)?
            {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = self.chunk.len().min(buffer.len());
        if let Some(target) = buffer.get_mut(..length) {
            self.chunk.copy_to_slice(target);
        }
        Ok(length)
    }
}
