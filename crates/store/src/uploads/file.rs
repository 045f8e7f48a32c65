//! The file of an upload: its name says that the session lives, its length how far it is. It is opened when its bytes are first
//! needed, held with a lock while a request writes to it, and renamed when it becomes a blob. All of this may block.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use oci::{Algorithm, Digest};

use super::session::unknown;
use super::{Growths, UploadId};
use crate::Store;
use crate::blobs;
use crate::error::{Error, Result};
use crate::objects::Local;

/// The uploads that this process is writing to: one request at a time each.
#[derive(Debug, Default)]
pub(crate) struct OpenUploads(Arc<Mutex<HashSet<UploadId>>>);

impl OpenUploads {
    pub(super) fn enter(&self, id: &UploadId) -> Result<Guard> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.insert(id.clone()) {
            return Err(in_use(id));
        }
        Ok(Guard {
            open: Arc::clone(&self.0),
            id: id.clone(),
        })
    }
}

fn in_use(id: &UploadId) -> Error {
    Error::Conflict {
        kind: "upload",
        name: id.to_string(),
        why: "is being written to by another request: wait for it to end",
    }
}

#[derive(Debug)]
pub(super) struct Guard {
    open: Arc<Mutex<HashSet<UploadId>>>,
    id: UploadId,
}

impl Guard {
    pub(super) fn id(&self) -> &UploadId {
        &self.id
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// An upload's file, for the one request that writes to it. One call at a time.
#[derive(Debug)]
pub(super) struct UploadFile {
    path: PathBuf,
    opened: OnceLock<File>,
    size: AtomicU64,
    /// Whether this request makes it, and nobody will know it when this request has failed.
    is_own: bool,
    /// Whether it has become an object or was removed: its name is not to be touched any more.
    is_gone: AtomicBool,
    guard: Guard,
}

impl UploadFile {
    /// The file of a session.
    pub(super) fn existing(store: &Store, id: &UploadId) -> Result<UploadFile> {
        UploadFile::at(store, id, false)
    }

    /// A file that is made when it gets its first bytes.
    pub(super) fn new(store: &Store, id: &UploadId) -> Result<UploadFile> {
        UploadFile::at(store, id, true)
    }

    fn at(store: &Store, id: &UploadId, is_own: bool) -> Result<UploadFile> {
        Ok(UploadFile {
            path: store.folder().uploads().join(id.as_str()),
            opened: OnceLock::new(),
            size: AtomicU64::new(0),
            is_own,
            is_gone: AtomicBool::new(false),
            guard: store.open_uploads().enter(id)?,
        })
    }

    pub(super) fn id(&self) -> &UploadId {
        &self.guard.id
    }

    /// Whether other requests may open it after this one.
    pub(super) fn is_of_session(&self) -> bool {
        !self.is_own
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> Result<u64> {
        self.opened()?;
        Ok(self.size.load(Ordering::Acquire))
    }

    /// Writes bytes behind those it has, all or none.
    pub(super) fn append(&self, bytes: &[u8], growths: &Growths) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.opened()?;
        let offset = self.size.load(Ordering::Acquire);
        file.write_all_at(bytes, offset).map_err(|error| {
            // A full disk leaves a part of the piece: cut it off, so that the size tells what arrived.
            let _ = file.set_len(offset);
            Error::io(&self.path)(error)
        })?;
        let size = offset.saturating_add(bytes.len() as u64);
        self.size.store(size, Ordering::Release);
        growths.grown(self.id(), size);
        Ok(())
    }

    /// Syncs what was written up to now, beside further writes.
    pub(super) fn sync_early(&self) -> Result<()> {
        // Before its first write there is nothing.
        let Some(file) = self.opened.get() else {
            return Ok(());
        };
        file.sync_data().map_err(|error| {
            // The system tells once that it lost bytes, and a later sync would know nothing of it.
            let _ = fs::remove_file(&self.path);
            Error::io(&self.path)(error)
        })
    }

    /// The digest of its bytes, which are read for it.
    pub(super) fn hash(&self, algorithm: Algorithm) -> Result<Digest> {
        blobs::hash(self.opened()?, &self.path, algorithm)
    }

    /// Makes it an object, durable under its key.
    pub(super) fn become_object(&self, objects: &Local, key: &str) -> Result<()> {
        let file = self.opened()?;
        // As old as the blob: an upload may have stood still for long, and what is old and in no row is waste.
        file.set_modified(SystemTime::now())
            .map_err(Error::io(&self.path))?;
        objects.adopt(file, &self.path, key)?;
        self.is_gone.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes it.
    pub(super) fn remove(&self) -> Result<()> {
        self.opened()?;
        fs::remove_file(&self.path).map_err(Error::io(&self.path))?;
        self.is_gone.store(true, Ordering::Release);
        Ok(())
    }

    fn opened(&self) -> Result<&File> {
        if let Some(file) = self.opened.get() {
            return Ok(file);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if self.is_own {
            options.create_new(true).mode(0o600);
        }
        let file = match options.open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !self.is_own => {
                return Err(unknown(self.id()));
            }
            outcome => outcome.map_err(Error::io(&self.path))?,
        };
        // Another process with the same folder may have it open too; its writes are not in this one's running hash.
        if !lock(&file, &self.path)? {
            return Err(in_use(self.id()));
        }
        let Some(size) = size_of(&file, &self.path)? else {
            return Err(unknown(self.id()));
        };
        self.size.store(size, Ordering::Release);
        Ok(self.opened.get_or_init(|| file))
    }
}

impl Drop for UploadFile {
    fn drop(&mut self) {
        let is_left = self.is_own && self.opened.get().is_some();
        if is_left && !self.is_gone.load(Ordering::Acquire) {
            // What cannot be removed now expires.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks a file until it is closed; `false` when another has it locked.
pub(super) fn lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Error::io(path)(error)),
    }
}

/// The length of a locked file, if the path still names it: before the lock it may have become a blob, or have been given up.
pub(super) fn size_of(file: &File, path: &Path) -> Result<Option<u64>> {
    let held = file.metadata().map_err(Error::io(path))?;
    match fs::metadata(path) {
        Ok(there) if there.ino() == held.ino() && there.dev() == held.dev() => Ok(Some(held.len())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}
