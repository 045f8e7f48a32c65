//! Asking a witness for its signature on a checkpoint. What is sent and what the answer is worth are for others: bytes and a
//! status here. No credentials are sent. C2SP `tlog-witness`, "add-checkpoint".

use std::time::Duration;

use reqwest::{Method, Url};

use crate::Error;
use crate::text::clean;
use crate::transport::{Transport, send};
use crate::webhook::check_url;

/// How long a witness may take.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes.
const REPLY_BYTES_MAX: u64 = 64 * 1024;

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, as it came.
    pub body: String,
}

/// Asks any number of witnesses.
#[derive(Debug, Clone)]
pub struct WitnessClient {
    transport: Transport,
}

impl WitnessClient {
    /// Trusts the system's authorities and these (PEM).
    pub fn new(authorities_pem: &[Vec<u8>]) -> Result<Self, Error> {
        Ok(Self {
            transport: Transport::build(authorities_pem)?,
        })
    }

    /// Sends a checkpoint to the witness whose addresses begin with `prefix`; `body` is the request.
    ///
    /// # Errors
    /// The address is none, nobody answers, or the answer is too long or no text.
    pub async fn add_checkpoint(&self, prefix: &str, body: String) -> Result<Reply, Error> {
        let url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'));
        check_url(&url)?;
        let url = Url::parse(&url).map_err(|_| Error::Address {
            value: clean(&url),
            why: "not a URL",
        })?;
        let request = self.transport.request(Method::POST, url.clone());
        let request = request.header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
        let answer = send(request.body(body), &url, WITNESS_TIMEOUT).await?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes(REPLY_BYTES_MAX).await?;
        Ok(Reply {
            status,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}
