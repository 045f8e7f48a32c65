//! Where things lie in the data folder, and how a file becomes durable: its bytes synced, then its name, by syncing the
//! folder that holds the name. It knows no database.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The data folder of a server.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder and its parts, readable by their owner alone, and their names durable.
    pub(crate) fn create(root: &Path) -> Result<Folder> {
        make(root)?;
        // Absolute, so that a later change of the working directory changes nothing.
        let root = root.canonicalize().map_err(Error::io(root))?;
        let folder = Folder { root };
        make(&folder.uploads())?;
        make(&folder.blobs())?;
        make(&folder.root.join("checkpoints"))?;
        sync_folder(&folder.root)?;
        if let Some(parent) = folder.root.parent() {
            sync_folder(parent)?;
        }
        Ok(folder)
    }

    /// A data folder that is there already; nothing is made.
    pub(crate) fn existing(root: &Path) -> Folder {
        Folder {
            root: root.to_path_buf(),
        }
    }

    /// The embedded database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("countersign.db")
    }

    /// The lock that says a server is using this folder.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("countersign.lock")
    }

    /// The key that seals the server's secrets.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.root.join("master.key")
    }

    /// The signed checkpoints of the audit log.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints").join("audit")
    }

    /// The public key that the checkpoints verify with.
    pub(crate) fn checkpoint_key(&self) -> PathBuf {
        self.root.join("checkpoints").join("audit.pub")
    }

    /// Uploads that are not finished.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Stored blobs.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }
}

/// Makes a folder that may be there already; a new name is synced in the folder above.
pub(crate) fn make(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        outcome => outcome.map_err(Error::io(path))?,
    }
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io(path))
}
