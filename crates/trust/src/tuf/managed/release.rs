//! The server's own file `targets/releases`: what docker pulls. It lists what the gates allow and nothing else, and a new version is
//! written only where that is something else than before.

use std::collections::BTreeMap;

use super::entries::Entries;
use super::form::After;
use crate::tuf::gun::Gun;
use crate::tuf::metadata::{FileMeta, Targets};
use crate::tuf::problem::Problem;
use crate::tuf::publish::{
    Accepted, Current, Held, Refusal, ReleasesPart, made, stored, stored_root,
};
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::time;
use crate::tuf::verify;

/// The most tags that are released in one repository: with more, the file would be longer than anybody reads.
pub const RELEASED_MAX: usize = 30_000;

/// Lists these tags in `targets/releases`. `None`: nothing is to be written, because it lists just these, or because the repository is not
/// managed.
///
/// # Errors
/// What is stored cannot be read, a key of the server's is missing, or there are too many tags.
pub fn release(
    gun: &Gun,
    current: &Current,
    held: &Held,
    tags: BTreeMap<String, FileMeta>,
    now: i64,
) -> Result<Option<Accepted>, Refusal> {
    if tags.len() > RELEASED_MAX {
        return Err(Refusal::BadTargets(Problem::TooMany {
            what: "released tags",
            max: RELEASED_MAX,
        }));
    }
    let (root, targets) = (
        stored_root(gun, current, None)?,
        stored::<Targets>(&RoleName::Targets, current)?,
    );
    let (Some(root), Some(targets)) = (root, targets) else {
        return Ok(None);
    };
    let Some(key) = held.releasing(&targets) else {
        return Ok(None);
    };
    let role = RoleName::releases();
    let before: Option<Targets> = stored(&role, current)?;
    let mut content = Targets::new(time::end(&role, now));
    content.targets = tags;
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
    let (_, root) = root.into_parts();
    made(gun, current, held, root, Some(releases), now).map(Some)
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
