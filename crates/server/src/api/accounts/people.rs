//! People and robots: made, closed and opened again, never deleted, because what they signed and did stays theirs.

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use axum::Json;
use client::api::accounts::{
    NewRobot, NewUser, PrincipalChange, PrincipalKind, Robot, RoleAt, User, Whoami,
};
use client::api::{Page, Secret};
use policy::verb::ManageAccounts;
use policy::{Directory, Grantee, Kind, Principal, PrincipalId};
use std::collections::BTreeSet;
use store::accounts::{self, By, NewPrincipal, PrincipalRecord};

/// `GET /whoami`
pub(crate) async fn whoami(call: Call) -> Answer<Whoami> {
    let directory = call.asker.directory();
    let principal = call
        .asker
        .caller()
        .who
        .principal()
        .and_then(|id| directory.principal(id));
    Ok(Json(match principal {
        None => Whoami {
            kind: PrincipalKind::Anonymous,
            name: "anonymous".to_owned(),
            teams: Vec::new(),
            roles: roles(directory, |to| *to == Grantee::Anonymous),
        },
        Some(principal) => Whoami {
            kind: kind(principal.kind),
            name: principal.name.clone(),
            teams: directory
                .teams
                .keys()
                .filter(|team| directory.is_member(team, principal.id))
                .cloned()
                .collect(),
            roles: roles(directory, |to| is_for(directory, to, principal.id)),
        },
    }))
}

pub(super) fn kind(kind: Kind) -> PrincipalKind {
    match kind {
        Kind::Person => PrincipalKind::Person,
        Kind::Robot => PrincipalKind::Robot,
    }
}

fn is_for(directory: &Directory, to: &Grantee, id: PrincipalId) -> bool {
    match to {
        Grantee::Principal(to) => *to == id,
        Grantee::Team(team) => directory.is_member(team, id),
        Grantee::Anonymous => false,
    }
}

fn roles(directory: &Directory, is_for: impl Fn(&Grantee) -> bool) -> Vec<RoleAt> {
    let grants = directory.grants.iter().filter(|grant| is_for(&grant.to));
    let distinct: BTreeSet<(&str, &str)> = grants
        .map(|grant| (grant.role.as_str(), grant.pattern.as_str()))
        .collect();
    distinct
        .into_iter()
        .map(|(role, pattern)| RoleAt {
            role: role.to_owned(),
            pattern: pattern.to_owned(),
        })
        .collect()
}

/// `GET /users`
pub(crate) async fn users(call: Call) -> Answer<Page<User>> {
    let records = records(&call.asker, Kind::Person).await?;
    Ok(Json(Page::whole(records.into_iter().map(user).collect())))
}

/// `GET /robots`
pub(crate) async fn robots(call: Call) -> Answer<Page<Robot>> {
    let records = records(&call.asker, Kind::Robot).await?;
    Ok(Json(Page::whole(
        records
            .into_iter()
            .map(|record| robot(&call.asker, record))
            .collect(),
    )))
}

async fn records(asker: &Asker, kind: Kind) -> ApiResult<Vec<PrincipalRecord>> {
    let permit = asker.permit::<ManageAccounts>()?;
    let mut records = accounts::principals(asker.store(), &permit, asker.now()).await?;
    records.retain(|record| record.principal.kind == kind);
    Ok(records)
}

fn user(record: PrincipalRecord) -> User {
    let PrincipalRecord {
        principal,
        created_at,
    } = record;
    User {
        name: principal.name,
        active: principal.active,
        created_at,
        password: None,
    }
}

fn robot(asker: &Asker, record: PrincipalRecord) -> Robot {
    let PrincipalRecord {
        principal,
        created_at,
    } = record;
    let owner = principal
        .owner
        .map(|owner| asker.name_of(owner))
        .unwrap_or_default();
    Robot {
        name: principal.name,
        owner,
        active: principal.active,
        created_at,
    }
}

