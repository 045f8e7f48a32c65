//! Inventories: the facts of one layer, which never change and are kept by its digest, and what an image holds when its
//! layers are put together. These are the records; the scanner fills them.

use std::fmt;

use oci::Digest;
use serde::{Deserialize, Serialize};

use crate::{Distro, Package, Purl};

mod path_hashes;

/// The facts of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInventory {
    /// Digest of the layer as stored, that is, compressed.
    pub digest: Digest,
    /// Digest of the uncompressed layer, as it was read.
    pub diff_id: Digest,
    /// Version of the scanner that made it; another version may see more.
    pub scanner_version: u32,
    /// How many entries were read.
    pub entries: u64,
    /// How many uncompressed bytes were read.
    pub bytes: u64,
    /// The operating system's package databases in this layer, each with all its packages.
    pub databases: Vec<Database>,
    /// Packages that declare themselves in a file of their own.
    pub packages: Vec<Package>,
    /// Distributions by the path of the file that names them.
    pub os_release: Vec<(String, Distro)>,
    /// Which operating system package owns which metadata file: (package, path).
    pub ownership: Vec<(String, String)>,
    /// Licences that operating system packages declare in a file of their own: (package, licences).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub os_licences: Vec<(String, Vec<String>)>,
    /// Paths that this layer removes.
    pub whiteouts: Vec<String>,
    /// Folders whose earlier content this layer hides.
    pub opaques: Vec<String>,
    /// For every entry that is no folder, the first 8 bytes (big endian) of the SHA-256 of its path, sorted: such an
    /// entry hides what lay below that path in earlier layers.
    #[serde(with = "path_hashes")]
    pub replaced: Vec<u64>,
    /// What could not be seen.
    pub problems: Vec<Problem>,
}

/// A package database of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its file, without a leading slash.
    pub path: String,
    /// Its format.
    pub kind: DatabaseKind,
    /// The packages that it says are installed.
    pub packages: Vec<Package>,
    /// Why it could not be read completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The format of a package database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// `var/lib/dpkg/status`.
    DpkgStatus,
    /// One file of `var/lib/dpkg/status.d`, as distroless images have them.
    DpkgStatusD,
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DpkgStatus => "dpkg-status",
            Self::DpkgStatusD => "dpkg-status-d",
        })
    }
}

/// Something that an inventory could not see, and so does not vouch for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// What happened, as a phrase for people.
    pub detail: String,
    /// The file it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The layer it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)?;
        if let Some(path) = &self.path {
            write!(f, " (`{}`)", path.escape_debug())?;
        }
        match &self.layer {
            Some(layer) => write!(f, " in layer {}", layer.short()),
            None => Ok(()),
        }
    }
}

/// The kinds of problems; the list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A package database is there but cannot be read.
    UnreadableDatabase,
    /// The distribution is known to have a package database, and there is none.
    MissingDatabase,
    /// A layer removes the package database of an earlier one.
    RemovedDatabase,
    /// A limit was hit and the rest was not read.
    LimitExceeded,
    /// The layer is not the archive that it should be.
    BrokenLayer,
    /// The layer is not the one that the image configuration names.
    DiffIdMismatch,
    /// The layer is kept elsewhere and was not read.
    ForeignLayer,
    /// The metadata of a package cannot be read.
    UnreadableMetadata,
}

impl ProblemKind {
    /// Every kind, once.
    pub const ALL: &'static [Self] = &[
        Self::UnreadableDatabase,
        Self::MissingDatabase,
        Self::RemovedDatabase,
        Self::LimitExceeded,
        Self::BrokenLayer,
        Self::DiffIdMismatch,
        Self::ForeignLayer,
        Self::UnreadableMetadata,
    ];

    /// The kind as it is written: `missing-database`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableDatabase => "unreadable-database",
            Self::MissingDatabase => "missing-database",
            Self::RemovedDatabase => "removed-database",
            Self::LimitExceeded => "limit-exceeded",
            Self::BrokenLayer => "broken-layer",
            Self::DiffIdMismatch => "diff-id-mismatch",
            Self::ForeignLayer => "foreign-layer",
            Self::UnreadableMetadata => "unreadable-metadata",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A package in an image, with the layer and the instruction that brought it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The package.
    pub package: Package,
    /// Its purl, with the image's distribution.
    pub purl: Purl,
    /// Digest of the layer that brought it in.
    pub layer: Digest,
    /// Which layer that is, the base being 0.
    pub layer_index: usize,
    /// The instruction that made that layer, when history and layers line up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
}

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageInventory {
    /// The distribution it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<Distro>,
    /// The components, sorted by purl and path.
    pub components: Vec<Component>,
    /// What could not be seen; empty means that the inventory is complete.
    pub problems: Vec<Problem>,
}

impl ImageInventory {
    /// Whether nothing was left unseen. Only a complete inventory can be called clean.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }
}

#[cfg(test)]
mod tests;
