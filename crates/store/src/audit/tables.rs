//! What the tables say the state is, in the form that is compared with the audit log, and what in them contradicts itself: a
//! policy that is not what its digest names, a public key that is not what its id names.

use oci::Digest;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use trust::RegisteredKey;

use super::state::{self, State};
use super::trust_repositories;
use crate::batch;
use crate::db::RowExt;
use crate::error::Result;

/// How many rows are read at a time.
const PAGE_ROWS: i64 = 5_000;

/// The state as the tables have it.
pub(super) async fn read(conn: &mut AnyConnection) -> Result<State> {
    let mut state = State::new();
    for row in all(
        conn,
        "SELECT id, kind, name, owner_id, active FROM principals",
    )
    .await?
    {
        let value = json!({
            "kind": row.text("kind")?, "name": row.text("name")?, "owner": row.opt_int("owner_id")?,
            "active": row.flag("active")?,
        });
        state.insert(state::principal(row.int("id")?), value);
    }
    let members =
        "SELECT t.name, m.principal_id FROM team_members m LEFT JOIN teams t ON t.id = m.team_id";
    for row in all(conn, members).await? {
        let team = row.opt_text("name")?.unwrap_or_default();
        state.insert(
            state::member(&team, row.int("principal_id")?),
            json!("a member"),
        );
    }
    for row in all(
        conn,
        "SELECT g.id, g.grantee_kind, g.principal_id, t.name AS team, g.role, g.pattern FROM grants g \
         LEFT JOIN teams t ON t.id = g.team_id",
    )
    .await?
    {
        state.insert(state::grant(row.int("id")?), grant(&row)?);
    }
    for row in all(
        conn,
        "SELECT key_id, principal_id, scope, revoked_at, revoked_from, succeeds FROM signing_keys",
    )
    .await?
    {
        let value = json!({
            "principal": row.int("principal_id")?, "scope": lenient(&row.text("scope")?),
            "revoked_at": row.opt_int("revoked_at")?, "revoked_from": row.opt_int("revoked_from")?,
            "succeeds": row.opt_text("succeeds")?,
        });
        state.insert(state::signing_key(&row.text("key_id")?), value);
    }
    for row in all(
        conn,
        "SELECT name, revision, digest FROM policies WHERE current = 1 ORDER BY revision",
    )
    .await?
    {
        let value = json!({"revision": row.int("revision")?, "digest": row.text("digest")?});
        state.insert(state::policy(&row.text("name")?), value);
    }
    for row in all(
        conn,
        "SELECT b.id, r.name AS repository, b.digest, b.policy, b.gate, b.lasts_milliseconds, b.reason, b.asked_by, b.confirmed_by, \
         b.confirmed_at, b.until_at, b.ended_by, b.ended_at, b.ended_how FROM break_glass b \
         LEFT JOIN repositories r ON r.id = b.repository_id",
    )
    .await?
    {
        state.insert(state::break_glass(row.int("id")?), break_glass(&row)?);
    }
    first_pushes(conn, &mut state).await?;
    trust_repositories::read(conn, &mut state).await?;
    Ok(state)
}

/// What in the tables contradicts itself, one line a thing.
pub(super) async fn contradictions(conn: &mut AnyConnection) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for row in all(
        conn,
        "SELECT name, revision, digest, document FROM policies ORDER BY name, revision",
    )
    .await?
    {
        let found = Digest::sha256(row.text("document")?.as_bytes());
        if found.hex() != row.text("digest")? {
            let (name, revision) = (row.text("name")?, row.int("revision")?);
            lines.push(format!("policy `{name}` was changed: the document of revision {revision} is not what its digest names"));
        }
    }
    for row in all(
        conn,
        "SELECT key_id, public_pem FROM signing_keys ORDER BY key_id",
    )
    .await?
    {
        let key_id = row.text("key_id")?;
        let is_it = RegisteredKey::parse(&row.text("public_pem")?)
            .is_ok_and(|key| key.id().as_str() == key_id);
        if !is_it {
            lines.push(format!(
                "signing key `{key_id}` was changed: its public key is another one"
            ));
        }
    }
    for row in all(
        conn,
        "SELECT name, COUNT(*) AS revisions FROM policies WHERE current = 1 GROUP BY name",
    )
    .await?
    {
        if row.int("revisions")? > 1 {
            lines.push(format!(
                "policy `{}` was changed: several revisions are in force",
                row.text("name")?
            ));
        }
    }
    Ok(lines)
}

fn grant(row: &AnyRow) -> Result<Value> {
    Ok(json!({
        "kind": row.text("grantee_kind")?, "principal": row.opt_int("principal_id")?, "team": row.opt_text("team")?,
        "role": row.text("role")?, "pattern": row.text("pattern")?,
    }))
}

fn break_glass(row: &AnyRow) -> Result<Value> {
    Ok(json!({
        "repository": row.opt_text("repository")?, "digest": row.text("digest")?, "policy": row.text("policy")?,
        "gate": row.text("gate")?, "lasts_milliseconds": row.int("lasts_milliseconds")?, "reason": row.text("reason")?,
        "asked_by": row.int("asked_by")?, "until_at": row.int("until_at")?, "confirmed_by": row.opt_int("confirmed_by")?,
        "confirmed_at": row.opt_int("confirmed_at")?, "ended_by": row.opt_int("ended_by")?,
        "ended_at": row.opt_int("ended_at")?, "ended_how": row.opt_text("ended_how")?,
    }))
}

async fn first_pushes(conn: &mut AnyConnection, state: &mut State) -> Result<()> {
    let mut after = String::new();
    loop {
        let rows = sqlx::query("SELECT digest, principal_id FROM first_pushes WHERE digest > $1 ORDER BY digest LIMIT $2")
            .bind(after.as_str())
            .bind(PAGE_ROWS)
            .fetch_all(&mut *conn)
            .await?;
        for row in &rows {
            after = row.text("digest")?;
            state.insert(
                state::first_push(&after),
                json!({"principal": row.opt_int("principal_id")?}),
            );
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// A column that should be JSON and may have been edited into something else.
fn lenient(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

async fn all(conn: &mut AnyConnection, text: &str) -> Result<Vec<AnyRow>> {
    Ok(batch::query(text.to_owned()).fetch_all(conn).await?)
}
