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
        if number.is_some() {
            return Err(refused(
                "this database's blobs are in a bucket: name it with `--blobs`",
            ));
        }
        return Ok(Objects::Local(Local::create(folder.blobs())?));
    };
    let remote = Remote::connect(place).await?;
    let found = match remote.open(KEY).await {
        Ok(bytes) => Some(Content::of_remote(bytes).bytes().await?),
        Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    match (number, found) {
        (Some(number), Some(found)) if found == number.to_string().into_bytes() => {}
        (_, Some(_)) => {
            return Err(refused(
                "this bucket and prefix hold the blobs of another database: give this one a prefix of its own",
            ));
        }
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
