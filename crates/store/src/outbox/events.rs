//! Reading events, in the order of their sequence. On either database a sequence that is visible has no smaller one to come.

use serde_json::Value;
use sqlx::any::AnyRow;

use super::EVENTS_MAX;
use crate::Store;
use crate::db::RowExt;
use crate::error::Result;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events; there may be gaps.
    pub sequence: i64,
    /// The same in every delivery of it, so that a repeat is recognised.
    pub id: String,
    /// What happened: `image.pushed`, `finding.new`, …
    pub kind: String,
    /// Events with the same key are delivered in order.
    pub ordering_key: String,
    /// Where it happened, if in a repository.
    pub repository: Option<String>,
    /// To which manifest, if to one.
    pub digest: Option<String>,
    /// All the rest.
    pub data: Value,
    /// When (milliseconds since the epoch).
    pub happened_at: i64,
}

/// The events after a sequence, oldest first; 0 begins at the first.
pub async fn events(store: &Store, after: i64, limit: u32) -> Result<Vec<Event>> {
    let rows = sqlx::query(
        "SELECT sequence, id, type, ordering_key, repository, digest, data, happened_at FROM events \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit.min(EVENTS_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(event).collect()
}

/// The newest event's sequence; 0 where there is none.
pub async fn newest_sequence(store: &Store) -> Result<i64> {
    let row =
        sqlx::query("SELECT CAST(COALESCE(MAX(sequence), 0) AS BIGINT) AS sequence FROM events")
            .fetch_one(store.db().read())
            .await?;
    row.int("sequence")
}

/// A row that has the columns of table `events`.
pub(super) fn event(row: &AnyRow) -> Result<Event> {
    Ok(Event {
        sequence: row.int("sequence")?,
        id: row.text("id")?,
        kind: row.text("type")?,
        ordering_key: row.text("ordering_key")?,
        repository: row.opt_text("repository")?,
        digest: row.opt_text("digest")?,
        data: row.json("data")?,
        happened_at: row.int("happened_at")?,
    })
}
