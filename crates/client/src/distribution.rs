//! The distribution protocol as a client speaks it: pull, push, mount, referrers, tags, and docker's token protocol
//! before them. Works with any registry. Content is checked against its digest here and nowhere else again.
//! distribution-spec 1.1.

mod blobs;
mod challenge;
mod manifests;
pub(crate) mod redirect;
mod referrers;
mod signatures;
mod tags;
mod tokens;
mod trust;
mod upload;

use http::StatusCode;
use oci::RepositoryName;
use reqwest::{Method, RequestBuilder, Url};

pub use blobs::{Blob, BlobReader};
pub use manifests::{Fetched, ManifestHead, Pushed};
use tokens::Authorization;
pub(crate) use tokens::Tokens;
pub use upload::{Content, Mounted, Upload};

use crate::limits::CALL_TIMEOUT;
use crate::transport::{Answer, send};
use crate::{Client, Error};

/// What a call is about to do, for the token that allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
}

impl Access {
    /// The scope in the words of docker's token protocol.
    pub(crate) fn scope(self, repository: &RepositoryName) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
        };
        format!("repository:{repository}:{actions}")
    }
}

impl Client {
    /// Asks whether the registry is there and takes the credentials: what `docker login` does.
    pub async fn ping(&self) -> Result<(), Error> {
        // distribution-spec end-1
        let answer = self
            .call(Method::GET, self.url(&["v2", ""]), &[], |request| request)
            .await?;
        answer.accepted().await.map(drop)
    }

    /// An address below a repository.
    pub(crate) fn repository_url(&self, repository: &RepositoryName, rest: &[&str]) -> Url {
        let mut segments = vec!["v2"];
        segments.extend(repository.as_str().split('/'));
        segments.extend_from_slice(rest);
        self.url(&segments)
    }

    /// Sends a request that can be sent again, with the token for these scopes; answers one or two challenges.
    pub(crate) async fn call(
        &self,
        method: Method,
        url: Url,
        scopes: &[String],
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let mut challenges_left = 2_u8;
        let mut authorization = self.authorization(scopes).await?;
        loop {
            let request = authorization.apply(self.transport.request(method.clone(), url.clone()));
            let answer = send(fill(request), &url, CALL_TIMEOUT).await?;
            if challenges_left == 0 {
                return Ok(answer);
            }
            challenges_left -= 1;
            let next = match answer.status() {
                StatusCode::UNAUTHORIZED => self.answer_challenge(&answer, scopes).await?,
                // Where anybody may read, nobody is challenged; whoever has credentials asks as themselves all the same.
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if authorization.is_none() => {
                    self.ask_for_challenge(scopes).await?
                }
                _ => None,
            };
            match next {
                Some(next) => authorization = next,
                None => return Ok(answer),
            }
        }
    }

    /// Learns how to log in where no call was challenged: `/v2/` says it to everybody. Nothing without credentials.
    async fn ask_for_challenge(&self, scopes: &[String]) -> Result<Option<Authorization>, Error> {
        if self.options.credentials.is_none() {
            return Ok(None);
        }
        // distribution-spec end-1
        let url = self.url(&["v2", ""]);
        let request = self.transport.request(Method::GET, url.clone());
        let answer = send(request, &url, CALL_TIMEOUT).await?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => self.answer_challenge(&answer, scopes).await,
            _ => Ok(None),
        }
    }
}
