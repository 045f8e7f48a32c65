//! Evidence at the door: a manifest that carries signatures is read when it arrives, once, and what was found is stored with it.
//! Whether it counts is the gate's affair. A format is one kind of layer here (`format`), and one reader in `trust`; signatures of a
//! format that has no reader are stored too, so that people are told that they do not count. All else stays what it is: manifests.

mod again;
mod copies;
mod format;
mod found;
mod keys;
mod shape;

pub use again::reverify;

use crate::Registry;
use crate::aside::Turn;
use crate::error::Result;
use format::{Format, Judges, format};
use found::unreadable;
use keys::registered_keys;
use oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, RepositoryName, Shape, Tag};
use shape::shape;
use std::collections::BTreeSet;
use store::catalogue::Part;
use store::evidence::NewEvidence;
use store::{Store, Writer, blobs, catalogue};
use trust::evidence::{Checks, certified_signature};

/// Bytes of one signature document.
const SIGNATURE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of all signature documents of one manifest: they are in memory together.
const SIGNATURES_BYTES_MAX: u64 = 16 << 20;
/// Signatures in one manifest.
const SIGNATURES_MAX: usize = 512;
/// Checks of the signatures of one manifest with registered keys: about a second of one processor for keys on P-256 and Ed25519, several
/// for P-384 and for OpenPGP's.
const CHECKS_MAX: u64 = 20_000;
/// cosign's tags that attach signatures and attestations to a digest: `sha256-<hex>.sig` and `.att` (cosign SIGNATURE_SPEC, "Storage").
const TAG_SUFFIXES: [&str; 2] = [".sig", ".att"];

/// A layer that is a signature, with its bytes or why they are not read.
struct Layer {
    format: Format,
    signature: Option<String>,
    read: std::result::Result<Vec<u8>, String>,
}

impl Registry {
    /// What a manifest that somebody pushes counts as, and the signatures that it brings, with what the known keys say of them. Who may not
    /// write it is told so before anything is judged.
    pub(crate) async fn examine(
        &self,
        writer: &Writer<'_>,
        manifest: &Manifest,
        tags: &[Tag],
        now: i64,
    ) -> Result<(Shape, Vec<NewEvidence>)> {
        let repository = writer.repository()?;
        let claimed = manifest.shape();
        catalogue::check_put(writer, manifest, claimed, tags, now)?;
        let Manifest::Image(image) = manifest else {
            return Ok((claimed, Vec::new()));
        };
        let attached_to = attached_to(image, tags);
        if claimed != Shape::Evidence && attached_to.is_none() {
            return Ok((claimed, Vec::new()));
        }
        let turn = self.places.turn(writer.principal()).await?;
        let shape = shape(&self.store, repository, manifest, &turn).await?;
        catalogue::check_put(writer, manifest, shape, tags, now)?;
        let Some(attached_to) = attached_to else {
            return Ok((shape, Vec::new()));
        };
        let about = (repository, attached_to);
        Ok((shape, read(&self.store, about, image, &turn, now).await?))
    }
}

/// What a manifest is attached to: by a tag that it is pushed under, or by its subject.
fn attached_to(image: &ImageManifest, tags: &[Tag]) -> Option<Digest> {
    let by_subject = || image.subject.as_ref().map(|subject| subject.digest.clone());
    tags.iter().find_map(attached_by_tag).or_else(by_subject)
}

/// The signatures in a manifest that is attached to an image of a repository.
async fn read(
    store: &Store,
    (repository, attached_to): (&RepositoryName, Digest),
    image: &ImageManifest,
    turn: &Turn,
    now: i64,
) -> Result<Vec<NewEvidence>> {
    let layers = layers(store, repository, image).await?;
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    let keys = registered_keys(store, repository).await?;
    let stored = signed_manifest(store, repository, &attached_to).await?;
    // One that comes later is what whoever attached to it says.
    let manifest = stored.or_else(|| image.subject.clone());
    let anchors = store.anchors();
    let judged = move || {
        let checks = Checks::new(CHECKS_MAX);
        let judges = Judges {
            keys: &keys,
            anchors: &anchors,
            about: &attached_to,
            manifest: manifest.as_ref(),
            checks: &checks,
            now,
        };
        judge(layers, judges)
    };
    turn.aside(judged).await
}

