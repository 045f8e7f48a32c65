//! The event and the audit row of each act. What `audit verify` compares with the table is in the rows' details (`audit/replay.rs`).

use policy::{Actor, Directory, PrincipalId};
use serde_json::{Value, json};

use super::Record;
use crate::audit;
use crate::db::Tx;
use crate::error::Result;
use crate::outbox::{self, NewEvent};

/// By whom, among whom, and when.
pub(super) struct Told<'a> {
    pub(super) actor: Actor,
    pub(super) directory: &'a Directory,
    /// In milliseconds since the epoch.
    pub(super) now: i64,
}

pub(super) async fn asked(tx: &mut Tx, made: &Record, told: &Told<'_>) -> Result<()> {
    let detail = json!({
        "id": made.id, "repository": made.repository, "digest": made.digest, "policy": made.policy, "gate": made.gate,
        "lasts_milliseconds": made.lasts_milliseconds, "reason": made.reason, "asked_by": made.asked_by, "until_at": made.until_at,
    });
    tell(tx, made, told, "break-glass.asked", json!({})).await?;
    account(tx, made, told, "break-glass.ask", detail).await
}

pub(super) async fn confirmed(tx: &mut Tx, confirmed: &Record, told: &Told<'_>) -> Result<()> {
    let detail = json!({
        "id": confirmed.id, "policy": confirmed.policy, "gate": confirmed.gate, "confirmed_by": confirmed.confirmed_by,
        "confirmed_at": confirmed.confirmed_at, "until_at": confirmed.until_at,
    });
    tell(tx, confirmed, told, "break-glass.confirmed", json!({})).await?;
    account(tx, confirmed, told, "break-glass.confirm", detail).await
}

pub(super) async fn ended(tx: &mut Tx, record: &Record, told: &Told<'_>) -> Result<()> {
    let Some(ended) = &record.ended else {
        return Ok(());
    };
    let detail = json!({
        "id": record.id, "policy": record.policy, "gate": record.gate, "ended_at": ended.at, "ended_by": ended.by,
        "ended_how": ended.how.as_str(),
    });
    let more = json!({
        "end": ended.how.as_str(), "endedAt": ended.at, "endedBy": ended.by.map(|id| who(told.directory, id)),
    });
    tell(tx, record, told, "break-glass.ended", more).await?;
    account(tx, record, told, "break-glass.end", detail).await
}

async fn tell(
    tx: &mut Tx,
    record: &Record,
    told: &Told<'_>,
    kind: &'static str,
    more: Value,
) -> Result<()> {
    let mut data = json!({
        "breakGlass": record.id, "policy": record.policy, "gate": record.gate, "reason": record.reason,
        "askedBy": who(told.directory, record.asked_by), "forSeconds": record.lasts_milliseconds / 1_000,
        "confirmedBy": record.confirmed_by.map(|id| who(told.directory, id)), "untilAt": record.until_at,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    let event = NewEvent::of_image(kind, &record.repository, &record.digest, data);
    outbox::emit(tx, event, told.now).await
}

async fn account(
    tx: &mut Tx,
    record: &Record,
    told: &Told<'_>,
    act: &'static str,
    detail: Value,
) -> Result<()> {
    let object = format!("{}@{}", record.repository, record.digest);
    audit::record(tx, &told.actor, act, &object, detail, told.now).await
}

/// Somebody, as events name people.
fn who(directory: &Directory, id: PrincipalId) -> Value {
    match directory.principal(id) {
        Some(principal) => json!({"id": id, "kind": principal.kind, "name": principal.name}),
        None => json!({"id": id}),
    }
}
