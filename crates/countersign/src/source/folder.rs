//! A folder as if it were the one layer of an image. Links are not followed, so nothing outside the folder is read.

use super::Scanned;
use anyhow::{Context, Result};
use oci::Digest;
use scanner::{Collector, EntryKind, Limits};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use walkdir::WalkDir;

/// Reads a folder.
pub(super) fn scan(path: &Path) -> Result<Scanned> {
    let mut collector = Collector::new(&Limits::default());
    for entry in WalkDir::new(path).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read `{}`", path.display()))?;
        let inside = entry
            .path()
            .strip_prefix(path)
            .unwrap_or(entry.path())
            .as_os_str()
            .as_bytes()
            .to_vec();
        let kind = entry.file_type();
        let size = if kind.is_file() {
            entry.metadata().map_or(0, |metadata| metadata.len())
        } else {
            0
        };
        let offered = if kind.is_file() {
            let mut file = Lazy {
                path: entry.path(),
                file: None,
            };
            collector.offer(&inside, EntryKind::File, size, &mut file)
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            collector.offer(
                &inside,
                EntryKind::Symlink(target.as_os_str().as_bytes()),
                0,
                &mut io::empty(),
            )
        } else if kind.is_dir() {
            collector.offer(&inside, EntryKind::Directory, 0, &mut io::empty())
        } else {
            collector.offer(&inside, EntryKind::Other, 0, &mut io::empty())
        };
        offered.with_context(|| format!("cannot read `{}`", entry.path().display()))?;
    }
    let name = path.display().to_string();
    let digest = Digest::sha256(name.as_bytes());
    let layer = collector.finish(digest.clone(), digest);
    Ok(Scanned {
        name,
        digest: None,
        inventory: scanner::merge(&[layer], None),
    })
}

/// A file that is opened when somebody looks into it.
struct Lazy<'a> {
    path: &'a Path,
    file: Option<File>,
}

impl io::Read for Lazy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(File::open(self.path)?);
        }
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}
