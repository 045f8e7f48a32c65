//! Objects in a bucket of an S3-compatible service, through the crate `object_store`. The service promises what the local
//! files do by syncing: an object that it acknowledged is whole and durable, and is seen by every later request.
//!
//! Requests that the service is too busy for are repeated for some seconds, then fail as `Unavailable`. It deliberately needs
//! nothing that only some services have: no conditional writes, no renames, no server-side copies.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, Error as ServiceError, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::objects::Listed;
use crate::random;

mod chains;
mod credentials;
mod failure;
mod place;
mod reading;
mod writing;

pub(crate) use chains::Chains;
pub use place::{BlobStore, Credentials, Keys};
pub(crate) use reading::{RemoteBytes, RemoteReader};
pub(crate) use writing::Writing;

const CONNECT_SECONDS: u64 = 3;
/// The longest silence of the service in a request: also how long one part may take on its way there.
const SILENCE_SECONDS: u64 = 20;
/// How long readiness waits for an answer.
const CHECK_SECONDS: u64 = 2;
/// Parts on their way at a time in this process, 8 MiB each.
const PARTS_MAX: usize = 16;
/// How long a link to a blob is valid.
const LINK_SECONDS: u64 = 300;
/// Listed in this order, which is that of their keys.
const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];

/// A bucket, or a part of one. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    service: AmazonS3,
    prefix: String,
    /// As an operator writes it.
    url: String,
    /// How long requests are repeated.
    patience: Duration,
    parts: Arc<Semaphore>,
    chains: Arc<Chains>,
}

impl Remote {
    /// Connects, and lists, so that what is wrong with bucket or keys is said at the start. Nothing is written: there are
    /// services that make a bucket for whoever writes to it.
    pub(crate) async fn connect(place: &BlobStore) -> Result<Remote> {
        let remote = Remote {
            service: service(place)?,
            prefix: place.prefix.clone(),
            url: place.url(),
            patience: place.patience,
            parts: Arc::new(Semaphore::new(PARTS_MAX)),
            chains: Arc::default(),
        };
        let listing = remote.service.list(Some(&remote.path("start")));
        let listed: object_store::Result<Vec<ObjectMeta>> = listing.try_collect().await;
        listed.map_err(|error| remote.at_start(&error))?;
        Ok(remote)
    }

    /// Writes and removes an object, so that a right that is missing is said at the start.
    pub(crate) async fn try_writing(&self) -> Result<()> {
        let probe = self.path(&format!("start/{}", random::hex::<8>()?));
        let tried = async {
            self.service.put(&probe, PutPayload::new()).await?;
            self.service.head(&probe).await?;
            self.service.delete(&probe).await
        };
        tried.await.map_err(|error| self.at_start(&error))
    }

    fn at_start(&self, error: &ServiceError) -> Error {
        failure::at_start(error, &self.url)
    }

