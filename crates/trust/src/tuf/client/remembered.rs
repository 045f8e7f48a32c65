//! What a reader kept from before. It saves fetching, and it is what older files are recognised by. A file counts only while it is signed
//! with the keys that hold now: whoever rotates a key after a theft also gets rid of the versions that the thief ran up.

use std::collections::BTreeMap;

use crate::tuf::key::KeyId;
use crate::tuf::metadata::{Content, RoleKeys, Root, Snapshot, Targets, Timestamp};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::verify::{self, Trusted};

/// Files of the time before, as they came. Where belief begins is for [`Anchor`](super::Anchor) to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The root under which the others were believed.
    pub root: Option<Vec<u8>>,
    /// `timestamp`.
    pub timestamp: Option<Vec<u8>>,
    /// `snapshot`.
    pub snapshot: Option<Vec<u8>>,
    /// `targets` and delegations.
    pub targets: BTreeMap<RoleName, Vec<u8>>,
}

impl Remembered {
    /// TUF 5.3.11: once one of the server's two keys is replaced, the versions that it signed count no more, nor do those of the
    /// other, which may have been stolen with it. `before` is left out for the root under which they were believed.
    pub(super) fn forget_if_moved(&mut self, before: Option<&Root>, now: &Root) {
        let remembered = self.root.clone();
        let remembered = remembered.and_then(|bytes| Signed::parse(&RoleName::Root, bytes).ok());
        let before = before.or(remembered.as_ref().map(Signed::content));
        let moved = |before: &Root| {
            [RoleName::Timestamp, RoleName::Snapshot]
                .iter()
                .any(|role| before.role(role).map(ids) != now.role(role).map(ids))
        };
        if before.is_some_and(moved) {
            self.timestamp = None;
            self.snapshot = None;
        }
    }

    pub(super) fn timestamp(&self, root: &Root) -> Option<Trusted<Timestamp>> {
        base(&RoleName::Timestamp, root, self.timestamp.as_ref()?)
    }

    pub(super) fn snapshot(&self, root: &Root) -> Option<Trusted<Snapshot>> {
        base(&RoleName::Snapshot, root, self.snapshot.as_ref()?)
    }

    /// A role's file, if it is signed as the root or the delegating role asks now.
    pub(super) fn targets(
        &self,
        role: &RoleName,
        root: &Root,
        delegating: Option<(&RoleName, &Targets)>,
    ) -> Option<Trusted<Targets>> {
        let bytes = self.targets.get(role)?;
        let Some((parent, delegating)) = delegating else {
            return base(role, root, bytes);
        };
        let signed = Signed::parse(role, bytes.clone()).ok()?;
        verify::delegation(role, parent, delegating, signed).ok()
    }
}

fn ids(keys: &RoleKeys) -> &[KeyId] {
    &keys.keyids
}

fn base<T: Content>(role: &RoleName, root: &Root, bytes: &[u8]) -> Option<Trusted<T>> {
    let signed = Signed::parse(role, bytes.to_vec()).ok()?;
    verify::base(role, root, signed).ok()
}

/// TUF 5.4.3, 5.5.5: nothing goes back to an earlier version, and a version is one file.
pub(super) fn not_older<T: Content>(
    role: &RoleName,
    fresh: &Trusted<T>,
    known: Option<Trusted<T>>,
) -> Result<(), Problem> {
    let Some(known) = known else {
        return Ok(());
    };
    let version = fresh.content().version();
    if version < known.content().version() {
        return Err(Problem::Rollback {
            role: role.clone(),
            version,
            known: known.content().version(),
        });
    }
    if version == known.content().version() && fresh.message() != known.message() {
        return Err(Problem::Equivocation {
            role: role.clone(),
            version,
        });
    }
    Ok(())
}
