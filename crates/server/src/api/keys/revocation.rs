//! What revoking a key from an instant on would hit: the images whose signatures it takes, and the gates that would answer
//! differently. What took the key's place since then is revoked with it, and counts as the key does. Each gate is asked twice, with the key as
//! it is and with the key revoked; nothing is kept and nothing told.

use crate::asker::Asker;
use crate::error::ApiResult;
use client::api::keys::{GateTurn, KeyHit, KeyRevocation};
use policy::facts::{Evidence, Verdict};
use policy::{Directory, Facts, Policy, gate};
use std::collections::BTreeSet;
use store::decisions::{self, Subject};
use store::{catalogue, policies, signing_keys};
use trust::KeyId;

/// Images that are judged.
const IMAGES_MAX: usize = 20_000;
/// Images that are looked up at a time.
const IMAGES_AT_A_TIME: u32 = 500;

/// The images that it would hit, in the order of the store.
pub(super) async fn hits(
    asker: &Asker,
    key: &KeyId,
    from: Option<i64>,
) -> ApiResult<KeyRevocation> {
    let mut keys = vec![key.clone()];
    keys.extend(signing_keys::successors(asker.store(), key, from).await?);
    let trial = Trial::new(asker, &keys, from)?;
    let policies = policies::current(asker.store()).await?;
    let mut answer = KeyRevocation {
        revoked: false,
        from,
        images: Vec::new(),
        complete: true,
    };
    // An image that several of the keys signed is one.
    let mut seen = BTreeSet::new();
    for key in &keys {
        let mut after: Option<Subject> = None;
        loop {
            let store = asker.store();
            let subjects =
                signing_keys::signed_since(store, key, from, after.as_ref(), IMAGES_AT_A_TIME)
                    .await?;
            let Some(last) = subjects.last() else { break };
            after = Some(last.clone());
            for subject in &subjects {
                if answer.images.len() >= IMAGES_MAX {
                    answer.complete = false;
                    return Ok(answer);
                }
                if seen.insert((subject.repository_id, subject.digest.clone())) {
                    let hit = hit(asker, &trial, &policies, subject).await?;
                    answer.images.extend(hit);
                }
            }
        }
    }
    Ok(answer)
}

async fn hit(
    asker: &Asker,
    trial: &Trial<'_>,
    policies: &[Policy],
    subject: &Subject,
) -> ApiResult<Option<KeyHit>> {
    let (store, repository) = (asker.store(), &subject.repository);
    let mut found = KeyHit {
        repository: repository.to_string(),
        digest: subject.digest.clone(),
        tags: Vec::new(),
        signatures: 0,
        kept: 0,
        gates: Vec::new(),
    };
    // Without a policy the image still loses its signatures.
    let covering: Vec<Option<&Policy>> = match policies.iter().any(|p| p.covers(repository)) {
        true => {
            let covering = policies.iter().filter(|policy| policy.covers(repository));
            covering.map(Some).collect()
        }
        false => vec![None],
    };
    for policy in covering {
        let name = policy.map_or("", |policy| policy.name.as_str());
        let facts = match decisions::gather(store, repository, &subject.digest, name).await {
            // What opens a gate whatever is signed is left out: it ends by itself.
            Ok(facts) => Facts {
                break_glass: Vec::new(),
                ..facts
            },
            // Deleted since it was listed.
            Err(store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        (found.signatures, found.kept) = trial.count(&facts);
        if let Some(policy) = policy {
            found.gates.extend(trial.turns(&facts, policy));
        }
    }
    let tags = catalogue::tags_of(store, subject.repository_id, &subject.digest).await?;
    found.tags = tags.iter().map(ToString::to_string).collect();
    Ok(Some(found))
}

/// The keys as they are, and as they would be.
struct Trial<'a> {
    keys: &'a [KeyId],
    before: &'a Directory,
    after: Directory,
    now: i64,
}

impl<'a> Trial<'a> {
    /// The first of the keys is the one that is meant, the others took its place.
    fn new(asker: &'a Asker, keys: &'a [KeyId], from: Option<i64>) -> ApiResult<Self> {
        let mut after = asker.directory().clone();
        for (place, key) in keys.iter().enumerate() {
            let Some(revoked) = after.keys.get_mut(key) else {
                return Err(store::Error::not_found("key", key).into());
            };
            let is_later = |from: i64| revoked.revoked_from.is_none_or(|before| before < from);
            if revoked.revoked_at.is_some() && from.is_some_and(is_later) {
                if place > 0 {
                    continue;
                }
                // As revoking itself would answer.
                let conflict = store::Error::Conflict {
                    kind: "key",
                    name: key.to_string(),
                    why: "is revoked from an earlier instant, or altogether: that stays",
                };
                return Err(conflict.into());
            }
            revoked.revoked_at = Some(revoked.revoked_at.unwrap_or(i64::MAX).min(asker.now()));
            revoked.revoked_from = from;
        }
        Ok(Self {
            keys,
            before: asker.directory(),
            after,
            now: asker.now(),
        })
    }

    /// How many signatures of the keys are lost, and how many stay good.
    fn count(&self, facts: &Facts) -> (u64, u64) {
        let (mut lost, mut kept) = (0, 0);
        let stands =
            |evidence: &&Evidence| evidence.verdict == Verdict::Verified && !evidence.withdrawn;
        for evidence in facts.evidence.iter().filter(stands) {
            let Some(key) = evidence.key.as_ref().filter(|key| self.keys.contains(key)) else {
                continue;
            };
            let key = self.after.keys.get(key);
            match key.is_some_and(|key| key.is_distrusted(evidence.known_at(), self.now)) {
                true => lost += 1,
                false => kept += 1,
            }
        }
        (lost, kept)
    }

    /// The gates of a policy that would answer differently, in the order of their names.
    fn turns(&self, facts: &Facts, policy: &Policy) -> Vec<GateTurn> {
        let ask = |name: &str, directory: &Directory| {
            gate::evaluate(facts, policy, name, directory, self.now)
        };
        let gates = policy.gates.keys();
        gates
            .filter_map(|name| {
                let before = ask(name, self.before);
                let after = ask(name, &self.after);
                (before.outcome != after.outcome).then(|| GateTurn {
                    policy: policy.name.clone(),
                    gate: name.clone(),
                    before: before.outcome.to_string(),
                    after: after.outcome.to_string(),
                    sentence: after.sentence(),
                })
            })
            .collect()
    }
}
