//! `GET /image/sbom?ref&format`: the inventory as our JSON or as CycloneDX. What is not indexed yet has none, which is not the
//! same as an empty one.

use crate::api::Call;
use crate::error::{ApiError, ApiResult, RETRY_SECONDS, shown};
use crate::view;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oci::Shape;
use sbom::cyclonedx;
use store::catalogue::StoredManifest;
use store::inventories::{self, ImageState, StoredImage};

/// The forms in which an inventory is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    CycloneDx,
}

impl Format {
    fn parse(text: Option<&str>) -> ApiResult<Self> {
        match text {
            Some("json") => Ok(Self::Json),
            Some("cyclonedx-json") | None => Ok(Self::CycloneDx),
            Some(other) => {
                let message = format!(
                    "`format={}` is not offered: use `json` or `cyclonedx-json`",
                    shown(other)
                );
                Err(ApiError::invalid(message))
            }
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::CycloneDx => "application/vnd.cyclonedx+json; version=1.6",
        }
    }
}

/// The answer is a document of its own format, not one of the wire types.
pub(crate) async fn sbom(call: Call) -> ApiResult<Response> {
    let asker = &call.asker;
    let format = Format::parse(call.parameter("format"))?;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let manifest = view::runnable(asker, manifest).await?;
    let stored = stored(
        inventories::image(asker.store(), manifest.repository_id, &manifest.digest).await?,
        &manifest,
    )?;
    let document = match format {
        Format::Json => serde_json::to_vec(&stored.inventory),
        Format::CycloneDx => {
            let subject = cyclonedx::Subject {
                name: manifest.repository.to_string(),
                digest: Some(manifest.digest.clone()),
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            // The time of the inventory, not of the question: the same bytes each time.
            serde_json::to_vec(&cyclonedx::write(
                &stored.inventory,
                &subject,
                stored.indexed_at,
            ))
        }
    };
    let document = document.map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, format.media_type())], document).into_response())
}

fn stored(stored: Option<StoredImage>, manifest: &StoredManifest) -> ApiResult<StoredImage> {
    let (repository, digest) = (&manifest.repository, &manifest.digest);
    let unscannable = |kind: &str| {
        let message = format!(
            "`{repository}@{digest}` cannot be taken apart: it is `{}`",
            shown(kind)
        );
        ApiError::new(StatusCode::NOT_FOUND, "unscannable", message)
    };
    match stored {
        Some(StoredImage {
            state: ImageState::Unscannable { kind },
            ..
        }) => Err(unscannable(&kind)),
        Some(stored) => Ok(stored),
        None if manifest.shape != Shape::Image => Err(unscannable(
            manifest
                .artifact_type
                .as_deref()
                .unwrap_or(&manifest.media_type),
        )),
        None => {
            let message =
                format!("`{repository}@{digest}` is not indexed yet: ask again in a moment");
            Err(ApiError::new(StatusCode::NOT_FOUND, "not-indexed", message)
                .retry_after(RETRY_SECONDS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (text, expected) in [
            (None, Some(Format::CycloneDx)),
            (Some("json"), Some(Format::Json)),
            (Some("cyclonedx-json"), Some(Format::CycloneDx)),
            (Some("spdx-json"), None),
        ] {
            assert_eq!(Format::parse(text).ok(), expected, "{text:?}");
        }
    }
}
