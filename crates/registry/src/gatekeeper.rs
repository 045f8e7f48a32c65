//! The gate at the registry's door: whether whoever pulls is held, by which gates, and what they decide (DESIGN §3, "Who is held").
//! Nothing of the request but the caller's identity plays a part, so HEAD and GET, tag and digest are answered alike.

use crate::error::{Error, Refusal, Result};
use oci::Shape;
use oci::{Digest, ErrorCode, Reference, RepositoryName};
use policy::gate::{self, Hold};
use policy::{Decision, Outcome, Who};
use store::Store;
use store::catalogue::{self, StoredManifest};
use store::decisions::{self, GateName};

/// Manifests that are tried before a blob is refused: a blob shared by more is asked for by its manifest first.
const REFERRING_MAX: usize = 512;

/// What a gate let pass.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Whether a gate was asked; otherwise whoever pulls is held by none.
    pub(crate) is_gated: bool,
    /// Sentences to send along.
    pub(crate) warnings: Vec<String>,
}

/// Lets a manifest pass, with warnings to send along, or says why not.
pub(crate) async fn manifest(
    store: &Store,
    who: &Who,
    repository: &RepositoryName,
    manifest: &StoredManifest,
    now: i64,
) -> Result<Passed> {
    if manifest.shape == Shape::Evidence {
        return Ok(Passed::default());
    }
    match hold(store, who, repository).await? {
        Held::Free => Ok(Passed::default()),
        Held::NoPolicy => Err(no_policy(repository, &manifest.digest, now)),
        Held::By(gates) => Ok(Passed {
            is_gated: true,
            warnings: decide(store, &gates, manifest, now).await?,
        }),
    }
}

/// Lets a blob pass: whoever is held gets it only through a manifest that they may have (DESIGN §3).
pub(crate) async fn blob(
    store: &Store,
    who: &Who,
    repository: &RepositoryName,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    let gates = match hold(store, who, repository).await? {
        Held::Free => return Ok(()),
        Held::NoPolicy => Gates::new(),
        Held::By(gates) => gates,
    };
    let no_policy_here = gates.is_empty();
    let mut refusal = None;
    for referring in catalogue::manifests_referring(store, repository, digest)
        .await?
        .into_iter()
        .take(REFERRING_MAX)
    {
        let Some(found) =
            catalogue::manifest(store, repository, &Reference::Digest(referring)).await?
        else {
            continue;
        };
        if found.shape == Shape::Evidence {
            return Ok(());
        }
        if no_policy_here {
            continue;
        }
        match decide(store, &gates, &found, now).await {
            Ok(_) => return Ok(()),
            Err(error @ Error::Refused(_)) => refusal = refusal.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    if no_policy_here {
        return Err(no_policy(repository, digest, now));
    }
    Err(refusal.unwrap_or_else(|| unreferenced(repository, digest)))
}

type Gates = Vec<GateName>;

enum Held {
    Free,
    NoPolicy,
    By(Gates),
}

async fn hold(store: &Store, who: &Who, repository: &RepositoryName) -> Result<Held> {
    let policies = store::policies::current(store).await?;
    let directory = store::accounts::directory(store).await?;
    Ok(match gate::hold(&policies, &directory, who, repository) {
        Hold::Free | Hold::Ungated => Held::Free,
        Hold::NoPolicy => Held::NoPolicy,
        Hold::Gates(gates) => Held::By(
            gates
                .into_iter()
                .filter_map(|(index, gate)| {
                    policies
                        .get(index)
                        .map(|policy| GateName::new(policy.name.clone(), gate))
                })
                .collect(),
        ),
    })
}

async fn decide(
    store: &Store,
    gates: &Gates,
    manifest: &StoredManifest,
    now: i64,
) -> Result<Vec<String>> {
    let decided =
        decisions::decide_each(store, &manifest.repository, &manifest.digest, gates, now).await?;
    let (passed, refused): (Vec<Decision>, Vec<Decision>) = decided
        .into_iter()
        .partition(|decision| decision.outcome.passes());
    if refused.is_empty() {
        let warned = passed
            .iter()
            .filter(|decision| decision.outcome == Outcome::Warn);
        return Ok(warned.map(Decision::sentence).collect());
    }
    Err(refused_by(refused))
}

fn refused_by(decisions: Vec<Decision>) -> Error {
    let not_ready = decisions
        .iter()
        .all(|decision| decision.outcome == Outcome::NotReady);
    let message = decisions
        .iter()
        .map(Decision::sentence)
        .collect::<Vec<_>>()
        .join(" ");
    Error::Refused(Box::new(Refusal {
        message,
        decisions,
        not_ready,
    }))
}

fn no_policy(repository: &RepositoryName, digest: &Digest, now: i64) -> Error {
    refused_by(vec![gate::no_policy(repository, digest, now)])
}

fn unreferenced(repository: &RepositoryName, digest: &Digest) -> Error {
    Error::protocol(
        ErrorCode::Denied,
        format!("no image of `{repository}` that you may pull refers to blob `{digest}`"),
    )
}
