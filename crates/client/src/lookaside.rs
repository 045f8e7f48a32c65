//! Lookaside stores over HTTP: the files with signatures that podman and skopeo read at addresses below one that `registries.d` names.
//! Deliberately not where a file lies or what it is worth. No credentials are sent. containers-registries.d(5).

use bytes::Bytes;
use http::StatusCode;
use reqwest::{Method, Url};

use crate::Error;
use crate::distribution::redirect;
use crate::limits::CALL_TIMEOUT;
use crate::text::clean;
use crate::transport::{Transport, send};
use crate::webhook::check_url;

/// Reads one lookaside store.
#[derive(Debug, Clone)]
pub struct LookasideClient {
    transport: Transport,
    base: Url,
}

impl LookasideClient {
    /// The store at an address, as `https://signatures.example/shop`. Trusts the system's authorities and these (PEM).
    ///
    /// # Errors
    /// The address is none of http or https, or holds credentials, a query or a fragment.
    pub fn new(base: &str, authorities_pem: &[Vec<u8>]) -> Result<Self, Error> {
        check_url(base)?;
        let address = |why| Error::Address {
            value: clean(base),
            why,
        };
        let url = Url::parse(base).map_err(|_| address("not a URL"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(address("it has a query or a fragment"));
        }
        Ok(Self {
            transport: Transport::build(authorities_pem)?,
            base: url,
        })
    }

    /// A file below the address, by its path; none where there is none. At most `bytes_max` bytes are read.
    ///
    /// # Errors
    /// Nobody answers, something else than 200 or 404 is answered, or the file is too long.
    pub async fn file(&self, path: &str, bytes_max: u64) -> Result<Option<Bytes>, Error> {
        let mut url = self.base.clone();
        // INVARIANT: http and https addresses have segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        let request = self.transport.request(Method::GET, url.clone());
        let answer = send(request, &url, CALL_TIMEOUT).await?;
        let answer = redirect::follow(&self.transport, answer, &Method::GET).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.accepted().await?.bytes(bytes_max).await.map(Some)
    }
}
