//! The calls of `/api/v1`, one file a topic, and how each of them is sent: credentials as they are, JSON both ways.

mod accounts;
mod advisories;
mod break_glass;
mod garbage;
mod images;
mod keys;
mod operations;
mod policies;
mod receipts;
mod tlog;
mod tokens;

use std::time::Duration;

use http::header::ACCEPT;
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Page;
use crate::limits::{ANSWER_BYTES_MAX, CALL_TIMEOUT};
use crate::transport::{Answer, send};
use crate::{Client, Error};

impl Client {
    /// An address of the API. `.` and `..` are no names: in an address they would mean another place.
    fn api(&self, segments: &[&str]) -> Result<Url, Error> {
        if let Some(dots) = segments
            .iter()
            .find(|segment| matches!(**segment, "" | "." | ".."))
        {
            return Err(Error::Name {
                value: (*dots).to_owned(),
            });
        }
        let mut all = vec!["api", "v1"];
        all.extend_from_slice(segments);
        Ok(self.url(&all))
    }

    async fn read<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        self.ask(Method::GET, url)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    async fn write<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: &B,
    ) -> Result<T, Error> {
        let request = self.as_caller(method, url.clone()).json(body);
        accepted(request, &url, CALL_TIMEOUT)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    /// A call without body whose answer is only that it was done.
    async fn act(&self, method: Method, url: Url) -> Result<(), Error> {
        self.ask(method, url).await.map(drop)
    }

    async fn ask(&self, method: Method, url: Url) -> Result<Answer, Error> {
        accepted(self.as_caller(method, url.clone()), &url, CALL_TIMEOUT).await
    }
}

async fn accepted(request: RequestBuilder, url: &Url, timeout: Duration) -> Result<Answer, Error> {
    let request = request.header(ACCEPT, "application/json");
    send(request, url, timeout).await?.accepted().await
}

/// The address with parameters; those without a value are left out.
fn with_query(mut url: Url, parameters: &[(&str, Option<&str>)]) -> Url {
    for (name, value) in parameters {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url
}

/// Where a page begins and how long it may be.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageRequest<'a> {
    /// What the page before gave as `next`.
    pub after: Option<&'a str>,
    /// The most entries; the server may give fewer.
    pub limit: Option<u32>,
}

impl PageRequest<'_> {
    fn apply(self, url: Url) -> Url {
        let limit = self.limit.map(|limit| limit.to_string());
        with_query(url, &[("after", self.after), ("limit", limit.as_deref())])
    }
}

impl Client {
    async fn page<T: DeserializeOwned>(
        &self,
        url: Url,
        request: PageRequest<'_>,
    ) -> Result<Page<T>, Error> {
        self.read(request.apply(url)).await
    }

    /// A list that the server gives whole, or else all its pages.
    async fn list<T: DeserializeOwned>(&self, url: Url) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..crate::limits::PAGES_MAX {
            let page: Page<T> = self
                .page(
                    url.clone(),
                    PageRequest {
                        after: after.as_deref(),
                        limit: None,
                    },
                )
                .await?;
            items.extend(page.items);
            match page.next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(items),
            }
        }
        Err(crate::transport::malformed(&url, "the list does not end"))
    }
}
