//! Which trust repositories the server has to sign its part of again, before it ends.

use oci::RepositoryName;
use trust::tuf::Gun;

use crate::Store;
use crate::db::{RowExt, write_tx};
use crate::error::Result;

/// A trust repository that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub gun: Gun,
    /// The repository that it belongs to.
    pub repository: RepositoryName,
}

/// Those that are due at `now`, the longest due first, at most `limit`.
pub async fn due(store: &Store, now: i64, limit: u32) -> Result<Vec<Due>> {
    let rows = sqlx::query(
        "SELECT t.gun, r.name FROM trust_repositories t JOIN repositories r ON r.id = t.repository_id \
         WHERE t.resign_at IS NOT NULL AND t.resign_at <= $1 ORDER BY t.resign_at, t.id LIMIT $2",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                gun: row.parsed("gun")?,
                repository: row.parsed("name")?,
            })
        })
        .collect()
}

/// Looks at one again later, because it could not be signed now: it does not keep others waiting.
pub async fn postpone(store: &Store, gun: &Gun, until: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        sqlx::query(
            "UPDATE trust_repositories SET resign_at = $2 WHERE gun = $1 AND resign_at IS NOT NULL AND resign_at < $2",
        )
        .bind(gun.as_str())
        .bind(until)
        .execute(tx.conn())
        .await?;
        Ok(())
    })
}
