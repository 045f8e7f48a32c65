//! `/repositories` and `/image`. Images are written `shop/web:1` or `shop/web@sha256:…`, without a host.

use bytes::Bytes;
use oci::RepositoryName;
use reqwest::Method;

use super::{PageRequest, accepted, with_query};
use crate::api::Page;
use crate::api::catalogue::{Repository, Tag};
use crate::api::image::{EvidenceList, Findings, Image};
use crate::limits::{CALL_TIMEOUT, SBOM_BYTES_MAX};
use crate::{Client, Error};

impl Client {
    /// Some of the repositories that the caller may see.
    pub async fn repositories(&self, page: PageRequest<'_>) -> Result<Page<Repository>, Error> {
        self.page(self.api(&["repositories"])?, page).await
    }

    /// All tags of a repository, with what they point at.
    pub async fn repository_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, Error> {
        let url = with_query(
            self.api(&["repositories", "tags"])?,
            &[("repository", Some(repository.as_str()))],
        );
        self.list(url).await
    }

    /// What the server knows about an image.
    pub async fn image(&self, image: &str) -> Result<Image, Error> {
        self.read(with_query(self.api(&["image"])?, &[("ref", Some(image))]))
            .await
    }

    /// An image's SBOM as the server wrote it; `format` is `json` or `cyclonedx-json`.
    pub async fn image_sbom(&self, image: &str, format: &str) -> Result<Bytes, Error> {
        let url = with_query(
            self.api(&["image", "sbom"])?,
            &[("ref", Some(image)), ("format", Some(format))],
        );
        accepted(self.as_caller(Method::GET, url.clone()), &url, CALL_TIMEOUT)
            .await?
            .bytes(SBOM_BYTES_MAX)
            .await
    }

    /// The weaknesses of an image's components.
    pub async fn image_findings(&self, image: &str) -> Result<Findings, Error> {
        self.read(with_query(
            self.api(&["image", "findings"])?,
            &[("ref", Some(image))],
        ))
        .await
    }

    /// The signatures on an image, as the verifier saw them.
    pub async fn image_evidence(&self, image: &str) -> Result<EvidenceList, Error> {
        self.read(with_query(
            self.api(&["image", "evidence"])?,
            &[("ref", Some(image))],
        ))
        .await
    }
}
