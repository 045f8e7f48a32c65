//! Other copies of evidence that no key verified when it came: the same signature with something else beside it, in any manifest that
//! carries it. Whoever may attach could send a signature first without the certificate or the timestamp that proves it. Each manifest is
//! looked through once for a page of evidence, and only what differs from the copy that is kept is read.

use super::again::{Document, JOB, Reader};
use super::format::{Format, format};
use super::{SIGNATURES_BYTES_MAX, SIGNATURES_MAX, document};
use crate::error::Result;
use oci::{Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName};
use std::collections::{BTreeMap, BTreeSet};
use store::catalogue;
use store::evidence::{Carrier, UnknownEvidence, carriers_of, take_copy};
use trust::evidence::certified_signature;

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

/// Takes the copies that prove more than those that are kept.
pub(super) async fn look(reader: &Reader<'_>, pieces: &Pieces) -> Result<()> {
    let mut seen = pieces.known.clone();
    for carrier in carriers_of(reader.store, &pieces.ids()).await? {
        look_into(reader, pieces, &carrier, &mut seen).await?;
    }
    Ok(())
}

async fn look_into(
    reader: &Reader<'_>,
    pieces: &Pieces,
    carrier: &Carrier,
    seen: &mut BTreeSet<Held>,
) -> Result<()> {
    let (store, repository) = (reader.store, &carrier.repository);
    let reference = Reference::Digest(carrier.manifest.clone());
    // It may have been deleted meanwhile.
    let Some(stored) = catalogue::manifest(store, repository, &reference).await? else {
        return Ok(());
    };
    let Ok(Manifest::Image(image)) = Manifest::parse(&stored.content, Some(&stored.media_type))
    else {
        return Ok(());
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
        let Ok(raw) = document(store, repository, layer, &mut room).await? else {
            continue;
        };
        let fingerprint = trust::fingerprint(&raw, signature.as_deref());
        for piece in pieces.with(repository, fingerprint) {
            let document = Document {
                format,
                raw: raw.clone(),
                signature: signature.clone(),
                repository: repository.clone(),
                attached_to: piece.attached_to.clone(),
                stored_at: piece.stored_at,
            };
            let Some(found) = reader.read(document).await? else {
                continue;
            };
            let copy = found.into_evidence(&piece.attached_to);
            let manifest = &carrier.manifest;
            take_copy(store, JOB, piece.id, manifest, &copy, reader.now).await?;
        }
    }
    Ok(())
}
