//! Which bucket belongs to which database. Whoever collects garbage removes what no row names: with the database of another
//! server that would be everything. So a bucket with its prefix holds the number of its database, and a database knows whether
//! its blobs are in a bucket.

use std::time::Duration;

use super::{BlobStore, Content, Local, Objects, Remote};
use crate::db::{Db, RowExt, write_tx};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::random;

/// The row of `revisions` that holds the number of a database whose blobs are in a bucket.
const ROW: &str = "blob-store";
/// The object that holds the same number.
const KEY: &str = "countersign-store";
/// Longer than another process takes from its look at the bucket to its claim.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the place that the options name, if it is this database's. A bucket of nobody's becomes its own.
pub(crate) async fn objects(
    db: &Db,
    folder: &Folder,
    place: Option<&BlobStore>,
) -> Result<Objects> {
    match find(db, place).await? {
        Found::Local => Ok(Objects::Local(Local::create(folder.blobs())?)),
        Found::Ours(remote) => {
            remote.try_writing().await?;
            Ok(Objects::Remote(remote))
        }
        Found::Unclaimed(remote) => {
            remote.try_writing().await?;
            claim(db, &remote).await?;
            Ok(Objects::Remote(remote))
        }
    }
}

/// The same for a command beside a server: nothing is made or written, and nothing is claimed.
pub(crate) async fn existing(
    db: &Db,
    folder: &Folder,
    place: Option<&BlobStore>,
) -> Result<Objects> {
    match find(db, place).await? {
        Found::Local => Ok(Objects::Local(Local::existing(folder.blobs()))),
        Found::Ours(remote) => Ok(Objects::Remote(remote)),
        Found::Unclaimed(_) => Err(refused(ANOTHERS)),
    }
}

/// Fails where the bucket is another database's by now: for whoever is about to remove what no row names.
pub(crate) async fn confirm(db: &Db, remote: &Remote) -> Result<()> {
    match number(db).await? {
        Some(number) if claimed_by(remote).await? == Some(text(number)) => Ok(()),
        _ => Err(refused(ANOTHERS)),
    }
}

const ANOTHERS: &str = "this bucket and prefix do not hold the blobs of this database: give each database a prefix of its own";

/// Where a database's blobs are.
enum Found {
    Local,
    Ours(Remote),
    Unclaimed(Remote),
}

async fn find(db: &Db, place: Option<&BlobStore>) -> Result<Found> {
    let number = number(db).await?;
    let Some(place) = place else {
        // A database whose blobs are in a bucket is not opened without it.
        return match number {
            None => Ok(Found::Local),
            Some(_) => Err(refused(
                "this database's blobs are in a bucket: name it with `--blobs`",
            )),
        };
    };
    let remote = Remote::connect(place).await?;
    match (number, claimed_by(&remote).await?) {
        (_, None) => Ok(Found::Unclaimed(remote)),
        (Some(number), Some(found)) if found == text(number) => Ok(Found::Ours(remote)),
        (_, Some(_)) => Err(refused(ANOTHERS)),
    }
}

/// Writes the number of this database into a bucket of nobody's. Of several that do so at once one has it, the others fail.
async fn claim(db: &Db, remote: &Remote) -> Result<()> {
    if has_blobs(db).await? {
        return Err(refused(
            "this database's blobs are elsewhere, in the data folder or under another bucket or prefix",
        ));
    }
    let number = match number(db).await? {
        Some(number) => number,
        None => new_number(db).await?,
    };
    // Looked at again: to try to write may have taken long.
    if claimed_by(remote).await?.is_none() {
        remote.put_new(KEY, text(number)).await?;
        // A service that knows the condition refuses it the second time. With others it is whoever writes last.
        if !remote.put_new(KEY, text(number)).await? {
            tokio::time::sleep(PAUSE).await;
        }
    }
    confirm(db, remote).await
}

/// The number that a bucket and prefix hold.
async fn claimed_by(remote: &Remote) -> Result<Option<Vec<u8>>> {
    match remote.open(KEY).await {
        Ok(bytes) => Ok(Some(Content::of_remote(bytes).bytes().await?)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

async fn number(db: &Db) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT value FROM revisions WHERE name = $1")
        .bind(ROW)
        .fetch_optional(db.read())
        .await?;
    row.map(|row| row.int("value")).transpose()
}

/// Chooses a number, unless another process was first.
async fn new_number(db: &Db) -> Result<i64> {
    let digits = random::hex::<7>()?;
    let drawn = i64::from_str_radix(&digits, 16).map_err(Error::corrupt("random number"))?;
    write_tx!(db, |tx| {
        let text =
            "INSERT INTO revisions (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        sqlx::query(text)
            .bind(ROW)
            .bind(drawn)
            .execute(tx.conn())
            .await?;
        Ok(())
    })?;
    Ok(number(db).await?.unwrap_or(drawn))
}

async fn has_blobs(db: &Db) -> Result<bool> {
    let row = sqlx::query("SELECT digest FROM blobs LIMIT 1")
        .fetch_optional(db.read())
        .await?;
    Ok(row.is_some())
}

fn refused(why: &str) -> Error {
    Error::Refused {
        what: "opening the blobs",
        why: why.to_owned(),
    }
}
