//! Which paths of a layer are no folders, so that what earlier layers have below them is gone.
//!
//! What counts is what a path is in the end: runtimes differ in what a file leaves behind that becomes a folder again
//! in the same layer, and what may still be there has to be listed. For the same reason the bound is harmless:
//! forgetting a path can only make an inventory list what is gone, never leave out what is there.

use std::collections::HashSet;

use crate::path;

/// Fingerprints of the paths that are no folders.
pub(super) struct Replaced {
    fingerprints: HashSet<u64>,
    max: usize,
    /// The folder whose ancestors were looked at last: entries come folder by folder.
    last: String,
}

impl Replaced {
    pub(super) fn new(max: usize) -> Self {
        Self {
            fingerprints: HashSet::new(),
            max,
            last: String::new(),
        }
    }

    /// The entry at `path` is no folder.
    pub(super) fn no_folder(&mut self, path: &str) {
        if self
            .last
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            self.last.clear();
        }
        if self.fingerprints.len() < self.max || ABOVE_DATABASES.contains(&path) {
            self.fingerprints.insert(path::fingerprint(path));
        }
    }

    /// The entry at `path` is a folder; returns whether it was none before.
    pub(super) fn folder(&mut self, path: &str) -> bool {
        !self.fingerprints.is_empty() && self.fingerprints.remove(&path::fingerprint(path))
    }

    /// Everything above `path` is a folder, or the entry could not be there; returns whether some of it was none before.
    pub(super) fn folders_above(&mut self, path: &str) -> bool {
        let (folder, _) = path::split(path);
        if folder == self.last {
            return false;
        }
        let mut changed = false;
        for ancestor in path::ancestors(path) {
            changed |= self.folder(ancestor);
        }
        folder.clone_into(&mut self.last);
        changed
    }

    /// Whether entries are forgotten from now on.
    pub(super) fn is_full(&self) -> bool {
        self.fingerprints.len() >= self.max
    }

    /// The fingerprints, sorted.
    pub(super) fn finish(self) -> Vec<u64> {
        let mut fingerprints: Vec<_> = self.fingerprints.into_iter().collect();
        fingerprints.sort_unstable();
        fingerprints
    }
}

const ABOVE_DATABASES: [&str; 5] = [
    "var",
    "var/lib",
    "var/lib/dpkg",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d",
];
