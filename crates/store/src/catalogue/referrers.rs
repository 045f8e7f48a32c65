//! What is attached to a digest: the manifests whose subject it is, and the entries of an index under the tag
//! `sha256-<hex>`, which clients keep where a registry knows no referrers. distribution-spec "Listing Referrers".

use std::collections::BTreeMap;

use oci::{Descriptor, Digest, Manifest, Reference, RepositoryName};
use sqlx::any::AnyRow;

use super::manifest;
use crate::Store;
use crate::batch::{self, LIST_MAX};
use crate::db::RowExt;
use crate::error::{Error, Result};

/// How many manifests are read at a time.
const PAGE_ROWS: i64 = 200;
/// When a page holds descriptors of about so many bytes, it ends.
const PAGE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// One page of referrers, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The descriptors, with all annotations.
    pub descriptors: Vec<Descriptor>,
    /// Behind which digest the next page begins, where there is one.
    pub next: Option<Digest>,
}

/// What is attached to `digest`, of one artifact type or of any, after `after`. A digest that is not held has referrers as
/// well: a signature may be pushed before its image. What the index under the tag lists is told as it is, not as the index
/// says, and left out when it is not here (any more).
pub async fn referrers(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
) -> Result<Referrers> {
    let mut page = Page::default();
    let mut behind = after.map(ToString::to_string).unwrap_or_default();
    let tagged = tagged(store, repository, digest).await?;
    loop {
        let step = step(store, repository, digest, &tagged, &behind).await?;
        for (place, descriptor) in step.descriptors {
            if page.is_full() {
                return Ok(Referrers {
                    descriptors: page.descriptors,
                    next: behind.parse().ok(),
                });
            }
            behind = place;
            page.add(descriptor, artifact_type);
        }
        match step.until {
            Some(until) => behind = until,
            None => {
                return Ok(Referrers {
                    descriptors: page.descriptors,
                    next: None,
                });
            }
        }
    }
}

/// Some referrers, in the order of their digests: all there are up to `until`, or all.
struct Step {
    descriptors: BTreeMap<String, Descriptor>,
    until: Option<String>,
}

/// The next referrers behind a digest: those with the subject, and those that the index lists.
async fn step(
    store: &Store,
    repository: &RepositoryName,
    subject: &Digest,
    tagged: &[Digest],
    behind: &str,
) -> Result<Step> {
    let mut rows = by_subject(store, repository, subject, behind).await?;
    let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= PAGE_ROWS;
    let mut until = match rows.last() {
        Some(last) if is_full => Some(last.text("digest")?),
        _ => None,
    };
    let from = tagged.partition_point(|digest| digest.as_str() <= behind);
    let listed = tagged.get(from..).unwrap_or_default();
    let (listed, more) = listed.split_at(listed.len().min(LIST_MAX));
    if let (Some(last), false) = (listed.last(), more.is_empty()) {
        let last = last.to_string();
        until = Some(until.map_or(last.clone(), |until| until.min(last)));
    }
    if !listed.is_empty() {
        rows.extend(by_digest(store, repository, listed).await?);
    }
    let mut descriptors = BTreeMap::new();
    for row in &rows {
        let descriptor = descriptor(row)?;
        let place = descriptor.digest.to_string();
        if until.as_ref().is_none_or(|until| place <= *until) {
            descriptors.insert(place, descriptor);
        }
    }
    Ok(Step { descriptors, until })
}

#[derive(Default)]
struct Page {
    descriptors: Vec<Descriptor>,
    bytes: usize,
}

impl Page {
    fn add(&mut self, descriptor: Descriptor, artifact_type: Option<&str>) {
        let is_wanted =
            artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted));
        if is_wanted {
            self.bytes = self
                .bytes
                .saturating_add(serde_json::to_vec(&descriptor).map_or(0, |bytes| bytes.len()));
            self.descriptors.push(descriptor);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= PAGE_BYTES_MAX
    }
}

macro_rules! manifests_where {
    ($condition:literal) => {
        concat!(
            "SELECT m.digest, m.media_type, m.artifact_type, m.annotations, \
             CAST(LENGTH(m.content) AS BIGINT) AS size \
             FROM repositories r JOIN manifests m ON m.repository_id = r.id WHERE r.name = $1 AND ",
            $condition
        )
    };
}

async fn by_subject(
    store: &Store,
    repository: &RepositoryName,
    subject: &Digest,
    after: &str,
) -> Result<Vec<AnyRow>> {
    Ok(sqlx::query(manifests_where!(
        "m.subject = $2 AND m.digest > $3 ORDER BY m.digest LIMIT $4"
    ))
    .bind(repository.as_str())
    .bind(subject.as_str())
    .bind(after)
    .bind(PAGE_ROWS)
    .fetch_all(store.db().read())
    .await?)
}

async fn by_digest(
    store: &Store,
    repository: &RepositoryName,
    digests: &[Digest],
) -> Result<Vec<AnyRow>> {
    let list = batch::markers(2, digests.len());
    let text = format!("{} ({list})", manifests_where!("m.digest IN"));
    let mut query = batch::query(text).bind(repository.to_string());
    for digest in digests {
        query = query.bind(digest.to_string());
    }
    Ok(query.fetch_all(store.db().read()).await?)
}

fn descriptor(row: &AnyRow) -> Result<Descriptor> {
    Ok(Descriptor {
        media_type: row.text("media_type")?,
        digest: row.digest("digest")?,
        size: row.count("size")?,
        platform: None,
        annotations: row.json("annotations")?,
        artifact_type: row.opt_text("artifact_type")?,
        urls: Vec::new(),
        data: None,
    })
}

/// What the index lists that clients without referrers keep, sorted. Their descriptors are not taken from there: whoever
/// may push the tag could say anything of what others pushed.
async fn tagged(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Digest>> {
    // distribution-spec "Referrers Tag Schema": the algorithm, a dash, and at most 64 characters of the hash.
    let hex: String = digest.hex().chars().take(64).collect();
    let algorithm = digest.as_str().split(':').next().unwrap_or_default();
    let Ok(tag) = format!("{algorithm}-{hex}").parse() else {
        return Ok(Vec::new());
    };
    let Some(stored) = manifest(store, repository, &Reference::Tag(tag)).await? else {
        return Ok(Vec::new());
    };
    let parsed = Manifest::parse(&stored.content, Some(&stored.media_type))
        .map_err(Error::corrupt("manifests.content"))?;
    let Manifest::Index(index) = parsed else {
        return Ok(Vec::new());
    };
    let mut digests: Vec<Digest> = index
        .manifests
        .into_iter()
        .map(|entry| entry.digest)
        .collect();
    digests.sort();
    digests.dedup();
    Ok(digests)
}
