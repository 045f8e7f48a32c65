//! People and robots: made, closed and opened again, never deleted. A password is kept only as the hash that `identity`
//! made of it.

use policy::verb::ManageAccounts;
use policy::{Kind, Pattern, Permit, PrincipalId, Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::any::AnyRow;

use super::directory::kind_of;
use super::grants::insert_grant;
use super::{By, NewGrant, check_name, directory_changed};
use crate::db::{RowExt, Tx, flag, write_tx};
use crate::error::{Error, Result};
use crate::permit::{self, System};
use crate::{Store, audit};

/// A person or robot to be made.
#[derive(Debug, Clone)]
pub struct NewPrincipal {
    /// Person or robot.
    pub kind: Kind,
    /// The name; unique among all principals.
    pub name: String,
    /// The person who answers for a robot; `None` for a person.
    pub owner: Option<PrincipalId>,
    /// The hash of the password; robots have none.
    pub password_hash: Option<SecretString>,
}

/// A person or robot as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalRecord {
    /// The account.
    pub principal: policy::Principal,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
}

/// What a log-in with a password is checked against.
#[derive(Debug, Clone)]
pub struct Login {
    /// Whose account it is.
    pub id: PrincipalId,
    /// Person or robot.
    pub kind: Kind,
    /// False once the account is closed.
    pub active: bool,
    /// The hash; `None` when the account has no password.
    pub password_hash: Option<SecretString>,
}

/// Makes a person or robot. A robot's owner must be an active person.
pub async fn create_principal(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    new: &NewPrincipal,
    now: i64,
) -> Result<PrincipalId> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, false, now).await?;
        insert_principal(tx, new, &actor, now).await
    })
}

/// Whether there is anybody.
pub async fn any(store: &Store) -> Result<bool> {
    let anybody = store
        .db()
        .point("SELECT id FROM principals LIMIT 1", &[], |row| {
            row.int("id")
        })
        .await?;
    Ok(anybody.is_some())
}

/// Makes the first person of an empty server and gives them every role everywhere; `None` when there is anybody already.
pub async fn bootstrap(
    store: &Store,
    system: System,
    name: &str,
    password_hash: &SecretString,
    now: i64,
) -> Result<Option<PrincipalId>> {
    let new = NewPrincipal {
        kind: Kind::Person,
        name: name.to_owned(),
        owner: None,
        password_hash: Some(password_hash.clone()),
    };
    write_tx!(store.db(), |tx| {
        // The counter is a lock: of two processes that start at once, one finds the other's account.
        directory_changed(tx, false, now).await?;
        let anybody = sqlx::query("SELECT id FROM principals LIMIT 1")
            .fetch_optional(tx.conn())
            .await?;
        if anybody.is_some() {
            return Ok(None);
        }
        let id = insert_principal(tx, &new, &system.actor(), now).await?;
        for role in Role::ALL {
            let grant = NewGrant {
                to: policy::Grantee::Principal(id),
                role: *role,
                pattern: Pattern::everything(),
            };
            insert_grant(tx, &grant, &system.actor(), now).await?;
        }
        Ok(Some(id))
    })
}

/// Closes an account or opens it again. The last active admin cannot be closed.
pub async fn set_principal_active(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    id: PrincipalId,
    active: bool,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let changed = sqlx::query("UPDATE principals SET active = $2 WHERE id = $1")
            .bind(id.0)
            .bind(flag(active))
            .execute(tx.conn())
            .await?
            .rows_affected();
        if changed == 0 {
            return Err(Error::not_found("principal", id));
        }
        require_admin(tx).await?;
        audit::record(
            tx,
            &actor,
            "principal.set-active",
            &id.to_string(),
            json!({"id": id, "active": active}),
            now,
        )
        .await
    })
}

/// Sets the password of a person to one with this hash, or takes it away.
pub async fn set_password(
    store: &Store,
    by: &By<'_>,
    id: PrincipalId,
    hash: Option<&SecretString>,
    now: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| {
        let actor = by.actor(tx.conn(), id, now).await?;
        if kind(tx, id).await? == Kind::Robot && hash.is_some() {
            return Err(robot_with_password(&id.to_string()));
        }
        sqlx::query("UPDATE principals SET password_hash = $2 WHERE id = $1")
            .bind(id.0)
            .bind(hash.map(ExposeSecret::expose_secret))
            .execute(tx.conn())
            .await?;
        audit::record(
            tx,
            &actor,
            "principal.set-password",
            &id.to_string(),
            json!({"id": id}),
            now,
        )
        .await
    })
}

/// What a log-in under this name is checked against; `None` when nobody has the name. A robot of a closed owner is closed.
pub async fn principal_password(store: &Store, name: &str) -> Result<Option<Login>> {
    let row = sqlx::query(LOGIN_BY_NAME)
        .bind(name)
        .fetch_optional(store.db().read())
        .await?;
    row.as_ref().map(login).transpose()
}

/// The same for the account of this number.
pub async fn password_of(store: &Store, id: PrincipalId) -> Result<Option<Login>> {
    let row = sqlx::query(LOGIN_BY_ID)
        .bind(id.0)
        .fetch_optional(store.db().read())
        .await?;
    row.as_ref().map(login).transpose()
}

