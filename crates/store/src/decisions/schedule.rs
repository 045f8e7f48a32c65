//! What has to be decided again, and when: after changes, when an answer ends, and for the whole stock. Also the records of
//! automatic stages. Running it is `monitor`'s.

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName};
use policy::Decision;
use serde_json::json;
use sqlx::any::AnyRow;

use super::{GateName, decide_each, gather};
use crate::db::{RowExt, write_tx};
use crate::error::Result;
use crate::permit::System;
use crate::{Store, audit, facts, policies, receipts};

/// The most manifests that one call lists.
const SUBJECTS_MAX: u32 = 1_000;

/// A manifest of a repository that decisions are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The repository's number.
    pub repository_id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
}

impl Subject {
    /// Of a row with `repository_id`, the repository's `name`, and `digest`.
    pub(crate) fn of(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            repository_id: row.int("repository_id")?,
            repository: row.parsed("name")?,
            digest: row.digest("digest")?,
        })
    }
}

/// Manifests with a decision that ended at or before `now`, the earliest first, without the first so many of them.
pub async fn due(store: &Store, now: i64, without: u32, limit: u32) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "SELECT d.repository_id, r.name, d.digest, MIN(d.holds_until) AS ended_at FROM decisions d \
         JOIN repositories r ON r.id = d.repository_id \
         JOIN manifests m ON m.repository_id = d.repository_id AND m.digest = d.digest \
         WHERE d.holds_until <= $1 GROUP BY d.repository_id, r.name, d.digest ORDER BY ended_at, r.name, d.digest LIMIT $2 OFFSET $3",
    )
    .bind(now)
    .bind(i64::from(limit.min(SUBJECTS_MAX)))
    .bind(i64::from(without))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(Subject::of).collect()
}

/// The manifests that gates decide on (no evidence), in a fixed order, after the one given.
pub async fn stock(store: &Store, after: Option<&Subject>, limit: u32) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "SELECT m.repository_id, r.name, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id \
         WHERE m.shape <> 'evidence' AND (m.repository_id > $1 OR (m.repository_id = $1 AND m.digest > $2)) \
         ORDER BY m.repository_id, m.digest LIMIT $3",
    )
    .bind(after.map_or(0, |after| after.repository_id))
    .bind(after.map_or("", |after| after.digest.as_str()))
    .bind(i64::from(limit.min(SUBJECTS_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(Subject::of).collect()
}

/// Asks every gate of every policy that covers the repository, and forgets the answers of others. `None` when the
/// repository does not hold the manifest any more.
pub async fn refresh(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<Option<Vec<Decision>>> {
    let row = sqlx::query(
        "SELECT r.name, m.shape FROM manifests m JOIN repositories r ON r.id = m.repository_id \
         WHERE m.repository_id = $1 AND m.digest = $2",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_optional(store.db().read())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.text("shape")? == "evidence" {
        return Ok(Some(Vec::new()));
    }
    let repository: RepositoryName = row.parsed("name")?;
    let policies = policies::current(store).await?;
    let gates: Vec<GateName> = policies
        .iter()
        .filter(|policy| policy.covers(&repository))
        .flat_map(|policy| {
            policy
                .gates
                .keys()
                .map(|gate| GateName::new(&policy.name, gate))
        })
        .collect();
    forget_others(store, repository_id, digest, &gates, now).await?;
    if gates.is_empty() {
        return Ok(Some(Vec::new()));
    }
    decide_each(store, &repository, digest, &gates, now)
        .await
        .map(Some)
}

/// When the automatic stages of a policy were first recorded for a digest, in milliseconds since the epoch.
pub async fn stage_records(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
    policy: &str,
) -> Result<BTreeMap<String, i64>> {
    let mut conn = store.db().read().acquire().await?;
    let mut records = gather::stage_records(&mut conn, repository_id, digest).await?;
    Ok(records.remove(policy).unwrap_or_default())
}

/// Records that an automatic stage of a digest holds, with the manifest of the server's signature; the first record stays.
/// Where that manifest is stored with the record, `catalogue::put_manifest` does both at once.
pub async fn record_stage(
    store: &Store,
    system: System,
    subject: &Subject,
    stage: &GateStage<'_>,
    manifest: &Digest,
    now: i64,
) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let written = sqlx::query(
                "INSERT INTO stage_records (repository_id, digest, policy, stage, recorded_at, manifest) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id, digest, policy, stage) DO NOTHING",
            )
            .bind(subject.repository_id)
            .bind(subject.digest.as_str())
            .bind(stage.policy)
            .bind(stage.stage)
            .bind(now)
            .bind(manifest.as_str())
            .execute(tx.conn())
            .await?
            .rows_affected();
        if written == 0 {
            return Ok(false);
        }
        facts::touch(tx, subject.repository_id, &subject.digest, now).await?;
        let object = format!("{}@{}", subject.repository, subject.digest);
        let detail = json!({"policy": stage.policy, "stage": stage.stage, "manifest": manifest});
        audit::record(tx, &system.actor(), "stage.record", &object, detail, now).await?;
        Ok(true)
    })
}

/// A stage of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateStage<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The stage.
    pub stage: &'a str,
}

/// Deletes the answers of gates that no longer look at the repository, and has their receipts taken away.
async fn forget_others(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
    gates: &[GateName],
    now: i64,
) -> Result<()> {
    let rows =
        sqlx::query("SELECT policy, gate FROM decisions WHERE repository_id = $1 AND digest = $2 \
                     UNION SELECT policy, gate FROM receipts WHERE repository_id = $1 AND digest = $2")
            .bind(repository_id)
            .bind(digest.as_str())
            .fetch_all(store.db().read())
            .await?;
    let kept: BTreeSet<GateName> = rows
        .iter()
        .map(|row| Ok(GateName::new(row.text("policy")?, row.text("gate")?)))
        .collect::<Result<_>>()?;
    let others: Vec<GateName> = kept
        .into_iter()
        .filter(|gate| !gates.contains(gate))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    write_tx!(store.db(), |tx| {
        for other in &others {
            sqlx::query(
                    "DELETE FROM decisions WHERE repository_id = $1 AND digest = $2 AND policy = $3 AND gate = $4",
                )
                .bind(repository_id)
                .bind(digest.as_str())
                .bind(other.policy.as_str())
                .bind(other.gate.as_str())
                .execute(tx.conn())
                .await?;
        }
        receipts::enqueue(tx, repository_id, digest, now).await
    })
}
