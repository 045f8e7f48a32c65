//! What is released: a tag stands in `targets/releases`, and docker pulls it with content trust, exactly while every gate that a policy
//! names for that lets its image pass. The gates are asked as they are for a pull, and the file is written only where the answer is
//! another one. Most answers are kept, and read for many tags at once: only what changed is decided. Deliberately no part for whoever
//! publishes: nobody but this writes the file.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName};
use policy::Outcome as Answer;
use store::decisions::{self, GateName, KeptAnswer};
use store::tuf::{self, Files, Outcome};
use store::{Standing, Store, System, Writer};
use trust::tuf::managed::{self, RELEASED_MAX};
use trust::tuf::{FileMeta, Gun, author};

use super::{TRIES_MAX, aside, full};
use crate::Registry;
use crate::error::{Error, Result};

/// Tags that are looked at in one piece.
const PAGE: u32 = 1_000;

/// What became of the lists of a repository.
#[derive(Debug, Default)]
pub struct Released {
    /// Until when time alone changes nothing about them, in milliseconds since the epoch.
    pub until: Option<i64>,
    /// The first that could not be written, and why. It keeps no other from being written.
    pub failed: Option<(Gun, Error)>,
}

impl Registry {
    /// Lists anew what is released in each trust repository of a repository.
    ///
    /// # Errors
    /// The gates could not be asked; the store's failures.
    pub async fn release_tags(
        &self,
        system: System,
        repository: &RepositoryName,
        now: i64,
    ) -> Result<Released> {
        let guns = tuf::guns(&self.store, repository).await?;
        let standing = store::standing(&self.store).await?;
        // Where no policy covers the repository any more, what was released last stays.
        let mut policies = standing.policies.iter();
        if guns.is_empty() || !policies.any(|policy| policy.covers(repository)) {
            return Ok(Released::default());
        }
        // Whatever changes an answer from here on asks for the list once more.
        let mut gates = Gates {
            store: &self.store,
            repository,
            names: gates(&standing, repository),
            now,
            said: BTreeMap::new(),
            holds_until: None,
        };
        let allowed = gates.allowed().await?;
        if allowed.len() > RELEASED_MAX {
            tracing::warn!(
                %repository,
                "more tags may be released than a list has room for: {} of {RELEASED_MAX}",
                allowed.len()
            );
        }
        let mut failed = None;
        for gun in &guns {
            let writer = Writer::System(system, repository);
            let released = self.release(&writer, gun, repository, &allowed, now);
            if let Err(error) = released.await {
                failed = failed.or(Some((gun.clone(), error)));
            }
        }
        Ok(Released {
            until: gates.holds_until,
            failed,
        })
    }

    async fn release(
        &self,
        writer: &Writer<'_>,
        gun: &Gun,
        repository: &RepositoryName,
        tags: &BTreeMap<String, FileMeta>,
        now: i64,
    ) -> Result<()> {
        let _turn = self.turns.take(gun).await;
        for _ in 0..TRIES_MAX {
            let state = tuf::state(&self.store, gun, repository, Files::Above(&[])).await?;
            let Some(state) = state.filter(|state| state.covered_by().is_some()) else {
                return Ok(());
            };
            let (of, tags) = (gun.clone(), tags.clone());
            let (state, accepted) = aside(move || {
                let accepted = managed::release(&of, &state.current, &state.held, tags, now);
                (state, accepted)
            })
            .await?;
            let accepted = accepted.map_err(|refusal| Error::Update(Box::new(refusal)))?;
            let Some(accepted) = accepted else {
                return Ok(());
            };
            let stored = tuf::publish(&self.store, writer, gun, &state, accepted, now);
            match stored.await? {
                Outcome::Stored => return Ok(()),
                Outcome::Full(why) => return Err(full(why)),
                Outcome::Moved | Outcome::Known(_) => {}
            }
        }
        Err(Error::Store(store::Error::Unavailable {
            what: "the trust repository",
            why: "too many publish to it at once".to_owned(),
        }))
    }
}

/// The gates of a repository, and what they said so far.
struct Gates<'a> {
    store: &'a Store,
    repository: &'a RepositoryName,
    names: Vec<GateName>,
    now: i64,
    said: BTreeMap<Digest, bool>,
    /// The first instant at which time alone may have them say something else.
    holds_until: Option<i64>,
}

impl Gates<'_> {
    /// The tags whose images every gate for content trust lets pass. Without such a gate there is nobody to say so, and nothing is released.
    async fn allowed(&mut self) -> Result<BTreeMap<String, FileMeta>> {
        let (mut allowed, mut after) = (BTreeMap::new(), String::new());
        while !self.names.is_empty() {
            let tagged = tuf::tagged(self.store, self.repository, &after, PAGE).await?;
            let Some(last) = tagged.last().map(|last| last.tag.clone()) else {
                break;
            };
            self.recall(&after, &last).await?;
            for one in &tagged {
                if let Some(sha256) = one.sha256
                    && self.let_pass(&one.digest).await?
                {
                    allowed.insert(one.tag.clone(), author::image(sha256, one.length));
                }
            }
            after = last;
        }
        Ok(allowed)
    }

    /// Takes the answers that are kept and hold about a page of tags, where there is one of every gate.
    async fn recall(&mut self, after: &str, last: &str) -> Result<()> {
        let (store, repository) = (self.store, self.repository);
        let kept = decisions::kept_under(store, repository, (after, last), self.now).await?;
        for (digest, kept) in kept {
            let answers = self.names.iter().map(|gate| kept.get(gate).copied());
            if let Some(answers) = answers.collect::<Option<Vec<KeptAnswer>>>() {
                let answers = answers.iter();
                self.hear(digest, answers.map(|one| (one.outcome, one.holds_until)));
            }
        }
        Ok(())
    }

    /// Notes what all gates said about an image; answers whether it passes.
    fn hear(
        &mut self,
        digest: Digest,
        answers: impl Iterator<Item = (Answer, Option<i64>)>,
    ) -> bool {
        let mut pass = true;
        for (outcome, holds_until) in answers {
            pass &= outcome == Answer::Allow;
            self.holds_until = earlier(self.holds_until, holds_until);
        }
        self.said.insert(digest, pass);
        pass
    }

    async fn let_pass(&mut self, digest: &Digest) -> Result<bool> {
        if let Some(said) = self.said.get(digest) {
            return Ok(*said);
        }
        let (store, repository) = (self.store, self.repository);
        let decided =
            decisions::decide_each(store, repository, digest, &self.names, self.now).await;
        let decided = match decided {
            Ok(decided) => decided,
            // It was deleted meanwhile, and its tags with it.
            Err(store::Error::NotFound {
                kind: "manifest", ..
            }) => return Ok(false),
            // Nobody can say that it may pass, and the others are to be withdrawn in time all the same.
            Err(error @ store::Error::Corrupt { .. }) => {
                tracing::error!(%repository, %digest, %error, "an image cannot be judged, and is not released");
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let decided = decided.iter();
        let answers = decided.map(|one| (one.outcome, one.holds_until));
        Ok(self.hear(digest.clone(), answers))
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
