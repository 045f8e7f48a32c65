//! Personal and robot tokens, as hashes. The secrets are made, shown once and hashed in `identity`; sessions of docker's
//! token protocol are signed, not kept. A token never allows more than its ceiling, nor more than its principal's roles.

use policy::{Actor, Ceiling, PrincipalId};
use serde_json::json;

use crate::accounts::By;
use crate::db::{RowExt, Value, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit};

/// The longest name of a token, in characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// A token to be kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is.
    pub principal: PrincipalId,
    /// What its owner calls it.
    pub name: String,
    /// The SHA-256 of the secret, in lower-case hexadecimal.
    pub hash: String,
    /// What it allows at most.
    pub ceiling: Ceiling,
    /// The first instant at which it is no longer taken, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// A token as its owner may see it; never the secret, nor its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub principal: PrincipalId,
    /// What its owner calls it.
    pub name: String,
    /// What it allows at most.
    pub ceiling: Ceiling,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// The first instant at which it is no longer taken, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// When it was revoked, in milliseconds since the epoch.
    pub revoked_at: Option<i64>,
}

/// Keeps a token and answers its number.
pub async fn create(store: &Store, by: &By<'_>, new: &NewToken, now: i64) -> Result<i64> {
    check(new, now)?;
    let ceiling = json!(new.ceiling).to_string();
    write_tx!(store.db(), |tx| {
        let actor = by.actor(tx.conn(), new.principal, now).await?;
        let row = sqlx::query(
            "INSERT INTO tokens (principal_id, name, hash, ceiling, created_at, expires_at) \
                 SELECT id, $2, $3, $4, $5, $6 FROM principals WHERE id = $1 AND active = 1 \
                 ON CONFLICT (hash) DO NOTHING RETURNING id",
        )
        .bind(new.principal.0)
        .bind(new.name.as_str())
        .bind(new.hash.as_str())
        .bind(ceiling.as_str())
        .bind(now)
        .bind(new.expires_at)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::Conflict {
            kind: "token",
            name: new.name.clone(),
            why: "cannot be made: the account is closed or the secret is taken",
        })?;
        let id = row.int("id")?;
        let detail = json!({"id": id, "principal": new.principal, "name": new.name});
        audit::record(tx, &actor, "token.create", &id.to_string(), detail, now).await?;
        Ok(id)
    })
}

/// Revokes a token, at once and for ever; one that is revoked already stays so.
pub async fn revoke(store: &Store, by: &By<'_>, id: i64, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        let row = sqlx::query("SELECT principal_id, revoked_at FROM tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(tx.conn())
            .await?
            .ok_or_else(|| Error::not_found("token", id))?;
        let actor = by
            .actor(tx.conn(), PrincipalId(row.int("principal_id")?), now)
            .await?;
        if row.opt_int("revoked_at")?.is_some() {
            return Ok(());
        }
        sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE id = $1")
            .bind(id)
            .bind(now)
            .execute(tx.conn())
            .await?;
        audit::record(
            tx,
            &actor,
            "token.revoke",
            &id.to_string(),
            json!({"id": id}),
            now,
        )
        .await
    })
}

/// The tokens of a principal, in the order in which they were made.
pub async fn list(
    store: &Store,
    by: &By<'_>,
    principal: PrincipalId,
    now: i64,
) -> Result<Vec<TokenRecord>> {
    let mut conn = store.db().read().acquire().await?;
    by.actor(&mut conn, principal, now).await?;
    let rows = sqlx::query(
        "SELECT id, principal_id, name, ceiling, created_at, expires_at, revoked_at FROM tokens \
         WHERE principal_id = $1 ORDER BY id",
    )
    .bind(principal.0)
    .fetch_all(&mut *conn)
    .await?;
    rows.iter().map(record).collect()
}

/// Notes that somebody was given a refresh token, by a password or by the token of this number. It is not kept: what it
/// says is sealed in it, and it ends with the credential that it was given for.
pub async fn refresh_given(
    store: &Store,
    principal: PrincipalId,
    token: Option<i64>,
    now: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| {
        let detail = json!({"principal": principal, "token": token});
        let actor = Actor::Principal(principal);
        let object = principal.to_string();
        audit::record(tx, &actor, "token.refresh", &object, detail, now).await
    })
}

/// The token with this hash, if it is taken at `now`: not revoked, not expired, and its principal not closed.
pub async fn token_by_hash(store: &Store, hash: &str, now: i64) -> Result<Option<TokenRecord>> {
    let values = [Value::Text(hash), Value::Int(now)];
    let db = store.db();
    db.point(TAKEN_BY_HASH, &values, |row| record(row)).await
}

/// The token of this number, if it is taken at `now`.
pub async fn token_by_id(store: &Store, id: i64, now: i64) -> Result<Option<TokenRecord>> {
    let values = [Value::Int(id), Value::Int(now)];
    let db = store.db();
    db.point(TAKEN_BY_ID, &values, |row| record(row)).await
}

macro_rules! taken {
    ($by:literal) => {
        concat!(
            "SELECT t.id, t.principal_id, t.name, t.ceiling, t.created_at, t.expires_at, t.revoked_at \
             FROM tokens t JOIN principals p ON p.id = t.principal_id LEFT JOIN principals o ON o.id = p.owner_id \
             WHERE ",
            $by,
            " AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) \
             AND p.active = 1 AND COALESCE(o.active, 1) = 1"
        )
    };
}

const TAKEN_BY_HASH: &str = taken!("t.hash = $1");
const TAKEN_BY_ID: &str = taken!("t.id = $1");

fn record(row: &impl RowExt) -> Result<TokenRecord> {
    Ok(TokenRecord {
        id: row.int("id")?,
        principal: PrincipalId(row.int("principal_id")?),
        name: row.text("name")?,
        ceiling: row.json("ceiling")?,
        created_at: row.int("created_at")?,
        expires_at: row.opt_int("expires_at")?,
        revoked_at: row.opt_int("revoked_at")?,
    })
}

fn check(new: &NewToken, now: i64) -> Result<()> {
    let invalid = |why: &str| Error::Invalid {
        what: "token",
        value: new.name.chars().take(NAME_CHARACTERS_MAX).collect(),
        why: why.to_owned(),
    };
    if new.name.is_empty()
        || new.name.chars().count() > NAME_CHARACTERS_MAX
        || new.name.chars().any(char::is_control)
    {
        return Err(invalid(
            "give it a name of at most 128 printable characters",
        ));
    }
    // A hash of another form could be the secret itself.
    if new.hash.len() != 64
        || !new
            .hash
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(invalid(
            "its hash must be a SHA-256 in lower-case hexadecimal",
        ));
    }
    if new.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(invalid("it would have expired already: choose a later end"));
    }
    Ok(())
}
