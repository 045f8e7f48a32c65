//! What a manifest is for, told from its media types alone: the gate asks this before it asks anything else, so the
//! lists are closed and doubt never ends at `Evidence`. Names, annotations and `subject` play no part. Types are claims
//! and podman 4.3 runs layers whatever their types say, so whoever lets evidence pass checks its content as well.

use super::{ImageManifest, Manifest};
use crate::media;

/// What a manifest is, as far as its media types tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A runnable image: it has an image configuration.
    Image,
    /// An index.
    Index,
    /// Signatures, attestations or bills of materials, and nothing else, if its blobs are what their types say: all of
    /// the evidence types are JSON or COSE, which no runtime can unpack as a layer.
    Evidence,
    /// Anything else: charts, modules, caches.
    Other,
}

impl Manifest {
    /// What it is for. Evidence has at least one layer, every layer of an evidence type, and a configuration that is
    /// empty or of an evidence type; an image configuration is accepted only as cosign writes it, over layers that are
    /// all cosign signatures or DSSE envelopes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Index(_) => Shape::Index,
            Self::Image(image) => image.shape(),
        }
    }
}

impl ImageManifest {
    fn shape(&self) -> Shape {
        let config = self.config.media_type.as_str();
        if media::is_image_config(config) {
            if self.every_layer(media::is_cosign_layer) {
                Shape::Evidence
            } else {
                Shape::Image
            }
        } else if media::is_evidence_config(config) && self.every_layer(media::is_evidence_layer) {
            Shape::Evidence
        } else {
            Shape::Other
        }
    }

    fn every_layer(&self, test: fn(&str) -> bool) -> bool {
        !self.layers.is_empty() && self.layers.iter().all(|layer| test(&layer.media_type))
    }
}
