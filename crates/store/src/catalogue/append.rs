//! Tags that many add to. Whoever attaches evidence by a tag reads the manifest there, appends, and puts it back; where two do so at once, the
//! second one has not seen what the first one added. So nothing is taken away by such a PUT: the tag ends on a manifest of both. What was
//! pushed stays under its digest, which its sender was told. What a tag holds is taken away by deleting manifests, never by moving it.

use oci::{Digest, MANIFEST_BYTES_MAX, Manifest, Shape, Tag, Union};

use super::put::{PutManifest, put_own};
use super::{delete, parse_shape};
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};
use crate::evidence;

/// What a tag is to be on after a PUT of a manifest that is stored now: that one, or one that holds more.
pub(super) async fn target(
    tx: &mut Tx,
    repository_id: i64,
    tag: &Tag,
    put: &PutManifest<'_>,
    now: i64,
) -> Result<Digest> {
    let pushed = put.digest.clone();
    if appends(tag) != Some(put.shape) {
        return Ok(pushed);
    }
    let Some((older_digest, older)) = tagged(tx, repository_id, tag, put.shape).await? else {
        return Ok(pushed);
    };
    if older_digest == pushed {
        return Ok(pushed);
    }
    let gone = match &older {
        Manifest::Image(_) => Vec::new(),
        Manifest::Index(_) => absent(tx, repository_id, &older).await?,
    };
    let target = match put
        .manifest
        .union(&older, |descriptor| !gone.contains(&descriptor.digest))
    {
        None | Some(Union::Newer) => return Ok(pushed),
        Some(Union::Older) => older_digest.clone(),
        Some(Union::Both(both)) => store(tx, repository_id, tag, put, &both, now).await?,
    };
    evidence::inherit(tx, repository_id, [&older_digest, &pushed], &target).await?;
    Ok(target)
}

/// The shape of what is appended under a tag: evidence under cosign's `sha256-….sig` and `.att`, and indexes under the tag that stands in for
/// the list of referrers, `sha256-…` (distribution-spec, "Referrers Tag Schema"). `None` for all other tags.
fn appends(tag: &Tag) -> Option<Shape> {
    let name = tag.as_str().strip_prefix("sha256-")?;
    let (hex, end) = name.split_at_checked(64)?;
    let is_hex = hex
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match end {
        _ if !is_hex => None,
        ".sig" | ".att" => Some(Shape::Evidence),
        "" => Some(Shape::Index),
        _ => None,
    }
}

/// The manifest that a tag is on, if it is of this shape.
async fn tagged(
    tx: &mut Tx,
    repository_id: i64,
    tag: &Tag,
    shape: Shape,
) -> Result<Option<(Digest, Manifest)>> {
    let row = sqlx::query(
        "SELECT m.digest, m.shape, m.media_type, m.content FROM tags t \
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE t.repository_id = $1 AND t.name = $2",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if parse_shape(&row.text("shape")?)? != shape {
        return Ok(None);
    }
    let manifest = Manifest::parse(&row.bytes("content")?, Some(&row.text("media_type")?))
        .map_err(Error::corrupt("manifest"))?;
    Ok(Some((row.digest("digest")?, manifest)))
}

/// What an index lists and the repository does not hold: it was deleted, and is not listed again.
async fn absent(tx: &mut Tx, repository_id: i64, index: &Manifest) -> Result<Vec<Digest>> {
    let mut absent = Vec::new();
    for descriptor in index.descriptors() {
        let digest = &descriptor.digest;
        if delete::shape_of(tx, repository_id, digest).await?.is_none() {
            absent.push(digest.clone());
        }
    }
    Ok(absent)
}

/// Stores a manifest of both; answers its digest.
async fn store(
    tx: &mut Tx,
    repository_id: i64,
    tag: &Tag,
    put: &PutManifest<'_>,
    both: &Manifest,
    now: i64,
) -> Result<Digest> {
    let content = both.to_bytes();
    if content.len() > MANIFEST_BYTES_MAX || Manifest::parse(&content, None).is_err() {
        return Err(Error::Refused {
            what: "append",
            why: format!(
                "tag `{tag}` holds as much as a manifest has room for: attach it as a referrer"
            ),
        });
    }
    let digest = Digest::sha256(&content);
    let own = PutManifest {
        digest: &digest,
        content: &content,
        media_type: both.media_type(),
        manifest: both,
        shape: put.shape,
        tags: &[],
        evidence: &[],
        stage_record: None,
    };
    put_own(tx, repository_id, &own, now).await?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_that_name_a_digest_are_appended_to() {
        let hex = "a".repeat(64);
        for (name, expect) in [
            (format!("sha256-{hex}.sig"), Some(Shape::Evidence)),
            (format!("sha256-{hex}.att"), Some(Shape::Evidence)),
            (format!("sha256-{hex}"), Some(Shape::Index)),
            (format!("sha256-{hex}.sbom"), None),
            (format!("sha256-{}.sig", &hex[1..]), None),
            (format!("sha256-{}", hex.to_uppercase()), None),
            (format!("sha256-{hex}_"), None),
            ("latest".to_owned(), None),
            ("1.sig".to_owned(), None),
        ] {
            assert_eq!(appends(&name.parse().unwrap()), expect, "{name}");
        }
    }
}
