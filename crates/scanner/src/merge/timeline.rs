//! Facts of files as layer comes upon layer: which are there, which layer wrote them, and since when they say the same.

use std::collections::BTreeMap;

use super::hides::{Hides, Trail};

/// The facts that are there after the layers seen so far, by the path of their file.
pub(super) struct Timeline<'a, T> {
    by_path: BTreeMap<&'a str, Present<'a, T>>,
}

/// A fact that is there.
pub(super) struct Present<'a, T> {
    pub(super) fact: &'a T,
    /// The layer that wrote the file last.
    pub(super) written: usize,
    /// The first layer of the unbroken run in which the file says the same.
    pub(super) since: usize,
    trail: Trail<'a>,
}

impl<T> Default for Timeline<'_, T> {
    fn default() -> Self {
        Self {
            by_path: BTreeMap::new(),
        }
    }
}

impl<'a, T> Timeline<'a, T> {
    /// Goes one layer on; returns what that layer hides or overwrites.
    pub(super) fn advance(
        &mut self,
        index: usize,
        hides: &Hides<'a>,
        facts: impl Iterator<Item = (&'a str, &'a T)>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Vec<(&'a str, Present<'a, T>)> {
        let mut gone: BTreeMap<_, _> = self
            .by_path
            .extract_if(.., |_, present| hides.hides(&present.trail))
            .collect();
        for (path, fact) in facts {
            let before = self.by_path.remove(path).or_else(|| gone.remove(path));
            let since = before
                .as_ref()
                .filter(|before| same(before.fact, fact))
                .map_or(index, |before| before.since);
            let trail = before
                .as_ref()
                .map_or_else(|| Trail::of(path), |before| before.trail.clone());
            self.by_path.insert(
                path,
                Present {
                    fact,
                    written: index,
                    since,
                    trail,
                },
            );
            gone.extend(before.map(|before| (path, before)));
        }
        gone.into_iter().collect()
    }

    /// What is there, by path.
    pub(super) fn present(&self) -> impl Iterator<Item = (&'a str, &Present<'a, T>)> {
        self.by_path.iter().map(|(path, present)| (*path, present))
    }

    /// What the file at `path` says.
    pub(super) fn at(&self, path: &str) -> Option<&Present<'a, T>> {
        self.by_path.get(path)
    }
}
