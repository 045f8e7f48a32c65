//! Blobs: bytes under a digest, which repositories hold. A blob is durable before it is acknowledged: its bytes, then their
//! key, then the rows. Bytes without a row are invisible; a row without bytes is a fault. Where bytes lie is `objects`, uploads
//! in pieces are `uploads`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use oci::{Digest, Hasher, RepositoryName};

use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::{Store, Writer, catalogue, damage, random, uploads};

mod commits;

pub use crate::objects::{
    BlobStore, Content, Credentials, Keys, Reader, RemoteContent, read_failure,
};
pub(crate) use commits::Commits;

/// The noun for a piece of an upload that is to be a blob.
pub(crate) const PIECE: &str = "piece";
/// How much is read at a time when a file is hashed.
const HASH_CHUNK_BYTES: usize = 1024 * 1024;

/// A blob that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The key of its bytes; none where it follows from the digest, as in stores of older versions.
    pub(crate) location: Option<String>,
}

impl BlobInfo {
    /// A blob by the columns `size` and `location` of its row.
    pub(crate) fn of(digest: &Digest, row: &impl RowExt) -> Result<BlobInfo> {
        Ok(BlobInfo {
            digest: digest.clone(),
            size: row.count("size")?,
            location: row.opt_text("location")?,
        })
    }

    /// The piece of an upload that it is, if it is one.
    pub(crate) fn piece(&self) -> Option<&str> {
        self.location
            .as_deref()
            .filter(|location| uploads::is_piece(location))
    }

    /// The key of its bytes. One that somebody wrote into the database by hand does not lead elsewhere.
    pub(crate) fn key(&self) -> Result<String> {
        let key = first_key(&self.digest);
        let Some(location) = &self.location else {
            return Ok(key);
        };
        let is_of_digest = location
            .strip_prefix(&key)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !is_of_digest && !uploads::is_piece(location) {
            return Err(Error::corrupt("blobs.location")(format!(
                "`{location}` is no place of `{}`",
                self.digest
            )));
        }
        Ok(location.clone())
    }
}

/// Where older versions put a blob: `sha256/ab/abcd…`.
pub(crate) fn first_key(digest: &Digest) -> String {
    let hex = digest.hex();
    let shard = hex.get(..2).unwrap_or_default();
    format!("{}/{shard}/{hex}", digest.algorithm())
}

/// A key that nothing has: `sha256/ab/abcd….` and 8 random digits.
pub(crate) fn new_key(digest: &Digest) -> Result<String> {
    Ok(format!("{}.{}", first_key(digest), random::hex::<4>()?))
}

/// Opens a blob for reading. Whether the caller may read it is decided before.
pub async fn open(store: &Store, digest: &Digest) -> Result<Content> {
    let row = sqlx::query(
        "SELECT b.size, b.location, k.what AS damage FROM blobs b LEFT JOIN broken_blobs k ON k.digest = b.digest \
         WHERE b.digest = $1",
    )
    .bind(digest.as_str())
    .fetch_optional(store.db().read())
    .await?
    .ok_or_else(|| Error::not_found("blob", digest))?;
    damage::refuse(digest, &row)?;
    open_info(store, &BlobInfo::of(digest, &row)?).await
}

/// The same, for a blob that has just been looked up.
pub async fn open_info(store: &Store, info: &BlobInfo) -> Result<Content> {
    let content = match store.objects().open(&info.key()?).await {
        Err(Error::NotFound { .. }) => return Err(Error::not_found("blob", &info.digest)),
        outcome => outcome?,
    };
    if content.size == info.size {
        return Ok(content);
    }
    Err(Error::Damaged {
        digest: info.digest.clone(),
        what: format!("it has {} bytes, not {}", content.size, info.size),
    })
}

/// Stores a small blob that is in memory already and links it to the writer's repository.
pub async fn put(
    store: &Store,
    writer: &Writer<'_>,
    content: Vec<u8>,
    now: i64,
) -> Result<BlobInfo> {
    writer.actor(now)?;
    let digest = Digest::sha256(&content);
    let info = BlobInfo {
        size: length(&content)?,
        location: Some(new_key(&digest)?),
        digest,
    };
    let key = info.key()?;
    match store.objects() {
        Objects::Local(objects) => {
            let (objects, folder) = (objects.clone(), store.folder().uploads());
            blocking(move || {
                let temporary = folder.join(format!("blob-{}", random::hex::<16>()?));
                let written = write_new(&temporary, &content)
                    .and_then(|file| objects.adopt(&file, &temporary, &key));
                if written.is_err() {
                    let _ = fs::remove_file(&temporary);
                }
                written
            })
            .await?;
        }
        Objects::Remote(remote) => remote.put(&key, content).await?,
    }
    settle(store, writer.repository()?, &info, now).await?;
    Ok(info)
}

