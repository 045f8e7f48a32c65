//! The layers of an image put together: what is still there, since which layer, and what nobody can vouch for.
//!
//! A layer's whiteouts, opaque folders and non-folders hide what earlier layers hold, never what it holds itself. A
//! package is blamed on the first layer of the newest unbroken run of layers after which it is there. A database that
//! a layer takes away, a distribution without a database that is read, a database without a known distribution: the
//! inventory is incomplete, and says so. Pure facts in, facts out. image-spec `layer.md`, "Applying Changesets".

use oci::ImageConfig;
use sbom::{Component, Distro, ImageInventory, LayerInventory, Package, Problem, ProblemKind};

use crate::cataloger::OS_RELEASE_PATHS;

mod databases;
mod distribution;
mod hides;
mod owners;
mod timeline;

use databases::Databases;
use hides::Hides;
use owners::Owners;
use timeline::Timeline;

/// Puts the inventories of an image's layers together, the base first. With the image's configuration, components
/// also get their instruction, and layers are checked against the diffIDs that it lists.
#[must_use]
pub fn merge(layers: &[LayerInventory], config: Option<&ImageConfig>) -> ImageInventory {
    let mut state = State::default();
    for (index, layer) in layers.iter().enumerate() {
        state.apply(index, layer);
    }
    let distro = state.distro();
    let mut problems = layer_problems(layers, config);
    problems.extend(
        state
            .file_problems
            .present()
            .map(|(_, present)| present.fact.clone()),
    );
    let of_databases = state.databases.problems(layers);
    problems.extend(distribution::problem(
        distro.as_ref(),
        &state.databases,
        !of_databases.is_empty(),
    ));
    problems.extend(of_databases);
    let mut seen = Vec::new();
    problems.retain(|problem| {
        !seen.contains(problem) && {
            seen.push(problem.clone());
            true
        }
    });
    let components = state.components(layers, config, distro.as_ref());
    ImageInventory {
        distro,
        components,
        problems,
    }
}

/// The image as it is after some of its layers.
#[derive(Default)]
struct State<'a> {
    packages: Timeline<'a, Package>,
    os_release: Timeline<'a, Distro>,
    file_problems: Timeline<'a, Problem>,
    databases: Databases<'a>,
}

impl<'a> State<'a> {
    fn apply(&mut self, index: usize, layer: &'a LayerInventory) {
        let hides = Hides::of(layer);
        let same = |a: &Package, b: &Package| a.name == b.name && a.version == b.version;
        let packages = layer
            .packages
            .iter()
            .map(|package| (package.path.as_str(), package));
        self.packages.advance(index, &hides, packages, same);
        let os_release = layer
            .os_release
            .iter()
            .map(|(path, distro)| (path.as_str(), distro));
        self.os_release
            .advance(index, &hides, os_release, |a, b| a == b);
        let problems = layer
            .problems
            .iter()
            .filter_map(|problem| Some((file_of(problem)?, problem)));
        self.file_problems
            .advance(index, &hides, problems, |a, b| a == b);
        self.databases.advance(index, &hides, layer);
    }

    fn distro(&self) -> Option<Distro> {
        OS_RELEASE_PATHS
            .iter()
            .find_map(|path| self.os_release.at(path))
            .map(|present| present.fact.clone())
    }

    fn components(
        &self,
        layers: &[LayerInventory],
        config: Option<&ImageConfig>,
        distro: Option<&Distro>,
    ) -> Vec<Component> {
        let instructions = config
            .map(|config| config.instructions(layers.len()))
            .unwrap_or_default();
        let owners = Owners::of(layers, &self.databases);
        let component = |package: Package, since: usize| {
            let layer = layers.get(since)?;
            Some(Component {
                purl: package.purl(distro),
                package,
                layer: layer.digest.clone(),
                layer_index: since,
                instruction: instructions.get(since).cloned().flatten(),
            })
        };
        let os_packages = self.databases.packages(layers);
        let language_packages = self.packages.present().map(|(path, present)| {
            let owner = owners.owner(path, present).map(str::to_owned);
            (
                Package {
                    owner,
                    ..present.fact.clone()
                },
                present.since,
            )
        });
        let mut components: Vec<_> = os_packages
            .chain(language_packages)
            .filter_map(|(package, since)| component(package, since))
            .collect();
        components.sort_by_cached_key(|component| {
            (component.purl.to_string(), component.package.path.clone())
        });
        components
    }
}

/// The file that a problem is about, when the problem is gone with the file.
fn file_of(problem: &Problem) -> Option<&str> {
    let is_about_a_file = matches!(
        problem.kind,
        ProblemKind::UnreadableMetadata
            | ProblemKind::UnreadableDatabase
            | ProblemKind::LimitExceeded
    );
    problem.path.as_deref().filter(|_| is_about_a_file)
}

/// The problems of whole layers, and of layers that are not those of the configuration.
fn layer_problems(layers: &[LayerInventory], config: Option<&ImageConfig>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let of_layer = layer
            .problems
            .iter()
            .filter(|problem| file_of(problem).is_none());
        // An inventory is kept by the layer's digest and may have been made for another image's configuration.
        problems.extend(
            of_layer
                .filter(|problem| config.is_none() || problem.kind != ProblemKind::DiffIdMismatch)
                .cloned(),
        );
        problems.extend(config.and_then(|config| diff_id_problem(index, layer, config)));
    }
    if let Some(listed) = config
        .map(|config| config.rootfs.diff_ids.len())
        .filter(|listed| *listed != layers.len())
    {
        let detail = format!(
            "the configuration lists {listed} layers, and the image has {}",
            layers.len()
        );
        problems.push(Problem {
            kind: ProblemKind::DiffIdMismatch,
            detail,
            path: None,
            layer: None,
        });
    }
    problems
}

fn diff_id_problem(index: usize, layer: &LayerInventory, config: &ImageConfig) -> Option<Problem> {
    // The digest of a layer that was not read to its end says nothing, and the layer has a problem already.
    let was_cut = |problem: &Problem| {
        matches!(
            problem.kind,
            ProblemKind::BrokenLayer | ProblemKind::LimitExceeded | ProblemKind::ForeignLayer
        )
    };
    if layer.problems.iter().any(was_cut) {
        return None;
    }
    let expected = config
        .rootfs
        .diff_ids
        .get(index)
        .filter(|expected| **expected != layer.diff_id)?;
    Some(Problem {
        kind: ProblemKind::DiffIdMismatch,
        detail: format!(
            "the uncompressed layer is {}, and the configuration lists {expected}",
            layer.diff_id
        ),
        path: None,
        layer: Some(layer.digest.clone()),
    })
}

#[cfg(test)]
mod tests;
