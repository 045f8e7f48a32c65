//! A database for one test: the embedded one, in the test's data folder.

use std::path::Path;

use store::blobs::BlobStore;

/// Where a test's database is.
pub(crate) struct Database;

impl Database {
    /// A new, empty database.
    pub(crate) async fn create() -> Database {
        Database
    }

    /// What `Options` are given.
    pub(crate) fn url(&self) -> Option<String> {
        None
    }

    /// The bucket that `Options` are given.
    pub(crate) fn blobs(&self) -> Option<BlobStore> {
        None
    }

    /// What somebody with a database program would open.
    pub(crate) fn raw_url(&self, data: &Path) -> String {
        format!("sqlite://{}/countersign.db?mode=rw", data.display())
    }
}