macro_rules! login_by {
    ($by:literal) => {
        concat!(
            "SELECT p.id, p.kind, p.password_hash, \
             CASE WHEN p.active = 1 AND COALESCE(o.active, 1) = 1 THEN 1 ELSE 0 END AS active \
             FROM principals p LEFT JOIN principals o ON o.id = p.owner_id WHERE ",
            $by
        )
    };
}

const LOGIN_BY_NAME: &str = login_by!("p.name = $1");
const LOGIN_BY_ID: &str = login_by!("p.id = $1");

fn login(row: &AnyRow) -> Result<Login> {
    Ok(Login {
        id: PrincipalId(row.int("id")?),
        kind: kind_of(row)?,
        active: row.flag("active")?,
        password_hash: row.opt_text("password_hash")?.map(SecretString::from),
    })
}

/// Every account, in the order of names.
pub async fn principals(
    store: &Store,
    permit: &Permit<ManageAccounts>,
    now: i64,
) -> Result<Vec<PrincipalRecord>> {
    permit::actor(permit, now)?;
    let rows = sqlx::query(
        "SELECT id, kind, name, owner_id, active, created_at FROM principals ORDER BY name",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// One account. Whether the caller may see it is decided before.
pub async fn principal(store: &Store, id: PrincipalId) -> Result<Option<PrincipalRecord>> {
    let row = sqlx::query(
        "SELECT id, kind, name, owner_id, active, created_at FROM principals WHERE id = $1",
    )
    .bind(id.0)
    .fetch_optional(store.db().read())
    .await?;
    row.as_ref().map(record).transpose()
}

fn record(row: &AnyRow) -> Result<PrincipalRecord> {
    let principal = policy::Principal {
        id: PrincipalId(row.int("id")?),
        kind: kind_of(row)?,
        name: row.text("name")?,
        owner: row.opt_int("owner_id")?.map(PrincipalId),
        active: row.flag("active")?,
    };
    Ok(PrincipalRecord {
        principal,
        created_at: row.int("created_at")?,
    })
}

async fn insert_principal(
    tx: &mut Tx,
    new: &NewPrincipal,
    actor: &policy::Actor,
    now: i64,
) -> Result<PrincipalId> {
    check_name(new.kind.as_str(), &new.name)?;
    check_owner(tx, new).await?;
    let row = sqlx::query(
        "INSERT INTO principals (kind, name, owner_id, password_hash, active, created_at) VALUES ($1, $2, $3, $4, 1, $5) \
         ON CONFLICT (name) DO NOTHING RETURNING id",
    )
    .bind(new.kind.as_str())
    .bind(new.name.as_str())
    .bind(new.owner.map(|owner| owner.0))
    .bind(new.password_hash.as_ref().map(ExposeSecret::expose_secret))
    .bind(now)
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| Error::Conflict {
        kind: "principal",
        name: new.name.clone(),
        why: "exists already, perhaps as a closed account: choose another name",
    })?;
    let id = PrincipalId(row.int("id")?);
    let detail = json!({"id": id, "kind": new.kind, "name": new.name, "owner": new.owner});
    audit::record(tx, actor, "principal.create", &new.name, detail, now).await?;
    Ok(id)
}

async fn check_owner(tx: &mut Tx, new: &NewPrincipal) -> Result<()> {
    let invalid = |why: &str| Error::Invalid {
        what: "owner of",
        value: new.name.clone(),
        why: why.to_owned(),
    };
    match (new.kind, new.owner) {
        (Kind::Person, None) => Ok(()),
        (Kind::Person, Some(_)) => Err(invalid("a person has no owner: leave it out")),
        (Kind::Robot, None) => Err(invalid(
            "a robot needs a person who answers for it: name one",
        )),
        (Kind::Robot, Some(_)) if new.password_hash.is_some() => {
            Err(robot_with_password(&new.name))
        }
        (Kind::Robot, Some(owner)) => {
            let row = sqlx::query("SELECT kind, active FROM principals WHERE id = $1")
                .bind(owner.0)
                .fetch_optional(tx.conn())
                .await?
                .ok_or_else(|| Error::not_found("principal", owner))?;
            if kind_of(&row)? != Kind::Person || !row.flag("active")? {
                return Err(invalid("the owner must be a person whose account is open"));
            }
            Ok(())
        }
    }
}

fn robot_with_password(name: &str) -> Error {
    Error::Invalid {
        what: "robot",
        value: name.to_owned(),
        why: "robots log in with tokens, not passwords: create a token".to_owned(),
    }
}

async fn kind(tx: &mut Tx, id: PrincipalId) -> Result<Kind> {
    let row = sqlx::query("SELECT kind FROM principals WHERE id = $1")
        .bind(id.0)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("principal", id))?;
    kind_of(&row)
}

/// Refuses a change that would leave nobody to manage accounts.
pub(super) async fn require_admin(tx: &mut Tx) -> Result<()> {
    let admin = sqlx::query(
        "SELECT g.id FROM grants g \
         LEFT JOIN team_members m ON g.grantee_kind = 'team' AND m.team_id = g.team_id \
         JOIN principals p ON p.id = COALESCE(g.principal_id, m.principal_id) \
         WHERE g.role = 'admin' AND g.pattern = '**' AND p.active = 1 AND p.kind = 'person' LIMIT 1",
    )
    .fetch_optional(tx.conn())
    .await?;
    match admin {
        Some(_) => Ok(()),
        None => Err(Error::Conflict {
            kind: "role",
            name: Role::Admin.to_string(),
            why: "would be left without an active person: give it to someone else first",
        }),
    }
}