/// `POST /users`
pub(crate) async fn create_user(mut call: Call) -> Created<User> {
    let permit = call.asker.permit::<ManageAccounts>()?;
    let new: NewUser = call.json().await?;
    let (identity, now) = (call.asker.app().identity(), call.asker.now());
    let made = identity
        .create_user(
            &permit,
            &new.name,
            new.password.map(Secret::into_inner),
            now,
        )
        .await?;
    created(User {
        name: new.name,
        active: true,
        created_at: now,
        password: made.password.map(Secret::from),
    })
}

/// `POST /robots`
pub(crate) async fn create_robot(mut call: Call) -> Created<Robot> {
    let permit = call.asker.permit::<ManageAccounts>()?;
    let new: NewRobot = call.json().await?;
    let asker = &call.asker;
    let owner = match &new.owner {
        Some(name) => asker.named(name)?.id,
        None => asker.principal()?,
    };
    let robot = NewPrincipal {
        kind: Kind::Robot,
        name: new.name.clone(),
        owner: Some(owner),
        password_hash: None,
    };
    accounts::create_principal(asker.store(), &permit, &robot, asker.now()).await?;
    created(Robot {
        name: new.name,
        owner: asker.name_of(owner),
        active: true,
        created_at: asker.now(),
    })
}

/// `PATCH /users/{name}`
pub(crate) async fn change_user(mut call: Call) -> Answer<User> {
    let change: PrincipalChange = call.json().await?;
    let record = changed(&call.asker, Kind::Person, call.name("name")?, change).await?;
    Ok(Json(user(record)))
}

/// `PATCH /robots/{name}`
pub(crate) async fn change_robot(mut call: Call) -> Answer<Robot> {
    let change: PrincipalChange = call.json().await?;
    if change.password.is_some() {
        return Err(ApiError::invalid("robots have no password")
            .next("countersign token create NAME --for ROBOT"));
    }
    let record = changed(&call.asker, Kind::Robot, call.name("name")?, change).await?;
    Ok(Json(robot(&call.asker, record)))
}

/// `DELETE /users/{name}`
pub(crate) async fn close_user(call: Call) -> Done {
    close(&call.asker, Kind::Person, call.name("name")?).await
}

/// `DELETE /robots/{name}`
pub(crate) async fn close_robot(call: Call) -> Done {
    close(&call.asker, Kind::Robot, call.name("name")?).await
}

async fn close(asker: &Asker, kind: Kind, name: &str) -> Done {
    let change = PrincipalChange {
        active: Some(false),
        password: None,
    };
    changed(asker, kind, name, change).await.map(|_| DONE)
}

/// Changes an account, and answers what it is now. People may change their own password; all else is for those who manage
/// accounts.
async fn changed(
    asker: &Asker,
    kind: Kind,
    name: &str,
    change: PrincipalChange,
) -> ApiResult<PrincipalRecord> {
    let own = asker.principal()?;
    let permit = if change.active.is_none() && asker.name_of(own) == name {
        asker.may::<ManageAccounts>()
    } else {
        // Asked before the name is looked up: who may not change accounts does not learn which there are.
        Some(asker.permit::<ManageAccounts>()?)
    };
    let principal = of_kind(asker, kind, name)?;
    if let Some(password) = change.password {
        let by = match &permit {
            Some(permit) if principal.id != own => By::Accounts(permit),
            _ => By::Oneself(own),
        };
        let identity = asker.app().identity();
        identity
            .set_password(
                asker.caller(),
                &by,
                principal.id,
                password.into_inner(),
                asker.now(),
            )
            .await?;
    }
    if let (Some(active), Some(permit)) = (change.active, &permit) {
        accounts::set_principal_active(asker.store(), permit, principal.id, active, asker.now())
            .await?;
    }
    let record = accounts::principal(asker.store(), principal.id).await?;
    Ok(record.ok_or_else(|| store::Error::not_found("account", shown(name)))?)
}

fn of_kind<'a>(asker: &'a Asker, kind: Kind, name: &str) -> ApiResult<&'a Principal> {
    asker
        .directory()
        .by_name(kind, name)
        .ok_or_else(|| ApiError::not_found(format!("there is no {kind} `{}`", shown(name))))
}
