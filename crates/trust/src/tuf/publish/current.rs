//! What the server has of a repository when an update comes: files, and keys of its own.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::tuf::canonical::WHOLE_MAX;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::metadata::Root;
use crate::tuf::role::RoleName;
use crate::tuf::signed::{Document, Signed};

/// What a repository holds now.
#[derive(Debug, Clone, Default)]
pub struct Current {
    files: BTreeMap<RoleName, Vec<u8>>,
    latest: BTreeMap<RoleName, i64>,
}

impl Current {
    /// A repository without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file of a role that readers are given now: `timestamp`, the snapshot that it names, and the files that
    /// this one lists.
    pub fn insert(&mut self, role: RoleName, bytes: Vec<u8>) {
        self.files.insert(role, bytes);
    }

    /// The highest version of a role that was ever stored, where it may be higher than that of the current file: a
    /// role that is not listed any more still has its versions.
    pub fn insert_latest(&mut self, role: RoleName, version: i64) {
        let latest = self.latest.entry(role).or_insert(version);
        *latest = version.max(*latest);
    }

    /// The current file of a role.
    #[must_use]
    pub fn file(&self, role: &RoleName) -> Option<&[u8]> {
        self.files.get(role).map(Vec::as_slice)
    }

    /// The roles that have a current file.
    pub(super) fn roles(&self) -> impl Iterator<Item = &RoleName> {
        self.files.keys()
    }

    /// The highest version that is known of a role; 0 if there is none.
    #[must_use]
    pub fn latest(&self, role: &RoleName) -> i64 {
        let document = self.file(role).map(|bytes| Document::parse(bytes.to_vec()));
        let current = document.and_then(|document| document.ok()?.version(role).ok());
        let stored = self.latest.get(role).copied();
        current.max(stored).unwrap_or(0)
    }
}

impl Current {
    /// The version that the server gives its next file of a role.
    pub(super) fn next_version(&self, role: &RoleName) -> Result<i64, Refusal> {
        let next = self.latest(role).checked_add(1);
        let next = next.filter(|next| next.unsigned_abs() <= WHOLE_MAX);
        next.ok_or_else(|| Refusal::NoVersionLeft(role.clone()))
    }
}

/// The public halves of the keys that the server keeps for one repository: those in use, and those that await a root
/// that names them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Keys for `snapshot`.
    pub snapshot: Vec<Key>,
    /// Keys for `timestamp`.
    pub timestamp: Vec<Key>,
}

impl Held {
    /// The key of `snapshot` or `timestamp` that the current root names and the server holds: what a publisher who asks
    /// for the server's key is given once there is a root.
    #[must_use]
    pub fn in_use(&self, role: &RoleName, current: &Current) -> Option<&Key> {
        let bytes = current.file(&RoleName::Root)?.to_vec();
        let root: Signed<Root> = Signed::parse(&RoleName::Root, bytes).ok()?;
        self.among(role, root.content()).next()
    }

    /// The keys to sign for a role with: those that a root names and the server holds, if they are as many as it asks for.
    pub(super) fn enough(&self, role: &RoleName, root: &Root) -> Option<Vec<Key>> {
        let keys: Vec<Key> = self.among(role, root).cloned().collect();
        let threshold = usize::try_from(root.role(role)?.threshold).ok()?;
        (keys.len() >= threshold).then_some(keys)
    }

    fn among<'a>(
        &'a self,
        role: &RoleName,
        root: &Root,
    ) -> impl Iterator<Item = &'a Key> + use<'a> {
        let held: &[Key] = match role {
            RoleName::Snapshot => &self.snapshot,
            RoleName::Timestamp => &self.timestamp,
            _ => &[],
        };
        let named: Vec<KeyId> = root.keys_of(role).map(|key| key.id().clone()).collect();
        held.iter().filter(move |key| named.contains(key.id()))
    }
}
