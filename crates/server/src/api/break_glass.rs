//! Break-glass: `/break-glass`. Whoever may look into a repository sees its break-glasses; who may ask, confirm and end is settled by a
//! permit there and, for people and their roles, in the store.

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use crate::view;
use axum::Json;
use client::api::Page;
use client::api::break_glass::{BreakGlass, NewBreakGlass};
use oci::RepositoryName;
use policy::verb;
use store::break_glass::{self, Asked, Record};
use store::decisions::GateName;
use store::policies;

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

/// `GET /break-glass?all&after&limit`: the newest first.
pub(crate) async fn list(call: Call) -> Answer<Page<BreakGlass>> {
    let asker = &call.asker;
    asker.principal()?;
    let paging = call.paging(LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = Some(paging.after_number()?).filter(|_| paging.after.is_some());
    let seen = view::break_glasses(asker, call.flag("all")?, before, paging.limit).await?;
    let next = paging.next(&seen.items, |last| last.id.to_string());
    Ok(Json(Page {
        next: next.or(seen.looked_to.map(|id| id.to_string())),
        items: seen.items,
    }))
}

/// `GET /break-glass/{id}`
pub(crate) async fn show(call: Call) -> Answer<BreakGlass> {
    let id = id(&call)?;
    let record = found(&call.asker, id).await?;
    Ok(Json(view::break_glass(&call.asker, record)))
}

/// `POST /break-glass`
pub(crate) async fn ask(mut call: Call) -> Created<BreakGlass> {
    call.asker.principal()?;
    let new: NewBreakGlass = call.json().await?;
    let asker = &call.asker;
    let repository = view::repository_of(&new.image)?;
    let permit = asker.permit_in::<verb::BreakGlass>(&repository)?;
    let manifest = view::find(asker, &new.image).await?;
    let gate = gate(asker, &repository, &new).await?;
    let asked = Asked {
        digest: &manifest.digest,
        policy: &gate.policy,
        gate: &gate.gate,
        lasts_milliseconds: new.for_seconds.saturating_mul(1_000),
        lasts_milliseconds_max: asker.app().options().break_glass_milliseconds_max,
        reason: &new.reason,
    };
    let record = break_glass::ask(asker.store(), &permit, &asked, asker.now()).await?;
    created(view::break_glass(asker, record))
}

/// `POST /break-glass/{id}/confirm`
pub(crate) async fn confirm(call: Call) -> Answer<BreakGlass> {
    let (asker, id) = (&call.asker, id(&call)?);
    let record = found(asker, id).await?;
    let permit = asker.permit_in::<verb::BreakGlass>(&record.repository)?;
    let record = break_glass::confirm(asker.store(), &permit, record.id, asker.now()).await?;
    Ok(Json(view::break_glass(asker, record)))
}

/// `DELETE /break-glass/{id}`
pub(crate) async fn end(call: Call) -> Done {
    let (asker, id) = (&call.asker, id(&call)?);
    let record = found(asker, id).await?;
    let permit = asker.permit_in::<verb::BreakGlass>(&record.repository)?;
    break_glass::withdraw(asker.store(), &permit, record.id, asker.now()).await?;
    Ok(DONE)
}

/// The number in the path, of somebody who is logged in.
fn id(call: &Call) -> ApiResult<i64> {
    call.asker.principal()?;
    call.number("id")
}

/// One of them; one in a repository that the caller may not look into is as if it were not there.
async fn found(asker: &Asker, id: i64) -> ApiResult<Record> {
    let record = break_glass::get(asker.store(), id).await?;
    if asker.inspects(&record.repository) {
        return Ok(record);
    }
    Err(store::Error::not_found("break-glass", id).into())
}

/// The one gate that is meant.
async fn gate(
    asker: &Asker,
    repository: &RepositoryName,
    new: &NewBreakGlass,
) -> ApiResult<GateName> {
    let policies = policies::current(asker.store()).await?;
    let mut meant = view::covering(&policies, repository);
    meant.retain(|gate| {
        gate.gate == new.gate && new.policy.as_ref().is_none_or(|name| gate.policy == *name)
    });
    match meant.as_slice() {
        [gate] => Ok(gate.clone()),
        [] => Err(view::no_gate(&policies, repository, &new.gate)),
        several => {
            let names: Vec<&str> = several.iter().map(|gate| gate.policy.as_str()).collect();
            Err(ApiError::invalid(format!(
                "several policies have a gate `{}` there: say which `policy`, {}",
                new.gate,
                names.join(" or ")
            )))
        }
    }
}
