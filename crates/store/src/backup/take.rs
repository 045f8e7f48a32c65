//! Making a backup beside a running server: lease, checkpoints, database, blobs, manifest, each durable before the next. What
//! is cut off leaves names `.new-…`, which the next one removes, and blobs, which it need not copy again. One is made in a folder
//! at a time.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::copy::{self, Copied, Touched};
use super::lease::Lease;
use super::manifest::{self, BLOB_LIST, Damaged, Entry, FORMAT, Listed, MANIFEST, Manifest};
use super::{BLOBS, COPIES_MAX, LOCK, NEW, Now, Progress, database};
use crate::blobs::{blocking, first_key};
use crate::error::{Error, Result};
use crate::folder::{make, sync_folder};
use crate::migrations;
use crate::objects::Objects;
use crate::open::{Options, lock};
use crate::random;
use crate::reading::Reading;

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct Taking {
    /// The folder of backups; made when absent.
    pub to: PathBuf,
    /// The name of the snapshot in it: one that sorts by time, such as `20261126T114500Z`.
    pub name: String,
    /// Blobs become further names of the server's own files where both are on one file system. That takes no room, and is no
    /// protection from a disk that fails.
    pub hard_links: bool,
    /// The program's version, for the record.
    pub version: String,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub snapshot: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Blobs that were copied now; the others were there.
    pub copied: u64,
}

/// Makes a backup of a store, whether or not a server has it open. Everything that was acknowledged before this was called is
/// in it.
pub async fn take(
    options: &Options,
    taking: &Taking,
    progress: &Arc<Progress>,
    now: &Now,
) -> Result<Taken> {
    let reading = Arc::new(Reading::open(options).await?);
    let lease = Lease::take(&reading.db, now).await?;
    let outcome = run(&reading, taking, progress, now).await;
    let ended = lease.end().await;
    let outcome = match (outcome, ended) {
        (Ok(made), Ok(())) => made.publish().await,
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    };
    reading.close().await;
    outcome
}

/// A snapshot that is whole, under a name that nobody restores.
struct Made {
    folder: PathBuf,
    to: PathBuf,
    name: String,
    manifest: Manifest,
    copied: u64,
    _lock: File,
}

async fn run(
    reading: &Arc<Reading>,
    taking: &Taking,
    progress: &Arc<Progress>,
    now: &Now,
) -> Result<Made> {
    let (folder, lock) = begin(&taking.to).await?;
    copy_checkpoints(reading, &folder).await?;
    let made_at = now();
    let database = database::copy(reading, &folder).await?;
    let (blobs, bytes) = {
        let (listing, folder) = (database.blobs, folder.clone());
        let total = (
            u64::try_from(listing.len()).unwrap_or(u64::MAX),
            listing.iter().map(|listed| listed.size).sum::<u64>(),
        );
        blocking(move || write_list(&folder, &listing)).await?;
        total
    };
    progress.bytes_total.store(bytes, Ordering::Relaxed);
    let (copied, damaged) = copy_blobs(reading, taking, &folder, progress).await?;
    let mut files = vec![database.file.to_owned(), BLOB_LIST.to_owned()];
    for name in ["checkpoints/audit", "checkpoints/audit.pub"] {
        if folder.join(name).is_file() {
            files.push(name.to_owned());
        }
    }
    let at = folder.clone();
    let files = blocking(move || files.iter().map(|path| Entry::of(&at, path)).collect()).await?;
    Ok(Made {
        folder,
        to: taking.to.clone(),
        name: taking.name.clone(),
        manifest: Manifest {
            format: FORMAT,
            version: taking.version.clone(),
            schema: migrations::current(),
            made_at,
            files,
            blobs,
            bytes,
            damaged,
        },
        copied,
        _lock: lock,
    })
}

/// Takes the folder of backups for this one, and makes the folder that the snapshot is put together in.
async fn begin(to: &Path) -> Result<(PathBuf, File)> {
    let to = to.to_path_buf();
    blocking(move || {
        make(&to)?;
        let lock = lock(&to.join(LOCK), true).map_err(|error| match error {
            Error::Locked { .. } => Error::Conflict {
                kind: "folder of backups",
                name: to.display().to_string(),
                why: "is in use by another backup: wait for it to end",
            },
            error => error,
        })?;
        remove_new(&to)?;
        for algorithm in entries(&to.join(BLOBS))? {
            for shard in entries(&algorithm)? {
                remove_new(&shard)?;
            }
        }
        let folder = to.join(format!("{NEW}{}", random::hex::<8>()?));
        make(&folder.join("checkpoints"))?;
        Ok((folder, lock))
    })
    .await
}

/// Removes what a backup that was cut off has left in a folder.
fn remove_new(folder: &Path) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(NEW) {
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        outcome => outcome.map_err(Error::io(folder))?,
    };
    entries
        .map(|entry| Ok(entry.map_err(Error::io(folder))?.path()))
        .collect()
}

async fn copy_checkpoints(reading: &Reading, folder: &Path) -> Result<()> {
    let pairs = [
        (
            reading.folder.checkpoints(),
            folder.join("checkpoints/audit"),
        ),
        (
            reading.folder.checkpoint_key(),
            folder.join("checkpoints/audit.pub"),
        ),
    ];
    blocking(move || {
        for (from, to) in pairs {
            let mut source = match File::open(&from) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                outcome => outcome.map_err(Error::io(&from))?,
            };
            // Whoever adds a checkpoint holds it alone.
            source.lock_shared().map_err(Error::io(&from))?;
            let mut copy = File::create(&to).map_err(Error::io(&to))?;
            std::io::copy(&mut source, &mut copy)
                .and_then(|_| copy.sync_all())
                .map_err(Error::io(&to))?;
        }
        Ok(())
    })
    .await
}

