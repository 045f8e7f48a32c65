//! Stored blobs as objects under keys, wherever they lie. An object is whole and durable when it gets its key, and is never
//! written to again. It knows no database: which key a blob has is a column of its row, and a key that no row names is waste.
//!
//! Each upload has a key of its own (`blobs::new_key`), so that whoever removes an object that no row names cannot meet
//! somebody who stores the same bytes again (ADR 9).

use std::fs::File;
use std::io::{self, Read};

use crate::blobs::blocking;
use crate::error::{Error, Result};

mod local;

pub(crate) use local::{Local, modified_at};

/// The place where the objects are.
#[derive(Debug)]
pub(crate) enum Objects {
    /// Files in the data folder.
    Local(Local),
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
    /// Opens an object for reading, from its first byte. One that is not there is a `NotFound` of the kind `object`.
    pub(crate) async fn open(&self, key: &str) -> Result<Content> {
        match self {
            Objects::Local(local) => {
                let (local, key) = (local.clone(), key.to_owned());
                blocking(move || local.open(&key)).await
            }
        }
    }

    /// Removes an object; answers whether it was there. A cut may bring it back: remove again.
    pub(crate) async fn remove(&self, key: &str) -> Result<bool> {
        match self {
            Objects::Local(local) => {
                let (local, key) = (local.clone(), key.to_owned());
                blocking(move || local.remove(&key)).await
            }
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
}

impl Content {
    pub(crate) fn of_file(file: File, size: u64) -> Content {
        Content {
            size,
            source: Source::File(file),
        }
    }

    /// The file, where the bytes are one: for whoever reads parts of it or hands it to the kernel.
    pub fn file(&self) -> Option<&File> {
        match &self.source {
            Source::File(file) => Some(file),
        }
    }

    /// The same, to keep; or the content as it was, where the bytes are not a file.
    ///
    /// # Errors
    /// The content itself.
    pub fn into_file(self) -> std::result::Result<File, Content> {
        match self.source {
            Source::File(file) => Ok(file),
        }
    }

    /// The bytes as a stream for a thread that may block: not for an async task.
    pub fn into_reader(self) -> Reader {
        Reader(self.source)
    }

    /// All bytes, in memory: ask for `size` first.
    ///
    /// # Errors
    /// What the disk fails with.
    pub async fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        let mut reader = self.into_reader();
        blocking(move || {
            reader.read_to_end(&mut bytes).map_err(|source| Error::Io {
                path: "a stored blob".to_owned(),
                source,
            })?;
            Ok(bytes)
        })
        .await
    }
}

/// The bytes of a blob, one after the other; reading may block.
#[derive(Debug)]
pub struct Reader(Source);

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::File(file) => file.read(buffer),
        }
    }
}
