//! Uploads: monolithic, streamed without a length, in chunks, or mounted from another repository (end-4 to end-6, end-11, end-13, end-14).

use super::answer::{ByteRange, CONTENT_DIGEST, position, text};
use super::manifests::digest_parameter;
use super::mount::mount;
use crate::app::App;
use crate::caller::Access;
use crate::error::{V2Error, V2Result};
use crate::query;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
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
        let permit = access.again::<Attach>(&name).await?;
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
    let chunk = chunk(request.headers())?;
    let held = write(app, &permit, &id, chunk, request)
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
    let chunk = chunk(request.headers())?;
    write(app, &permit, &id, chunk, request)
        .await
        .map_err(|error| with_location(error, &name, &id))?;
    let permit = access.again::<Attach>(&name).await?;
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
    chunk: Option<ByteRange>,
    request: Request,
) -> V2Result<u64> {
    let stream = request
        .into_body()
        .into_data_stream()
        .map_err(std::io::Error::other);
    let start = chunk.map(|chunk| chunk.first);
    let held = app
        .registry()
        .write_upload(permit, id, start, stream, app.now())
        .await?;
    match chunk {
        // A body without a length told how long it is only by its end. What came is held: the client goes on from there.
        Some(chunk) if chunk.last.checked_add(1) != Some(held) => {
            Err(registry::Error::Range { held }.into())
        }
        _ => Ok(held),
    }
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
fn chunk(headers: &HeaderMap) -> V2Result<Option<ByteRange>> {
    let mut values = headers.get_all(header::CONTENT_RANGE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let range = value.to_str().ok().and_then(|text| {
        let (first, last) = text
            .strip_prefix("bytes ")
            .unwrap_or(text)
            .split_once('-')?;
        let (first, last) = (position(first)?, position(last)?);
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| position(length.to_str().ok()?));
        let span = last.checked_sub(first)?.checked_add(1)?;
        let fits = length.is_none_or(|length| length == span);
        fits.then_some(ByteRange { first, last })
    });
    match range {
        Some(range) if values.next().is_none() => Ok(Some(range)),
        _ => Err(V2Error::new(
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
