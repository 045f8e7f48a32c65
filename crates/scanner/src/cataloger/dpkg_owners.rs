//! Which dpkg package brought which language package metadata: `var/lib/dpkg/info/NAME[:ARCH].list`, and the
//! `.md5sums` beside a `status.d` file. Only lines that name such metadata are kept; that an operating system package
//! really is installed, and that the file still is its own, is for `merge` to say.

use std::io::{self, BufRead, BufReader, Read};

use sbom::ProblemKind;

use super::{Cataloger, File, Finding, dpkg_status_d, identifier, is_language_metadata};
use crate::path;

pub(super) struct DpkgOwners;

impl Cataloger for DpkgOwners {
    fn claims(&self, path: &str) -> bool {
        os_package(path).is_some()
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        let Some(os_package) = os_package(file.path) else {
            return Ok(Finding::Nothing);
        };
        let has_checksums = file.path.ends_with(dpkg_status_d::CHECKSUMS);
        let mut reader = BufReader::new(&mut *file.content);
        let (mut line, mut paths, mut owned) = (Vec::new(), Vec::new(), String::new());
        while read_line(&mut reader, &mut line)? {
            let name = if has_checksums {
                line.get(CHECKSUM_CHARS..).unwrap_or_default()
            } else {
                &line
            };
            let is_path = path::normalise(name, file.limits.path_bytes_max, &mut owned).is_ok();
            if is_path && paths.len() < PATHS_MAX && is_language_metadata(&owned) {
                paths.push(owned.clone());
            }
        }
        if paths.is_empty() {
            return Ok(Finding::Nothing);
        }
        Ok(Finding::Owned {
            os_package: os_package.to_owned(),
            paths,
        })
    }

    // At worst, a package is matched that need not be.
    fn unread(&self, _path: &str, _kind: ProblemKind, _why: String) -> Finding {
        Finding::Nothing
    }
}

// The architecture in the name of a `Multi-Arch: same` package's list is not part of the package's name.
fn os_package(path: &str) -> Option<&str> {
    let name = match path.strip_prefix("var/lib/dpkg/info/") {
        Some(name) => name.strip_suffix(".list")?,
        None => path
            .strip_prefix(dpkg_status_d::FOLDER)?
            .strip_suffix(dpkg_status_d::CHECKSUMS)?,
    };
    let name = name.split(':').next()?;
    identifier(name.as_bytes()).filter(|name| !name.contains('/'))
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if reader.take(LINE_BYTES_MAX).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        reader.skip_until(b'\n')?;
    }
    Ok(true)
}

const LINE_BYTES_MAX: u64 = 8 << 10;
const PATHS_MAX: usize = 10_000;

/// An MD5 in hexadecimal and two blanks.
const CHECKSUM_CHARS: usize = 34;