/// What each of them says, and whether a known key made it. All have the checks of `judges` together, the last one first: clients add to what
/// is there at its end, and what others put there before must not use up what the newest needs.
fn judge(layers: Vec<Layer>, judges: Judges<'_>) -> Vec<NewEvidence> {
    let read = |layer: Layer| match layer.read {
        Ok(raw) => layer.format.read(raw, layer.signature, judges, judges.now),
        Err(why) => Some(unreadable(Vec::new(), why)),
    };
    let found = layers.into_iter().rev().filter_map(read);
    let mut found: Vec<NewEvidence> = found
        .map(|found| found.into_evidence(judges.about))
        .collect();
    found.reverse();
    found
}

/// The layers of a manifest that are signatures, each once. The last ones have room first.
async fn layers(
    store: &Store,
    repository: &RepositoryName,
    image: &ImageManifest,
) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    let (mut seen, mut room) = (BTreeSet::new(), SIGNATURES_BYTES_MAX);
    for layer in image.layers.iter().take(SIGNATURES_MAX).rev() {
        let signature = certified_signature(&layer.annotations);
        let Some(format) = format(layer, signature.as_deref()) else {
            continue;
        };
        if !seen.insert((&layer.digest, signature.clone())) {
            continue;
        }
        let read = document(store, repository, layer, &mut room).await?;
        layers.push(Layer {
            format,
            signature,
            read,
        });
    }
    layers.reverse();
    Ok(layers)
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
    use keys::Keys;
    use policy::Verdict;
    use std::collections::BTreeMap;
    use trust::cosign::SimpleSigning;
    use trust::evidence::Anchors;
    use trust::{Algorithm, PrivateKey, Signer};

    #[test]
    fn attack_signatures_that_nobody_made_end_with_the_budget_and_say_so() {
        let about = Digest::sha256(b"image");
        let signing = SimpleSigning {
            docker_reference: None,
            digest: about.clone(),
            optional: BTreeMap::new(),
        };
        let known = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let mut keys = Keys::default();
        for _ in 0..3 {
            let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
            keys.plain.push(other.public_key().clone());
        }
        keys.plain.push(known.public_key().clone());
        let stranger = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let layers = (0..20).map(|number| {
            // As cosign writes it: nothing in it names its key.
            let signer = if [0, 19].contains(&number) {
                &known
            } else {
                &stranger
            };
            let (raw, signature) = signing.sign(signer).unwrap();
            Layer {
                format: Format::SimpleSigning,
                signature: Some(signature),
                read: Ok(raw),
            }
        });
        let checks = Checks::new(4 * 10);
        let judges = Judges {
            keys: &keys,
            anchors: &Anchors::default(),
            about: &about,
            manifest: None,
            checks: &checks,
            now: 0,
        };
        let layers: Vec<Layer> = layers.collect();
        let signatures: Vec<_> = layers.iter().map(|layer| layer.signature.clone()).collect();
        let found = judge(layers, judges);
        let in_order = found.iter().map(|evidence| evidence.signature.clone());
        assert!(
            in_order.eq(signatures),
            "what is left over is kept, and all in its order"
        );
        // The last one is the newest: what was put before it does not keep it from being tried.
        assert_eq!(found[19].verdict, Verdict::Verified);
        for evidence in &found[10..19] {
            assert_eq!(evidence.verdict, Verdict::UnknownKey);
        }
        for evidence in &found[..10] {
            let Verdict::Unreadable(why) = &evidence.verdict else {
                panic!("{evidence:?}");
            };
            assert!(why.contains("a manifest of its own"), "{why}");
            assert_eq!(evidence.key, None);
        }
    }

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
