//! A store opened by a command beside a server that may be running: no lock is taken, nothing is migrated, no key is read.

use crate::db::Db;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::migrations;
use crate::objects::{Objects, claim};
use crate::open::{Options, connect};

/// The database and the objects of a store.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) db: Db,
    pub(crate) folder: Folder,
    pub(crate) objects: Objects,
}

impl Reading {
    /// Opens what is there; a store of another version is refused.
    pub(crate) async fn open(options: &Options) -> Result<Reading> {
        let folder = Folder::existing(&options.data);
        if options.database.is_none() && !folder.database().is_file() {
            return Err(Error::not_found("database", folder.database().display()));
        }
        let db = connect(&folder, options.database.as_deref()).await?;
        migrations::require_current(&db).await?;
        let objects = claim::existing(&db, &folder, options.blobs.as_ref()).await?;
        Ok(Reading {
            db,
            folder,
            objects,
        })
    }

    pub(crate) async fn close(&self) {
        self.db.close().await;
    }
}
