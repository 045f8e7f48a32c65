//! Asking, confirming and ending. Who may is asked of `policy`, with the directory of the same transaction.

use oci::{Digest, RepositoryName, Shape};
use policy::break_glass::{LASTS_MILLISECONDS_MAX, Refused, WAITS_MILLISECONDS};
use policy::{Permit, Policy, PrincipalId, break_glass, verb};

use super::telling::{self, Told};
use super::{Ended, How, Record, State, get_in, record, select};
use crate::accounts::directory_in;
use crate::catalogue::parse_shape;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::permit::System;
use crate::{Store, facts, permit, policies};

/// How many that ended by themselves are written down in one go.
const ENDED_AT_A_TIME: i64 = 100;
/// The most of a reason that an error repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// What somebody asks for, in the repository of their permit.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The manifest.
    pub digest: &'a Digest,
    /// The policy of the gate.
    pub policy: &'a str,
    /// The gate.
    pub gate: &'a str,
    /// How long it is to last from its confirmation on, in milliseconds.
    pub lasts_milliseconds: i64,
    /// The longest that this server allows, in milliseconds; `None` for what `policy` allows.
    pub lasts_milliseconds_max: Option<i64>,
    /// Why.
    pub reason: &'a str,
}

/// Asks for a break-glass. It does nothing until somebody else confirms it, and lapses if nobody does.
///
/// # Errors
/// `Refused` for whoever is no person with the role there, `Invalid` for terms out of bounds, `NotFound` for an image or gate that is
/// not there, `Conflict` when one waits for the same already.
pub async fn ask(
    store: &Store,
    permit: &Permit<verb::BreakGlass>,
    asked: &Asked<'_>,
    now: i64,
) -> Result<Record> {
    let (asker, repository) = who_and_where(permit, now)?;
    let longest = asked
        .lasts_milliseconds_max
        .unwrap_or(LASTS_MILLISECONDS_MAX);
    let reason = break_glass::check_terms(asked.lasts_milliseconds, longest, asked.reason)
        .map_err(|error| Error::Invalid {
            what: "break-glass",
            value: asked.reason.chars().take(SHOWN_CHARACTERS_MAX).collect(),
            why: error.to_string(),
        })?;
    write_tx!(store.db(), |tx| {
        let (_, directory) = directory_in(store, tx.conn()).await?;
        break_glass::may_act(&directory, asker, repository).map_err(refused)?;
        let place = Place {
            repository,
            digest: asked.digest,
            policy: asked.policy,
            gate: asked.gate,
        };
        let repository_id = place.find(store, tx).await?;
        if let Some(waiting) = place.waiting(tx).await? {
            if waiting.state(now) != State::Ended {
                return Err(waits_already(waiting.id));
            }
            end_by_itself(tx, &waiting, &directory, TELLER, now).await?;
        }
        let id = sqlx::query(
            "INSERT INTO break_glass (repository_id, digest, policy, gate, lasts_milliseconds, reason, asked_by, asked_at, until_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(repository_id)
        .bind(asked.digest.as_str())
        .bind(asked.policy)
        .bind(asked.gate)
        .bind(asked.lasts_milliseconds)
        .bind(reason)
        .bind(asker.0)
        .bind(now)
        .bind(now.saturating_add(WAITS_MILLISECONDS))
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| waits_already("of this image"))?
        .int("id")?;
        let made = get_in(tx.conn(), id).await?;
        let told = Told {
            actor: permit.actor(),
            directory: &directory,
            now,
        };
        telling::asked(tx, &made, &told).await?;
        Ok(made)
    })
}

/// Confirms what somebody else asked for: from now on it opens its gate.
///
/// # Errors
/// `Refused` unless the two are people who both have the role there now; `NotFound` when there is none of this number in the repository of
/// the permit, or its image or gate is gone; `Conflict` when it was confirmed or has ended.
pub async fn confirm(
    store: &Store,
    permit: &Permit<verb::BreakGlass>,
    id: i64,
    now: i64,
) -> Result<Record> {
    let (confirmer, repository) = who_and_where(permit, now)?;
    write_tx!(store.db(), |tx| {
        let waiting = in_repository(tx, id, repository).await?;
        match waiting.state(now) {
            State::Asked => {}
            State::InForce => return Err(conflict(id, "was confirmed already")),
            State::Ended => return Err(conflict(id, "has ended: ask for a new one")),
        }
        let (_, directory) = directory_in(store, tx.conn()).await?;
        break_glass::may_confirm(&directory, waiting.asked_by, confirmer, repository)
            .map_err(refused)?;
        Place::of(&waiting).find(store, tx).await?;
        let until_at = now.saturating_add(waiting.lasts_milliseconds);
        let confirmed = sqlx::query(
            "UPDATE break_glass SET confirmed_by = $2, confirmed_at = $3, until_at = $4 \
             WHERE id = $1 AND confirmed_at IS NULL AND ended_at IS NULL",
        )
        .bind(id)
        .bind(confirmer.0)
        .bind(now)
        .bind(until_at)
        .execute(tx.conn())
        .await?
        .rows_affected();
        if confirmed == 0 {
            return Err(conflict(
                id,
                "was confirmed or ended by somebody else meanwhile",
            ));
        }
        facts::touch(tx, waiting.repository_id, &waiting.digest, now).await?;
        let confirmed = Record {
            confirmed_by: Some(confirmer),
            confirmed_at: Some(now),
            until_at,
            ..waiting
        };
        let told = Told {
            actor: permit.actor(),
            directory: &directory,
            now,
        };
        telling::confirmed(tx, &confirmed, &told).await?;
        Ok(confirmed)
    })
}

