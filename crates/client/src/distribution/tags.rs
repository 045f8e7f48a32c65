//! Tags of a repository, all pages of them.

use http::header::LINK;
use oci::{RepositoryName, Tag};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::{Access, redirect};
use crate::client::same_origin;
use crate::limits::{LIST_BYTES_MAX, PAGES_MAX};
use crate::transport::{Answer, malformed};
use crate::{Client, Error};

impl Client {
    /// All tags, in the registry's order.
    pub async fn tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, Error> {
        // distribution-spec end-8
        let scopes = [Access::Pull.scope(repository)];
        let mut url = self.repository_url(repository, &["tags", "list"]);
        let mut tags = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self
                .call(Method::GET, url.clone(), &scopes, |request| request)
                .await?
                .accepted()
                .await?;
            let next = next_page(&answer)?;
            let page: TagList = answer.json(LIST_BYTES_MAX).await?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
        Err(malformed(&url, "the list does not end"))
    }
}

/// `tags` is null on some registries when there are none.
#[derive(Deserialize)]
struct TagList {
    #[serde(default)]
    tags: Option<Vec<Tag>>,
}

/// The next page of a list, from `Link: <…>; rel="next"`; on the same server only. RFC 8288.
pub(super) fn next_page(answer: &Answer) -> Result<Option<Url>, Error> {
    let Some(header) = answer.header(LINK.as_str()) else {
        return Ok(None);
    };
    let Some((location, parameters)) = header
        .trim_start()
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
    else {
        return Err(malformed(answer.url(), "its Link header is not one"));
    };
    let relation = parameters
        .split(';')
        .filter_map(|p| p.trim().strip_prefix("rel="))
        .next();
    if relation.is_some_and(|relation| relation.trim_matches('"') != "next") {
        return Ok(None);
    }
    let next = redirect::target(answer.url(), Some(location))?;
    if !same_origin(&next, answer.url()) {
        return Err(malformed(
            answer.url(),
            "its next page is on another server",
        ));
    }
    Ok(Some(next))
}
