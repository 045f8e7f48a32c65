//! `GET /verify?ref&stage&type`: what the signatures on an image come to, by every policy that covers the repository, whatever its
//! gates ask; or who has attested something of one type.

use crate::api::{Answer, Call};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use crate::view;
use axum::Json;
use client::api::gate::VerifyAnswer;
use policy::Policy;
use policy::decision::Node;
use policy::gate::{Verification, asks_for_signatures};
use std::collections::BTreeSet;
use store::catalogue::StoredManifest;
use store::{decisions, policies};
use trust::attestation::is_predicate_type;

/// Stages that one call names.
const STAGES_MAX: usize = 64;

/// `GET /verify?ref&stage`; several stages with commas between. With `type` the attestations of that predicate type are judged instead.
pub(crate) async fn verify(call: Call) -> Answer<VerifyAnswer> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let stages = stages(call.parameter("stage"))?;
    if let Some(predicate_type) = call.given("type") {
        if !stages.is_empty() {
            return Err(ApiError::invalid("name a `stage` or a `type`, not both"));
        }
        return attested(asker, &manifest, predicate_type).await.map(Json);
    }
    let policies = policies::current(asker.store()).await?;
    for stage in &stages {
        check(&policies, &manifest, stage)?;
    }
    let StoredManifest {
        repository, digest, ..
    } = &manifest;
    let (store, now) = (asker.store(), asker.now());
    let verifications = decisions::verify(store, repository, digest, &stages, now).await?;
    answer(&manifest, &verifications).map(Json)
}

async fn attested(
    asker: &Asker,
    manifest: &StoredManifest,
    predicate_type: &str,
) -> ApiResult<VerifyAnswer> {
    if !is_predicate_type(predicate_type) {
        let shown = shown(predicate_type);
        return Err(ApiError::invalid(format!(
            "`{shown}` is no predicate type: write a URI"
        )));
    }
    let StoredManifest {
        repository, digest, ..
    } = manifest;
    let (store, now) = (asker.store(), asker.now());
    let found = decisions::verify_attested(store, repository, digest, predicate_type, now).await?;
    answer(manifest, &[found])
}

fn stages(text: Option<&str>) -> ApiResult<Vec<String>> {
    let stages: Vec<String> = text
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(|stage| stage.trim().to_owned())
        .filter(|stage| !stage.is_empty())
        .collect();
    match stages.len() > STAGES_MAX {
        true => Err(ApiError::invalid(format!(
            "at most {STAGES_MAX} stages at once"
        ))),
        false => Ok(stages),
    }
}

/// A stage for which somebody signs in this repository.
fn check(policies: &[Policy], manifest: &StoredManifest, stage: &str) -> ApiResult<()> {
    let repository = &manifest.repository;
    let asked = [stage.to_owned()];
    if policies
        .iter()
        .any(|policy| asks_for_signatures(policy, repository, &asked))
    {
        return Ok(());
    }
    let covering = policies.iter().filter(|policy| policy.covers(repository));
    let there: BTreeSet<&str> = covering
        .flat_map(|policy| &policy.stages)
        .filter(|(_, stage)| !stage.is_automatic())
        .map(|(name, _)| name.as_str())
        .collect();
    let stage = shown(stage);
    Err(ApiError::not_found(match there.is_empty() {
        true => {
            format!("nobody signs for a stage `{stage}` of `{repository}`: no policy has one there")
        }
        false => format!(
            "nobody signs for a stage `{stage}` of `{repository}`: there are {}",
            Vec::from_iter(there).join(", ")
        ),
    }))
}

fn answer(manifest: &StoredManifest, verifications: &[Verification]) -> ApiResult<VerifyAnswer> {
    let verified = !verifications.is_empty() && verifications.iter().all(|each| each.verified);
    // Of those that are verified, all speak; else those that are not.
    let sentences: Vec<String> = verifications
        .iter()
        .filter(|each| each.verified == verified)
        .map(Verification::sentence)
        .collect();
    let explanation: Vec<Node> = verifications.iter().map(Verification::explain).collect();
    Ok(VerifyAnswer {
        verified,
        repository: manifest.repository.clone(),
        digest: manifest.digest.clone(),
        sentence: sentences.join(" "),
        tree: view::tree(&explanation),
        explanation: view::values(&explanation)?,
        verifications: view::values(verifications)?,
    })
}
