//! Signatures by OpenPGP as podman and skopeo hand them over and ask for them (`X-Registry-Supports-Signatures`). Each becomes a referrer of
//! the image as every other signature is, so that it is read, counted, copied and withdrawn like one.

use crate::bundle::EMPTY;
use crate::error::{Error, Result};
use crate::pull::repository;
use crate::push::{NewManifest, PushPermits};
use crate::{Registry, Stored};
use bytes::Bytes;
use oci::{Digest, ErrorCode, Reference, media};
use policy::Permit;
use policy::verb::Pull;
use serde_json::json;
use store::{Writer, blobs};
use trust::openpgp::Document;

impl Registry {
    /// Stores a signature beside the image that it is said to be for. Whether it is good is found as for any other.
    ///
    /// # Errors
    /// `MANIFEST_INVALID` for what is no document, or names another digest; `MANIFEST_UNKNOWN` where the image is not there.
    pub async fn put_openpgp_signature(
        &self,
        permits: &PushPermits,
        digest: &Digest,
        document: &[u8],
        now: i64,
    ) -> Result<Stored> {
        let invalid = |why: String| Error::protocol(ErrorCode::ManifestInvalid, why);
        let document = Document::parse(document).map_err(|error| invalid(error.to_string()))?;
        let named = document.name.split_once('@').map(|(named, _)| named);
        if named != Some(digest.as_str()) {
            return Err(invalid(format!(
                "the signature's name does not begin with `{digest}@`"
            )));
        }
        let repository = repository(permits.attach.repository())?;
        let image = self
            .stored(repository, &Reference::Digest(digest.clone()))
            .await?;
        let writer = permits
            .push
            .as_ref()
            .map_or(Writer::Attach(&permits.attach), Writer::Push);
        let config = blobs::put(&self.store, &writer, EMPTY.to_vec(), now).await?;
        let layer = blobs::put(&self.store, &writer, document.to_bytes(), now).await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": media::OPENPGP_SIGNATURE,
            "config": {"mediaType": media::OCI_EMPTY, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": media::OPENPGP_SIGNATURE, "digest": layer.digest, "size": layer.size}],
            "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.content.len()},
        });
        let content = Bytes::from(manifest.to_string());
        let reference = Reference::Digest(Digest::sha256(&content));
        let new = NewManifest {
            reference: &reference,
            extra_tags: &[],
            content_type: Some(media::OCI_MANIFEST),
            content,
        };
        self.put_manifest(permits, new, now).await
    }

    /// The documents of the signatures on an image that were not withdrawn, the first that came first; none where it is not there.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn openpgp_signatures(
        &self,
        permit: &Permit<Pull>,
        digest: &Digest,
    ) -> Result<Vec<Vec<u8>>> {
        let repository = repository(permit.repository())?;
        let format = trust::evidence::Format::GpgSimpleSigning.as_str();
        Ok(store::evidence::documents(&self.store, repository, digest, format).await?)
    }
}
