//! Image manifests and indexes, OCI and Docker schema 2. A manifest that parsed is well formed and can be read in one
//! way only; whether its content exists or is what it says is for others to find out. image-spec `manifest.md`,
//! `image-index.md`.

mod parse;
mod shape;
mod union;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::parse::{ANNOTATIONS_MAX, DESCRIPTORS_MAX, MANIFEST_BYTES_MAX, ManifestError};
pub use self::shape::Shape;
pub use self::union::Union;
use crate::{Descriptor, media};

/// A manifest: of one image (or artifact), or an index of several.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "manifests are read one at a time and soon taken apart"
)]
pub enum Manifest {
    /// An image manifest, which also carries artifacts and evidence.
    Image(ImageManifest),
    /// An image index or manifest list.
    Index(IndexManifest),
}

impl Manifest {
    /// The media type: that of the document, or of the content type where the document names none.
    #[must_use]
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(image) => &image.media_type,
            Self::Index(index) => &index.media_type,
        }
    }

    /// The manifest that this one is about.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// Its free key-value pairs.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Image(image) => &image.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// The artifact type as the referrers list shows it: for an image without one, the type of its configuration.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        // distribution-spec "Listing Referrers": an empty or absent artifactType falls back to config.mediaType.
        let given = match self {
            Self::Image(image) => image.artifact_type.as_deref(),
            Self::Index(index) => index.artifact_type.as_deref(),
        };
        let fallback = match self {
            Self::Image(image) => Some(image.config.media_type.as_str()),
            Self::Index(_) => None,
        };
        given
            .filter(|text| !text.is_empty())
            .or(fallback)
            .filter(|text| !text.is_empty())
    }

    /// Every descriptor that it holds but the subject: configuration and layers, or the manifests of an index.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, rest) = match self {
            Self::Image(image) => (Some(&image.config), &image.layers),
            Self::Index(index) => (None, &index.manifests),
        };
        config.into_iter().chain(rest)
    }

    /// Writes it as JSON, with the fields in the order of the specification. Bytes that were parsed are not
    /// reproduced: keep them, since the digest names them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a, T> {
            schema_version: u8,
            #[serde(flatten)]
            body: &'a T,
        }
        let bytes = match self {
            Self::Image(body) => serde_json::to_vec(&Document {
                schema_version: 2,
                body,
            }),
            Self::Index(body) => serde_json::to_vec(&Document {
                schema_version: 2,
                body,
            }),
        };
        #[expect(
            clippy::expect_used,
            reason = "INVARIANT: text keys and plain values, written to memory, cannot fail"
        )]
        bytes.expect("a manifest can be written")
    }
}

/// A manifest with a configuration and layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// OCI image manifest or Docker schema 2.
    pub media_type: String,
    /// The type of an artifact that is not an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the base first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key-value pairs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// An OCI manifest with this configuration and these layers and nothing else.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            media_type: media::OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A manifest that lists others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexManifest {
    /// OCI image index or Docker manifest list.
    pub media_type: String,
    /// The type of an artifact that is not an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, one a platform for images. Old BuildKit caches list layers here.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key-value pairs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl IndexManifest {
    /// An OCI index of these manifests and nothing else.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            media_type: media::OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
