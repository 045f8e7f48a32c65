//! Phase 1: links of repositories to blobs, in the order of their keys. One goes that is older than the grace and that no
//! manifest of its repository names, as configuration, layer or child. Layers that an image waits for are named by it.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;

use super::run::Run;
use super::{PAGE_ROWS, PIECE};
use crate::batch;
use crate::db::{Backend, RowExt, Tx, write_tx};
use crate::error::{Error, Result};

/// What makes a link garbage, in terms of a row `b` of `repository_blobs`; `$1` is the cut.
pub(super) const IS_GARBAGE: &str = "b.linked_at < $1 AND NOT EXISTS (SELECT 1 FROM manifest_references r \
                                     WHERE r.repository_id = b.repository_id AND r.digest = b.digest)";

/// Looks at one page; false at the end.
pub(super) async fn step(run: &mut Run<'_>) -> Result<bool> {
    let (repository_id, digest) = read_position(&run.held.position)?;
    let cut = run.cut();
    let rows = page(run, repository_id, &digest, cut).await?;
    let mut garbage: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in rows.iter() {
        if row.flag("garbage")? {
            let digests = garbage.entry(row.int("repository_id")?).or_default();
            digests.push(row.text("digest")?);
        }
    }
    for (repository_id, digests) in &garbage {
        for piece in digests.chunks(PIECE) {
            remove(run, *repository_id, piece, cut).await?;
            run.pause().await;
        }
    }
    let looked_at = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    run.held.collection.looked_at += looked_at;
    match rows.last() {
        Some(last) => {
            let digest = last.text("digest")?;
            run.held.position = format!("{}/{digest}", last.int("repository_id")?);
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn page(run: &Run<'_>, repository_id: i64, digest: &str, cut: i64) -> Result<Vec<AnyRow>> {
    let text = format!(
        "SELECT b.repository_id, b.digest, CAST(CASE WHEN {IS_GARBAGE} THEN 1 ELSE 0 END AS BIGINT) AS garbage \
         FROM repository_blobs b WHERE (b.repository_id, b.digest) > ($2, $3) ORDER BY b.repository_id, b.digest LIMIT $4"
    );
    let rows = batch::query(text)
        .bind(cut)
        .bind(repository_id)
        .bind(digest.to_owned())
        .bind(PAGE_ROWS)
        .fetch_all(run.store.db().read())
        .await?;
    Ok(rows)
}

/// Removes links of one repository that are still garbage, and counts them, in one transaction.
async fn remove(run: &mut Run<'_>, repository_id: i64, digests: &[String], cut: i64) -> Result<()> {
    let now = run.now();
    let before = run.held.collection.links;
    write_tx!(run.store.db(), |tx| {
        lock(tx, repository_id).await?;
        let text = format!(
            "DELETE FROM repository_blobs AS b WHERE b.repository_id = $2 AND b.digest IN ({}) AND {IS_GARBAGE}",
            batch::markers(3, digests.len())
        );
        let mut query = batch::query(text).bind(cut).bind(repository_id);
        for digest in digests {
            query = query.bind(digest.as_str());
        }
        let removed = query.execute(tx.conn()).await?.rows_affected();
        // Counted anew at each try of the transaction.
        run.held.collection.links = before + removed;
        run.held.write(tx, now).await
    })
}

/// From here on, and until the transaction ends, no manifest comes to this repository. SQLite has one writer anyway.
async fn lock(tx: &mut Tx, repository_id: i64) -> Result<()> {
    if tx.backend() == Backend::Postgres {
        sqlx::query("SELECT id FROM repositories WHERE id = $1 FOR UPDATE")
            .bind(repository_id)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

fn read_position(text: &str) -> Result<(i64, String)> {
    if text.is_empty() {
        return Ok((0, String::new()));
    }
    let position = text
        .split_once('/')
        .and_then(|(id, digest)| Some((id.parse().ok()?, digest.to_owned())));
    position.ok_or_else(|| Error::Corrupt {
        what: "collections.position".to_owned(),
        why: format!("`{text}` is no place among links"),
    })
}
