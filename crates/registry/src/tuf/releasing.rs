//! What is released: a tag stands in `targets/releases`, and docker pulls it with content trust, exactly while every gate that a policy
//! names for that lets its image pass. The gates are asked as they are for a pull, and the file is written only where the answer is
//! another one. Deliberately no part for whoever publishes: nobody but this writes the file.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName};
use policy::Outcome as Answer;
use store::decisions::{self, GateName};
use store::tuf::{self, Files, Outcome, Tagged};
use store::{Standing, System, Writer};
use trust::tuf::managed;
use trust::tuf::{FileMeta, Gun, author};

use super::TRIES_MAX;
use crate::Registry;
use crate::error::{Error, Result};

/// Tags that are looked at in one piece.
const PAGE: u32 = 1_000;

/// What the gates said of a repository's tags.
struct Allowed {
    tags: BTreeMap<String, FileMeta>,
    /// The first instant at which time alone may change it.
    holds_until: Option<i64>,
}

impl Registry {
    /// Lists anew what is released in each trust repository of a repository. Answers until when time alone changes nothing about it.
    ///
    /// # Errors
    /// What is stored cannot be read or signed; the store's failures.
    pub async fn release_tags(
        &self,
        system: System,
        repository: &RepositoryName,
        now: i64,
    ) -> Result<Option<i64>> {
        let mut holds_until = None;
        for gun in tuf::guns(&self.store, repository).await? {
            let until = self.release(system, &gun, repository, now).await?;
            holds_until = earlier(holds_until, until);
        }
        Ok(holds_until)
    }

    async fn release(
        &self,
        system: System,
        gun: &Gun,
        repository: &RepositoryName,
        now: i64,
    ) -> Result<Option<i64>> {
        let writer = Writer::System(system, repository);
        let _turn = self.turns.take(gun).await;
        for _ in 0..TRIES_MAX {
            // Before the gates are asked: who publishes meanwhile has them asked again.
            let state = tuf::state(&self.store, gun, repository, Files::Above(&[])).await?;
            let Some(state) = state else { return Ok(None) };
            // Where no policy covers the repository any more, what was released last stays.
            let Some(standing) = state.covered_by() else {
                return Ok(None);
            };
            let allowed = self.allowed(standing, repository, now).await?;
            let accepted = managed::release(gun, &state.current, &state.held, allowed.tags, now);
            let accepted = accepted.map_err(|refusal| Error::Update(Box::new(refusal)))?;
            let Some(accepted) = accepted else {
                return Ok(allowed.holds_until);
            };
            let stored = tuf::publish(&self.store, &writer, gun, &state, accepted, now);
            if stored.await? == Outcome::Stored {
                return Ok(allowed.holds_until);
            }
        }
        Err(Error::Store(store::Error::Unavailable {
            what: "the trust repository",
            why: "too many publish to it at once".to_owned(),
        }))
    }

    /// The tags whose images every gate for content trust lets pass. Without such a gate there is nobody to say so, and nothing is released.
    async fn allowed(
        &self,
        standing: &Standing,
        repository: &RepositoryName,
        now: i64,
    ) -> Result<Allowed> {
        let gates = gates(standing, repository);
        let mut allowed = Allowed {
            tags: BTreeMap::new(),
            holds_until: None,
        };
        let mut asked: BTreeMap<Digest, bool> = BTreeMap::new();
        let mut after = String::new();
        while !gates.is_empty() {
            let tagged = tuf::tagged(&self.store, repository, &after, PAGE).await?;
            for one in &tagged {
                let passes = match asked.get(&one.digest) {
                    Some(passes) => *passes,
                    None => {
                        let (passes, until) = self.passes(repository, one, &gates, now).await?;
                        allowed.holds_until = earlier(allowed.holds_until, until);
                        asked.insert(one.digest.clone(), passes);
                        passes
                    }
                };
                if let Some(sha256) = one.sha256.filter(|_| passes) {
                    let entry = author::image(sha256, one.length);
                    allowed.tags.insert(one.tag.clone(), entry);
                }
            }
            match tagged.into_iter().next_back() {
                Some(last) => after = last.tag,
                None => break,
            }
        }
        Ok(allowed)
    }

    async fn passes(
        &self,
        repository: &RepositoryName,
        tagged: &Tagged,
        gates: &[GateName],
        now: i64,
    ) -> Result<(bool, Option<i64>)> {
        let digest = &tagged.digest;
        match decisions::decide_each(&self.store, repository, digest, gates, now).await {
            Ok(decided) => {
                let until = decided.iter().map(|decision| decision.holds_until);
                Ok((
                    decided.iter().all(|one| one.outcome == Answer::Allow),
                    until.fold(None, earlier),
                ))
            }
            // It was deleted meanwhile, and its tags with it.
            Err(store::Error::NotFound { .. }) => Ok((false, None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The gates that all policies of a repository name for content trust.
fn gates(standing: &Standing, repository: &RepositoryName) -> Vec<GateName> {
    let covering = standing.policies.iter();
    let covering = covering.filter(|policy| policy.covers(repository));
    covering
        .flat_map(|policy| {
            let gates = policy.content_trust_gates();
            gates.map(|gate| GateName::new(&policy.name, gate))
        })
        .collect()
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