    /// Whether the service answers now.
    pub(crate) async fn check(&self) -> Result<()> {
        let nothing = self.path("start/nothing");
        let waiting = Duration::from_secs(CHECK_SECONDS);
        match tokio::time::timeout(waiting, self.service.head(&nothing)).await {
            Ok(Ok(_) | Err(object_store::Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(failure::unavailable(&error)),
            Err(_) => Err(Error::Unavailable {
                what: "the blob store",
                why: format!("it gave no answer in {CHECK_SECONDS} seconds"),
            }),
        }
    }

    /// An object, whose bytes are asked for when they are read.
    pub(crate) async fn open(&self, key: &str) -> Result<RemoteBytes> {
        let meta = self.service.head(&self.path(key)).await;
        let size = meta.map_err(|error| failure::of_object(error, key))?.size;
        Ok(RemoteBytes::new(self.clone(), key.to_owned(), size))
    }

    /// Stores an object that is in memory.
    pub(crate) async fn put(&self, key: &str, content: Vec<u8>) -> Result<()> {
        let stored = self.service.put(&self.path(key), content.into()).await;
        stored
            .map(drop)
            .map_err(|error| failure::unavailable(&error))
    }

    /// The same if there is none; answers whether one was there. A service that does not know this condition writes over it.
    pub(crate) async fn put_new(&self, key: &str, content: Vec<u8>) -> Result<bool> {
        let (path, options) = (self.path(key), PutOptions::from(PutMode::Create));
        let stored = self
            .service
            .put_opts(&path, content.clone().into(), options)
            .await;
        match stored {
            Ok(_) => Ok(false),
            Err(ServiceError::AlreadyExists { .. }) => Ok(true),
            Err(error) if failure::is_not_implemented(&error) => {
                self.put(key, content).await.map(|()| false)
            }
            Err(error) => Err(failure::unavailable(&error)),
        }
    }

    /// Begins an object whose length is not known.
    pub(crate) fn write(&self, key: String) -> Writing {
        Writing::new(self.clone(), key)
    }

    /// Whether there is such an object.
    pub(crate) async fn is_there(&self, key: &str) -> Result<bool> {
        match self.service.head(&self.path(key)).await {
            Ok(_) => Ok(true),
            Err(error) => match failure::of_object(error, key) {
                Error::NotFound { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Removes an object. S3 does not tell whether it was there: asked before, which may be out of date by then.
    pub(crate) async fn remove(&self, key: &str) -> Result<bool> {
        let was_there = self.is_there(key).await?;
        if was_there {
            self.delete(key).await?;
        }
        Ok(was_there)
    }

    /// Removes an object that may be there.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        match self.service.delete(&self.path(key)).await {
            Ok(()) => Ok(()),
            Err(error) => match failure::of_object(error, key) {
                Error::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    /// The objects of blobs behind a key, in the order of their keys; those of uploads are not among them.
    pub(crate) async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for algorithm in ALGORITHMS {
            if after.is_some_and(|after| after > format!("{algorithm}0").as_str()) {
                continue;
            }
            let room = limit.saturating_sub(listed.len());
            let within = after.filter(|after| after.starts_with(algorithm));
            listed.extend(self.list_folder(algorithm, within, room).await?);
        }
        Ok(listed)
    }

    /// The objects below a folder, in the order of their keys.
    pub(crate) async fn list_folder(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let folder = self.path(folder);
        let metas = match after {
            Some(after) => self
                .service
                .list_with_offset(Some(&folder), &self.path(after)),
            None => self.service.list(Some(&folder)),
        };
        let metas: Vec<ObjectMeta> = metas
            .take(limit)
            .try_collect()
            .await
            .map_err(|error| failure::unavailable(&error))?;
        Ok(metas
            .into_iter()
            .filter_map(|meta| self.listed(meta))
            .collect())
    }

    /// A link that anybody can read the object with, for five minutes.
    pub(crate) async fn link(&self, key: &str) -> Result<String> {
        let valid = Duration::from_secs(LINK_SECONDS);
        let signed = self
            .service
            .signed_url(Method::GET, &self.path(key), valid)
            .await;
        signed
            .map(|url| url.to_string())
            .map_err(|error| failure::unavailable(&error))
    }

    /// What this process knows of its uploads.
    pub(crate) fn chains(&self) -> &Chains {
        &self.chains
    }

    fn listed(&self, meta: ObjectMeta) -> Option<Listed> {
        let key = meta.location.as_ref();
        let key = if self.prefix.is_empty() {
            key
        } else {
            key.strip_prefix(&self.prefix)?.strip_prefix('/')?
        };
        Some(Listed {
            key: key.to_owned(),
            size: meta.size,
            modified_at: meta.last_modified.timestamp_millis(),
        })
    }

    fn path(&self, key: &str) -> Path {
        // Keys and prefix hold no character that a path would encode, and `from` drops an empty part.
        Path::from(format!("{}/{key}", self.prefix))
    }
}

fn service(place: &BlobStore) -> Result<AmazonS3> {
    let invalid = |why: String| Error::Invalid {
        what: "place for blobs",
        value: place.url(),
        why,
    };
    let mut client = ClientOptions::new()
        // A blob may take hours; what counts is that something comes.
        .with_timeout_disabled()
        .with_read_timeout(Duration::from_secs(SILENCE_SECONDS))
        .with_connect_timeout(Duration::from_secs(CONNECT_SECONDS))
        .with_allow_http(place.allow_http);
    if let Some(path) = &place.authority {
        let pem = std::fs::read(path).map_err(Error::io(path))?;
        let authority = Certificate::from_pem(&pem)
            .map_err(|_| invalid(format!("`{}` is no certificate (PEM)", path.display())))?;
        client = client.with_root_certificate(authority);
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&place.bucket)
        .with_region(&place.region)
        .with_credentials(credentials::provider(&place.credentials)?)
        .with_virtual_hosted_style_request(!place.path_style)
        .with_client_options(client)
        // Removing one object by a request of its own is what every service has.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 10,
            retry_timeout: place.patience,
        });
    if let Some(endpoint) = &place.endpoint {
        if endpoint.starts_with("http://") && !place.allow_http {
            return Err(invalid(format!(
                "`{endpoint}` is not encrypted: give an `https://` address, or allow it with `--s3-allow-http`"
            )));
        }
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().map_err(|error| invalid(error.to_string()))
}
