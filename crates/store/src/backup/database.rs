//! The database as of one moment, beside those who write to it. SQLite makes a copy of its own (`VACUUM INTO` reads one state
//! of a WAL database and keeps nobody from writing); from PostgreSQL all rows are read in one snapshot (`tables`).

use std::fs::File;
use std::path::Path;

use sqlx::AnyConnection;
use sqlx::{Connection, Executor, Row};

use super::manifest::{DATABASE, Listed, TABLES};
use super::tables;
use crate::blobs::{BlobInfo, blocking};
use crate::db::{Backend, RowExt, sqlite_url};
use crate::error::{Error, Result};
use crate::reading::Reading;
use crate::snapshot;

/// Blobs that are read at a time.
const PAGE_ROWS: i64 = 2_000;

/// A copy that was made.
pub(super) struct Copy {
    /// Its name in the snapshot.
    pub(super) file: &'static str,
    /// The blobs that it names.
    pub(super) blobs: Vec<Listed>,
}

/// Copies the database into the folder of a snapshot.
pub(super) async fn copy(reading: &Reading, folder: &Path) -> Result<Copy> {
    match reading.db.backend() {
        Backend::Sqlite => sqlite(reading, folder).await,
        Backend::Postgres => postgres(reading, folder).await,
    }
}

async fn sqlite(reading: &Reading, folder: &Path) -> Result<Copy> {
    let path = folder.join(DATABASE);
    let text = path.to_str().ok_or_else(|| Error::Invalid {
        what: "folder",
        value: path.display().to_string(),
        why: "its path is not UTF-8: choose another".to_owned(),
    })?;
    // By itself, because it may take longer than a lease lasts, which the one writer of the pool renews.
    let mut source = connect(&reading.folder.database(), "mode=rw").await?;
    source.execute("PRAGMA busy_timeout = 30000").await?;
    sqlx::query("VACUUM INTO $1")
        .bind(text.to_owned())
        .execute(&mut source)
        .await?;
    source.close().await?;
    let at = path.clone();
    blocking(move || {
        File::open(&at)
            .and_then(|file| file.sync_all())
            .map_err(Error::io(&at))
    })
    .await?;
    // As it lies there, without making a journal beside it.
    let mut copy = connect(&path, "mode=ro&immutable=true").await?;
    let blobs = blobs(&mut copy).await?;
    copy.close().await?;
    Ok(Copy {
        file: DATABASE,
        blobs,
    })
}

async fn postgres(reading: &Reading, folder: &Path) -> Result<Copy> {
    let mut tx = snapshot::begin(&reading.db).await?;
    let blobs = blobs(&mut tx).await?;
    tables::write(&mut tx, &folder.join(TABLES)).await?;
    tx.rollback().await?;
    Ok(Copy {
        file: TABLES,
        blobs,
    })
}

/// Opens a database by itself. A restore has no other database open, so that nobody else has named the drivers.
async fn connect(path: &Path, how: &str) -> Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let url = format!("{}?{how}", sqlite_url(path)?);
    Ok(AnyConnection::connect(&url).await?)
}

/// The blobs of the state that the connection sees.
async fn blobs(conn: &mut AnyConnection) -> Result<Vec<Listed>> {
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let rows = sqlx::query(
            "SELECT digest, size, location FROM blobs WHERE digest > $1 ORDER BY digest LIMIT $2",
        )
        .bind(after.clone())
        .bind(PAGE_ROWS)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            let blob = BlobInfo::of(&row.digest("digest")?, row)?;
            after = blob.digest.to_string();
            listed.push(Listed {
                key: blob.key()?,
                digest: blob.digest,
                size: blob.size,
            });
        }
        if rows.is_empty() {
            return Ok(listed);
        }
    }
}

/// Makes a copy the embedded database of a data folder: what tied it to the surroundings of the old one is taken out.
pub(super) async fn revive(path: &Path) -> Result<()> {
    let mut copy = connect(path, "mode=rw").await?;
    let state: String = copy.fetch_one("PRAGMA quick_check(1)").await?.try_get(0)?;
    if state != "ok" {
        return Err(super::manifest::broken(
            path,
            format!("it is not whole: {state}"),
        ));
    }
    forget_surroundings(&mut copy).await?;
    copy.close().await?;
    let at = path.to_path_buf();
    blocking(move || {
        File::open(&at)
            .and_then(|file| file.sync_all())
            .map_err(Error::io(&at))
    })
    .await
}

/// Leases of those who are gone, and the bucket that the blobs were in: they are files of the data folder now.
pub(super) async fn forget_surroundings(conn: &mut AnyConnection) -> Result<()> {
    for text in [
        "DELETE FROM backups",
        "UPDATE collections SET holder = NULL, seen_at = NULL WHERE finished_at IS NULL",
        "UPDATE jobs SET locked_until = 0 WHERE locked_until <> 0",
        "DELETE FROM revisions WHERE name = 'blob-store'",
    ] {
        conn.execute(text).await?;
    }
    Ok(())
}
