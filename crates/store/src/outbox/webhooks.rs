//! Who is told by a request to a URL, with the secret that signs the deliveries, sealed. It sends nothing.

use policy::Permit;
use policy::verb::ManageWebhooks;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::json;
use sqlx::any::AnyRow;

use crate::accounts::check_name;
use crate::db::{RowExt, flag, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit, keys, permit};

/// The longest URL in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// A receiver of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// Its name, which nobody else has.
    pub name: String,
    /// Where deliveries go.
    pub url: String,
    /// Whether it is told anything.
    pub active: bool,
    /// When it was made (milliseconds since the epoch).
    pub created_at: i64,
}

/// All receivers by name.
pub async fn webhooks(store: &Store) -> Result<Vec<Webhook>> {
    let rows = sqlx::query("SELECT id, name, url, active, created_at FROM webhooks ORDER BY name")
        .fetch_all(store.db().read())
        .await?;
    rows.iter().map(webhook).collect()
}

/// Makes a receiver: it is told everything that happens from now on. The secret is sealed and not shown again.
pub async fn create_webhook(
    store: &Store,
    permit: &Permit<ManageWebhooks>,
    name: &str,
    url: &str,
    secret: &SecretSlice<u8>,
    now: i64,
) -> Result<Webhook> {
    let actor = permit::actor(permit, now)?;
    check_name("webhook", name)?;
    check_url(url)?;
    let sealed = keys::seal(store, &aad(name), secret.expose_secret())?;
    let created = write_tx!(store.db(), |tx| {
        let row = sqlx::query(
                "INSERT INTO webhooks (name, url, sealed_secret, active, created_at) VALUES ($1, $2, $3, 1, $4) \
                 RETURNING id, name, url, active, created_at",
            )
            .bind(name)
            .bind(url)
            .bind(sealed.as_slice())
            .bind(now)
            .fetch_one(tx.conn())
            .await?;
        let created = webhook(&row)?;
        let detail = json!({"id": created.id, "name": name, "url": url});
        audit::record(tx, &actor, "webhook.create", name, detail, now).await?;
        Ok(created)
    });
    created.map_err(|error| match error.is_unique_violation() {
        true => Error::Conflict {
            kind: "webhook",
            name: name.to_owned(),
            why: "exists already: choose another name",
        },
        false => error,
    })
}

/// Stops or resumes telling a receiver. What happens while it is stopped is not told later; what was owed before is.
pub async fn set_webhook_active(
    store: &Store,
    permit: &Permit<ManageWebhooks>,
    name: &str,
    active: bool,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        let changed = sqlx::query("UPDATE webhooks SET active = $2 WHERE name = $1")
            .bind(name)
            .bind(flag(active))
            .execute(tx.conn())
            .await?;
        if changed.rows_affected() == 0 {
            return Err(Error::not_found("webhook", name));
        }
        audit::record(
            tx,
            &actor,
            "webhook.set-active",
            name,
            json!({"name": name, "active": active}),
            now,
        )
        .await
    })
}

/// Removes a receiver with all that it was still owed.
pub async fn delete_webhook(
    store: &Store,
    permit: &Permit<ManageWebhooks>,
    name: &str,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        let row = sqlx::query("SELECT id FROM webhooks WHERE name = $1")
            .bind(name)
            .fetch_optional(tx.conn())
            .await?
            .ok_or_else(|| Error::not_found("webhook", name))?;
        let id = row.int("id")?;
        // Deactivated first: on PostgreSQL this waits for events under way, whose deliveries are then seen below.
        for text in [
            "UPDATE webhooks SET active = 0 WHERE id = $1",
            "DELETE FROM deliveries WHERE webhook_id = $1",
            "DELETE FROM webhooks WHERE id = $1",
        ] {
            sqlx::query(text).bind(id).execute(tx.conn()).await?;
        }
        audit::record(
            tx,
            &actor,
            "webhook.delete",
            name,
            json!({"id": id, "name": name}),
            now,
        )
        .await
    })
}

/// Opens a receiver's secret.
pub(super) fn secret(store: &Store, name: &str, sealed: &[u8]) -> Result<SecretSlice<u8>> {
    Ok(keys::open(store, &aad(name), sealed)?.into())
}

fn aad(name: &str) -> String {
    format!("countersign webhook\n{name}")
}

fn webhook(row: &AnyRow) -> Result<Webhook> {
    Ok(Webhook {
        id: row.int("id")?,
        name: row.text("name")?,
        url: row.text("url")?,
        active: row.flag("active")?,
        created_at: row.int("created_at")?,
    })
}

fn check_url(url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let has_host =
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']));
    if has_host && url.len() <= URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::Invalid {
        what: "url",
        value: url.chars().take(100).collect(),
        why: format!(
            "give one that begins with `https://` or `http://`, of at most {URL_BYTES_MAX} bytes"
        ),
    })
}
