//! A gate's receipt beside its image: stored like everyone's signature, so that any client can carry it, in place of the one
//! before. It is named as sigstore's clients look for statements; they read it as what it is, a verification summary.

use crate::Registry;
use crate::error::Result;
use serde_json::json;
use store::catalogue::StoredManifest;
use store::receipts::{self, NewReceipt};
use store::{System, Writer};
use trust::receipt;

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
        let annotations = json!({
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": receipt::PREDICATE_TYPE,
            "dev.countersign.gate": new.gate.gate,
            "dev.countersign.policy": new.gate.policy,
        });
        let artifact = self
            .enclose(&writer, image, bundle, annotations, now)
            .await?;
        // A receipt is no evidence: a gate that counted its own answers would never change its mind.
        let put = artifact.put();
        Ok(receipts::put(&self.store, system, repository, &put, new, now).await?)
    }
}
