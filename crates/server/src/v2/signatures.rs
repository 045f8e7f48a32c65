//! Signatures by OpenPGP, for podman, skopeo and buildah: the extension of OpenShift's registry that they know under
//! `X-Registry-Supports-Signatures`. Nothing is kept here; `registry::openpgp` makes referrers of them.

use super::manifests;
use crate::app::App;
use crate::caller::Access;
use crate::error::{V2Error, V2Result};
use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use oci::{Digest, ErrorCode, RepositoryName};
use policy::verb::Pull;
use serde_json::json;
use serde_json::value::RawValue;

/// Said with the answer to `/v2/`.
pub(crate) const SUPPORTED: (&str, &str) = ("x-registry-supports-signatures", "1");

/// All of an image.
pub(crate) async fn list(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let documents = app.registry().openpgp_signatures(&permit, &digest).await?;
    let signatures: Vec<Box<RawValue>> = documents
        .into_iter()
        .filter_map(|document| String::from_utf8(document).ok())
        .filter_map(|document| RawValue::from_string(document).ok())
        .collect();
    Ok(Json(json!({"signatures": signatures})).into_response())
}

/// One more.
pub(crate) async fn put(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
    request: Request,
) -> V2Result<Response> {
    let permits = access.push_permits(&name)?;
    let body = manifests::body(request).await?;
    if body.len() > trust::openpgp::DOCUMENT_BYTES_MAX {
        let message = format!(
            "a signature has at most {} bytes",
            trust::openpgp::DOCUMENT_BYTES_MAX
        );
        let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid);
        return Err(V2Error::new(status, code, message));
    }
    let registry = app.registry();
    registry
        .put_openpgp_signature(&permits, &digest, &body, app.now())
        .await?;
    Ok((StatusCode::CREATED, Body::empty()).into_response())
}
