//! A bundle that this server signed, as the artifact that stands beside an image: stored like everyone's signature, so that any client
//! can carry it. Deliberately not what the artifact is then put in for, nor in place of what: that is the caller's transaction.

use crate::Registry;
use crate::error::{Error, Result};
use oci::{Digest, ErrorCode, Manifest, Shape, media};
use serde_json::{Value, json};
use store::catalogue::{PutManifest, StoredManifest};
use store::{Writer, blobs};

/// The empty JSON object, which an artifact's manifest has as its config (image-spec "Guidance for an Empty Descriptor").
pub(crate) const EMPTY: &[u8] = b"{}";

/// The manifest of a bundle whose blobs are stored, itself not stored yet.
pub(crate) struct Artifact {
    pub(crate) digest: Digest,
    content: Vec<u8>,
    manifest: Manifest,
}

impl Registry {
    /// Stores a bundle and an empty config, and makes the manifest that attaches them to an image.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn enclose(
        &self,
        writer: &Writer<'_>,
        image: &StoredManifest,
        bundle: Vec<u8>,
        annotations: Value,
        now: i64,
    ) -> Result<Artifact> {
        let config = blobs::put(&self.store, writer, EMPTY.to_vec(), now).await?;
        let layer = blobs::put(&self.store, writer, bundle, now).await?;
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": media::SIGSTORE_BUNDLE_V03,
            "config": {"mediaType": media::OCI_EMPTY, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": media::SIGSTORE_BUNDLE_V03, "digest": layer.digest, "size": layer.size}],
            "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.content.len()},
            "annotations": annotations,
        });
        let content = document.to_string().into_bytes();
        let manifest = Manifest::parse(&content, Some(media::OCI_MANIFEST))
            .map_err(|error| Error::protocol(ErrorCode::ManifestInvalid, error.to_string()))?;
        Ok(Artifact {
            digest: Digest::sha256(&content),
            content,
            manifest,
        })
    }
}

impl Artifact {
    /// What the store takes: under no tag, and with nothing read from it as evidence.
    pub(crate) fn put(&self) -> PutManifest<'_> {
        PutManifest {
            digest: &self.digest,
            content: &self.content,
            media_type: media::OCI_MANIFEST,
            manifest: &self.manifest,
            shape: Shape::Evidence,
            tags: &[],
            evidence: &[],
            stage_record: None,
        }
    }
}