/// Commits the rows of a blob whose bytes are durable, and answers whether they name these. If others were there before, these
/// go, unless those are damaged; but a piece stays for `uploads` to remove.
pub(crate) async fn settle(
    store: &Store,
    repository: &RepositoryName,
    info: &BlobInfo,
    now: i64,
) -> Result<bool> {
    Ok(commits::commit(store, repository, info, now).await?
        || damage::settle(store, info, now).await?)
}

/// Notes that the blob is stored and that the repository holds it. Answers whether its row names these bytes: if others have
/// been there before, they stay, and whoever brought these removes them after the commit. Fails as `own_piece`.
///
/// The row is locked until the transaction ends, and counts as stored now: nobody collects it meanwhile.
pub(crate) async fn record(
    tx: &mut Tx,
    repository_id: i64,
    info: &BlobInfo,
    now: i64,
) -> Result<bool> {
    let size = i64::try_from(info.size).map_err(Error::corrupt("blobs.size"))?;
    let row = sqlx::query(
        "INSERT INTO blobs (digest, size, stored_at, location) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (digest) DO UPDATE SET stored_at = \
         CASE WHEN blobs.stored_at < excluded.stored_at THEN excluded.stored_at ELSE blobs.stored_at END RETURNING location",
    )
    .bind(info.digest.as_str())
    .bind(size)
    .bind(now)
    .bind(info.location.as_deref())
    .fetch_one(tx.conn())
    .await
    .map_err(Error::from);
    let row = own_piece(tx, info, row).await?;
    link(tx, repository_id, &info.digest, now).await?;
    Ok(row.opt_text("location")? == info.location)
}

/// The outcome of a statement that makes these bytes those of a blob. A piece that is another blob's, or was and is about to be
/// removed with it, is a `Conflict` of the kind `PIECE`: its bytes are to be copied. Asked after the statement, which has waited
/// for whoever collects that other blob.
pub(crate) async fn own_piece<T>(tx: &mut Tx, info: &BlobInfo, outcome: Result<T>) -> Result<T> {
    let Some(piece) = info.piece() else {
        return outcome;
    };
    let is_lost = match &outcome {
        Ok(_) => sqlx::query("SELECT size FROM discarded_files WHERE location = $1")
            .bind(piece)
            .fetch_optional(tx.conn())
            .await?
            .is_some(),
        Err(error) => error.is_unique_violation(),
    };
    if is_lost {
        return Err(Error::Conflict {
            kind: PIECE,
            name: piece.to_owned(),
            why: "belongs to another blob: send the bytes again",
        });
    }
    outcome
}

/// Notes that the repository holds a blob that is stored, and tells the images that were pushed before it.
pub(crate) async fn link(tx: &mut Tx, repository_id: i64, digest: &Digest, now: i64) -> Result<()> {
    // On PostgreSQL an old link may be collected between the look at it and its renewal.
    while !try_link(tx, repository_id, digest, now).await? {}
    Ok(())
}

/// Makes or renews the link; false when it went in between.
async fn try_link(tx: &mut Tx, repository_id: i64, digest: &Digest, now: i64) -> Result<bool> {
    let linked = sqlx::query(
        "INSERT INTO repository_blobs (repository_id, digest, linked_at) VALUES ($1, $2, $3) \
         ON CONFLICT (repository_id, digest) DO NOTHING",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    if linked.rows_affected() == 0 {
        // Somebody counts on it again: whoever collects what no manifest needs begins to wait anew.
        let renewed = sqlx::query(
            "UPDATE repository_blobs SET linked_at = CASE WHEN linked_at < $3 THEN $3 ELSE linked_at END \
             WHERE repository_id = $1 AND digest = $2",
        )
        .bind(repository_id)
        .bind(digest.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        return Ok(renewed.rows_affected() > 0);
    }
    catalogue::arrived(tx, repository_id, digest, now).await?;
    Ok(true)
}

/// The blob as this repository holds it.
pub(crate) async fn held(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<BlobInfo>> {
    let row = sqlx::query(
        "SELECT b.size, b.location FROM repository_blobs r JOIN blobs b ON b.digest = r.digest \
         WHERE r.repository_id = $1 AND r.digest = $2",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| BlobInfo::of(digest, &row)).transpose()
}

/// The digest of a file's bytes, read in pieces.
pub(crate) fn hash(mut file: &File, path: &Path, algorithm: oci::Algorithm) -> Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; HASH_CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).map_err(Error::io(path))?;
        match chunk.get(..read) {
            Some([]) | None => return Ok(hasher.finish()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// What work on files answered.
pub(crate) fn joined<T>(
    outcome: std::result::Result<Result<T>, tokio::task::JoinError>,
) -> Result<T> {
    match outcome {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::Io {
            path: "a file task".to_owned(),
            source: std::io::Error::other(error),
        }),
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io(path))?;
    file.write_all(content).map_err(Error::io(path))?;
    Ok(file)
}

fn length(content: &[u8]) -> Result<u64> {
    u64::try_from(content.len()).map_err(Error::corrupt("a blob's length"))
}
