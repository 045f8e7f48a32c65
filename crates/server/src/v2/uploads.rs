//! Uploads: monolithic, streamed without a length, in chunks, or mounted from another repository (end-4 to end-6, end-11, end-13, end-14).

use super::answer::{CONTENT_DIGEST, text};
use super::manifests::digest_parameter;
use super::mount::mount;
use crate::app::App;
use crate::caller::Access;
use crate::error::{V2Error, V2Result};
use crate::query;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use oci::{Algorithm, Digest, ErrorCode, RepositoryName};
use policy::Permit;
use policy::verb::Attach;
use registry::{Session, Upload};

/// The parameter of a `Location` that says what the upload is for.
const STATE: &str = "_state";
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
        app.registry()
            .single_upload(&permit, digest.algorithm(), app.now())?
            .write(None, body(request))
            .await?
            .finish(&digest, app.now())
            .await?;
        return Ok(created(&name, &digest));
    }
    let session = app
        .registry()
        .start_upload(&permit, algorithm, app.now())
        .await?;
    Ok((StatusCode::ACCEPTED, session_headers(&name, &session, 0)).into_response())
}

/// end-13: where the upload stands.
pub(crate) async fn status(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    id: &str,
    query: Option<&str>,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let session = session(app, id, query)?;
    let upload = app.registry().open_upload(&permit, &session, app.now())?;
    let held = upload.keep().await?;
    Ok((
        StatusCode::NO_CONTENT,
        session_headers(&name, &session, held),
    )
        .into_response())
}

/// end-5: a chunk, or all of it as a stream.
pub(crate) async fn patch(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    id: &str,
    request: Request,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let session = session(app, id, request.uri().query())?;
    let upload = write(app, &permit, &session, request).await?;
    let held = upload.keep().await?;
    Ok((StatusCode::ACCEPTED, session_headers(&name, &session, held)).into_response())
}

/// end-6: the last bytes, if any, and the digest.
pub(crate) async fn finish(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    id: &str,
    request: Request,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let session = session(app, id, request.uri().query())?;
    let parameters = query::map(request.uri().query());
    let Some(digest) = digest_parameter(parameters.get("digest"))? else {
        return Err(V2Error::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::DigestInvalid,
            "`digest` is missing from the query",
        ));
    };
    let upload = write(app, &permit, &session, request).await?;
    upload.finish(&digest, app.now()).await?;
    Ok(created(&name, &digest))
}

/// end-14: gives the upload up.
pub(crate) async fn cancel(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    id: &str,
    query: Option<&str>,
) -> V2Result<Response> {
    let permit = access.repository::<Attach>(&name)?;
    let session = session(app, id, query)?;
    app.registry()
        .open_upload(&permit, &session, app.now())?
        .cancel()
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The upload that a request names.
fn session(app: &App, id: &str, query: Option<&str>) -> V2Result<Session> {
    let parameters = query::map(query);
    let state = parameters.get(STATE).map_or("", String::as_str);
    Ok(app.registry().upload_session(id, state)?)
}

/// Opens the upload and appends the request's body. A chunk that does not fit is told where the upload is (end-5).
async fn write(
    app: &App,
    permit: &Permit<Attach>,
    session: &Session,
    request: Request,
) -> V2Result<Upload> {
    let located = |error: V2Error| {
        error.with_header(header::LOCATION, &location(session.repository(), session))
    };
    let start = chunk_start(request.headers()).map_err(located)?;
    let upload = app.registry().open_upload(permit, session, app.now())?;
    upload
        .write(start, body(request))
        .await
        .map_err(|error| located(error.into()))
}

fn body(request: Request) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    request
        .into_body()
        .into_data_stream()
        .map_err(std::io::Error::other)
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

/// Where an upload goes on: opaque to clients, who append the digest to its query.
fn location(name: &RepositoryName, session: &Session) -> String {
    let (id, state) = (session.id(), session.state());
    format!("/v2/{name}/blobs/uploads/{id}?{STATE}={state}")
}

fn session_headers(name: &RepositoryName, session: &Session, held: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, text(&location(name, session)));
    headers.insert(
        header::RANGE,
        text(&format!("0-{}", held.saturating_sub(1))),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(UPLOAD_UUID, text(session.id().as_str()));
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
