//! Reading every stored blob again: bytes that are missing, of another length or of another digest are named, with what needs
//! them, and remembered, so that they are not served (`damage`). It opens the database beside a server that runs, migrates
//! nothing, and removes nothing. The audit log has a check of its own: `audit::verify`.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oci::{Digest, Hasher};
use serde::Serialize;

use crate::blobs::{BlobInfo, Content, blocking};
use crate::db::{Db, RowExt};
use crate::error::Result;
use crate::objects::read_failure;
use crate::open::Options;
use crate::reading::Reading;
use crate::{damage, garbage};

mod needs;

/// Blobs that are read from the database at a time.
const PAGE_ROWS: i64 = 500;
/// Files that are looked at at a time.
const PAGE_OBJECTS: usize = 500;
/// How much is read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Faults beyond so many are counted and remembered, not told.
const FAULTS_MAX: usize = 1_000;

/// How to check.
#[derive(Debug, Clone, Default)]
pub struct Checking {
    /// At most so many bytes are read in a second; none means as fast as it goes.
    pub bytes_per_second: Option<u64>,
    /// Whether what is found is remembered, so that it is not served; otherwise nothing is written.
    pub remember: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: u64,
    /// Files or objects that no row names: an upload that ends now, or one that was cut off. A collection removes them.
    pub strays: u64,
    /// Their bytes.
    pub stray_bytes: u64,
}

impl Report {
    /// Whether every blob is what its digest says.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// A blob that is not what its digest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The blob.
    pub digest: Digest,
    /// What is wrong with it.
    pub kind: FaultKind,
    /// The same for people.
    pub what: String,
    /// Images that need it, as `repository:tag` or `repository@digest`; of many, the first.
    pub needed_by: Vec<String>,
}

/// The ways in which a blob can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// There are no bytes.
    Missing,
    /// There are more or fewer bytes.
    Size,
    /// The bytes have another digest.
    Content,
    /// The bytes cannot be read.
    Unreadable,
}

/// How far a check is, for whoever looks on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of all blobs, as the database has them.
    pub bytes_total: AtomicU64,
    /// Bytes that were read.
    pub bytes: AtomicU64,
}

/// Checks the blobs of a store.
pub async fn check(
    options: &Options,
    checking: &Checking,
    progress: &Arc<Progress>,
    now: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<Report> {
    let reading = Reading::open(options).await?;
    let outcome = run(&reading, checking, progress, now).await;
    reading.close().await;
    outcome
}

async fn run(
    reading: &Reading,
    checking: &Checking,
    progress: &Arc<Progress>,
    now: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<Report> {
    let db = &reading.db;
    let total = sqlx::query("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM blobs")
        .fetch_one(db.read())
        .await?;
    let total = total.count("bytes")?;
    progress.bytes_total.store(total, Ordering::Relaxed);
    let mut report = Report::default();
    let pace = Pace::new(checking.bytes_per_second);
    let mut after = String::new();
    loop {
        let page = page(db, &after).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.digest.to_string();
        for (blob, was_damaged) in &page {
            let found = look(reading, blob, &pace, progress).await?;
            report.blobs += 1;
            report.bytes = report.bytes.saturating_add(blob.size);
            match found {
                None if *was_damaged && checking.remember => {
                    damage::clear(db, &blob.digest, now()).await?;
                }
                None => {}
                // Pushed again or collected meanwhile: those bytes are nobody's any more.
                Some(_) if is_other_now(db, blob).await? => {}
                Some((kind, what)) => {
                    if checking.remember {
                        damage::note(db, blob, &what, now()).await?;
                    }
                    if report.faults.len() >= FAULTS_MAX {
                        report.more_faults += 1;
                        continue;
                    }
                    report.faults.push(Fault {
                        digest: blob.digest.clone(),
                        kind,
                        what,
                        needed_by: needs::of(db, &blob.digest).await?,
                    });
                }
            }
        }
    }
    strays(reading, &mut report).await?;
    Ok(report)
}

/// Some blobs in the order of their digests, each with whether it is known to be damaged.
async fn page(db: &Db, after: &str) -> Result<Vec<(BlobInfo, bool)>> {
    let rows = sqlx::query(
        "SELECT b.digest, b.size, b.location, k.what AS damage FROM blobs b LEFT JOIN broken_blobs k ON k.digest = b.digest \
         WHERE b.digest > $1 ORDER BY b.digest LIMIT $2",
    )
    .bind(after.to_owned())
    .bind(PAGE_ROWS)
    .fetch_all(db.read())
    .await?;
    rows.iter()
        .map(|row| {
            let blob = BlobInfo::of(&row.digest("digest")?, row)?;
            Ok((blob, row.opt_text("damage")?.is_some()))
        })
        .collect()
}

async fn is_other_now(db: &Db, blob: &BlobInfo) -> Result<bool> {
    Ok(damage::current(db, &blob.digest).await?.as_ref() != Some(blob))
}

/// What is wrong with a blob's bytes, if anything.
async fn look(
    reading: &Reading,
    blob: &BlobInfo,
    pace: &Pace,
    progress: &Arc<Progress>,
) -> Result<Option<(FaultKind, String)>> {
    let key = match blob.key() {
        Ok(key) => key,
        Err(error) => return Ok(Some((FaultKind::Missing, error.to_string()))),
    };
    let content = match reading.objects.open(&key).await {
        Ok(content) => content,
        Err(error) => return damage::told_by(error).map(Some),
    };
    if content.size != blob.size {
        let what = format!(
            "it has {} bytes and should have {}",
            content.size, blob.size
        );
        return Ok(Some((FaultKind::Size, what)));
    }
    let (digest, pace, progress) = (blob.digest.clone(), pace.clone(), Arc::clone(progress));
    blocking(move || read(content, &digest, &pace, &progress)).await
}

fn read(
    content: Content,
    digest: &Digest,
    pace: &Pace,
    progress: &Progress,
) -> Result<Option<(FaultKind, String)>> {
    let mut hasher = Hasher::new(digest.algorithm());
    let mut reader = content.into_reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return damage::told_by(read_failure(error)).map(Some),
        };
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        pace.wait(bytes);
    }
    let found = hasher.finish();
    Ok((found != *digest).then(|| {
        let what = format!("its bytes have the digest `{found}`");
        (FaultKind::Content, what)
    }))
}

/// Files that no row names.
async fn strays(reading: &Reading, report: &mut Report) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let listed = reading.objects.list(after.as_deref(), PAGE_OBJECTS).await?;
        let Some(last) = listed.last() else {
            return Ok(());
        };
        after = Some(last.key.clone());
        for stray in garbage::without_row(&reading.db, listed).await? {
            report.strays += 1;
            report.stray_bytes = report.stray_bytes.saturating_add(stray.size);
        }
    }
}

/// Keeps reading at a rate.
#[derive(Debug, Clone)]
struct Pace {
    bytes_per_second: Option<u64>,
    began: Instant,
    read: Arc<AtomicU64>,
}

impl Pace {
    fn new(bytes_per_second: Option<u64>) -> Pace {
        Pace {
            bytes_per_second: bytes_per_second.filter(|rate| *rate > 0),
            began: Instant::now(),
            read: Arc::default(),
        }
    }

    /// Counts what was read, and waits until that much may have been.
    fn wait(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else {
            return;
        };
        let read = self
            .read
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        let milliseconds = u128::from(read).saturating_mul(1_000) / u128::from(rate);
        let due = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        std::thread::sleep(due.saturating_sub(self.began.elapsed()));
    }
}
