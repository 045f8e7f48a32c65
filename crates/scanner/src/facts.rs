//! What one layer says, file by file, while it is read: a file that an archive holds twice counts once, as the later
//! entry has it, and all of it has a bound in bytes.

use std::collections::{BTreeMap, HashSet};

use sbom::{Database, Distro, Package, Problem, ProblemKind};

use crate::cataloger::Finding;
use crate::path;

/// Findings by the path of their file.
pub(crate) struct Facts {
    by_path: BTreeMap<String, Finding>,
    /// Fingerprints of the files that were looked into and said nothing.
    silent: HashSet<u64>,
    /// Fingerprints of at least every folder above a file with a finding.
    folders: HashSet<u64>,
    bytes: usize,
    bytes_max: usize,
}

/// The facts do not fit their bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The findings of a layer by what they are.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) databases: Vec<Database>,
    pub(crate) packages: Vec<Package>,
    pub(crate) os_release: Vec<(String, Distro)>,
    pub(crate) ownership: Vec<(String, String)>,
    pub(crate) licences: BTreeMap<String, Vec<String>>,
    pub(crate) problems: Vec<Problem>,
}

impl Facts {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            by_path: BTreeMap::new(),
            silent: HashSet::new(),
            folders: HashSet::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Bytes that the next finding may take.
    pub(crate) fn room(&self) -> usize {
        self.bytes_max
            .saturating_sub(self.bytes)
            .saturating_sub(ROOM_FOR_PATHS)
    }

    /// Takes so many bytes from what is left.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Full> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max {
            Err(Full)
        } else {
            Ok(())
        }
    }

    /// What is known of the file at `path`.
    pub(crate) fn finding(&self, path: &str) -> Option<&Finding> {
        self.by_path.get(path)
    }

    /// Whether the file at `path` was looked into and said nothing.
    pub(crate) fn is_silent(&self, path: &str) -> bool {
        self.silent.contains(&path::fingerprint(path))
    }

    /// Sets what the file at `path` says, in place of what it said before.
    pub(crate) fn set(&mut self, path: &str, finding: Finding) -> Result<(), Full> {
        self.by_path.remove(path);
        if finding == Finding::Nothing {
            self.silent.insert(path::fingerprint(path));
            return self.spend(2 * size_of::<u64>());
        }
        self.spend(path.len() + finding_bytes(&finding))?;
        for folder in path::ancestors(path) {
            if !self.folders.insert(path::fingerprint(folder)) {
                break;
            }
            self.spend(2 * size_of::<u64>())?;
        }
        self.by_path.insert(path.to_owned(), finding);
        Ok(())
    }

    /// Forgets the file at `path`, which an entry of another kind replaces.
    pub(crate) fn forget(&mut self, path: &str) {
        self.by_path.remove(path);
    }

    /// Forgets everything below `path`, which was a folder and is none any more.
    pub(crate) fn forget_below(&mut self, path: &str) {
        if !self.folders.is_empty() && self.folders.contains(&path::fingerprint(path)) {
            let prefix = format!("{path}/");
            self.by_path.retain(|path, _| !path.starts_with(&prefix));
        }
    }

    pub(crate) fn into_sorted(self) -> Sorted {
        let mut sorted = Sorted::default();
        for (path, finding) in self.by_path {
            match finding {
                Finding::Nothing | Finding::Stored(_) => {}
                Finding::Database(database) => sorted.databases.push(database),
                Finding::Package(package) => sorted.packages.push(package),
                Finding::Distro(distro) => sorted.os_release.push((path, distro)),
                Finding::Owned { os_package, paths } => {
                    sorted
                        .ownership
                        .extend(paths.into_iter().map(|path| (os_package.clone(), path)));
                }
                Finding::Licences { os_package, names } => {
                    sorted.licences.insert(os_package, names);
                }
                Finding::Unread { kind, why } => {
                    sorted.problems.push(Problem {
                        kind,
                        detail: why,
                        path: Some(path),
                        layer: None,
                    });
                }
            }
        }
        sorted
    }
}

/// The finding of one file as that of another that is a hard link to it.
pub(crate) fn linked(finding: &Finding, path: &str) -> Option<Finding> {
    Some(match finding {
        Finding::Package(package) | Finding::Stored(package) => Finding::Package(Package {
            path: path.to_owned(),
            ..package.clone()
        }),
        Finding::Database(database) => {
            let move_to = |package: &Package| Package {
                path: path.to_owned(),
                ..package.clone()
            };
            let packages = database.packages.iter().map(move_to).collect();
            Finding::Database(Database {
                path: path.to_owned(),
                packages,
                ..database.clone()
            })
        }
        Finding::Distro(distro) => Finding::Distro(distro.clone()),
        Finding::Unread {
            kind: kind @ ProblemKind::UnreadableMetadata,
            why,
        } => Finding::Unread {
            kind: *kind,
            why: why.clone(),
        },
        _ => return None,
    })
}

/// What a package takes in memory, about.
pub(crate) fn package_bytes(package: &Package) -> usize {
    let source = package
        .source
        .as_ref()
        .map_or(0, |source| source.name.len() + source.version.len());
    let texts = package.name.len() + package.version.len() + source + package.path.len();
    let licences: usize = package
        .licences
        .iter()
        .map(|licence| licence.len() + ENTRY_BYTES)
        .sum();
    size_of::<Package>() + texts + licences + 4 * ENTRY_BYTES
}

fn finding_bytes(finding: &Finding) -> usize {
    let texts = |texts: &[String]| {
        texts
            .iter()
            .map(|text| text.len() + ENTRY_BYTES)
            .sum::<usize>()
    };
    size_of::<Finding>()
        + match finding {
            Finding::Nothing => 0,
            Finding::Database(database) => database.packages.iter().map(package_bytes).sum(),
            Finding::Package(package) | Finding::Stored(package) => {
                package_bytes(package) - size_of::<Package>()
            }
            Finding::Distro(distro) => {
                distro.id.len() + distro.version_id.len() + distro.pretty_name.len()
            }
            Finding::Owned { os_package, paths } => os_package.len() + texts(paths),
            Finding::Licences { os_package, names } => os_package.len() + texts(names),
            Finding::Unread { why, .. } => why.len(),
        }
}

const ROOM_FOR_PATHS: usize = 8 << 10;

/// What a string takes apart from its bytes, about.
pub(crate) const ENTRY_BYTES: usize = 48;
