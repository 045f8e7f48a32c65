//! What a manifest counts as, once its blobs were looked at: media types are claims, and evidence passes gates that hold images.

use super::SIGNATURE_BYTES_MAX;
use crate::aside::Turn;
use crate::error::Result;
use oci::{Digest, ImageManifest, Manifest, RepositoryName, Shape, media};
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::io::BufReader;
use store::{Store, blobs, catalogue};
use trust::notation::{self, Envelope};

/// Bytes of one blob of an evidence manifest (an SBOM attestation of a large image is tens of megabytes).
const EVIDENCE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of all of them: they are read while somebody waits.
const EVIDENCE_BYTES_TOGETHER_MAX: u64 = 256 << 20;
/// How many there are at most.
const EVIDENCE_BLOBS_MAX: usize = 1_000;

/// The shape that counts: evidence only if every blob is small and JSON, or an envelope of notation in COSE, so that no layer of an
/// image passes as evidence. What
/// claims to be evidence and is not counts as an image where a client would run it.
pub(super) async fn shape(
    store: &Store,
    repository: &RepositoryName,
    manifest: &Manifest,
    turn: &Turn,
) -> Result<Shape> {
    match (manifest.shape(), manifest) {
        (Shape::Evidence, Manifest::Image(image))
            if !all_json(store, repository, image, turn).await? =>
        {
            Ok(if media::is_image_config(&image.config.media_type) {
                Shape::Image
            } else {
                Shape::Other
            })
        }
        (shape, _) => Ok(shape),
    }
}

/// Whether all blobs are there, within limits, and JSON. Only what the repository holds is looked at: the answer must not tell
/// what others hold.
async fn all_json(
    store: &Store,
    repository: &RepositoryName,
    image: &ImageManifest,
    turn: &Turn,
) -> Result<bool> {
    let digests: BTreeSet<&Digest> = image
        .layers
        .iter()
        .chain([&image.config])
        .map(|descriptor| &descriptor.digest)
        .collect();
    if digests.len() > EVIDENCE_BLOBS_MAX {
        return Ok(false);
    }
    let cose: BTreeSet<&Digest> = image
        .layers
        .iter()
        .filter(|layer| layer.media_type == media::NOTATION_COSE)
        .map(|layer| &layer.digest)
        .collect();
    let mut found = Vec::with_capacity(digests.len());
    for digest in digests {
        match catalogue::blob(store, repository, digest).await? {
            Some(info) => found.push(info),
            None => return Ok(false),
        }
    }
    if !is_within_limits(found.iter().map(|info| info.size)) {
        return Ok(false);
    }
    for info in found {
        let content = match blobs::open_info(store, &info).await {
            Ok(opened) => opened,
            Err(store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let is_good = if cose.contains(&info.digest) && info.size <= SIGNATURE_BYTES_MAX {
            let bytes = content.bytes().await?;
            let cose = move || Envelope::parse(notation::Format::Cose, &bytes).is_ok();
            turn.aside(cose).await?
        } else {
            let json = move || {
                serde_json::from_reader::<_, IgnoredAny>(BufReader::new(content.into_reader()))
                    .is_ok()
            };
            turn.aside(json).await?
        };
        if !is_good {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_within_limits(sizes: impl Iterator<Item = u64>) -> bool {
    let mut together = 0_u64;
    for size in sizes {
        together = together.saturating_add(size);
        if size > EVIDENCE_BYTES_MAX || together > EVIDENCE_BYTES_TOGETHER_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_has_limits_for_each_blob_and_for_all() {
        for (sizes, expect) in [
            (&[][..], true),
            (&[EVIDENCE_BYTES_MAX; 4], true),
            (&[EVIDENCE_BYTES_MAX + 1], false),
            (&[EVIDENCE_BYTES_MAX; 5], false),
            (&[u64::MAX, u64::MAX], false),
        ] {
            assert_eq!(is_within_limits(sizes.iter().copied()), expect, "{sizes:?}");
        }
    }
}
