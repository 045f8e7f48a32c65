//! The server's own stamp: its signature for an automatic stage, stored beside the image like everyone's, with the record of when
//! the stage first held. One transaction for both, so that neither is there without the other.

use crate::Registry;
use crate::error::{Error, Result};
use oci::{Digest, ErrorCode, Manifest, Shape, media};
use serde_json::json;
use store::catalogue::{self, PutManifest, StageRecord, StoredManifest};
use store::{System, Writer, blobs};

/// The empty JSON object, which an artifact's manifest has as its config (image-spec "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

impl Registry {
    /// Stores a bundle that the server signed for an automatic stage, and the stage's record.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn record_stage(
        &self,
        system: System,
        image: &StoredManifest,
        stage: (&str, &str),
        bundle: Vec<u8>,
        now: i64,
    ) -> Result<Digest> {
        let (policy, stage) = stage;
        let writer = Writer::System(system, &image.repository);
        let config = blobs::put(&self.store, &writer, EMPTY.to_vec(), now).await?;
        let layer = blobs::put(&self.store, &writer, bundle, now).await?;
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": media::SIGSTORE_BUNDLE_V03,
            "config": {"mediaType": media::OCI_EMPTY, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": media::SIGSTORE_BUNDLE_V03, "digest": layer.digest, "size": layer.size}],
            "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.content.len()},
            "annotations": {"dev.countersign.stage": stage},
        });
        let content = document.to_string().into_bytes();
        let digest = Digest::sha256(&content);
        let manifest = Manifest::parse(&content, Some(media::OCI_MANIFEST))
            .map_err(|error| Error::protocol(ErrorCode::ManifestInvalid, error.to_string()))?;
        let put = PutManifest {
            digest: &digest,
            content: &content,
            media_type: media::OCI_MANIFEST,
            manifest: &manifest,
            shape: Shape::Evidence,
            tags: &[],
            evidence: &[],
            stage_record: Some(StageRecord {
                digest: &image.digest,
                policy,
                stage,
            }),
        };
        catalogue::put_manifest(&self.store, &writer, &put, now).await?;
        Ok(digest)
    }
}
