//! What is looked for in a layer: one cataloger a file, each naming the paths it wants and turning one file's content
//! into one finding.
//!
//! A cataloger sees one regular file as a stream and nothing else: no other file, no link, no layer. What findings of
//! several files, entries and layers mean together is for the collector and for `merge`.

use std::io::{self, Read};

use sbom::{Database, Distro, Package, ProblemKind};

use crate::limits::Limits;

mod control;
mod dpkg;
mod dpkg_copyright;
mod dpkg_owners;
mod dpkg_status;
mod dpkg_status_d;
mod npm;
mod os_release;
mod python;

pub(crate) use dpkg_copyright::DOCUMENTATION;
pub(crate) use os_release::PATHS as OS_RELEASE_PATHS;

/// Finds one kind of evidence.
pub(crate) trait Cataloger: Sync {
    /// Whether the file at this normalised path is for this cataloger.
    fn claims(&self, path: &str) -> bool;

    /// Reads a claimed file. Content that means nothing is a finding too; an error is the stream's own.
    fn read(&self, file: &mut File<'_>) -> io::Result<Finding>;

    /// What to make of a claimed file that cannot be read, such as a device or a file over a limit.
    fn unread(&self, path: &str, kind: ProblemKind, why: String) -> Finding {
        let _ = path;
        Finding::Unread { kind, why }
    }

    /// What to make of a claimed path that is a symbolic link. Its target is looked at where it is, if anywhere.
    fn linked(&self, path: &str, target: &str) -> Finding {
        let _ = (path, target);
        Finding::Nothing
    }
}

/// A claimed file.
pub(crate) struct File<'a> {
    pub(crate) path: &'a str,
    pub(crate) content: &'a mut dyn Read,
    pub(crate) limits: &'a Limits,
    /// Bytes of facts that this file may still yield.
    pub(crate) room: usize,
}

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    Nothing,
    Database(Database),
    Package(Package),
    /// A package in a store from which package managers make hard links; it is installed where a link to it is.
    Stored(Package),
    Distro(Distro),
    /// Metadata files that belong to a package of the operating system.
    Owned {
        os_package: String,
        paths: Vec<String>,
    },
    /// The licences that a package of the operating system declares.
    Licences {
        os_package: String,
        names: Vec<String>,
    },
    Unread {
        kind: ProblemKind,
        why: String,
    },
}

/// The cataloger that claims a path, if any does.
pub(crate) fn for_path(path: &str) -> Option<&'static dyn Cataloger> {
    CATALOGERS
        .iter()
        .find(|cataloger| cataloger.claims(path))
        .copied()
}

/// Whether the path is that of language package metadata, which an operating system package may own.
pub(crate) fn is_language_metadata(path: &str) -> bool {
    python::is_metadata(path) || npm::is_installed(path)
}

/// Every cataloger; the first that claims a file reads it.
const CATALOGERS: [&dyn Cataloger; 7] = [
    &dpkg_status::DpkgStatus,
    &dpkg_status_d::DpkgStatusD,
    &dpkg_owners::DpkgOwners,
    &dpkg_copyright::DpkgCopyright,
    &os_release::OsRelease,
    &python::Python,
    &npm::Npm,
];

/// The bytes of a name or version that are believed; longer ones are damage.
const TEXT_BYTES_MAX: usize = 512;

/// The longest text that is a licence's name or expression, and not the licence itself.
const LICENCE_BYTES_MAX: usize = 256;

/// How many licences one package can declare.
const LICENCES_MAX: usize = 32;

/// A name, version or architecture: UTF-8 without blanks and control characters, neither empty nor endless.
fn identifier(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let sound = !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
    (sound
        && !text
            .chars()
            .any(|char| char.is_whitespace() || char.is_control()))
    .then_some(text)
}

/// Adds a declared licence once, if it is a name and not a text.
fn declare_licence(licence: &str, licences: &mut Vec<String>) {
    let licence = licence.trim();
    let is_name = !licence.is_empty()
        && licence.len() <= LICENCE_BYTES_MAX
        && !licence.contains(char::is_control);
    if is_name && licences.len() < LICENCES_MAX && !licences.iter().any(|known| known == licence) {
        licences.push(licence.to_owned());
    }
}

#[cfg(test)]
mod tests;
