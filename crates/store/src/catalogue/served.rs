//! What a pull needs of a manifest, and no more: one statement, found by its key.

use oci::{Digest, Reference, RepositoryName, Shape};

use super::parse_shape;
use crate::Store;
use crate::db::{RowExt, Value};
use crate::error::Result;

/// A manifest as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its digest.
    pub digest: Digest,
    /// Its media type, as it was pushed.
    pub media_type: String,
    /// What it is for.
    pub shape: Shape,
    /// Its length in bytes.
    pub size: u64,
    /// Its bytes, as they were pushed; none where only the head was asked for.
    pub content: Option<Vec<u8>>,
}

/// How much of a manifest is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All but its bytes.
    Head,
    /// Its bytes too.
    Whole,
}

const HEAD_BY_DIGEST: &str = "SELECT m.digest, m.media_type, m.shape, CAST(LENGTH(m.content) AS BIGINT) AS size \
     FROM repositories r JOIN manifests m ON m.repository_id = r.id WHERE r.name = $1 AND m.digest = $2";
const WHOLE_BY_DIGEST: &str = "SELECT m.digest, m.media_type, m.shape, m.content \
     FROM repositories r JOIN manifests m ON m.repository_id = r.id WHERE r.name = $1 AND m.digest = $2";
const HEAD_BY_TAG: &str = "SELECT m.digest, m.media_type, m.shape, CAST(LENGTH(m.content) AS BIGINT) AS size \
     FROM repositories r JOIN tags t ON t.repository_id = r.id \
     JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest WHERE r.name = $1 AND t.name = $2";
const WHOLE_BY_TAG: &str = "SELECT m.digest, m.media_type, m.shape, m.content \
     FROM repositories r JOIN tags t ON t.repository_id = r.id \
     JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest WHERE r.name = $1 AND t.name = $2";

/// The manifest that a tag or a digest names in a repository. A tag is always read from the database.
pub async fn served(
    store: &Store,
    repository: &RepositoryName,
    reference: &Reference,
    part: Part,
) -> Result<Option<Served>> {
    let (text, name) = match (reference, part) {
        (Reference::Digest(digest), Part::Head) => (HEAD_BY_DIGEST, digest.as_str()),
        (Reference::Digest(digest), Part::Whole) => (WHOLE_BY_DIGEST, digest.as_str()),
        (Reference::Tag(tag), Part::Head) => (HEAD_BY_TAG, tag.as_str()),
        (Reference::Tag(tag), Part::Whole) => (WHOLE_BY_TAG, tag.as_str()),
    };
    let values = [Value::Text(repository.as_str()), Value::Text(name)];
    store
        .db()
        .point(text, &values, |row| {
            let (size, content) = match part {
                Part::Head => (row.count("size")?, None),
                Part::Whole => {
                    let content = row.bytes("content")?;
                    (
                        u64::try_from(content.len()).unwrap_or(u64::MAX),
                        Some(content),
                    )
                }
            };
            Ok(Served {
                digest: row.digest("digest")?,
                media_type: row.text("media_type")?,
                shape: parse_shape(&row.text("shape")?)?,
                size,
                content,
            })
        })
        .await
}
