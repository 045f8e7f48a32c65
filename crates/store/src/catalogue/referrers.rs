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

/// How many manifests are looked at at a time.
const PAGE_ROWS: i64 = 200;
/// When a page holds descriptors of about so many bytes, it ends. What does not fit into it is not read.
const PAGE_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// Bytes of a descriptor besides its texts.
const DESCRIPTOR_BYTES: u64 = 200;

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
    let wanted = Wanted {
        store,
        repository,
        subject: digest,
        artifact_type,
        tagged: tagged(store, repository, digest).await?,
    };
    let mut behind = after.map(ToString::to_string).unwrap_or_default();
    let (mut page, mut bytes) = (Vec::new(), 0_u64);
    let next = 'page: loop {
        let step = wanted.step(&behind).await?;
        for (place, length) in step.lengths {
            if bytes >= PAGE_BYTES_MAX {
                break 'page behind.parse().ok();
            }
            bytes = bytes
                .saturating_add(length)
                .saturating_add(DESCRIPTOR_BYTES);
            page.push(place.clone());
            behind = place;
        }
        match step.until {
            Some(until) => behind = until,
            None => break None,
        }
    };
    Ok(Referrers {
        descriptors: descriptors(store, repository, &page).await?,
        next,
    })
}

/// What is asked for.
struct Wanted<'a> {
    store: &'a Store,
    repository: &'a RepositoryName,
    subject: &'a Digest,
    artifact_type: Option<&'a str>,
    tagged: Vec<Digest>,
}

/// The lengths of some referrers in bytes, in the order of their digests: all there are up to `until`, or all.
struct Step {
    lengths: BTreeMap<String, u64>,
    until: Option<String>,
}

macro_rules! lengths_where {
    ($condition:literal) => {
        concat!(
            "SELECT m.digest, CAST(OCTET_LENGTH(m.annotations) + OCTET_LENGTH(m.media_type) \
             + COALESCE(OCTET_LENGTH(m.artifact_type), 0) AS BIGINT) AS length \
             FROM repositories r JOIN manifests m ON m.repository_id = r.id \
             WHERE r.name = $1 AND ($2 IS NULL OR m.artifact_type = $2) AND ",
            $condition
        )
    };
}

impl Wanted<'_> {
    /// The next referrers behind a digest: those with the subject, and those that the index lists.
    async fn step(&self, behind: &str) -> Result<Step> {
        let mut rows = self.by_subject(behind).await?;
        let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= PAGE_ROWS;
        let mut until = match rows.last() {
            Some(last) if is_full => Some(last.text("digest")?),
            _ => None,
        };
        let from = self
            .tagged
            .partition_point(|digest| digest.as_str() <= behind);
        let listed = self.tagged.get(from..).unwrap_or_default();
        let (listed, more) = listed.split_at(listed.len().min(LIST_MAX));
        if let (Some(last), false) = (listed.last(), more.is_empty()) {
            let last = last.to_string();
            until = Some(until.map_or(last.clone(), |until| until.min(last)));
        }
        if !listed.is_empty() {
            rows.extend(self.by_digest(listed).await?);
        }
        let mut lengths = BTreeMap::new();
        for row in &rows {
            let place = row.text("digest")?;
            if until.as_ref().is_none_or(|until| place <= *until) {
                lengths.insert(place, row.count("length")?);
            }
        }
        Ok(Step { lengths, until })
    }

    async fn by_subject(&self, after: &str) -> Result<Vec<AnyRow>> {
        Ok(sqlx::query(lengths_where!(
            "m.subject = $3 AND m.digest > $4 ORDER BY m.digest LIMIT $5"
        ))
        .bind(self.repository.as_str())
        .bind(self.artifact_type)
        .bind(self.subject.as_str())
        .bind(after)
        .bind(PAGE_ROWS)
        .fetch_all(self.store.db().read())
        .await?)
    }

    async fn by_digest(&self, digests: &[Digest]) -> Result<Vec<AnyRow>> {
        let list = batch::markers(3, digests.len());
        let text = format!("{} ({list})", lengths_where!("m.digest IN"));
        let mut query = batch::query(text)
            .bind(self.repository.to_string())
            .bind(self.artifact_type.map(str::to_owned));
        for digest in digests {
            query = query.bind(digest.to_string());
        }
        Ok(query.fetch_all(self.store.db().read()).await?)
    }
}

/// The descriptors of manifests, by digest; those that are gone are left out.
async fn descriptors(
    store: &Store,
    repository: &RepositoryName,
    digests: &[String],
) -> Result<Vec<Descriptor>> {
    let mut found = Vec::with_capacity(digests.len());
    for piece in digests.chunks(LIST_MAX) {
        let text = format!(
            "SELECT m.digest, m.media_type, m.artifact_type, m.annotations, CAST(LENGTH(m.content) AS BIGINT) AS size \
             FROM repositories r JOIN manifests m ON m.repository_id = r.id \
             WHERE r.name = $1 AND m.digest IN ({}) ORDER BY m.digest",
            batch::markers(2, piece.len())
        );
        let mut query = batch::query(text).bind(repository.to_string());
        for digest in piece {
            query = query.bind(digest.clone());
        }
        for row in query.fetch_all(store.db().read()).await? {
            found.push(descriptor(&row)?);
        }
    }
    Ok(found)
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
