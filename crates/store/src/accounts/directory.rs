//! The directory: every account, team, grant and key in one value, read in one snapshot and kept while its revision stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::{Directory, Grant, Grantee, Kind, Principal, PrincipalId, SigningKey};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Store;
use crate::db::{RowExt, revision};
use crate::error::{Error, Result};
use crate::snapshot;

/// The counter that every change of the directory raises.
pub(crate) const REVISION: &str = "directory";

/// The directory as it is now. Costs one query while nothing changes.
pub async fn directory(store: &Store) -> Result<Arc<Directory>> {
    let at = revision(store.db(), REVISION).await?;
    if let Some(kept) = store.caches().directory.at(at) {
        return Ok(kept);
    }
    let mut snapshot = snapshot::begin(store.db()).await?;
    let (at, directory) = directory_in(store, &mut snapshot).await?;
    snapshot.commit().await?;
    store.caches().directory.keep(at, &directory);
    Ok(directory)
}

/// The directory that the connection sees, with its revision. It is not kept here: a transaction may see its own changes,
/// and may be undone.
pub(crate) async fn directory_in(
    store: &Store,
    conn: &mut AnyConnection,
) -> Result<(i64, Arc<Directory>)> {
    let at = snapshot::revision(conn, REVISION).await?;
    if let Some(kept) = store.caches().directory.at(at) {
        return Ok((at, kept));
    }
    let directory = Directory {
        principals: principals(conn).await?,
        teams: teams(conn).await?,
        grants: grants(conn).await?,
        keys: keys(conn).await?,
    };
    Ok((at, Arc::new(directory)))
}

/// The person who owns a robot.
pub(crate) async fn owner_of(
    conn: &mut AnyConnection,
    id: PrincipalId,
) -> Result<Option<PrincipalId>> {
    let row = sqlx::query("SELECT owner_id FROM principals WHERE id = $1")
        .bind(id.0)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| Error::not_found("principal", id))?;
    Ok(row.opt_int("owner_id")?.map(PrincipalId))
}

/// Reads a kind; a column that holds another word is corrupt.
pub(super) fn kind_of(row: &AnyRow) -> Result<Kind> {
    let text = row.text("kind")?;
    [Kind::Person, Kind::Robot]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| Error::Corrupt {
            what: "principals.kind".to_owned(),
            why: format!("`{text}` is not a kind"),
        })
}

/// Reads whom a grant is for.
pub(super) fn grantee_of(row: &AnyRow) -> Result<Grantee> {
    let corrupt = |why: &str| Error::Corrupt {
        what: "grants".to_owned(),
        why: why.to_owned(),
    };
    match row.text("grantee_kind")?.as_str() {
        "principal" => {
            let id = row
                .opt_int("principal_id")?
                .ok_or_else(|| corrupt("a grant names no principal"))?;
            Ok(Grantee::Principal(PrincipalId(id)))
        }
        "team" => Ok(Grantee::Team(
            row.opt_text("team")?
                .ok_or_else(|| corrupt("a grant names no team"))?,
        )),
        "anonymous" => Ok(Grantee::Anonymous),
        other => Err(corrupt(&format!("`{other}` cannot receive a grant"))),
    }
}

async fn principals(conn: &mut AnyConnection) -> Result<BTreeMap<PrincipalId, Principal>> {
    let rows = sqlx::query("SELECT id, kind, name, owner_id, active FROM principals")
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let id = PrincipalId(row.int("id")?);
            let owner = row.opt_int("owner_id")?.map(PrincipalId);
            Ok((
                id,
                Principal {
                    id,
                    kind: kind_of(row)?,
                    name: row.text("name")?,
                    owner,
                    active: row.flag("active")?,
                },
            ))
        })
        .collect()
}

async fn teams(conn: &mut AnyConnection) -> Result<BTreeMap<String, BTreeSet<PrincipalId>>> {
    let rows = sqlx::query(
        "SELECT t.name, m.principal_id FROM teams t LEFT JOIN team_members m ON m.team_id = t.id",
    )
    .fetch_all(conn)
    .await?;
    let mut teams: BTreeMap<String, BTreeSet<PrincipalId>> = BTreeMap::new();
    for row in &rows {
        let members = teams.entry(row.text("name")?).or_default();
        members.extend(row.opt_int("principal_id")?.map(PrincipalId));
    }
    Ok(teams)
}

async fn grants(conn: &mut AnyConnection) -> Result<Vec<Grant>> {
    let rows = sqlx::query(
        "SELECT g.grantee_kind, g.principal_id, t.name AS team, g.role, g.pattern \
         FROM grants g LEFT JOIN teams t ON t.id = g.team_id ORDER BY g.id",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Grant {
                to: grantee_of(row)?,
                role: row.parsed("role")?,
                pattern: row.parsed("pattern")?,
            })
        })
        .collect()
}

async fn keys(conn: &mut AnyConnection) -> Result<BTreeMap<trust::KeyId, SigningKey>> {
    let rows = sqlx::query(
        "SELECT key_id, principal_id, scope, revoked_at, revoked_from FROM signing_keys",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let key_id: trust::KeyId = row.parsed("key_id")?;
            let key = SigningKey {
                key_id: key_id.clone(),
                principal: PrincipalId(row.int("principal_id")?),
                scope: row.json("scope")?,
                revoked_at: row.opt_int("revoked_at")?,
                revoked_from: row.opt_int("revoked_from")?,
            };
            Ok((key_id, key))
        })
        .collect()
}
