//! Phase 3: bytes whose rows are gone. First the bytes go, then the note of them: what is cut off is done again. Not while a
//! backup is being made, whose copy of the database may still name them. What cannot be removed stays noted, for the next
//! collection.

use super::run::Run;
use super::{PIECE, is_backup_under_way};
use crate::db::{RowExt, write_tx};
use crate::error::Result;
use crate::{Store, batch};

/// Removes some; false when none are left, or none may go now.
pub(super) async fn step(run: &mut Run<'_>) -> Result<bool> {
    let found = discarded(run.store, &run.held.position).await?;
    let Some((last, _)) = found.last() else {
        return Ok(false);
    };
    let last = last.clone();
    // Asked behind the look, so that a backup that begins now has its copy without these.
    if is_backup_under_way(run.store, run.now()).await? {
        return Ok(false);
    }
    let (mut files, mut bytes, mut gone) = (0_u64, 0_u64, Vec::new());
    for (key, size) in &found {
        let Some(was_there) = run.remove(key).await? else {
            continue;
        };
        gone.push(key.as_str());
        if was_there {
            files += 1;
            bytes = bytes.saturating_add(*size);
        }
    }
    run.held.collection.files += files;
    run.held.collection.bytes = run.held.collection.bytes.saturating_add(bytes);
    run.held.position = last;
    let now = run.now();
    write_tx!(run.store.db(), |tx| {
        if !gone.is_empty() {
            let text = format!(
                "DELETE FROM discarded_files WHERE location IN ({})",
                batch::markers(1, gone.len())
            );
            let mut query = batch::query(text);
            for key in &gone {
                query = query.bind(*key);
            }
            query.execute(tx.conn()).await?;
        }
        run.held.write(tx, now).await
    })?;
    run.pause().await;
    Ok(true)
}

async fn discarded(store: &Store, after: &str) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query(
        "SELECT location, size FROM discarded_files WHERE location > $1 ORDER BY location LIMIT $2",
    )
    .bind(after.to_owned())
    .bind(i64::try_from(PIECE).unwrap_or(i64::MAX))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| Ok((row.text("location")?, row.count("size")?)))
        .collect()
}
