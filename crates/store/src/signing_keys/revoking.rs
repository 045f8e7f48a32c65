//! Revoking keys: for ever, and from an instant on that is only ever moved back; what that would hit; and what took a key's place since.

use policy::verb::ManageKeys;
use policy::{Actor, Permit};
use serde_json::json;
use sqlx::AnyConnection;
use trust::KeyId;

use crate::accounts::directory_changed;
use crate::db::{RowExt, Tx, write_tx};
use crate::decisions::Subject;
use crate::error::{Error, Result};
use crate::{Store, audit, permit};

/// The most manifests that one call lists.
const SUBJECTS_MAX: u32 = 1_000;

/// Revokes a key for ever: for all that it ever signed, or for what it signed from an instant on, which may lie ahead. One
/// that is revoked already can be revoked from an earlier instant, or altogether. What took its place after that instant is revoked with
/// it, from the same instant: who held the key then is not known, and so not who named the successor.
///
/// # Errors
/// `Conflict` when it is revoked from an earlier instant already.
pub async fn revoke(
    store: &Store,
    permit: &Permit<ManageKeys>,
    key_id: &KeyId,
    from: Option<i64>,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        match revoke_one(tx, &actor, key_id, from, now).await? {
            Stricter::Yes => {}
            Stricter::Same => return Ok(()),
            Stricter::No => {
                return Err(Error::Conflict {
                    kind: "key",
                    name: key_id.to_string(),
                    why: "is revoked from an earlier instant, or altogether: that stays",
                });
            }
        }
        for next in successors_since(tx.conn(), key_id, from).await? {
            // One that is revoked from earlier on, or altogether, stays so.
            revoke_one(tx, &actor, &next, from, now).await?;
        }
        Ok(())
    })
}

async fn revoke_one(
    tx: &mut Tx,
    actor: &Actor,
    key_id: &KeyId,
    from: Option<i64>,
    now: i64,
) -> Result<Stricter> {
    let row = sqlx::query("SELECT revoked_at, revoked_from FROM signing_keys WHERE key_id = $1")
        .bind(key_id.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("key", key_id))?;
    let before = row
        .opt_int("revoked_at")?
        .map(|_| row.opt_int("revoked_from"))
        .transpose()?;
    let than_before = before.map_or(Stricter::Yes, |before| stricter(before, from));
    if !matches!(than_before, Stricter::Yes) {
        return Ok(than_before);
    }
    sqlx::query(
        "UPDATE signing_keys SET revoked_at = COALESCE(revoked_at, $2), revoked_from = $3 WHERE key_id = $1",
    )
    .bind(key_id.as_str())
    .bind(now)
    .bind(from)
    .execute(tx.conn())
    .await?;
    let detail = json!({"key_id": key_id, "from": from});
    audit::record(tx, actor, "key.revoke", key_id.as_str(), detail, now).await?;
    Ok(Stricter::Yes)
}

/// The keys that took the place of this one, one after the other, after an instant: those that go with it when it is revoked from then on.
pub async fn successors(store: &Store, key_id: &KeyId, from: Option<i64>) -> Result<Vec<KeyId>> {
    let mut conn = store.db().read().acquire().await?;
    successors_since(&mut conn, key_id, from).await
}

async fn successors_since(
    conn: &mut AnyConnection,
    key_id: &KeyId,
    from: Option<i64>,
) -> Result<Vec<KeyId>> {
    let mut found: Vec<KeyId> = Vec::new();
    loop {
        let last = found.last().unwrap_or(key_id);
        let row = sqlx::query(
            "SELECT key_id FROM signing_keys WHERE succeeds = $1 AND registered_at > $2",
        )
        .bind(last.as_str())
        .bind(from.unwrap_or(i64::MIN))
        .fetch_optional(&mut *conn)
        .await?;
        let Some(row) = row else { return Ok(found) };
        let next: KeyId = row.parsed("key_id")?;
        // Only a database that was edited by hand has a circle.
        if next == *key_id || found.contains(&next) {
            return Ok(found);
        }
        found.push(next);
    }
}

/// Whether a revocation takes more away than the one before it.
enum Stricter {
    Yes,
    Same,
    No,
}

fn stricter(before: Option<i64>, from: Option<i64>) -> Stricter {
    // Without an instant it is from the beginning of time.
    let instant = |from: Option<i64>| from.unwrap_or(i64::MIN);
    match instant(from).cmp(&instant(before)) {
        std::cmp::Ordering::Less => Stricter::Yes,
        std::cmp::Ordering::Equal => Stricter::Same,
        std::cmp::Ordering::Greater => Stricter::No,
    }
}

/// What a key signed from an instant on and nobody withdrew: the manifests that such signatures may count for, which are those
/// that they are attached to and what these list. In a fixed order, after the one given, at most 1,000 at a time.
pub async fn signed_since(
    store: &Store,
    key_id: &KeyId,
    from: Option<i64>,
    after: Option<&Subject>,
    limit: u32,
) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "WITH hit AS (SELECT DISTINCT repository_id, attached_to FROM evidence \
         WHERE key_id = $1 AND stored_at >= $2 AND (trusted_at IS NULL OR trusted_at >= $2) \
         AND verdict = 'verified' AND withdrawn_at IS NULL) \
         SELECT m.repository_id, r.name, m.digest FROM (\
           SELECT repository_id, attached_to AS digest FROM hit UNION \
           SELECT c.repository_id, c.digest FROM hit JOIN manifest_references c \
           ON c.repository_id = hit.repository_id AND c.manifest = hit.attached_to AND c.kind = 'child') AS h \
         JOIN manifests m ON m.repository_id = h.repository_id AND m.digest = h.digest \
         JOIN repositories r ON r.id = m.repository_id \
         WHERE m.shape <> 'evidence' AND (m.repository_id > $3 OR (m.repository_id = $3 AND m.digest > $4)) \
         ORDER BY m.repository_id, m.digest LIMIT $5",
    )
    .bind(key_id.as_str())
    .bind(from.unwrap_or(i64::MIN))
    .bind(after.map_or(0, |after| after.repository_id))
    .bind(after.map_or("", |after| after.digest.as_str()))
    .bind(i64::from(limit.min(SUBJECTS_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(Subject::of).collect()
}
