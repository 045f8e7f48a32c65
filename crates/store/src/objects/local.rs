//! Objects as files of the data folder: `blobs/<key>`, in 256 folders by the first byte of the digest, which are made when the
//! store opens so that no upload makes one.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::UNIX_EPOCH;

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

    pub(super) fn open(&self, key: &str) -> Result<Content> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::not_found("object", key));
            }
            outcome => outcome.map_err(Error::io(&path))?,
        };
        let size = file.metadata().map_err(Error::io(&path))?.len();
        Ok(Content::of_file(file, size))
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
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
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
                    modified_at: modified_at(&metadata),
                });
            }
        }
        listed.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(listed)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }
}

/// `00` to `ff`.
fn shards() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|byte| format!("{byte:02x}"))
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
