//! Phase 2: blobs that no repository links, in the order of their digests. Their rows go, and their bytes become discarded
//! files in the same transaction. Whoever stores the same bytes again has a key of their own, which this never touches.

use oci::Digest;

use super::run::Run;
use super::{PAGE_ROWS, PIECE};
use crate::batch;
use crate::blobs::BlobInfo;
use crate::db::{Backend, Db, RowExt, Tx, write_tx};
use crate::error::{Error, Result};

/// What makes a blob garbage, in terms of a row `b` of `blobs`; `$1` is the cut.
const IS_GARBAGE: &str =
    "b.stored_at < $1 AND NOT EXISTS (SELECT 1 FROM repository_blobs r WHERE r.digest = b.digest)";

/// Looks at one page; false at the end.
pub(super) async fn step(run: &mut Run<'_>) -> Result<bool> {
    let cut = run.cut();
    let text = format!(
        "SELECT b.digest, CAST(CASE WHEN {IS_GARBAGE} THEN 1 ELSE 0 END AS BIGINT) AS garbage FROM blobs b \
         WHERE b.digest > $2 ORDER BY b.digest LIMIT $3"
    );
    let rows = batch::query(text)
        .bind(cut)
        .bind(run.held.position.clone())
        .bind(PAGE_ROWS)
        .fetch_all(run.store.db().read())
        .await?;
    let mut garbage = Vec::new();
    for row in &rows {
        if row.flag("garbage")? {
            garbage.push(row.digest("digest")?);
        }
    }
    for piece in garbage.chunks(PIECE) {
        remove(run, piece, cut).await?;
        run.pause().await;
    }
    run.held.collection.looked_at += u64::try_from(rows.len()).unwrap_or(u64::MAX);
    match rows.last() {
        Some(last) => {
            run.held.position = last.text("digest")?;
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn remove(run: &mut Run<'_>, digests: &[Digest], cut: i64) -> Result<()> {
    let now = run.now();
    let before = run.held.collection.blobs;
    write_tx!(run.store.db(), |tx| {
        lock(tx, digests).await?;
        let gone = delete(tx, digests, cut).await?;
        for blob in &gone {
            // A place that somebody wrote by hand is not ours to remove.
            if let Ok(key) = blob.key() {
                discard(tx, &key, blob.size, now).await?;
            }
            sqlx::query("DELETE FROM broken_blobs WHERE digest = $1")
                .bind(blob.digest.as_str())
                .execute(tx.conn())
                .await?;
        }
        let gone = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        run.held.collection.blobs = before + gone;
        run.held.write(tx, now).await
    })
}

async fn delete(tx: &mut Tx, digests: &[Digest], cut: i64) -> Result<Vec<BlobInfo>> {
    let text = format!(
        "DELETE FROM blobs AS b WHERE b.digest IN ({}) AND {IS_GARBAGE} RETURNING digest, size, location",
        batch::markers(2, digests.len())
    );
    let mut query = batch::query(text).bind(cut);
    for digest in digests {
        query = query.bind(digest.as_str());
    }
    let rows = query.fetch_all(tx.conn()).await?;
    rows.iter()
        .map(|row| BlobInfo::of(&row.digest("digest")?, row))
        .collect()
}

/// Waits for those that are linking one of them now, and keeps others from it: a link holds the row of its blob. What is
/// asked afterwards sees their links. SQLite has one writer anyway.
async fn lock(tx: &mut Tx, digests: &[Digest]) -> Result<()> {
    if tx.backend() == Backend::Sqlite {
        return Ok(());
    }
    let text = format!(
        "SELECT digest FROM blobs WHERE digest IN ({}) ORDER BY digest FOR UPDATE",
        batch::markers(1, digests.len())
    );
    let mut query = batch::query(text);
    for digest in digests {
        query = query.bind(digest.as_str());
    }
    query.execute(tx.conn()).await?;
    Ok(())
}

/// Notes that nobody names these bytes any more.
pub(crate) async fn discard(tx: &mut Tx, key: &str, size: u64, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO discarded_files (location, size, discarded_at) VALUES ($1, $2, $3) ON CONFLICT (location) DO NOTHING",
    )
    .bind(key)
    .bind(i64::try_from(size).map_err(Error::corrupt("discarded_files.size"))?)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The keys of these blobs, of those that are there.
pub(super) async fn keys(db: &Db, digests: &[Digest]) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for piece in digests.chunks(batch::LIST_MAX) {
        let text = format!(
            "SELECT digest, size, location FROM blobs WHERE digest IN ({})",
            batch::markers(1, piece.len())
        );
        let mut query = batch::query(text);
        for digest in piece {
            query = query.bind(digest.as_str().to_owned());
        }
        for row in query.fetch_all(db.read()).await? {
            keys.extend(BlobInfo::of(&row.digest("digest")?, &row)?.key().ok());
        }
    }
    Ok(keys)
}
