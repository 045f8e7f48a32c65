//! A blob that a client was told of stays a while: it will push a manifest that counts on it. Nothing else is changed.

use oci::Digest;

use crate::db::{RowExt, Value, write_tx};
use crate::error::Result;
use crate::{Store, Writer};

/// Notes that somebody who may write to a repository is about to be told that it holds a blob, and answers whether it does.
/// From then on no collection takes it away for at least half the grace. A row is written only where its last one is
/// older than that, so that asking again and again costs a read. Call it after the look-up and before the answer: `false` means
/// that the blob has just gone.
pub async fn keep_blob(
    store: &Store,
    writer: &Writer<'_>,
    digest: &Digest,
    now: i64,
) -> Result<bool> {
    writer.actor(now)?;
    let repository = writer.repository()?;
    let values = [
        Value::Text(repository.as_str()),
        Value::Text(digest.as_str()),
    ];
    let link = store
        .db()
        .point(
            "SELECT r.repository_id, r.linked_at FROM repositories n \
             JOIN repository_blobs r ON r.repository_id = n.id WHERE n.name = $1 AND r.digest = $2",
            &values,
            |row| Ok((row.int("repository_id")?, row.int("linked_at")?)),
        )
        .await?;
    let Some((repository_id, linked_at)) = link else {
        return Ok(false);
    };
    let half = store.grace_milliseconds() / 2;
    if linked_at > now.saturating_sub(half) {
        return Ok(true);
    }
    write_tx!(store.db(), |tx| {
        let kept = sqlx::query(
            "UPDATE repository_blobs SET linked_at = CASE WHEN linked_at < $3 THEN $3 ELSE linked_at END \
             WHERE repository_id = $1 AND digest = $2",
        )
        .bind(repository_id)
        .bind(digest.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        Ok(kept.rows_affected() > 0)
    })
}
