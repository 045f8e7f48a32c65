//! The log as others read it: tiles of hashes, and bundles of entries whose leaves have those hashes, as far as a checkpoint was signed.
//! Deliberately nothing that is not sealed, and no entry that is not what was sealed. C2SP `tlog-tiles`.

use trust::merkle::{Hash, Tile, Tiles, tiles_for_consistency};

use super::leaf::{COLUMNS, Leaf, read_hash};
use super::seal::place_of;
use super::{checkpoints, nodes};
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::{Store, batch};

/// The bytes of a tile; none where no signed checkpoint has all of it.
pub async fn tile(store: &Store, tile: Tile) -> Result<Option<Vec<u8>>> {
    if !is_signed(store, &tile).await? {
        return Ok(None);
    }
    let hashes = nodes::read(store, tile.level, tile.start(), u64::from(tile.width)).await?;
    Ok(Some(hashes.concat()))
}

/// The bundle of the entries of a tile of level 0: each with its length before it. None where no signed checkpoint has all of it.
///
/// # Errors
/// [`Error::Conflict`] where former versions sealed an entry that is too long for a bundle; [`Error::AuditBroken`] where a row is not
/// what was sealed.
pub async fn entries(store: &Store, tile: Tile) -> Result<Option<Vec<u8>>> {
    if !is_signed(store, &tile).await? {
        return Ok(None);
    }
    let text = format!(
        "SELECT {COLUMNS}, leaf_index, leaf_hash FROM audit WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"
    );
    let end = tile.start().saturating_add(u64::from(tile.width));
    let rows = batch::query(text)
        .bind(place_of(tile.start()))
        .bind(place_of(end))
        .fetch_all(store.db().read())
        .await?;
    if rows.len() != usize::from(tile.width) {
        return Err(Error::AuditBroken(format!(
            "rows from place {} on are missing",
            tile.start()
        )));
    }
    let mut bundle = Vec::new();
    for row in &rows {
        let (leaf, index, hash) = (Leaf::read(row)?, row.int("leaf_index")?, read_hash(row)?);
        let entry = leaf.entry(index)?;
        if leaf.hash(index)? != hash {
            return Err(not_served(&leaf, index, &hash)?);
        }
        // INVARIANT: an entry has at most 65 535 bytes.
        let length = u16::try_from(entry.len()).map_err(Error::corrupt("audit row"))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(&entry);
    }
    Ok(Some(bundle))
}

/// The hashes that prove that the log of `new` rows grew from the one of `old`, both of which were signed.
pub async fn consistency_proof(store: &Store, old: u64, new: u64) -> Result<Vec<Hash>> {
    let mut tiles = Tiles::new();
    for wanted in tiles_for_consistency(old, new) {
        let bytes = tile(store, wanted).await?;
        let bytes = bytes.ok_or_else(|| Error::not_found("tile", wanted))?;
        tiles
            .insert(wanted, &bytes)
            .map_err(Error::corrupt("tile of the audit log"))?;
    }
    tiles
        .consistency_proof(old, new)
        .map_err(|error| Error::AuditBroken(error.to_string()))
}

async fn is_signed(store: &Store, tile: &Tile) -> Result<bool> {
    let newest = checkpoints::newest(store).await?;
    Ok(newest.is_some_and(|newest| tile.is_in(newest.size)))
}

/// Why a row is not what its place in the log has.
fn not_served(leaf: &Leaf, index: i64, hash: &Hash) -> Result<Error> {
    if leaf.has_hash(index, hash)? {
        return Ok(Error::Conflict {
            kind: "entry",
            name: index.to_string(),
            why: "is longer than 65535 bytes, which no bundle has: read its row at `/api/v1/audit`",
        });
    }
    Ok(Error::AuditBroken(format!(
        "row {} at place {index} is not what was sealed",
        leaf.id
    )))
}
