//! Other copies of evidence that no key verified when it came: the same signature with something else beside it, in any manifest that
//! carries it. Whoever may attach could send a signature first without the certificate or the timestamp that proves it. Each manifest is
//! looked through once for a page of evidence, and only what differs from the copy that is kept is read.

use super::again::{Document, JOB, Reader};
use super::format::{Format, format};
use super::{SIGNATURES_BYTES_MAX, SIGNATURES_MAX, document};
use crate::error::{Error, Result};
use oci::{Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName};
use std::collections::{BTreeMap, BTreeSet};
use store::catalogue;
use store::evidence::{Carrier, NewEvidence, UnknownEvidence, carriers_of, take_copy};
use trust::evidence::certified_signature;

/// Manifests that one call looks into.
const CARRIERS_MAX: u32 = 64;
/// Layers that one call reads and judges, and what one manifest has beyond: about as long as judging a push.
const WORK_MAX: usize = 512;
/// Digests that one copy is judged for. What a signature says that it is about is found beyond these too.
const PIECES_MAX: usize = 4;

/// A page of evidence.
#[derive(Default)]
pub(super) struct Pieces {
    /// By repository and fingerprint: one signature may be attached to several images.
    by_fingerprint: BTreeMap<(RepositoryName, Digest), Vec<Piece>>,
    /// The copies that are kept.
    known: BTreeSet<Held>,
}

struct Piece {
    id: i64,
    attached_to: Digest,
    stored_at: i64,
}

/// What tells copies apart: the repository, the digest of the bytes, and the signature where it is kept outside these.
type Held = (RepositoryName, Digest, Option<String>);

impl Pieces {
    pub(super) fn of(page: &[UnknownEvidence]) -> Self {
        let mut pieces = Self::default();
        for evidence in page {
            let (repository, signature) = (&evidence.repository, evidence.signature.as_deref());
            let digest = Digest::sha256(&evidence.raw);
            let copy = (repository.clone(), digest, evidence.signature.clone());
            pieces.known.insert(copy);
            let fingerprint = trust::fingerprint(&evidence.raw, signature);
            let key = (repository.clone(), fingerprint);
            let piece = Piece {
                id: evidence.id,
                attached_to: evidence.attached_to.clone(),
                stored_at: evidence.stored_at,
            };
            pieces.by_fingerprint.entry(key).or_default().push(piece);
        }
        pieces
    }

    fn ids(&self) -> Vec<i64> {
        let pieces = self.by_fingerprint.values().flatten();
        pieces.map(|piece| piece.id).collect()
    }

    /// The pieces that are this signature.
    fn with(&self, repository: &RepositoryName, fingerprint: Digest) -> &[Piece] {
        let key = (repository.clone(), fingerprint);
        self.by_fingerprint.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Whether a payload that is known by its digest, and its signature, are none of these.
    fn is_of_others(&self, repository: &RepositoryName, layer: &Descriptor, text: &str) -> bool {
        let fingerprint = trust::fingerprint_of_payload(&layer.digest, text);
        layer.digest.algorithm() == Algorithm::Sha256
            && self.with(repository, fingerprint).is_empty()
    }
}

/// Takes the copies that prove more than those that are kept. Answers after which carrier to go on, if there may be more: whoever may attach
/// can make many.
pub(super) async fn look(
    reader: &Reader<'_>,
    pieces: &Pieces,
    after: Option<&Carrier>,
) -> Result<Option<Carrier>> {
    let mut seen = pieces.known.clone();
    let carriers = carriers_of(reader.store, &pieces.ids(), after, CARRIERS_MAX).await?;
    let is_page = u32::try_from(carriers.len()).unwrap_or(u32::MAX) >= CARRIERS_MAX;
    let (mut work, mut last) = (0, None);
    for carrier in carriers {
        work += look_into(reader, pieces, &carrier, &mut seen).await?;
        if work >= WORK_MAX {
            return Ok(Some(carrier));
        }
        last = Some(carrier);
    }
    Ok(last.filter(|_| is_page))
}

/// Answers how many layers were read and judged.
async fn look_into(
    reader: &Reader<'_>,
    pieces: &Pieces,
    carrier: &Carrier,
    seen: &mut BTreeSet<Held>,
) -> Result<usize> {
    let mut work = 0;
    let (store, repository) = (reader.store, &carrier.repository);
    let reference = Reference::Digest(carrier.manifest.clone());
    // It may have been deleted meanwhile.
    let Some(stored) = catalogue::manifest(store, repository, &reference).await? else {
        return Ok(work);
    };
    let Ok(Manifest::Image(image)) = Manifest::parse(&stored.content, Some(&stored.media_type))
    else {
        return Ok(work);
    };
    let mut room = SIGNATURES_BYTES_MAX;
    for layer in image.layers.iter().take(SIGNATURES_MAX) {
        let signature = certified_signature(&layer.annotations);
        let Some(format) = format(layer, signature.as_deref()) else {
            continue;
        };
        // Only these are signed outside of what was pushed.
        let signature = signature.filter(|_| format == Format::SimpleSigning);
        if signature
            .as_ref()
            .is_some_and(|text| pieces.is_of_others(repository, layer, text))
            || !seen.insert((repository.clone(), layer.digest.clone(), signature.clone()))
        {
            continue;
        }
        let raw = match document(store, repository, layer, &mut room).await {
            Ok(Ok(raw)) => raw,
            // What is damaged is no better copy, and keeps no other from being found.
            Ok(Err(_)) | Err(Error::Store(store::Error::Damaged { .. })) => continue,
            Err(error) => return Err(error),
        };
        work += 1;
        let copy = Copy {
            format,
            raw,
            signature,
        };
        let fingerprint = trust::fingerprint(&copy.raw, copy.signature.as_deref());
        let pieces = pieces.with(repository, fingerprint);
        let (first, others) = pieces.split_at(pieces.len().min(PIECES_MAX));
        let mut about = None;
        for piece in first {
            work += 1;
            let found = copy.take(reader, carrier, piece).await?;
            about = about.or(found.and_then(|found| found.subject));
        }
        if let Some(piece) = others
            .iter()
            .find(|piece| about.as_ref() == Some(&piece.attached_to))
        {
            work += 1;
            copy.take(reader, carrier, piece).await?;
        }
    }
    Ok(work)
}

/// A copy of a signature.
struct Copy {
    format: Format,
    raw: Vec<u8>,
    signature: Option<String>,
}

impl Copy {
    /// Judges it as this piece, and puts it in its place if it proves more; what was found.
    async fn take(
        &self,
        reader: &Reader<'_>,
        carrier: &Carrier,
        piece: &Piece,
    ) -> Result<Option<NewEvidence>> {
        let document = Document {
            format: self.format,
            raw: self.raw.clone(),
            signature: self.signature.clone(),
            repository: carrier.repository.clone(),
            attached_to: piece.attached_to.clone(),
            stored_at: piece.stored_at,
        };
        let Some(found) = reader.read(document).await? else {
            return Ok(None);
        };
        let copy = found.into_evidence(&piece.attached_to);
        let (store, manifest) = (reader.store, &carrier.manifest);
        take_copy(store, JOB, piece.id, manifest, &copy, reader.now).await?;
        Ok(Some(copy))
    }
}
