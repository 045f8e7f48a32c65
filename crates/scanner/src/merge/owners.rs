//! Which operating system package a language package came with. Only a package that is still installed owns anything,
//! and only what was written in the layer that brought that package: a file that a later layer changes is not the
//! distribution's any more, however it is named.

use std::collections::{HashMap, HashSet};

use sbom::{LayerInventory, Package};

use super::databases::Databases;
use super::timeline::Present;

/// Owners by the path of the metadata file, each with the layer that brought it.
pub(super) struct Owners<'a> {
    by_path: HashMap<&'a str, Vec<(usize, &'a str)>>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(layers: &'a [LayerInventory], databases: &Databases<'_>) -> Self {
        let installed: HashSet<_> = databases.runs().collect();
        let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
        for (index, layer) in layers.iter().enumerate() {
            for (os_package, path) in &layer.ownership {
                if installed.contains(&(os_package.as_str(), index)) {
                    by_path
                        .entry(path.as_str())
                        .or_default()
                        .push((index, os_package.as_str()));
                }
            }
        }
        Self { by_path }
    }

    pub(super) fn owner(&self, path: &str, present: &Present<'_, Package>) -> Option<&'a str> {
        let came_with = |index: usize| index == present.since || index == present.written;
        self.by_path
            .get(path)?
            .iter()
            .find(|(index, _)| came_with(*index))
            .map(|(_, os_package)| *os_package)
    }
}
