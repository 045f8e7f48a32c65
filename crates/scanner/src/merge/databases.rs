//! The operating system's package databases through the layers: the newest is the truth, each package is there since
//! the first layer of its newest unbroken run, and none may vanish without a word.

use std::collections::{BTreeMap, HashMap, HashSet};

use sbom::{Database, LayerInventory, Package, Problem, ProblemKind};

use super::hides::Hides;
use super::timeline::Timeline;

/// The databases that are there, and those that were.
#[derive(Default)]
pub(super) struct Databases<'a> {
    databases: Timeline<'a, Database>,
    runs: BTreeMap<Key<'a>, Run<'a>>,
    /// Databases that a layer took away or emptied, by path.
    removed: BTreeMap<&'a str, (usize, &'a Database)>,
}

/// Name, version, architecture.
type Key<'a> = (&'a str, &'a str, Option<&'a str>);

struct Run<'a> {
    package: &'a Package,
    since: usize,
}

impl<'a> Databases<'a> {
    pub(super) fn advance(&mut self, index: usize, hides: &Hides<'a>, layer: &'a LayerInventory) {
        let facts = layer
            .databases
            .iter()
            .map(|database| (database.path.as_str(), database));
        let gone = self.databases.advance(index, hides, facts, |_, _| false);
        if gone.is_empty() && layer.databases.is_empty() {
            return;
        }
        for database in &layer.databases {
            if !database.packages.is_empty() || database.problem.is_some() {
                self.removed.remove(database.path.as_str());
            }
        }
        for (path, present) in gone {
            let was_something = !present.fact.packages.is_empty() || present.fact.problem.is_some();
            let now = self.databases.at(path).map(|present| present.fact);
            if was_something
                && now.is_none_or(|now| now.packages.is_empty() && now.problem.is_none())
            {
                self.removed.insert(path, (index, present.fact));
            }
        }
        self.update_runs(index);
    }

    /// The packages that are installed, with the licences that any layer declares for them, and since when.
    pub(super) fn packages(
        &self,
        layers: &'a [LayerInventory],
    ) -> impl Iterator<Item = (Package, usize)> {
        let licences: HashMap<_, _> = layers
            .iter()
            .flat_map(|layer| &layer.os_licences)
            .map(|(name, licences)| (name, licences))
            .collect();
        self.runs.values().map(move |run| {
            let licences = licences
                .get(&run.package.name)
                .map(|licences| (*licences).clone())
                .unwrap_or_default();
            (
                Package {
                    licences,
                    ..run.package.clone()
                },
                run.since,
            )
        })
    }

    /// The installed packages by name, and since when each is there.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.runs
            .values()
            .map(|run| (run.package.name.as_str(), run.since))
    }

    /// Whether no package is known to be installed.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The files of the databases that are there.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a str> {
        self.databases.present().map(|(path, _)| path)
    }

    /// Databases that are unreadable or gone.
    pub(super) fn problems(&self, layers: &[LayerInventory]) -> Vec<Problem> {
        let layer_of = |index: usize| layers.get(index).map(|layer| layer.digest.clone());
        let unreadable = self.databases.present().filter_map(|(path, present)| {
            Some(Problem {
                kind: ProblemKind::UnreadableDatabase,
                detail: present.fact.problem.clone()?,
                path: Some(path.to_owned()),
                layer: layer_of(present.written),
            })
        });
        let mut problems: Vec<_> = unreadable.collect();
        let mut by_layer: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (path, (index, database)) in &self.removed {
            if self.is_missed(database) {
                by_layer.entry(*index).or_default().push(path);
            }
        }
        for (index, paths) in by_layer {
            let more = paths.len().saturating_sub(1);
            let what = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            problems.push(Problem {
                kind: ProblemKind::RemovedDatabase,
                detail: format!("this layer removes or empties a package database{what}, and no later one brings it back"),
                path: paths.first().map(|path| (*path).to_owned()),
                layer: layer_of(index),
            });
        }
        problems
    }

    // A database whose packages are all in another one now has been moved, not removed.
    fn is_missed(&self, database: &Database) -> bool {
        let installed: HashSet<_> = self.runs.keys().map(|(name, ..)| *name).collect();
        database.problem.is_some()
            || database
                .packages
                .iter()
                .any(|package| !installed.contains(package.name.as_str()))
    }

    fn update_runs(&mut self, index: usize) {
        let before = std::mem::take(&mut self.runs);
        for (_, present) in self.databases.present() {
            for package in &present.fact.packages {
                let key = (
                    package.name.as_str(),
                    package.version.as_str(),
                    package.architecture.as_deref(),
                );
                let since = before.get(&key).map_or(index, |run| run.since);
                self.runs.entry(key).or_insert(Run { package, since });
            }
        }
    }
}
