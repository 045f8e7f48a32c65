//! `backup.json`: what a snapshot holds, with the digest of each of its files; and `blobs.jsonl`, one line a blob. Bytes of
//! blobs are named by their own digests.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use oci::{Algorithm, Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The form of a snapshot that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "backup.json";
pub(super) const DATABASE: &str = "countersign.db";
pub(super) const TABLES: &str = "tables.jsonl";
pub(super) const BLOB_LIST: &str = "blobs.jsonl";
/// The largest `backup.json` that is read.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// The longest line of `blobs.jsonl`.
const LINE_BYTES_MAX: u64 = 4 << 10;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the snapshot.
    pub format: u32,
    /// The program that made it.
    pub version: String,
    /// The version of the schema.
    pub schema: i64,
    /// When the database was copied (milliseconds since the epoch).
    pub made_at: i64,
    /// The files of the snapshot.
    pub files: Vec<Entry>,
    /// Blobs that it needs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs whose bytes were missing or wrong when it was made, and which it therefore lacks.
    pub damaged: Vec<Damaged>,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where, below the snapshot.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// A blob that a backup lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Which.
    pub digest: Digest,
    /// What was wrong.
    pub what: String,
}

/// A line of `blobs.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The key of its bytes in a data folder.
    pub(super) key: String,
}

impl Manifest {
    /// Reads the manifest of a snapshot.
    pub(super) fn read(snapshot: &Path) -> Result<Manifest> {
        let path = snapshot.join(MANIFEST);
        let mut text = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text))
            .map_err(Error::io(&path))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| broken(&path, format!("it cannot be read: {error}")))?;
        if manifest.format != FORMAT {
            let why = format!(
                "it has form {}, this program reads {FORMAT}",
                manifest.format
            );
            return Err(broken(&path, why));
        }
        if let Some(entry) = manifest.files.iter().find(|entry| !is_plain(&entry.path)) {
            let why = format!("it names `{}`, which leads elsewhere", entry.path);
            return Err(broken(&path, why));
        }
        Ok(manifest)
    }

    /// A file that a snapshot must have.
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.path == path)
    }
}

impl Entry {
    /// The entry of a file.
    pub(super) fn of(snapshot: &Path, path: &str) -> Result<Entry> {
        let whole = snapshot.join(path);
        let (size, digest) = hash(&whole)?;
        Ok(Entry {
            path: path.to_owned(),
            size,
            digest,
        })
    }

    /// Fails unless the file is the one that was written.
    pub(super) fn verify(&self, snapshot: &Path) -> Result<()> {
        let path = snapshot.join(&self.path);
        let (size, digest) = hash(&path)?;
        if (size, &digest) == (self.size, &self.digest) {
            return Ok(());
        }
        Err(broken(
            &path,
            format!("it has {size} bytes and digest `{digest}`, not what was written"),
        ))
    }
}

/// The blobs of a snapshot, one after the other.
pub(super) fn blobs(snapshot: &Path, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
    let path = snapshot.join(BLOB_LIST);
    let mut reader = BufReader::new(File::open(&path).map_err(Error::io(&path))?);
    loop {
        let mut line = Vec::new();
        Read::take(&mut reader, LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(Error::io(&path))?;
        if line.is_empty() {
            return Ok(());
        }
        let listed: Listed = serde_json::from_slice(&line)
            .map_err(|error| broken(&path, format!("a line cannot be read: {error}")))?;
        if !is_plain(&listed.key) {
            return Err(broken(&path, format!("`{}` leads elsewhere", listed.key)));
        }
        each(listed)?;
    }
}

/// A backup is not what it should be.
pub(super) fn broken(path: &Path, why: String) -> Error {
    Error::Invalid {
        what: "backup",
        value: path.display().to_string(),
        why: format!("{why}; take another snapshot of it, or another copy"),
    }
}

/// Whether a path stays below where it begins.
fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
}

fn hash(path: &Path) -> Result<(u64, Digest)> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let (mut size, mut hasher) = (0_u64, Hasher::new(Algorithm::Sha256));
    let mut chunk = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut chunk).map_err(Error::io(path))?;
        match chunk.get(..read) {
            Some([]) | None => return Ok((size, hasher.finish())),
            Some(bytes) => {
                hasher.update(bytes);
                size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_lead_elsewhere() {
        for (path, expect) in [
            ("countersign.db", true),
            ("checkpoints/audit", true),
            ("../master.key", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("a/./b", false),
            ("", false),
        ] {
            assert_eq!(is_plain(path), expect, "{path}");
        }
    }
}
