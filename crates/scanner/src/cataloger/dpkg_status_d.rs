//! `var/lib/dpkg/status.d/*`: one file a package, as images built without dpkg (distroless) have them. Their stanzas
//! have no `Status`; the control scripts and checksums beside them are not databases.

use std::io;

use sbom::{DatabaseKind, ProblemKind};

use super::{Cataloger, File, Finding, dpkg};

pub(super) struct DpkgStatusD;

impl Cataloger for DpkgStatusD {
    fn claims(&self, path: &str) -> bool {
        let is_companion = |name: &str| COMPANIONS.iter().any(|suffix| name.ends_with(suffix));
        path.strip_prefix(FOLDER)
            .is_some_and(|name| !name.contains('/') && !is_companion(name))
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        dpkg::read(file, DatabaseKind::DpkgStatusD, true).map(Finding::Database)
    }

    fn unread(&self, path: &str, _kind: ProblemKind, why: String) -> Finding {
        Finding::Database(dpkg::unreadable(path, DatabaseKind::DpkgStatusD, why))
    }

    fn linked(&self, path: &str, target: &str) -> Finding {
        self.unread(
            path,
            ProblemKind::UnreadableDatabase,
            format!("a symbolic link to `{target}`, not followed"),
        )
    }
}

/// Where the files are.
pub(super) const FOLDER: &str = "var/lib/dpkg/status.d/";

/// The suffix of the file that lists a package's files with their checksums.
pub(super) const CHECKSUMS: &str = ".md5sums";

const COMPANIONS: [&str; 11] = [
    CHECKSUMS,
    ".conffiles",
    ".config",
    ".list",
    ".postinst",
    ".postrm",
    ".preinst",
    ".prerm",
    ".shlibs",
    ".templates",
    ".triggers",
];
