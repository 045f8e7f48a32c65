//! Deleting the files of a trust repository, with all that was vouched for in them. Its row and the server's keys stay: a publisher who
//! still has them may begin anew.

use policy::Permit;
use policy::verb::DeleteEvidence;
use serde_json::json;
use trust::tuf::Gun;

use super::changes::{self, ChangeKind};
use super::{KeyRole, row, vouches};
use crate::db::write_tx;
use crate::error::{Error, Result};
use crate::{Store, audit, permit};

/// Deletes every file; answers whether there were any.
///
/// # Errors
/// The permit has ended, or the trust repository belongs to another repository.
pub async fn delete(
    store: &Store,
    permit: &Permit<DeleteEvidence>,
    gun: &Gun,
    now: i64,
) -> Result<bool> {
    let actor = permit::actor(permit, now)?;
    let repository = permit.repository().ok_or_else(|| Error::Refused {
        what: "trust",
        why: "the permit names no repository".to_owned(),
    })?;
    write_tx!(store.db(), |tx| {
        // Whoever publishes meanwhile is held up, and then judged again.
        sqlx::query(
            "UPDATE trust_repositories SET revision = revision + 1, resign_at = NULL WHERE gun = $1",
        )
        .bind(gun.as_str())
        .execute(tx.conn())
        .await?;
        let Some(row) = row(tx.conn(), gun, repository).await? else {
            return Ok(false);
        };
        sqlx::query("DELETE FROM trust_roles WHERE trust_id = $1")
            .bind(row.id)
            .execute(tx.conn())
            .await?;
        let deleted = sqlx::query("DELETE FROM trust_files WHERE trust_id = $1")
            .bind(row.id)
            .execute(tx.conn())
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        // Whose signatures are taken is settled by who left the releases to the server first: this one has to do so again.
        sqlx::query("UPDATE trust_keys SET named_at = NULL WHERE trust_id = $1 AND role = $2")
            .bind(row.id)
            .bind(KeyRole::Releases.as_str())
            .execute(tx.conn())
            .await?;
        let withdrawn = vouches::withdraw_all(tx, &row, now).await?;
        changes::write(tx, gun, &ChangeKind::Deletion, now).await?;
        let mut detail = json!({
            "gun": gun.as_str(), "repository": repository, "files": deleted.rows_affected(), "withdrawn": withdrawn.count,
        });
        if let Some(detail) = detail.as_object_mut() {
            withdrawn.tell(detail);
        }
        audit::record(tx, &actor, "trust.delete", gun.as_str(), detail, now).await?;
        Ok(true)
    })
}
