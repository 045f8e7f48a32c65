//! Signs again what the server signed, before it ends. notary-server does so only when somebody asks for a file that has ended, and
//! until then a reader meets an expired one. Deliberately no other change: the same snapshot, the same files.

use super::accepted::{Accepted, SnapshotPart, TimestampPart};
use super::current::{Current, Held};
use super::load::{stored, stored_root};
use super::refusal::Refusal;
use crate::tuf::gun::Gun;
use crate::tuf::metadata::{Root, Snapshot, Timestamp};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::time::{self, DAY};

/// How long before its end a timestamp is signed again: half of its life.
const TIMESTAMP_AHEAD: i64 = 7 * DAY;
/// The same for a snapshot that the server signs.
const SNAPSHOT_AHEAD: i64 = 90 * DAY;

/// Signs `timestamp` again once less than 7 days of its life are left, and `snapshot`, where the server holds its key, once less than
/// 90 are. `None`: nothing is due, or there is nothing yet.
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
    let keys = held.enough(&RoleName::Snapshot, &root);
    let snapshot = match keys {
        Some(keys) if now >= snapshot_due(&snapshot) => {
            let version = current.next_version(&RoleName::Snapshot)?;
            SnapshotPart::Made(next_snapshot(snapshot, version, now), keys)
        }
        _ if now >= timestamp_due(&timestamp) => SnapshotPart::Kept(timestamp.snapshot),
        _ => return Ok(None),
    };
    let role = RoleName::Timestamp;
    let keys = held.enough(&role, &root);
    let keys = keys.ok_or_else(|| Refusal::BadRoot(Problem::TimestampKey { gun: gun.clone() }))?;
    let timestamp = TimestampPart {
        version: current.next_version(&role)?,
        expires: time::end(&role, now),
        keys,
    };
    Ok(Some(Accepted::new(root, Vec::new(), snapshot, timestamp)))
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
    let snapshot = stored(&RoleName::Snapshot, current).ok()??;
    Some(timestamp.min(snapshot_due(&snapshot)))
}

fn timestamp_due(timestamp: &Timestamp) -> i64 {
    timestamp.expires.saturating_sub(TIMESTAMP_AHEAD)
}

fn snapshot_due(snapshot: &Snapshot) -> i64 {
    snapshot.expires.saturating_sub(SNAPSHOT_AHEAD)
}

fn next_snapshot(snapshot: Snapshot, version: i64, now: i64) -> Snapshot {
    Snapshot {
        version,
        expires: time::end(&RoleName::Snapshot, now),
        meta: snapshot.meta,
    }
}
