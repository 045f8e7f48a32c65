//! Teams and their members. Who may change which team is the store's to say, which knows what policies name it.

use super::people::kind;
use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::ApiResult;
use axum::Json;
use client::api::Page;
use client::api::accounts::{Member, NewTeam, Team};
use policy::verb::{ManageAccounts, ManageTeams, ReadAudit};
use store::accounts::{self, TeamPermits, TeamRecord};

/// `GET /teams`
pub(crate) async fn teams(call: Call) -> Answer<Page<Team>> {
    let asker = &call.asker;
    if asker.may::<ManageTeams>().is_none() && asker.may::<ReadAudit>().is_none() {
        asker.permit::<ManageAccounts>()?;
    }
    let directory = asker.directory();
    let records = accounts::teams(asker.store()).await?;
    let team = |record: TeamRecord| {
        let ids = directory.teams.get(&record.name).into_iter().flatten();
        let members = ids.filter_map(|id| directory.principal(*id));
        Team {
            created_at: record.created_at,
            members: members
                .map(|member| Member {
                    kind: kind(member.kind),
                    name: member.name.clone(),
                })
                .collect(),
            name: record.name,
        }
    };
    Ok(Json(Page::whole(records.into_iter().map(team).collect())))
}

/// `POST /teams`
pub(crate) async fn create_team(mut call: Call) -> Created<Team> {
    let permit = call.asker.permit::<ManageAccounts>()?;
    let NewTeam { name } = call.json().await?;
    let asker = &call.asker;
    accounts::create_team(asker.store(), &permit, &name, asker.now()).await?;
    created(Team {
        name,
        created_at: asker.now(),
        members: Vec::new(),
    })
}

/// `DELETE /teams/{name}`
pub(crate) async fn delete_team(call: Call) -> Done {
    let permit = call.asker.permit::<ManageAccounts>()?;
    let (asker, team) = (&call.asker, call.name("name")?);
    accounts::delete_team(asker.store(), &permit, team, asker.now()).await?;
    Ok(DONE)
}

/// `POST /teams/{name}/members/{principal}`
pub(crate) async fn add_member(call: Call) -> Done {
    let permits = Permits::of(&call.asker)?;
    let (asker, team) = (&call.asker, call.name("name")?);
    let principal = asker.named(call.name("principal")?)?;
    accounts::add_member(
        asker.store(),
        &permits.borrowed(),
        team,
        principal.id,
        asker.now(),
    )
    .await?;
    Ok(DONE)
}

/// `DELETE /teams/{name}/members/{principal}`
pub(crate) async fn remove_member(call: Call) -> Done {
    let permits = Permits::of(&call.asker)?;
    let (asker, team) = (&call.asker, call.name("name")?);
    let principal = asker.named(call.name("principal")?)?;
    accounts::remove_member(
        asker.store(),
        &permits.borrowed(),
        team,
        principal.id,
        asker.now(),
    )
    .await?;
    Ok(DONE)
}

/// The permits that changing a team may need: at least one of the two.
struct Permits {
    accounts: Option<policy::Permit<ManageAccounts>>,
    teams: Option<policy::Permit<ManageTeams>>,
}

impl Permits {
    fn of(asker: &Asker) -> ApiResult<Self> {
        let teams = asker.may::<ManageTeams>();
        let accounts = if teams.is_some() {
            asker.may()
        } else {
            Some(asker.permit()?)
        };
        Ok(Self { accounts, teams })
    }

    fn borrowed(&self) -> TeamPermits<'_> {
        TeamPermits {
            accounts: self.accounts.as_ref(),
            teams: self.teams.as_ref(),
        }
    }
}