/// Ends one before its time, whether it waits or is in force. One that has ended stays as it is.
///
/// # Errors
/// `Refused` for whoever is no person with the role there, `NotFound` when there is none of this number in the repository of the permit.
pub async fn withdraw(
    store: &Store,
    permit: &Permit<verb::BreakGlass>,
    id: i64,
    now: i64,
) -> Result<Record> {
    let (who, repository) = who_and_where(permit, now)?;
    write_tx!(store.db(), |tx| {
        let open = in_repository(tx, id, repository).await?;
        let (_, directory) = directory_in(store, tx.conn()).await?;
        break_glass::may_act(&directory, who, repository).map_err(refused)?;
        if open.state(now) == State::Ended {
            return Ok(open);
        }
        let ended = Ended {
            how: How::Withdrawn,
            at: now,
            by: Some(who),
        };
        let told = Told {
            actor: permit.actor(),
            directory: &directory,
            now,
        };
        end(tx, &open, ended, &told).await?;
        get_in(tx.conn(), id).await
    })
}

/// Ends those of a policy whose gate is gone, for whoever takes it away: another gate that is given the same names later is another decision
/// of somebody, and was broken open by nobody.
pub(crate) async fn end_without_gate(
    store: &Store,
    tx: &mut Tx,
    permit: &Permit<verb::ManagePolicy>,
    (policy, in_force): (&str, Option<&Policy>),
    now: i64,
) -> Result<()> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE b.policy = $1 AND b.ended_at IS NULL AND b.until_at > $2 ORDER BY b.id"
    ))
    .bind(policy)
    .bind(now)
    .fetch_all(tx.conn())
    .await?;
    let open = rows.iter().map(record).collect::<Result<Vec<_>>>()?;
    let has_gate = |open: &Record| {
        in_force.is_some_and(|policy| {
            policy.covers(&open.repository) && policy.gates.contains_key(&open.gate)
        })
    };
    let orphans: Vec<Record> = open.into_iter().filter(|open| !has_gate(open)).collect();
    if orphans.is_empty() {
        return Ok(());
    }
    let (_, directory) = directory_in(store, tx.conn()).await?;
    for orphan in &orphans {
        let ended = Ended {
            how: How::Withdrawn,
            at: now,
            by: permit.who().principal(),
        };
        let told = Told {
            actor: permit.actor(),
            directory: &directory,
            now,
        };
        end(tx, orphan, ended, &told).await?;
    }
    Ok(())
}

/// The job that writes down what ended by itself.
const TELLER: System = System::job("end-break-glass");

/// Writes down and tells what ended by itself at or before `now`; answers how many. Gates do not wait for it.
pub async fn end_due(store: &Store, system: System, now: i64) -> Result<u64> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE b.ended_at IS NULL AND b.until_at <= $1 ORDER BY b.until_at, b.id LIMIT $2"
    ))
    .bind(now)
    .bind(ENDED_AT_A_TIME)
    .fetch_all(store.db().read())
    .await?;
    let due = rows.iter().map(record).collect::<Result<Vec<_>>>()?;
    let mut ended: u64 = 0;
    for one in due {
        let is_first = write_tx!(store.db(), |tx| {
            let (_, directory) = directory_in(store, tx.conn()).await?;
            // It may have been confirmed since it was read, and last longer.
            let one = get_in(tx.conn(), one.id).await?;
            if one.ended.is_some() || one.until_at > now {
                return Ok(false);
            }
            end_by_itself(tx, &one, &directory, system, now).await
        })?;
        ended = ended.saturating_add(u64::from(is_first));
    }
    Ok(ended)
}

async fn end_by_itself(
    tx: &mut Tx,
    open: &Record,
    directory: &policy::Directory,
    system: System,
    now: i64,
) -> Result<bool> {
    let told = Told {
        actor: system.actor(),
        directory,
        now,
    };
    end(tx, open, open.ends_by_itself(), &told).await
}

