//! Uploads: whole blobs whose digest is known, and sessions for those whose digest is known at the end. Nothing is held
//! in memory and nothing is sent twice: a stream that fails is the caller's to begin again.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use oci::{Digest, RepositoryName};
use reqwest::{Body, Method, Url};

use super::{Access, redirect};
use crate::client::same_origin;
use crate::limits::{UPLOAD_BYTES_PER_SECOND_MIN, UPLOAD_TIMEOUT_MAX, WORK_TIMEOUT};
use crate::transport::{Answer, malformed, send};
use crate::{Client, Error};

/// Bytes to send.
pub enum Content {
    /// They are here.
    Bytes(Bytes),
    /// They come as a stream of this length, if it is known.
    Stream {
        /// Their number.
        size: Option<u64>,
        /// The bytes.
        bytes: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    },
}

impl Content {
    /// A stream; `size` in bytes, if it is known.
    pub fn stream(
        size: Option<u64>,
        bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self::Stream {
            size,
            bytes: bytes.boxed(),
        }
    }

    fn into_parts(self) -> (Option<u64>, Body) {
        match self {
            Self::Bytes(bytes) => (u64::try_from(bytes.len()).ok(), Body::from(bytes)),
            Self::Stream { size, bytes } => (size, Body::wrap_stream(bytes)),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// The answer to a mount.
#[derive(Debug)]
pub enum Mounted {
    /// The blob is in the repository now.
    Done,
    /// It is not: the registry began an upload instead.
    Upload(Box<Upload>),
}

impl Client {
    /// Pushes a blob in one piece.
    pub async fn put_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: impl Into<Content>,
    ) -> Result<(), Error> {
        // distribution-spec end-4a, end-6
        let upload = self.start_upload(repository).await?;
        upload
            .send(Method::PUT, Some(digest), content.into())
            .await?
            .accepted()
            .await
            .map(drop)
    }

    /// Begins an upload.
    pub async fn start_upload(&self, repository: &RepositoryName) -> Result<Upload, Error> {
        // distribution-spec end-4a
        let url = self.repository_url(repository, &["blobs", "uploads", ""]);
        let scopes = vec![Access::Push.scope(repository)];
        let answer = self
            .call(Method::POST, url, &scopes, no_content)
            .await?
            .accepted()
            .await?;
        Upload::new(self.clone(), scopes, &answer)
    }

    /// Takes over a blob from another repository of the same registry.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Mounted, Error> {
        // distribution-spec end-11
        let mut url = self.repository_url(repository, &["blobs", "uploads", ""]);
        url.query_pairs_mut()
            .append_pair("mount", digest.as_str())
            .append_pair("from", from.as_str());
        let scopes = vec![Access::Push.scope(repository), Access::Pull.scope(from)];
        let answer = self
            .call(Method::POST, url, &scopes, no_content)
            .await?
            .accepted()
            .await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Mounted::Done);
        }
        Upload::new(self.clone(), vec![Access::Push.scope(repository)], &answer)
            .map(|upload| Mounted::Upload(Box::new(upload)))
    }
}

/// How long an upload may take: no connection is waited for without end.
fn timeout(size: Option<u64>) -> Duration {
    let transfer = size.map(|size| Duration::from_secs(size / UPLOAD_BYTES_PER_SECOND_MIN));
    transfer.map_or(UPLOAD_TIMEOUT_MAX, |transfer| {
        transfer
            .saturating_add(WORK_TIMEOUT)
            .min(UPLOAD_TIMEOUT_MAX)
    })
}

fn no_content(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header(CONTENT_LENGTH, "0")
}

/// An upload that was begun and is not finished.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    scopes: Vec<String>,
    location: Url,
}

impl Upload {
    fn new(client: Client, scopes: Vec<String>, answer: &Answer) -> Result<Self, Error> {
        let location = redirect::target(answer.url(), answer.header(LOCATION.as_str()))?;
        Ok(Self {
            client,
            scopes,
            location,
        })
    }

    /// Sends the next bytes.
    pub async fn write(self, content: impl Into<Content>) -> Result<Self, Error> {
        // distribution-spec end-5
        let answer = self
            .send(Method::PATCH, None, content.into())
            .await?
            .accepted()
            .await?;
        Self::new(self.client, self.scopes, &answer)
    }

    /// Ends the upload: what was sent is the blob of this digest.
    pub async fn finish(self, digest: &Digest) -> Result<(), Error> {
        // distribution-spec end-6
        self.send(Method::PUT, Some(digest), Content::Bytes(Bytes::new()))
            .await?
            .accepted()
            .await
            .map(drop)
    }

    /// Throws away what was sent.
    pub async fn cancel(self) -> Result<(), Error> {
        self.send(Method::DELETE, None, Content::Bytes(Bytes::new()))
            .await?
            .accepted()
            .await
            .map(drop)
    }

    /// Sends to the upload's address; with the registry's token only if the address is the registry's own.
    async fn send(
        &self,
        method: Method,
        digest: Option<&Digest>,
        content: Content,
    ) -> Result<Answer, Error> {
        let mut url = self.location.clone();
        if let Some(digest) = digest {
            url.query_pairs_mut().append_pair("digest", digest.as_str());
        }
        let mut request = self.client.transport.request(method, url.clone());
        if same_origin(&url, &self.client.options.base_url) {
            request = self
                .client
                .authorization(&self.scopes)
                .await?
                .apply(request);
        }
        let (size, body) = content.into_parts();
        let timeout = timeout(size);
        if let Some(size) = size {
            request = request.header(CONTENT_LENGTH, size);
        }
        let answer = send(
            request
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(body),
            &url,
            timeout,
        )
        .await?;
        if answer.status().is_redirection() {
            return Err(malformed(&url, "an upload is not redirected"));
        }
        Ok(answer)
    }
}
