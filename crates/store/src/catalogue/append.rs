//! Tags that many add to. Whoever attaches evidence by a tag reads the manifest there, appends, and puts it back; where two do so at once, the
//! second one has not seen what the first one added. So nothing is taken away by such a PUT: the tag ends on a manifest of both. What was
//! pushed stays under its digest, which its sender was told. What a tag holds is taken away by deleting manifests, never by moving it.
//!
//! A manifest of both is of the shape that was pushed, and a list of both is of evidence alone: whoever may attach cannot have the server make
//! something that passes as evidence and is an image, nor an index of images that nobody pushed.
//!
//! Under the tag of a list, what is no index is no list (distribution-spec: clients that read it report a failure and stop). Whoever may only
//! attach cannot put such a thing there (`writer`). Where somebody else did, the next list takes its place.

use oci::{Digest, IndexManifest, MANIFEST_BYTES_MAX, Manifest, Shape, Tag, Union};

use super::put::{PutManifest, put_own};
use super::{delete, parse_shape};
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};
use crate::evidence;

/// The most signatures of a manifest that is appended to: as many as are read from one manifest.
const SIGNATURES_MAX: usize = 512;
/// Its descriptors: those, and its configuration.
const APPENDED_MAX: usize = SIGNATURES_MAX + 1;

/// Refuses a manifest that is too much for one of its tags. Also what is too much to count as evidence: it would take the place of what is
/// there.
pub(super) fn check(tags: &[Tag], manifest: &Manifest) -> Result<()> {
    let mut added_to = tags
        .iter()
        .filter(|tag| appends(tag) == Some(Shape::Evidence));
    added_to.try_for_each(|tag| check_room(tag, manifest))
}

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
    let (newer, older) = match (put.manifest, older) {
        (Manifest::Index(newer), Manifest::Index(older)) => {
            let newer = evidence_of(tx, repository_id, newer).await?;
            let older = evidence_of(tx, repository_id, &older).await?;
            let (Some(newer), Some(older)) = (newer, older) else {
                return Ok(pushed);
            };
            (Manifest::Index(newer), Manifest::Index(older))
        }
        (newer, older) => (newer.clone(), older),
    };
    let target = match newer.union(&older, |_| true) {
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

/// An index without what the repository does not hold: that was deleted, and is not listed again. `None` where it lists something that is not
/// evidence, or too much: it is no list of referrers then, and its tag moves as any other.
async fn evidence_of(
    tx: &mut Tx,
    repository_id: i64,
    index: &IndexManifest,
) -> Result<Option<IndexManifest>> {
    if index.manifests.len() > APPENDED_MAX {
        return Ok(None);
    }
    let mut held = IndexManifest {
        manifests: Vec::new(),
        ..index.clone()
    };
    for descriptor in &index.manifests {
        match delete::shape_of(tx, repository_id, &descriptor.digest).await? {
            None => {}
            Some(Shape::Evidence) => held.manifests.push(descriptor.clone()),
            Some(_) => return Ok(None),
        }
    }
    Ok(Some(held))
}

fn check_room(tag: &Tag, manifest: &Manifest) -> Result<()> {
    if manifest.descriptors().count() <= APPENDED_MAX {
        return Ok(());
    }
    Err(Error::Refused {
        what: "append",
        why: format!(
            "tag `{tag}` holds {SIGNATURES_MAX} signatures at most, as many as are read from one manifest: attach more as referrers"
        ),
    })
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
    check_room(tag, both)?;
    let content = both.to_bytes();
    // What nobody could push as this shape, the server does not make.
    let is_of_its_shape =
        Manifest::parse(&content, None).is_ok_and(|parsed| parsed.shape() == put.shape);
    if content.len() > MANIFEST_BYTES_MAX || !is_of_its_shape {
        return Err(Error::Refused {
            what: "append",
            why: format!(
                "tag `{tag}` holds what does not go into one manifest with this: attach it as a referrer"
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
