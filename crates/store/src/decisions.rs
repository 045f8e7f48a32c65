//! Decisions: `policy::gate` is asked with the facts of one state, and its answer is kept while they stand. Registry,
//! enforcers, command line and monitor all go through [`decide`]; nothing is judged here. DESIGN §3.5, §5.
//!
//! A kept answer holds while its facts key does (a counter of everything a gate may see) and until `holds_until`; asking
//! again costs one query. A new answer is told, and accounted for, in the transaction that keeps it.

mod gather;
mod image;
mod kept;
mod record;
mod referring;
mod schedule;
mod under;
mod verify;

use std::collections::BTreeMap;
use std::fmt;

use oci::{Digest, RepositoryName};
use policy::{Decision, Facts, Policy, Target, gate};
use serde::{Deserialize, Serialize};

use self::gather::Gathered;
pub(crate) use self::record::lock;
pub use self::referring::{Referring, referring};
pub use self::schedule::{GateStage, Subject, due, record_stage, refresh, stage_records, stock};
pub use self::under::{KeptAnswer, KeptAnswers, kept_under};
pub use self::verify::{verify, verify_attested};
use crate::accounts::directory_in;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::receipts::{NewReceipt, Wanted};
use crate::{Store, policies, snapshot};

/// The kind of the job that decides everything again; its key is `all`.
pub const DECIDE_ALL: &str = "decide-all";

/// How often facts are gathered again because they changed while they were judged.
const TRIES_MAX: usize = 4;

/// A gate of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GateName {
    /// The policy.
    pub policy: String,
    /// The gate.
    pub gate: String,
}

impl GateName {
    /// A gate by the names of its policy and its own.
    pub fn new(policy: impl Into<String>, gate: impl Into<String>) -> GateName {
        GateName {
            policy: policy.into(),
            gate: gate.into(),
        }
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.gate)
    }
}

/// What a gate answers about a manifest that a repository holds.
///
/// # Errors
/// `NotFound` when the repository does not hold the manifest, or no policy of this name is in force.
pub async fn decide(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    gate: &GateName,
    now: i64,
) -> Result<Decision> {
    let decisions = decide_each(store, repository, digest, std::slice::from_ref(gate), now).await?;
    decisions
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("gate", gate))
}

/// What several gates answer about one manifest, in their order. While nothing changes it costs one query for all.
pub async fn decide_each(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    gates: &[GateName],
    now: i64,
) -> Result<Vec<Decision>> {
    let mut kept = kept::read_now(store, repository, digest).await?;
    let answers: Option<Vec<Decision>> = gates
        .iter()
        .map(|gate| kept.take_valid(gate, now))
        .collect();
    match answers {
        Some(answers) => Ok(answers),
        None => decide_anew(store, repository, digest, gates, now).await,
    }
}

/// What the kept answer of a gate is to a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It says what the receipt says.
    Same,
    /// It says something else, or no longer holds.
    Another,
    /// None is kept.
    Absent,
}

/// Whether the kept answer that a receipt is about says what the receipt says, at `now` and as the transaction sees it: another answer
/// that lets the image pass as well, with another warning or by another signature, wants a receipt of its own.
pub(crate) async fn standing(
    store: &Store,
    tx: &mut Tx,
    repository: &RepositoryName,
    receipt: &NewReceipt,
    now: i64,
) -> Result<Standing> {
    let mut kept = match kept::read(tx.conn(), repository, &receipt.digest).await {
        Err(Error::NotFound { .. }) => return Ok(Standing::Absent),
        outcome => outcome?,
    };
    let GateName { policy, gate } = &receipt.gate;
    if kept.last(policy, gate).is_none() {
        return Ok(Standing::Absent);
    }
    let Some(answer) = kept.take_valid(&receipt.gate, now) else {
        return Ok(Standing::Another);
    };
    let (_, policies) = policies::current_in(store, tx.conn()).await?;
    let says_so = Wanted::of(&answer, &policies).is_some_and(|wanted| {
        wanted.policy_digest == receipt.policy_digest && wanted.says() == receipt.says
    });
    Ok(match says_so {
        true => Standing::Same,
        false => Standing::Another,
    })
}

/// All facts about a manifest, as the gates of a policy would see them.
pub async fn gather(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    policy: &str,
) -> Result<Facts> {
    let mut snapshot = snapshot::begin(store.db()).await?;
    let kept = kept::read(&mut snapshot, repository, digest).await?;
    let gathered = gather::gather(&mut snapshot, kept.repository_id, repository, digest).await?;
    snapshot.commit().await?;
    Ok(gathered.into_facts(policy))
}

async fn decide_anew(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    gates: &[GateName],
    now: i64,
) -> Result<Vec<Decision>> {
    let mut decisions = Vec::new();
    for _ in 0..TRIES_MAX {
        let mut snapshot = snapshot::begin(store.db()).await?;
        let kept = kept::read(&mut snapshot, repository, digest).await?;
        let (at, directory) = directory_in(store, &mut snapshot).await?;
        store.caches().directory.keep(at, &directory);
        let (at, policies) = policies::current_in(store, &mut snapshot).await?;
        store.caches().policies.keep(at, &policies);
        let mut gathered =
            gather::gather(&mut snapshot, kept.repository_id, repository, digest).await?;
        snapshot.commit().await?;
        decisions = gates
            .iter()
            .map(|gate| {
                let policy = in_force(&policies, gate)?;
                let facts = gathered.for_policy(&gate.policy);
                Ok(gate::evaluate(facts, policy, &gate.gate, &directory, now))
            })
            .collect::<Result<_>>()?;
        // What can always be read is neither kept nor told.
        if gathered.facts.subject == Target::Evidence {
            break;
        }
        let keepable: Vec<&Decision> = decisions
            .iter()
            .filter(|decision| {
                policies
                    .iter()
                    .any(|policy| has_gate(policy, decision, repository))
            })
            .collect();
        let recorded = record::record(store, &kept, repository, digest, &keepable, &policies, now);
        if recorded.await? {
            break;
        }
    }
    Ok(decisions)
}

fn in_force<'a>(policies: &'a [Policy], gate: &GateName) -> Result<&'a Policy> {
    policies
        .iter()
        .find(|policy| policy.name == gate.policy)
        .ok_or_else(|| Error::not_found("policy", &gate.policy))
}

fn has_gate(policy: &Policy, decision: &Decision, repository: &RepositoryName) -> bool {
    policy.name == decision.policy
        && policy.gates.contains_key(&decision.gate)
        && policy.covers(repository)
}

/// When automatic stages were first recorded, by policy and stage.
type StageRecords = BTreeMap<String, BTreeMap<String, i64>>;

impl Gathered {
    /// The facts as the gates of this policy see them.
    fn for_policy(&mut self, policy: &str) -> &Facts {
        self.facts.stage_records = self.stage_records.get(policy).cloned().unwrap_or_default();
        &self.facts
    }

    fn into_facts(mut self, policy: &str) -> Facts {
        self.for_policy(policy);
        self.facts
    }
}
