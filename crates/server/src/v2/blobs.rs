//! Blobs: served as they came, as streams, whole or in part (end-2, end-10).

use super::answer::{self, ByteRange, CONTENT_DIGEST, text};
use crate::app::App;
use crate::caller::{Access, Asked};
use crate::error::V2Result;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oci::{Digest, RepositoryName};
use policy::verb::{Delete, Pull};
use std::io::SeekFrom;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

mod remote;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// end-2: GET and HEAD.
pub(crate) async fn pull(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
    asked: &Asked,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let blob = app.registry().blob(&permit, &digest, app.now()).await?;
    let mut headers = content_headers(&digest);
    // RFC 9110 13.2.2: before any range.
    if answer::is_held(&asked.headers, &answer::entity_tag(&digest)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let range = answer::range(&asked.headers, blob.size)?;
    if let Some(ByteRange { first, last }) = range {
        headers.insert(
            header::CONTENT_RANGE,
            text(&format!("bytes {first}-{last}/{}", blob.size)),
        );
    }
    let is_whole = range.is_none();
    let status = if is_whole {
        StatusCode::OK
    } else {
        StatusCode::PARTIAL_CONTENT
    };
    let range = range.unwrap_or(ByteRange {
        first: 0,
        last: blob.size.saturating_sub(1),
    });
    let length = if blob.size == 0 {
        0
    } else {
        range.last - range.first + 1
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let body = if asked.method == Method::HEAD {
        Body::empty()
    } else {
        match blob.into_file() {
            Ok(file) => stream(file, range.first, length).await.map_err(|error| {
                tracing::error!(%digest, %error, "a stored blob cannot be read");
                registry::Error::unavailable("the blob cannot be read now")
            })?,
            Err(elsewhere) if is_whole && app.options().blob_redirect => {
                return remote::redirect(&elsewhere, headers).await;
            }
            Err(elsewhere) => remote::body(elsewhere, range.first, length).await?,
        }
    };
    Ok((status, headers, body).into_response())
}

async fn stream(file: std::fs::File, first: u64, length: u64) -> std::io::Result<Body> {
    let mut file = File::from_std(file);
    if first > 0 {
        file.seek(SeekFrom::Start(first)).await?;
    }
    Ok(Body::from_stream(ReaderStream::with_capacity(
        file.take(length),
        CHUNK_BYTES,
    )))
}

fn content_headers(digest: &Digest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_DIGEST, text(digest.as_str()));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, text(&answer::entity_tag(digest)));
    headers
}

/// end-10: takes the blob out of this repository.
pub(crate) async fn delete(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
) -> V2Result<Response> {
    let permit = access.repository::<Delete>(&name)?;
    app.registry()
        .delete_blob(&permit, &digest, app.now())
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