fn write_list(folder: &Path, listing: &[Listed]) -> Result<()> {
    let path = folder.join(BLOB_LIST);
    let file = File::create(&path).map_err(Error::io(&path))?;
    let mut writer = BufWriter::new(file);
    for listed in listing {
        serde_json::to_writer(&mut writer, listed)
            .map_err(std::io::Error::other)
            .and_then(|()| writer.write_all(b"\n"))
            .map_err(Error::io(&path))?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error())
        .and_then(|file| file.sync_all())
        .map_err(Error::io(&path))
}

/// Copies what is not there yet; answers how many that were, and what could not be copied.
async fn copy_blobs(
    reading: &Arc<Reading>,
    taking: &Taking,
    folder: &Path,
    progress: &Arc<Progress>,
) -> Result<(u64, Vec<Damaged>)> {
    let mut listing = Vec::new();
    let at = folder.to_path_buf();
    let listing = blocking(move || {
        manifest::blobs(&at, &mut |listed| {
            listing.push(listed);
            Ok(())
        })?;
        Ok(listing)
    })
    .await?;
    let (mut copied, mut damaged, mut touched) = (0_u64, Vec::new(), Touched::default());
    let mut copies: JoinSet<Result<(Listed, PathBuf, Copied)>> = JoinSet::new();
    let mut waiting = listing.into_iter();
    loop {
        while copies.len() < COPIES_MAX {
            let Some(listed) = waiting.next() else { break };
            let path = taking.to.join(BLOBS).join(first_key(&listed.digest));
            let (reading, hard_links) = (Arc::clone(reading), taking.hard_links);
            copies.spawn(async move {
                let copied = copy_one(&reading, &listed, &path, hard_links).await?;
                Ok((listed, path, copied))
            });
        }
        let Some(done) = copies.join_next().await else {
            break;
        };
        let (listed, path, outcome) =
            done.map_err(|error| Error::io(&taking.to)(std::io::Error::other(error)))??;
        progress.bytes.fetch_add(listed.size, Ordering::Relaxed);
        match outcome {
            Copied::New => {
                copied += 1;
                touched.add(&path);
            }
            // Whoever copied it may have been cut off before its name was durable.
            Copied::Held => touched.add(&path),
            Copied::Damaged(what) => damaged.push(Damaged {
                digest: listed.digest,
                what,
            }),
        }
    }
    damaged.sort_by(|left, right| left.digest.cmp(&right.digest));
    blocking(move || touched.sync()).await?;
    Ok((copied, damaged))
}

async fn copy_one(
    reading: &Reading,
    listed: &Listed,
    path: &Path,
    hard_links: bool,
) -> Result<Copied> {
    if copy::is_held(path, listed.size) {
        return Ok(Copied::Held);
    }
    if hard_links && link(&reading.objects, listed, path).await? {
        return Ok(Copied::New);
    }
    let content = match reading.objects.open(&listed.key).await {
        Ok(content) => content,
        Err(error) => return Copied::damaged(error),
    };
    let (path, digest, size) = (path.to_path_buf(), listed.digest.clone(), listed.size);
    blocking(move || copy::write(content.into_reader(), &path, &digest, size)).await
}

/// Gives the file another name; false where that cannot be done: another file system, or no file.
async fn link(objects: &Objects, listed: &Listed, path: &Path) -> Result<bool> {
    let Some(from) = objects.file_path(&listed.key) else {
        return Ok(false);
    };
    let (path, size) = (path.to_path_buf(), listed.size);
    blocking(move || {
        path.parent().map_or(Ok(()), make)?;
        Ok(copy::is_held(&from, size) && fs::hard_link(&from, &path).is_ok())
    })
    .await
}

impl Made {
    /// Gives the snapshot its name: from here on it can be restored.
    async fn publish(self) -> Result<Taken> {
        blocking(move || {
            let path = self.folder.join(MANIFEST);
            let text = serde_json::to_vec_pretty(&self.manifest)
                .map_err(|error| Error::io(&path)(std::io::Error::other(error)))?;
            let mut file = File::create(&path).map_err(Error::io(&path))?;
            file.write_all(&text)
                .and_then(|()| file.sync_all())
                .map_err(Error::io(&path))?;
            sync_folder(&self.folder.join("checkpoints"))?;
            sync_folder(&self.folder)?;
            let snapshot = free_name(&self.to, &self.name);
            fs::rename(&self.folder, &snapshot).map_err(Error::io(&snapshot))?;
            sync_folder(&self.to)?;
            Ok(Taken {
                snapshot,
                manifest: self.manifest,
                copied: self.copied,
            })
        })
        .await
    }
}

/// The name, or one behind it where it is taken.
fn free_name(to: &Path, name: &str) -> PathBuf {
    let mut path = to.join(name);
    let mut number = 1_u32;
    while path.exists() {
        number = number.saturating_add(1);
        path = to.join(format!("{name}-{number:03}"));
    }
    path
}
