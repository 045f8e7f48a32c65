//! A gate's receipt beside its image: stored like everyone's signature, so that any client can carry it, in place of the one
//! before. It is named as sigstore's clients look for statements; they read it as what it is, a verification summary.

use crate::Registry;
use crate::error::{Error, Result};
use oci::{Digest, ErrorCode, Manifest, Shape, media};
use serde_json::json;
use store::catalogue::{PutManifest, StoredManifest};
use store::receipts::{self, NewReceipt};
use store::{System, Writer, blobs};
use trust::receipt;

/// The empty JSON object, which an artifact's manifest has as its config (image-spec "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

impl Registry {
    /// Stores a receipt, whose bundle has the digest that `new` names, as the live one of its gate. `false` where the gate says
    /// something else by now.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn put_receipt(
        &self,
        system: System,
        image: &StoredManifest,
        bundle: Vec<u8>,
        new: &NewReceipt,
        now: i64,
    ) -> Result<bool> {
        let repository = &image.repository;
        let writer = Writer::System(system, repository);
        let config = blobs::put(&self.store, &writer, EMPTY.to_vec(), now).await?;
        let layer = blobs::put(&self.store, &writer, bundle, now).await?;
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": media::SIGSTORE_BUNDLE_V03,
            "config": {"mediaType": media::OCI_EMPTY, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": media::SIGSTORE_BUNDLE_V03, "digest": layer.digest, "size": layer.size}],
            "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.content.len()},
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": receipt::PREDICATE_TYPE,
                "dev.countersign.gate": new.gate.gate,
                "dev.countersign.policy": new.gate.policy,
            },
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
            // A receipt is no evidence: a gate that counted its own answers would never change its mind.
            evidence: &[],
            stage_record: None,
        };
        Ok(receipts::put(&self.store, system, repository, &put, new, now).await?)
    }
}
