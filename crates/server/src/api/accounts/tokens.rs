//! Personal and robot tokens: one's own, and those of one's robots. The secret is in the answer that makes it, once.

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use axum::Json;
use client::api::tokens::{CreatedToken, NewToken, Token};
use client::api::{Page, Secret};
use identity::{TokenRequest, Via, ceiling_from_texts, ceiling_to_texts};
use policy::verb::ManageAccounts;
use policy::{Ceiling, Permit, PrincipalId};
use store::accounts::By;
use store::tokens::{self as kept, TokenRecord};

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// `GET /tokens`
pub(crate) async fn tokens(call: Call) -> Answer<Page<Token>> {
    let asker = &call.asker;
    let own = asker.principal()?;
    let robots = asker
        .directory()
        .principals
        .values()
        .filter(|robot| robot.owner == Some(own))
        .map(|robot| robot.id);
    let mut found = Vec::new();
    for id in std::iter::once(own).chain(robots) {
        let records = kept::list(asker.store(), &By::Oneself(own), id, asker.now()).await?;
        found.extend(records.into_iter().map(|record| token(asker, record)));
    }
    Ok(Json(Page::whole(found)))
}

/// `POST /tokens`
pub(crate) async fn create_token(mut call: Call) -> Created<CreatedToken> {
    let own = call.asker.principal()?;
    let new: NewToken = call.json().await?;
    let asker = &call.asker;
    let (principal, permit) = whose(asker, own, new.principal.as_deref())?;
    let ceiling = ceiling_from_texts(new.scope.as_deref())?;
    let lifetime = new
        .expires_in_days
        .map(|days| i64::from(days).saturating_mul(DAY_MILLISECONDS));
    let expires_at = lifetime.map(|milliseconds| asker.now().saturating_add(milliseconds));
    let request = TokenRequest {
        principal,
        name: new.name.clone(),
        ceiling: ceiling.clone(),
        expires_at,
    };
    let by = permit.as_ref().map_or(By::Oneself(own), By::Accounts);
    let made = asker
        .app()
        .identity()
        .create_token(asker.caller(), &by, request, asker.now())
        .await?;
    let about = TokenRecord {
        id: made.id,
        principal,
        name: new.name,
        ceiling,
        created_at: asker.now(),
        expires_at,
        revoked_at: None,
    };
    created(CreatedToken {
        token: Secret::from(made.token),
        about: token(asker, about),
    })
}

/// Whose token it is to be, and the permit that it takes for someone who is neither the caller nor a robot of theirs. Who may
/// not make such tokens does not learn whether the name is taken.
fn whose(
    asker: &Asker,
    own: PrincipalId,
    name: Option<&str>,
) -> ApiResult<(PrincipalId, Option<Permit<ManageAccounts>>)> {
    let Some(name) = name else {
        return Ok((own, None));
    };
    match asker.named(name) {
        Ok(principal) if asker.is_own(principal.id) => Ok((principal.id, None)),
        found => {
            let permit = asker.permit()?;
            Ok((found?.id, Some(permit)))
        }
    }
}

/// `DELETE /tokens/{id}`. A limited token can end itself, and no other.
pub(crate) async fn revoke_token(call: Call) -> Done {
    let (asker, id) = (&call.asker, call.number("id")?);
    let own = asker.principal()?;
    let caller = asker.caller();
    if caller.ceiling != Ceiling::All && caller.via != (Via::Token { id }) {
        return Err(ApiError::denied(
            "a limited token can revoke itself only: use another one, or the password",
        ));
    }
    let as_oneself = kept::revoke(asker.store(), &By::Oneself(own), id, asker.now()).await;
    match (as_oneself, asker.may::<ManageAccounts>()) {
        (Err(store::Error::Refused { .. }), Some(permit)) => {
            kept::revoke(asker.store(), &By::Accounts(&permit), id, asker.now()).await?;
        }
        // Someone else's token is none that the caller may know of.
        (Err(store::Error::Refused { .. }), None) => {
            return Err(store::Error::not_found("token", id).into());
        }
        (outcome, _) => outcome?,
    }
    Ok(DONE)
}

fn token(asker: &Asker, record: TokenRecord) -> Token {
    Token {
        id: record.id,
        name: record.name,
        principal: asker.name_of(record.principal),
        scope: ceiling_to_texts(&record.ceiling),
        created_at: record.created_at,
        expires_at: record.expires_at,
        revoked_at: record.revoked_at,
    }
}
