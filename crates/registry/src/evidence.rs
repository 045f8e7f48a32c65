//! Evidence at the door: a manifest that carries signatures is read when it arrives, once, and what was found is stored with it.
//! Whether it counts is the gate's affair. A format is one kind of layer here, and one reader in `trust`; signatures of a format
//! that has no reader are stored too, so that people are told that they do not count. All else stays what it is: manifests.

use crate::error::Result;
use oci::{Descriptor, Digest, ImageManifest, Manifest, RepositoryName, Shape, Tag, media};
use policy::Verdict;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::io::BufReader;
use store::evidence::{NewEvidence, Reverified};
use store::{Store, System, blobs, catalogue};
use trust::evidence::{Claim, Reading, Untrusted, read_bundle, read_simple_signing};
use trust::openpgp::read_openpgp_document;
use trust::{KeyId, OpenPgpKey, PublicKey, RegisteredKey};

/// Bytes of one signature document.
const SIGNATURE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of all signature documents of one manifest: they are in memory together.
const SIGNATURES_BYTES_MAX: u64 = 16 << 20;
/// Signatures in one manifest.
const SIGNATURES_MAX: usize = 512;
/// Bytes of one blob of an evidence manifest (an SBOM attestation of a large image is tens of megabytes).
const EVIDENCE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of all of them: they are read while somebody waits.
const EVIDENCE_BYTES_TOGETHER_MAX: u64 = 256 << 20;
/// How many there are at most.
const EVIDENCE_BLOBS_MAX: usize = 1_000;
/// cosign's tags that attach a manifest to a digest: `sha256-<hex>.sig` (cosign SIGNATURE_SPEC, "Storage").
const SIGNATURE_TAG_SUFFIX: &str = ".sig";
const COSIGN_SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// The shape that counts: evidence only if every blob is small and JSON, so that no layer of an image passes as evidence. What
/// claims to be evidence and is not counts as an image where a client would run it.
pub(crate) async fn shape(
    store: &Store,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<Shape> {
    match (manifest.shape(), manifest) {
        (Shape::Evidence, Manifest::Image(image))
            if !all_json(store, repository, image).await? =>
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
        let json = tokio::task::spawn_blocking(move || {
            serde_json::from_reader::<_, IgnoredAny>(BufReader::new(content.into_reader())).is_ok()
        })
        .await;
        if !json.unwrap_or(false) {
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
    let mut found = Vec::new();
    let (mut seen, mut room) = (BTreeSet::new(), SIGNATURES_BYTES_MAX);
    for layer in image.layers.iter().take(SIGNATURES_MAX) {
        let signature = layer.annotations.get(COSIGN_SIGNATURE_ANNOTATION).cloned();
        let Some(format) = format(layer, signature.as_deref()) else {
            continue;
        };
        if !seen.insert((&layer.digest, signature.clone())) {
            continue;
        }
        let reading = match document(store, repository, layer, &mut room).await? {
            Ok(raw) => format.read(raw, signature, keys, now),
            Err(why) => Some(unreadable(Vec::new(), why)),
        };
        found.extend(reading.map(|reading| reading.into_evidence(&attached_to)));
    }
    Ok(found)
}

fn attached_by_tag(tag: &Tag) -> Option<Digest> {
    let name = tag.as_str().strip_suffix(SIGNATURE_TAG_SUFFIX)?;
    let (algorithm, hex) = name.split_once('-')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

/// How the signatures in a layer are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// cosign's payload, with the signature in an annotation.
    SimpleSigning,
    /// A sigstore bundle, of ours or of cosign's.
    Bundle,
    /// A message of OpenPGP in its document.
    OpenPgp,
    /// One that is known by this name, and that nothing reads.
    Unread(&'static str),
}

/// The format of a layer, by its media type; `None` for what is no signature.
fn format(layer: &Descriptor, signature: Option<&str>) -> Option<Format> {
    match layer.media_type.as_str() {
        media::COSIGN_SIMPLE_SIGNING => signature.map(|_| Format::SimpleSigning),
        media::OPENPGP_SIGNATURE => Some(Format::OpenPgp),
        media::NOTATION_JWS | media::NOTATION_COSE => Some(Format::Unread("notation")),
        other if other.starts_with("application/vnd.dev.sigstore.bundle") => Some(Format::Bundle),
        _ => None,
    }
}

impl Format {
    /// What evidence of it is called.
    const OPENPGP_NAME: &str = trust::evidence::Format::GpgSimpleSigning.as_str();

    /// `None` for an attestation: it is evidence, but vouches for no stage.
    fn read(self, raw: Vec<u8>, signature: Option<String>, keys: &Keys, now: i64) -> Option<Found> {
        let signature = signature.filter(|_| self == Format::SimpleSigning);
        match self {
            Format::SimpleSigning | Format::Bundle => judge(raw, signature, &keys.plain),
            Format::OpenPgp => Some(judge_openpgp(raw, keys, now)),
            Format::Unread(format) => Some(Found {
                raw,
                signature,
                said: Said::Unread(format),
            }),
        }
    }
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

/// A signature as it was found, before it is attached to anything.
struct Found {
    raw: Vec<u8>,
    signature: Option<String>,
    said: Said,
}

/// What became of reading it.
enum Said {
    Read(Box<Reading>),
    /// Nothing reads this format.
    Unread(&'static str),
}

fn unreadable(raw: Vec<u8>, why: String) -> Found {
    Found {
        raw,
        signature: None,
        said: Said::Read(Box::new(Reading::Unreadable { why })),
    }
}

fn judge_openpgp(raw: Vec<u8>, keys: &Keys, now: i64) -> Found {
    let reading = read_openpgp_document(&raw, &keys.openpgp, now);
    Found {
        raw,
        signature: None,
        said: Said::Read(Box::new(reading)),
    }
}

/// `None` for an attestation.
fn judge(raw: Vec<u8>, signature: Option<String>, keys: &[PublicKey]) -> Option<Found> {
    let reading = match &signature {
        Some(signature) => read_simple_signing(&raw, signature, keys),
        None => read_bundle(&raw, keys),
    };
    if matches!(reading, Reading::Attestation { .. }) {
        None
    } else {
        Some(Found {
            raw,
            signature,
            said: Said::Read(Box::new(reading)),
        })
    }
}

impl Said {
    fn claim(&self) -> Option<&Claim> {
        match self {
            Said::Read(reading) => reading.claim(),
            Said::Unread(_) => None,
        }
    }

    fn verdict(&self) -> (Option<KeyId>, Option<String>, Verdict) {
        match self {
            Said::Read(reading) => verdict(reading),
            Said::Unread(_) => (None, None, Verdict::NotRead),
        }
    }

    fn format(&self) -> &'static str {
        match self {
            Said::Read(reading) => reading
                .claim()
                .map_or("unreadable", |claim| claim.format.as_str()),
            Said::Unread(format) => format,
        }
    }
}

impl Found {
    fn into_evidence(self, attached_to: &Digest) -> NewEvidence {
        let claim = self.said.claim();
        let (key, key_hint, verdict) = self.said.verdict();
        NewEvidence {
            attached_to: attached_to.clone(),
            format: self.said.format().to_owned(),
            subject: claim.map(|claim| claim.subject.clone()),
            stage: claim.and_then(|claim| claim.stage.clone()),
            named_repository: claim
                .and_then(|claim| claim.repository.as_ref().map(ToString::to_string)),
            key,
            key_hint,
            verdict,
            raw: self.raw,
            signature: self.signature,
        }
    }
}

fn verdict(reading: &Reading) -> (Option<KeyId>, Option<String>, Verdict) {
    match reading {
        Reading::Verified(verified) => (Some(verified.key().clone()), None, Verdict::Verified),
        Reading::Unverified {
            why: Untrusted::UnknownKey { hint },
            ..
        } => (None, hint.clone(), Verdict::UnknownKey),
        Reading::Unverified {
            why: Untrusted::BadSignature { key, .. },
            ..
        } => (None, Some(key.to_string()), Verdict::BadSignature),
        Reading::Unverified {
            why: why @ Untrusted::OpenPgp { key, .. },
            ..
        } => (
            None,
            Some(key.to_string()),
            Verdict::Unreadable(why.to_string()),
        ),
        Reading::Unreadable { why } => (None, None, Verdict::Unreadable(why.clone())),
        Reading::Attestation { predicate_type } => (
            None,
            None,
            Verdict::Unreadable(format!("an attestation, `{predicate_type}`")),
        ),
    }
}

/// The keys of people and robots, by what reads their signatures.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    plain: Vec<PublicKey>,
    openpgp: Vec<OpenPgpKey>,
}

/// All registered keys, revoked ones too: a signature by one of these gets its own reason.
pub(crate) async fn registered_keys(store: &Store) -> Result<Keys> {
    let mut keys = Keys::default();
    for record in store::signing_keys::list(store).await? {
        match record.public_key {
            RegisteredKey::Plain(key) => keys.plain.push(key),
            RegisteredKey::OpenPgp(key) => keys.openpgp.push(*key),
        }
    }
    Ok(keys)
}

/// Judges evidence again whose key was not known when it arrived. Answers how many signatures a key was found for.
///
/// # Errors
/// The store's failures.
pub async fn reverify(store: &Store, now: i64) -> Result<usize> {
    let keys = registered_keys(store).await?;
    let (mut verified, mut after) = (0, 0);
    loop {
        let unknown = store::evidence::unknown(store, after, store::evidence::UNKNOWN_MAX).await?;
        let Some(last) = unknown.last() else {
            return Ok(verified);
        };
        after = last.id;
        for evidence in unknown {
            let is_openpgp = evidence.format == Format::OPENPGP_NAME;
            let found = match is_openpgp {
                true => Some(judge_openpgp(evidence.raw, &keys, now)),
                false => judge(evidence.raw, evidence.signature, &keys.plain),
            };
            let Some(found) = found else {
                continue;
            };
            let found = found.into_verdict();
            store::evidence::set_verdict(
                store,
                System::job("reverify-evidence"),
                evidence.id,
                &found,
                now,
            )
            .await?;
            verified += usize::from(found.verdict == Verdict::Verified);
        }
    }
}

impl Found {
    fn into_verdict(self) -> Reverified {
        let (key, _, verdict) = self.said.verdict();
        let claim = self.said.claim();
        Reverified {
            verdict,
            subject: claim.map(|claim| claim.subject.clone()),
            stage: claim.and_then(|claim| claim.stage.clone()),
            named_repository: claim
                .and_then(|claim| claim.repository.as_ref().map(ToString::to_string)),
            key,
        }
    }
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

    #[test]
    fn a_layer_is_a_signature_by_its_type() {
        let format_of =
            |media_type: &str, signature| format(&Descriptor::of(media_type, b"{}"), signature);
        for (media_type, signature, expect) in [
            (media::SIGSTORE_BUNDLE_V03, None, Some(Format::Bundle)),
            (media::SIGSTORE_BUNDLE_V01, None, Some(Format::Bundle)),
            (
                media::COSIGN_SIMPLE_SIGNING,
                Some("c2ln"),
                Some(Format::SimpleSigning),
            ),
            (media::COSIGN_SIMPLE_SIGNING, None, None),
            (media::NOTATION_JWS, None, Some(Format::Unread("notation"))),
            (media::NOTATION_COSE, None, Some(Format::Unread("notation"))),
            (media::OCI_LAYER_GZIP, Some("c2ln"), None),
            (media::IN_TOTO, None, None),
        ] {
            assert_eq!(format_of(media_type, signature), expect, "{media_type}");
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
        assert_eq!(attached(format!("sha256-{hex}.att")), None);
        assert_eq!(attached(format!("sha256-{hex}")), None);
        assert_eq!(attached("sha256-short.sig".into()), None);
    }
}
