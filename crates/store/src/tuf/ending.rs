//! Files of trust repositories that are about to end, told as events: 30 days and 7 days before, each once for each file. What the
//! server signs itself it signs again long before that; what its owners sign nobody but they can. A look is work that is due when the
//! first file comes near its end, so that nothing is looked through meanwhile.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName};
use serde_json::{Value, json};
use trust::tuf::publish::File;
use trust::tuf::{Content, Gun, RoleName, Root, Signed, Snapshot, Targets};

use super::{Files, State, state};
use crate::Store;
use crate::db::{Tx, write_tx};
use crate::error::{Error, Result};
use crate::expiring::{DAY_MILLISECONDS, DAYS, days_left};
use crate::jobs;
use crate::outbox::{self, NewEvent};

/// The job that looks at one trust repository.
pub const WARN_TRUST: &str = "warn-trust";
const KIND: &str = "trust.expiring";

/// When to look at the first of these files that comes near its end. Those that were there before have had theirs asked for.
pub(super) fn first_look(files: &[File], now: i64) -> Result<Option<i64>> {
    let mut looks = Vec::new();
    for file in files.iter().filter(|file| is_watched(&file.role)) {
        looks.extend(next_look(end(&file.role, &file.bytes)?.at, now));
    }
    Ok(looks.into_iter().min())
}

/// Tells what is about to end in a trust repository and was not told before, and asks for the next look.
///
/// # Errors
/// What is stored cannot be read; the database failed.
pub async fn warn(store: &Store, gun: &Gun, repository: &RepositoryName, now: i64) -> Result<()> {
    let Some(state) = state(store, gun, repository, Files::All).await? else {
        return Ok(());
    };
    let ends = ends(&state)?;
    let next = ends.values().filter_map(|end| later_look(end.at, now));
    let next = next.min();
    write_tx!(store.db(), |tx| {
        for (role, end) in &ends {
            let days = days_left(end.at, now);
            if let Some(days) = days {
                tell(tx, gun, repository, role, end, days, now).await?;
            }
        }
        ask(tx, gun, repository, next).await
    })
}

/// The end of a file.
struct End {
    /// Milliseconds since the epoch.
    at: i64,
    version: i64,
    sha256: Digest,
}

/// The files that readers are given, and how each ends.
fn ends(state: &State) -> Result<BTreeMap<RoleName, End>> {
    let mut ends = BTreeMap::new();
    for role in state.listed.keys().filter(|role| is_watched(role)) {
        if let Some(bytes) = state.current.file(role) {
            ends.insert(role.clone(), end(role, bytes)?);
        }
    }
    Ok(ends)
}

/// Timestamps last for days, and are signed again each week.
fn is_watched(role: &RoleName) -> bool {
    *role != RoleName::Timestamp
}

fn end(role: &RoleName, bytes: &[u8]) -> Result<End> {
    let (at, version) = match role {
        RoleName::Root => {
            let root: Root = content(role, bytes)?;
            (root.ends(), root.version)
        }
        RoleName::Snapshot => {
            let snapshot: Snapshot = content(role, bytes)?;
            (snapshot.expires, snapshot.version)
        }
        _ => {
            let targets: Targets = content(role, bytes)?;
            (targets.expires, targets.version)
        }
    };
    Ok(End {
        at,
        version,
        sha256: Digest::sha256(bytes),
    })
}

fn content<T: Content + Clone>(role: &RoleName, bytes: &[u8]) -> Result<T> {
    let signed = Signed::<T>::parse(role, bytes.to_vec());
    let signed = signed.map_err(Error::corrupt("trust_files.content"))?;
    Ok(signed.content().clone())
}

/// When to look at a file that was just published: now, if it is near its end already.
fn next_look(end: i64, now: i64) -> Option<i64> {
    match days_left(end, now) {
        Some(_) => Some(now),
        None => later_look(end, now),
    }
}

/// The first time after now at which there is something new to tell about an end.
fn later_look(end: i64, now: i64) -> Option<i64> {
    let looks = DAYS.into_iter().map(|days| end - days * DAY_MILLISECONDS);
    looks.filter(|look| *look > now).min()
}

async fn tell(
    tx: &mut Tx,
    gun: &Gun,
    repository: &RepositoryName,
    role: &RoleName,
    end: &End,
    days: i64,
    now: i64,
) -> Result<()> {
    let End {
        at,
        version,
        sha256,
    } = end;
    let event = NewEvent {
        kind: KIND,
        ordering_key: gun.to_string(),
        repository: Some(repository),
        digest: None,
        data: json!({"gun": gun.as_str(), "role": role.as_str(), "version": version, "expiresAt": at, "days": days}),
    };
    // The same file at the same distance is one event, however often it is looked at.
    outbox::emit_once(tx, &format!("{gun}\n{role}\n{sha256}\n{days}"), event, now).await
}

/// Asks for a look.
pub(super) async fn ask(
    tx: &mut Tx,
    gun: &Gun,
    repository: &RepositoryName,
    look: Option<i64>,
) -> Result<()> {
    let Some(look) = look else { return Ok(()) };
    let payload: Value = json!({"gun": gun.as_str(), "repository": repository});
    jobs::enqueue(tx, WARN_TRUST, gun.as_str(), payload, look).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_608_000_000;

    #[test]
    fn an_end_is_told_twice_and_looked_at_when_it_is_time() {
        let at = |days: i64| NOW + days * DAY_MILLISECONDS;
        for (end, told, first, later) in [
            (at(400), None, Some(at(370)), Some(at(370))),
            (at(30) + 1, None, Some(NOW + 1), Some(NOW + 1)),
            (at(30), Some(30), Some(NOW), Some(at(23))),
            (at(8), Some(30), Some(NOW), Some(at(1))),
            (at(7), Some(7), Some(NOW), None),
            (NOW + 1, Some(7), Some(NOW), None),
            (NOW, None, None, None),
            (at(-1), None, None, None),
        ] {
            assert_eq!(days_left(end, NOW), told, "{end}");
            assert_eq!(next_look(end, NOW), first, "{end}");
            assert_eq!(later_look(end, NOW), later, "{end}");
        }
    }
}
