//! What a store holds and owes, as numbers for operators. Each call counts rows: whoever asks often keeps the answer for a
//! while. Nothing is decided by these figures.

use crate::Store;
use crate::db::RowExt;
use crate::error::Result;
use crate::uploads;

/// Numbers of one moment, or of moments close to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Repositories.
    pub repositories: u64,
    /// Manifests, counted once in each repository that holds them.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs, counted once.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub blob_bytes: u64,
    /// Uploads on this machine that have begun and neither ended nor been given up.
    pub uploads: u64,
    /// Deliveries that webhooks are owed.
    pub deliveries: u64,
    /// When the oldest event among them happened (milliseconds since the epoch).
    pub oldest_delivery_at: Option<i64>,
    /// Audit rows that have no place in the log yet.
    pub unsealed: u64,
}

/// Counts.
///
/// # Errors
/// The database fails.
pub async fn figures(store: &Store) -> Result<Figures> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM repositories) AS repositories, (SELECT COUNT(*) FROM manifests) AS manifests, \
         (SELECT COUNT(*) FROM tags) AS tags, (SELECT COUNT(*) FROM blobs) AS blobs, \
         (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blobs) AS blob_bytes, \
         (SELECT COUNT(*) FROM deliveries WHERE delivered_at IS NULL) AS deliveries, \
         (SELECT MIN(e.happened_at) FROM deliveries d JOIN events e ON e.sequence = d.sequence WHERE d.delivered_at IS NULL) \
         AS oldest_delivery_at, (SELECT COUNT(*) FROM audit WHERE leaf_index IS NULL) AS unsealed",
    )
    .fetch_one(store.db().read())
    .await?;
    Ok(Figures {
        repositories: row.count("repositories")?,
        manifests: row.count("manifests")?,
        tags: row.count("tags")?,
        blobs: row.count("blobs")?,
        blob_bytes: row.count("blob_bytes")?,
        uploads: uploads::under_way(store).await?,
        deliveries: row.count("deliveries")?,
        oldest_delivery_at: row.opt_int("oldest_delivery_at")?,
        unsealed: row.count("unsealed")?,
    })
}
