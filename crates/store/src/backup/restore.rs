//! Making a data folder of a backup. Each file and each blob is read and compared with its digest before anything counts; the
//! database comes last, so that a folder that was cut off is none. It starts nothing, and brings no keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::copy::{self, Copied, Touched};
use super::manifest::{self, DATABASE, Damaged, MANIFEST, Manifest, TABLES, broken};
use super::{BLOBS, Progress, database, tables};
use crate::blobs::{blocking, first_key};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::folder::{Folder, make, sync_folder};
use crate::migrations;
use crate::open::{Options, lock};

/// What may be in the folder already: keys, which no backup has.
const KEYS: [&str; 2] = ["master.key", "tls"];

/// A folder that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The snapshot that it was made of.
    pub snapshot: PathBuf,
    /// What that holds.
    pub manifest: Manifest,
    /// Whether the key that seals the server's secrets is there; without it the server does not start.
    pub has_master_key: bool,
    /// Blobs that the backup lacks, or holds damaged.
    pub damaged: Vec<Damaged>,
}

/// Restores a snapshot of a folder of backups, or the newest, into a data folder that is empty but for keys, and into an empty
/// PostgreSQL database where the backup is of one.
pub async fn restore(
    from: &Path,
    snapshot: Option<&str>,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Restored> {
    let (from, name) = (from.to_path_buf(), snapshot.map(str::to_owned));
    let backups = from.clone();
    let (snapshot, manifest) = blocking(move || find(&from, name.as_deref())).await?;
    let has_tables = manifest.entry(TABLES).is_some();
    check_versions(&snapshot, &manifest, has_tables, options)?;
    let root = options.data.clone();
    blocking(move || check_empty(&root)).await?;
    let folder = Folder::create(&options.data)?;
    let _lock = lock(&folder.lock(), true)?;
    // A database that is in use is refused before anything is copied.
    let target = match options.database.as_deref() {
        Some(url) => Some(empty_database(url).await?),
        None => None,
    };
    progress
        .bytes_total
        .store(manifest.bytes, Ordering::Relaxed);
    let (at, to, seen) = (snapshot.clone(), folder.clone(), Arc::clone(progress));
    let entries = manifest.clone();
    let damaged = blocking(move || {
        for entry in &entries.files {
            entry.verify(&at)?;
        }
        let damaged = copy_blobs(&backups, &at, &to, &seen)?;
        for name in ["audit", "audit.pub"] {
            let path = format!("checkpoints/{name}");
            if entries.entry(&path).is_some() {
                copy_file(&at.join(&path), &to.checkpoints().with_file_name(name))?;
            }
        }
        if let Some(parent) = to.checkpoints().parent() {
            sync_folder(parent)?;
        }
        Ok(damaged)
    })
    .await?;
    match target {
        Some(db) => {
            tables::read(&db, &snapshot.join(TABLES)).await?;
            db.close().await;
        }
        None => put_database(&snapshot, &folder).await?,
    }
    Ok(Restored {
        has_master_key: folder.master_key().is_file(),
        snapshot,
        manifest,
        damaged,
    })
}

/// The snapshot of this name, or the newest that is whole.
fn find(from: &Path, name: Option<&str>) -> Result<(PathBuf, Manifest)> {
    let named = match name {
        Some(name) => Some(name.to_owned()),
        None => {
            let mut names = Vec::new();
            for entry in fs::read_dir(from).map_err(Error::io(from))? {
                let entry = entry.map_err(Error::io(from))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !name.starts_with('.') && entry.path().join(MANIFEST).is_file() {
                    names.push(name);
                }
            }
            names.into_iter().max()
        }
    };
    let name = named.ok_or_else(|| Error::not_found("backup in", from.display()))?;
    let snapshot = from.join(&name);
    if name.contains('/') || !snapshot.join(MANIFEST).is_file() {
        return Err(Error::not_found("backup", snapshot.display()));
    }
    let manifest = Manifest::read(&snapshot)?;
    Ok((snapshot, manifest))
}

fn check_versions(
    snapshot: &Path,
    manifest: &Manifest,
    has_tables: bool,
    options: &Options,
) -> Result<()> {
    let known = migrations::current();
    // A copy of SQLite's is brought forward at the start; rows go only into the tables they came from.
    if manifest.schema > known || (has_tables && manifest.schema != known) {
        let why = format!(
            "its schema has version {}, this program knows {known}: restore it with the program of version {}",
            manifest.schema, manifest.version
        );
        return Err(broken(snapshot, why));
    }
    match (has_tables, options.database.is_some()) {
        (true, false) => Err(broken(
            snapshot,
            "it is of a PostgreSQL database: say with `--database URL` which empty one to fill"
                .to_owned(),
        )),
        (false, true) => Err(broken(
            snapshot,
            "it is of an embedded database: leave `--database` out".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Only keys may be there: nothing is overwritten.
fn check_empty(root: &Path) -> Result<()> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        outcome => outcome.map_err(Error::io(root))?,
    };
    for entry in entries {
        let name = entry.map_err(Error::io(root))?.file_name();
        let name = name.to_string_lossy();
        if !KEYS.contains(&name.as_ref()) {
            return Err(Error::Invalid {
                what: "data folder",
                value: root.display().to_string(),
                why: format!(
                    "it holds `{name}`: restore into a folder that is empty but for `master.key` and `tls`"
                ),
            });
        }
    }
    Ok(())
}

async fn empty_database(url: &str) -> Result<Db> {
    let db = Db::open_postgres(url).await?;
    migrations::run(&db).await?;
    if tables::is_used(&db).await? {
        return Err(Error::Invalid {
            what: "database",
            value: "of `--database`".to_owned(),
            why: "it is in use: give an empty one".to_owned(),
        });
    }
    Ok(db)
}

fn copy_blobs(
    backups: &Path,
    snapshot: &Path,
    folder: &Folder,
    progress: &Progress,
) -> Result<Vec<Damaged>> {
    let (mut damaged, mut touched) = (Vec::new(), Touched::default());
    manifest::blobs(snapshot, &mut |listed| {
        let from = backups.join(BLOBS).join(first_key(&listed.digest));
        let to = folder.blobs().join(&listed.key);
        let outcome = match File::open(&from) {
            Ok(file) => copy::write(file, &to, &listed.digest, listed.size)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Copied::Damaged("the backup lacks it".to_owned())
            }
            Err(error) => return Err(Error::io(&from)(error)),
        };
        progress.bytes.fetch_add(listed.size, Ordering::Relaxed);
        match outcome {
            Copied::New | Copied::Held => touched.add(&to),
            Copied::Damaged(what) => damaged.push(Damaged {
                digest: listed.digest,
                what,
            }),
        }
        Ok(())
    })?;
    touched.sync()?;
    sync_folder(&folder.blobs())?;
    Ok(damaged)
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    to.parent().map_or(Ok(()), make)?;
    let mut source = File::open(from).map_err(Error::io(from))?;
    let mut copy = File::create_new(to).map_err(Error::io(to))?;
    std::io::copy(&mut source, &mut copy)
        .and_then(|_| copy.sync_all())
        .map_err(Error::io(to))
}

/// The database gets its name when all else is there.
async fn put_database(snapshot: &Path, folder: &Folder) -> Result<()> {
    let path = folder.database();
    let (from, temporary) = (snapshot.join(DATABASE), path.with_extension("restoring"));
    let to = temporary.clone();
    blocking(move || copy_file(&from, &to)).await?;
    database::revive(&temporary).await?;
    blocking(move || {
        fs::rename(&temporary, &path).map_err(Error::io(&path))?;
        path.parent().map_or(Ok(()), sync_folder)
    })
    .await
}
