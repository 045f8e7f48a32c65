//! A database for one test: a new one on the server that COUNTERSIGN_TEST_POSTGRES names.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection};
use store::blobs::BlobStore;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where a test's database is.
pub(crate) struct Database {
    url: String,
}

impl Database {
    /// A new, empty database.
    pub(crate) async fn create() -> Database {
        sqlx::any::install_default_drivers();
        let server = std::env::var("COUNTERSIGN_TEST_POSTGRES")
            .expect("COUNTERSIGN_TEST_POSTGRES must be the URL of a PostgreSQL server, such as postgres://postgres@127.0.0.1:5433");
        let (server, settings) = server.split_once('?').unwrap_or((&server, ""));
        let server = server.trim_end_matches('/');
        let name = format!(
            "store_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let mut connection = sqlx::AnyConnection::connect(&format!("{server}/postgres?{settings}"))
            .await
            .unwrap();
        // Another collation than ours, as a server may have.
        let text = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(text))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        Database {
            url: format!("{server}/{name}?{settings}"),
        }
    }

    /// What `Options` are given.
    pub(crate) fn url(&self) -> Option<String> {
        Some(self.url.clone())
    }

    /// The bucket that `Options` are given.
    pub(crate) fn blobs(&self) -> Option<BlobStore> {
        None
    }

    /// What somebody with a database program would open.
    pub(crate) fn raw_url(&self, _data: &Path) -> String {
        self.url.clone()
    }
}
