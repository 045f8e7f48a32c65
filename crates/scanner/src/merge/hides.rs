//! What one layer hides of the layers below it. image-spec `layer.md`, "Whiteouts" and "Opaque Whiteout".

use std::collections::HashSet;

use sbom::LayerInventory;

use crate::path;

/// The whiteouts, opaque folders and non-folders of one layer.
pub(super) struct Hides<'a> {
    whiteouts: HashSet<&'a str>,
    opaques: HashSet<&'a str>,
    /// Sorted fingerprints.
    replaced: &'a [u64],
}

/// A path with the fingerprints of itself and of every folder above it.
#[derive(Debug, Clone)]
pub(super) struct Trail<'a> {
    path: &'a str,
    fingerprints: Vec<u64>,
}

impl<'a> Hides<'a> {
    pub(super) fn of(layer: &'a LayerInventory) -> Self {
        Self {
            whiteouts: layer.whiteouts.iter().map(String::as_str).collect(),
            opaques: layer.opaques.iter().map(String::as_str).collect(),
            replaced: &layer.replaced,
        }
    }

    /// Whether what earlier layers have at the end of the trail is hidden.
    pub(super) fn hides(&self, trail: &Trail<'_>) -> bool {
        let folders = || path::ancestors(trail.path);
        let is_whiteout = |path: &str| self.whiteouts.contains(path);
        (!self.whiteouts.is_empty() && (is_whiteout(trail.path) || folders().any(is_whiteout)))
            || (!self.opaques.is_empty()
                && folders()
                    .chain([""])
                    .any(|folder| self.opaques.contains(folder)))
            || (trail
                .fingerprints
                .iter()
                .any(|fingerprint| self.replaced.binary_search(fingerprint).is_ok()))
    }
}

impl<'a> Trail<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        let fingerprints = std::iter::once(path)
            .chain(path::ancestors(path))
            .map(path::fingerprint)
            .collect();
        Self { path, fingerprints }
    }
}
