//! Grants: who has which role where.

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use axum::Json;
use client::api::Page;
use client::api::accounts::{Grant, Grantee, NewGrant};
use policy::verb::ManageAccounts;
use policy::{Pattern, Role};
use store::accounts::{self, GrantRecord};

/// `GET /grants`
pub(crate) async fn grants(call: Call) -> Answer<Page<Grant>> {
    let asker = &call.asker;
    let permit = asker.permit::<ManageAccounts>()?;
    let records = accounts::grants(asker.store(), &permit, asker.now()).await?;
    Ok(Json(Page::whole(
        records
            .into_iter()
            .map(|record| grant(asker, record))
            .collect(),
    )))
}

/// `POST /grants`. One that is there already is answered as it is.
pub(crate) async fn create_grant(mut call: Call) -> Created<Grant> {
    let permit = call.asker.permit::<ManageAccounts>()?;
    let new: NewGrant = call.json().await?;
    let asker = &call.asker;
    let role: Role = new
        .role
        .parse()
        .map_err(|error| ApiError::invalid(format!("{error}")))?;
    let pattern =
        Pattern::parse(&new.pattern).map_err(|error| ApiError::invalid(format!("{error}")))?;
    let grant_of = accounts::NewGrant {
        to: grantee(asker, &new.to)?,
        role,
        pattern,
    };
    let id = accounts::add_grant(asker.store(), &permit, &grant_of, asker.now()).await?;
    let records = accounts::grants(asker.store(), &permit, asker.now()).await?;
    let known = records
        .into_iter()
        .find(|record| record.id == id)
        .map(|record| grant(asker, record));
    created(known.unwrap_or(Grant {
        id,
        to: new.to,
        role: new.role,
        pattern: new.pattern,
        created_at: asker.now(),
    }))
}

/// `DELETE /grants/{id}`
pub(crate) async fn delete_grant(call: Call) -> Done {
    let asker = &call.asker;
    let permit = asker.permit::<ManageAccounts>()?;
    accounts::remove_grant(asker.store(), &permit, call.number("id")?, asker.now()).await?;
    Ok(DONE)
}

fn grant(asker: &Asker, record: GrantRecord) -> Grant {
    let to = match record.grant.to {
        policy::Grantee::Principal(id) => Grantee::Principal(asker.name_of(id)),
        policy::Grantee::Team(team) => Grantee::Team(team),
        policy::Grantee::Anonymous => Grantee::Anonymous,
    };
    let (role, pattern) = (
        record.grant.role.to_string(),
        record.grant.pattern.as_str().to_owned(),
    );
    Grant {
        id: record.id,
        to,
        role,
        pattern,
        created_at: record.created_at,
    }
}

fn grantee(asker: &Asker, to: &Grantee) -> ApiResult<policy::Grantee> {
    Ok(match to {
        Grantee::Principal(name) => policy::Grantee::Principal(asker.named(name)?.id),
        Grantee::Team(team) => policy::Grantee::Team(team.clone()),
        Grantee::Anonymous => policy::Grantee::Anonymous,
    })
}
