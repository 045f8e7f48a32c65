//! A repository whose newest state is believed; its delegations are read when somebody looks for a target.

use std::collections::BTreeMap;

use super::key::Names;
use super::metadata::{Snapshot, Targets, Timestamp};
use super::search::Search;
use crate::tuf::client::Remembered;
use crate::tuf::metadata::Root;
use crate::tuf::role::RoleName;
use crate::tuf::verify::Trusted;

/// A repository as it is believed.
#[derive(Debug, Clone)]
pub struct Believed {
    pub(super) now: i64,
    pub(super) names: Names,
    pub(super) root: Trusted<Root>,
    pub(super) timestamp: Trusted<Timestamp>,
    pub(super) snapshot: Trusted<Snapshot>,
    pub(super) targets: Trusted<Targets>,
    pub(super) delegations: BTreeMap<RoleName, Delegated>,
    pub(super) remembered: Remembered,
}

/// The file of a delegation, and by whom it was reached: another role may delegate to it too, and ask for other keys.
#[derive(Debug, Clone)]
pub(super) struct Delegated {
    pub(super) by: RoleName,
    pub(super) file: Trusted<Targets>,
}

impl Believed {
    pub(super) fn new(
        now: i64,
        names: Names,
        (root, timestamp, snapshot, targets): (
            Trusted<Root>,
            Trusted<Timestamp>,
            Trusted<Snapshot>,
            Trusted<Targets>,
        ),
        remembered: Remembered,
    ) -> Self {
        Self {
            now,
            names,
            root,
            timestamp,
            snapshot,
            targets,
            delegations: BTreeMap::new(),
            remembered,
        }
    }

    /// Looks for a target by its name, in `targets` and where it delegates to.
    pub fn search(&mut self, target: &str) -> Search<'_> {
        Search::new(self, target)
    }

    /// Takes the file of a delegation. What it delegated as it stood before is read again.
    pub(super) fn insert(&mut self, role: RoleName, by: RoleName, file: Trusted<Targets>) {
        self.delegations.retain(|_, below| below.by != role);
        self.delegations.insert(role, Delegated { by, file });
    }

    /// The file of a role that was visited.
    pub(super) fn file(&self, role: &RoleName) -> Option<&Trusted<Targets>> {
        match role {
            RoleName::Targets => Some(&self.targets),
            role => self.delegations.get(role).map(|delegated| &delegated.file),
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Trusted<Root> {
        &self.root
    }

    /// The timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Trusted<Timestamp> {
        &self.timestamp
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Trusted<Snapshot> {
        &self.snapshot
    }

    /// `targets` itself.
    #[must_use]
    pub fn targets(&self) -> &Trusted<Targets> {
        &self.targets
    }

    /// What to keep for the next time, with the delegations that were read and are still listed.
    #[must_use]
    pub fn remember(&self) -> Remembered {
        let mut remembered = self.remembered.clone();
        let listed = &self.snapshot.content().meta;
        remembered
            .targets
            .retain(|role, _| listed.contains_key(role));
        remembered
    }
}
