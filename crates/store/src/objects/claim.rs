//! Which bucket belongs to which database. Whoever collects garbage removes what no row names: with the database of another
//! server that would be everything. So a bucket with its prefix holds the number of its database, and a database knows whether
//! its blobs are in a bucket.

use super::{BlobStore, Content, Local, Objects, Remote};
use crate::db::{Db, RowExt, write_tx};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::random;

/// The row of `revisions` that holds the number of a database whose blobs are in a bucket.
const ROW: &str = "blob-store";
/// The object that holds the same number.
const KEY: &str = "countersign-store";

/// Opens the place that the options name, if it is this database's.
pub(crate) async fn objects(
    db: &Db,
    folder: &Folder,
    place: Option<&BlobStore>,
) -> Result<Objects> {
    let number = number(db).await?;
    let Some(place) = place else {
        refuse_bucket(number)?;
        return Ok(Objects::Local(Local::create(folder.blobs())?));
    };
    let remote = Remote::connect(place).await?;
    match (number, claimed_by(&remote).await?) {
        (Some(number), Some(found)) if found == number.to_string().into_bytes() => {}
        (_, Some(_)) => return Err(refused(ANOTHERS)),
        (number, None) => {
            if has_blobs(db).await? {
                return Err(refused(
                    "this database's blobs are elsewhere, in the data folder or under another bucket or prefix",
                ));
            }
            let number = match number {
                Some(number) => number,
                None => new_number(db).await?,
            };
            remote.put(KEY, number.to_string().into_bytes()).await?;
        }
    }
    Ok(Objects::Remote(remote))
}

/// The same for a command beside a server: nothing is made, and nothing is claimed.
pub(crate) async fn existing(
    db: &Db,
    folder: &Folder,
    place: Option<&BlobStore>,
) -> Result<Objects> {
    let number = number(db).await?;
    let Some(place) = place else {
        refuse_bucket(number)?;
        return Ok(Objects::Local(Local::existing(folder.blobs())));
    };
    let remote = Remote::connect(place).await?;
    match (number, claimed_by(&remote).await?) {
        (Some(number), Some(found)) if found == number.to_string().into_bytes() => {
            Ok(Objects::Remote(remote))
        }
        _ => Err(refused(ANOTHERS)),
    }
}

const ANOTHERS: &str = "this bucket and prefix do not hold the blobs of this database: give each database a prefix of its own";

/// A database whose blobs are in a bucket is not opened without it.
fn refuse_bucket(number: Option<i64>) -> Result<()> {
    match number {
        None => Ok(()),
        Some(_) => Err(refused(
            "this database's blobs are in a bucket: name it with `--blobs`",
        )),
    }
}

/// The number that a bucket and prefix hold.
async fn claimed_by(remote: &Remote) -> Result<Option<Vec<u8>>> {
    match remote.open(KEY).await {
        Ok(bytes) => Ok(Some(Content::of_remote(bytes).bytes().await?)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
