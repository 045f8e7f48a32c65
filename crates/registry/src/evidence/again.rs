//! Reading evidence again, once keys or identities are registered that were not known when it came.

use super::format::{Format, Judges};
use super::keys::registered_keys;
use super::{CHECKS_MAX, signed_manifest};
use crate::aside::aside;
use crate::error::Result;
use policy::Verdict;
use std::sync::Arc;
use store::{Store, System};
use trust::evidence::Checks;
use trust::notation;

/// Judges evidence again whose key was not known when it arrived. Answers how many signatures a key was found for.
///
/// # Errors
/// The store's failures.
pub async fn reverify(store: &Store, now: i64) -> Result<usize> {
    let keys = Arc::new(registered_keys(store, None).await?);
    let anchors = store.anchors();
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
            let manifest = match format {
                Format::Notation(_) => {
                    signed_manifest(store, &evidence.repository, &evidence.attached_to).await?
                }
                _ => None,
            };
            let (keys, anchors, id) = (Arc::clone(&keys), Arc::clone(&anchors), evidence.id);
            let found = aside(move || {
                // Each has a budget of its own: what was left over in a manifest of many is tried with every key here.
                let checks = Checks::new(CHECKS_MAX);
                let judges = Judges {
                    keys: &keys,
                    anchors: &anchors,
                    about: &evidence.attached_to,
                    manifest: manifest.as_ref(),
                    checks: &checks,
                    now,
                };
                format.read(evidence.raw, evidence.signature, judges, evidence.stored_at)
            });
            let Some(found) = found.await? else {
                continue;
            };
            let found = found.into_verdict();
            store::evidence::set_verdict(store, System::job("reverify-evidence"), id, &found, now)
                .await?;
            verified += usize::from(found.verdict == Verdict::Verified);
        }
    }
}
