//! Uploads: monolithic, streamed without a length, in chunks, or mounted from another repository (end-4 to end-6, end-11, end-13, end-14).

use super::answer::{CONTENT_DIGEST, text};
use super::manifests::digest_parameter;
use super::mount::mount;
use crate::app::App;
use crate::caller::Access;
use crate::error::{V2Error, V2Result};
use crate::limits::body::BodyError;
use crate::query;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt};
use oci::{Algorithm, Digest, ErrorCode, RepositoryName};
use policy::verb::Attach;
use registry::UploadId;

const UPLOAD_UUID: &str = "docker-upload-uuid";

/// end-4a, end-4b, end-11: POST.
pub(crate) async fn start(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    request: Request,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let parameters = query::map(request.uri().query());
    let mut algorithm = algorithm(parameters.get("digest-algorithm"))?;
    if let Some(digest) = digest_parameter(parameters.get("mount"))? {
        if mount(app, access, &permit, &digest, parameters.get("from")).await? {
            return Ok(created(&name, &digest));
        }
        // distribution-spec end-11: a mount that cannot be made becomes an upload, which also hides whether the blob exists.
        algorithm = digest.algorithm();
    } else if let Some(digest) = digest_parameter(parameters.get("digest"))? {
        let id = app
            .registry()
            .start_upload(&permit, digest.algorithm(), app.now())
            .await?;
        write(app, &permit, &id, None, request).await?;
        app.registry()
            .finish_upload(&permit, &id, &digest, app.now())
            .await?;
        return Ok(created(&name, &digest));
    }
    let id = app
        .registry()
        .start_upload(&permit, algorithm, app.now())
        .await?;
    Ok((StatusCode::ACCEPTED, session_headers(&name, &id, 0)).into_response())
}

/// end-13: where the upload stands.
pub(crate) async fn status(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    session: String,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let id = identifier(&session)?;
    let held = app.registry().upload_size(&permit, &id, app.now()).await?;
    Ok((StatusCode::NO_CONTENT, session_headers(&name, &id, held)).into_response())
}

/// end-5: a chunk, or all of it as a stream.
pub(crate) async fn patch(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    session: String,
    request: Request,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let id = identifier(&session)?;
    let start = chunk_start(request.headers())?;
    let held = write(app, &permit, &id, start, request)
        .await
        .map_err(|error| with_location(error, &name, &id))?;
    Ok((StatusCode::ACCEPTED, session_headers(&name, &id, held)).into_response())
}

/// end-6: the last bytes, if any, and the digest.
pub(crate) async fn finish(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    session: String,
    request: Request,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let id = identifier(&session)?;
    let parameters = query::map(request.uri().query());
    let Some(digest) = digest_parameter(parameters.get("digest"))? else {
        return Err(V2Error::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::DigestInvalid,
            "`digest` is missing from the query",
        ));
    };
    let start = chunk_start(request.headers())?;
    write(app, &permit, &id, start, request)
        .await
        .map_err(|error| with_location(error, &name, &id))?;
    app.registry()
        .finish_upload(&permit, &id, &digest, app.now())
        .await?;
    Ok(created(&name, &digest))
}

/// end-14: gives the upload up.
pub(crate) async fn cancel(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    session: String,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    app.registry()
        .cancel_upload(&permit, &identifier(&session)?, app.now())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn write(
    app: &App,
    permit: &policy::Permit<Attach>,
    id: &UploadId,
    start: Option<u64>,
    request: Request,
) -> V2Result<u64> {
    let Some(bytes_max) = app.options().limits.blob_bytes_max else {
        let stream = request
            .into_body()
            .into_data_stream()
            .map_err(std::io::Error::other);
        let now = app.now();
        return Ok(app
            .registry()
            .write_upload(permit, id, start, stream, now)
            .await?);
    };
    let written = write_within(app, permit, id, start, request, bytes_max).await;
    if matches!(&written, Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE) {
        // Nothing that could be added would make a blob of it.
        app.registry().cancel_upload(permit, id, app.now()).await?;
    }
    written
}

/// The same, where a blob has a largest size: what is announced as larger is not read, and what grows beyond it is given up.
async fn write_within(
    app: &App,
    permit: &policy::Permit<Attach>,
    id: &UploadId,
    start: Option<u64>,
    request: Request,
    bytes_max: u64,
) -> V2Result<u64> {
    let too_large = || {
        let error = std::io::Error::other(BodyError::TooLarge { bytes_max });
        V2Error::from(registry::Error::Interrupted(error))
    };
    let announced = request.body().size_hint().lower();
    if announced.saturating_add(start.unwrap_or(0)) > bytes_max {
        return Err(too_large());
    }
    let mut left = bytes_max;
    let stream = request.into_body().into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        left = left
            .checked_sub(length)
            .ok_or_else(|| std::io::Error::other(BodyError::TooLarge { bytes_max }))?;
        Ok(piece)
    });
    let now = app.now();
    let held = app
        .registry()
        .write_upload(permit, id, start, stream, now)
        .await?;
    if held > bytes_max {
        return Err(too_large());
    }
    Ok(held)
}

/// `digest-algorithm`: what the client will hash with (end-4c).
fn algorithm(value: Option<&String>) -> V2Result<Algorithm> {
    value.map_or(Ok(Algorithm::Sha256), |text| {
        text.parse().map_err(|error| {
            V2Error::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::DigestInvalid,
                format!("{error}"),
            )
        })
    })
}

fn with_location(error: V2Error, name: &RepositoryName, id: &UploadId) -> V2Error {
    error.with_header(header::LOCATION, &location(name, id))
}

fn identifier(session: &str) -> V2Result<UploadId> {
    session.parse().map_err(|_| {
        V2Error::new(
            StatusCode::NOT_FOUND,
            ErrorCode::BlobUploadUnknown,
            "there is no such upload; start a new one",
        )
    })
}

/// `Content-Range: <first>-<last>` of a chunk, without a unit (end-5).
fn chunk_start(headers: &HeaderMap) -> V2Result<Option<u64>> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let first = value.to_str().ok().and_then(|text| {
        let (first, last) = text.trim_start_matches("bytes ").split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let fits = length.is_none_or(|length| {
            last.checked_sub(first).and_then(|span| span.checked_add(1)) == Some(length)
        });
        fits.then_some(first)
    });
    match first {
        Some(first) => Ok(Some(first)),
        None => Err(V2Error::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorCode::RangeInvalid,
            "the Content-Range is not `<first>-<last>` or does not fit the length",
        )),
    }
}

fn location(name: &RepositoryName, id: &UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

fn session_headers(name: &RepositoryName, id: &UploadId, held: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, text(&location(name, id)));
    headers.insert(
        header::RANGE,
        text(&format!("0-{}", held.saturating_sub(1))),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(UPLOAD_UUID, text(id.as_str()));
    headers
}

fn created(name: &RepositoryName, digest: &Digest) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::LOCATION,
        text(&format!("/v2/{name}/blobs/{digest}")),
    );
    headers.insert(CONTENT_DIGEST, text(digest.as_str()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    (StatusCode::CREATED, headers).into_response()
}
