//! What the signatures on a manifest come to, whatever the gates ask. People ask it, not every pull: it is answered anew each
//! time from one state, and neither kept nor told.

use std::sync::Arc;

use oci::{Digest, RepositoryName};
use policy::gate::{self, Verification};
use policy::{Directory, Policy, Target};

use super::gather::Gathered;
use super::{gather, kept};
use crate::accounts::directory_in;
use crate::error::Result;
use crate::{Store, evidence, policies, snapshot};

/// What they come to by each policy that has signed stages for the repository: all of these, or those named. Where no
/// policy has any, and none is named, each signature is judged by itself. Of an index the signatures on its images are
/// judged too, so that it is said why they do not cover it.
///
/// # Errors
/// `NotFound` when the repository does not hold the manifest.
pub async fn verify(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    stages: &[String],
    now: i64,
) -> Result<Vec<Verification>> {
    let State {
        mut gathered,
        directory,
        policies,
    } = state(store, repository, digest).await?;
    let asking: Vec<_> = policies
        .iter()
        .filter(|policy| gate::asks_for_signatures(policy, repository, stages))
        .collect();
    let mut verifications: Vec<Verification> = if asking.is_empty() && stages.is_empty() {
        vec![gate::verify_alone(&gathered.facts, &directory, now)]
    } else {
        let verified = asking.into_iter().map(|policy| {
            let facts = gathered.for_policy(&policy.name);
            gate::verify(facts, policy, stages, &directory, now)
        });
        verified.collect()
    };
    gate::tell_open(
        &mut verifications,
        &gathered.facts,
        &policies,
        &directory,
        now,
    );
    Ok(verifications)
}

/// Whether anybody whose key is registered has attested a predicate type of it.
///
/// # Errors
/// `NotFound` when the repository does not hold the manifest.
pub async fn verify_attested(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    predicate_type: &str,
    now: i64,
) -> Result<Verification> {
    let state = state(store, repository, digest).await?;
    let (facts, directory) = (&state.gathered.facts, &state.directory);
    Ok(gate::verify_attested(facts, directory, predicate_type, now))
}

/// What all of this is judged by.
struct State {
    gathered: Gathered,
    directory: Arc<Directory>,
    policies: Arc<Vec<Policy>>,
}

async fn state(store: &Store, repository: &RepositoryName, digest: &Digest) -> Result<State> {
    let mut snapshot = snapshot::begin(store.db()).await?;
    let kept = kept::read(&mut snapshot, repository, digest).await?;
    let (_, directory) = directory_in(store, &mut snapshot).await?;
    let (_, policies) = policies::current_in(store, &mut snapshot).await?;
    let mut gathered =
        gather::gather(&mut snapshot, kept.repository_id, repository, digest).await?;
    if matches!(gathered.facts.subject, Target::Index(_)) {
        let of_images = evidence::of_children(&mut snapshot, kept.repository_id, digest).await?;
        gathered.facts.evidence.extend(of_images);
    }
    snapshot.commit().await?;
    Ok(State {
        gathered,
        directory,
        policies,
    })
}
