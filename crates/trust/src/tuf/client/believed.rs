//! A repository that was read to its end: what its tags are, and who says so.

use std::collections::{BTreeMap, VecDeque};

use super::remembered::Remembered;
use crate::tuf::key::Key;
use crate::tuf::metadata::{FileMeta, Root, Snapshot, Targets, Timestamp};
use crate::tuf::problem::Problem;
use crate::tuf::role::{RELEASES, RoleName};
use crate::tuf::verify::Trusted;

/// A repository as it is believed.
#[derive(Debug, Clone)]
pub struct Believed {
    pub(super) root: Trusted<Root>,
    pub(super) timestamp: Trusted<Timestamp>,
    pub(super) snapshot: Trusted<Snapshot>,
    /// `targets` first, each delegation after the role that delegates to it.
    pub(super) roles: Vec<BelievedRole>,
    pub(super) disregarded: Vec<(RoleName, Problem)>,
    /// What was known before of roles that are listed, whether they say something now or not.
    pub(super) kept: BTreeMap<RoleName, Vec<u8>>,
}

/// `targets` or a delegation, and how far it may speak.
#[derive(Debug, Clone)]
pub struct BelievedRole {
    name: RoleName,
    paths: Vec<String>,
    file: Trusted<Targets>,
}

/// What one role says about a tag.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Who says it.
    pub role: &'a RoleName,
    /// The image.
    pub file: &'a FileMeta,
    /// The distinct keys that signed the role's file.
    pub signers: &'a [Key],
}

impl Believed {
    /// The image of a tag as docker finds it: in `targets/releases`, else in `targets`. An entry of another delegation that comes before
    /// one of theirs is none at all.
    #[must_use]
    pub fn target(&self, tag: &str) -> Option<Entry<'_>> {
        let releases = |role: &RoleName| role.as_str() == RELEASES;
        let first = self.first_below(tag, &releases, &|_| false);
        let first =
            first.or_else(|| self.first_below(tag, &|role| *role == RoleName::Targets, &releases));
        first.filter(|entry| releases(entry.role) || *entry.role == RoleName::Targets)
    }

    /// What every role says about a tag that it may speak about.
    pub fn entries<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = Entry<'a>> {
        self.roles.iter().filter_map(move |role| role.entry(tag))
    }

    /// `targets` first, each delegation after the role that delegates to it.
    #[must_use]
    pub fn roles(&self) -> &[BelievedRole] {
        &self.roles
    }

    /// Delegations that say nothing, and why: they expired, or their signatures do not suffice.
    #[must_use]
    pub fn disregarded(&self) -> &[(RoleName, Problem)] {
        &self.disregarded
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

    /// What to keep for the next time. A role that says nothing now keeps what it said last: else whoever can make it say nothing could
    /// show an older file afterwards.
    #[must_use]
    pub fn remember(&self) -> Remembered {
        let mut targets = self.kept.clone();
        let roles = self.roles.iter();
        targets.extend(roles.map(|role| (role.name.clone(), role.file.bytes().to_vec())));
        Remembered {
            root: Some(self.root.bytes().to_vec()),
            timestamp: Some(self.timestamp.bytes().to_vec()),
            snapshot: Some(self.snapshot.bytes().to_vec()),
            targets,
        }
    }

    /// The first entry in a role or below it, level by level.
    fn first_below(
        &self,
        tag: &str,
        is_start: &dyn Fn(&RoleName) -> bool,
        is_left_out: &dyn Fn(&RoleName) -> bool,
    ) -> Option<Entry<'_>> {
        let start = self.roles.iter().find(|role| is_start(&role.name))?;
        let mut queue = VecDeque::from([start]);
        while let Some(role) = queue.pop_front() {
            if !role.allows(tag) || is_left_out(&role.name) {
                continue;
            }
            if let Some(entry) = role.entry(tag) {
                return Some(entry);
            }
            for child in &role.targets().delegations.roles {
                queue.extend(self.roles.iter().find(|role| role.name == child.name));
            }
        }
        None
    }
}

impl BelievedRole {
    pub(super) fn new(name: RoleName, paths: Vec<String>, file: Trusted<Targets>) -> Self {
        Self { name, paths, file }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &RoleName {
        &self.name
    }

    /// What it says, also about tags that it may not speak about.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        self.file.content()
    }

    /// Its file and who signed it.
    #[must_use]
    pub fn file(&self) -> &Trusted<Targets> {
        &self.file
    }

    /// True if everybody above lets it speak about a tag.
    #[must_use]
    pub fn allows(&self, tag: &str) -> bool {
        self.paths.iter().any(|path| tag.starts_with(path))
    }

    /// What it says about a tag, if it may.
    #[must_use]
    pub fn entry<'a>(&'a self, tag: &str) -> Option<Entry<'a>> {
        let file = self
            .targets()
            .targets
            .get(tag)
            .filter(|_| self.allows(tag))?;
        Some(Entry {
            role: &self.name,
            file,
            signers: self.file.signers(),
        })
    }
}
