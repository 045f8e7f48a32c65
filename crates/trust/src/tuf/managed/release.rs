//! The server's own file `targets/releases`: what docker pulls. It lists what the gates allow and nothing else, and a new version is
//! written only where that is something else than before.

use std::collections::BTreeMap;

use super::entries::Entries;
use super::form::After;
use crate::tuf::gun::Gun;
use crate::tuf::metadata::{FileMeta, Targets};
use crate::tuf::publish::{
    Accepted, Current, Held, Refusal, ReleasesPart, made, stored, stored_root,
};
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::time;
use crate::tuf::verify;

/// The most tags that are released in one repository: with more, the file would be longer than anybody reads.
pub const RELEASED_MAX: usize = 30_000;

/// Lists these tags in `targets/releases`; of more than [`RELEASED_MAX`] those that are listed already, and then the first by name, so that
/// nobody keeps a tag from being withdrawn by adding others. `None`: nothing is to be written, because it lists just these, or because the
/// repository is not managed.
///
/// # Errors
/// What is stored cannot be read, or a key of the server's is missing.
pub fn release(
    gun: &Gun,
    current: &Current,
    held: &Held,
    tags: BTreeMap<String, FileMeta>,
    now: i64,
) -> Result<Option<Accepted>, Refusal> {
    let (root, targets) = (
        stored_root(gun, current, None)?,
        stored::<Targets>(&RoleName::Targets, current)?,
    );
    let (Some(root), Some(targets)) = (root, targets) else {
        return Ok(None);
    };
    let (_, root) = root.into_parts();
    // Where publishers sign snapshots, nothing that the server wrote would be listed. They are to bring it to the form first.
    let (Some(key), Some(_)) = (
        held.releasing(&targets),
        held.enough(&RoleName::Snapshot, &root),
    ) else {
        return Ok(None);
    };
    let role = RoleName::releases();
    let before: Option<Targets> = stored(&role, current)?;
    let mut content = Targets::new(time::end(&role, now));
    content.targets = within(tags, before.as_ref());
    if Entries::between(before.as_ref(), Some(&content)).is_empty()
        && (before.is_none() || is_signed(current, &targets))
    {
        return Ok(None);
    }
    content.version = current.next_version(&role)?;
    let releases = ReleasesPart {
        content,
        key: key.clone(),
    };
    made(gun, current, held, root, Some(releases), now).map(Some)
}

/// As many tags as have room.
fn within(
    mut tags: BTreeMap<String, FileMeta>,
    before: Option<&Targets>,
) -> BTreeMap<String, FileMeta> {
    if tags.len() <= RELEASED_MAX {
        return tags;
    }
    let is_listed = |tag: &String, _: &mut FileMeta| {
        before.is_some_and(|before| before.targets.contains_key(tag))
    };
    let listed = tags.extract_if(.., is_listed);
    let mut kept: BTreeMap<String, FileMeta> = listed.take(RELEASED_MAX).collect();
    let room = RELEASED_MAX.saturating_sub(kept.len());
    kept.extend(tags.into_iter().take(room));
    kept
}

/// What stands in `targets/releases` when an update gives it to the server, or to another key of the server's. The server's own list
/// stays; what others wrote there is gone, until the gates have been asked.
pub(super) fn taken_over(
    after: &After,
    current: &Current,
    held: &Held,
    now: i64,
) -> Result<Option<ReleasesPart>, Refusal> {
    let role = RoleName::releases();
    let Some(targets) = after.targets() else {
        return Ok(None);
    };
    let (Some(key), Some(before)) = (held.releasing(targets), stored::<Targets>(&role, current)?)
    else {
        return Ok(None);
    };
    if is_signed(current, targets) {
        return Ok(None);
    }
    let mut content = Targets::new(time::end(&role, now));
    content.version = current.next_version(&role)?;
    // What the server listed itself, and nobody who had the role before it.
    let targets_before: Option<Targets> = stored(&RoleName::Targets, current)?;
    if targets_before
        .is_some_and(|targets| held.releasing(&targets).is_some() && is_signed(current, &targets))
    {
        content.targets = before.targets;
    }
    Ok(Some(ReleasesPart {
        content,
        key: key.clone(),
    }))
}

/// Whether the current `targets/releases` is signed as `targets` asks.
pub(in crate::tuf) fn is_signed(current: &Current, targets: &Targets) -> bool {
    let role = RoleName::releases();
    let Some(bytes) = current.file(&role) else {
        return false;
    };
    let signed: Result<Signed<Targets>, _> = Signed::parse(&role, bytes.to_vec());
    signed
        .is_ok_and(|signed| verify::delegation(&role, &RoleName::Targets, targets, signed).is_ok())
}
