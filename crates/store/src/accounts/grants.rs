//! Grants: who has which role on which repositories. What a role allows is `policy`'s matrix.

use policy::verb::ManageAccounts;
use policy::{Actor, Grant, Grantee, Pattern, Permit, PrincipalId, Role};
use serde_json::json;

use super::directory::grantee_of;
use super::directory_changed;
use super::principals::require_admin;
use super::teams::team_id;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit, permit};

/// A grant to be given.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Who receives it.
    pub to: Grantee,
    /// The role.
    pub role: Role,
    /// On which repositories.
    pub pattern: Pattern,
}

/// A grant as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Its number.
    pub id: i64,
    /// Who has which role where.
    pub grant: Grant,
    /// When it was given, in milliseconds since the epoch.
    pub created_at: i64,
}

/// Gives a grant and answers its number; one that is there already keeps its number.
pub async fn add_grant(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    new: &NewGrant,
    now: i64,
) -> Result<i64> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, false, now).await?;
        insert_grant(tx, new, &actor, now).await
    })
}

/// Takes a grant back. The last active admin keeps theirs.
pub async fn remove_grant(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    id: i64,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, false, now).await?;
        let removed = sqlx::query("DELETE FROM grants WHERE id = $1")
            .bind(id)
            .execute(tx.conn())
            .await?
            .rows_affected();
        if removed == 0 {
            return Err(Error::not_found("grant", id));
        }
        require_admin(tx).await?;
        audit::record(
            tx,
            &actor,
            "grant.remove",
            &id.to_string(),
            json!({"id": id}),
            now,
        )
        .await
    })
}

/// Every grant, in the order in which they were given.
pub async fn grants(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    now: i64,
) -> Result<Vec<GrantRecord>> {
    permit::actor(permit, now)?;
    let rows = sqlx::query(
        "SELECT g.id, g.grantee_kind, g.principal_id, t.name AS team, g.role, g.pattern, g.created_at \
         FROM grants g LEFT JOIN teams t ON t.id = g.team_id ORDER BY g.id",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            let grant = Grant {
                to: grantee_of(row)?,
                role: row.parsed("role")?,
                pattern: row.parsed("pattern")?,
            };
            Ok(GrantRecord {
                id: row.int("id")?,
                grant,
                created_at: row.int("created_at")?,
            })
        })
        .collect()
}

/// Writes a grant with its audit row, unless the same is there.
pub(super) async fn insert_grant(
    tx: &mut Tx,
    new: &NewGrant,
    actor: &Actor,
    now: i64,
) -> Result<i64> {
    let to = Columns::of(tx, &new.to).await?;
    if let Some(id) = existing(tx, new, &to).await? {
        return Ok(id);
    }
    let row = sqlx::query(
        "INSERT INTO grants (grantee_kind, principal_id, team_id, role, pattern, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(to.kind)
    .bind(to.principal.map(|id| id.0))
    .bind(to.team)
    .bind(new.role.as_str())
    .bind(new.pattern.as_str())
    .bind(now)
    .fetch_one(tx.conn())
    .await?;
    let id = row.int("id")?;
    let detail = json!({
        "id": id, "kind": to.kind, "principal": to.principal, "team": to.team_name,
        "role": new.role.as_str(), "pattern": new.pattern.as_str(),
    });
    audit::record(tx, actor, "grant.add", &id.to_string(), detail, now).await?;
    Ok(id)
}

async fn existing(tx: &mut Tx, new: &NewGrant, to: &Columns) -> Result<Option<i64>> {
    let row = sqlx::query(
        "SELECT id FROM grants WHERE grantee_kind = $1 AND COALESCE(principal_id, 0) = $2 AND COALESCE(team_id, 0) = $3 \
         AND role = $4 AND pattern = $5",
    )
    .bind(to.kind)
    .bind(to.principal.map_or(0, |id| id.0))
    .bind(to.team.unwrap_or(0))
    .bind(new.role.as_str())
    .bind(new.pattern.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| row.int("id")).transpose()
}

/// Whom a grant is for, as columns.
struct Columns {
    kind: &'static str,
    principal: Option<PrincipalId>,
    team: Option<i64>,
    team_name: Option<String>,
}

impl Columns {
    async fn of(tx: &mut Tx, to: &Grantee) -> Result<Columns> {
        Ok(match to {
            Grantee::Anonymous => Columns {
                kind: "anonymous",
                principal: None,
                team: None,
                team_name: None,
            },
            Grantee::Team(name) => {
                let team = team_id(tx, name).await?;
                Columns {
                    kind: "team",
                    principal: None,
                    team: Some(team),
                    team_name: Some(name.clone()),
                }
            }
            Grantee::Principal(id) => {
                sqlx::query("SELECT id FROM principals WHERE id = $1")
                    .bind(id.0)
                    .fetch_optional(tx.conn())
                    .await?
                    .ok_or_else(|| Error::not_found("principal", id))?;
                Columns {
                    kind: "principal",
                    principal: Some(*id),
                    team: None,
                    team_name: None,
                }
            }
        })
    }
}
