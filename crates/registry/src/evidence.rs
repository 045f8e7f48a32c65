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
use trust::evidence::{
    Anchors, Claim, Dated, Reading, Signers, Untrusted, certified_signature, read_any_bundle,
    read_any_layer, read_attestation, read_notation,
};
use trust::notation::{self, Envelope, Failure};
use trust::openpgp::read_openpgp_document;
use trust::sigstore::Refusal;
use trust::{KeyId, NotationIdentity, OpenPgpKey, PublicKey, RegisteredKey, SigstoreIdentity};

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
/// What the format of evidence is called that says nothing that can be read.
const UNREADABLE: &str = "unreadable";
/// cosign's tags that attach signatures and attestations to a digest: `sha256-<hex>.sig` and `.att` (cosign SIGNATURE_SPEC, "Storage").
const TAG_SUFFIXES: [&str; 2] = [".sig", ".att"];

/// The shape that counts: evidence only if every blob is small and JSON, or an envelope of notation in COSE, so that no layer of an
/// image passes as evidence. What
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
            Envelope::parse(notation::Format::Cose, &bytes).is_ok()
        } else {
            let json = tokio::task::spawn_blocking(move || {
                serde_json::from_reader::<_, IgnoredAny>(BufReader::new(content.into_reader()))
                    .is_ok()
            });
            json.await.unwrap_or(false)
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
    let judges = Judges {
        keys,
        anchors: store.anchors(),
        about: &attached_to,
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

fn attached_by_tag(tag: &Tag) -> Option<Digest> {
    let mut suffixes = TAG_SUFFIXES.iter();
    let name = suffixes.find_map(|suffix| tag.as_str().strip_suffix(suffix))?;
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
    /// An envelope of notation.
    Notation(notation::Format),
    /// An attestation: an envelope by itself, as cosign 2 attaches it under a tag, or one that was read before.
    Attestation,
}

/// The format of a layer, by its media type; `None` for what is no signature.
fn format(layer: &Descriptor, signature: Option<&str>) -> Option<Format> {
    match layer.media_type.as_str() {
        media::COSIGN_SIMPLE_SIGNING => signature.map(|_| Format::SimpleSigning),
        media::OPENPGP_SIGNATURE => Some(Format::OpenPgp),
        media::DSSE => Some(Format::Attestation),
        media::NOTATION_JWS => Some(Format::Notation(notation::Format::Jws)),
        media::NOTATION_COSE => Some(Format::Notation(notation::Format::Cose)),
        other if other.starts_with("application/vnd.dev.sigstore.bundle") => Some(Format::Bundle),
        _ => None,
    }
}

/// Whom signatures may be of, by whose word, and what time it is.
#[derive(Clone, Copy, Debug)]
struct Judges<'a> {
    keys: &'a Keys,
    anchors: &'a Anchors,
    /// The image that it is attached to.
    about: &'a Digest,
    now: i64,
}

impl Format {
    /// What evidence of these is called.
    const OPENPGP_NAME: &str = trust::evidence::Format::GpgSimpleSigning.as_str();
    const NOTATION_NAME: &str = trust::evidence::Format::Notation.as_str();
    const ATTESTATION_NAME: &str = trust::evidence::Format::Attestation.as_str();

    /// `arrived_at`: when it was first stored. `None` for an attestation that is not read, such as one
    /// with a certificate: it vouches for nothing, and is no signature that fails.
    fn read(
        self,
        raw: Vec<u8>,
        signature: Option<String>,
        judges: Judges<'_>,
        arrived_at: i64,
    ) -> Option<Found> {
        let signature = signature.filter(|_| self == Format::SimpleSigning);
        let Judges {
            keys,
            anchors,
            about,
            now,
        } = judges;
        let signers = Signers {
            keys: &keys.plain,
            identities: &keys.sigstore,
            anchors,
        };
        let mut read: Dated = match (self, &signature) {
            (Format::Attestation, _) => read_attestation(&raw, &keys.plain, about).into(),
            (Format::OpenPgp, _) => read_openpgp_document(&raw, &keys.openpgp, now),
            (Format::Notation(format), _) => {
                // Lists speak of today; without any, what was valid when it came is.
                let lists = anchors.revocation.as_ref();
                let at = lists.map_or(arrived_at, |_| now);
                read_notation(format, &raw, &keys.notation, lists, at)
            }
            (_, Some(signature)) => read_any_layer(&raw, signature, signers, arrived_at),
            (_, None) => read_any_bundle(&raw, signers, arrived_at),
        };
        let is_attestation =
            self == Format::Attestation || matches!(read.reading, Reading::Attestation { .. });
        if matches!(read.reading, Reading::Attestation { .. }) {
            read = read_attestation(&raw, &keys.plain, about).into();
        }
        if is_attestation && matches!(read.reading, Reading::Unreadable { .. }) {
            return None;
        }
        let is_notation = matches!(self, Format::Notation(_));
        Some(Found {
            raw,
            signature,
            unreadable: if is_notation {
                Self::NOTATION_NAME
            } else {
                UNREADABLE
            },
            read,
        })
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
    /// What its format is called when it says nothing.
    unreadable: &'static str,
    read: Dated,
}

fn unreadable(raw: Vec<u8>, why: String) -> Found {
    Found {
        raw,
        signature: None,
        unreadable: UNREADABLE,
        read: Reading::Unreadable { why }.into(),
    }
}

impl Found {
    fn claim(&self) -> Option<&Claim> {
        self.read.reading.claim()
    }

    fn format(&self) -> String {
        self.claim()
            .map_or(self.unreadable, |claim| claim.format.as_str())
            .to_owned()
    }
}

impl Found {
    fn into_evidence(self, attached_to: &Digest) -> NewEvidence {
        let claim = self.claim();
        let (key, key_hint, verdict) = verdict(&self.read.reading);
        NewEvidence {
            attached_to: attached_to.clone(),
            format: self.format(),
            subject: claim.map(|claim| claim.subject.clone()),
            stage: claim.and_then(|claim| claim.stage.clone()),
            predicate_type: claim.and_then(|claim| claim.predicate_type.clone()),
            named_repository: claim
                .and_then(|claim| claim.repository.as_ref().map(ToString::to_string)),
            key,
            key_hint,
            verdict,
            trusted_at: self.read.trusted_at,
            ends_at: self.read.ends_at,
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
        Reading::Unverified {
            why: Untrusted::UnknownIdentity { identity },
            ..
        } => {
            let hint = format!("signed by {identity}");
            (None, Some(hint), Verdict::UnknownKey)
        }
        Reading::Unverified { why, .. } => {
            let is_false = match why {
                Untrusted::Sigstore(why) => matches!(**why, Refusal::Signature(_)),
                Untrusted::Notation(why) => matches!(**why, Failure::Signature),
                _ => false,
            };
            let verdict = match is_false {
                true => Verdict::BadSignature,
                false => Verdict::Unreadable(why.to_string()),
            };
            (None, None, verdict)
        }
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
    sigstore: Vec<SigstoreIdentity>,
    notation: Vec<NotationIdentity>,
}

/// All registered keys, revoked ones too: a signature by one of these gets its own reason.
pub(crate) async fn registered_keys(store: &Store) -> Result<Keys> {
    let mut keys = Keys::default();
    for record in store::signing_keys::list(store).await? {
        match record.public_key {
            RegisteredKey::Plain(key) => keys.plain.push(key),
            RegisteredKey::OpenPgp(key) => keys.openpgp.push(*key),
            RegisteredKey::Sigstore(identity) => keys.sigstore.push(*identity),
            RegisteredKey::Notation(identity) => keys.notation.push(*identity),
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
            let format = match (evidence.format.as_str(), &evidence.signature) {
                (Format::OPENPGP_NAME, _) => Format::OpenPgp,
                (Format::NOTATION_NAME, _) => {
                    Format::Notation(notation::Format::of_bytes(&evidence.raw))
                }
                (Format::ATTESTATION_NAME, _) => Format::Attestation,
                (_, Some(_)) => Format::SimpleSigning,
                (_, None) => Format::Bundle,
            };
            let judges = Judges {
                keys: &keys,
                anchors: store.anchors(),
                about: &evidence.attached_to,
                now,
            };
            let found = format.read(evidence.raw, evidence.signature, judges, evidence.stored_at);
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
        let (key, _, verdict) = verdict(&self.read.reading);
        let claim = self.claim();
        Reverified {
            format: self.format(),
            trusted_at: self.read.trusted_at,
            ends_at: self.read.ends_at,
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
            (
                media::NOTATION_JWS,
                None,
                Some(Format::Notation(notation::Format::Jws)),
            ),
            (
                media::NOTATION_COSE,
                None,
                Some(Format::Notation(notation::Format::Cose)),
            ),
            (media::OCI_LAYER_GZIP, Some("c2ln"), None),
            (media::DSSE, None, Some(Format::Attestation)),
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
        assert_eq!(
            attached(format!("sha256-{hex}.att")),
            Some(format!("sha256:{hex}"))
        );
        assert_eq!(attached(format!("sha256-{hex}.sbom")), None);
        assert_eq!(attached(format!("sha256-{hex}")), None);
        assert_eq!(attached("sha256-short.sig".into()), None);
    }
}
