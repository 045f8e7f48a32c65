//! What each receiver is still owed. Per receiver and ordering key only the earliest delivery that has not succeeded is ever
//! due, so that one that fails holds back those after it, and no others. It sends nothing.

use secrecy::SecretSlice;

use super::events::{Event, event};
use super::webhooks::secret;
use crate::Store;
use crate::db::{RowExt, write_tx};
use crate::error::Result;

/// The most deliveries one call reads.
const DELIVERIES_MAX: u32 = 1_000;
/// The longest error text that is kept, in characters.
const ERROR_CHARACTERS_MAX: usize = 1_000;

/// An event that a receiver is owed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The receiver.
    pub webhook_id: i64,
    /// Its name.
    pub webhook: String,
    /// Where to send.
    pub url: String,
    /// What to sign with.
    pub secret: SecretSlice<u8>,
    /// What to tell.
    pub event: Event,
    /// How often it was tried.
    pub attempts: u32,
}

/// How a receiver stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its name.
    pub webhook: String,
    /// How many events it is still owed.
    pub pending: u64,
    /// When the oldest of them happened.
    pub oldest_at: Option<i64>,
    /// An error of those.
    pub last_error: Option<String>,
}

/// What is due at `now`, oldest first: at most one delivery per receiver and ordering key.
pub async fn due_deliveries(store: &Store, now: i64, limit: u32) -> Result<Vec<Delivery>> {
    let rows = sqlx::query(
        "SELECT d.webhook_id, d.attempts, w.name AS webhook, w.url, w.sealed_secret, \
         e.sequence, e.id, e.type, e.ordering_key, e.repository, e.digest, e.data, e.happened_at \
         FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.sequence = d.sequence \
         WHERE d.delivered_at IS NULL AND d.next_at <= $1 AND w.active = 1 AND NOT EXISTS \
         (SELECT 1 FROM deliveries earlier WHERE earlier.webhook_id = d.webhook_id \
         AND earlier.ordering_key = d.ordering_key AND earlier.delivered_at IS NULL AND earlier.sequence < d.sequence) \
         ORDER BY d.sequence, d.webhook_id LIMIT $2",
    )
    .bind(now)
    .bind(i64::from(limit.min(DELIVERIES_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            let webhook = row.text("webhook")?;
            Ok(Delivery {
                webhook_id: row.int("webhook_id")?,
                url: row.text("url")?,
                secret: secret(store, &webhook, &row.bytes("sealed_secret")?)?,
                webhook,
                event: event(row)?,
                attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// When the next delivery to an active receiver becomes due, if any is owed.
pub async fn next_delivery_at(store: &Store) -> Result<Option<i64>> {
    let row = sqlx::query(
        "SELECT MIN(d.next_at) AS next_at FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id \
         WHERE d.delivered_at IS NULL AND w.active = 1",
    )
    .fetch_one(store.db().read())
    .await?;
    row.opt_int("next_at")
}

/// The receiver has it.
pub async fn delivered(store: &Store, delivery: &Delivery, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        sqlx::query(
            "UPDATE deliveries SET delivered_at = $3, attempts = attempts + 1, last_error = NULL \
                 WHERE webhook_id = $1 AND sequence = $2 AND delivered_at IS NULL",
        )
        .bind(delivery.webhook_id)
        .bind(delivery.event.sequence)
        .bind(now)
        .execute(tx.conn())
        .await?;
        Ok(())
    })
}

/// The receiver does not have it, or did not say so: it is due again at `next_at`.
pub async fn failed(store: &Store, delivery: &Delivery, error: &str, next_at: i64) -> Result<()> {
    let error: String = error.chars().take(ERROR_CHARACTERS_MAX).collect();
    write_tx!(store.db(), |tx| {
        sqlx::query(
            "UPDATE deliveries SET next_at = $3, attempts = attempts + 1, last_error = $4 \
                 WHERE webhook_id = $1 AND sequence = $2 AND delivered_at IS NULL",
        )
        .bind(delivery.webhook_id)
        .bind(delivery.event.sequence)
        .bind(next_at)
        .bind(error.as_str())
        .execute(tx.conn())
        .await?;
        Ok(())
    })
}

/// How each receiver stands, by name.
pub async fn progress(store: &Store) -> Result<Vec<Progress>> {
    let rows = sqlx::query(
        "SELECT w.name, COUNT(d.sequence) AS pending, MIN(e.happened_at) AS oldest_at, MAX(d.last_error) AS last_error \
         FROM webhooks w LEFT JOIN deliveries d ON d.webhook_id = w.id AND d.delivered_at IS NULL \
         LEFT JOIN events e ON e.sequence = d.sequence GROUP BY w.name ORDER BY w.name",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Progress {
                webhook: row.text("name")?,
                pending: row.count("pending")?,
                oldest_at: row.opt_int("oldest_at")?,
                last_error: row.opt_text("last_error")?,
            })
        })
        .collect()
}
