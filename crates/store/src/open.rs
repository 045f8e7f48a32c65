//! Opening a store: the data folder and its lock, the database and its schema, the master key. What is open is shared by
//! all clones of `Store`.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use trust::evidence::Anchors;

use crate::audit::Sealer;
use crate::blobs::Commits;
use crate::cache::Caches;
use crate::db::{Backend, Db, RowExt};
use crate::error::{Error, Result};
use crate::folder::{Folder, sync_folder};
use crate::garbage::GRACE;
use crate::jobs;
use crate::keys::Signers;
use crate::master::MasterKey;
use crate::migrations;
use crate::objects::{BlobStore, Objects, claim};
use crate::random;
use crate::uploads::{Growths, Hashes, OpenUploads};

/// Where the state is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; made when absent.
    pub data: PathBuf,
    /// The URL of a PostgreSQL database; none means the embedded one in the data folder.
    pub database: Option<String>,
    /// How long something stays that nothing needs: see `garbage`.
    pub grace: Duration,
    /// The bucket in which blobs are kept; none means the data folder.
    pub blobs: Option<BlobStore>,
    /// By whose word signatures with certificates are judged.
    pub anchors: Arc<Anchors>,
}

impl Options {
    /// The embedded database in a data folder.
    pub fn embedded(data: impl Into<PathBuf>) -> Options {
        Options {
            data: data.into(),
            database: None,
            grace: GRACE,
            blobs: None,
            anchors: Arc::default(),
        }
    }
}

/// All state of a server. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    folder: Folder,
    objects: Objects,
    master: MasterKey,
    caches: Caches,
    signers: Signers,
    uploads: OpenUploads,
    growths: Arc<Growths>,
    hashes: Hashes,
    commits: Commits,
    sealer: Sealer,
    grace: Duration,
    anchors: RwLock<Arc<Anchors>>,
    /// Tells this opening of the store from every other one.
    instance: String,
    /// Held while the store is open; the lock ends with the file.
    _lock: File,
}

impl Store {
    /// Opens a store, and makes it where there is none. Two servers cannot open one embedded database.
    pub async fn open(options: &Options) -> Result<Store> {
        let folder = Folder::create(&options.data)?;
        let lock = lock(&folder.lock(), options.database.is_none())?;
        let db = connect(&folder, options.database.as_deref()).await?;
        migrations::run(&db).await?;
        if db.backend() == Backend::Sqlite {
            // The database's own name; SQLite syncs those of its journals.
            folder.database().parent().map_or(Ok(()), sync_folder)?;
            // Nobody else has it open: whoever was at work on something was killed.
            jobs::end_leases(&db).await?;
        }
        let master = MasterKey::load(&folder.master_key(), !has_sealed(&db).await?)?;
        let objects = claim::objects(&db, &folder, options.blobs.as_ref()).await?;
        let inner = Inner {
            db,
            folder,
            objects,
            master,
            caches: Caches::default(),
            signers: Signers::default(),
            uploads: OpenUploads::default(),
            growths: Arc::default(),
            hashes: Hashes::default(),
            commits: Commits::default(),
            sealer: Sealer::default(),
            grace: options.grace,
            anchors: RwLock::new(Arc::clone(&options.anchors)),
            instance: random::hex::<8>()?,
            _lock: lock,
        };
        Ok(Store {
            inner: Arc::new(inner),
        })
    }

    /// Closes the database after what is under way. Clones fail from then on.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    /// Copies what the log of an embedded database holds to its file, if there is enough of it, so that whoever commits need not.
    /// Answers whether there was.
    pub async fn write_back(&self) -> Result<bool> {
        self.inner.db.write_back().await
    }

    /// By whose word signatures with certificates are judged, as of now.
    #[must_use]
    pub fn anchors(&self) -> Arc<Anchors> {
        let anchors = &self.inner.anchors;
        Arc::clone(&anchors.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Judges by others' word from now on. What nobody stood behind is to be [read again](crate::evidence::reread) then; what was
    /// verified before stays so.
    pub fn set_anchors(&self, anchors: Anchors) {
        let mut known = self
            .inner
            .anchors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(anchors);
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.inner.folder
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.inner.caches
    }

    pub(crate) fn signers(&self) -> &Signers {
        &self.inner.signers
    }

    pub(crate) fn open_uploads(&self) -> &OpenUploads {
        &self.inner.uploads
    }

    pub(crate) fn growths(&self) -> &Arc<Growths> {
        &self.inner.growths
    }

    pub(crate) fn hashes(&self) -> &Hashes {
        &self.inner.hashes
    }

    pub(crate) fn commits(&self) -> &Commits {
        &self.inner.commits
    }

    /// A name that no other opening of the store has.
    pub(crate) fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// How long something stays that nothing needs.
    pub(crate) fn grace(&self) -> Duration {
        self.inner.grace
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }
}

/// Connects to the database that the options name.
pub(crate) async fn connect(folder: &Folder, database: Option<&str>) -> Result<Db> {
    match database {
        None => Db::open_sqlite(&folder.database()).await,
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Db::open_postgres(url).await
        }
        Some(url) => Err(Error::Invalid {
            what: "database",
            // A URL may hold a password: only its scheme is repeated.
            value: url
                .split(':')
                .next()
                .unwrap_or_default()
                .chars()
                .take(20)
                .collect(),
            why: "give a URL that begins with `postgres://`, or none for the embedded database"
                .to_owned(),
        }),
    }
}

/// An embedded database is used by one process; processes on PostgreSQL may share a folder, but not with an embedded one.
pub(crate) fn lock(path: &Path, exclusive: bool) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::io(path))?;
    let locked = if exclusive {
        file.try_lock()
    } else {
        file.try_lock_shared()
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(Error::io(path)(error)),
    }
}

async fn has_sealed(db: &Db) -> Result<bool> {
    let row = sqlx::query(
        "SELECT CAST((SELECT COUNT(*) FROM server_keys) + (SELECT COUNT(*) FROM webhooks) + (SELECT COUNT(*) FROM trust_keys) \
         + (SELECT COUNT(*) FROM held_keys) AS BIGINT) AS sealed",
    )
    .fetch_one(db.read())
    .await?;
    Ok(row.int("sealed")? > 0)
}
