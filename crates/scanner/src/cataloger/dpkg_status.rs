//! `var/lib/dpkg/status`: the package database of Debian and the distributions made from it.

use std::io;

use sbom::{DatabaseKind, ProblemKind};

use super::{Cataloger, File, Finding, dpkg};

pub(super) struct DpkgStatus;

impl Cataloger for DpkgStatus {
    fn claims(&self, path: &str) -> bool {
        path == "var/lib/dpkg/status"
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        dpkg::read(file, DatabaseKind::DpkgStatus, false).map(Finding::Database)
    }

    fn unread(&self, path: &str, _kind: ProblemKind, why: String) -> Finding {
        Finding::Database(dpkg::unreadable(path, DatabaseKind::DpkgStatus, why))
    }

    fn linked(&self, path: &str, target: &str) -> Finding {
        self.unread(
            path,
            ProblemKind::UnreadableDatabase,
            format!("a symbolic link to `{target}`, not followed"),
        )
    }
}
