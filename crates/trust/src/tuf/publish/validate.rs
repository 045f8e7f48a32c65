//! The judgement of an update, step by step as notary-server goes: the root, `targets` and delegations from the top down, the
//! snapshot, the server's timestamp, and last whether every version is new.

use std::collections::BTreeMap;

use super::accepted::{Accepted, SnapshotPart, TimestampPart, Uploaded};
use super::current::{Current, Held};
use super::load::{Loaded, stored};
use super::refusal::Refusal;
use crate::excerpt::excerpt;
use crate::strict::{JsonError, VALUES, VALUES_MAX};
use crate::tuf::gun::Gun;
use crate::tuf::metadata::{FileMeta, Snapshot, Targets, Timestamp};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Document;
use crate::tuf::time;
use crate::tuf::verify::{self, Trusted};

type Update = BTreeMap<RoleName, Document>;

/// The most signatures of one update: each one that is checked takes a while.
const SIGNATURES_MAX: usize = 1024;
/// The most roles that a snapshot lists below one delegation of `targets`. A role that was listed once stays listed, so that nobody but the
/// owner can make a snapshot grow without end.
const BELOW_ONE_MAX: usize = 64;
/// The most delegations of `targets` itself.
const FIRST_LEVEL_MAX: usize = 4096;
/// How far a version may be above the highest before. Publishers go one by one; whoever steals a key and goes to the end would leave
/// no version for the one who gets a new key.
const STEP_MAX: i64 = 1 << 32;

/// The role that a part of an upload is for, by its file name, which may end in `.json`.
///
/// # Errors
/// There is no name, or it is not a role's.
pub fn part_role(filename: Option<&str>) -> Result<RoleName, Refusal> {
    let name = filename.unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    if name.is_empty() {
        return Err(Refusal::NoFilename);
    }
    RoleName::parse(name).map_err(|_| Refusal::InvalidRole(excerpt(name)))
}

/// Judges an update: files by role, in any order. All of it is taken, or nothing. A file for `timestamp` is left out,
/// because that is the server's to write.
///
/// # Errors
/// The first thing that is wrong, in notary-server's order.
pub fn validate(
    gun: &Gun,
    update: Vec<(RoleName, Vec<u8>)>,
    current: &Current,
    held: &Held,
    now: i64,
) -> Result<Accepted, Refusal> {
    let mut update = read(update)?;
    let root = update.remove(&RoleName::Root);
    let has_root = root.is_some();
    let mut loaded = Loaded::begin(gun, root, current, now)?;

    let snapshot = update.remove(&RoleName::Snapshot);
    let mut roles: Vec<RoleName> = update.keys().cloned().collect();
    roles.sort_by_key(|role| (role.depth(), role.clone()));
    for role in &roles {
        if let Some(document) = update.remove(role) {
            loaded.add_targets(role, document)?;
        }
    }

    let came = Came {
        root: has_root,
        targets: roles,
    };
    let snapshot = match snapshot {
        Some(document) => given_snapshot(&loaded, &came, document)?,
        None => made_snapshot(&loaded, held)?,
    };
    lists_so_many(snapshot.listed()).map_err(Refusal::BadTargets)?;
    let timestamp = next_timestamp(gun, &loaded, held)?;
    let accepted = accept(loaded, came, snapshot, timestamp);
    all_newer(&accepted, current)?;
    // Last, because notary-server does not look at it: whatever it refuses has its reason.
    lists_what_is_current(&accepted, current)?;
    Ok(accepted)
}

/// Which roles the update brought; the others were read from what is current.
struct Came {
    root: bool,
    targets: Vec<RoleName>,
}

fn read(update: Vec<(RoleName, Vec<u8>)>) -> Result<Update, Refusal> {
    let mut documents = Update::new();
    let (mut values_left, mut signatures_left) = (VALUES_MAX, SIGNATURES_MAX);
    for (role, bytes) in update {
        let malformed = |problem| Refusal::MalformedJson {
            role: role.clone(),
            problem,
        };
        let document = Document::parse_within(bytes, values_left);
        let (document, values) = document.map_err(|problem| match problem {
            JsonError::Limit { what: VALUES, .. } => too_many("values of json", VALUES_MAX),
            problem => malformed(problem.into()),
        })?;
        values_left = values_left.saturating_sub(values);
        document.version(&role).map_err(malformed)?;
        signatures_left = signatures_left
            .checked_sub(document.signatures())
            .ok_or_else(|| too_many("signatures", SIGNATURES_MAX))?;
        if documents.insert(role.clone(), document).is_some() {
            return Err(Refusal::Twice(role));
        }
    }
    documents.remove(&RoleName::Timestamp);
    Ok(documents)
}

