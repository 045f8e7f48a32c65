//! Room on the disk: `/garbage` shows and starts collections; `DELETE /repositories/tags` and `DELETE /repositories` remove
//! much in pieces, each of which is one request that ends soon. The work itself is `store`'s.

use crate::api::events::actor;
use crate::api::{Answer, Call, Created, created};
use crate::asker::{Asker, no_repository};
use crate::error::{ApiError, ApiResult};
use axum::Json;
use client::api::Page;
use client::api::garbage::{AskCollection, Collection, ManifestsDeleted, TagsDeleted};
use oci::RepositoryName;
use policy::Permit;
use policy::verb::{Delete, DeleteEvidence, Operate};
use store::catalogue::{self, Deletion, TagPattern};
use store::garbage;

/// Collections that are shown.
const COLLECTIONS_MAX: u32 = 50;
/// Tags or manifests that one request deletes: about a second's work.
const PIECE: u32 = 1_000;

/// `GET /garbage`
pub(crate) async fn list(call: Call) -> Answer<Page<Collection>> {
    let asker = &call.asker;
    asker.permit::<Operate>()?;
    let recent = garbage::recent(asker.store(), COLLECTIONS_MAX).await?;
    let items = recent.into_iter().map(|one| told(asker, one)).collect();
    Ok(Json(Page::whole(items)))
}

/// `POST /garbage`
pub(crate) async fn collect(mut call: Call) -> Created<Collection> {
    let permit = call.asker.permit::<Operate>()?;
    let ask: AskCollection = call.json().await?;
    let asker = &call.asker;
    let (store, now) = (asker.store(), asker.now());
    let one = if ask.dry_run {
        garbage::preview(store, ask.sweep, now).await?
    } else {
        garbage::ask(store, &permit, ask.sweep, now).await?
    };
    created(told(asker, one))
}

/// A collection with whoever asked for it by name.
fn told(asker: &Asker, one: garbage::Collection) -> Collection {
    let asked_by = one
        .asked_by
        .as_ref()
        .map(|name| actor(asker.directory(), name));
    Collection {
        asked_by,
        ..collection(one)
    }
}

/// A collection as the API tells it, but with whoever asked for it as the audit log has them.
#[must_use]
pub fn collection(one: garbage::Collection) -> Collection {
    Collection {
        id: one.id,
        asked_by: one.asked_by,
        asked_at: one.asked_at,
        sweep: one.sweep,
        started_at: one.started_at,
        finished_at: one.finished_at,
        phase: one.phase.as_str().to_owned(),
        to_look_at: one.to_look_at,
        looked_at: one.looked_at,
        links: one.links,
        blobs: one.blobs,
        files: one.files,
        orphans: one.orphans,
        bytes: one.bytes,
        failed: one.failed,
    }
}

/// `DELETE /repositories/tags?repository&pattern&after&dryRun`
pub(crate) async fn delete_tags(call: Call) -> Answer<TagsDeleted> {
    let permits = Permits::of(&call.asker, call.required("repository")?).await?;
    let pattern: TagPattern = call.required("pattern")?.parse()?;
    let (store, after) = (call.asker.store(), call.parameter("after"));
    if call.flag("dryRun")? {
        let (found, next) =
            catalogue::matching_tags(store, &permits.repository, &pattern, after, PIECE).await?;
        return Ok(Json(TagsDeleted {
            tags: found.into_iter().map(|record| record.tag).collect(),
            kept: 0,
            next,
        }));
    }
    let now = call.asker.now();
    let swept =
        catalogue::delete_tags(store, &permits.deletion(), &pattern, after, PIECE, now).await?;
    Ok(Json(TagsDeleted {
        tags: swept.tags,
        kept: swept.kept,
        next: swept.next,
    }))
}

/// `DELETE /repositories?repository&after`
pub(crate) async fn empty_repository(call: Call) -> Answer<ManifestsDeleted> {
    let permits = Permits::of(&call.asker, call.required("repository")?).await?;
    let (store, after) = (call.asker.store(), call.parameter("after"));
    let now = call.asker.now();
    let emptied =
        catalogue::empty_repository(store, &permits.deletion(), after, PIECE, now).await?;
    Ok(Json(ManifestsDeleted {
        manifests: emptied.manifests,
        tags: emptied.tags,
        kept: emptied.kept,
        next: emptied.next,
    }))
}

/// What the caller may delete in the repository that the call names.
struct Permits {
    repository: RepositoryName,
    images: Permit<Delete>,
    evidence: Option<Permit<DeleteEvidence>>,
}

impl Permits {
    async fn of(asker: &Asker, name: &str) -> ApiResult<Self> {
        let repository: RepositoryName = name
            .parse()
            .map_err(|error| ApiError::invalid(format!("{error}")))?;
        let images = asker.permit_in::<Delete>(&repository)?;
        let evidence = asker.permit_in::<DeleteEvidence>(&repository).ok();
        if catalogue::repository(asker.store(), &repository)
            .await?
            .is_none()
        {
            return Err(no_repository(&repository));
        }
        Ok(Self {
            repository,
            images,
            evidence,
        })
    }

    fn deletion(&self) -> Deletion<'_> {
        Deletion {
            images: &self.images,
            evidence: self.evidence.as_ref(),
        }
    }
}
