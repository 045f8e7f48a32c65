//! What happened, told at least once: events are rows written in the transaction of what they tell, with a delivery for
//! each active webhook. Sending is `monitor`'s; here is who must be told what next. DESIGN §3.6, §7 "Formats".

use oci::{Digest, RepositoryName};
use serde_json::Value;

use crate::db::{self, Tx};
use crate::error::Result;
use crate::random;

mod deliveries;
mod events;
mod webhooks;

pub use deliveries::{
    Delivery, Progress, delivered, due_deliveries, failed, next_delivery_at, progress,
};
pub use events::{Event, events, newest_sequence};
pub use webhooks::{Webhook, create_webhook, delete_webhook, set_webhook_active, webhooks};

/// Hexadecimal digits of an event's id.
const ID_DIGITS: usize = 32;
/// The most events one call reads.
pub const EVENTS_MAX: u32 = 1_000;

/// An event about to be told.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent<'a> {
    /// What happened: `image.pushed`, `finding.new`, …
    pub(crate) kind: &'static str,
    /// Events with the same key arrive in the order in which they happened.
    pub(crate) ordering_key: String,
    /// Where it happened, if in a repository.
    pub(crate) repository: Option<&'a RepositoryName>,
    /// To which manifest, if to one.
    pub(crate) digest: Option<&'a Digest>,
    /// All the rest.
    pub(crate) data: Value,
}

impl<'a> NewEvent<'a> {
    /// An event about one image, ordered with all others about it.
    pub(crate) fn of_image(
        kind: &'static str,
        repository: &'a RepositoryName,
        digest: &'a Digest,
        data: Value,
    ) -> Self {
        NewEvent {
            kind,
            ordering_key: format!("{repository}@{digest}"),
            repository: Some(repository),
            digest: Some(digest),
            data,
        }
    }
}

/// Tells an event when the transaction commits.
pub(crate) async fn emit(tx: &mut Tx, event: NewEvent<'_>, now: i64) -> Result<()> {
    tx.events.push(db::Event {
        id: format!("evt_{}", random::hex::<16>()?),
        kind: event.kind,
        ordering_key: event.ordering_key,
        repository: event.repository.map(ToString::to_string),
        digest: event.digest.map(ToString::to_string),
        data: event.data.to_string(),
        happened_at: now,
    });
    Ok(())
}

/// Tells an event, unless one of the same name was told before. The name stands for what it tells, and becomes its id.
pub(crate) async fn emit_once(
    tx: &mut Tx,
    name: &str,
    event: NewEvent<'_>,
    now: i64,
) -> Result<()> {
    let named = Digest::sha256(format!("{}\n{name}", event.kind).as_bytes());
    let id = format!("evt_{}", named.hex().get(..ID_DIGITS).unwrap_or_default());
    let told = sqlx::query("SELECT id FROM events WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    if told.is_none() {
        emit(tx, event, now).await?;
        if let Some(last) = tx.events.last_mut() {
            last.id = id;
        }
    }
    Ok(())
}

/// Writes what was emitted, with its deliveries, in the order of emission.
pub(crate) async fn write(tx: &mut Tx) -> Result<()> {
    for event in std::mem::take(&mut tx.events) {
        let sequence = sqlx::query(
            "INSERT INTO events (id, type, ordering_key, repository, digest, data, happened_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING sequence",
        )
        .bind(event.id.as_str())
        .bind(event.kind)
        .bind(event.ordering_key.as_str())
        .bind(event.repository.as_deref())
        .bind(event.digest.as_deref())
        .bind(event.data.as_str())
        .bind(event.happened_at)
        .fetch_one(tx.conn())
        .await?;
        let sequence = db::RowExt::int(&sequence, "sequence")?;
        sqlx::query(
            "INSERT INTO deliveries (webhook_id, sequence, ordering_key, attempts, next_at) \
             SELECT id, $1, $2, 0, $3 FROM webhooks WHERE active = 1",
        )
        .bind(sequence)
        .bind(event.ordering_key.as_str())
        .bind(event.happened_at)
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}
