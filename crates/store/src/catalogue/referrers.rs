//! What is attached to a digest: the manifests whose subject it is, and the entries of an index under the tag
//! `sha256-<hex>`, which clients keep where a registry knows no referrers. distribution-spec "Listing Referrers".

use oci::{Descriptor, Digest, Manifest, Reference, RepositoryName};
use sqlx::any::AnyRow;

use super::manifest;
use crate::Store;
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
/// well: a signature may be pushed before its image.
pub async fn referrers(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
) -> Result<Referrers> {
    let mut page = Page::default();
    let mut behind = after.map(ToString::to_string).unwrap_or_default();
    if after.is_none() {
        // First and unpaged: an index is at most as long as a manifest may be.
        for descriptor in tagged(store, repository, digest).await? {
            page.add(descriptor, artifact_type);
        }
    }
    loop {
        let rows = rows(store, repository, digest, &behind).await?;
        let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE_ROWS;
        for row in &rows {
            let descriptor = descriptor(row)?;
            if page.is_full() {
                return Ok(Referrers {
                    descriptors: page.descriptors,
                    next: behind.parse().ok(),
                });
            }
            behind = descriptor.digest.to_string();
            page.add(descriptor, artifact_type);
        }
        if is_last {
            return Ok(Referrers {
                descriptors: page.descriptors,
                next: None,
            });
        }
    }
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
        if is_wanted
            && self
                .descriptors
                .iter()
                .all(|known| known.digest != descriptor.digest)
        {
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

async fn rows(
    store: &Store,
    repository: &RepositoryName,
    subject: &Digest,
    after: &str,
) -> Result<Vec<AnyRow>> {
    Ok(sqlx::query(
        "SELECT m.digest, m.media_type, m.artifact_type, m.annotations, CAST(LENGTH(m.content) AS BIGINT) AS size \
         FROM repositories r JOIN manifests m ON m.repository_id = r.id \
         WHERE r.name = $1 AND m.subject = $2 AND m.digest > $3 ORDER BY m.digest LIMIT $4",
    )
    .bind(repository.as_str())
    .bind(subject.as_str())
    .bind(after)
    .bind(PAGE_ROWS)
    .fetch_all(store.db().read())
    .await?)
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

/// The entries of the index that clients without referrers keep.
async fn tagged(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Descriptor>> {
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
    Ok(match parsed {
        Manifest::Index(index) => index.manifests,
        Manifest::Image(_) => Vec::new(),
    })
}
