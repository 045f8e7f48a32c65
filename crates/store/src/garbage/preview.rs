//! What a collection would remove now. Nothing is changed, and what is removed then may differ: others go on writing.

use sqlx::any::AnyRow;

use super::record::{Collection, Phase};
use super::{PAGE_ROWS, cut, links, orphans};
use crate::db::RowExt;
use crate::error::Result;
use crate::{Store, batch};

/// Looks at everything, and counts.
pub async fn preview(store: &Store, sweep: bool, now: i64) -> Result<Collection> {
    let mut found = Collection {
        id: 0,
        asked_by: None,
        asked_at: now,
        sweep,
        started_at: None,
        finished_at: None,
        phase: Phase::Waiting,
        to_look_at: 0,
        looked_at: 0,
        links: 0,
        blobs: 0,
        files: 0,
        orphans: 0,
        bytes: 0,
        failed: 0,
        failure: None,
    };
    let cut = cut(store, now);
    count_links(store, cut, &mut found).await?;
    count_blobs(store, cut, &mut found).await?;
    let row = sqlx::query(
        "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM discarded_files",
    )
    .fetch_one(store.db().read())
    .await?;
    found.files += row.count("files")?;
    found.bytes += row.count("bytes")?;
    if sweep {
        let mut after = String::new();
        loop {
            let (page, last) = orphans::page(store, &after, now).await?;
            found.orphans += u64::try_from(page.len()).unwrap_or(u64::MAX);
            found.bytes += page.iter().map(|orphan| orphan.size).sum::<u64>();
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    found.to_look_at = found.looked_at;
    Ok(found)
}

async fn count_links(store: &Store, cut: i64, found: &mut Collection) -> Result<()> {
    let (mut repository_id, mut digest) = (0_i64, String::new());
    loop {
        let text = format!(
            "SELECT b.repository_id, b.digest, CAST(CASE WHEN {} THEN 1 ELSE 0 END AS BIGINT) AS garbage \
             FROM repository_blobs b WHERE (b.repository_id, b.digest) > ($2, $3) ORDER BY b.repository_id, b.digest LIMIT $4",
            links::IS_GARBAGE
        );
        let rows = batch::query(text)
            .bind(cut)
            .bind(repository_id)
            .bind(digest.clone())
            .bind(PAGE_ROWS)
            .fetch_all(store.db().read())
            .await?;
        found.looked_at += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        found.links += garbage(&rows)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        (repository_id, digest) = (last.int("repository_id")?, last.text("digest")?);
    }
}

/// Blobs that no repository would link then.
async fn count_blobs(store: &Store, cut: i64, found: &mut Collection) -> Result<()> {
    let mut digest = String::new();
    loop {
        let text = format!(
            "SELECT g.digest, g.size, CAST(CASE WHEN g.stored_at < $1 AND NOT EXISTS (SELECT 1 FROM repository_blobs b \
             WHERE b.digest = g.digest AND NOT ({})) THEN 1 ELSE 0 END AS BIGINT) AS garbage \
             FROM blobs g WHERE g.digest > $2 ORDER BY g.digest LIMIT $3",
            links::IS_GARBAGE
        );
        let rows = batch::query(text)
            .bind(cut)
            .bind(digest.clone())
            .bind(PAGE_ROWS)
            .fetch_all(store.db().read())
            .await?;
        found.looked_at += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let gone = garbage(&rows)?;
        found.blobs += gone;
        found.files += gone;
        for row in &rows {
            if row.flag("garbage")? {
                found.bytes += row.count("size")?;
            }
        }
        let Some(last) = rows.last() else {
            return Ok(());
        };
        digest = last.text("digest")?;
    }
}

fn garbage(rows: &[AnyRow]) -> Result<u64> {
    rows.iter()
        .map(|row| row.flag("garbage").map(u64::from))
        .sum()
}
