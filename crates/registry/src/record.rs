//! The server's own stamp: its signature for an automatic stage, stored beside the image like everyone's, with the record of when
//! the stage first held. One transaction for both, so that neither is there without the other.

use crate::Registry;
use crate::error::Result;
use oci::Digest;
use serde_json::json;
use store::catalogue::{self, PutManifest, StageRecord, StoredManifest};
use store::{System, Writer};

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
        let annotations = json!({"dev.countersign.stage": stage});
        let artifact = self
            .enclose(&writer, image, bundle, annotations, now)
            .await?;
        let put = PutManifest {
            stage_record: Some(StageRecord {
                digest: &image.digest,
                policy,
                stage,
            }),
            ..artifact.put()
        };
        catalogue::put_manifest(&self.store, &writer, &put, now).await?;
        Ok(artifact.digest)
    }
}
