//! Blobs: served as they came, as streams, whole or in part (end-2, end-10).

use super::answer::{self, ByteRange, CONTENT_DIGEST, text};
use crate::app::App;
use crate::caller::{Access, Asked};
use crate::error::{V2Error, V2Result};
use crate::reading;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oci::{Digest, RepositoryName};
use policy::verb::{Attach, Delete, Pull};
use std::fs::File;

mod remote;

/// Bytes up to which a blob is read, rather than sent as a file.
const SENT_BYTES_MIN: u64 = 64 * 1024;

/// end-2: GET and HEAD.
pub(crate) async fn pull(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
    asked: &Asked<'_>,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let (registry, now) = (app.registry(), app.now());
    let blob = match registry
        .blob(&permit, access.standing(), &digest, now)
        .await
    {
        // Clients ask before they upload: one that is told of a damaged blob would not push it again, which heals it.
        Err(registry::Error::Store(store::Error::Damaged { .. }))
            if asked.method == Method::HEAD =>
        {
            return Err(store::Error::not_found("blob", &digest).into());
        }
        outcome => outcome?,
    };
    // Whoever may push counts on what they are told of.
    if let Some(writer) = access.may::<Attach>(&name) {
        match registry.keep_blob(&writer, &digest, now).await {
            Ok(true) => {}
            Ok(false) => return Err(store::Error::not_found("blob", &digest).into()),
            // Whoever asks for the bytes can have them, also while nothing can be written: what failed is only logged.
            Err(error) if asked.method == Method::GET => drop(V2Error::from(error)),
            Err(error) => return Err(error.into()),
        }
    }
    let entity_tag = answer::entity_tag(&digest);
    let mut headers = content_headers(&digest, entity_tag.clone());
    // RFC 9110 13.2.2: before any range.
    if answer::is_held(asked.headers, &entity_tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // RFC 9110 14.2: of HEAD there are none.
    let range = match asked.method {
        Method::GET => answer::range(asked.headers, &entity_tag, blob.size)?,
        _ => None,
    };
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
    if asked.method == Method::HEAD {
        return Ok((status, headers).into_response());
    }
    let body = match blob.into_file() {
        Ok(file) => body(asked, file, range.first, length),
        Err(elsewhere) if is_whole && app.options().blob_redirect => {
            return remote::redirect(&elsewhere, headers).await;
        }
        Err(elsewhere) => remote::body(elsewhere, range.first, length).await?,
    };
    Ok((status, headers, body).into_response())
}

/// Where the connection can send files by itself, it does; what is small is sooner read than sent apart from its head.
fn body(asked: &Asked<'_>, file: File, first: u64, length: u64) -> Body {
    match asked.files {
        Some(files) if length > SENT_BYTES_MIN => files.body(file, first, length),
        _ => reading::body(file, first, length),
    }
}

fn content_headers(digest: &Digest, entity_tag: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_DIGEST, text(digest.as_str()));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, entity_tag);
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
