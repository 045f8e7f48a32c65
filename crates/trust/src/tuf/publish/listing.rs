//! What the snapshot of an update lists: each file that came, what is current besides, and not without end. Deliberately no signatures.

use std::collections::BTreeMap;

use super::accepted::Accepted;
use super::current::Current;
use super::load::{Loaded, stored};
use super::refusal::Refusal;
use super::validate::Came;
use crate::tuf::metadata::{Snapshot, Targets};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;

/// The most roles that a snapshot lists below one delegation of `targets`. A role that was listed once stays listed; nobody but the owner
/// shall make a snapshot grow without end.
const BELOW_ONE_MAX: usize = 128;
/// The most delegations of `targets` itself.
const FIRST_LEVEL_MAX: usize = 4096;

/// The snapshot lists every file that came, as it came.
pub(super) fn what_came(
    loaded: &Loaded<'_>,
    came: &Came,
    snapshot: &Snapshot,
) -> Result<(), Problem> {
    let root = came.root.then(|| (&RoleName::Root, loaded.root.bytes()));
    let targets = came.targets.iter();
    let targets = targets.filter_map(|role| Some((role, loaded.targets.get(role)?.bytes())));
    for (role, bytes) in targets.chain(root) {
        let file = snapshot.meta.get(role);
        let file = file.ok_or_else(|| Problem::Unlisted { role: role.clone() })?;
        if !file.matches(bytes) {
            return Err(Problem::Hash {
                role: role.clone(),
                by: RoleName::Snapshot,
            });
        }
    }
    Ok(())
}

/// A publisher's snapshot lists what is current besides, and nothing else: a stolen snapshot key neither brings an old file back nor hides
/// what a delegation says.
pub(super) fn what_is_current(accepted: &Accepted, current: &Current) -> Result<(), Refusal> {
    let Some(snapshot) = accepted.given_snapshot() else {
        return Ok(());
    };
    for (role, file) in &snapshot.meta {
        // What came was compared already; a snapshot cannot list itself.
        let came = *role != RoleName::Snapshot && accepted.upload(role).is_some();
        let is_current = || current.file(role).is_some_and(|bytes| file.matches(bytes));
        if !came && !is_current() {
            let role = role.clone();
            return Err(Refusal::BadSnapshot(Problem::Unknown { role }));
        }
    }
    for role in current
        .roles()
        .filter(|role| !snapshot.meta.contains_key(role))
    {
        if is_delegated(role, accepted, current)? {
            let role = role.clone();
            return Err(Refusal::BadSnapshot(Problem::Unlisted { role }));
        }
    }
    Ok(())
}

/// Whether the role above delegates to a role after the update.
fn is_delegated(role: &RoleName, accepted: &Accepted, current: &Current) -> Result<bool, Refusal> {
    let Some(parent) = role.parent() else {
        return Ok(false);
    };
    let delegates = |targets: &Targets| targets.delegations.role(role).is_some();
    match accepted.upload(&parent) {
        Some(uploaded) => Ok(uploaded.targets.as_ref().is_some_and(delegates)),
        None => Ok(stored(&parent, current)?.as_ref().is_some_and(delegates)),
    }
}

/// Nobody delegates without end.
pub(super) fn so_many<'a>(roles: impl Iterator<Item = &'a RoleName>) -> Result<(), Problem> {
    let mut below: BTreeMap<&str, usize> = BTreeMap::new();
    for role in roles.filter(|role| role.depth() > 0) {
        let (_, name) = role.as_str().split_once('/').unwrap_or_default();
        let (first, is_below) = match name.split_once('/') {
            Some((first, _)) => (first, 1),
            None => (name, 0),
        };
        *below.entry(first).or_default() += is_below;
    }
    let too_many = |what, max| Err(Problem::TooMany { what, max });
    if below.len() > FIRST_LEVEL_MAX {
        return too_many("delegations that were ever published", FIRST_LEVEL_MAX);
    }
    if below.values().any(|roles| *roles > BELOW_ONE_MAX) {
        return too_many("roles below one delegation", BELOW_ONE_MAX);
    }
    Ok(())
}
