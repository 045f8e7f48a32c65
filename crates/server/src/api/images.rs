//! What is in stock: `/repositories`, `/image` with its inventory, findings and evidence, what a gate says: `/gate`, and what the signatures
//! come to: `/verify`.

mod gate;
mod sbom;
mod verify;

pub(crate) use self::gate::gate;
pub(crate) use self::sbom::sbom;
pub(crate) use self::verify::verify;
use crate::api::{Answer, Call};
use crate::error::ApiError;
use crate::view::{self, Inside, Matched};
use axum::Json;
use client::api::Page;
use client::api::catalogue::{Repository, Tag};
use client::api::image::{EvidenceList, Findings, Image};
use oci::RepositoryName;
use store::catalogue::StoredManifest;

const REPOSITORIES_DEFAULT: u32 = 100;
const REPOSITORIES_MAX: u32 = 1_000;
const TAGS_DEFAULT: u32 = 1_000;
const TAGS_MAX: u32 = 10_000;

/// `GET /repositories?after&limit`
pub(crate) async fn repositories(call: Call) -> Answer<Page<Repository>> {
    let paging = call.paging(REPOSITORIES_DEFAULT, REPOSITORIES_MAX)?;
    Ok(Json(
        view::repositories(&call.asker, paging.after.as_deref(), paging.limit).await?,
    ))
}

/// `GET /repositories/tags?repository&after&limit`
pub(crate) async fn tags(call: Call) -> Answer<Page<Tag>> {
    let paging = call.paging(TAGS_DEFAULT, TAGS_MAX)?;
    let name: RepositoryName = call
        .required("repository")?
        .parse()
        .map_err(|error| ApiError::invalid(format!("{error}")))?;
    let found = view::tags(&call.asker, &name, paging.after.as_deref(), paging.limit).await?;
    let items: Vec<Tag> = found.into_iter().map(|(tag, _)| tag).collect();
    let next = paging.next(&items, |tag| tag.name.to_string());
    Ok(Json(Page { items, next }))
}

/// `GET /image?ref`
pub(crate) async fn show(call: Call) -> Answer<Image> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let inside = Inside::of(asker.store(), &manifest).await?;
    Ok(Json(view::image(asker, &manifest, &inside).await?))
}

/// `GET /image/findings?ref`
pub(crate) async fn findings(call: Call) -> Answer<Findings> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let manifest = view::runnable(asker, manifest).await?;
    // Asked first: findings that come in between make the list longer, never the answer too good.
    let matched = Matched::of(asker.store(), &manifest).await?;
    let inside = Inside::of(asker.store(), &manifest).await?;
    let state = view::state(&manifest, &inside);
    let StoredManifest {
        repository, digest, ..
    } = manifest;
    Ok(Json(Findings {
        repository,
        digest,
        state,
        advisories_ready: matched.is_done(),
        without_advisories: Vec::from_iter(matched.matching.without_advisories),
        unmatchable: Vec::from_iter(matched.matching.unmatchable),
        findings: inside.findings,
    }))
}

/// `GET /image/evidence?ref`
pub(crate) async fn evidence(call: Call) -> Answer<EvidenceList> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let evidence = view::evidence(asker, &manifest).await?;
    Ok(Json(EvidenceList {
        repository: manifest.repository,
        digest: manifest.digest,
        evidence,
    }))
}
