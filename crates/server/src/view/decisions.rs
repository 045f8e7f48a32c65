//! What the gates say of an image, by the one call through which everything asks them.

use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use oci::{Digest, RepositoryName};
use policy::{Decision, Policy};
use store::decisions::{self, GateName};
use store::policies;

/// The gates of all policies that cover a repository, by policy and name.
pub(crate) fn covering(policies: &[Policy], repository: &RepositoryName) -> Vec<GateName> {
    let covering = policies.iter().filter(|policy| policy.covers(repository));
    covering
        .flat_map(|policy| {
            policy
                .gates
                .keys()
                .map(|gate| GateName::new(&policy.name, gate))
        })
        .collect()
}

/// That the repository has no gate of this name, and which it has.
pub(crate) fn no_gate(policies: &[Policy], repository: &RepositoryName, gate: &str) -> ApiError {
    let mut there: Vec<String> = covering(policies, repository)
        .into_iter()
        .map(|covering| covering.gate)
        .collect();
    there.sort();
    there.dedup();
    let gate = shown(gate);
    ApiError::not_found(match there.is_empty() {
        true => format!("`{repository}` has no gate `{gate}`: no gate of any policy covers it"),
        false => format!(
            "`{repository}` has no gate `{gate}`: its gates are {}",
            there.join(", ")
        ),
    })
}

/// What each of them answers about a manifest.
pub(crate) async fn decisions(
    asker: &Asker,
    repository: &RepositoryName,
    digest: &Digest,
) -> ApiResult<Vec<Decision>> {
    let policies = policies::current(asker.store()).await?;
    let gates = covering(&policies, repository);
    if gates.is_empty() {
        return Ok(Vec::new());
    }
    Ok(decisions::decide_each(asker.store(), repository, digest, &gates, asker.now()).await?)
}
