//! A place for one test: a prefix of its own in the bucket that COUNTERSIGN_TEST_S3 names, and the embedded database; or, where
//! COUNTERSIGN_TEST_POSTGRES names a server, a new database there.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use store::blobs::{BlobStore, Credentials, Keys};
use testkit::s3::variable;

#[path = "postgres.rs"]
mod postgres;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where a test's database is, and its blobs.
pub(crate) struct Database {
    prefix: String,
    /// None is the embedded one.
    postgres: Option<postgres::Database>,
}

impl Database {
    /// A new, empty database.
    pub(crate) async fn create() -> Database {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let postgres = match std::env::var_os("COUNTERSIGN_TEST_POSTGRES") {
            Some(_) => Some(postgres::Database::create().await),
            None => None,
        };
        Database {
            prefix: format!("test-{}/{number}", std::process::id()),
            postgres,
        }
    }

    /// What `Options` are given.
    pub(crate) fn url(&self) -> Option<String> {
        self.postgres.as_ref()?.url()
    }

    /// The bucket that `Options` are given.
    pub(crate) fn blobs(&self) -> Option<BlobStore> {
        Some(place(&self.prefix))
    }

    /// What somebody with a database program would open.
    pub(crate) fn raw_url(&self, data: &Path) -> String {
        match &self.postgres {
            Some(postgres) => postgres.raw_url(data),
            None => format!("sqlite://{}/countersign.db?mode=rw", data.display()),
        }
    }
}

/// A prefix of the bucket.
pub(crate) fn place(prefix: &str) -> BlobStore {
    let keys = Keys {
        access_key_id: variable("AWS_ACCESS_KEY_ID"),
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY").into(),
        session_token: None,
    };
    let url = format!("{}/{prefix}", variable("COUNTERSIGN_TEST_S3"));
    let mut place = BlobStore::parse(&url, Credentials::Keys(keys)).unwrap();
    place.endpoint = Some(variable("COUNTERSIGN_TEST_S3_ENDPOINT"));
    place.path_style = true;
    place.allow_http = true;
    place
}
