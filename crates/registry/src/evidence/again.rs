//! Reading evidence again, once keys or identities are registered that were not known when it came: the copy of each signature that is
//! kept, and then the others (`copies`).

use super::copies::{Pieces, look};
use super::format::{Format, Judges};
use super::found::Found;
use super::keys::{Keys, registered_keys};
use super::{CHECKS_MAX, signed_manifest};
use crate::aside::aside;
use crate::error::Result;
use oci::{Digest, RepositoryName};
use policy::Verdict;
use std::sync::Arc;
use store::evidence::UnknownEvidence;
use store::{Store, System};
use trust::evidence::{Anchors, Checks};
use trust::notation;

/// By whose signatures evidence is read again.
pub(super) struct Reader<'a> {
    pub(super) store: &'a Store,
    pub(super) now: i64,
    keys: Arc<Keys>,
    anchors: Arc<Anchors>,
}

/// Bytes that are a signature, and where and when they came.
pub(super) struct Document {
    pub(super) format: Format,
    pub(super) raw: Vec<u8>,
    pub(super) signature: Option<String>,
    pub(super) repository: RepositoryName,
    pub(super) attached_to: Digest,
    /// When the signature was first stored, in milliseconds since the epoch.
    pub(super) stored_at: i64,
}

/// Judges evidence again whose key was not known when it arrived. Answers how many signatures a key was found for.
///
/// # Errors
/// The store's failures.
pub async fn reverify(store: &Store, now: i64) -> Result<usize> {
    let reader = Reader {
        store,
        now,
        keys: Arc::new(registered_keys(store, None).await?),
        anchors: store.anchors(),
    };
    let (mut verified, mut after) = (0, 0);
    loop {
        let unknown = store::evidence::unknown(store, after, store::evidence::UNKNOWN_MAX).await?;
        let Some(last) = unknown.last() else {
            return Ok(verified);
        };
        after = last.id;
        let pieces = Pieces::of(&unknown);
        for evidence in unknown {
            let id = evidence.id;
            let Some(found) = reader.read(evidence.into()).await? else {
                continue;
            };
            let found = found.into_verdict();
            store::evidence::set_verdict(store, JOB, id, &found, now).await?;
            verified += usize::from(found.verdict == Verdict::Verified);
        }
        verified += look(&reader, &pieces).await?;
    }
}

/// Who writes what was found.
pub(super) const JOB: System = System::job("reverify-evidence");

impl Reader<'_> {
    pub(super) async fn read(&self, document: Document) -> Result<Option<Found>> {
        let manifest = match document.format {
            Format::Notation(_) => {
                signed_manifest(self.store, &document.repository, &document.attached_to).await?
            }
            _ => None,
        };
        let (keys, anchors, now) = (Arc::clone(&self.keys), Arc::clone(&self.anchors), self.now);
        aside(move || {
            // Each has a budget of its own: what was left over in a manifest of many is tried with every key here.
            let checks = Checks::new(CHECKS_MAX);
            let judges = Judges {
                keys: &keys,
                anchors: &anchors,
                about: &document.attached_to,
                manifest: manifest.as_ref(),
                checks: &checks,
                now,
            };
            let Document { format, raw, .. } = document;
            format.read(raw, document.signature, judges, document.stored_at)
        })
        .await
    }
}

impl From<UnknownEvidence> for Document {
    fn from(evidence: UnknownEvidence) -> Self {
        let format = match (evidence.format.as_str(), &evidence.signature) {
            (Format::OPENPGP_NAME, _) => Format::OpenPgp,
            (Format::NOTATION_NAME, _) => {
                Format::Notation(notation::Format::of_bytes(&evidence.raw))
            }
            (Format::ATTESTATION_NAME, _) => Format::Attestation,
            (_, Some(_)) => Format::SimpleSigning,
            (_, None) => Format::Bundle,
        };
        Self {
            format,
            raw: evidence.raw,
            signature: evidence.signature,
            repository: evidence.repository,
            attached_to: evidence.attached_to,
            stored_at: evidence.stored_at,
        }
    }
}
