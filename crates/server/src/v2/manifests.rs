//! Manifests and indexes, by tag or by digest (end-3, end-7, end-9). GET and HEAD are answered by the same code, so a gate that
//! refuses one refuses the other.

use super::answer::{self, CONTENT_DIGEST, owned, text};
use crate::app::App;
use crate::caller::{Access, Asked};
use crate::error::{V2Error, V2Result};
use crate::query;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oci::{Digest, ErrorCode, Reference, RepositoryName, Tag};
use policy::verb::{Delete, DeleteEvidence, Pull};
use registry::{DeletePermits, NewManifest, Part};

/// Tags that one PUT may set beside the one in its path.
const TAGS_MAX: usize = 16;
/// Headers that an answer has room for without growing.
const HEADERS: usize = 8;

/// end-3: GET and HEAD.
pub(crate) async fn pull(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    reference: Reference,
    asked: &Asked<'_>,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let part = match asked.method {
        Method::HEAD => Part::Head,
        _ => Part::Whole,
    };
    let pulled = app
        .registry()
        .manifest(&permit, access.standing(), &reference, part, app.now())
        .await?;
    if pulled.is_gated {
        app.metrics().gate_passed(!pulled.warnings.is_empty());
    }
    let manifest = pulled.manifest;
    let entity_tag = answer::entity_tag(&manifest.digest);
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(CONTENT_DIGEST, text(manifest.digest.as_str()));
    for warning in &pulled.warnings {
        headers.append(header::WARNING, answer::warning(warning));
    }
    let is_held = answer::is_held(asked.headers, &entity_tag);
    headers.insert(header::ETAG, entity_tag);
    if is_held {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, owned(manifest.media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(manifest.size));
    let body = manifest.content.map_or_else(Body::empty, Body::from);
    Ok((StatusCode::OK, headers, body).into_response())
}

/// end-7: PUT by tag or by digest.
pub(crate) async fn push(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    reference: Reference,
    request: Request,
) -> V2Result<Response> {
    let permits = access.push_permits(&name)?;
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let extra = extra_tags(request.uri().query())?;
    let content = body(request).await?;
    let new = NewManifest {
        reference: &reference,
        extra_tags: &extra,
        content_type: content_type.as_deref(),
        content,
    };
    let stored = app
        .registry()
        .put_manifest(&permits, new, app.now())
        .await?;
    let mut headers = HeaderMap::new();
    headers.insert(
        header::LOCATION,
        text(&format!("/v2/{name}/manifests/{}", stored.digest)),
    );
    headers.insert(CONTENT_DIGEST, text(stored.digest.as_str()));
    if let Some(subject) = &stored.subject {
        headers.insert("oci-subject", text(subject.as_str()));
    }
    for tag in &extra {
        headers.append("oci-tag", text(tag.as_str()));
    }
    if let Some(layer) = stored.absent_layers.first() {
        let sentence = format!(
            "{} of its layers are not in this repository, such as {layer}: nobody can run it before they are pushed",
            stored.absent_layers.len()
        );
        headers.append(header::WARNING, answer::warning(&sentence));
    }
    Ok((StatusCode::CREATED, headers).into_response())
}

fn extra_tags(query: Option<&str>) -> V2Result<Vec<Tag>> {
    let tags: Vec<Tag> = query::pairs(query)
        .into_iter()
        .filter(|(name, _)| name == "tag")
        .map(|(_, tag)| {
            tag.parse().map_err(|error| {
                V2Error::new(
                    StatusCode::BAD_REQUEST,
                    ErrorCode::TagInvalid,
                    format!("{error}"),
                )
            })
        })
        .collect::<Result<_, _>>()?;
    if tags.len() > TAGS_MAX {
        return Err(V2Error::new(
            StatusCode::URI_TOO_LONG,
            ErrorCode::TagInvalid,
            format!("at most {TAGS_MAX} tags in one request"),
        ));
    }
    Ok(tags)
}

pub(crate) async fn body(request: Request) -> V2Result<Bytes> {
    axum::body::to_bytes(request.into_body(), oci::MANIFEST_BYTES_MAX)
        .await
        .map_err(|error| {
            V2Error::of_body(&error, || {
                let message = format!(
                    "a manifest is at most {} bytes, and its body must arrive whole",
                    oci::MANIFEST_BYTES_MAX
                );
                V2Error::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    ErrorCode::ManifestInvalid,
                    message,
                )
            })
        })
}

/// end-9: a tag goes alone; a digest goes with its tags.
pub(crate) async fn delete(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    reference: Reference,
) -> V2Result<Response> {
    let permits = DeletePermits {
        delete: access.repository::<Delete>(&name)?,
        evidence: access.may::<DeleteEvidence>(&name),
    };
    app.registry()
        .delete_manifest(&permits, &reference, app.now())
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// The digest in a query parameter.
pub(crate) fn digest_parameter(value: Option<&String>) -> V2Result<Option<Digest>> {
    value.map(|text| super::path::digest(text)).transpose()
}
