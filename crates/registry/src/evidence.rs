//! Evidence at the door: a manifest that carries signatures is read when it arrives, once, and what was found is stored with it.
//! Whether it counts is the gate's affair. A format is one kind of layer here (`format`), and one reader in `trust`; signatures of a
//! format that has no reader are stored too, so that people are told that they do not count. All else stays what it is: manifests.

mod again;
mod format;
mod found;
mod keys;
mod shape;

pub use again::reverify;
pub(crate) use keys::registered_keys;
pub(crate) use shape::shape;

use crate::error::Result;
use format::{Judges, format};
use found::unreadable;
use keys::Keys;
use oci::{Descriptor, Digest, Manifest, Reference, RepositoryName, Tag};
use std::collections::BTreeSet;
use store::catalogue::Part;
use store::evidence::NewEvidence;
use store::{Store, blobs, catalogue};
use trust::evidence::certified_signature;

/// Bytes of one signature document.
const SIGNATURE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of all signature documents of one manifest: they are in memory together.
const SIGNATURES_BYTES_MAX: u64 = 16 << 20;
/// Signatures in one manifest.
const SIGNATURES_MAX: usize = 512;
/// cosign's tags that attach signatures and attestations to a digest: `sha256-<hex>.sig` and `.att` (cosign SIGNATURE_SPEC, "Storage").
const TAG_SUFFIXES: [&str; 2] = [".sig", ".att"];

/// The signatures that a manifest brings, with what the known keys say of them. `tags` are those that it is pushed under.
pub(crate) async fn read(
    store: &Store,
    repository: &RepositoryName,
    manifest: &Manifest,
    tags: &[Tag],
    keys: &Keys,
    now: i64,
) -> Result<Vec<NewEvidence>> {
    let Manifest::Image(image) = manifest else {
        return Ok(Vec::new());
    };
    let tagged = tags.iter().find_map(attached_by_tag);
    let Some(attached_to) =
        tagged.or_else(|| image.subject.as_ref().map(|subject| subject.digest.clone()))
    else {
        return Ok(Vec::new());
    };
    let stored = signed_manifest(store, repository, &attached_to).await?;
    let said = image.subject.as_ref();
    let anchors = store.anchors();
    let judges = Judges {
        keys,
        anchors: &anchors,
        about: &attached_to,
        // One that comes later is what whoever attached to it says.
        manifest: stored.as_ref().or(said),
        now,
    };
    let mut found = Vec::new();
    let (mut seen, mut room) = (BTreeSet::new(), SIGNATURES_BYTES_MAX);
    for layer in image.layers.iter().take(SIGNATURES_MAX) {
        let signature = certified_signature(&layer.annotations);
        let Some(format) = format(layer, signature.as_deref()) else {
            continue;
        };
        if !seen.insert((&layer.digest, signature.clone())) {
            continue;
        }
        let reading = match document(store, repository, layer, &mut room).await? {
            Ok(raw) => format.read(raw, signature, judges, now),
            Err(why) => Some(unreadable(Vec::new(), why)),
        };
        found.extend(reading.map(|reading| reading.into_evidence(&attached_to)));
    }
    Ok(found)
}

/// A manifest as a signature describes it, where the repository has it.
async fn signed_manifest(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Descriptor>> {
    let reference = Reference::Digest(digest.clone());
    let stored = catalogue::served(store, repository, &reference, Part::Head).await?;
    Ok(stored.map(|stored| Descriptor::new(&stored.media_type, stored.digest, stored.size)))
}

fn attached_by_tag(tag: &Tag) -> Option<Digest> {
    let mut suffixes = TAG_SUFFIXES.iter();
    let name = suffixes.find_map(|suffix| tag.as_str().strip_suffix(suffix))?;
    let (algorithm, hex) = name.split_once('-')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

/// The bytes of a signature, which take some of the `room` that all of one manifest have, or why they are not read.
async fn document(
    store: &Store,
    repository: &RepositoryName,
    layer: &Descriptor,
    room: &mut u64,
) -> Result<std::result::Result<Vec<u8>, String>> {
    let not_pushed = || Ok(Err("its bytes were not pushed".to_owned()));
    let Some(info) = catalogue::blob(store, repository, &layer.digest).await? else {
        return not_pushed();
    };
    let size = info.size;
    if size > SIGNATURE_BYTES_MAX {
        return Ok(Err(format!(
            "it has {size} bytes; a signature has at most {SIGNATURE_BYTES_MAX}"
        )));
    }
    let Some(left) = room.checked_sub(size) else {
        return Ok(Err(format!(
            "the signatures of its manifest have more than {SIGNATURES_BYTES_MAX} bytes: push the rest with another manifest"
        )));
    };
    *room = left;
    match blobs::open_info(store, &info).await {
        Ok(content) => Ok(Ok(content.bytes().await?)),
        Err(store::Error::NotFound { .. }) => not_pushed(),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signature_tags_attach() {
        let hex = "a".repeat(64);
        let attached =
            |tag: String| attached_by_tag(&tag.parse().unwrap()).map(|digest| digest.to_string());
        assert_eq!(
            attached(format!("sha256-{hex}.sig")),
            Some(format!("sha256:{hex}"))
        );
        assert_eq!(
            attached(format!("sha256-{hex}.att")),
            Some(format!("sha256:{hex}"))
        );
        assert_eq!(attached(format!("sha256-{hex}.sbom")), None);
        assert_eq!(attached(format!("sha256-{hex}")), None);
        assert_eq!(attached("sha256-short.sig".into()), None);
    }
}
