//! Signs again what the server signed, before it ends. notary-server does so only when somebody asks for a file that has ended, and
//! until then a reader meets an expired one. Deliberately no other change: the same snapshot, the same files, the same tags.

use super::accepted::{Accepted, ReleasesPart, SnapshotPart, TimestampPart};
use super::current::{Current, Held};
use super::load::{stored, stored_root};
use super::refusal::Refusal;
use crate::tuf::gun::Gun;
use crate::tuf::managed::is_signed;
use crate::tuf::metadata::{Root, Snapshot, Targets, Timestamp};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::time::{self, DAY};

/// How long before its end a timestamp is signed again: half of its life.
const TIMESTAMP_AHEAD: i64 = 7 * DAY;
/// The same for a snapshot, and for `targets/releases`, that the server signs.
const YEARLY_AHEAD: i64 = 90 * DAY;

/// Signs `timestamp` again once less than 7 days of its life are left, and `snapshot` and `targets/releases`, where the server holds
/// their keys, once less than 90 are. `None`: nothing is due, or there is nothing yet.
///
/// # Errors
/// What is stored cannot be read, or the root names no timestamp key of the server's.
pub fn resign(
    gun: &Gun,
    current: &Current,
    held: &Held,
    now: i64,
) -> Result<Option<Accepted>, Refusal> {
    let Some(root) = stored_root(gun, current, None)? else {
        return Ok(None);
    };
    let snapshot: Option<Snapshot> = stored(&RoleName::Snapshot, current)?;
    let timestamp: Option<Timestamp> = stored(&RoleName::Timestamp, current)?;
    let (Some(snapshot), Some(timestamp)) = (snapshot, timestamp) else {
        return Ok(None);
    };
    let (_, root) = root.into_parts();
    let releases = releases_of_server(current, held)?.filter(|(due, _)| now >= *due);
    if held.enough(&RoleName::Snapshot, &root).is_some()
        && (releases.is_some() || now >= ahead(snapshot.expires))
    {
        let releases = releases.map(|(_, part)| renewed(part, current, now));
        return made(gun, current, held, root, releases.transpose()?, now).map(Some);
    }
    if now < timestamp_due(&timestamp) {
        return Ok(None);
    }
    let kept = SnapshotPart::Kept(timestamp.snapshot);
    let timestamp = next_timestamp(gun, current, held, &root, now)?;
    Ok(Some(Accepted::new(root, Vec::new(), kept, timestamp)))
}

/// The instant from which [`resign`] has something to do, in milliseconds since 1970.
#[must_use]
pub fn due(current: &Current, held: &Held) -> Option<i64> {
    let timestamp = stored(&RoleName::Timestamp, current).ok()??;
    let timestamp = timestamp_due(&timestamp);
    let root = current.file(&RoleName::Root)?.to_vec();
    let root: Signed<Root> = Signed::parse(&RoleName::Root, root).ok()?;
    if held.enough(&RoleName::Snapshot, root.content()).is_none() {
        return Some(timestamp);
    }
    let snapshot: Snapshot = stored(&RoleName::Snapshot, current).ok()??;
    let releases = releases_of_server(current, held).ok().flatten();
    let releases = releases.map_or(i64::MAX, |(due, _)| due);
    Some(timestamp.min(ahead(snapshot.expires)).min(releases))
}

/// The server's next snapshot and timestamp, with its next `targets/releases` if there is one.
pub(in crate::tuf) fn made(
    gun: &Gun,
    current: &Current,
    held: &Held,
    root: Root,
    releases: Option<ReleasesPart>,
    now: i64,
) -> Result<Accepted, Refusal> {
    let role = RoleName::Snapshot;
    let previous: Option<Snapshot> = stored(&role, current)?;
    let keys = held.enough(&role, &root).ok_or(Refusal::SnapshotMissing)?;
    let snapshot = Snapshot {
        version: current.next_version(&role)?,
        expires: time::end(&role, now),
        meta: previous.map(|previous| previous.meta).unwrap_or_default(),
    };
    let snapshot = SnapshotPart::Made(snapshot, keys);
    let timestamp = next_timestamp(gun, current, held, &root, now)?;
    let accepted = Accepted::new(root, Vec::new(), snapshot, timestamp);
    Ok(match releases {
        Some(releases) => accepted.with_releases(releases),
        None => accepted,
    })
}

fn next_timestamp(
    gun: &Gun,
    current: &Current,
    held: &Held,
    root: &Root,
    now: i64,
) -> Result<TimestampPart, Refusal> {
    let role = RoleName::Timestamp;
    let keys = held.enough(&role, root);
    let keys = keys.ok_or_else(|| Refusal::BadRoot(Problem::TimestampKey { gun: gun.clone() }))?;
    Ok(TimestampPart {
        version: current.next_version(&role)?,
        expires: time::end(&role, now),
        keys,
    })
}

/// The server's `targets/releases` as it stands, and from when it is to be signed again.
fn releases_of_server(
    current: &Current,
    held: &Held,
) -> Result<Option<(i64, ReleasesPart)>, Refusal> {
    let role = RoleName::releases();
    let Some(key) = held.in_use(&role, current) else {
        return Ok(None);
    };
    let content: Option<Targets> = stored(&role, current)?;
    // Handed over, and not written by the server yet: what is there was somebody else's list.
    let targets: Option<Targets> = stored(&RoleName::Targets, current)?;
    if !targets.is_some_and(|targets| is_signed(current, &targets)) {
        return Ok(None);
    }
    let key = key.clone();
    Ok(content.map(|content| (ahead(content.expires), ReleasesPart { content, key })))
}

fn renewed(mut part: ReleasesPart, current: &Current, now: i64) -> Result<ReleasesPart, Refusal> {
    let role = RoleName::releases();
    part.content.version = current.next_version(&role)?;
    part.content.expires = time::end(&role, now);
    Ok(part)
}

fn timestamp_due(timestamp: &Timestamp) -> i64 {
    timestamp.expires.saturating_sub(TIMESTAMP_AHEAD)
}

fn ahead(expires: i64) -> i64 {
    expires.saturating_sub(YEARLY_AHEAD)
}
