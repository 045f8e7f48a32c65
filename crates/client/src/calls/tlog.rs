//! `/tlog`: the audit log as a transparency log. Bytes as they come: what they prove is for whoever has the log's key. C2SP `tlog-tiles`.

use bytes::Bytes;
use reqwest::{Method, Url};

use crate::{Client, Error};

/// The longest note that is read, in bytes.
const NOTE_BYTES_MAX: u64 = 64 * 1024;
/// The longest tile or bundle that is read: 256 entries of at most 65 535 bytes, each with its length.
const BUNDLE_BYTES_MAX: u64 = 256 * (65_535 + 2);

impl Client {
    /// The newest checkpoint of the log, a signed note.
    pub async fn log_checkpoint(&self) -> Result<Bytes, Error> {
        self.log("checkpoint", NOTE_BYTES_MAX).await
    }

    /// The key that the log's checkpoints verify with, as the server says: to be compared with what is known from elsewhere.
    pub async fn log_key(&self) -> Result<Bytes, Error> {
        self.log("key", NOTE_BYTES_MAX).await
    }

    /// A tile, by its path after `/tlog/tile/`: `0/x001/234.p/8`, or `entries/…` for a bundle of entries.
    pub async fn log_tile(&self, path: &str) -> Result<Bytes, Error> {
        self.log(&format!("tile/{path}"), BUNDLE_BYTES_MAX).await
    }

    async fn log(&self, path: &str, bytes_max: u64) -> Result<Bytes, Error> {
        let mut segments = vec!["tlog"];
        segments.extend(path.split('/'));
        let url: Url = self.url(&segments);
        self.ask(Method::GET, url).await?.bytes(bytes_max).await
    }
}
