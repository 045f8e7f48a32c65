//! Accounts: principals, teams and grants, and the directory that decisions read them from. Tokens and signing keys are in
//! modules of their own; passwords are hashed and checked in `identity`. DESIGN §2 "principal", §3 "What counts".
//!
//! Principals are never deleted, only deactivated: their number and name stay theirs. Every change raises revision
//! `directory` and writes its audit row in the same transaction.

mod directory;
mod grants;
mod names;
mod principals;
mod teams;

use policy::verb::ManageAccounts;
use policy::{Actor, Permit, PrincipalId};
use serde_json::json;
use sqlx::AnyConnection;

pub use self::directory::directory;
use self::directory::owner_of;
pub(crate) use self::directory::{REVISION, directory_in};
pub use self::grants::{GrantRecord, NewGrant, add_grant, grants, remove_grant};
pub(crate) use self::names::check_name;
pub use self::principals::{
    Login, NewPrincipal, PrincipalRecord, any, bootstrap, create_principal, password_of, principal,
    principal_password, principals, set_password, set_principal_active,
};
pub use self::teams::{
    TeamPermits, TeamRecord, add_member, create_team, delete_team, remove_member, teams,
};
use crate::db::Tx;
use crate::decisions::DECIDE_ALL;
use crate::error::{Error, Result};
use crate::jobs;
use crate::permit::{self, System};

/// By whose right the secrets of an account are changed.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Someone who manages accounts.
    Accounts(&'a Permit<ManageAccounts>),
    /// The principal itself, or a person for a robot of theirs; the caller proved to be this principal.
    Oneself(PrincipalId),
    /// The server, at its first start.
    System(System),
}

impl By<'_> {
    /// Who acts on the account of `principal`, if that is allowed.
    pub(crate) async fn actor(
        &self,
        conn: &mut AnyConnection,
        principal: PrincipalId,
        now: i64,
    ) -> Result<Actor> {
        match self {
            By::Accounts(permit) => permit::actor(permit, now),
            By::System(system) => Ok(system.actor()),
            By::Oneself(own)
                if *own == principal || owner_of(conn, principal).await? == Some(*own) =>
            {
                Ok(Actor::Principal(*own))
            }
            By::Oneself(_) => Err(Error::Refused {
                what: "changing another account",
                why: "it is not yours: ask someone with the role `admin`".to_owned(),
            }),
        }
    }
}

/// Notes that the directory changed; `decisions` when the change may turn one.
pub(crate) async fn directory_changed(tx: &mut Tx, decisions: bool, now: i64) -> Result<()> {
    tx.raise(REVISION).await?;
    if decisions {
        jobs::enqueue(tx, DECIDE_ALL, "all", json!({}), now).await?;
    }
    Ok(())
}
