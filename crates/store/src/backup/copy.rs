//! Copies of blobs: hashed on the way, durable before they get their name. What has another digest than it should is not
//! copied, and said so.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci::{Digest, Hasher};

use super::NEW;
use crate::error::{Error, Result};
use crate::folder::{make, sync_folder};
use crate::objects::read_failure;
use crate::{damage, random};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copied {
    /// It is there.
    New,
    /// It was there already.
    Held,
    /// The bytes are not those of the digest.
    Damaged(String),
}

impl Copied {
    /// What a failure to open or read the bytes makes of the copy, if it is the blob's.
    pub(super) fn damaged(error: Error) -> Result<Copied> {
        damage::told_by(error).map(|(_, what)| Copied::Damaged(what))
    }
}

/// Whether a copy of this length is there already.
pub(super) fn is_held(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
}

/// Writes bytes to `path`, if they are those of the digest. The folder's name of it is synced by the caller.
pub(super) fn write(
    mut from: impl Read,
    path: &Path,
    digest: &Digest,
    size: u64,
) -> Result<Copied> {
    let folder = path.parent().unwrap_or(path);
    make(folder)?;
    let temporary = folder.join(format!("{NEW}{}", random::hex::<8>()?));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(Error::io(&temporary))?;
    let outcome = copy(&mut from, &mut file, &temporary, digest, size);
    if matches!(outcome, Ok(Copied::New)) {
        file.sync_all().map_err(Error::io(&temporary))?;
        fs::rename(&temporary, path).map_err(Error::io(path))?;
    } else {
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

fn copy(
    from: &mut impl Read,
    to: &mut File,
    path: &Path,
    digest: &Digest,
    size: u64,
) -> Result<Copied> {
    let (mut hasher, mut length) = (Hasher::new(digest.algorithm()), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Copied::damaged(read_failure(error)),
        };
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        to.write_all(bytes).map_err(Error::io(path))?;
    }
    let found = hasher.finish();
    if found == *digest && length == size {
        return Ok(Copied::New);
    }
    Ok(Copied::Damaged(format!(
        "it has {length} bytes with the digest `{found}`, and should have {size}"
    )))
}

/// Folders whose names are to be synced, once each.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeSet<PathBuf>);

impl Touched {
    /// A file got a name.
    pub(super) fn add(&mut self, path: &Path) {
        self.0.extend(path.parent().map(Path::to_path_buf));
    }

    /// Makes the names durable.
    pub(super) fn sync(self) -> Result<()> {
        self.0.iter().try_for_each(|folder| sync_folder(folder))
    }
}