fn too_many(what: &str, max: usize) -> Refusal {
    Refusal::MalformedUpload(format!(
        "limit exceeded: an update has at most {max} {what}"
    ))
}

fn given_snapshot(
    loaded: &Loaded<'_>,
    came: &Came,
    document: Document,
) -> Result<SnapshotPart, Refusal> {
    let role = RoleName::Snapshot;
    let snapshot = document.read(&role).and_then(|signed| {
        let snapshot: Trusted<Snapshot> = verify::base(&role, loaded.root.content(), signed)?;
        verify::not_expired(&role, snapshot.content().expires, loaded.now)?;
        lists_what_came(loaded, came, snapshot.content())?;
        Ok(snapshot)
    });
    snapshot
        .map(SnapshotPart::Given)
        .map_err(Refusal::BadSnapshot)
}

/// The snapshot lists every file that came, as it came.
fn lists_what_came(loaded: &Loaded<'_>, came: &Came, snapshot: &Snapshot) -> Result<(), Problem> {
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
fn lists_what_is_current(accepted: &Accepted, current: &Current) -> Result<(), Refusal> {
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
fn lists_so_many<'a>(roles: impl Iterator<Item = &'a RoleName>) -> Result<(), Problem> {
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

/// The next snapshot: what the current one lists, with the root and everything that was read on the way.
fn made_snapshot(loaded: &Loaded<'_>, held: &Held) -> Result<SnapshotPart, Refusal> {
    let role = RoleName::Snapshot;
    let previous: Option<Snapshot> = stored(&role, loaded.current)?;
    if previous.is_none() && !loaded.targets.contains_key(&RoleName::Targets) {
        return Err(Refusal::NoTargets);
    }
    let keys = held.enough(&role, loaded.root.content());
    let keys = keys.ok_or(Refusal::SnapshotMissing)?;
    let mut meta = previous.map(|previous| previous.meta).unwrap_or_default();
    meta.insert(RoleName::Root, FileMeta::of(loaded.root.bytes()));
    for (role, targets) in &loaded.targets {
        meta.insert(role.clone(), FileMeta::of(targets.bytes()));
    }
    let snapshot = Snapshot {
        version: loaded.current.next_version(&role)?,
        expires: time::end(&role, loaded.now),
        meta,
    };
    Ok(SnapshotPart::Made(snapshot, keys))
}

fn next_timestamp(gun: &Gun, loaded: &Loaded<'_>, held: &Held) -> Result<TimestampPart, Refusal> {
    let role = RoleName::Timestamp;
    stored::<Timestamp>(&role, loaded.current)?;
    let keys = held.enough(&role, loaded.root.content());
    let keys = keys.ok_or_else(|| Refusal::BadRoot(Problem::TimestampKey { gun: gun.clone() }))?;
    Ok(TimestampPart {
        version: loaded.current.next_version(&role)?,
        expires: time::end(&role, loaded.now),
        keys,
    })
}

fn accept(
    mut loaded: Loaded<'_>,
    came: Came,
    snapshot: SnapshotPart,
    timestamp: TimestampPart,
) -> Accepted {
    let mut uploaded = Vec::new();
    if came.root {
        uploaded.push(Uploaded::root(&loaded.root));
    }
    for role in came.targets {
        if let Some(targets) = loaded.targets.remove(&role) {
            uploaded.push(Uploaded::targets(role, targets));
        }
    }
    if let SnapshotPart::Given(snapshot) = &snapshot {
        uploaded.push(Uploaded::snapshot(snapshot));
    }
    let (_, root) = loaded.root.into_parts();
    Accepted::new(root, uploaded, snapshot, timestamp)
}

/// Nothing is stored under a version that is not higher than all before, or far above them.
fn all_newer(accepted: &Accepted, current: &Current) -> Result<(), Refusal> {
    for (role, version) in accepted.versions() {
        let stored = current.latest(&role);
        if version <= stored {
            return Err(Refusal::OldVersion {
                role,
                version,
                stored,
            });
        }
        if version.saturating_sub(stored) > STEP_MAX {
            return Err(Refusal::FarVersion {
                role,
                version,
                stored,
            });
        }
    }
    Ok(())
}
