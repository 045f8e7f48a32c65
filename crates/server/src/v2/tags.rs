//! Lists: tags, referrers, repositories (end-8, end-12, Docker's `_catalog`). Names only; a gate does not hide them.

use super::answer::{self, next_link, text};
use super::path;
use crate::app::App;
use crate::caller::Access;
use crate::error::V2Result;
use crate::query;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oci::{Digest, RepositoryName, media};
use policy::Permit;
use policy::verb::{ListCatalog, Pull};
use serde::Serialize;
use serde_json::json;

/// The answer of end-8.
#[derive(Serialize)]
struct List<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// end-8a, end-8b.
pub(crate) async fn list(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    query: Option<&str>,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let page = answer::page(query)?;
    let tags = app
        .registry()
        .tags(&permit, page.after.as_deref(), page.limit)
        .await?;
    let place = format!("/v2/{name}/tags/list");
    let headers = link(&place, page.limit, tags.more, tags.names.last());
    let list = List {
        name: name.as_str(),
        tags: &tags.names,
    };
    Ok((headers, Json(list)).into_response())
}

/// Docker's `_catalog`.
pub(crate) async fn catalog(
    app: &App,
    permit: &Permit<ListCatalog>,
    query: Option<&str>,
) -> V2Result<Response> {
    let page = answer::page(query)?;
    let repositories = app
        .registry()
        .repositories(permit, page.after.as_deref(), page.limit)
        .await?;
    let headers = link(
        "/v2/_catalog",
        page.limit,
        repositories.more,
        repositories.names.last(),
    );
    Ok((headers, Json(json!({"repositories": repositories.names}))).into_response())
}

fn link(place: &str, limit: u32, more: bool, last: Option<&String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let (true, Some(last), true) = (more, last, limit > 0) {
        headers.insert(header::LINK, text(&next_link(place, limit, last)));
    }
    headers
}

/// end-12a, end-12b: always an index, also for what is not here.
pub(crate) async fn referrers(
    app: &App,
    access: &Access<'_>,
    name: RepositoryName,
    digest: Digest,
    query: Option<&str>,
) -> V2Result<Response> {
    let permit = access.repository::<Pull>(&name)?;
    let parameters = query::map(query);
    let artifact_type = parameters.get("artifactType").map(String::as_str);
    let after = parameters
        .get("last")
        .map(|text| path::digest(text))
        .transpose()?;
    let page = app
        .registry()
        .referrers(&permit, &digest, artifact_type, after.as_ref())
        .await?;
    let body =
        json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": page.descriptors});
    let mut headers = HeaderMap::new();
    if let Some(next) = &page.next {
        headers.insert(
            header::LINK,
            text(&next_referrers(&name, &digest, artifact_type, next)),
        );
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media::OCI_INDEX),
    );
    if artifact_type.is_some() {
        headers.insert(
            "oci-filters-applied",
            HeaderValue::from_static("artifactType"),
        );
    }
    Ok((headers, body.to_string()).into_response())
}

/// The link to the next page of referrers, which keeps the filter (end-12b).
fn next_referrers(
    name: &RepositoryName,
    digest: &Digest,
    artifact_type: Option<&str>,
    next: &Digest,
) -> String {
    let filter = artifact_type.map_or_else(String::new, |text| {
        format!("artifactType={}&", query::encoded(text))
    });
    format!(
        "</v2/{name}/referrers/{digest}?{filter}last={}>; rel=\"next\"",
        query::encoded(next.as_str())
    )
}
