//! Automatic stages: while a stage's limits hold it counts, and the server's signature is the record of it for others. It is signed once,
//! when the limits first hold; later stages are ordered by that record.

use crate::{Context, Error, Result};
use oci::{Digest, Reference};
use policy::{Decision, Rule};
use std::collections::BTreeSet;
use store::catalogue::{self, StoredManifest};
use store::keys::{self, Purpose};
use store::{System, decisions};
use trust::bundle::Bundle;
use trust::stage::{self, StageStatement};

/// Signs the automatic stages that these decisions found satisfied and that have no record yet.
pub(crate) async fn sign_automatic(
    context: &Context,
    repository_id: i64,
    digest: &Digest,
    decided: &[Decision],
) -> Result<()> {
    let satisfied: BTreeSet<(&str, &str)> = decided.iter().flat_map(satisfied).collect();
    for (policy, stage) in satisfied {
        let recorded =
            decisions::stage_records(&context.store, repository_id, digest, policy).await?;
        if recorded.contains_key(stage) {
            continue;
        }
        let Some(repository) = decided.first().map(|decision| &decision.repository) else {
            continue;
        };
        let reference = Reference::Digest(digest.clone());
        if let Some(image) = catalogue::manifest(&context.store, repository, &reference).await? {
            sign(context, &image, policy, stage).await?;
        }
    }
    Ok(())
}

fn satisfied(decision: &Decision) -> impl Iterator<Item = (&str, &str)> {
    decision
        .rules
        .iter()
        .filter(|result| result.automatic && result.satisfied)
        .filter_map(|result| match &result.rule {
            Rule::Stage(name) => Some((decision.policy.as_str(), name.as_str())),
            Rule::Target | Rule::Policy => None,
        })
}

async fn sign(context: &Context, image: &StoredManifest, policy: &str, stage: &str) -> Result<()> {
    let failed = |why: String| Error::Sign {
        stage: stage.to_owned(),
        why,
    };
    let key = keys::signer(&context.store, Purpose::Scan, context.now()).await?;
    let claim = StageStatement {
        stage: stage.to_owned(),
        repository: image.repository.clone(),
        tag: None,
        // Signed once for each image and stage: nobody has to tell one act from the next.
        nonce: None,
    };
    let statement =
        stage::build(&image.digest, &claim).map_err(|error| failed(error.to_string()))?;
    let bundle =
        Bundle::sign(&statement, key.as_ref()).map_err(|error| failed(error.to_string()))?;
    let json = bundle
        .to_json()
        .ok_or_else(|| failed("the bundle cannot be written".to_owned()))?;
    let system = System::job("decide");
    context
        .registry
        .record_stage(
            system,
            image,
            (policy, stage),
            json.into_bytes(),
            context.now(),
        )
        .await?;
    Ok(())
}
