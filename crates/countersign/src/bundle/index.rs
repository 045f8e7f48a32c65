//! The layout's index, by which other tools find an image in a bundle. What they load has to be what was verified, so the index
//! is exactly what this program writes: the image first and alone with a name, then what is attached to it.

use super::{Contents, Fault, INDEX, Opened};
use oci::{Descriptor, Digest, IndexManifest, Manifest, Platform, Tag, media};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

/// The annotation by which tools find an image in a layout (image-spec "Pre-Defined Annotation Keys").
const NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";
/// What an image is called that was not taken by a tag.
const UNTAGGED: &str = "image";

/// The image's own entry.
pub(super) fn image(media_type: &str, digest: &Digest, size: u64, tag: Option<&Tag>) -> Descriptor {
    let mut entry = Descriptor::new(media_type, digest.clone(), size);
    let name = tag.map_or_else(|| UNTAGGED.to_owned(), ToString::to_string);
    entry.annotations.insert(NAME_ANNOTATION.to_owned(), name);
    entry
}

/// The entry of what is attached to it.
pub(super) fn attached(
    media_type: &str,
    digest: &Digest,
    size: u64,
    artifact_type: Option<&str>,
) -> Descriptor {
    let mut entry = Descriptor::new(media_type, digest.clone(), size);
    entry.artifact_type = artifact_type.map(str::to_owned);
    // As BuildKit marks what no platform runs, so that nobody takes it for the image.
    entry.platform = Some(Platform::new("unknown", "unknown"));
    entry
}

/// The file.
pub(super) fn write(entries: Vec<Descriptor>) -> Vec<u8> {
    Manifest::Index(IndexManifest::new(entries)).to_bytes()
}

/// Reads the file.
///
/// # Errors
/// It is no index, or not written as this program writes one.
pub(super) fn parse(bytes: &[u8]) -> Result<IndexManifest, Fault> {
    let parsed = Manifest::parse(bytes, Some(media::OCI_INDEX))
        .map_err(|error| Fault::new(INDEX, error.to_string()))?;
    // One spelling: nothing stands beside what was read, which another program might go by.
    match parsed {
        Manifest::Index(index) if write(index.manifests.clone()) == bytes => Ok(index),
        _ => Err(Fault::new(
            INDEX,
            "it is not written as this program writes it",
        )),
    }
}

/// Whether the index names the image of the list of contents, by the tag that stands there, and what is attached to it, and
/// nothing else. Whether those are what they should be, others look.
///
/// # Errors
/// What is wrong with the index.
pub(super) fn check<R: Read + Seek>(
    bundle: &mut Opened<R>,
    contents: &Contents,
) -> Result<(), Fault> {
    let bad = |why: String| Err(Fault::new(INDEX, why));
    let entries = bundle.index.manifests.clone();
    let Some((first, others)) = entries.split_first() else {
        return bad(format!("it lists nothing, not even {}", contents.image));
    };
    if first.digest != contents.image {
        return bad(format!(
            "its first entry is {}, and the image that is verified is {}",
            first.digest, contents.image
        ));
    }
    expect(bundle, first, |size| {
        image(
            &first.media_type,
            &first.digest,
            size,
            contents.tag.as_ref(),
        )
    })?;
    let known: BTreeSet<&Digest> = contents
        .attached
        .iter()
        .map(|each| &each.manifest)
        .collect();
    let mut seen = BTreeMap::new();
    for entry in others {
        if !known.contains(&entry.digest) {
            return bad(format!(
                "it lists {}, which is neither the image nor attached to it",
                entry.digest
            ));
        }
        if entry.annotations.contains_key(NAME_ANNOTATION) {
            return bad(format!(
                "it gives {} a name, and only the image has one",
                entry.digest
            ));
        }
        // What is attached to two images stands here twice.
        if seen.insert(&entry.digest, entry) == Some(entry) {
            continue;
        }
        expect(bundle, entry, |size| {
            let artifact_type = entry.artifact_type.as_deref();
            attached(&entry.media_type, &entry.digest, size, artifact_type)
        })?;
    }
    Ok(())
}

/// Whether an entry is what it has to be for a blob of this size, and the blob what the entry calls it.
fn expect<R: Read + Seek>(
    bundle: &mut Opened<R>,
    entry: &Descriptor,
    expected: impl FnOnce(u64) -> Descriptor,
) -> Result<(), Fault> {
    let bad = |why: String| Err(Fault::new(INDEX, why));
    let Some(size) = bundle.size(&entry.digest) else {
        return bad(format!("it lists {}, which is not there", entry.digest));
    };
    if *entry != expected(size) {
        return bad(format!(
            "its entry for {} has another size, name or platform than it has to have, or more than belongs there",
            entry.digest
        ));
    }
    let bytes = bundle.document(&entry.digest)?;
    match Manifest::parse(&bytes, Some(entry.media_type.as_str())) {
        Ok(_) => Ok(()),
        Err(error) => bad(format!("its entry for {}: {error}", entry.digest)),
    }
}
