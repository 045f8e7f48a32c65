//! Teams and their members. Whoever is in a team that a policy names can open a gate, and whoever is in one with a role over
//! the server can run it: each of the two asks for its own permit, so that neither role gives itself the other.

use policy::verb::{ManageAccounts, ManageTeams};
use policy::{Actor, Permit, PrincipalId};
use serde_json::json;

use super::{check_name, directory_changed};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit, permit, policies};

/// What the caller may do with teams: at least one of the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct TeamPermits<'a> {
    /// For teams that no policy names, and those with a role over the server.
    pub accounts: Option<&'a Permit<ManageAccounts>>,
    /// For teams that a policy names.
    pub teams: Option<&'a Permit<ManageTeams>>,
}

/// A team as it is kept; its members are in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRecord {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
}

/// Every team, by name.
pub async fn teams(store: &Store) -> Result<Vec<TeamRecord>> {
    let rows = sqlx::query("SELECT name, created_at FROM teams ORDER BY name")
        .fetch_all(store.db().read())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TeamRecord {
                name: row.text("name")?,
                created_at: row.int("created_at")?,
            })
        })
        .collect()
}

/// Makes a team without members.
pub async fn create_team(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    name: &str,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    check_name("team", name)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, false, now).await?;
        let made = sqlx::query(
            "INSERT INTO teams (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(now)
        .execute(tx.conn())
        .await?
        .rows_affected();
        if made == 0 {
            return Err(Error::Conflict {
                kind: "team",
                name: name.to_owned(),
                why: "exists already",
            });
        }
        audit::record(tx, &actor, "team.create", name, json!({"name": name}), now).await
    })
}

/// Removes a team with its memberships and grants, each of which is an act of its own. One that a policy names stays: whoever
/// made a team of that name again would choose who signs, or who is held.
pub async fn delete_team(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    name: &str,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let id = team_id(tx, name).await?;
        let (_, policies) = policies::current_in(store, tx.conn()).await?;
        if policy::lint::names_team(&policies, name) {
            return Err(Error::Conflict {
                kind: "team",
                name: name.to_owned(),
                why: "is named by a policy: apply the policy without it first",
            });
        }
        clear(tx, id, name, &actor, now).await?;
        sqlx::query("DELETE FROM teams WHERE id = $1")
            .bind(id)
            .execute(tx.conn())
            .await?;
        super::principals::require_admin(tx).await?;
        audit::record(tx, &actor, "team.delete", name, json!({"name": name}), now).await
    })
}

/// Takes everybody out of a team, and every grant away from it.
async fn clear(tx: &mut Tx, id: i64, team: &str, actor: &Actor, now: i64) -> Result<()> {
    let members = removed(
        tx,
        "DELETE FROM team_members WHERE team_id = $1 RETURNING principal_id AS removed",
        id,
    );
    for principal in members.await? {
        let detail = json!({"team": team, "principal": principal});
        audit::record(tx, actor, "team.remove-member", team, detail, now).await?;
    }
    let grants = removed(
        tx,
        "DELETE FROM grants WHERE team_id = $1 RETURNING id AS removed",
        id,
    );
    for grant in grants.await? {
        let (object, detail) = (grant.to_string(), json!({"id": grant}));
        audit::record(tx, actor, "grant.remove", &object, detail, now).await?;
    }
    Ok(())
}

/// The numbers that a deletion answers, in order.
async fn removed(tx: &mut Tx, text: &'static str, id: i64) -> Result<Vec<i64>> {
    let rows = sqlx::query(text).bind(id).fetch_all(tx.conn()).await?;
    let mut numbers = rows
        .iter()
        .map(|row| row.int("removed"))
        .collect::<Result<Vec<_>>>()?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// Puts a principal into a team; one who is in it already stays.
pub async fn add_member(
    store: &Store,
    permits: &TeamPermits<'_>,
    team: &str,
    principal: PrincipalId,
    now: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| {
        let (id, actor) = changing(tx, store, permits, team, now).await?;
        sqlx::query("SELECT id FROM principals WHERE id = $1")
            .bind(principal.0)
            .fetch_optional(tx.conn())
            .await?
            .ok_or_else(|| Error::not_found("principal", principal))?;
        let added = sqlx::query(
                "INSERT INTO team_members (team_id, principal_id, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(id)
            .bind(principal.0)
            .bind(now)
            .execute(tx.conn())
            .await?
            .rows_affected();
        if added == 0 {
            return Ok(());
        }
        audit::record(
            tx,
            &actor,
            "team.add-member",
            team,
            json!({"team": team, "principal": principal}),
            now,
        )
        .await
    })
}

/// Takes a principal out of a team.
pub async fn remove_member(
    store: &Store,
    permits: &TeamPermits<'_>,
    team: &str,
    principal: PrincipalId,
    now: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| {
        let (id, actor) = changing(tx, store, permits, team, now).await?;
        let removed =
            sqlx::query("DELETE FROM team_members WHERE team_id = $1 AND principal_id = $2")
                .bind(id)
                .bind(principal.0)
                .execute(tx.conn())
                .await?
                .rows_affected();
        if removed == 0 {
            return Err(Error::not_found("member", format!("{principal} of {team}")));
        }
        super::principals::require_admin(tx).await?;
        let detail = json!({"team": team, "principal": principal});
        audit::record(tx, &actor, "team.remove-member", team, detail, now).await
    })
}

/// The row of a team whose members are about to change, and who changes them.
async fn changing(
    tx: &mut Tx,
    store: &Store,
    permits: &TeamPermits<'_>,
    team: &str,
    now: i64,
) -> Result<(i64, Actor)> {
    directory_changed(tx, true, now).await?;
    let id = team_id(tx, team).await?;
    let (_, policies) = policies::current_in(store, tx.conn()).await?;
    let named = policy::lint::names_team(&policies, team);
    Ok((id, permits.actor(tx, id, team, named, now).await?))
}

/// The row of a team.
pub(super) async fn team_id(tx: &mut Tx, name: &str) -> Result<i64> {
    let row = sqlx::query("SELECT id FROM teams WHERE name = $1")
        .bind(name)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("team", name))?;
    row.int("id")
}

impl TeamPermits<'_> {
    /// Who acts, if every permit is there that this team asks for.
    async fn actor(
        &self,
        tx: &mut Tx,
        id: i64,
        team: &str,
        named: bool,
        now: i64,
    ) -> Result<Actor> {
        let refused = |why: String| Error::Refused {
            what: "changing the team",
            why,
        };
        let accounts = self
            .accounts
            .map(|permit| permit::actor(permit, now))
            .transpose()?;
        let teams = self
            .teams
            .map(|permit| permit::actor(permit, now))
            .transpose()?;
        if named && teams.is_none() {
            return Err(refused(format!(
                "a policy names `{team}`: ask someone with the role `security`"
            )));
        }
        if accounts.is_none() && (!named || rules_the_server(tx, id).await?) {
            return Err(refused(format!(
                "`{team}` is for someone with the role `admin` to change"
            )));
        }
        teams
            .or(accounts)
            .ok_or_else(|| refused("nobody was named who may".to_owned()))
    }
}

/// Whether the team has a role that is more than work in repositories.
async fn rules_the_server(tx: &mut Tx, id: i64) -> Result<bool> {
    let row = sqlx::query("SELECT id FROM grants WHERE team_id = $1 AND role IN ('admin', 'auditor', 'security') LIMIT 1")
        .bind(id)
        .fetch_optional(tx.conn())
        .await?;
    Ok(row.is_some())
}
