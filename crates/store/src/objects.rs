//! Stored blobs as objects under keys, wherever they lie. An object is whole and durable when it gets its key, and is never
//! written to again. It knows no database: which key a blob has is a column of its row, and a key that no row names is waste.
//!
//! Each upload has a key of its own (`blobs::new_key`), so that whoever removes an object that no row names cannot meet
//! somebody who stores the same bytes again (ADR 9).

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;

use crate::blobs::blocking;
use crate::error::{Error, Result};

pub(crate) mod claim;
mod local;
mod remote;

pub(crate) use local::{Local, modified_at};
pub use remote::{BlobStore, Credentials, Keys};
pub(crate) use remote::{Remote, RemoteBytes, RemoteReader, Writing};

/// The place where the objects are.
#[derive(Debug)]
pub(crate) enum Objects {
    /// Files in the data folder.
    Local(Local),
    /// A bucket of an S3-compatible service.
    Remote(Remote),
}

/// An object, as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its key.
    pub(crate) key: String,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// When it became complete, or later (milliseconds since the epoch).
    pub(crate) modified_at: i64,
}

impl Objects {
    /// Asks the service whether objects can be read now; `false` where there is none to ask.
    pub(crate) async fn check(&self) -> Result<bool> {
        match self {
            Objects::Local(_) => Ok(false),
            Objects::Remote(remote) => remote.check().await.map(|()| true),
        }
    }

    /// Opens an object for reading, from its first byte. One that is not there is a `NotFound` of the kind `object`.
    pub(crate) async fn open(&self, key: &str) -> Result<Content> {
        match self {
            Objects::Local(local) => match local.open_now(key) {
                Some(opened) => opened,
                None => {
                    let (local, key) = (local.clone(), key.to_owned());
                    blocking(move || local.open(&key)).await
                }
            },
            Objects::Remote(remote) => Ok(Content::of_remote(remote.open(key).await?)),
        }
    }

    /// The file of an object, where it is one.
    pub(crate) fn file_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Objects::Local(local) => Some(local.path(key)),
            Objects::Remote(_) => None,
        }
    }

    /// Removes an object; answers whether it was there. A cut may bring it back: remove again.
    pub(crate) async fn remove(&self, key: &str) -> Result<bool> {
        match self {
            Objects::Local(local) => {
                let (local, key) = (local.clone(), key.to_owned());
                blocking(move || local.remove(&key)).await
            }
            Objects::Remote(remote) => remote.remove(key).await,
        }
    }

    /// The objects behind a key, in the order of their keys (byte by byte), at most `limit`. What is added or removed
    /// meanwhile may be in it or not.
    pub(crate) async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        match self {
            Objects::Local(local) => {
                let (local, after) = (local.clone(), after.map(str::to_owned));
                blocking(move || local.list(after.as_deref(), limit)).await
            }
            Objects::Remote(remote) => remote.list(after, limit).await,
        }
    }
}

/// The bytes of a stored blob, opened. What has been opened can be read to its end, also when it is removed meanwhile.
#[derive(Debug)]
pub struct Content {
    /// Its length in bytes.
    pub size: u64,
    source: Source,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    /// A file, at its first byte.
    File(File),
    /// An object elsewhere.
    Remote(RemoteBytes),
}

impl Content {
    pub(crate) fn of_file(file: File, size: u64) -> Content {
        Content {
            size,
            source: Source::File(file),
        }
    }

    fn of_remote(bytes: RemoteBytes) -> Content {
        Content {
            size: bytes.size(),
            source: Source::Remote(bytes),
        }
    }

    /// The file, where the bytes are one: for whoever reads parts of it or hands it to the kernel. Otherwise the object.
    ///
    /// # Errors
    /// The object.
    pub fn into_file(self) -> std::result::Result<File, RemoteContent> {
        match self.source {
            Source::File(file) => Ok(file),
            Source::Remote(bytes) => Err(RemoteContent(bytes)),
        }
    }

    /// The bytes as a stream for a thread that may block: not for an async task. Called within a runtime.
    pub fn into_reader(self) -> Reader {
        Reader(match self.source {
            Source::File(file) => Reading::File(file),
            Source::Remote(bytes) => Reading::Remote(bytes.into_reader(&Handle::current())),
        })
    }

    /// All bytes, in memory: ask for `size` first.
    ///
    /// # Errors
    /// What the disk or the service fails with.
    pub async fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        let mut reader = self.into_reader();
        blocking(move || {
            reader.read_to_end(&mut bytes).map_err(read_failure)?;
            Ok(bytes)
        })
        .await
    }
}

/// What a `Reader` failed with: `Unavailable` where it is the service, `Io` where it is a file.
pub fn read_failure(source: io::Error) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::Io {
            path: "a stored blob".to_owned(),
            source,
        },
    }
}

/// The bytes of a stored blob that are elsewhere.
#[derive(Debug)]
pub struct RemoteContent(RemoteBytes);

impl RemoteContent {
    /// `length` bytes from `first` on. The service has begun to answer when this returns.
    ///
    /// # Errors
    /// `Unavailable` when it does not; the stream fails in the same way when it stops for good.
    pub async fn stream(
        self,
        first: u64,
        length: u64,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static> {
        self.0.stream(first, length).await
    }

    /// A link that whoever has it can read all bytes with, for five minutes.
    ///
    /// # Errors
    /// `Unavailable` when there are no keys to sign it with.
    pub async fn link(&self) -> Result<String> {
        self.0.link().await
    }
}

/// The bytes of a blob, one after the other; reading may block.
#[derive(Debug)]
pub struct Reader(Reading);

#[derive(Debug)]
enum Reading {
    File(File),
    Remote(RemoteReader),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Reading::File(file) => file.read(buffer),
            Reading::Remote(remote) => remote.read(buffer),
        }
    }
}
