//! Blobs that lie in a bucket: passed on as a stream, or, where the operator wants it, answered with a link to the bucket.
//! Whether the caller may have them was decided before.

use crate::error::V2Result;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use store::blobs::RemoteContent;

use super::text;

/// `length` bytes from `first` on, passed on as they come.
pub(super) async fn body(content: RemoteContent, first: u64, length: u64) -> V2Result<Body> {
    let stream = content
        .stream(first, length)
        .await
        .map_err(registry::Error::from)?;
    Ok(Body::from_stream(stream))
}

/// end-2: "307 Temporary Redirect" to where the bytes are. The link is for whoever has it, so nobody may keep it.
pub(super) async fn redirect(
    content: &RemoteContent,
    mut headers: HeaderMap,
) -> V2Result<Response> {
    let link = content.link().await.map_err(registry::Error::from)?;
    headers.insert(header::LOCATION, text(&link));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 9110 8.6: the length of this answer, and not of the blob.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.remove(header::CONTENT_TYPE);
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}
