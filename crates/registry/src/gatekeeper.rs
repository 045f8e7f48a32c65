//! The gate at the registry's door: whether whoever pulls is held, by which gates, and what they decide (DESIGN §3, "Who is held").
//! Nothing of the request but the caller's identity plays a part, so HEAD and GET, tag and digest are answered alike.

use crate::error::{Error, Refusal, Result};
use oci::{Digest, ErrorCode, RepositoryName, Shape};
use policy::gate::{self, Hold};
use policy::{Decision, Outcome, Who};
use store::decisions::{self, GateName};
use store::{Standing, Store};

/// What a gate let pass.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Whether a gate was asked; otherwise whoever pulls is held by none.
    pub(crate) is_gated: bool,
    /// Sentences to send along.
    pub(crate) warnings: Vec<String>,
}

/// Somebody at the door of a repository.
pub(crate) struct Door<'a> {
    pub(crate) store: &'a Store,
    /// Everybody and the policies, as of when the request began.
    pub(crate) standing: &'a Standing,
    pub(crate) who: &'a Who,
    pub(crate) repository: &'a RepositoryName,
    pub(crate) now: i64,
}

impl Door<'_> {
    /// Lets a manifest pass, with warnings to send along, or says why not.
    pub(crate) async fn manifest(&self, digest: &Digest, shape: Shape) -> Result<Passed> {
        if shape == Shape::Evidence {
            return Ok(Passed::default());
        }
        match self.hold() {
            Held::Free => Ok(Passed::default()),
            Held::NoPolicy => Err(no_policy(self.repository, digest, self.now)),
            Held::By(gates) => Ok(Passed {
                is_gated: true,
                warnings: self.decide(&gates, digest).await?,
            }),
        }
    }

    /// Lets a blob pass: whoever is held gets it only through a manifest that they may have (DESIGN §3).
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<()> {
        let gates = match self.hold() {
            Held::Free => return Ok(()),
            Held::NoPolicy => Gates::new(),
            Held::By(gates) => gates,
        };
        let no_policy_here = gates.is_empty();
        let mut refusal = None;
        let (store, repository) = (self.store, self.repository);
        for found in decisions::referring(store, repository, digest, &gates, self.now).await? {
            if found.shape == Shape::Evidence {
                return Ok(());
            }
            if no_policy_here {
                break;
            }
            match self.decide(&gates, &found.manifest).await {
                Ok(_) => return Ok(()),
                Err(error @ Error::Refused(_)) => refusal = refusal.or(Some(error)),
                // It was deleted meanwhile.
                Err(Error::Store(store::Error::NotFound {
                    kind: "manifest", ..
                })) => {}
                Err(error) => return Err(error),
            }
        }
        if no_policy_here {
            return Err(no_policy(self.repository, digest, self.now));
        }
        Err(refusal.unwrap_or_else(|| unreferenced(self.repository, digest)))
    }

    fn hold(&self) -> Held {
        let Standing {
            directory,
            policies,
        } = self.standing;
        match gate::hold(policies, directory, self.who, self.repository) {
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
        }
    }

    async fn decide(&self, gates: &Gates, digest: &Digest) -> Result<Vec<String>> {
        let decided =
            decisions::decide_each(self.store, self.repository, digest, gates, self.now).await?;
        let (passed, refused): (Vec<Decision>, Vec<Decision>) = decided
            .into_iter()
            .partition(|decision| decision.outcome.passes());
        if refused.is_empty() {
            let warned = passed.iter().filter(|decision| {
                decision.outcome == Outcome::Warn || decision.break_glass.is_some()
            });
            return Ok(warned.map(Decision::sentence).collect());
        }
        Err(refused_by(refused))
    }
}

type Gates = Vec<GateName>;

enum Held {
    Free,
    NoPolicy,
    By(Gates),
}

fn refused_by(decisions: Vec<Decision>) -> Error {
    let not_ready = decisions
        .iter()
        .all(|decision| decision.outcome == Outcome::NotReady);
    Error::Refused(Box::new(Refusal {
        message: policy::decision::message(&decisions),
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
