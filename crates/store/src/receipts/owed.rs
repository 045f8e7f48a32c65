//! Receipts that are owed: asked for in the transaction that keeps an answer, whoever asked the gate, so that none is forgotten
//! where the server dies or the disk is full before it is signed. Also what becomes of receipts when a manifest goes.

use std::collections::BTreeMap;

use oci::Digest;
use policy::{Decision, Policy};
use serde_json::json;

use super::Wanted;
use crate::catalogue;
use crate::db::{RowExt, Tx};
use crate::decisions::GateName;
use crate::error::Result;
use crate::jobs;

/// The kind of the job that brings the receipts of one manifest in line with its gates; its payload is `{repository_id, digest}`.
pub const SIGN_RECEIPTS: &str = "sign-receipts";

/// Asks for the job where an answer wants another receipt than there is, or none. An answer whose receipt says it already, and
/// one of a policy that asks for none, costs one look.
pub(crate) async fn ask(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    decisions: &[&Decision],
    policies: &[Policy],
    now: i64,
) -> Result<()> {
    let live = said(tx, repository_id, digest).await?;
    let is_owed = decisions.iter().any(|decision| {
        let gate = GateName::new(&decision.policy, &decision.gate);
        let wanted = Wanted::of(decision, policies).map(|wanted| wanted.says());
        live.get(&gate) != wanted.as_ref()
    });
    if is_owed {
        enqueue(tx, repository_id, digest, now).await?;
    }
    Ok(())
}

/// Asks for the job.
pub(crate) async fn enqueue(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    let payload = json!({"repository_id": repository_id, "digest": digest});
    let key = format!("{repository_id}/{digest}");
    jobs::enqueue(tx, SIGN_RECEIPTS, &key, payload, now).await
}

/// What the live receipts of a manifest say.
async fn said(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
) -> Result<BTreeMap<GateName, String>> {
    let rows = sqlx::query(
        "SELECT policy, gate, says FROM receipts WHERE repository_id = $1 AND digest = $2",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            let gate = GateName::new(row.text("policy")?, row.text("gate")?);
            Ok((gate, row.text("says")?))
        })
        .collect()
}

/// A manifest goes: its receipts go with it. Where it is one that somebody deletes by hand, the next round makes another.
pub(crate) async fn forget(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    is_evidence: bool,
) -> Result<()> {
    if is_evidence {
        sqlx::query("UPDATE receipts SET renew_at = 0 WHERE repository_id = $1 AND manifest = $2")
            .bind(repository_id)
            .bind(digest.as_str())
            .execute(tx.conn())
            .await?;
        return Ok(());
    }
    let rows = sqlx::query(
        "DELETE FROM receipts WHERE repository_id = $1 AND digest = $2 RETURNING manifest",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        catalogue::remove_own(tx, repository_id, &row.digest("manifest")?).await?;
    }
    Ok(())
}
