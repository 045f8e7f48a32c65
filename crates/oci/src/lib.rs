//! The nouns of the OCI specifications as types: names, references, digests, descriptors, manifests, media types and
//! error codes.
//!
//! It reads bytes and returns values. It deliberately knows no HTTP, no storage and no image content; a value of these
//! types has passed the grammar and the limits, and says nothing about who made it. Sections named in the code are
//! those of distribution-spec 1.1 and image-spec 1.1.
//!
//! ```
//! use oci::{Digest, ImageReference, Manifest, Shape};
//!
//! let image: ImageReference = "registry.example:5000/shop/web:1.4".parse()?;
//! assert_eq!(image.host.as_deref(), Some("registry.example:5000"));
//! assert_eq!(image.repository.as_str(), "shop/web");
//!
//! let digest = Digest::sha256(b"{}");
//! let document = format!(
//!     r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{digest}","size":2}},"layers":[]}}"#,
//!     oci::media::OCI_MANIFEST,
//!     oci::media::OCI_CONFIG,
//! );
//! let manifest = Manifest::parse(document.as_bytes(), Some(oci::media::OCI_MANIFEST))?;
//! assert_eq!(manifest.shape(), Shape::Image);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod descriptor;
mod digest;
mod error_code;
mod excerpt;
mod manifest;
pub mod media;
mod name;
mod reference;
mod strict;

pub use config::{CONFIG_BYTES_MAX, ConfigError, History, ImageConfig, RootFs, RunConfig};
pub use descriptor::{Descriptor, Platform, PlatformError};
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use error_code::{ErrorCode, UnknownErrorCode};
pub use manifest::{
    ANNOTATIONS_MAX, DESCRIPTORS_MAX, ImageManifest, IndexManifest, MANIFEST_BYTES_MAX, Manifest,
    ManifestError, Shape, Union,
};
pub use name::{
    NameError, REPOSITORY_NAME_BYTES_MAX, RepositoryName, TAG_BYTES_MAX, Tag, TagError,
};
pub use reference::{ImageReference, Reference, ReferenceError};
pub use strict::DocumentError;
