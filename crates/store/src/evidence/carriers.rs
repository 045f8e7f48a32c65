//! The manifests that carry a piece of evidence: noted when one comes, taken off when one goes. Deliberately no look at what the
//! evidence says.

use oci::Digest;

use super::NewEvidence;
use crate::batch::{self, markers};
use crate::db::{RowExt, Tx};
use crate::error::Result;
use crate::facts;

/// Notes that a manifest carries evidence that is kept.
pub(super) async fn add(
    tx: &mut Tx,
    repository_id: i64,
    evidence: &NewEvidence,
    manifest: &Digest,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO evidence_carriers (evidence_id, manifest) \
         SELECT id, $4 FROM evidence WHERE repository_id = $1 AND attached_to = $2 AND fingerprint = $3 \
         ON CONFLICT (evidence_id, manifest) DO NOTHING",
    )
    .bind(repository_id)
    .bind(evidence.attached_to.as_str())
    .bind(evidence.fingerprint().as_str())
    .bind(manifest.as_str())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a manifest carries all that two others carry.
pub(crate) async fn inherit(
    tx: &mut Tx,
    repository_id: i64,
    from: [&Digest; 2],
    manifest: &Digest,
) -> Result<()> {
    let [one, other] = from;
    sqlx::query(
        "INSERT INTO evidence_carriers (evidence_id, manifest) \
         SELECT DISTINCT c.evidence_id, $4 FROM evidence_carriers c JOIN evidence e ON e.id = c.evidence_id \
         WHERE e.repository_id = $1 AND c.manifest IN ($2, $3) ON CONFLICT (evidence_id, manifest) DO NOTHING",
    )
    .bind(repository_id)
    .bind(one.as_str())
    .bind(other.as_str())
    .bind(manifest.as_str())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a manifest goes. Evidence that it alone carried is withdrawn: it no longer counts, and stays as what once was
/// there. Evidence that names it names another of its carriers from now on.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    repository_id: i64,
    manifest: &Digest,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM evidence_carriers WHERE manifest = $2 AND EXISTS \
         (SELECT 1 FROM evidence e WHERE e.id = evidence_carriers.evidence_id AND e.repository_id = $1)",
    )
    .bind(repository_id)
    .bind(manifest.as_str())
    .execute(tx.conn())
    .await?;
    let named = sqlx::query(
        "UPDATE evidence SET manifest = COALESCE(\
           (SELECT MIN(c.manifest) FROM evidence_carriers c WHERE c.evidence_id = evidence.id), manifest), \
         withdrawn_at = CASE WHEN EXISTS (SELECT 1 FROM evidence_carriers c WHERE c.evidence_id = evidence.id) \
           THEN NULL ELSE $3 END \
         WHERE repository_id = $1 AND manifest = $2 AND withdrawn_at IS NULL RETURNING attached_to",
    )
    .bind(repository_id)
    .bind(manifest.as_str())
    .bind(now)
    .fetch_all(tx.conn())
    .await?;
    for row in &named {
        facts::touch(tx, repository_id, &row.digest("attached_to")?, now).await?;
    }
    Ok(())
}

/// Withdraws pieces of evidence that no manifest carries any more. They may be many, and others wait to write meanwhile.
pub(crate) async fn withdraw_these(
    tx: &mut Tx,
    repository_id: i64,
    evidence: &[i64],
    now: i64,
) -> Result<()> {
    for evidence in evidence.chunks(batch::LIST_MAX) {
        let text = format!(
            "DELETE FROM evidence_carriers WHERE evidence_id IN ({})",
            markers(1, evidence.len())
        );
        let mut query = batch::query(text);
        for id in evidence {
            query = query.bind(*id);
        }
        query.execute(tx.conn()).await?;
        let text = format!(
            "UPDATE evidence SET withdrawn_at = $1 WHERE withdrawn_at IS NULL AND id IN ({}) RETURNING attached_to",
            markers(2, evidence.len())
        );
        let mut query = batch::query(text).bind(now);
        for id in evidence {
            query = query.bind(*id);
        }
        for row in &query.fetch_all(tx.conn()).await? {
            facts::touch(tx, repository_id, &row.digest("attached_to")?, now).await?;
        }
    }
    Ok(())
}
