//! What a decision depends on has changed: the facts revision of a manifest, of its children and of the indexes that list
//! it is raised in the transaction of the change, and each is decided again. It decides nothing itself. DESIGN §5.

use std::collections::BTreeSet;

use oci::Digest;
use serde_json::json;

use crate::db::{RowExt, Tx};
use crate::error::Result;
use crate::jobs;

/// The kind of the job that decides one manifest again; its payload is `{repository_id, digest}`.
pub const DECIDE: &str = "decide";

/// Marks a manifest of a repository as changed in what a gate may see: evidence, inventory, findings, records.
pub(crate) async fn touch(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    tx.touched.insert((repository_id, digest.clone()));
    tx.touched_at = tx.touched_at.max(now);
    Ok(())
}

/// Marks the relatives of a manifest that is about to go.
pub(crate) async fn touch_relatives(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    for relative in relatives(tx, repository_id, digest).await? {
        touch(tx, repository_id, &relative, now).await?;
    }
    Ok(())
}

/// Raises the revisions of everything touched, with children and parents, in the order of their keys.
pub(crate) async fn write(tx: &mut Tx) -> Result<()> {
    let touched = std::mem::take(&mut tx.touched);
    let mut changed = BTreeSet::new();
    for (repository_id, digest) in touched {
        for relative in relatives(tx, repository_id, &digest).await? {
            changed.insert((repository_id, relative));
        }
        changed.insert((repository_id, digest));
    }
    let now = tx.touched_at;
    for (repository_id, digest) in changed {
        let raised = sqlx::query(
            "UPDATE manifests SET facts_revision = facts_revision + 1 WHERE repository_id = $1 AND digest = $2",
        )
        .bind(repository_id)
        .bind(digest.as_str())
        .execute(tx.conn())
        .await?
        .rows_affected();
        if raised > 0 {
            let payload = json!({"repository_id": repository_id, "digest": digest});
            jobs::enqueue(
                tx,
                DECIDE,
                &format!("{repository_id}/{digest}"),
                payload,
                now,
            )
            .await?;
        }
    }
    Ok(())
}

/// The manifests of the repository that list this one, and those that it lists.
async fn relatives(tx: &mut Tx, repository_id: i64, digest: &Digest) -> Result<Vec<Digest>> {
    let rows = sqlx::query(
        "SELECT manifest AS digest FROM manifest_references WHERE repository_id = $1 AND digest = $2 AND kind = 'child' \
         UNION SELECT digest FROM manifest_references WHERE repository_id = $1 AND manifest = $2 AND kind = 'child'",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter().map(|row| row.digest("digest")).collect()
}
