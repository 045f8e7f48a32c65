//! Copies of one signature. Evidence keeps the bytes of one of them, the first unless a later one proved more when it came. Which
//! proves most can be told only once its key or identity is registered, and whoever sends a signature first may have taken its certificate
//! or timestamp off. So the copies are looked for again in the manifests that carry it. Deliberately none is kept twice.

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};
use trust::KeyId;

use super::{NewEvidence, tell_verdict, verdict_name, why};
use crate::batch::{self, markers};
use crate::db::{RowExt, write_tx};
use crate::error::Result;
use crate::permit::System;
use crate::{Store, facts};

/// A manifest that carries evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// The repository that holds it.
    pub repository: RepositoryName,
    /// The manifest.
    pub manifest: Digest,
}

/// The manifests that carry any of these pieces of evidence, at most a page of them, each once, in the order of repository and digest:
/// the first `limit` after `after`.
pub async fn carriers_of(
    store: &Store,
    evidence: &[i64],
    after: Option<&Carrier>,
    limit: u32,
) -> Result<Vec<Carrier>> {
    let ids = evidence.get(..batch::LIST_MAX).unwrap_or(evidence);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (repository, manifest) = after.map_or(("", ""), |after| {
        (after.repository.as_str(), after.manifest.as_str())
    });
    let mut query = batch::query(format!(
        "SELECT DISTINCT r.name AS repository, c.manifest FROM evidence_carriers c \
         JOIN evidence e ON e.id = c.evidence_id JOIN repositories r ON r.id = e.repository_id \
         WHERE (r.name > $1 OR (r.name = $1 AND c.manifest > $2)) AND e.id IN ({}) ORDER BY r.name, c.manifest LIMIT $3",
        markers(4, ids.len())
    ))
    .bind(repository)
    .bind(manifest)
    .bind(i64::from(limit));
    for id in ids {
        query = query.bind(*id);
    }
    let rows = query.fetch_all(store.db().read()).await?;
    rows.iter()
        .map(|row| {
            Ok(Carrier {
                repository: row.parsed("repository")?,
                manifest: row.digest("manifest")?,
            })
        })
        .collect()
}

/// Puts another copy of a piece of evidence in the place of the one that is kept, if it proves more: that a key made it, that it was there
/// earlier, or at least who says to have made it. Only a copy that the manifest still carries; its first time stays. Answers whether it did.
pub async fn take_copy(
    store: &Store,
    system: System,
    id: i64,
    manifest: &Digest,
    copy: &NewEvidence,
    now: i64,
) -> Result<bool> {
    let key = copy.key.as_ref().map(KeyId::as_str);
    let verdict = verdict_name(&copy.verdict);
    write_tx!(store.db(), |tx| {
        let written = sqlx::query(
            "UPDATE evidence SET manifest = $2, format = $3, subject = $4, stage = $5, named_repository = $6, key_id = $7, \
             key_hint = $8, verdict = $9, why = $10, raw = $11, signature = $12, trusted_at = $13, ends_at = $14, \
             predicate_type = $15 WHERE id = $1 AND withdrawn_at IS NULL \
             AND EXISTS (SELECT 1 FROM evidence_carriers c WHERE c.evidence_id = evidence.id AND c.manifest = $2) \
             AND ((verdict <> 'verified' AND $9 = 'verified') \
             OR (verdict NOT IN ('verified', 'unknown-key') AND $9 = 'unknown-key') \
             OR (verdict = 'verified' AND $9 = 'verified' AND key_id = $7 \
               AND COALESCE($13 < trusted_at, CAST($13 AS BIGINT) IS NOT NULL))) \
             RETURNING repository_id, attached_to",
        )
        .bind(id)
        .bind(manifest.as_str())
        .bind(copy.format.as_str())
        .bind(copy.subject.as_ref().map(Digest::as_str))
        .bind(copy.stage.as_deref())
        .bind(copy.named_repository.as_deref())
        .bind(key)
        .bind(copy.key_hint.as_deref())
        .bind(verdict)
        .bind(why(&copy.verdict))
        .bind(copy.raw.as_slice())
        .bind(copy.signature.as_deref())
        .bind(copy.trusted_at)
        .bind(copy.ends_at)
        .bind(copy.predicate_type.as_deref())
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = written else {
            return Ok(false);
        };
        let attached_to = row.digest("attached_to")?;
        facts::touch(tx, row.int("repository_id")?, &attached_to, now).await?;
        let told = (id, &copy.verdict, copy.key.as_ref());
        tell_verdict(tx, &system.actor(), manifest, told, now).await?;
        Ok(true)
    })
}
