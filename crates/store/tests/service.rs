//! What a service does that a folder does not: it is slow, busy, cut off, gone, or somebody else's. Between the store and the
//! server stands a proxy that a test can tell so.

mod claim;
mod crash;
mod failures;
mod keeping;
mod reads;
mod sessions;

use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use oci::{Algorithm, Digest};
use policy::verb::Push;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use store::blobs::{BlobInfo, BlobStore};
use store::uploads::{self, Session, Upload};
use store::{Options, Store, Writer, blobs};
use testkit::Proxy;
use testkit::s3::{server, variable};

use crate::database::{Database, place};
use crate::fixture::{NOW, permit};

/// A store whose blobs pass through a proxy.
pub(crate) struct Service {
    pub(crate) proxy: Proxy,
    pub(crate) store: Store,
    pub(crate) options: Options,
    database: Database,
    _folder: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn new() -> Service {
        let proxy = Proxy::start(server()).await.unwrap();
        let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().await);
        let mut options = options_of(&database, folder.path());
        let place = options.blobs.as_mut().unwrap();
        place.endpoint = Some(format!("http://{}", proxy.address()));
        place.patience = Duration::from_secs(1);
        let store = Store::open(&options).await.unwrap();
        proxy.seen();
        Service {
            proxy,
            store,
            options,
            database,
            _folder: folder,
        }
    }

    /// Another process: nothing that the first one had in memory is left.
    pub(crate) async fn restart(mut self) -> Service {
        self.store.close().await;
        let Service {
            proxy,
            store,
            options,
            database,
            _folder,
        } = self;
        drop(store);
        self = Service {
            store: Store::open(&options).await.unwrap(),
            proxy,
            options,
            database,
            _folder,
        };
        self.proxy.seen();
        self
    }

    /// Runs one statement by hand.
    pub(crate) async fn edit(&self, text: &str) {
        sqlx::any::install_default_drivers();
        let url = self.database.raw_url(&self.options.data);
        let mut raw = AnyConnection::connect(&url).await.unwrap();
        let query = sqlx::query(AssertSqlSafe(text.to_owned()));
        query.execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    }

    pub(crate) fn place(&self) -> &BlobStore {
        self.options.blobs.as_ref().unwrap()
    }

    /// The keys of all objects, as the server has them.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let prefix = &self.place().prefix;
        let listed = client().list(Some(&prefix.as_str().into()));
        let metas: Vec<_> = listed.try_collect().await.unwrap();
        let strip = |key: &str| key.strip_prefix(prefix).unwrap()[1..].to_owned();
        metas
            .iter()
            .map(|meta| strip(meta.location.as_ref()))
            .collect()
    }

    /// Those below a folder.
    pub(crate) async fn keys_below(&self, folder: &str) -> Vec<String> {
        let mut keys = self.keys().await;
        keys.retain(|key| key.starts_with(folder));
        keys
    }

    pub(crate) async fn start(&self) -> Session {
        let permit = permit::<Push>(1, "shop/web");
        uploads::start(&self.store, &Writer::Push(&permit), Algorithm::Sha256, NOW)
            .await
            .unwrap()
    }

    pub(crate) fn open(&self, session: &Session) -> Upload {
        let permit = permit::<Push>(1, "shop/web");
        uploads::open(&self.store, &Writer::Push(&permit), session, NOW).unwrap()
    }

    /// One request that adds bytes.
    pub(crate) async fn add(&self, session: &Session, bytes: &[u8]) -> store::Result<u64> {
        let mut upload = self.open(session);
        upload.append(bytes).await?;
        upload.flush().await
    }

    /// A whole push of one blob, in one body.
    pub(crate) async fn push(&self, bytes: &[u8]) -> store::Result<BlobInfo> {
        let permit = permit::<Push>(1, "shop/web");
        let mut upload =
            uploads::create(&self.store, &Writer::Push(&permit), Algorithm::Sha256, NOW)?;
        upload.append(bytes).await?;
        upload.commit(&Digest::sha256(bytes), NOW).await
    }

    pub(crate) async fn read(&self, digest: &Digest) -> store::Result<Vec<u8>> {
        blobs::open(&self.store, digest).await?.bytes().await
    }
}

/// What a new store is opened with: a database of its own, and blobs under a prefix of its own.
pub(crate) async fn new_options(data: &Path) -> Options {
    options_of(&Database::create().await, data)
}

fn options_of(database: &Database, data: &Path) -> Options {
    Options {
        database: database.url(),
        blobs: database.blobs(),
        ..Options::embedded(data)
    }
}

/// The server without a proxy.
pub(crate) fn client() -> AmazonS3 {
    let bucket = place("none").bucket;
    AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_endpoint(variable("COUNTERSIGN_TEST_S3_ENDPOINT"))
        .with_access_key_id(variable("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(variable("AWS_SECRET_ACCESS_KEY"))
        .with_allow_http(true)
        .build()
        .unwrap()
}

/// Bytes that no compression and no wrong order leaves as they are.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
