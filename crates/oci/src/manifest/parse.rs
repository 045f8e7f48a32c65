//! Bytes to manifest. Refuses what could be read in two ways (CVE-2021-41190: one document that is an image to one
//! program and an index to another), what is too large, and Docker's schema 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{ImageManifest, IndexManifest, Manifest};
use crate::excerpt::excerpt;
use crate::strict::{self, DocumentError, Role};
use crate::{Descriptor, media};

/// The largest manifest, in bytes (4 MiB).
// distribution-spec "Pushing Manifests": a registry should take at least 4 MiB.
pub const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most layers of an image, or manifests of an index.
pub const DESCRIPTORS_MAX: usize = 10_000;
/// The most annotations of a manifest, those of its descriptors included.
pub const ANNOTATIONS_MAX: usize = 100_000;

impl Manifest {
    /// Reads a manifest. `content_type` is what the sender called it, if anything; parameters are ignored. It must
    /// agree with the document's `mediaType`; where neither is there, the fields decide between the OCI types.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge { bytes: bytes.len() });
        }
        strict::check(bytes, Role::Manifest)?;
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| DocumentError::json(&error))?;
        document.check_version()?;
        document.check_limits()?;
        let media_type = document.media_type(content_type)?;
        if media::is_index(&media_type) {
            document.into_index(media_type)
        } else {
            document.into_image(media_type)
        }
    }
}

/// The fields of every kind of manifest. A list is `None` only when its key is absent; `null` is an empty list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "list")]
    layers: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "list")]
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    fn check_version(&self) -> Result<(), ManifestError> {
        let named_schema1 = self.media_type.as_deref().is_some_and(is_schema1);
        if named_schema1 || self.fs_layers.is_some() || self.schema_version == Some(1) {
            return Err(ManifestError::Schema1);
        }
        match self.schema_version {
            Some(2) => Ok(()),
            other => Err(ManifestError::SchemaVersion(other)),
        }
    }

    fn check_limits(&self) -> Result<(), ManifestError> {
        let descriptors = || self.layers.iter().chain(&self.manifests).flatten();
        let count = descriptors().count();
        if count > DESCRIPTORS_MAX {
            return Err(ManifestError::TooMany {
                what: "descriptors",
                count,
                max: DESCRIPTORS_MAX,
            });
        }
        let all = descriptors().chain(&self.config).chain(&self.subject);
        if let Some(wrong) = all
            .clone()
            .find(|descriptor| i64::try_from(descriptor.size).is_err())
        {
            return Err(ManifestError::Size {
                digest: wrong.digest.to_string(),
                size: wrong.size,
            });
        }
        let own = self.annotations.as_ref().map_or(0, BTreeMap::len);
        let count = all
            .map(|descriptor| descriptor.annotations.len())
            .fold(own, usize::saturating_add);
        if count > ANNOTATIONS_MAX {
            return Err(ManifestError::TooMany {
                what: "annotations",
                count,
                max: ANNOTATIONS_MAX,
            });
        }
        Ok(())
    }

    /// The one media type on which content type, `mediaType` and fields agree.
    fn media_type(&self, content_type: Option<&str>) -> Result<String, ManifestError> {
        let sent = content_type.map(without_parameters);
        let written = self.media_type.as_deref().filter(|text| !text.is_empty());
        if sent.is_some_and(is_schema1) {
            return Err(ManifestError::Schema1);
        }
        if let (Some(sent), Some(written)) = (sent, written)
            && sent != written
        {
            return Err(ManifestError::TypeMismatch {
                sent: excerpt(sent),
                written: excerpt(written),
            });
        }
        let media_type = match written.or(sent) {
            Some(media_type) => media_type,
            None if self.manifests.is_some() => media::OCI_INDEX,
            None => media::OCI_MANIFEST,
        };
        if !media::is_manifest(media_type) {
            return Err(ManifestError::UnknownType(excerpt(media_type)));
        }
        Ok(media_type.to_owned())
    }

    fn into_image(self, media_type: String) -> Result<Manifest, ManifestError> {
        if self.manifests.is_some() {
            return Err(ManifestError::Ambiguous {
                media_type,
                field: "manifests",
            });
        }
        let config = self
            .config
            .ok_or(ManifestError::Missing { field: "config" })?;
        let layers = self
            .layers
            .ok_or(ManifestError::Missing { field: "layers" })?;
        Ok(Manifest::Image(ImageManifest {
            media_type,
            artifact_type: self.artifact_type,
            config,
            layers,
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        }))
    }

    fn into_index(self, media_type: String) -> Result<Manifest, ManifestError> {
        if self.layers.is_some() {
            return Err(ManifestError::Ambiguous {
                media_type,
                field: "layers",
            });
        }
        if self.config.is_some() {
            return Err(ManifestError::Ambiguous {
                media_type,
                field: "config",
            });
        }
        let manifests = self
            .manifests
            .ok_or(ManifestError::Missing { field: "manifests" })?;
        Ok(Manifest::Index(IndexManifest {
            media_type,
            artifact_type: self.artifact_type,
            manifests,
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        }))
    }
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Descriptor>>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or_default()))
}

fn without_parameters(content_type: &str) -> &str {
    content_type
        .split_once(';')
        .map_or(content_type, |(media_type, _)| media_type)
        .trim()
}

fn is_schema1(media_type: &str) -> bool {
    matches!(
        media_type,
        media::DOCKER_SCHEMA1 | media::DOCKER_SCHEMA1_SIGNED
    )
}

/// Why bytes are not an acceptable manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Limit exceeded: more than 4 MiB.
    #[error("the manifest has {bytes} bytes: the limit is {max}", max = MANIFEST_BYTES_MAX)]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Limit exceeded: too many parts.
    #[error("the manifest has {count} {what}: the limit is {max}")]
    TooMany {
        /// Which parts.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Not JSON, ambiguous JSON, or wrong types of values.
    #[error("the manifest is {0}")]
    Document(#[from] DocumentError),
    /// Docker's first manifest format.
    #[error(
        "the manifest is of docker's schema 1, which is not supported: push it again with a docker of 2017 or later"
    )]
    Schema1,
    /// `schemaVersion` is missing or unknown.
    #[error("the manifest must have `schemaVersion` 2{}", .0.map_or(String::new(), |found| format!(", not `{found}`")))]
    SchemaVersion(Option<u64>),
    /// Content type and `mediaType` differ.
    #[error(
        "the manifest was sent as `{sent}` but its `mediaType` is `{written}`: send it as what it is"
    )]
    TypeMismatch {
        /// The content type.
        sent: String,
        /// The document's `mediaType`.
        written: String,
    },
    /// Not one of the four supported types.
    #[error("`{0}` is not the type of a manifest: use an OCI or docker schema 2 manifest or index")]
    UnknownType(String),
    /// It has fields of an image and of an index.
    #[error(
        "a manifest of type `{media_type}` must not have `{field}`: it could be read as something else"
    )]
    Ambiguous {
        /// Its media type.
        media_type: String,
        /// The field that does not belong to it.
        field: &'static str,
    },
    /// A required field is not there.
    #[error("the manifest has no `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A size that no program can hold.
    #[error("the manifest gives `{digest}` a size of {size} bytes, which cannot be")]
    Size {
        /// Digest of the descriptor.
        digest: String,
        /// The size it claims.
        size: u64,
    },
}
