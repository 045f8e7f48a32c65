//! What was believed before, and what may not follow it. A file counts only while it is signed by the keys that hold now.

use super::metadata::{self, Snapshot, Timestamp};
use super::verify;
use crate::tuf::client::Remembered;
use crate::tuf::key::Key;
use crate::tuf::metadata::Root;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::verify::Trusted;

/// TUF 5.3.11: once the keys of timestamp or snapshot are others, the versions of both count no more. `before` is left out for the root
/// under which they were believed.
pub(super) fn forget_if_moved(remembered: &mut Remembered, before: Option<&Root>, now: &Root) {
    let kept = remembered.root.clone();
    let kept = kept.and_then(|bytes| metadata::parse_root(bytes).ok());
    let before = before.or(kept.as_ref().map(|root| root.content()));
    let moved = |before: &Root| {
        let roles = [RoleName::Timestamp, RoleName::Snapshot];
        roles
            .iter()
            .any(|role| keys(before, role) != keys(now, role))
    };
    if before.is_some_and(moved) {
        remembered.timestamp = None;
        remembered.snapshot = None;
    }
}

fn keys<'a>(root: &'a Root, role: &RoleName) -> Vec<&'a Key> {
    let mut keys: Vec<&Key> = root.keys_of(role).collect();
    keys.sort_by_key(|key| key.id());
    keys
}

pub(super) fn timestamp(remembered: &Remembered, root: &Root) -> Option<Trusted<Timestamp>> {
    verify::timestamp(root, remembered.timestamp.clone()?).ok()
}

pub(super) fn snapshot(remembered: &Remembered, root: &Root) -> Option<Trusted<Snapshot>> {
    verify::snapshot(root, remembered.snapshot.clone()?).ok()
}

/// TUF 5.4.3.
pub(super) fn timestamp_is_not_older(new: &Timestamp, known: &Timestamp) -> Result<(), Problem> {
    not_older(RoleName::Timestamp, new.version, known.version)?;
    not_older(
        RoleName::Snapshot,
        new.snapshot.version,
        known.snapshot.version,
    )
}

/// TUF 5.5.5: what was listed stays listed, and in no earlier version. Old repositories list their root as well; its chain is followed
/// anyway.
pub(super) fn snapshot_is_not_older(new: &Snapshot, known: &Snapshot) -> Result<(), Problem> {
    for (role, listed) in &known.meta {
        if *role == RoleName::Root {
            continue;
        }
        let Some(now) = new.meta.get(role) else {
            return Err(Problem::Unlisted { role: role.clone() });
        };
        not_older(role.clone(), now.version, listed.version)?;
    }
    Ok(())
}

fn not_older(role: RoleName, version: i64, known: i64) -> Result<(), Problem> {
    if version < known {
        return Err(Problem::Rollback {
            role,
            version,
            known,
        });
    }
    Ok(())
}
