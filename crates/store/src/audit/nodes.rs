//! The upper levels of the log's tiles: the root of each full tile, kept so that no tile is made from thousands of rows. Made from
//! what is kept below and never changed; a wrong one makes tiles that lead to another root, which whoever reads them sees.
//! C2SP `tlog-tiles`, "Merkle Tree".

use trust::merkle::{Hash, TILE_LEVEL_MAX, TILE_WIDTH, root};

use super::leaf::read_hash;
use super::seal::place_of;
use crate::Store;
use crate::db::{RowExt, write_tx};
use crate::error::{Error, Result};

/// Full tiles that are put away in one transaction.
const TILES_PER_TURN: u64 = 64;

/// Keeps the roots of all tiles that are full in a log of `size` rows.
pub(super) async fn complete(store: &Store, size: u64) -> Result<()> {
    let mut below = size;
    for level in 1..=TILE_LEVEL_MAX {
        below /= TILE_WIDTH;
        if below == 0 {
            return Ok(());
        }
        let mut next = kept(store, level).await?;
        while next < below {
            let end = below.min(next.saturating_add(TILES_PER_TURN));
            put(store, level, next, end).await?;
            next = end;
        }
    }
    Ok(())
}

/// How many nodes of a level are kept.
async fn kept(store: &Store, level: u8) -> Result<u64> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(place) + 1, 0) AS BIGINT) AS kept FROM audit_nodes WHERE level = $1",
    )
    .bind(i64::from(level))
    .fetch_one(store.db().read())
    .await?;
    row.count("kept")
}

/// Keeps the nodes of a level from `start` to `end`.
async fn put(store: &Store, level: u8, start: u64, end: u64) -> Result<()> {
    let mut nodes = Vec::new();
    for place in start..end {
        let first = place.saturating_mul(TILE_WIDTH);
        let hashes = read(store, level - 1, first, TILE_WIDTH).await?;
        nodes.push((place, root(&hashes)));
    }
    write_tx!(store.db(), |tx| {
        for (place, hash) in &nodes {
            // Another process may have been here.
            sqlx::query(
                "INSERT INTO audit_nodes (level, place, hash) VALUES ($1, $2, $3) ON CONFLICT (level, place) DO NOTHING",
            )
            .bind(i64::from(level))
            .bind(place_of(*place))
            .bind(hash.as_slice())
            .execute(tx.conn())
            .await?;
        }
        Ok(())
    })
}

/// So many nodes of a level from `first` on, all of which must be there.
pub(super) async fn read(store: &Store, level: u8, first: u64, count: u64) -> Result<Vec<Hash>> {
    let end = first.saturating_add(count);
    let rows = match level {
        0 => {
            sqlx::query(
                "SELECT leaf_hash FROM audit WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index",
            )
            .bind(place_of(first))
            .bind(place_of(end))
            .fetch_all(store.db().read())
            .await?
        }
        _ => {
            sqlx::query(
                "SELECT hash AS leaf_hash FROM audit_nodes WHERE place >= $1 AND place < $2 AND level = $3 ORDER BY place",
            )
            .bind(place_of(first))
            .bind(place_of(end))
            .bind(i64::from(level))
            .fetch_all(store.db().read())
            .await?
        }
    };
    let hashes: Vec<Hash> = rows.iter().map(read_hash).collect::<Result<_>>()?;
    if u64::try_from(hashes.len()) != Ok(count) {
        return Err(Error::AuditBroken(format!(
            "of level {level} of the log, nodes from {first} on are missing"
        )));
    }
    Ok(hashes)
}
