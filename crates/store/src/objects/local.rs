//! Objects as files of the data folder: `blobs/<key>`, in 256 folders by the first byte of the digest, which are made when the
//! store opens so that no upload makes one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::UNIX_EPOCH;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use crate::error::{Error, Result};
use crate::folder::{make, sync_folder};
use crate::objects::{Content, Listed};

/// The folders of the digest algorithms, in their order.
const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];

/// A folder of objects.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    root: PathBuf,
}

impl Local {
    /// Makes the folders that are absent, and the names of all of them durable.
    pub(crate) fn create(root: PathBuf) -> Result<Local> {
        for algorithm in ALGORITHMS {
            let folder = root.join(algorithm);
            make(&folder)?;
            for shard in shards() {
                let shard = folder.join(shard);
                match DirBuilder::new().mode(0o700).create(&shard) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    outcome => outcome.map_err(Error::io(&shard))?,
                }
            }
            // Also where all were there: whoever made them may have been cut before this line.
            sync_folder(&folder)?;
        }
        Ok(Local { root })
    }

    /// A folder that is there already; nothing is made.
    pub(crate) fn existing(root: PathBuf) -> Local {
        Local { root }
    }

    pub(super) fn open(&self, key: &str) -> Result<Content> {
        opened(key, &self.path(key), File::open(self.path(key)))
    }

    /// The same if the kernel needs not wait for the disk to find the file; `None` when it has to, or cannot tell.
    pub(super) fn open_now(&self, key: &str) -> Option<Result<Content>> {
        let path = self.path(key);
        let (flags, mode) = (OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        match openat2(CWD, &path, flags, mode, ResolveFlags::CACHED) {
            Ok(file) => Some(opened(key, &path, Ok(file.into()))),
            Err(_) => None,
        }
    }

    /// Makes a complete file the object of this key: its bytes and its name are durable when this returns. The file is on the
    /// same file system, at `from`.
    ///
    /// It gets its name before its bytes are durable: nothing reads a key that no row names. So both can be synced at once,
    /// which takes little longer than one of them.
    pub(crate) fn adopt(&self, file: &File, from: &Path, key: &str) -> Result<()> {
        let path = self.path(key);
        let shard = path.parent().unwrap_or(&self.root);
        fs::rename(from, &path).map_err(Error::io(&path))?;
        thread::scope(|scope| {
            let name = thread::Builder::new().spawn_scoped(scope, || sync_folder(shard));
            let bytes = file.sync_all().map_err(Error::io(&path));
            let name = match name.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(outcome)) => outcome,
                // The system gave no thread.
                Ok(Err(_)) | Err(_) => sync_folder(shard),
            };
            bytes.and(name)
        })
    }

    pub(super) fn remove(&self, key: &str) -> Result<bool> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            outcome => outcome.map(|()| true).map_err(Error::io(&path)),
        }
    }

    /// One shard is in memory at a time.
    pub(super) fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        let after = after.unwrap_or_default();
        let mut listed = Vec::new();
        for algorithm in ALGORITHMS {
            for shard in shards() {
                let prefix = format!("{algorithm}/{shard}/");
                if listed.len() >= limit {
                    return Ok(listed);
                }
                if after < prefix.as_str() || after.starts_with(&prefix) {
                    let room = limit.saturating_sub(listed.len());
                    listed.extend(self.shard(&prefix, after)?.into_iter().take(room));
                }
            }
        }
        Ok(listed)
    }

    fn shard(&self, prefix: &str, after: &str) -> Result<Vec<Listed>> {
        let folder = self.root.join(prefix);
        let mut listed = Vec::new();
        let entries = match fs::read_dir(&folder) {
            // A store of an older version, opened by a command that makes nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(listed),
            outcome => outcome.map_err(Error::io(&folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io(&folder))?;
            let Some(key) = entry
                .file_name()
                .to_str()
                .map(|name| format!("{prefix}{name}"))
            else {
                continue;
            };
            if key.as_str() <= after {
                continue;
            }
            // What went away meanwhile is not listed.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() {
                listed.push(Listed {
                    key,
                    size: metadata.len(),
                    // An upload may have waited long between its last byte and its key, which changes the file's name alone.
                    modified_at: modified_at(&metadata).max(named_at(&metadata)),
                });
            }
        }
        listed.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(listed)
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }
}

fn opened(key: &str, path: &Path, file: io::Result<File>) -> Result<Content> {
    let file = match file {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::not_found("object", key));
        }
        outcome => outcome.map_err(Error::io(path))?,
    };
    let size = file.metadata().map_err(Error::io(path))?.len();
    Ok(Content::of_file(file, size))
}

/// `00` to `ff`.
fn shards() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|byte| format!("{byte:02x}"))
}

/// When a file last changed in its bytes or its name (milliseconds since the epoch).
fn named_at(metadata: &fs::Metadata) -> i64 {
    metadata.ctime().saturating_mul(1_000)
}

/// When a file was last written (milliseconds since the epoch).
pub(crate) fn modified_at(metadata: &fs::Metadata) -> i64 {
    metadata
        .modified()
        .ok()
        .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
