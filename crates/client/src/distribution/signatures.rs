//! Signatures by OpenPGP beside an image, as podman and skopeo hand them to a registry that says `X-Registry-Supports-Signatures`: the
//! extension of OpenShift's registry, which Countersign speaks. Documents are carried as they are, and not looked into.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use oci::{Digest, RepositoryName};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::Access;
use crate::limits::ANSWER_BYTES_MAX;
use crate::{Client, Error};

impl Client {
    /// The documents of all signatures on an image; none where the image is not there.
    pub async fn openpgp_signatures(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Value>, Error> {
        let scopes = [Access::Pull.scope(repository)];
        let url = self.signatures_url(repository, digest);
        let answer = self.call(Method::GET, url, &scopes, |request| request);
        let listed: Listed = answer
            .await?
            .accepted()
            .await?
            .json(ANSWER_BYTES_MAX)
            .await?;
        Ok(listed.signatures.unwrap_or_default())
    }

    /// Puts one more signature beside an image, in its document.
    pub async fn put_openpgp_signature(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        document: Bytes,
    ) -> Result<(), Error> {
        let scopes = [Access::Push.scope(repository)];
        let url = self.signatures_url(repository, digest);
        let answer = self.call(Method::PUT, url, &scopes, |request| {
            request
                .header(CONTENT_TYPE, "application/json")
                .body(document.clone())
        });
        answer.await?.accepted().await.map(drop)
    }

    fn signatures_url(&self, repository: &RepositoryName, digest: &Digest) -> Url {
        let mut segments = vec!["extensions", "v2"];
        segments.extend(repository.as_str().split('/'));
        segments.extend(["signatures", digest.as_str()]);
        self.url(&segments)
    }
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    signatures: Option<Vec<Value>>,
}