/// Writes down an end, once: with its event, its audit row, and what the gate sees.
async fn end(tx: &mut Tx, open: &Record, ended: Ended, told: &Told<'_>) -> Result<bool> {
    let written = sqlx::query(
        "UPDATE break_glass SET ended_at = $2, ended_by = $3, ended_how = $4 \
         WHERE id = $1 AND ended_at IS NULL AND until_at = $5",
    )
    .bind(open.id)
    .bind(ended.at)
    .bind(ended.by.map(|id| id.0))
    .bind(ended.how.as_str())
    .bind(open.until_at)
    .execute(tx.conn())
    .await?
    .rows_affected();
    if written == 0 {
        return match ended.by {
            None => Ok(false),
            Some(_) => Err(conflict(open.id, "changed meanwhile: try again")),
        };
    }
    if open.confirmed_at.is_some() {
        facts::touch(tx, open.repository_id, &open.digest, told.now).await?;
    }
    let ended = Record {
        ended: Some(ended),
        ..open.clone()
    };
    telling::ended(tx, &ended, told).await?;
    Ok(true)
}

/// What a break-glass is for.
struct Place<'a> {
    repository: &'a RepositoryName,
    digest: &'a Digest,
    policy: &'a str,
    gate: &'a str,
}

impl<'a> Place<'a> {
    fn of(record: &'a Record) -> Place<'a> {
        Place {
            repository: &record.repository,
            digest: &record.digest,
            policy: &record.policy,
            gate: &record.gate,
        }
    }

    /// The repository's number, if it holds the image and the policy in force has the gate there.
    async fn find(&self, store: &Store, tx: &mut Tx) -> Result<i64> {
        let (_, policies) = policies::current_in(store, tx.conn()).await?;
        let has_gate = policies.iter().any(|policy| {
            policy.name == self.policy
                && policy.gates.contains_key(self.gate)
                && policy.covers(self.repository)
        });
        if !has_gate {
            return Err(Error::not_found(
                "gate",
                format!("{}/{} of {}", self.policy, self.gate, self.repository),
            ));
        }
        let row = sqlx::query(
            "SELECT m.repository_id, m.shape FROM manifests m JOIN repositories r ON r.id = m.repository_id \
             WHERE r.name = $1 AND m.digest = $2",
        )
        .bind(self.repository.as_str())
        .bind(self.digest.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("manifest", self.digest))?;
        if parse_shape(&row.text("shape")?)? == Shape::Evidence {
            return Err(Error::Invalid {
                what: "image",
                value: self.digest.to_string(),
                why: "it is evidence, which passes every gate by itself".to_owned(),
            });
        }
        row.int("repository_id")
    }

    /// The one that waits for the same.
    async fn waiting(&self, tx: &mut Tx) -> Result<Option<Record>> {
        let row = sqlx::query(concat!(
            select!(),
            "WHERE r.name = $1 AND b.digest = $2 AND b.policy = $3 AND b.gate = $4 AND b.confirmed_at IS NULL AND b.ended_at IS NULL"
        ))
        .bind(self.repository.as_str())
        .bind(self.digest.as_str())
        .bind(self.policy)
        .bind(self.gate)
        .fetch_optional(tx.conn())
        .await?;
        row.as_ref().map(record).transpose()
    }
}

/// One of the repository; those of others are as if they were not there.
async fn in_repository(tx: &mut Tx, id: i64, repository: &RepositoryName) -> Result<Record> {
    let found = get_in(tx.conn(), id).await?;
    if found.repository == *repository {
        return Ok(found);
    }
    Err(Error::not_found("break-glass", id))
}

fn who_and_where(
    permit: &Permit<verb::BreakGlass>,
    now: i64,
) -> Result<(PrincipalId, &RepositoryName)> {
    permit::actor(permit, now)?;
    match (permit.who().principal(), permit.repository()) {
        (Some(who), Some(repository)) => Ok((who, repository)),
        _ => Err(Error::Refused {
            what: WHAT,
            why: "it takes a person, and a repository".to_owned(),
        }),
    }
}

/// The act, in refusals.
const WHAT: &str = "break-glass";

fn refused(refused: Refused) -> Error {
    Error::Refused {
        what: WHAT,
        why: refused.to_string(),
    }
}

fn conflict(id: impl ToString, why: &'static str) -> Error {
    Error::Conflict {
        kind: "break-glass",
        name: id.to_string(),
        why,
    }
}

fn waits_already(id: impl ToString) -> Error {
    conflict(
        id,
        "waits for a second person already: have it confirmed, or withdraw it",
    )
}
