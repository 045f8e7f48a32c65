//! Repositories and tags, as far as the caller may look into them.

use crate::asker::{Asker, no_repository};
use crate::error::ApiResult;
use client::api::Page;
use client::api::catalogue::{Repository, Tag};
use oci::{RepositoryName, Shape};
use store::Store;
use store::catalogue::{self, LIST_MAX, TagRecord};

/// Names that are read at a time while those that the caller may see are looked for.
const NAMES_AT_A_TIME: u32 = 1_000;

/// What a manifest is for, in one word.
pub(crate) fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Image => "image",
        Shape::Index => "index",
        Shape::Evidence => "evidence",
        Shape::Other => "other",
    }
}

/// The repositories that the caller may look into, in order, after `after`, at most `limit`.
pub(crate) async fn repositories(
    asker: &Asker,
    after: Option<&str>,
    limit: u32,
) -> ApiResult<Page<Repository>> {
    asker.principal()?;
    let store = asker.store();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut items: Vec<Repository> = Vec::new();
    let mut after = after.map(str::to_owned);
    loop {
        let names = catalogue::repositories(store, after.as_deref(), NAMES_AT_A_TIME).await?;
        let Some(last) = names.last() else {
            return Ok(Page::whole(items));
        };
        after = Some(last.to_string());
        for name in names.iter().filter(|name| asker.inspects(name)) {
            if items.len() >= limit {
                let next = items.last().map(|repository| repository.name.to_string());
                return Ok(Page { items, next });
            }
            items.push(repository(store, name).await?);
        }
    }
}

async fn repository(store: &Store, name: &RepositoryName) -> ApiResult<Repository> {
    let tags = catalogue::tag_records(store, name, None, LIST_MAX).await?;
    let manifests = catalogue::manifests(store, name, LIST_MAX).await?;
    Ok(Repository {
        name: name.clone(),
        // The newest come first.
        created_at: manifests.last().map_or(0, |oldest| oldest.pushed_at),
        tags: u64::try_from(tags.len()).unwrap_or(u64::MAX),
    })
}

/// Some tags of a repository, in order, each with what its manifest is for.
pub(crate) async fn tags(
    asker: &Asker,
    name: &RepositoryName,
    after: Option<&str>,
    limit: u32,
) -> ApiResult<Vec<(Tag, Shape)>> {
    asker.inspect(name)?;
    if catalogue::repository(asker.store(), name).await?.is_none() {
        return Err(no_repository(name));
    }
    let records = catalogue::tag_records(asker.store(), name, after, limit).await?;
    Ok(records.into_iter().map(tag).collect())
}

fn tag(record: TagRecord) -> (Tag, Shape) {
    (
        Tag {
            name: record.tag,
            digest: record.digest,
            updated_at: record.updated_at,
        },
        record.shape,
    )
}
